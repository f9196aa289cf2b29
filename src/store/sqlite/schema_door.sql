-- Settings of domains, and groups.

CREATE TABLE book(                       -- one row for each domain with settings and for each group
  kind INTEGER NOT NULL,                 -- 1: a domain's settings, 2: a group
  name TEXT NOT NULL,                    -- the domain, or the group's address: lower case, A-labels
  document TEXT NOT NULL,                -- JSON
  PRIMARY KEY(kind, name)
) STRICT, WITHOUT ROWID;
