//! Floor 3: TCP, TLS, and the pump that drives any [`Dialog`](crate::base::dialog::Dialog). Uses base only.

#[cfg(not(any(windows, target_vendor = "apple")))]
mod certificate;
#[cfg(not(any(windows, target_vendor = "apple")))]
mod dane;
pub mod deflate;
pub mod https;
pub mod identity;
pub mod listen;
pub mod proxy;
pub mod pump;
#[cfg(not(any(windows, target_vendor = "apple")))]
mod staple;
pub mod tcp;
pub mod tls;
pub mod tls_native;
#[cfg(not(any(windows, target_vendor = "apple")))]
pub mod tls_openssl;
#[cfg(not(any(windows, target_vendor = "apple")))]
mod tls_stream;
pub mod trace;
