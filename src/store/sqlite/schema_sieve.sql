-- Schema 9: Sieve scripts, and what they remember.

CREATE TABLE sieve_script(
  account INTEGER NOT NULL,              -- whose; 0: of the domain in scope
  scope TEXT NOT NULL,                   -- domain, lower-case A-labels; empty: of the account, or of all domains
  name TEXT NOT NULL,                    -- of a domain: before and after are run, others can be included
  script BLOB NOT NULL,                  -- as it was given, UTF-8
  active INTEGER NOT NULL,               -- 1: run for mail of the account, at most one of each
  PRIMARY KEY(account, scope, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE sieve_remembered(
  account INTEGER NOT NULL,              -- whose
  key TEXT NOT NULL,                     -- what: kind, colon, hash
  until INTEGER NOT NULL,                -- forgotten from then on
  PRIMARY KEY(account, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX sieve_remembered_until ON sieve_remembered(account, until);
