//! Floor 1: the format of a message (RFC 5322, MIME), read leniently and written strictly. Uses base only.
