//! Where a store on PostgreSQL is: `postgres://user:password@host:port/database?schema=name&sslmode=mode`.
//!
//! `schema` (mailcore) is the schema that holds the tables. `sslmode` is disable, prefer (TLS where the server has it,
//! no check of its certificate), require (TLS, no check) or verify-full (TLS, and the certificate must be good for the
//! host's name). The other parameters are those of libpq that the client library knows. The text of an error never has
//! the password.

use std::time::Duration;

use tokio_postgres::Config;

use crate::base::limits::{POSTGRES_CONNECT_SECONDS, POSTGRES_SCHEMA_OCTETS_MAX};
use crate::base::{Error, ErrorKind, Result};

/// The schema where the address names none.
const SCHEMA: &str = "mailcore";

/// A store's address, taken apart.
#[derive(Clone)]
pub(super) struct Address {
    /// Hosts, database, user, password.
    pub config: Config,
    /// The schema of the tables: lower-case letters, digits, low lines; needs no quoting.
    pub schema: String,
    /// Whether the server's certificate must be good.
    pub verify: bool,
}

impl Address {
    /// Takes an address apart. `Invalid` where it is none.
    pub fn parse(url: &str) -> Result<Address> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let rest = rest.ok_or_else(|| invalid("it does not begin with postgres://"))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (mut schema, mut verify, mut left) = (SCHEMA.to_owned(), false, Vec::new());
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("schema", name)) => schema = checked_schema(name)?,
                Some(("sslmode", "verify-full")) => {
                    verify = true;
                    left.push("sslmode=require");
                }
                Some(("sslmode", "verify-ca" | "allow")) => {
                    return Err(invalid("sslmode is disable, prefer, require or verify-full"));
                }
                _ => left.push(parameter),
            }
        }
        let plain = format!("postgresql://{place}?{}", left.join("&"));
        let mut config: Config = plain.parse().map_err(|e: tokio_postgres::Error| {
            let cause = std::error::Error::source(&e).map(ToString::to_string);
            invalid(&cause.unwrap_or_else(|| e.to_string()))
        })?;
        if config.get_user().is_none() {
            return Err(invalid("it names no user"));
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(invalid("it names no host"));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(POSTGRES_CONNECT_SECONDS));
        }
        Ok(Address { config, schema, verify })
    }
}

/// A schema's name that needs no quoting.
fn checked_schema(name: &str) -> Result<String> {
    let sound = !name.is_empty()
        && name.len() <= POSTGRES_SCHEMA_OCTETS_MAX
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.starts_with("pg_")
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
    match sound {
        true => Ok(name.to_owned()),
        false => Err(invalid("schema is lower-case letters, digits and _, 63 at most, with a letter first")),
    }
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("store: postgres://user@host/database?schema=name is wanted: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_postgres::config::{Host, SslMode};

    #[test]
    fn an_address_is_taken_apart() {
        let address =
            Address::parse("postgres://mail:s%20e@db.example:5433/box?schema=one&sslmode=verify-full").unwrap();
        assert_eq!(
            (address.schema.as_str(), address.verify, address.config.get_ssl_mode()),
            ("one", true, SslMode::Require)
        );
        assert_eq!(address.config.get_user(), Some("mail"));
        assert_eq!(address.config.get_password(), Some(b"s e".as_slice()));
        assert_eq!((address.config.get_dbname(), address.config.get_ports()), (Some("box"), [5433].as_slice()));
        assert_eq!(address.config.get_hosts(), [Host::Tcp("db.example".into())]);
        let local = Address::parse("postgresql://mail@%2Frun%2Fpg/box").unwrap();
        assert_eq!((local.schema.as_str(), local.verify), ("mailcore", false));
        assert!(matches!(local.config.get_hosts(), [Host::Unix(path)] if path.as_os_str() == "/run/pg"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for bad in [
            "mysql://a@b/c",
            "postgres://host/db",
            "postgres://u:secret@h/db?schema=",
            "postgres://u:secret@h/db?schema=a;drop",
            "postgres://u:secret@h/db?schema=pg_temp",
            "postgres://u:secret@h/db?schema=Upper",
            "postgres://u:secret@h/db?sslmode=verify-ca",
            "postgres://u:secret@h/db?colour=red",
            "postgres://u:secret@h:port/db",
            "postgres:///db",
        ] {
            let e = Address::parse(bad).map(|address| address.schema).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Invalid, "{bad}");
            assert!(!e.text().contains("secret"), "{e}");
        }
    }
}
