//! The user's own `~/.ssh/config` (`ssh_config(5)`): address, user, port, identity and jump host of a name.

use std::path::{Path, PathBuf};

use ssh2_config::{ParseRule, SshConfig};

/// Answers what the user's configuration says about a host.
#[derive(Debug, Default)]
pub struct UserConfig {
    config: Option<SshConfig>,
    home: PathBuf,
}

/// What `~/.ssh/config` says about a host.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `HostName`.
    pub host_name: Option<String>,
    /// `User`.
    pub user: Option<String>,
    /// `Port`.
    pub port: Option<u16>,
    /// `IdentityFile`, each.
    pub identities: Vec<PathBuf>,
    /// The last of `ProxyJump`.
    pub proxy_jump: Option<String>,
}

impl UserConfig {
    /// Reads the configuration of the user whose home directory this is. A file that is not there says nothing.
    pub fn load(home: &Path) -> Result<Self, String> {
        let path = home.join(".ssh/config");
        let config = match std::fs::File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
            Ok(file) => Some(
                SshConfig::default()
                    .parse(
                        &mut std::io::BufReader::new(file),
                        ParseRule::ALLOW_UNKNOWN_FIELDS | ParseRule::ALLOW_UNSUPPORTED_FIELDS,
                    )
                    .map_err(|error| format!("{}: {error}", path.display()))?,
            ),
        };
        Ok(Self {
            config,
            home: home.to_owned(),
        })
    }

    /// Gives what the configuration says about a name.
    #[must_use]
    pub fn query(&self, name: &str) -> Entry {
        let Some(config) = &self.config else {
            return Entry::default();
        };
        let params = config.query(name);
        let identities = params.identity_file.unwrap_or_default();
        Entry {
            host_name: params.host_name,
            user: params.user,
            port: params.port,
            identities: identities
                .into_iter()
                .map(|path| match path.strip_prefix("~") {
                    Ok(rest) => self.home.join(rest),
                    Err(_) => path,
                })
                .collect(),
            proxy_jump: params
                .proxy_jump
                .and_then(|jumps| jumps.into_iter().next_back())
                .filter(|jump| jump != "none"),
        }
    }

    /// Gives the private keys that `ssh` would try by itself.
    #[must_use]
    pub fn default_identities(&self) -> Vec<PathBuf> {
        ["id_ed25519", "id_ecdsa"]
            .iter()
            .map(|name| self.home.join(".ssh").join(name))
            .filter(|path| path.exists())
            .collect()
    }

    /// Gives the files that hold known host keys.
    #[must_use]
    pub fn known_hosts(&self) -> Vec<PathBuf> {
        vec![
            self.home.join(".ssh/known_hosts"),
            PathBuf::from("/etc/ssh/ssh_known_hosts"),
        ]
    }
}
