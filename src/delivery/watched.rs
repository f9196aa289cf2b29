//! A client session under observation: every reply and every change of what it waits for is noted, what is said becomes
//! the attempt's trail, and a certificate is judged by TLSA records before anything is said under it.

use std::sync::Arc;

use super::policy::dane::DaneRecords;
use super::progress::{Progress, Waiting};
use super::trail::TrailKind;
use crate::base::Mono;
use crate::base::dialog::{Dialog, Input, Step};
use crate::base::limits::TRAIL_LINE_OCTETS_MAX;
use crate::base::world::{CertificateRefused, TlsInfo, World};
use crate::smtp::client::{BodyAnswer, BodyAsk, Client, Stage};

/// The session.
pub(super) struct Watched<'a> {
    pub(super) client: &'a mut Client,
    pub(super) world: &'a World,
    pub(super) progress: Option<&'a Progress>,
    /// What the certificate is judged by.
    pub(super) dane: Option<Arc<DaneRecords>>,
    /// Why it was refused.
    pub(super) refused: Option<CertificateRefused>,
    /// A line of the host that has no end yet.
    heard: Vec<u8>,
    /// Octets of the message that left.
    body_octets: usize,
}

impl<'a> Watched<'a> {
    pub(super) fn new(
        client: &'a mut Client,
        world: &'a World,
        progress: Option<&'a Progress>,
        dane: Option<Arc<DaneRecords>>,
    ) -> Watched<'a> {
        Watched { client, world, progress, dane, refused: None, heard: Vec::new(), body_octets: 0 }
    }

    fn say(&self, now: Mono, kind: TrailKind, text: &str) {
        if let Some(progress) = self.progress {
            progress.say(now, kind, text);
        }
    }

    fn say_heard(&mut self, now: Mono, octets: &[u8], stage: Stage) {
        for octet in octets {
            if *octet == b'\n' {
                let line = std::mem::take(&mut self.heard);
                let text = String::from_utf8_lossy(&line);
                // A challenge is part of a login.
                let is_challenge = stage == Stage::Login && text.starts_with("334");
                self.say(now, TrailKind::Received, if is_challenge { "334 (login)" } else { text.trim_end() });
            } else if self.heard.len() < TRAIL_LINE_OCTETS_MAX {
                self.heard.push(*octet);
            }
        }
    }

    fn say_sent(&mut self, now: Mono, octets: &[u8], before: Stage) {
        if before == Stage::Body {
            self.body_octets += octets.len();
            return;
        }
        let login = before == Stage::Login || self.client.stage() == Stage::Login;
        for line in octets.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
            let line = String::from_utf8_lossy(line);
            let line = line.trim_end();
            let mechanism = line.strip_prefix("AUTH ").map(|rest| rest.split(' ').next().unwrap_or_default());
            match (mechanism, login) {
                (Some(mechanism), _) => self.say(now, TrailKind::Sent, &format!("AUTH {mechanism} (login)")),
                (None, true) if !is_command(line) => self.say(now, TrailKind::Sent, "(login)"),
                _ => self.say(now, TrailKind::Sent, line),
            }
        }
    }

    fn say_body(&mut self, now: Mono) {
        if self.body_octets > 0 && self.client.stage() != Stage::Body {
            let octets = std::mem::take(&mut self.body_octets);
            self.say(now, TrailKind::Sent, &format!("(the message, {octets} octets)"));
        }
    }
}

/// Whether a line said around a login is none of it.
fn is_command(line: &str) -> bool {
    ["EHLO ", "MAIL ", "QUIT", "RSET"].iter().any(|verb| line.starts_with(verb))
}

impl Dialog for Watched<'_> {
    type Ask = BodyAsk;
    type Answer = BodyAnswer;

    fn step(&mut self, now: Mono, input: &mut Input, output: &mut Vec<u8>) -> Step<BodyAsk> {
        let Some(progress) = self.progress else { return self.client.step(now, input, output) };
        let before = (self.client.replies(), self.client.stage());
        let (said, unsent) = (input.peek().to_vec(), output.len());
        let step = self.client.step(now, input, output);
        let after = (self.client.replies(), self.client.stage());
        self.say_body(now);
        let consumed = said.len().saturating_sub(input.len());
        self.say_heard(now, said.get(..consumed).unwrap_or_default(), before.1);
        if let Some(sent) = output.get(unsent..).filter(|sent| !sent.is_empty()) {
            self.say_sent(now, sent, before.1);
            self.say_body(now);
        }
        if before != after {
            let waiting = match after.1 {
                Stage::Body => Waiting::Body,
                Stage::Final => Waiting::Final,
                _ => Waiting::Host,
            };
            progress.note(waiting, now);
        }
        step
    }

    fn answer(&mut self, answer: BodyAnswer) {
        self.client.answer(answer);
    }

    fn tls_started(&mut self, info: TlsInfo) {
        let now = self.world.clock.now();
        let judged = judge(self.world, self.dane.as_deref(), &info);
        self.say(now, TrailKind::Tls, &told(&info, self.dane.is_some() && judged.is_ok()));
        match judged {
            Ok(()) => self.client.tls_started(info),
            Err(refused) => {
                self.client.broken(&refused.to_string(), &mut Input::new());
                self.refused = Some(refused);
            }
        }
    }

    fn deadline(&self) -> Option<Mono> {
        self.client.deadline()
    }

    fn expire(&mut self) {
        self.client.expire();
    }

    fn end(&mut self) {
        self.client.end();
    }
}

/// Judges the certificates of a handshake by TLSA records, where there are some.
pub(super) fn judge(world: &World, dane: Option<&DaneRecords>, info: &TlsInfo) -> Result<(), CertificateRefused> {
    match dane {
        Some(dane) => world.tls.check_dane(&info.peer_chain, &dane.names, &dane.records, world.clock.wall()),
        None => Ok(()),
    }
}

/// A handshake in words.
pub(super) fn told(info: &TlsInfo, by_dane: bool) -> String {
    let judged = match (by_dane, info.verified) {
        (true, _) => "certificate matches TLSA records",
        (false, true) => "certificate verified",
        (false, false) => "certificate not verified",
    };
    format!("{} {}, {judged}", info.version, info.cipher)
}
