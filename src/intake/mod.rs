//! Floor 6: what happens to a message on its way in: trace fields, policy, filing or queueing.
