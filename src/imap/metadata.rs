//! What GETMETADATA and SETMETADATA ask (RFC 5464), and the names of entries.

use super::grammar::{Bad, Cursor, Parse};
use crate::base::limits::ANNOTATION_NAME_OCTETS_MAX;

/// GETMETADATA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetMetadata {
    /// Of which mailbox; `None`: of the server.
    pub name: Option<String>,
    /// Which entries.
    pub entries: Vec<String>,
    /// Only values of at most so many octets.
    pub size_max: Option<u32>,
    /// Whether entries below those are meant too.
    pub depth: Depth,
}

/// SETMETADATA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetMetadata {
    /// Of which mailbox; `None`: of the server.
    pub name: Option<String>,
    /// Entries and their new values; `None` removes one.
    pub values: Vec<(String, Option<Vec<u8>>)>,
}

/// How many levels below an entry are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Depth {
    #[default]
    Zero,
    One,
    Infinity,
}

impl Depth {
    /// Whether `entry` is `asked`, or below it and near enough.
    pub fn has(self, asked: &str, entry: &str) -> bool {
        let Some(rest) = entry.strip_prefix(asked) else { return false };
        match (self, rest.strip_prefix('/')) {
            _ if rest.is_empty() => true,
            (Depth::Zero, _) | (_, None) => false,
            (Depth::One, Some(below)) => !below.contains('/'),
            (Depth::Infinity, Some(_)) => true,
        }
    }
}

/// The name of an entry, in lower case (RFC 5464 §3.2). `/private` and `/shared` alone are asked for with a depth.
pub fn entry(cursor: &mut Cursor<'_>) -> Parse<String> {
    let wrong = Bad::Syntax("not the name of an entry");
    let name = String::from_utf8(cursor.astring()?).map_err(|_| wrong)?.to_ascii_lowercase();
    let fits = |c: u8| matches!(c, 0x20..=0x7e) && c != b'*' && c != b'%';
    let mut levels = name.split('/');
    let is_whole = levels.next() == Some("")
        && levels.next().is_some_and(|scope| scope == "private" || scope == "shared")
        && levels.all(|level| !level.is_empty());
    match is_whole && name.bytes().all(fits) && name.len() <= ANNOTATION_NAME_OCTETS_MAX {
        true => Ok(name),
        false => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths() {
        for (depth, told) in [(Depth::Zero, 1), (Depth::One, 2), (Depth::Infinity, 3)] {
            let names = ["/private/a", "/private/a/b", "/private/a/b/c", "/private/ab", "/private"];
            assert_eq!(names.iter().filter(|name| depth.has("/private/a", name)).count(), told);
        }
    }

    #[test]
    fn names() {
        let read = |text: &str| entry(&mut Cursor::new(text.as_bytes(), false));
        assert_eq!(read("/Private/Comment"), Ok("/private/comment".to_owned()));
        assert!(read("/shared").is_ok() && read("\"/private/a b\"").is_ok());
        for wrong in
            ["/", "/other/a", "private/a", "/private/", "/private//a", "/private/%", "\"/private/*\"", "/privately/a"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let long = |n: usize| read(&format!("/private/{}", "a".repeat(n - 9)));
        assert!(long(ANNOTATION_NAME_OCTETS_MAX).is_ok() && long(ANNOTATION_NAME_OCTETS_MAX + 1).is_err());
    }
}
