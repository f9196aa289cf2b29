-- Schema 1 of the store on PostgreSQL: the tables of the SQLite body, in a schema of their own (search_path leads to it).
-- Ids come from sequences and are never given out twice. Times are milliseconds since 1970 UTC. Text is compared octet by
-- octet (COLLATE "C"). Flags are bits: 1 (2) \Seen, 2 (4) \Answered, 3 (8) \Flagged, 4 (16) \Deleted, 5 (32) \Draft, 6 and
-- up the mailbox's keywords.

CREATE TABLE store_meta(
  name TEXT COLLATE "C" PRIMARY KEY,     -- schema: version of this layout; uidvalidity: the highest given out;
                                         -- directory: version of domains, accounts and aliases
  value BIGINT NOT NULL                  -- its number
);
INSERT INTO store_meta(name, value) VALUES ('schema', 0), ('uidvalidity', 0), ('directory', 0);

CREATE TABLE setting(
  name TEXT COLLATE "C" PRIMARY KEY,     -- what the engine calls it
  value BYTEA NOT NULL                   -- what it keeps there (minted keys and certificates)
);

-- Who is here ---------------------------------------------------------------------------------------------------

CREATE TABLE domain(
  name TEXT COLLATE "C" PRIMARY KEY      -- local domain, lower-case A-labels
);

CREATE SEQUENCE account_id;
CREATE TABLE account(
  id BIGINT PRIMARY KEY,                 -- of account_id
  address_key TEXT COLLATE "C" NOT NULL UNIQUE, -- address in the form it is looked up by
  address TEXT COLLATE "C" NOT NULL,     -- address as it was spelled
  argon2id TEXT COLLATE "C" NOT NULL DEFAULT '', -- password hash, PHC string; empty: nobody can log in
  scram_salt BYTEA NOT NULL DEFAULT '',  -- SCRAM-SHA-256 salt
  scram_iterations BIGINT NOT NULL DEFAULT 0, -- SCRAM-SHA-256 rounds
  scram_stored_key BYTEA NOT NULL DEFAULT '', -- H(ClientKey), 32 octets
  scram_server_key BYTEA NOT NULL DEFAULT '', -- HMAC(SaltedPassword, "Server Key"), 32 octets
  inbox BIGINT NOT NULL DEFAULT 0,       -- mailbox.id of its INBOX
  quota_octets BIGINT NOT NULL DEFAULT -1, -- octets it may keep; -1: no limit
  octets BIGINT NOT NULL DEFAULT 0       -- octets of all its messages, each copy counted
);

CREATE INDEX account_domain ON account(regexp_replace(address_key, '^.*@', ''), address_key);
CREATE INDEX account_cost ON account((split_part(argon2id, '$', 4) || ' ' || scram_iterations)) WHERE argon2id <> '';

CREATE TABLE alias(
  pattern TEXT COLLATE "C" NOT NULL,     -- name@domain, or @domain for every other name there
  target TEXT COLLATE "C" NOT NULL,      -- address it stands for
  PRIMARY KEY(pattern, target)
);

CREATE TABLE dkim_key(
  domain TEXT COLLATE "C" NOT NULL,      -- signing domain, lower-case A-labels
  selector TEXT COLLATE "C" NOT NULL,    -- its name in DNS below _domainkey, lower case
  algorithm TEXT COLLATE "C" NOT NULL,   -- rsa-sha256 or ed25519-sha256
  key BYTEA NOT NULL,                    -- private key, PEM
  state BIGINT NOT NULL,                 -- 0 pending, 1 active, 2 published and signing no more, 3 retired
  created BIGINT NOT NULL,               -- when it was made or given
  changed BIGINT NOT NULL,               -- when it came into its state
  PRIMARY KEY(domain, selector)
);

-- Mailboxes -----------------------------------------------------------------------------------------------------

