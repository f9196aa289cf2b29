-- Schema 3: the keys our mail is signed with.

CREATE TABLE dkim_key(
  domain TEXT NOT NULL,                  -- signing domain, lower-case A-labels
  selector TEXT NOT NULL,                -- its name in DNS below _domainkey, lower case
  algorithm TEXT NOT NULL,               -- rsa-sha256 or ed25519-sha256
  key BLOB NOT NULL,                     -- private key, PEM
  state INTEGER NOT NULL,                -- 0 pending, 1 active, 2 published and signing no more, 3 retired
  created INTEGER NOT NULL,              -- when it was made or given
  changed INTEGER NOT NULL,              -- when it came into its state
  PRIMARY KEY(domain, selector)
) STRICT, WITHOUT ROWID;
