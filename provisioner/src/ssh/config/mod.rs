//! The user's and the system's configuration of OpenSSH's client (`ssh_config(5)`).
//!
//! Where the client is installed, it is asked (`ssh -G NAME`), so whatever it would do is what prov does. It is asked once
//! for each name, and not at all about names that the files say nothing about. Elsewhere the files are read as far as
//! that takes no guess, and what does is refused by file and line.

mod entry;
mod files;
mod openssh;
pub(super) mod pattern;
mod plain;
mod tokens;

pub(super) use entry::{Agent, Entry, Proxy};
pub(super) use tokens::{Expansion, expand, variable, variables};

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OnceCell, Semaphore};

use super::auth::Keyring;
use files::Files;
use openssh::OpenSsh;

/// Where the system's configuration is.
const SYSTEM: &str = "/etc/ssh/ssh_config";

/// What is asked about: a name, and what somebody has said about it already, as on `ssh`'s command line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    /// The name, as it would be typed behind `ssh`.
    pub(super) name: String,
    /// The user to log in as, if that is known.
    pub(super) user: Option<String>,
    /// The port to connect to, if that is known.
    pub(super) port: Option<u16>,
}

type Answer = Arc<OnceCell<Result<Entry, String>>>;

/// Answers what the configuration says about a name.
#[derive(Debug)]
pub struct UserConfig {
    home: PathBuf,
    files: Files,
    openssh: Option<OpenSsh>,
    answers: Mutex<HashMap<Question, Answer>>,
    at_once: Semaphore,
    keyring: Arc<Keyring>,
    known_hosts: Option<PathBuf>,
}