CREATE SEQUENCE mailbox_id;
CREATE TABLE mailbox(
  id BIGINT PRIMARY KEY,                 -- of mailbox_id, below 2^31
  account BIGINT NOT NULL,               -- account.id
  name TEXT COLLATE "C" NOT NULL,        -- UTF-8, levels separated by /
  uidvalidity BIGINT NOT NULL,           -- never the same for two mailboxes of a store
  uidnext BIGINT NOT NULL DEFAULT 1,     -- UID of the next message
  modseq BIGINT NOT NULL DEFAULT 1,      -- highest modification sequence given out
  expunges BIGINT NOT NULL DEFAULT 0,    -- expunges so far
  vanished_floor BIGINT NOT NULL DEFAULT 0, -- `vanished` is complete from this modification sequence on
  total BIGINT NOT NULL DEFAULT 0,       -- messages
  unseen BIGINT NOT NULL DEFAULT 0,      -- messages without \Seen
  deleted BIGINT NOT NULL DEFAULT 0,     -- messages with \Deleted
  octets BIGINT NOT NULL DEFAULT 0,      -- octets of all messages
  recent_from BIGINT NOT NULL DEFAULT 1, -- first UID that is \Recent for the next client
  special_use TEXT COLLATE "C" NOT NULL DEFAULT '', -- RFC 6154 attribute, empty for none
  selectable BOOLEAN NOT NULL DEFAULT true, -- false: only a name above others
  UNIQUE(account, name)
) WITH (fillfactor = 70);

CREATE TABLE subscription(
  account BIGINT NOT NULL,               -- account.id
  name TEXT COLLATE "C" NOT NULL,        -- mailbox name; there need be no such mailbox
  PRIMARY KEY(account, name)
);

CREATE TABLE keyword(
  mailbox BIGINT NOT NULL,               -- mailbox.id
  bit BIGINT NOT NULL,                   -- bit it has in flags, 6 to 63
  name TEXT COLLATE "C" NOT NULL,        -- its name as first spelled
  PRIMARY KEY(mailbox, bit)
);

-- Messages ------------------------------------------------------------------------------------------------------

CREATE TABLE fact(                       -- one row for each message; never updated
  mailbox BIGINT NOT NULL,               -- mailbox.id
  uid BIGINT NOT NULL,                   -- its number in the mailbox
  internaldate BIGINT NOT NULL,          -- INTERNALDATE
  size BIGINT NOT NULL,                  -- octets
  blob BIGINT NOT NULL,                  -- blob.id
  flags0 BIGINT NOT NULL,                -- flags it came with; they stand until a block of `state` covers it
  modseq0 BIGINT NOT NULL,               -- modification sequence it came with; likewise
  PRIMARY KEY(mailbox, uid)
);

CREATE TABLE state(                      -- flags and modification sequences of 512 UIDs
  mailbox BIGINT NOT NULL,               -- mailbox.id
  block BIGINT NOT NULL,                 -- uid >> 9
  modseq BIGINT NOT NULL,                -- highest in the block
  width BIGINT NOT NULL,                 -- octets of a slot: 1, 2, 4 or 8
  flags BYTEA NOT NULL,                  -- slot uid & 511, little-endian; bit 0: there is such a message
  modseqs BYTEA NOT NULL,                -- of the messages there are: runs (varint count, zigzag varint step)
  PRIMARY KEY(mailbox, block)
) WITH (fillfactor = 70);

CREATE TABLE vanished(                   -- one row for each expunge
  mailbox BIGINT NOT NULL,               -- mailbox.id
  modseq BIGINT NOT NULL,                -- modification sequence of the expunge
  uids BYTEA NOT NULL,                   -- what went: ranges (varint gap, varint length)
  PRIMARY KEY(mailbox, modseq)
);

