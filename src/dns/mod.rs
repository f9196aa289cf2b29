//! Floor 3: the real resolver, its cache, its patience, its ear for silence, MX order, and a zone kept in memory. Uses
//! base only.

pub mod cache;
pub mod mx;
pub mod patient;
mod record;
pub mod resolver;
mod runtime;
pub mod server;
pub mod silence;
mod wire;
pub mod zone;
