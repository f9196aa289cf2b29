-- Schema 5: a waiting recipient's row says where its mail goes next, so that work is found by destination; an attempt's row
-- says by which settlement it was written, so that a commit in doubt is recognised.

ALTER TABLE queue_recipient ADD COLUMN destination TEXT NOT NULL DEFAULT ''; -- next hop after routing, as the queue names it; empty: not routed yet
ALTER TABLE attempt ADD COLUMN settlement INTEGER NOT NULL DEFAULT 0; -- random number of the settlement, 0 in old rows

DROP INDEX queue_recipient_due;
CREATE INDEX queue_recipient_destination ON queue_recipient(destination, due, item) WHERE state = 0 AND held = 0;
CREATE INDEX queue_item_expires ON queue_item(expires) WHERE held = 0;