CREATE SEQUENCE hidden_id;
CREATE TABLE hidden(                     -- stretches of UIDs whose facts are no messages, unless a block says so
  id BIGINT PRIMARY KEY,                 -- of hidden_id; order
  mailbox BIGINT NOT NULL,               -- mailbox.id
  first BIGINT NOT NULL,                 -- first UID of the stretch
  last BIGINT NOT NULL                   -- last UID of it
);
CREATE INDEX hidden_mailbox ON hidden(mailbox, first);

-- Bodies --------------------------------------------------------------------------------------------------------

CREATE SEQUENCE blob_id;
CREATE TABLE blob(
  id BIGINT PRIMARY KEY,                 -- of blob_id
  size BIGINT NOT NULL,                  -- octets of the body
  body BYTEA                             -- the message as accepted, our own fields in front; NULL: in `blob_chunk`
);
-- Not compressed, so that a piece of it is read without the rest.
ALTER TABLE blob ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE blob_chunk(                 -- bodies too large for a row of `blob`
  blob BIGINT NOT NULL,                  -- blob.id
  place BIGINT NOT NULL,                 -- 0 and up; each chunk but the last has 262144 octets
  octets BYTEA NOT NULL,                 -- that part of the body
  PRIMARY KEY(blob, place)
);
ALTER TABLE blob_chunk ALTER COLUMN octets SET STORAGE EXTERNAL;

CREATE TABLE blob_meta(
  blob BIGINT PRIMARY KEY,               -- blob.id
  header_octets BIGINT NOT NULL,         -- header with its empty line
  sent BIGINT NOT NULL,                  -- Date field, INTERNALDATE where there is none
  subject TEXT COLLATE "C" NOT NULL,     -- base subject (RFC 5256), lower case
  sender TEXT COLLATE "C" NOT NULL,      -- From field, decoded
  recipients TEXT COLLATE "C" NOT NULL,  -- To field, decoded
  copies TEXT COLLATE "C" NOT NULL,      -- Cc field, decoded
  message_id TEXT COLLATE "C" NOT NULL,  -- Message-ID without angle brackets
  msg_references TEXT COLLATE "C" NOT NULL, -- message ids of References and In-Reply-To, space between
  envelope BYTEA NOT NULL,               -- ENVELOPE as IMAP writes it
  structure BYTEA NOT NULL,              -- BODYSTRUCTURE as IMAP writes it
  parts BYTEA NOT NULL                   -- where each part's header and body lie
);

CREATE TABLE refs(                       -- only for bodies used more than once
  blob BIGINT PRIMARY KEY,               -- blob.id
  n BIGINT NOT NULL                      -- uses, 2 and up
);

CREATE SEQUENCE dead_id;
CREATE TABLE dead(                       -- bodies to be removed in the background
  id BIGINT PRIMARY KEY,                 -- of dead_id; order
  blobs BYTEA NOT NULL                   -- ascending blob.id: varint steps
);

CREATE TABLE remains_mailbox(            -- deleted mailboxes whose messages, blocks, expunges and keywords are still there
  mailbox BIGINT PRIMARY KEY             -- mailbox.id it had
);

CREATE TABLE remains_account(            -- deleted accounts whose mailboxes and subscriptions are still there
  account BIGINT PRIMARY KEY             -- account.id it had
);

-- Queue ---------------------------------------------------------------------------------------------------------

CREATE SEQUENCE queue_item_id;
CREATE TABLE queue_item(
  id BIGINT PRIMARY KEY,                 -- of queue_item_id: the queue id
  reverse_path TEXT COLLATE "C" NOT NULL, -- where failures go; empty: nowhere (<>)
  body_kind BIGINT NOT NULL,             -- BODY=: 0 7BIT, 1 8BITMIME, 2 BINARYMIME
  smtputf8 BOOLEAN NOT NULL,             -- whether SMTPUTF8 was said
  envelope_id TEXT COLLATE "C",          -- ENVID=, decoded
  returns BIGINT NOT NULL,               -- RET=: 0 not said, 1 FULL, 2 HDRS
  size_declared BIGINT,                  -- SIZE=
  blob BIGINT NOT NULL,                  -- blob.id
  size BIGINT NOT NULL,                  -- octets
  submitter BIGINT,                      -- account.id of who submitted it
  created BIGINT NOT NULL,               -- when it was accepted
  expires BIGINT NOT NULL,               -- when it is given up
  held BOOLEAN NOT NULL DEFAULT false,   -- true: the host holds it back
  delay_reported BOOLEAN NOT NULL DEFAULT false, -- true: the sender was told of the delay
  terms TEXT COLLATE "C" NOT NULL DEFAULT '' -- what was asked of its way: name=value, space between
);
CREATE INDEX queue_item_expires ON queue_item(expires) WHERE NOT held;
CREATE INDEX queue_item_blob ON queue_item(blob);

