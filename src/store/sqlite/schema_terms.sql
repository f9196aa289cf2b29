-- What a sender asks of a message's way: REQUIRETLS, DELIVERBY, MT-PRIORITY, SOLICIT. Without a priority it is 0.

ALTER TABLE queue_item ADD COLUMN terms TEXT NOT NULL DEFAULT ''; -- name=value, space between; empty: nothing
ALTER TABLE queue_recipient ADD COLUMN priority INTEGER NOT NULL DEFAULT 0; -- MT-PRIORITY of its item
CREATE INDEX queue_recipient_urgent ON queue_recipient(destination, priority DESC, due, item)
  WHERE state = 0 AND held = 0 AND priority > 0;
