//! The sessions of an engine, for the host to see and to end.

use super::Engine;
use crate::base::dialog::Dismissal;
use crate::base::{Error, ErrorKind, Result};
use crate::server::sessions::SessionInfo;

impl Engine {
    /// Who is connected, oldest first; nobody before the start and after the stop.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.running().map(|shared| shared.logins.sessions.list()).unwrap_or_default()
    }

    /// Ends a session: its peer is told so in the words of its protocol. `NotFound` where there is none of this number.
    pub fn session_end(&self, id: u64) -> Result<()> {
        let is_there = self.running()?.logins.sessions.dismiss(id, Dismissal::Host);
        if is_there { Ok(()) } else { Err(Error::new(ErrorKind::NotFound, format!("no session {id}"))) }
    }
}
