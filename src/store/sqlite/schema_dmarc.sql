-- Schema 2: DMARC aggregate reports (RFC 7489 §7.2), those we owe and those we were sent. Days are UTC days since 1970,
-- times milliseconds since 1970 UTC unless a column says seconds. Lists stand in one text, `; ` between their items.

CREATE TABLE dmarc_policy(               -- whose mail was seen on a day: one report each
  day INTEGER NOT NULL,                  -- the day
  domain TEXT NOT NULL,                  -- domain whose record was found, lower-case A-labels
  record TEXT NOT NULL,                  -- the record as published last that day
  row_count INTEGER NOT NULL DEFAULT 0,  -- rows of `dmarc_observed`
  reported INTEGER NOT NULL DEFAULT 0,   -- 1: done with; its rows are gone, later ones are not taken
  PRIMARY KEY(day, domain)
) STRICT, WITHOUT ROWID;

CREATE TABLE dmarc_observed(             -- what was seen, until it is reported
  day INTEGER NOT NULL,                  -- as in dmarc_policy
  domain TEXT NOT NULL,                  -- as in dmarc_policy
  source TEXT NOT NULL,                  -- address of the client
  disposition INTEGER NOT NULL,          -- what was done: 0 nothing, 1 quarantine, 2 reject, 3 nothing since it passed
  aligned INTEGER NOT NULL,              -- 1 DKIM passed and was aligned, 2 SPF, 3 both
  header_from TEXT NOT NULL,             -- domain in From
  envelope_from TEXT NOT NULL,           -- domain of the reverse-path, empty for the null one
  envelope_to TEXT NOT NULL,             -- domain of the recipients, empty where it is not told
  reasons TEXT NOT NULL,                 -- why it is not what the domain asked for: kind and comment
  dkim TEXT NOT NULL,                    -- signatures: result, domain, selector
  spf TEXT NOT NULL,                     -- result, domain, scope
  messages INTEGER NOT NULL,             -- how many
  PRIMARY KEY(day, domain, source, disposition, aligned, header_from, envelope_from, envelope_to, reasons, dkim, spf)
) STRICT, WITHOUT ROWID;

CREATE TABLE dmarc_report(               -- reports we were sent
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused
  organization TEXT NOT NULL,            -- who reports
  email TEXT NOT NULL,                   -- where to ask about it
  contact TEXT NOT NULL,                 -- more about that
  report_id TEXT NOT NULL,               -- what the reporter calls it
  domain TEXT NOT NULL,                  -- whose mail it is about
  begins INTEGER NOT NULL,               -- first second it is about, seconds since 1970
  ends INTEGER NOT NULL,                 -- last second it is about, seconds since 1970
  arrived INTEGER NOT NULL,              -- when it was read
  policy INTEGER NOT NULL,               -- p, numbers as in dmarc_observed.disposition
  subdomain_policy INTEGER,              -- sp, where it was told
  nonexistent_policy INTEGER,            -- np, where it was told
  strict INTEGER NOT NULL,               -- 1 adkim=s, 2 aspf=s, 3 both
  percent INTEGER,                       -- pct, where it was told
  testing INTEGER NOT NULL,              -- 1: t=y
  failure_on TEXT NOT NULL,              -- fo
  errors TEXT NOT NULL,                  -- what was wrong with the record
  messages INTEGER NOT NULL,             -- messages it counts
  row_count INTEGER NOT NULL,            -- rows of `dmarc_record`
  failed INTEGER NOT NULL,               -- those for which neither DKIM nor SPF was aligned
  complete INTEGER NOT NULL,             -- 1: all its rows are there; until then it is not listed
  UNIQUE(domain, organization, report_id)
) STRICT;
CREATE INDEX dmarc_report_ends ON dmarc_report(ends);

CREATE TABLE dmarc_record(               -- their rows
  report INTEGER NOT NULL,               -- dmarc_report.id
  place INTEGER NOT NULL,                -- 1 and up
  source TEXT NOT NULL,                  -- the columns from here on are those of dmarc_observed
  disposition INTEGER NOT NULL,
  aligned INTEGER NOT NULL,
  header_from TEXT NOT NULL,
  envelope_from TEXT NOT NULL,
  envelope_to TEXT NOT NULL,
  reasons TEXT NOT NULL,
  dkim TEXT NOT NULL,
  spf TEXT NOT NULL,
  messages INTEGER NOT NULL,
  PRIMARY KEY(report, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE dmarc_unread(               -- mail for the reports' address that was filed and not read yet
  blob INTEGER PRIMARY KEY               -- blob.id; gone again where the message is
) STRICT;
