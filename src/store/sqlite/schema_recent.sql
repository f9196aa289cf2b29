-- \Recent (RFC 3501 2.3.2): messages from this UID on no client was told of. What there is was there before the flag was
-- kept: it counts as told.

ALTER TABLE mailbox ADD COLUMN recent_from INTEGER NOT NULL DEFAULT 1; -- first UID that is recent for the next client
UPDATE mailbox SET recent_from = uidnext;
