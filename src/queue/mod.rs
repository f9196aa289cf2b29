//! Floor 5: the outbound queue: what is due, when again, and the report when it is over. Opens no socket.
