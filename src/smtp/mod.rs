//! Floor 2: SMTP as a language, both sides, without a socket. Uses message, sasl and base.
