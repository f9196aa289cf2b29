//! XCLIENT and XFORWARD, as Postfix has them: a trusted peer in front of us says whom it speaks for.
//!
//! After XCLIENT the session is that of the client named: it is greeted anew, and its address is judged as if it had
//! called here. XFORWARD only tells where a message came from first; Received says it, and nothing is decided by it.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Forwarded, Next, Phase, Session};
use crate::base::Reply;
use crate::smtp::command::shown;

/// A name and what it is said to be.
type Attribute = (String, Option<String>);

impl Session {
    /// XCLIENT: nothing that was said before it counts.
    pub(super) fn xclient(&mut self, attributes: &[Attribute], output: &mut Vec<u8>) -> Next {
        let mut ends = self.client.ends;
        let mut hello = String::new();
        for (name, value) in attributes {
            let value = value.as_deref();
            let bad = || Reply::new(501, 5, 4, format!("Bad attribute {name}={}", shown(value.unwrap_or_default())));
            let done = match (name.as_str(), value) {
                ("HELO", said) => {
                    hello = said.unwrap_or_default().to_owned();
                    Some(())
                }
                ("ADDR", Some(said)) => address(said).map(|ip| ends.peer.set_ip(ip)),
                ("DESTADDR", Some(said)) => address(said).map(|ip| ends.local.set_ip(ip)),
                ("PORT", Some(said)) => said.parse().ok().map(|port| ends.peer.set_port(port)),
                ("DESTPORT", Some(said)) => said.parse().ok().map(|port| ends.local.set_port(port)),
                ("PROTO", Some(said)) => ["SMTP", "ESMTP"].contains(&said.to_ascii_uppercase().as_str()).then_some(()),
                // Host names are looked up here, by those who want to know them.
                _ => Some(()),
            };
            if done.is_none() {
                self.say(&bad(), output);
                return None;
            }
        }
        let client = Arc::make_mut(&mut self.client);
        client.ends = ends;
        client.hello = hello;
        client.extended = false;
        client.account = None;
        client.relays = false;
        client.forwarded = None;
        self.config.ends = client.ends;
        // What the relay itself may do is not the client's.
        self.config.relays = false;
        self.greeted = false;
        self.phase = Phase::Greeting;
        None
    }

    /// XFORWARD: adds to what is known of where mail comes from.
    pub(super) fn xforward(&mut self, attributes: &[Attribute], output: &mut Vec<u8>) {
        let mut forwarded = self.client.forwarded.as_deref().cloned().unwrap_or_default();
        for (name, value) in attributes {
            match (name.as_str(), value.clone()) {
                ("NAME", said) => forwarded.name = said,
                ("HELO", said) => forwarded.hello = said,
                ("IDENT", said) => forwarded.ident = said,
                ("ADDR", Some(said)) => match address(&said) {
                    Some(ip) => forwarded.address = Some(ip),
                    None => {
                        let text = format!("Bad attribute ADDR={}", shown(&said));
                        return self.say(&Reply::new(501, 5, 4, text), output);
                    }
                },
                ("ADDR", None) => forwarded.address = None,
                _ => {}
            }
        }
        let is_empty = forwarded == Forwarded::default();
        Arc::make_mut(&mut self.client).forwarded = (!is_empty).then(|| Arc::new(forwarded));
        self.say(&Reply::new(250, 0, 0, "Ok"), output);
    }
}

/// An address, `IPV6:` in front of one of IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let is_v6 = text.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("IPV6:"));
    let text = if is_v6 { text.get(5..)? } else { text };
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}
