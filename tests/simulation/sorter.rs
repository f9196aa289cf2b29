//! A user who reads mail by IMAP over TLS, over the same bad network: moves it out of INBOX, and expunges some of what was
//! moved.
//!
//! MOVE loses nothing and doubles nothing, whenever the power goes. What a tagged OK to EXPUNGE confirmed as gone must
//! never come back. A UID means the same octets for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;

use mailcore::base::World;
use mailcore::base::{Uid, UidValidity};

use crate::response::Response;
use crate::rng::Rng;
use crate::sessions::talk::Talk;

/// Where INBOX is emptied to.
const KEPT: &str = "Kept";

/// Such a user, and the mail it ever saw.
pub struct Sorter {
    /// Its address.
    pub user: String,
    server: SocketAddr,
    world: World,
    /// Octets by UIDVALIDITY and UID.
    seen: BTreeMap<(UidValidity, Uid), Vec<u8>>,
    /// Mails, by all their octets, that the server confirmed as gone.
    gone: BTreeSet<Vec<u8>>,
    /// Mails whose expunge got no answer: gone or still there.
    doubted: BTreeSet<Vec<u8>>,
}

impl Sorter {
    /// One that has seen nothing.
    pub fn new(user: String, server: SocketAddr, world: World) -> Sorter {
        Sorter { user, server, world, seen: BTreeMap::new(), gone: BTreeSet::new(), doubted: BTreeSet::new() }
    }

    /// One session: empties INBOX, and expunges some of what was moved. Errors are tried again another time.
    pub async fn sort(&mut self, rng: &mut Rng) -> io::Result<()> {
        let mut talk = Talk::open(&self.world, self.server, &self.user).await?;
        // There already, but for the first time.
        let _ = say(&mut talk, &format!("CREATE {KEPT}")).await?;
        let inbox = self.read(&mut talk, "INBOX").await?;
        if !inbox.is_empty() {
            let verb = if rng.per_mille(800) { "UID MOVE" } else { "MOVE" };
            let set = if verb == "MOVE" { "1:*".to_owned() } else { joined(inbox.iter().map(|(uid, _)| uid)) };
            done(say(&mut talk, &format!("{verb} {set} {KEPT}")).await?)?;
        }
        let kept = self.read(&mut talk, KEPT).await?;
        let some: Vec<_> = kept.into_iter().filter(|_| rng.per_mille(200)).collect();
        if !some.is_empty() {
            let set = joined(some.iter().map(|(uid, _)| uid));
            done(say(&mut talk, &format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)")).await?)?;
            self.doubted.extend(some.iter().map(|(_, octets)| octets.clone()));
            done(say(&mut talk, &format!("UID EXPUNGE {set}")).await?)?;
            self.gone.extend(some.into_iter().map(|(_, octets)| octets));
        }
        say(&mut talk, "LOGOUT").await.map(drop)
    }

    /// Selects a mailbox and reads all of it.
    async fn read(&mut self, talk: &mut Talk, name: &str) -> io::Result<Vec<(Uid, Vec<u8>)>> {
        let mut mails = Vec::new();
        let selected = done(say(talk, &format!("SELECT {name}")).await?)?;
        let code = "* OK [UIDVALIDITY ";
        let validity = selected.iter().find_map(|said| said.line.strip_prefix(code)?.split(']').next()?.parse().ok());
        let validity: UidValidity = validity.expect("SELECT tells UIDVALIDITY");
        for response in done(say(talk, "UID FETCH 1:* (UID BODY.PEEK[])").await?)? {
            let [_, _, word, items] = response.values.as_slice() else { continue };
            if word.word() != "FETCH" {
                continue;
            }
            let item = |name: &str| items.list().chunks(2).find(|pair| pair[0].word() == name).map(|pair| &pair[1]);
            let (Some(uid), Some(text)) = (item("UID"), item("BODY[]")) else { continue };
            let (uid, octets) = (uid.number() as Uid, text.word().as_bytes().to_vec());
            let before = self.seen.insert((validity, uid), octets.clone());
            assert!(before.is_none_or(|before| before == octets), "{}: {name} {uid} has other octets", self.user);
            assert!(!self.gone.contains(&octets), "{}: {name} {uid} was expunged and is back", self.user);
            mails.push((uid, octets));
        }
        Ok(mails)
    }

    /// When all is calm: every mail there ever was, once.
    pub async fn all(mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut talk = Talk::open(&self.world, self.server, &self.user).await?;
        let _ = say(&mut talk, &format!("CREATE {KEPT}")).await?;
        let mut here = BTreeSet::new();
        for name in ["INBOX", KEPT] {
            for (uid, octets) in self.read(&mut talk, name).await? {
                // Two deliveries differ in their trace fields.
                assert!(here.insert(octets), "{}: {name} {uid} was moved and is still where it was", self.user);
            }
        }
        for ((folder, uid), octets) in &self.seen {
            let known = here.contains(octets) || self.gone.contains(octets) || self.doubted.contains(octets);
            assert!(known, "{}: UID {uid} of {folder} was moved, and is nowhere", self.user);
        }
        here.extend(self.gone);
        here.extend(self.doubted);
        Ok(here.into_iter().collect())
    }
}

type Said = (String, Vec<Response>);

/// A command: its tagged answer, and what came before.
async fn say(talk: &mut Talk, command: &str) -> io::Result<Said> {
    let tag = talk.ask(command).await?;
    let mut untagged = Vec::new();
    loop {
        let response = talk.response().await?;
        if let Some(answer) = response.line.strip_prefix(&format!("{tag} ")) {
            return Ok((answer.to_owned(), untagged));
        }
        untagged.push(response);
    }
}

/// What came before an OK; anything else is tried another time.
fn done((answer, untagged): Said) -> io::Result<Vec<Response>> {
    assert!(!answer.starts_with("BAD") && !answer.contains("SERVERBUG"), "{answer}");
    if answer.starts_with("OK") { Ok(untagged) } else { Err(io::Error::other(answer)) }
}

fn joined<'a>(uids: impl Iterator<Item = &'a Uid>) -> String {
    uids.map(Uid::to_string).collect::<Vec<_>>().join(",")
}
