//! Which body of [`Tls`] a build has.
//!
//! On Linux and BSD it is OpenSSL itself: TLS 1.3, certificates by server name, the peer's chain, channel bindings.
//! Elsewhere, and with the feature `native-tls-backend`, it is async-native-tls: the system's own TLS, of which
//! [`TlsInfo`](crate::base::world::TlsInfo) tells less.

use std::sync::Arc;

use crate::base::world::Tls;

/// The TLS of this build, without a certificate yet.
pub fn real_tls() -> Arc<dyn Tls> {
    #[cfg(not(any(windows, target_vendor = "apple", feature = "native-tls-backend")))]
    return Arc::new(super::tls_openssl::OpensslTls::new());
    #[cfg(any(windows, target_vendor = "apple", feature = "native-tls-backend"))]
    return Arc::new(super::tls_native::NativeTls::new());
}
