-- Schema 1 of the store. Ids are never reused; a column's meaning never changes. Times are milliseconds since
-- 1970 UTC. Flags are bits: 1 (2) \Seen, 2 (4) \Answered, 3 (8) \Flagged, 4 (16) \Deleted, 5 (32) \Draft, 6 and
-- up the mailbox's keywords. People and other programs read mail through the view `message`.

CREATE TABLE store_meta(
  name TEXT NOT NULL PRIMARY KEY,        -- block_uids: UIDs a row of `state` describes; uidvalidity: the highest given out
  value INTEGER NOT NULL                 -- its number
) STRICT, WITHOUT ROWID;
INSERT INTO store_meta(name, value) VALUES ('block_uids', 512), ('uidvalidity', 0);

CREATE TABLE setting(
  name TEXT NOT NULL PRIMARY KEY,        -- what the engine calls it
  value BLOB NOT NULL                    -- what it keeps there (minted keys and certificates)
) STRICT, WITHOUT ROWID;

-- Who is here ---------------------------------------------------------------------------------------------------

CREATE TABLE domain(
  name TEXT NOT NULL PRIMARY KEY         -- local domain, lower-case A-labels
) STRICT, WITHOUT ROWID;

CREATE TABLE account(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused
  address_key TEXT NOT NULL UNIQUE,      -- address in the form it is looked up by
  address TEXT NOT NULL,                 -- address as it was spelled
  argon2id TEXT NOT NULL DEFAULT '',     -- password hash, PHC string; empty: nobody can log in
  scram_salt BLOB NOT NULL DEFAULT x'',  -- SCRAM-SHA-256 salt
  scram_iterations INTEGER NOT NULL DEFAULT 0, -- SCRAM-SHA-256 rounds
  scram_stored_key BLOB NOT NULL DEFAULT x'',  -- H(ClientKey), 32 octets
  scram_server_key BLOB NOT NULL DEFAULT x'',  -- HMAC(SaltedPassword, "Server Key"), 32 octets
  inbox INTEGER NOT NULL DEFAULT 0,      -- mailbox.id of its INBOX
  quota_octets INTEGER NOT NULL DEFAULT -1, -- octets it may keep; -1: no limit
  octets INTEGER NOT NULL DEFAULT 0      -- octets of all its messages, each copy counted
) STRICT;

CREATE TABLE alias(
  pattern TEXT NOT NULL,                 -- name@domain, or @domain for every other name there
  target TEXT NOT NULL,                  -- address it stands for
  PRIMARY KEY(pattern, target)
) STRICT, WITHOUT ROWID;

-- Mailboxes -----------------------------------------------------------------------------------------------------

CREATE TABLE mailbox(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused, below 2^31
  account INTEGER NOT NULL,              -- account.id
  name TEXT NOT NULL,                    -- UTF-8, levels separated by /
  uidvalidity INTEGER NOT NULL,          -- never the same for two mailboxes of a store
  uidnext INTEGER NOT NULL DEFAULT 1,    -- UID of the next message
  modseq INTEGER NOT NULL DEFAULT 1,     -- highest modification sequence given out
  expunges INTEGER NOT NULL DEFAULT 0,   -- expunges so far
  vanished_floor INTEGER NOT NULL DEFAULT 0, -- `vanished` is complete from this modification sequence on
  total INTEGER NOT NULL DEFAULT 0,      -- messages
  unseen INTEGER NOT NULL DEFAULT 0,     -- messages without \Seen
  deleted INTEGER NOT NULL DEFAULT 0,    -- messages with \Deleted
  octets INTEGER NOT NULL DEFAULT 0,     -- octets of all messages
  special_use TEXT NOT NULL DEFAULT '',  -- RFC 6154 attribute, empty for none
  selectable INTEGER NOT NULL DEFAULT 1, -- 0: only a name above others
  UNIQUE(account, name)
) STRICT;

