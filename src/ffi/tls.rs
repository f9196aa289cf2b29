//! Certificates: those the server shows, and the authorities it trusts.

use std::ffi::c_char;

use super::error::mailcore_error;
use super::object::{self, mailcore_engine};
use super::panic::wall;
use super::text::{needed, optional};

/// Sets the server's certificate, also while it runs: new sessions use it.
///
/// [nowait]
///
/// @param engine  the engine
/// @param server_name  server name that clients ask for (SNI); NULL for all other clients
/// @param certificate_pem  the certificate, then those of its authorities, PEM; with a block OCSP RESPONSE, that is
/// served too while it holds (RFC 6066)
/// @param key_pem  its private key, PEM
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_TLS (not a certificate, or not
/// its key), MAILCORE_E_INVALID
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_tls_set(
    engine: mailcore_engine,
    server_name: *const c_char,
    certificate_pem: *const c_char,
    key_pem: *const c_char,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's texts.
        let (name, certificate, key) = unsafe {
            (
                optional(server_name, "server_name")?,
                needed(certificate_pem, "certificate_pem")?,
                needed(key_pem, "key_pem")?,
            )
        };
        seat.engine.tls_set(name, certificate.as_bytes(), key.as_bytes())?;
        Ok(0)
    })
}

/// Adds certificate authorities to those that outgoing connections trust.
///
/// [nowait]
///
/// @param engine  the engine
/// @param authorities_pem  their certificates, PEM
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_TLS, MAILCORE_E_INVALID
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_tls_trust(
    engine: mailcore_engine,
    authorities_pem: *const c_char,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's text.
        let authorities = unsafe { needed(authorities_pem, "authorities_pem") }?;
        seat.engine.trust(authorities.as_bytes())?;
        Ok(0)
    })
}
