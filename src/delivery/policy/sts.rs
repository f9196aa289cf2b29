//! MTA-STS (RFC 8461) as text: the TXT record that says that there is a policy, and the policy itself. Pure.

use crate::base::limits::{STS_HOSTS_MAX, STS_SECONDS_MAX};

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsPolicy {
    /// What it asks for.
    pub mode: StsMode,
    /// Names of hosts, lower-case A-labels; `*.` in front stands for one label.
    pub hosts: Vec<String>,
    /// Seconds it may be kept.
    pub max_age: u64,
}

/// What a policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StsMode {
    /// No mail to hosts that fail it.
    Enforce,
    /// Mail goes all the same; failures are reported.
    Testing,
    /// Nothing: there was a policy.
    None,
}

const MODES: [(&str, StsMode); 3] =
    [("enforce", StsMode::Enforce), ("testing", StsMode::Testing), ("none", StsMode::None)];

impl StsMode {
    /// Its word.
    pub fn word(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("none", |(word, _)| word)
    }
}

impl StsPolicy {
    /// Reads a policy; the error says what is wrong with it. Of a key that stands twice the first counts, but for mx.
    pub fn parse(text: &[u8]) -> Result<StsPolicy, String> {
        let text = std::str::from_utf8(text).map_err(|_| "the policy is no text".to_owned())?;
        let (mut version, mut mode, mut max_age) = (None, None, None);
        let mut hosts = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (key, value) = line.split_once(':').ok_or("a line of the policy has no colon")?;
            let value = value.trim();
            match key.trim() {
                "version" => _ = version.get_or_insert(value),
                "mode" => _ = mode.get_or_insert(value),
                "max_age" => _ = max_age.get_or_insert(value),
                "mx" if hosts.len() < STS_HOSTS_MAX => hosts.push(host_pattern(value)?),
                "mx" => return Err(format!("the policy names more than {STS_HOSTS_MAX} hosts")),
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err("the policy's version is not STSv1".to_owned());
        }
        let mode = mode.and_then(|word| MODES.iter().find(|(name, _)| *name == word));
        let (_, mode) = mode.ok_or("the policy's mode is none of enforce, testing and none")?;
        let is_age = |age: &&str| (1..=10).contains(&age.len()) && age.bytes().all(|c| c.is_ascii_digit());
        let max_age = max_age.filter(is_age).and_then(|age| age.parse::<u64>().ok()).ok_or("max_age is no number")?;
        if hosts.is_empty() && *mode != StsMode::None {
            return Err("the policy names no host".to_owned());
        }
        Ok(StsPolicy { mode: *mode, hosts, max_age: max_age.min(STS_SECONDS_MAX) })
    }

    /// Whether a host of this name may get mail.
    pub fn allows(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.hosts.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(above) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == above),
            None => host == *pattern,
        })
    }

    /// Its lines, as it is served.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec!["version: STSv1".to_owned(), format!("mode: {}", self.mode.word())];
        lines.extend(self.hosts.iter().map(|host| format!("mx: {host}")));
        lines.push(format!("max_age: {}", self.max_age));
        lines
    }
}

fn host_pattern(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('.');
    let (star, name) = match text.strip_prefix("*.") {
        Some(name) => ("*.", name),
        None => ("", text),
    };
    let ascii = idna::domain_to_ascii(name).ok().filter(|name| !name.is_empty() && !name.contains('*'));
    ascii.map(|name| format!("{star}{name}")).ok_or_else(|| format!("mx {text:?} is no name of a host"))
}

/// The id of the policy that a domain's TXT records tell of; `None` where they tell of none, or of several.
pub fn id_of<'a>(records: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let mut ids = records.filter_map(|record| std::str::from_utf8(record).ok()).filter_map(|record| {
        let mut fields = record.split(';').map(str::trim);
        (fields.next()? == "v=STSv1").then(|| fields.find_map(|field| field.strip_prefix("id=")).unwrap_or_default())
    });
    let id = ids.next()?;
    let is_id = (1..=32).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_alphanumeric());
    (ids.next().is_none() && is_id).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read() {
        let text = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\nmx: *.Example.NET\r\n\
            future: x\nmax_age: 604800\n";
        let policy = StsPolicy::parse(text.as_bytes()).unwrap();
        assert_eq!((policy.mode, policy.max_age), (StsMode::Enforce, 604_800));
        assert_eq!(policy.hosts, ["mail.example.com", "*.example.net"]);
        assert_eq!(StsPolicy::parse(policy.lines().join("\r\n").as_bytes()), Ok(policy));
        let none = StsPolicy::parse(b"version: STSv1\nmode: none\nmax_age: 9999999999\n").unwrap();
        assert_eq!((none.mode, none.max_age), (StsMode::None, STS_SECONDS_MAX));
        for (text, why) in [
            ("", "the policy's version is not STSv1"),
            ("version: STSv2\nmode: none\nmax_age: 1", "the policy's version is not STSv1"),
            ("version: STSv1\nmode: maybe\nmax_age: 1", "the policy's mode is none of enforce, testing and none"),
            ("version: STSv1\nmode: enforce\nmax_age: 1", "the policy names no host"),
            ("version: STSv1\nmode: enforce\nmx: a.test", "max_age is no number"),
            ("version: STSv1\nmode: enforce\nmx: a.test\nmax_age: +1", "max_age is no number"),
            ("version: STSv1\nmode: enforce\nmx: *.*.test\nmax_age: 1", "mx \"*.*.test\" is no name of a host"),
            ("<html>", "a line of the policy has no colon"),
        ] {
            assert_eq!(StsPolicy::parse(text.as_bytes()), Err(why.to_owned()), "{text}");
        }
        let many = "mx: a.test\n".repeat(STS_HOSTS_MAX + 1);
        assert!(StsPolicy::parse(format!("version: STSv1\nmode: enforce\nmax_age: 1\n{many}").as_bytes()).is_err());
    }

    #[test]
    fn a_star_stands_for_one_label() {
        let policy =
            StsPolicy::parse(b"version: STSv1\nmode: enforce\nmx: mx.a.test\nmx: *.b.test\nmax_age: 1").unwrap();
        for (host, allowed) in [
            ("mx.a.test", true),
            ("MX.A.TEST.", true),
            ("mx2.a.test", false),
            ("x.b.test", true),
            ("y.x.b.test", false),
            ("b.test", false),
            (".b.test", false),
        ] {
            assert_eq!(policy.allows(host), allowed, "{host}");
        }
    }

    #[test]
    fn one_record_tells_of_a_policy() {
        let id = |records: &[&str]| id_of(records.iter().map(|record| record.as_bytes()));
        assert_eq!(id(&["v=STSv1; id=20160831085700Z;"]).as_deref(), Some("20160831085700Z"));
        assert_eq!(id(&["other", "v=STSv1;id=1"]).as_deref(), Some("1"));
        for records in
            [&[][..], &["v=STSv1; id=1", "v=STSv1; id=2"], &["v=STSv1"], &["v=STSv1; id=a-b"], &["v=STSv2; id=1"]]
        {
            assert_eq!(id(records), None, "{records:?}");
        }
    }
}
