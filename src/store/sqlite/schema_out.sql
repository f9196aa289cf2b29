-- Addresses that get no mail, levels of TLS that hosts had, results of TLS for reports, TLS reports that came, and which
-- queued message has a Message-ID.

CREATE TABLE suppressed(                 -- addresses that get no mail from here
  account INTEGER NOT NULL,              -- account.id whose mail is meant; 0: everybody's
  address TEXT NOT NULL,                 -- key of the address, or @ and a domain for all of it
  reason TEXT NOT NULL,                  -- hard-bounce, complaint, unsubscribe, manual
  detail TEXT NOT NULL,                  -- why, in words
  since INTEGER NOT NULL,                -- when it was noted
  until INTEGER NOT NULL,                -- when it ends; 0: never
  PRIMARY KEY(account, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX suppressed_until ON suppressed(until);

CREATE TABLE tls_level(                  -- the best TLS that a host did
  host TEXT PRIMARY KEY,                 -- name of the host, lower case
  level INTEGER NOT NULL,                -- 0 TLS, 1 with a certificate that verified for its name
  seen INTEGER NOT NULL                  -- when it did so last, by the day
) STRICT, WITHOUT ROWID;
CREATE INDEX tls_level_seen ON tls_level(seen);

CREATE TABLE tls_result(                 -- sessions with hosts elsewhere, until they are reported (RFC 8460)
  day INTEGER NOT NULL,                  -- UTC day since 1970
  domain TEXT NOT NULL,                  -- whose mail it was
  policy TEXT NOT NULL,                  -- the policy that held, as JSON
  failure TEXT NOT NULL,                 -- what failed, as JSON; empty for success
  sessions INTEGER NOT NULL,             -- how many
  PRIMARY KEY(day, domain, policy, failure)
) STRICT, WITHOUT ROWID;

CREATE TABLE tls_report(                 -- TLS reports that came
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused
  organization TEXT NOT NULL,            -- who reports
  report_id TEXT NOT NULL,               -- what the reporter calls it
  domain TEXT NOT NULL,                  -- whose mail it is about, by commas
  begins INTEGER NOT NULL,               -- begin and end of the time it is about
  ends INTEGER NOT NULL,
  arrived INTEGER NOT NULL,              -- when it was read
  succeeded INTEGER NOT NULL,            -- sessions that had TLS as demanded
  failed INTEGER NOT NULL,               -- sessions that had not
  report TEXT NOT NULL,                  -- the report as it was understood, JSON of RFC 8460
  UNIQUE(organization, report_id)
) STRICT;

CREATE TABLE sent_message(               -- messages that reports of others may be about
  message_id TEXT PRIMARY KEY,           -- Message-ID without brackets, or `envid` and an ENVID
  item INTEGER NOT NULL,                 -- queue_item.id
  at INTEGER NOT NULL                    -- when it was queued
) STRICT, WITHOUT ROWID;
CREATE INDEX sent_message_at ON sent_message(at);
