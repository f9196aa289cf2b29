//! How much the machine has for this process: its memory, the limits of its control group, those of the process.
//!
//! Where the system does not say (no `/proc`), there is no limit.

use std::fs;
use std::path::Path;

/// Octets this process may have in all: what the machine has, or the control group allows.
pub fn total() -> u64 {
    machine().min(group())
}

/// Octets of address space the process may still take under its own limit (RLIMIT_AS).
pub fn room() -> u64 {
    let Some(limit) = address_space() else { return u64::MAX };
    let pages = read("/proc/self/statm").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    limit.saturating_sub(pages.unwrap_or(0).saturating_mul(PAGE_OCTETS))
}

/// Descriptors that the process may have open (RLIMIT_NOFILE).
pub fn descriptors() -> u64 {
    read("/proc/self/limits").and_then(|text| field(&text, "Max open files")).unwrap_or(u64::MAX)
}

/// What statm counts in, at least.
const PAGE_OCTETS: u64 = 4_096;

#[allow(clippy::disallowed_methods, reason = "what the machine has is told by files of the system")]
fn read(path: &str) -> Option<String> {
    fs::read(Path::new(path)).ok().and_then(|octets| String::from_utf8(octets).ok())
}

fn machine() -> u64 {
    let kib = read("/proc/meminfo").and_then(|text| field(&text, "MemTotal:"));
    kib.map_or(u64::MAX, |kib| kib.saturating_mul(1024))
}

/// The least limit of the control groups that the process is in: its own, and those above it.
fn group() -> u64 {
    let Some(groups) = read("/proc/self/cgroup") else { return u64::MAX };
    let Some(path) = groups.lines().find_map(|line| line.strip_prefix("0::")) else { return u64::MAX };
    let limit = |folder: &Path| {
        let file = format!("/sys/fs/cgroup{}/memory.max", folder.display().to_string().trim_end_matches('/'));
        read(&file)?.trim().parse::<u64>().ok()
    };
    Path::new(path.trim()).ancestors().filter_map(limit).min().unwrap_or(u64::MAX)
}

fn address_space() -> Option<u64> {
    read("/proc/self/limits").and_then(|text| field(&text, "Max address space"))
}

/// The first number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found() {
        let text = "Max cpu time  unlimited\nMax address space         1048576   unlimited  bytes\n";
        assert_eq!(field(text, "Max address space"), Some(1_048_576));
        assert_eq!((field(text, "Max cpu time"), field(text, "none")), (None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_machine_has_memory() {
        assert!(total() > 1 << 20 && total() < 1 << 50, "{}", total());
        assert!(room() > 1 << 20);
        assert!(descriptors() > 2, "this test has some open");
    }
}
