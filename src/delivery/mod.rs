//! Floor 4: one attempt to deliver: where to, over which connection, with what outcome. Decides no retry time.

pub mod local;
