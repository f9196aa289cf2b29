//! Resolvers: they look names up when messages are checked without an engine.

use std::ffi::c_char;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::error::mailcore_error;
use super::fork;
use super::object::{self, Object, mailcore_resolver};
use super::panic::{be_silent, wall};
use super::record::{self, Record};
use super::result::Failure;
use super::text::{give, optional};
use crate::dns::zone::Zone;
use crate::engine::checks::{Checker, Names};

/// Where names are looked up. Set it up with MAILCORE_RESOLVER_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_resolver_options {
    /// sizeof(mailcore_resolver_options), set by MAILCORE_RESOLVER_OPTIONS_INIT.
    pub struct_size: u32,
    /// Time for all questions of one call together, in ms; 0 for 20 seconds. A result that lacks an answer by then
    /// is a temporary error.
    pub timeout_ms: u32,
    /// The DNS server to ask, "192.0.2.1", "192.0.2.1:5353" or "[::1]:53"; NULL for the system's, or for none
    /// where there is a zone.
    pub server: *const c_char,
    /// Records, a line "name type data" each ("example.org TXT v=spf1 -all", types as for mailcore_dns_set()), or
    /// NULL. They are used before the server's answers. Without a server nothing else is used: checks are then
    /// reproducible and need neither thread nor socket. Empty lines and lines that begin with # or ; are ignored.
    pub zone: *const c_char,
}

// SAFETY: numbers and pointers, which may be NULL.
unsafe impl Record for mailcore_resolver_options {
    const NAME: &'static str = "mailcore_resolver_options";
}

/// A resolver and the calls that wait for it.
pub(crate) struct ResolverSeat {
    pub checker: Checker,
}

/// Makes a resolver, for checks without an engine.
///
/// [disk] May read the system's DNS configuration. Any number of threads may use it at once. It remembers answers for
/// as long as DNS allows. If it asks a server, it starts two threads, which end when it is closed.
///
/// @param options  where names are looked up; NULL for the system's DNS
/// @param resolver  takes the handle, to be closed with mailcore_close(); needed. 0 after a failure
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID (no address, or a line of
/// the zone is no record), MAILCORE_E_EXISTS (a CNAME stands alone), MAILCORE_E_DNS, MAILCORE_E_LIMIT,
/// MAILCORE_E_UNSUPPORTED (this build checks no mail)
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_resolver_open(
    options: *const mailcore_resolver_options,
    resolver: *mut mailcore_resolver,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller's output.
        unsafe { give(resolver, 0) };
        if resolver.is_null() {
            return Err(Failure::null("resolver"));
        }
        let names = if options.is_null() {
            Names::default()
        } else {
            // SAFETY: the caller gives a struct with its size and texts.
            unsafe { record::read(options).and_then(|options| read(&options)) }?
        };
        if names.zone.is_none() || names.server.is_some() {
            fork::watch();
        }
        be_silent();
        let seat = ResolverSeat { checker: Checker::new(names)? };
        let handle = object::hold(Object::Resolver(seat.into()))?;
        // SAFETY: the caller's output.
        unsafe { give(resolver, handle) };
        Ok(0)
    })
}

/// # Safety
/// The pointers in `options` are NULL or what its documentation says.
unsafe fn read(options: &mailcore_resolver_options) -> Result<Names, Failure> {
    // SAFETY: the caller's promise.
    let (server, zone) = unsafe { (optional(options.server, "server")?, optional(options.zone, "zone")?) };
    Ok(Names {
        server: server.map(socket_address).transpose()?,
        zone: zone.map(records).transpose()?,
        timeout: (options.timeout_ms > 0).then(|| Duration::from_millis(options.timeout_ms.into())),
    })
}

fn socket_address(text: &str) -> Result<SocketAddr, Failure> {
    let bare = || text.trim_start_matches('[').trim_end_matches(']').parse().map(|ip: IpAddr| (ip, 53).into());
    text.parse().or_else(|_| bare()).map_err(|_| Failure::invalid(format!("server {text:?} is no address:port")))
}

fn records(text: &str) -> Result<Zone, Failure> {
    let mut zone = Zone::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let mut rest = line;
        let mut field = || {
            let (first, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            rest = behind.trim_start();
            first
        };
        let (name, kind) = (field(), field());
        zone.add(name, kind, rest, ZONE_TTL_SECONDS).map_err(|e| {
            let failure = Failure::from(e);
            Failure::new(failure.code, format!("zone, line {}: {}", number + 1, failure.message))
        })?;
    }
    Ok(zone)
}

/// TTL of records from a zone; nobody keeps them.
const ZONE_TTL_SECONDS: u32 = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::world::RecordKind;
    use crate::dns::zone::Found;
    use crate::ffi::result::MAILCORE_E_INVALID;

    #[test]
    fn addresses_of_servers() {
        for (text, wanted) in [
            ("127.0.0.1:5353", Some("127.0.0.1:5353")),
            ("127.0.0.1", Some("127.0.0.1:53")),
            ("[::1]:5353", Some("[::1]:5353")),
            ("[::1]", Some("[::1]:53")),
            ("::1", Some("[::1]:53")),
            ("localhost:53", None),
            ("127.0.0.1:x", None),
            ("", None),
        ] {
            let got = socket_address(text).ok().map(|at| at.to_string());
            assert_eq!(got.as_deref(), wanted, "{text:?}");
        }
    }

    #[test]
    fn zones_are_lines() {
        let zone = records("# ours\n\nexample.org  TXT\tv=spf1 -all  \r\n; more\nexample.org MX 10 mx.example.org\n");
        let zone = zone.unwrap();
        let txt = crate::base::world::Record::Txt(b"v=spf1 -all".to_vec());
        assert_eq!(zone.find("example.org", RecordKind::Txt), Found::Records(vec![txt], 300));
        let bad = records("a.example A 192.0.2.1\nb.example\n").unwrap_err();
        assert_eq!(bad.code, MAILCORE_E_INVALID);
        assert!(bad.message.starts_with("zone, line 2: "), "{}", bad.message);
    }
}