CREATE TABLE queue_recipient(
  item BIGINT NOT NULL,                  -- queue_item.id
  place BIGINT NOT NULL,                 -- 0 and up, in the order of RCPT
  address TEXT COLLATE "C" NOT NULL,     -- forward-path
  notify BIGINT NOT NULL,                -- NOTIFY=: 1 SUCCESS, 2 FAILURE, 4 DELAY, 8 said at all
  original TEXT COLLATE "C",             -- ORCPT=, decoded
  state BIGINT NOT NULL DEFAULT 0,       -- 0 waiting, 1 delivered, 2 failed
  attempts BIGINT NOT NULL DEFAULT 0,    -- attempts begun
  due BIGINT NOT NULL,                   -- when the next one is due, while waiting; moved ahead while one is under way
  held BOOLEAN NOT NULL DEFAULT false,   -- as in its item, so that the index below leaves it out
  last_attempt BIGINT NOT NULL DEFAULT 0, -- attempt.id of the last one, 0 before
  destination TEXT COLLATE "C" NOT NULL, -- next hop after routing, as the queue names it; empty: not routed yet
  priority BIGINT NOT NULL DEFAULT 0,    -- MT-PRIORITY of its item, -9 to 9
  PRIMARY KEY(item, place)
) WITH (fillfactor = 70);
CREATE INDEX queue_recipient_urgent ON queue_recipient(destination, priority DESC, due, item, place)
  WHERE state = 0 AND NOT held AND priority > 0;
CREATE INDEX queue_recipient_destination ON queue_recipient(destination, due, item, place) WHERE state = 0 AND NOT held;

CREATE SEQUENCE attempt_id;
CREATE TABLE attempt(                    -- kept beyond the item's end; the oldest are pruned
  id BIGINT PRIMARY KEY,                 -- of attempt_id; order
  item BIGINT NOT NULL,                  -- queue_item.id
  recipient TEXT COLLATE "C" NOT NULL,   -- forward-path
  at BIGINT NOT NULL,                    -- when it ended
  outcome BIGINT NOT NULL,               -- 0 delivered, 1 deferred, 2 failed, 3 expired
  host TEXT COLLATE "C" NOT NULL,        -- host talked to, empty where none was reached
  code BIGINT NOT NULL,                  -- reply code, 0 where none came
  enhanced TEXT COLLATE "C" NOT NULL,    -- enhanced status code, empty where none came
  reason TEXT COLLATE "C" NOT NULL,      -- what the peer said, or what went wrong
  took BIGINT NOT NULL,                  -- microseconds
  tls TEXT COLLATE "C" NOT NULL,         -- TLS version and cipher, empty in the clear
  policy TEXT COLLATE "C" NOT NULL,      -- TLS policy and why it held, empty where no host was dialled
  settlement BIGINT NOT NULL             -- random number of the settlement, so that a commit in doubt is recognised
);
CREATE INDEX attempt_item ON attempt(item, id);

