//! A bare SSH client: one connection, one root shell, one script. It is what cannot be done with less.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use russh::ChannelMsg;
use russh::client::{self, Handler};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use tokio::task::JoinSet;

use crate::{Result, ensure};

/// Account and password of the sample estate's hosts.
pub const USER: &str = "user1fname";

/// The account's password.
pub const PASSWORD: &str = "user1passwd";

/// A host and its key.
#[derive(Debug, Clone)]
pub struct Target {
    /// Name in the estate.
    pub name: String,
    /// Address.
    pub address: String,
    /// Host key in OpenSSH's form.
    pub key: String,
}

/// What a host answered to a script.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The host's name.
    pub name: String,
    /// Standard output.
    pub output: Vec<u8>,
    /// Standard error.
    pub noise: String,
    /// Exit code of the script.
    pub exit: u32,
}

/// Writes targets to a file, one a line.
pub fn write_targets(path: &Path, targets: &[Target]) -> Result<()> {
    let line = |target: &Target| format!("{} {} {}\n", target.name, target.address, target.key);
    let text: String = targets.iter().map(line).collect();
    Ok(std::fs::write(path, text)?)
}

/// Reads what [`write_targets`] wrote.
pub fn read_targets(path: &Path) -> Result<Vec<Target>> {
    std::fs::read_to_string(path)?
        .lines()
        .map(|line| {
            let mut words = line.splitn(3, ' ').map(str::to_owned);
            let mut word = || {
                words
                    .next()
                    .ok_or("a line of the targets' file is cut short")
            };
            Ok(Target {
                name: word()?,
                address: word()?,
                key: word()?,
            })
        })
        .collect()
}

struct Pinned(PublicKey);

impl Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        offered: &PublicKeyOrCertificate,
    ) -> std::result::Result<bool, Self::Error> {
        Ok(offered.public_key().key_data() == self.0.key_data())
    }
}

/// Logs in with the password, becomes root with it, and runs a script.
pub async fn run(target: Target, script: Arc<str>) -> Result<Answer> {
    let key = PublicKey::from_openssh(&target.key)?;
    let config = client::Config {
        window_size: 8 * 1024 * 1024,
        nodelay: true,
        preferred: russh::Preferred {
            key: Cow::Owned(vec![key.algorithm()]),
            ..russh::Preferred::default()
        },
        ..client::Config::default()
    };
    let place = (target.address.as_str(), 22);
    let mut session = client::connect(Arc::new(config), place, Pinned(key)).await?;
    let accepted = session.authenticate_password(USER, PASSWORD).await?;
    ensure(accepted.success(), || {
        format!("{} does not accept the password", target.name)
    })?;
    let mut channel = session.channel_open_session().await?;
    channel.exec(false, "exec sudo -k -S -p '' sh -s").await?;
    let input = format!("{PASSWORD}\n{script}\nexit\n");
    channel.data_bytes(input.into_bytes()).await?;
    channel.eof().await?;
    let mut answer = Answer {
        name: target.name,
        output: Vec::new(),
        noise: String::new(),
        exit: u32::MAX,
    };
    while let Some(message) = channel.wait().await {
        if let ChannelMsg::Data { data } = message {
            answer.output.extend_from_slice(&data);
        } else if let ChannelMsg::ExtendedData { data, .. } = message {
            answer.noise.push_str(&String::from_utf8_lossy(&data));
        } else if let ChannelMsg::ExitStatus { exit_status } = message {
            answer.exit = exit_status;
        }
    }
    Ok(answer)
}

/// Runs a script on all hosts at once.
pub async fn run_all(scripts: Vec<(Target, Arc<str>)>) -> Result<Vec<Answer>> {
    let mut tasks = JoinSet::new();
    for (target, script) in scripts {
        tasks.spawn(run(target, script));
    }
    tasks.join_all().await.into_iter().collect()
}
