//! Floor 2: IMAP as a language (rev1 and rev2), without a socket. Uses message, sasl and base.
