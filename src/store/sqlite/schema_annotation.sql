-- Schema 12: annotations of mailboxes and accounts (RFC 5464).

CREATE TABLE annotation(
  mailbox INTEGER NOT NULL,              -- mailbox.id; 0: of the account itself
  account INTEGER NOT NULL,              -- whose
  entry TEXT NOT NULL,                   -- path in lower case, /private/... or /shared/...
  value BLOB NOT NULL,                   -- as it was given
  revision INTEGER NOT NULL,             -- of each change of an account a higher one
  PRIMARY KEY(mailbox, account, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX annotation_account ON annotation(account);
