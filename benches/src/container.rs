//! The estate's containers, as Docker's client shows them.

use std::process::Command;

use crate::ssh::Target;
use crate::{Result, ensure};

/// Gives the name of a host's container.
#[must_use]
pub fn name(estate: &str, host: &str) -> String {
    format!("prov-{estate}-{host}")
}

/// Runs a shell command as root in a host's container, past SSH, and gives its output.
pub fn run(estate: &str, host: &str, command: &str) -> Result<String> {
    let container = name(estate, host);
    let output = Command::new("docker")
        .args(["exec", &container, "sh", "-c", command])
        .output()?;
    ensure(output.status.success(), || {
        let noise = String::from_utf8_lossy(&output.stderr);
        format!("{container}: {command}: {noise}")
    })?;
    Ok(String::from_utf8(output.stdout)?)
}

/// Reads the host's key, a way that needs no trust.
pub fn target(estate: &str, host: &str, address: &str) -> Result<Target> {
    let key = run(estate, host, "cat /etc/ssh/ssh_host_ed25519_key.pub")?;
    let words: Vec<_> = key.split_whitespace().take(2).collect();
    Ok(Target {
        name: host.to_owned(),
        address: address.to_owned(),
        key: words.join(" "),
    })
}
