//! Floor 3: TCP, TLS, and the pump that drives any [`Dialog`](crate::base::dialog::Dialog). Uses base only.

pub mod listen;
pub mod pump;
