-- TLS policies of other domains, and under which one an attempt was made.

CREATE TABLE sts_policy(                 -- MTA-STS policies (RFC 8461)
  domain TEXT PRIMARY KEY,               -- whose, lower-case A-labels
  id TEXT NOT NULL,                      -- what its TXT record called it when it was fetched
  policy TEXT NOT NULL,                  -- its lines
  fetched INTEGER NOT NULL,              -- when it was fetched
  used INTEGER NOT NULL,                 -- when mail wanted it last, by the day
  expires INTEGER NOT NULL               -- when its time is over
) STRICT, WITHOUT ROWID;
CREATE INDEX sts_policy_expires ON sts_policy(expires);

ALTER TABLE attempt ADD COLUMN policy TEXT NOT NULL DEFAULT ''; -- TLS policy and why it held, empty where no host was dialled
