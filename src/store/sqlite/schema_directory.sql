-- The directory is looked up row by row.

-- directory: version of domains, accounts and aliases; each commit that changes any of them raises it
INSERT INTO store_meta(name, value) VALUES ('directory', 0);

-- The first account of a domain: what follows the last @ of its address.
CREATE INDEX account_domain ON account(
  substr(address_key, length(rtrim(address_key, replace(address_key, '@', ''))) + 1), address_key
);

-- The costs that passwords have: parameters of Argon2id, rounds of SCRAM.
CREATE INDEX account_cost ON account(
  substr(argon2id, 16, instr(substr(argon2id, 16), '$') - 1) || ' ' || scram_iterations
) WHERE argon2id <> '';
