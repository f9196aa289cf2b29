//! Floor 2: delivery status notifications (RFC 3464), written and read. Uses message and base.
