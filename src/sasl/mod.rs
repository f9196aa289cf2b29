//! Floor 1: login mechanisms (PLAIN, LOGIN, SCRAM-SHA-256) and what a password is checked against. Uses base only.