CREATE TABLE sts_policy(                 -- MTA-STS policies (RFC 8461) of other domains
  domain TEXT COLLATE "C" PRIMARY KEY,   -- whose, lower-case A-labels
  id TEXT COLLATE "C" NOT NULL,          -- what its TXT record called it when it was fetched
  policy TEXT COLLATE "C" NOT NULL,      -- its lines
  fetched BIGINT NOT NULL,               -- when it was fetched
  used BIGINT NOT NULL,                  -- when mail wanted it last, by the day
  expires BIGINT NOT NULL                -- when its time is over
);
CREATE INDEX sts_policy_expires ON sts_policy(expires);

CREATE TABLE trail(                      -- one row for each settlement with an attempt that talked to somebody
  attempt BIGINT PRIMARY KEY,            -- attempt.id, the last one of the settlement
  lines TEXT COLLATE "C" NOT NULL        -- a line each: milliseconds since it began, kind, text
);

CREATE TABLE submit_key(                 -- keys that programs gave with submissions, so that none is taken twice
  key TEXT COLLATE "C" PRIMARY KEY,      -- the program's
  item BIGINT NOT NULL,                  -- queue_item.id the submission got, 0 where all its recipients were here
  at BIGINT NOT NULL                     -- when it was taken
);
CREATE INDEX submit_key_at ON submit_key(at);

CREATE TABLE paused(                     -- destinations that get no mail for now
  destination TEXT COLLATE "C" PRIMARY KEY, -- as queue_recipient.destination
  since BIGINT NOT NULL,                 -- when that was said
  reason TEXT COLLATE "C" NOT NULL       -- why, in the program's words
);

CREATE TABLE book(                       -- one row for each domain with settings and for each group
  kind BIGINT NOT NULL,                  -- 1: a domain's settings, 2: a group
  name TEXT COLLATE "C" NOT NULL,        -- the domain, or the group's address: lower case, A-labels
  document TEXT COLLATE "C" NOT NULL,    -- JSON
  PRIMARY KEY(kind, name)
);

-- Sieve -----------------------------------------------------------------------------------------------------------

CREATE TABLE sieve_script(               -- scripts of accounts and domains
  account BIGINT NOT NULL,               -- whose; 0: of the domain in scope
  scope TEXT COLLATE "C" NOT NULL,       -- domain, lower-case A-labels; empty: of the account, or of all domains
  name TEXT COLLATE "C" NOT NULL,        -- of a domain: before and after are run, others can be included
  script BYTEA NOT NULL,                 -- as it was given, UTF-8
  active BOOLEAN NOT NULL,               -- true: run for mail of the account, at most one of each
  PRIMARY KEY(account, scope, name)
);

CREATE TABLE sieve_remembered(           -- what scripts remember: to whom a vacation was told, what is a duplicate
  account BIGINT NOT NULL,               -- whose
  key TEXT COLLATE "C" NOT NULL,         -- what: kind, colon, hash
  until BIGINT NOT NULL,                 -- forgotten from then on
  PRIMARY KEY(account, key)
);
CREATE INDEX sieve_remembered_until ON sieve_remembered(account, until);

-- Annotations -------------------------------------------------------------------------------------------------------

CREATE TABLE annotation(                 -- annotations of mailboxes and accounts (RFC 5464)
  mailbox BIGINT NOT NULL,               -- mailbox.id; 0: of the account itself
  account BIGINT NOT NULL,               -- whose
  entry TEXT COLLATE "C" NOT NULL,       -- path in lower case, /private/... or /shared/...
  value BYTEA NOT NULL,                  -- as it was given
  revision BIGINT NOT NULL,              -- of each change of an account a higher one
  PRIMARY KEY(mailbox, account, entry)
);
CREATE INDEX annotation_account ON annotation(account);

-- DMARC aggregate reports (RFC 7489 §7.2) -------------------------------------------------------------------------
-- Days are UTC days since 1970. Lists stand in one text, `; ` between their items.

