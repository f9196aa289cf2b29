//! The end of a road: where each message that was written ended, looked for everywhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::letter::token_of;
use crate::peer::Peer;
use crate::road::{DESTINATIONS, DISOWNED, Outcome, Reader};
use crate::sorter::Sorter;

/// A message somebody wrote.
#[derive(Debug, Clone)]
pub struct Written {
    /// Who wrote it.
    pub sender: String,
    /// For whom.
    pub recipients: Vec<String>,
    /// Whether its submission was acknowledged; otherwise it is in doubt.
    pub acknowledged: bool,
}

/// What was written, by token.
pub type Ledger = Arc<Mutex<BTreeMap<String, Written>>>;

/// What arrived where, how often: (token, recipient).
#[derive(Default)]
struct Found {
    delivered: BTreeMap<(String, String), u64>,
    bounced: BTreeMap<(String, String), u64>,
    passed: u64,
}

impl Found {
    fn mail(&mut self, octets: &[u8], recipient: &str) {
        let text = String::from_utf8_lossy(octets);
        if text.contains("multipart/report") {
            return self.report(&text);
        }
        self.passed += u64::from(text.contains("dmarc=pass"));
        let token = token_of(octets).unwrap_or_else(|| panic!("{recipient} got what nobody sent: {text:.600}"));
        *self.delivered.entry((token, recipient.to_owned())).or_default() += 1;
    }

    /// A delivery status notification; those of a delay are only told.
    fn report(&mut self, text: &str) {
        let token = text.split_once("Subject: token-").map(|(_, rest)| rest.split("\r\n").next().unwrap_or_default());
        let token = format!("token-{}", token.expect("a report brings back the header"));
        let mut recipient = None;
        for line in text.split("\r\n") {
            if let Some(address) = line.strip_prefix("Final-Recipient:") {
                recipient = address.rsplit(';').next().map(|address| address.trim().to_ascii_lowercase());
            }
            if line.eq_ignore_ascii_case("action: failed") {
                let recipient = recipient.clone().expect("Final-Recipient stands before Action");
                *self.bounced.entry((token.clone(), recipient)).or_default() += 1;
            }
        }
    }
}

/// What became of everything that was written. Panics where a promise was broken.
pub async fn arrived(
    ledger: &BTreeMap<String, Written>,
    readers: Vec<Reader>,
    sorters: Vec<Sorter>,
    peers: &[Peer; 2],
) -> Outcome {
    let mut found = Found::default();
    for sorter in sorters {
        let user = sorter.user.clone();
        let mails = sorter.all().await.expect("the last look");
        mails.iter().for_each(|mail| found.mail(mail, &user));
    }
    for mut reader in readers {
        // Calm now: what is still there can be had at once, and then nothing is left.
        for delete in [true, false] {
            reader.fetch(delete).await.expect("the last fetch");
        }
        for id in reader.mine.mails.keys() {
            let known = reader.mine.gone.contains(id) || reader.mine.doubted.contains(id);
            assert!(known, "{}: {id} was never taken off the server and is not there", reader.user);
        }
        for mail in reader.mine.mails.values() {
            found.mail(mail, &reader.user);
        }
    }
    for taken in peers.iter().flat_map(Peer::taken) {
        found.mail(&taken.octets, &taken.recipient);
    }
    for (token, recipient) in found.delivered.keys().chain(found.bounced.keys()) {
        let known = ledger.get(token).is_some_and(|written| written.recipients.contains(recipient));
        assert!(known, "{token} went to {recipient}, to whom nobody sent it");
    }
    let mut outcome = Outcome { passed: found.passed, ..Outcome::default() };
    for (token, written) in ledger {
        account_for(token, written, &found, &mut outcome);
    }
    outcome
}

/// Each recipient in exactly one of {delivered, bounced}.
fn account_for(token: &str, written: &Written, found: &Found, outcome: &mut Outcome) {
    let ends: Vec<(u64, u64)> = written
        .recipients
        .iter()
        .map(|recipient| {
            let place = (token.to_owned(), recipient.clone());
            let count = |map: &BTreeMap<_, u64>| map.get(&place).copied().unwrap_or(0);
            (count(&found.delivered), count(&found.bounced))
        })
        .collect();
    if written.acknowledged {
        outcome.acknowledged += 1;
    } else {
        outcome.doubts += 1;
        if ends.iter().all(|end| *end == (0, 0)) {
            return;
        }
    }
    for (recipient, (delivered, bounced)) in written.recipients.iter().zip(ends) {
        let can_arrive = DESTINATIONS.iter().any(|(address, fine)| address == recipient && *fine);
        let said = format!("{token} from {} to {recipient}: {delivered} delivered, {bounced} bounced", written.sender);
        if can_arrive && written.sender == DISOWNED && recipient.ends_with("@far.example") {
            // Refused, unless DNS could not say so or the host there overrode it; that in doubt may be refused after.
            assert!(bounced <= 1 && delivered + bounced >= 1, "{said}; it should end");
            outcome.disowned += bounced;
        } else if can_arrive {
            assert!(delivered >= 1 && bounced == 0, "{said}; it could arrive");
            outcome.delivered += 1;
            outcome.duplicates += delivered - 1;
        } else {
            assert!(delivered == 0 && bounced == 1, "{said}; it could not arrive");
            outcome.bounced += 1;
        }
    }
}
