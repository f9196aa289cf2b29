-- Stretches of UIDs whose facts are no messages, unless a block says so: of a COPY or MOVE that is not finished, or of
-- messages that went and whose facts are still to be removed in the background.

CREATE TABLE hidden(
  id INTEGER PRIMARY KEY,                -- order
  mailbox INTEGER NOT NULL,              -- mailbox.id
  first INTEGER NOT NULL,                -- first UID of the stretch
  last INTEGER NOT NULL                  -- last UID of it
) STRICT;
CREATE INDEX hidden_mailbox ON hidden(mailbox, first);

-- For people and other programs, as before, without the messages of such stretches.
DROP VIEW message;
CREATE VIEW message AS
SELECT mailbox, uid, internaldate, size, blob, (CASE WHEN stated & 1 THEN stated ELSE flags0 END) & 62 AS flags
FROM (SELECT f.mailbox, f.uid, f.internaldate, f.size, f.blob, f.flags0,
    CASE WHEN s.id IS NULL OR length(s.flags) <= s.width * (f.uid & 511) THEN 0
    ELSE (instr('123456789ABCDEF', substr(hex(substr(s.flags, 1 + s.width * (f.uid & 511), 1)), 1, 1)) << 4)
      | instr('123456789ABCDEF', substr(hex(substr(s.flags, 1 + s.width * (f.uid & 511), 1)), 2, 1)) END AS stated
  FROM fact f LEFT JOIN state s ON s.id = ((f.mailbox << 32) | (f.uid >> 9))) m
WHERE stated & 1 OR NOT EXISTS (SELECT 1 FROM hidden h WHERE h.mailbox = m.mailbox AND m.uid BETWEEN h.first AND h.last);