impl UserConfig {
    /// Reads the configuration of the user whose home directory this is. Files that are not there say nothing.
    pub fn load(home: &Path, keyring: Keyring) -> Result<Self, String> {
        let user = home.join(".ssh/config");
        let files = Files::read(&user, Path::new(SYSTEM), home)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            home: home.to_owned(),
            files,
            openssh: OpenSsh::find(home, &user, Path::new(SYSTEM)),
            answers: Mutex::default(),
            at_once: Semaphore::new(cores),
            keyring: Arc::new(keyring),
            known_hosts: None,
        })
    }

    /// Adds a file of known host keys that counts before the user's own ones, if it is there.
    #[must_use]
    pub fn with_known_hosts(mut self, file: PathBuf) -> Self {
        self.known_hosts = file.exists().then_some(file);
        self
    }

    /// Gives the file of known host keys that counts before the user's own ones.
    pub(super) fn known_hosts(&self) -> Option<&Path> {
        self.known_hosts.as_deref()
    }

    /// Gives the keys that were opened by a passphrase.
    pub(super) fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Gives the user's home directory.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Gives what the configuration says about a name.
    pub(super) async fn entry(&self, question: &Question) -> Result<Entry, String> {
        if !self.files.concern(&question.name) {
            return Ok(Entry::new(&self.home));
        }
        let answer = {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(answers.entry(question.clone()).or_default())
        };
        answer.get_or_init(|| self.find(question)).await.clone()
    }

    async fn find(&self, question: &Question) -> Result<Entry, String> {
        let mut entry = match &self.openssh {
            Some(openssh) => {
                // Closed semaphores do not happen: nobody closes this one.
                let _turn = self.at_once.acquire().await;
                entry::read(&openssh.ask(question).await?, question, &self.home)?
            }
            None => plain::read(&self.files, question, &self.home)?,
        };
        entry.keep_what_is_set(|keyword| self.files.mention(&question.name, keyword));
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn question(name: &str) -> Question {
        Question {
            name: name.to_owned(),
            user: None,
            port: None,
        }
    }

    /// Loads a configuration, with or without the help of OpenSSH's client.
    fn config(text: &str, openssh: bool) -> (tempfile::TempDir, UserConfig) {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        let path = home.path().join(".ssh/config");
        std::fs::write(&path, text).unwrap();
        let mut config = UserConfig::load(home.path(), Keyring::default()).unwrap();
        if !openssh {
            config.openssh = None;
        }
        (home, config)
    }

    async fn about(text: &str, openssh: bool, name: &str) -> Result<Entry, String> {
        let (_home, config) = config(text, openssh);
        config.entry(&question(name)).await
    }

    #[tokio::test]
    async fn a_block_that_does_not_match_says_nothing() {
        let text = "Host web\n  User root\nMatch host db\n  HostName 192.0.2.2\n  User nobody\n";
        let web = about(text, true, "web").await.unwrap();
        assert_eq!(web.user.as_deref(), Some("root"));
        assert_eq!(web.host_name, None);
        let db = about(text, true, "db").await.unwrap();
        assert_eq!(db.host_name.as_deref(), Some("192.0.2.2"));
        // Without the client nobody can tell whether the block holds.
        let refused = about(text, false, "web").await.unwrap_err();
        assert!(refused.contains("config:3"), "{refused}");
        assert!(refused.contains("Match host db"), "{refused}");
    }

    #[tokio::test]
    async fn both_ways_of_reading_agree_on_what_is_plain() {
        let text = "Host db\n  User first\n  User second\n  Port 2201\n  IdentityFile ~/.ssh/a\n  IdentityFile \"~/.ssh/b c\"\n\
                    Host !db *\n  User other\nMatch all\n  HostName %h.example.com\n  User last\n  Port 22\n  IdentitiesOnly yes\n\
                    ProxyJump ssh://anna@bastion:2222,[::1]:33\nUserKnownHostsFile ~/kh /etc/kh\nIdentityAgent none\nHostKeyAlias The-DB\n\
                    Ciphers aes256-ctr\nPreferredAuthentications publickey\n";
        for name in ["db", "web"] {
            let (home, asking) = config(text, true);
            let asked = asking.entry(&question(name)).await.unwrap();
            let (other, reading) = config(text, false);
            let read = reading.entry(&question(name)).await.unwrap();
            // Asking, prov writes `~` out in copies of the files; reading, it does so later.
            let same = |entry: &Entry, home: &Path| {
                format!("{entry:?}").replace(&home.display().to_string(), "~")
            };
            let (asked, read) = (same(&asked, home.path()), same(&read, other.path()));
            assert_eq!(asked, read, "{name}");
        }
        let db = about(text, true, "db").await.unwrap();
        assert_eq!((db.user.as_deref(), db.port), (Some("first"), Some(2201)));
        assert_eq!(db.host_name.as_deref(), Some("db.example.com"));
        let ends = |one: &String| one.ends_with("/.ssh/a") || one.ends_with("/.ssh/b c");
        assert!(db.identities.len() == 2 && db.identities.iter().all(ends));
        assert!(db.identities_only);
        assert_eq!(db.host_key_alias.as_deref(), Some("the-db"));
        assert_eq!(db.ciphers.as_deref(), Some(&["aes256-ctr".to_owned()][..]));
        assert_eq!(db.kex, None);
        let Proxy::Jump(hops) = &db.proxy else {
            panic!("{:?}", db.proxy);
        };
        let hops: Vec<_> = hops.iter().map(ToString::to_string).collect();
        assert_eq!(hops, ["anna@bastion:2222", "[::1]:33"]);
        let web = about(text, true, "web").await.unwrap();
        assert_eq!((web.user.as_deref(), web.port), (Some("other"), Some(22)));
    }

    #[tokio::test]
    async fn tokens_stand_for_what_other_lines_say() {
        let text = "Host web\n  ProxyJump me@gate.%h:99\n  HostName web.example.com\n";
        for openssh in [true, false] {
            let entry = about(text, openssh, "web").await.unwrap();
            let Proxy::Jump(hops) = &entry.proxy else {
                panic!("{:?}", entry.proxy);
            };
            assert_eq!(hops[0].to_string(), "me@gate.web.example.com:99");
        }
    }

    #[tokio::test]
    async fn what_only_the_client_can_tell_is_refused_by_file_and_line() {
        for (text, line) in [
            ("Match exec true\n  User x\n", 1),
            ("\nMatch final\n  Port 3\n", 2),
            ("Host *\n  Include ${CONF}/x\n", 2),
            ("CanonicalizeHostname yes\n", 1),
            ("Host web\n  HostName %Z.example.com\n", 2),
            ("Host web\n  Ciphers +aes128-cbc\n", 2),
            ("Host web\n  Prot 22\n", 2),
            ("Host web\n  Port many\n", 2),
        ] {
            let refused = about(text, false, "web").await.unwrap_err();
            assert!(
                refused.contains(&format!("config:{line}")),
                "{text}: {refused}"
            );
        }
        // What it does not have to do with is not in the way.
        let entry = about(
            "Match exec true\n  ForwardAgent yes\nHost web\n  User x\n",
            false,
            "web",
        );
        assert_eq!(entry.await.unwrap().user.as_deref(), Some("x"));
        // What the client refuses, it says by itself, of the file that the user knows.
        let (home, config) = config("Host web\n  Prot 22\n", true);
        let refused = config.entry(&question("web")).await.unwrap_err();
        let file = home.path().join(".ssh/config");
        let expected = format!("{}: line 2: Bad configuration option: prot", file.display());
        assert!(refused.contains(&expected), "{refused}");
    }

    #[tokio::test]
    async fn home_is_where_prov_looks_for_it() {
        let text = "Include more\nHost *\n  UserKnownHostsFile ~/a %d/b\n";
        let (home, config) = config(text, true);
        std::fs::write(home.path().join(".ssh/more"), "Include ~/.ssh/third\n").unwrap();
        std::fs::write(home.path().join(".ssh/third"), "Host web\n  Port 77\n").unwrap();
        let entry = config.entry(&question("web")).await.unwrap();
        assert_eq!(entry.port, None, "read when it was loaded");
        let config = UserConfig::load(home.path(), Keyring::default()).unwrap();
        let entry = config.entry(&question("web")).await.unwrap();
        assert_eq!(entry.port, Some(77));
        let files = [home.path().join("a"), home.path().join("b")];
        assert_eq!(entry.user_known_hosts, files);
    }

    #[tokio::test]
    async fn a_name_that_nothing_is_said_about_is_not_asked_about() {
        let (_home, mut config) = config("Host db\n  User x\n", true);
        config.openssh = Some(OpenSsh::at(Path::new("/nonexistent/ssh")));
        assert!(config.entry(&question("db")).await.is_err());
        assert!(config.entry(&question("web")).await.is_ok());
    }
}
