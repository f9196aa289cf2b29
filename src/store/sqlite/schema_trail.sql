-- What happened in attempts, keys of submissions, destinations that are paused.

CREATE TABLE trail(                      -- one row for each settlement with an attempt that talked to somebody
  attempt INTEGER PRIMARY KEY,           -- attempt.id, the last one of the settlement
  lines TEXT NOT NULL                    -- a line each: milliseconds since it began, kind, text
) STRICT;

CREATE TABLE submit_key(                 -- keys that programs gave with submissions, so that none is taken twice
  key TEXT PRIMARY KEY,                  -- the program's
  item INTEGER NOT NULL,                 -- queue_item.id the submission got, 0 where all its recipients were here
  at INTEGER NOT NULL                    -- when it was taken
) STRICT, WITHOUT ROWID;
CREATE INDEX submit_key_at ON submit_key(at);

CREATE TABLE paused(                     -- destinations that get no mail for now
  destination TEXT PRIMARY KEY,          -- as queue_recipient.destination
  since INTEGER NOT NULL,                -- when that was said
  reason TEXT NOT NULL                   -- why, in the program's words
) STRICT, WITHOUT ROWID;
