-- What was deleted and is still to be removed, in the background and in bounded steps: nobody reaches it any more.

CREATE TABLE remains_mailbox(            -- mailboxes whose messages, blocks, expunges and keywords are still there
  mailbox INTEGER PRIMARY KEY            -- mailbox.id it had
) STRICT;

CREATE TABLE remains_account(            -- accounts whose mailboxes and subscriptions are still there
  account INTEGER PRIMARY KEY            -- account.id it had
) STRICT;
