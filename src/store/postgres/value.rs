//! Values on their way to the server and columns on their way back, without a panic on either.
//!
//! Text columns cannot hold NUL: one in a text becomes U+FFFD, in what is written and in what is looked for alike.

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql};

use super::error::of_client;
use crate::base::{Error, ErrorKind, Result};

/// A parameter of a statement.
pub(super) type Value = Box<dyn ToSql + Sync + Send>;

/// What can be a parameter.
pub(super) trait Parameter {
    /// What it is as a column.
    type Column: ToSql + Sync + Send + 'static;

    /// As a column.
    fn kept(self) -> Self::Column;
}

macro_rules! parameters {
    ($($type:ty as $kept:ty: $given:ident => $how:expr;)*) => {$(
        impl Parameter for $type {
            type Column = $kept;

            fn kept(self) -> $kept {
                let $given = self;
                $how
            }
        }
    )*};
}

parameters! {
    i64 as i64: n => n;
    u32 as i64: n => i64::from(n);
    u16 as i64: n => i64::from(n);
    u8 as i64: n => i64::from(n);
    // Columns are signed: large numbers keep their bits, as in SQLite.
    u64 as i64: n => n as i64;
    usize as i64: n => i64::try_from(n).unwrap_or(i64::MAX);
    bool as bool: flag => flag;
    &str as String: text => text.replace('\0', "\u{fffd}");
    &String as String: text => text.as_str().kept();
    String as String: text => if text.contains('\0') { text.as_str().kept() } else { text };
    &[u8] as Vec<u8>: octets => octets.to_vec();
    &Vec<u8> as Vec<u8>: octets => octets.clone();
    Vec<u8> as Vec<u8>: octets => octets;
    Vec<i64> as Vec<i64>: numbers => numbers;
}

impl<T: Parameter> Parameter for Option<T> {
    type Column = Option<T::Column>;

    fn kept(self) -> Self::Column {
        self.map(Parameter::kept)
    }
}

/// Parameters in the order of `$1`, `$2`.
macro_rules! values {
    ($($value:expr),* $(,)?) => {{
        #[allow(unused_imports, reason = "a statement may have no parameter")]
        use $crate::store::postgres::value::{Parameter, Value};
        let values: Vec<Value> = vec![$(Box::new($value.kept())),*];
        values
    }};
}
pub(super) use values;

/// Columns of a row by their place, from 0.
pub(super) trait Columns {
    /// A column of this type.
    fn column<'a, T: FromSql<'a>>(&'a self, at: usize) -> Result<T>;

    /// A number.
    fn number(&self, at: usize) -> Result<i64> {
        self.column(at)
    }

    /// A number that was unsigned.
    fn large(&self, at: usize) -> Result<u64> {
        Ok(self.number(at)? as u64)
    }

    /// A number that is small.
    fn small<T: TryFrom<i64>>(&self, at: usize) -> Result<T> {
        T::try_from(self.number(at)?).map_err(|_| Error::new(ErrorKind::Store, "store: a number is out of its range"))
    }

    /// A text.
    fn text(&self, at: usize) -> Result<String> {
        self.column(at)
    }

    /// Octets.
    fn octets(&self, at: usize) -> Result<Vec<u8>> {
        self.column(at)
    }

    /// A switch.
    fn flag(&self, at: usize) -> Result<bool> {
        self.column(at)
    }
}

impl Columns for Row {
    fn column<'a, T: FromSql<'a>>(&'a self, at: usize) -> Result<T> {
        self.try_get(at).map_err(|e| of_client(&e))
    }
}
