//! CAPABILITY, ID, ENABLE and NAMESPACE: what the server says of itself.

use crate::imap::capability;
use crate::imap::name::SEPARATOR;
use crate::imap::response::Completion;
use crate::imap::session::Offer;
use crate::sasl;

use super::Session;
use super::refusal::Done;

impl Session {
    /// What is offered on this connection just now.
    pub(super) fn capabilities(&self) -> String {
        capability::announced(&Offer {
            state: self.state(),
            starttls: self.tls.is_none() && !self.wire.is_compressed() && self.shared.world.tls.can_accept(),
            sasl: self.sasl_offer(),
            append_octets_max: self.shared.settings.message_octets_max,
        })
    }

    /// Passwords travel under TLS, or over loopback where the host allows it.
    pub(super) fn sasl_offer(&self) -> sasl::Offer {
        let passwords = self.tls.is_some() || self.shared.takes_plaintext(self.ends.local);
        let channel_binding = self.tls.as_ref().is_some_and(|tls| tls.exporter.is_some());
        sasl::Offer { passwords, channel_binding, plain_only: !self.shared.offers_scram() }
    }

    pub(super) fn capability(&mut self) -> Done {
        let line = format!("* CAPABILITY {}\r\n", self.capabilities());
        self.wire.out.extend_from_slice(line.as_bytes());
        Ok(Completion::ok("Capability completed"))
    }

    pub(super) fn id(&mut self) -> Done {
        let line = concat!("* ID (\"name\" \"libmailcore\" \"version\" \"", env!("CARGO_PKG_VERSION"), "\")\r\n");
        self.wire.out.extend_from_slice(line.as_bytes());
        Ok(Completion::ok("ID completed"))
    }

    pub(super) fn enable(&mut self, names: &[String]) -> Done {
        let had_condstore = self.enabled.condstore;
        let fresh = capability::enable(&mut self.enabled, names);
        let line = format!("* ENABLED {}", fresh.join(" "));
        self.wire.out.extend_from_slice(line.trim_end().as_bytes());
        self.wire.out.extend_from_slice(b"\r\n");
        if !had_condstore && self.enabled.condstore {
            self.write_highest();
        }
        Ok(Completion::ok("Enabled"))
    }

    /// A command told that the client knows CONDSTORE; the first one that does is answered with where the open
    /// mailbox stands (RFC 7162 §3.1).
    pub(super) fn know_condstore(&mut self) {
        if !self.enabled.condstore {
            self.enabled.condstore = true;
            self.write_highest();
        }
    }

    fn write_highest(&mut self) {
        if let Some(open) = &self.open {
            let line = format!("* OK [HIGHESTMODSEQ {}] CONDSTORE enabled\r\n", open.view.mod_seq);
            self.wire.out.extend_from_slice(line.as_bytes());
        }
    }

    pub(super) fn namespace(&mut self) -> Done {
        let line = format!("* NAMESPACE ((\"\" \"{SEPARATOR}\")) NIL NIL\r\n");
        self.wire.out.extend_from_slice(line.as_bytes());
        Ok(Completion::ok("Namespace completed"))
    }
}