CREATE TABLE dmarc_policy(               -- whose mail was seen on a day: one report each
  day BIGINT NOT NULL,                   -- the day
  domain TEXT COLLATE "C" NOT NULL,      -- domain whose record was found, lower-case A-labels
  record TEXT COLLATE "C" NOT NULL,      -- the record as published last that day
  row_count BIGINT NOT NULL DEFAULT 0,   -- rows of `dmarc_observed`
  reported BOOLEAN NOT NULL DEFAULT false, -- true: done with; its rows are gone, later ones are not taken
  PRIMARY KEY(day, domain)
);

CREATE TABLE dmarc_observed(             -- what was seen, until it is reported
  day BIGINT NOT NULL,                   -- as in dmarc_policy
  domain TEXT COLLATE "C" NOT NULL,      -- as in dmarc_policy
  kind BYTEA NOT NULL,                   -- SHA-256 of the columns from source to spf: they may be too long for an index
  source TEXT COLLATE "C" NOT NULL,      -- address of the client
  disposition BIGINT NOT NULL,           -- what was done: 0 nothing, 1 quarantine, 2 reject, 3 nothing since it passed
  aligned BIGINT NOT NULL,               -- 1 DKIM passed and was aligned, 2 SPF, 3 both
  header_from TEXT COLLATE "C" NOT NULL, -- domain in From
  envelope_from TEXT COLLATE "C" NOT NULL, -- domain of the reverse-path, empty for the null one
  envelope_to TEXT COLLATE "C" NOT NULL, -- domain of the recipients, empty where it is not told
  reasons TEXT COLLATE "C" NOT NULL,     -- why it is not what the domain asked for: kind and comment
  dkim TEXT COLLATE "C" NOT NULL,        -- signatures: result, domain, selector
  spf TEXT COLLATE "C" NOT NULL,         -- result, domain, scope
  messages BIGINT NOT NULL,              -- how many
  PRIMARY KEY(day, domain, kind)
);

CREATE SEQUENCE dmarc_report_id;
CREATE TABLE dmarc_report(               -- reports we were sent
  id BIGINT PRIMARY KEY,                 -- of dmarc_report_id
  name BYTEA NOT NULL UNIQUE,            -- SHA-256 of domain, organization and report_id, which may be too long for an index
  organization TEXT COLLATE "C" NOT NULL, -- who reports
  email TEXT COLLATE "C" NOT NULL,       -- where to ask about it
  contact TEXT COLLATE "C" NOT NULL,     -- more about that
  report_id TEXT COLLATE "C" NOT NULL,   -- what the reporter calls it
  domain TEXT COLLATE "C" NOT NULL,      -- whose mail it is about
  begins BIGINT NOT NULL,                -- first second it is about, seconds since 1970
  ends BIGINT NOT NULL,                  -- last second it is about, seconds since 1970
  arrived BIGINT NOT NULL,               -- when it was read
  policy BIGINT NOT NULL,                -- p, numbers as in dmarc_observed.disposition
  subdomain_policy BIGINT,               -- sp, where it was told
  nonexistent_policy BIGINT,             -- np, where it was told
  strict BIGINT NOT NULL,                -- 1 adkim=s, 2 aspf=s, 3 both
  percent BIGINT,                        -- pct, where it was told
  testing BOOLEAN NOT NULL,              -- true: t=y
  failure_on TEXT COLLATE "C" NOT NULL,  -- fo
  errors TEXT COLLATE "C" NOT NULL,      -- what was wrong with the record
  messages BIGINT NOT NULL,              -- messages it counts
  row_count BIGINT NOT NULL,             -- rows of `dmarc_record`
  failed BIGINT NOT NULL,                -- those for which neither DKIM nor SPF was aligned
  complete BOOLEAN NOT NULL              -- true: all its rows are there; until then it is not listed
);
CREATE INDEX dmarc_report_ends ON dmarc_report(ends);

