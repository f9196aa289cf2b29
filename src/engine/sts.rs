//! MTA-STS for our own domains: the policy and the record that the host publishes (RFC 8461 §3).

use sha2::{Digest, Sha256};

use super::Engine;
use crate::base::limits::STS_HOSTS_MAX;
use crate::base::{Error, ErrorKind, Result};
use crate::delivery::policy::sts::StsPolicy;

impl Engine {
    /// The policy to serve at `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`, and the TXT record for
    /// `_mta-sts.DOMAIN`, whose id changes where the policy does. `mode` is `enforce`, `testing` or `none`; `hosts` are
    /// those that take the domain's mail, by default our own name. `Invalid` where that makes no policy.
    pub fn sts_policy(&self, mode: &str, hosts: &[&str], max_age_seconds: u32) -> Result<(String, String)> {
        let hostname = self.config().settings.hostname;
        let hosts = if hosts.is_empty() { vec![hostname.as_str()] } else { hosts.to_vec() };
        if hosts.len() > STS_HOSTS_MAX || hosts.iter().any(|host| host.contains(['\r', '\n'])) {
            return Err(Error::new(ErrorKind::Invalid, "not a list of names of hosts"));
        }
        let hosts: String = hosts.iter().map(|host| format!("mx: {host}\r\n")).collect();
        let text = format!("version: STSv1\r\nmode: {mode}\r\n{hosts}max_age: {max_age_seconds}\r\n");
        let policy = StsPolicy::parse(text.as_bytes()).map_err(|why| Error::new(ErrorKind::Invalid, why))?;
        let policy: String = policy.lines().iter().map(|line| format!("{line}\r\n")).collect();
        let digest = Sha256::digest(policy.as_bytes());
        let id: String = digest.iter().take(16).map(|octet| format!("{octet:02x}")).collect();
        Ok((policy, format!("v=STSv1; id={id};")))
    }
}
