//! Floor 2: POP3 as a language, without a socket. Uses message, sasl and base.
