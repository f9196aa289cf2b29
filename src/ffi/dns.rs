//! DNS records that the program sets: for tests, and for networks without DNS.

use std::ffi::c_char;

use super::error::mailcore_error;
use super::object::{self, mailcore_engine};
use super::panic::wall;
use super::text::optional;

/// Sets a DNS record, which the engine uses in place of DNS.
///
/// [nowait] Several records of one name and type may be set. With property dns.host_only no DNS server is asked at all.
///
/// @param engine  the engine
/// @param name  "example.net"; NULL forgets all records that were set
/// @param type  "A", "AAAA", "MX", "TXT", "PTR", "CNAME", "TLSA"; NULL forgets the records of this name
/// @param rdata  as in a zone file: "192.0.2.1", "10 mx.example.net"; NULL says that there is no such record
/// @param ttl  seconds it may be kept
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_UTF8, MAILCORE_E_INVALID
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_dns_set(
    engine: mailcore_engine,
    name: *const c_char,
    r#type: *const c_char,
    rdata: *const c_char,
    ttl: u32,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's texts.
        let (name, kind, rdata) =
            unsafe { (optional(name, "name")?, optional(r#type, "type")?, optional(rdata, "rdata")?) };
        seat.engine.dns_set(name, kind, rdata, ttl)?;
        Ok(0)
    })
}
