//! Which SQLite a store may run on: asked once at every opening, since a system's library can change under us.
//!
//! SQLite 3.7.0 to 3.51.2 can lose a synced commit: a checkpoint that begins as another connection restarts the log
//! takes frames of the new log for copied (the "WAL-reset bug", sqlite.org/wal.html). Writer and checkpoint lane are
//! two such connections, so those versions are refused: a 250 must stay true. Two older lines have the fix as well.

use crate::base::{Error, ErrorKind, Result};

/// The first releases that have the fix, newest line first, as `sqlite3_libversion_number` writes them. The first one
/// and all above are sound; the others are sound up to the end of their own line.
const SOUND: [i32; 3] = [3_051_003, 3_050_007, 3_044_006];

/// Refuses a SQLite that can lose what it has synced (`Unsupported`).
pub(super) fn check() -> Result<()> {
    let version = rusqlite::version_number();
    if sound(version) {
        return Ok(());
    }
    let [newest, _, oldest] = SOUND.map(spelled);
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "SQLite {} can lose synced commits: {newest} is needed (the oldest that will do is {oldest}), \
             or a build with the feature bundled-sqlite",
            rusqlite::version()
        ),
    ))
}

fn sound(version: i32) -> bool {
    let [newest, backports @ ..] = SOUND;
    version >= newest || backports.iter().any(|first| version >= *first && version / 1000 == first / 1000)
}

fn spelled(version: i32) -> String {
    format!("{}.{}.{}", version / 1_000_000, version / 1000 % 1000, version % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_releases_with_the_fix() {
        for version in [3_044_006, 3_044_007, 3_050_007, 3_051_003, 3_052_000, 3_054_001, 4_000_000] {
            assert!(sound(version), "{version}");
        }
        for version in [3_007_000, 3_040_001, 3_044_005, 3_045_003, 3_046_001, 3_050_006, 3_051_000, 3_051_002] {
            assert!(!sound(version), "{version}");
        }
    }

    #[test]
    fn this_one_will_do() {
        assert!(check().is_ok(), "{:?}", check());
        assert_eq!(SOUND.map(spelled), ["3.51.3", "3.50.7", "3.44.6"]);
    }
}
