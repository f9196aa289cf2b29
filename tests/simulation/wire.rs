//! Self-tests of executor, network, names and TLS: what is sent arrives, what breaks is noticed, one seed has
//! one history, and a task nobody will wake is found.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailcore::base::World;
use mailcore::base::world::{BoxStream, Record, RecordKind, TlsPeer};
use mailcore::net::pump::within;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::disk::lock;
use crate::image::Loss;
use crate::pipe::Weather;
use crate::world::{Host, Sim};

const AT: ([u8; 4], u16) = ([10, 0, 0, 2], 7);

async fn serve(world: World) {
    let listener = world.network.listen(SocketAddr::from(AT)).await.expect("listens");
    while let Ok((stream, _)) = listener.accept().await {
        let echo = world.clone();
        let session = async move {
            let at = echo.clock.now() + Duration::from_secs(600);
            let _ = within(&*echo.clock, at, echoes(stream)).await;
        };
        world.run.task("echo", Box::pin(session)).detach();
    }
}

async fn echoes(mut stream: BoxStream) -> io::Result<()> {
    let mut piece = vec![0; 4096];
    loop {
        let n = stream.read(&mut piece).await?;
        if n == 0 {
            return stream.close().await;
        }
        stream.write_all(&piece[..n]).await?;
    }
}

/// Sends `octets` octets and reads them back.
async fn exchange(world: World, octets: usize) -> io::Result<()> {
    let at = world.clock.now() + Duration::from_secs(300);
    let talk = async {
        let mut stream = world.network.connect(SocketAddr::from(AT), None).await?;
        let sent: Vec<u8> = (0..octets).map(|i| i as u8).collect();
        let mut got = vec![0; octets];
        for (out, back) in sent.chunks(10_000).zip(got.chunks_mut(10_000)) {
            stream.write_all(out).await?;
            stream.read_exact(back).await?;
        }
        assert_eq!(sent, got);
        Ok(())
    };
    within(&*world.clock, at, talk).await
}

fn two(sim: &Sim) -> (Host, Host) {
    let (client, server) = (sim.host("client", [10, 0, 0, 1]), sim.host("server", AT.0));
    let world = server.world();
    world.run.task("serve", Box::pin(serve(world.clone()))).detach();
    (client, server)
}

#[test]
fn calm_network_brings_everything() {
    let _one = crate::one_at_a_time();
    let sim = Sim::new(1);
    let (client, _server) = two(&sim);
    sim.executor.run(async move { exchange(client.world(), 200_000).await }).expect("arrives");
    sim.executor.shut();
}

#[test]
fn rough_network_ends_every_wait_and_replays() {
    let _one = crate::one_at_a_time();
    let run = |seed| {
        let sim = Sim::new(seed);
        let (client, server) = two(&sim);
        sim.net.set_weather(Weather::ROUGH);
        let clock = sim.clock.clone();
        let ends = sim.executor.run(async move {
            clock.sleep(Duration::from_millis(1)).await;
            let ends = Arc::new(Mutex::new(Vec::new()));
            let mut tasks = Vec::new();
            for _ in 0..60 {
                let (world, ends) = (client.world(), ends.clone());
                let talk = async move {
                    let end = exchange(world, 30_000).await.map_err(|e| e.kind());
                    lock(&ends).push(end);
                };
                tasks.push(client.world().run.task("talk", Box::pin(talk)));
            }
            for task in tasks {
                task.await;
            }
            server.cut(Loss::Everything);
            client.cut(Loss::Everything);
            std::mem::take(&mut *lock(&ends))
        });
        sim.executor.shut();
        (ends, sim.trace.sum())
    };
    let (ends, trace) = run(5);
    assert!(ends.iter().any(Result::is_ok));
    for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::TimedOut, io::ErrorKind::ConnectionRefused] {
        assert!(ends.contains(&Err(kind)), "no {kind:?}");
    }
    assert_eq!(run(5), (ends, trace), "one seed, two histories");
    assert_ne!(run(6).1, trace, "two seeds, one history");
}

#[test]
fn power_cut_ends_a_peers_wait() {
    let _one = crate::one_at_a_time();
    let mut kinds = Vec::new();
    for seed in 0..8 {
        let sim = Sim::new(seed);
        let (client, server) = two(&sim);
        let clock = sim.clock.clone();
        let end = sim.executor.run(async move {
            clock.sleep(Duration::from_millis(1)).await;
            let world = client.world();
            let mut stream = world.network.connect(SocketAddr::from(AT), None).await.expect("connects");
            stream.write_all(b"x").await.expect("writes");
            stream.read_exact(&mut [0]).await.expect("reads");
            server.cut(Loss::Everything);
            let at = world.clock.now() + Duration::from_secs(60);
            within(&*world.clock, at, async { stream.read(&mut [0]).await }).await.map_err(|e| e.kind())
        });
        kinds.push(end.expect_err("nothing to read"));
    }
    assert!(kinds.contains(&io::ErrorKind::TimedOut) && kinds.contains(&io::ErrorKind::ConnectionReset));
}

#[test]
#[should_panic(expected = "lost wakeup")]
fn a_task_nobody_will_wake_is_found() {
    let _one = crate::one_at_a_time();
    Sim::new(1).executor.run(pending::<()>());
}

#[test]
fn names_and_handshakes() {
    let _one = crate::one_at_a_time();
    let sim = Sim::new(2);
    sim.zone.add("example.org.", Record::Mx { preference: 10, exchange: "server".into() });
    let (client, server) = two(&sim);
    let clock = sim.clock.clone();
    sim.executor.run(async move {
        clock.sleep(Duration::from_millis(1)).await;
        let world = client.world();
        assert_eq!(world.resolver.ask("Example.ORG", RecordKind::Mx).await.records.expect("there").len(), 1);
        assert!(world.resolver.ask("example.org", RecordKind::A).await.records.is_err());
        let at = SocketAddr::new(server.ip, 465);
        let listener = server.world().network.listen(at).await.expect("listens");
        for (name, must_verify, fine) in [("server", true, true), ("other", false, true), ("other", true, false)] {
            let (near, (far, _)) = {
                let near = world.network.connect(at, None).await.expect("connects");
                (near, listener.accept().await.expect("accepts"))
            };
            let accepted = server.world().tls.accept(far);
            let connected = world.tls.connect(near, TlsPeer { name: name.into(), must_verify });
            let (accepted, connected) = smol::future::zip(accepted, connected).await;
            assert_eq!(accepted.expect("accepts").1.server_name.as_deref(), Some(name));
            assert_eq!(connected.is_ok(), fine, "{name}");
        }
    });
    sim.executor.shut();
}