CREATE TABLE dmarc_record(               -- their rows
  report BIGINT NOT NULL,                -- dmarc_report.id
  place BIGINT NOT NULL,                 -- 1 and up
  source TEXT COLLATE "C" NOT NULL,      -- the columns from here on are those of dmarc_observed
  disposition BIGINT NOT NULL,
  aligned BIGINT NOT NULL,
  header_from TEXT COLLATE "C" NOT NULL,
  envelope_from TEXT COLLATE "C" NOT NULL,
  envelope_to TEXT COLLATE "C" NOT NULL,
  reasons TEXT COLLATE "C" NOT NULL,
  dkim TEXT COLLATE "C" NOT NULL,
  spf TEXT COLLATE "C" NOT NULL,
  messages BIGINT NOT NULL,
  PRIMARY KEY(report, place)
);

CREATE TABLE dmarc_unread(               -- mail for the reports' address that was filed and not read yet
  blob BIGINT PRIMARY KEY                -- blob.id; gone again where the message is
);

CREATE TABLE suppressed(                 -- addresses that get no mail from here
  account BIGINT NOT NULL,              -- account.id whose mail is meant; 0: everybody's
  address TEXT COLLATE "C" NOT NULL,                 -- key of the address, or @ and a domain for all of it
  reason TEXT COLLATE "C" NOT NULL,                  -- hard-bounce, complaint, unsubscribe, manual
  detail TEXT COLLATE "C" NOT NULL,                  -- why, in words
  since BIGINT NOT NULL,                -- when it was noted
  until BIGINT NOT NULL,                -- when it ends; 0: never
  PRIMARY KEY(account, address)
);
CREATE INDEX suppressed_until ON suppressed(until);

CREATE TABLE tls_level(                  -- the best TLS that a host did
  host TEXT COLLATE "C" PRIMARY KEY,                 -- name of the host, lower case
  level BIGINT NOT NULL,                -- 0 TLS, 1 with a certificate that verified for its name
  seen BIGINT NOT NULL                  -- when it did so last, by the day
);
CREATE INDEX tls_level_seen ON tls_level(seen);

CREATE TABLE tls_result(                 -- sessions with hosts elsewhere, until they are reported (RFC 8460)
  day BIGINT NOT NULL,                  -- UTC day since 1970
  domain TEXT COLLATE "C" NOT NULL,                  -- whose mail it was
  policy TEXT COLLATE "C" NOT NULL,                  -- the policy that held, as JSON
  failure TEXT COLLATE "C" NOT NULL,                 -- what failed, as JSON; empty for success
  sessions BIGINT NOT NULL,             -- how many
  kind BYTEA NOT NULL,                   -- SHA-256 of domain, policy and failure, which may be too long for an index
  PRIMARY KEY(day, kind)
);

CREATE SEQUENCE tls_report_id;
CREATE TABLE tls_report(                 -- TLS reports that came
  id BIGINT PRIMARY KEY,                 -- of tls_report_id
  organization TEXT COLLATE "C" NOT NULL,            -- who reports
  report_id TEXT COLLATE "C" NOT NULL,               -- what the reporter calls it
  domain TEXT COLLATE "C" NOT NULL,                  -- whose mail it is about, by commas
  begins BIGINT NOT NULL,               -- begin and end of the time it is about
  ends BIGINT NOT NULL,
  arrived BIGINT NOT NULL,              -- when it was read
  succeeded BIGINT NOT NULL,            -- sessions that had TLS as demanded
  failed BIGINT NOT NULL,               -- sessions that had not
  report TEXT COLLATE "C" NOT NULL,                  -- the report as it was understood, JSON of RFC 8460
  name BYTEA NOT NULL UNIQUE             -- SHA-256 of organization and report_id, which may be too long for an index
);

CREATE TABLE sent_message(               -- messages that reports of others may be about
  message_id TEXT COLLATE "C" PRIMARY KEY, -- Message-ID without brackets, or `envid` and an ENVID
  item BIGINT NOT NULL,                 -- queue_item.id
  at BIGINT NOT NULL                    -- when it was queued
);
CREATE INDEX sent_message_at ON sent_message(at);
