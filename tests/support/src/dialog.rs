//! Transcripts against a [`Dialog`] alone, without a socket: the servers of SMTP, LMTP and POP3, and the SMTP client.
//!
//! What may happen (`! word`):
//!
//! ```text
//! expire         the deadline passes        deadline n     it lies n seconds ahead
//! after n        n seconds pass, less than to the deadline
//! end            the peer is gone           drain          the engine drains
//! tls [name]     a handshake was asked for and happens
//! close          the dialog closes; nothing may follow
//! ```

use std::time::Duration;

use mailcore::base::dialog::{Dialog, Input, Step};
use mailcore::base::limits::READ_OCTETS;
use mailcore::base::time::Mono;
use mailcore::base::world::TlsInfo;

use crate::transcript::{Head, Stage, Tested};

/// The world of a transcript: answers questions, and says in its own words what it was told.
pub trait Fixture<D: Dialog> {
    /// The answer to `ask`; what it came to is added to `told`.
    fn answer(&mut self, ask: D::Ask, told: &mut Vec<String>) -> D::Answer;

    /// The dialog has closed, or rests until it is used again.
    fn closed(&mut self, _dialog: &mut D, _told: &mut Vec<String>) {}

    /// What happens only in the world of this fixture.
    ///
    /// # Errors
    /// Nothing has this name.
    fn happens(&mut self, _dialog: &mut D, _input: &mut Input, _what: &str, _argument: &str) -> Result<(), String> {
        Err("unknown happening".to_owned())
    }
}

/// Plays a folder of transcripts against dialogs. `piece` octets arrive at a time.
pub fn play_folder<D: Dialog, F: Fixture<D>>(
    folder: &str,
    tested: Tested,
    piece: usize,
    begin: impl Fn(&Head) -> (D, F),
) {
    crate::transcript::play_folder(folder, tested, |head| {
        let (dialog, fixture) = begin(head);
        DialogStage::new(dialog, fixture, piece)
    });
}

/// What a dialog waits for.
#[derive(Debug, PartialEq)]
enum Waits {
    Octets,
    Tls,
    Closed,
}

/// Octets beyond this arrive in large pieces even where single octets were asked for.
const BY_OCTETS_MAX: usize = 256 * 1024;

struct DialogStage<D: Dialog, F> {
    dialog: D,
    fixture: F,
    piece: usize,
    input: Input,
    output: Vec<u8>,
    told: Vec<String>,
    waits: Waits,
    now: Mono,
}

impl<D: Dialog, F: Fixture<D>> DialogStage<D, F> {
    fn new(dialog: D, fixture: F, piece: usize) -> Self {
        let (input, output, told, now) = (Input::new(), Vec::new(), Vec::new(), Mono(1_000_000_000));
        let mut stage = Self { dialog, fixture, piece, input, output, told, waits: Waits::Octets, now };
        stage.run();
        stage
    }

    fn run(&mut self) {
        for _ in 0..10_000_000 {
            self.waits = match self.dialog.step(self.now, &mut self.input, &mut self.output) {
                Step::Ask(ask) => {
                    let answer = self.fixture.answer(ask, &mut self.told);
                    self.dialog.answer(answer);
                    continue;
                }
                // The output is never taken away before it is checked: a full one goes on all the same.
                Step::Write => continue,
                Step::Read => {
                    assert!(self.dialog.deadline().is_some(), "a wait without deadline");
                    Waits::Octets
                }
                Step::StartTls => Waits::Tls,
                Step::Close => {
                    self.fixture.closed(&mut self.dialog, &mut self.told);
                    Waits::Closed
                }
            };
            return;
        }
        panic!("the dialog never waits");
    }

    fn state(&self) -> String {
        let said = String::from_utf8_lossy(&self.output);
        format!("it waits for {:?}, said {said:?} and told {:?}", self.waits, self.told)
    }

    fn all_named(&self) -> Result<(), String> {
        if self.output.is_empty() && self.told.is_empty() { Ok(()) } else { Err(self.state()) }
    }
}

impl<D: Dialog, F: Fixture<D>> Stage for DialogStage<D, F> {
    fn send(&mut self, _: u32, octets: &[u8]) -> Result<(), String> {
        self.all_named()?;
        if self.waits != Waits::Octets {
            return Err(format!("it does not read: {:?}", self.waits));
        }
        let piece = if octets.len() > BY_OCTETS_MAX { READ_OCTETS } else { self.piece.min(READ_OCTETS) };
        for piece in octets.chunks(piece) {
            // What is behind STARTTLS, or the end, arrives all the same and is not read.
            if self.waits == Waits::Octets || self.input.room() >= piece.len() {
                assert!(self.input.room() >= piece.len(), "the session left the input full");
                self.input.push(piece);
            }
            if self.waits == Waits::Octets {
                self.run();
            }
        }
        Ok(())
    }

    fn said(&mut self, _: u32) -> Result<Vec<u8>, String> {
        let end = self.output.windows(2).position(|two| two == b"\r\n");
        let Some(end) = end else { return Err(format!("it says nothing; {}", self.state())) };
        let mut said: Vec<u8> = self.output.drain(..end + 2).collect();
        said.truncate(end);
        Ok(said)
    }

    fn told(&mut self) -> Result<String, String> {
        if self.told.is_empty() {
            Err(format!("the world was told nothing; {}", self.state()))
        } else {
            Ok(self.told.remove(0))
        }
    }

    fn happens(&mut self, what: &str, argument: &str) -> Result<(), String> {
        match what {
            "expire" => self.dialog.expire(),
            "end" => self.dialog.end(),
            "drain" => self.dialog.drain(),
            "deadline" => {
                let seconds = self.dialog.deadline().map(|at| (at - self.now).as_secs().to_string());
                return if seconds.as_deref() == Some(argument) { Ok(()) } else { Err(format!("{seconds:?}")) };
            }
            "after" => {
                let seconds: u64 = argument.parse().map_err(|_| "no number".to_owned())?;
                self.now = self.now + Duration::from_secs(seconds);
                return match self.dialog.deadline() {
                    Some(at) if at <= self.now => Err("the deadline has passed".to_owned()),
                    _ => Ok(()),
                };
            }
            "tls" => {
                self.all_named()?;
                if self.waits != Waits::Tls || !self.input.is_empty() {
                    return Err(format!("no handshake; {}", self.state()));
                }
                self.dialog.tls_started(tls_info());
            }
            "close" => {
                self.all_named()?;
                return if self.waits == Waits::Closed { Ok(()) } else { Err(self.state()) };
            }
            _ => self.fixture.happens(&mut self.dialog, &mut self.input, what, argument)?,
        }
        self.run();
        Ok(())
    }

    fn nothing_left(&mut self) -> Result<(), String> {
        self.all_named()
    }
}

/// What transcripts' handshakes come to.
pub fn tls_info() -> TlsInfo {
    TlsInfo {
        version: "TLSv1.3".to_owned(),
        cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
        exporter: Some(b"exported".to_vec()),
        ..TlsInfo::default()
    }
}