CREATE TABLE subscription(
  account INTEGER NOT NULL,              -- account.id
  name TEXT NOT NULL,                    -- mailbox name; there need be no such mailbox
  PRIMARY KEY(account, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE keyword(
  mailbox INTEGER NOT NULL,              -- mailbox.id
  bit INTEGER NOT NULL,                  -- bit it has in flags, 6 to 63
  name TEXT NOT NULL,                    -- its name as first spelled
  PRIMARY KEY(mailbox, bit)
) STRICT, WITHOUT ROWID;

-- Messages ------------------------------------------------------------------------------------------------------

CREATE TABLE fact(                       -- one row for each message; never updated
  mailbox INTEGER NOT NULL,              -- mailbox.id
  uid INTEGER NOT NULL,                  -- its number in the mailbox
  internaldate INTEGER NOT NULL,         -- INTERNALDATE
  size INTEGER NOT NULL,                 -- octets
  blob INTEGER NOT NULL,                 -- blob.id
  flags0 INTEGER NOT NULL,               -- flags it came with; they stand until a block of `state` covers it
  modseq0 INTEGER NOT NULL,              -- modification sequence it came with; likewise
  PRIMARY KEY(mailbox, uid)
) STRICT, WITHOUT ROWID;

CREATE TABLE state(                      -- flags and modification sequences of 512 UIDs
  id INTEGER PRIMARY KEY,                -- mailbox << 32 | uid >> 9
  modseq INTEGER NOT NULL,               -- highest in the block
  width INTEGER NOT NULL,                -- octets of a slot: 1, 2, 4 or 8
  flags BLOB NOT NULL,                   -- slot uid & 511, little-endian; bit 0: there is such a message
  modseqs BLOB NOT NULL                  -- of the messages there are: runs (varint count, zigzag varint step)
) STRICT;

CREATE TABLE vanished(                   -- one row for each expunge
  mailbox INTEGER NOT NULL,              -- mailbox.id
  modseq INTEGER NOT NULL,               -- modification sequence of the expunge
  uids BLOB NOT NULL,                    -- what went: ranges (varint gap, varint length)
  PRIMARY KEY(mailbox, modseq)
) STRICT, WITHOUT ROWID;

-- Bodies --------------------------------------------------------------------------------------------------------

CREATE TABLE blob(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused
  size INTEGER NOT NULL,                 -- octets of body
  body BLOB NOT NULL                     -- the message as accepted, our own fields in front
) STRICT;

CREATE TABLE blob_meta(
  blob INTEGER PRIMARY KEY,              -- blob.id
  header_octets INTEGER NOT NULL,        -- header with its empty line
  sent INTEGER NOT NULL,                 -- Date field, INTERNALDATE where there is none
  subject TEXT NOT NULL,                 -- base subject (RFC 5256), lower case
  sender TEXT NOT NULL,                  -- From field, decoded
  recipients TEXT NOT NULL,              -- To field, decoded
  copies TEXT NOT NULL,                  -- Cc field, decoded
  message_id TEXT NOT NULL,              -- Message-ID without angle brackets
  msg_references TEXT NOT NULL,          -- message ids of References and In-Reply-To, space between
  envelope BLOB NOT NULL,                -- ENVELOPE as IMAP writes it
  structure BLOB NOT NULL,               -- BODYSTRUCTURE as IMAP writes it
  parts BLOB NOT NULL                    -- where each part's header and body lie
) STRICT;

CREATE TABLE refs(                       -- only for bodies used more than once
  blob INTEGER PRIMARY KEY,              -- blob.id
  n INTEGER NOT NULL                     -- uses, 2 and up
) STRICT;

CREATE TABLE dead(                       -- bodies to be removed in the background
  id INTEGER PRIMARY KEY,                -- order
  blobs BLOB NOT NULL                    -- ascending blob.id: varint steps
) STRICT;

-- Queue ---------------------------------------------------------------------------------------------------------

CREATE TABLE queue_item(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- queue id, never reused
  reverse_path TEXT NOT NULL,            -- where failures go; empty: nowhere (<>)
  body_kind INTEGER NOT NULL,            -- BODY=: 0 7BIT, 1 8BITMIME, 2 BINARYMIME
  smtputf8 INTEGER NOT NULL,             -- whether SMTPUTF8 was said
  envelope_id TEXT,                      -- ENVID=, decoded
  returns INTEGER NOT NULL,              -- RET=: 0 not said, 1 FULL, 2 HDRS
  size_declared INTEGER,                 -- SIZE=
  blob INTEGER NOT NULL,                 -- blob.id
  size INTEGER NOT NULL,                 -- octets
  submitter INTEGER,                     -- account.id of who submitted it
  created INTEGER NOT NULL,              -- when it was accepted
  expires INTEGER NOT NULL,              -- when it is given up
  held INTEGER NOT NULL DEFAULT 0,       -- 1: the host holds it back
  delay_reported INTEGER NOT NULL DEFAULT 0 -- 1: the sender was told of the delay
) STRICT;

CREATE TABLE queue_recipient(
  item INTEGER NOT NULL,                 -- queue_item.id
  place INTEGER NOT NULL,                -- 0 and up, in the order of RCPT
  address TEXT NOT NULL,                 -- forward-path
  notify INTEGER NOT NULL,               -- NOTIFY=: 1 SUCCESS, 2 FAILURE, 4 DELAY, 8 said at all
  original TEXT,                         -- ORCPT=, decoded
  state INTEGER NOT NULL DEFAULT 0,      -- 0 waiting, 1 delivered, 2 failed
  attempts INTEGER NOT NULL DEFAULT 0,   -- attempts begun
  due INTEGER NOT NULL,                  -- when the next one is due, while waiting
  held INTEGER NOT NULL DEFAULT 0,       -- as in its item, so that the index below leaves it out
  last_attempt INTEGER NOT NULL DEFAULT 0, -- attempt.id of the last one, 0 before
  PRIMARY KEY(item, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_recipient_due ON queue_recipient(due, item) WHERE state = 0 AND held = 0;

CREATE TABLE attempt(                    -- kept beyond the item's end; the oldest are pruned
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- order
  item INTEGER NOT NULL,                 -- queue_item.id
  recipient TEXT NOT NULL,               -- forward-path
  at INTEGER NOT NULL,                   -- when it ended
  outcome INTEGER NOT NULL,              -- 0 delivered, 1 deferred, 2 failed, 3 expired
  host TEXT NOT NULL,                    -- host talked to, empty where none was reached
  code INTEGER NOT NULL,                 -- reply code, 0 where none came
  enhanced TEXT NOT NULL,                -- enhanced status code, empty where none came
  reason TEXT NOT NULL,                  -- what the peer said, or what went wrong
  took INTEGER NOT NULL,                 -- microseconds
  tls TEXT NOT NULL                      -- TLS version and cipher, empty in the clear
) STRICT;
CREATE INDEX attempt_item ON attempt(item, id);

-- For people and other programs: system flags of every message, changed ones from `state`. SQLite gives <<, >>, &
-- and | the same precedence, hence the brackets.
CREATE VIEW message AS
SELECT f.mailbox, f.uid, f.internaldate, f.size, f.blob,
  (CASE
    WHEN s.id IS NULL OR length(s.flags) <= s.width * (f.uid & 511)
      OR (instr('13579BDF', substr(hex(substr(s.flags, 1 + s.width * (f.uid & 511), 1)), 2, 1)) = 0) THEN f.flags0
    ELSE (instr('123456789ABCDEF', substr(hex(substr(s.flags, 1 + s.width * (f.uid & 511), 1)), 1, 1)) << 4)
      | instr('123456789ABCDEF', substr(hex(substr(s.flags, 1 + s.width * (f.uid & 511), 1)), 2, 1))
  END) & 62 AS flags
FROM fact f LEFT JOIN state s ON s.id = ((f.mailbox << 32) | (f.uid >> 9));
