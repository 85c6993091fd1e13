//! What is known of a host: the answers to queries.
//!
//! [`Facts`] are what plans are made from, and also a small model of a host (see `model.rs`): [`Facts::apply`] carries
//! out a step on them.
//! They never hold a guess without saying so: a thing that was not asked for is an error, not "missing".

mod calendar;
mod mariadb;
mod path;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::query::{Query, QuerySet};
use crate::secret::{Secret, hex};
use crate::value::{AccountName, HostPath, HttpUrl, PackageName, ServiceName};

pub use calendar::CalendarFact;
pub use mariadb::{DatabaseFact, DatabaseServer, DatabaseUserFact, MariaDbFacts};
pub use path::{Attributes, Body, FileFact, PathFact};

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageFact {
    /// Not installed (it may have left configuration files behind).
    Absent,
    /// Unpacked but not configured: an installation was interrupted.
    Broken,
    /// Installed, in this version.
    Installed(String),
}

/// The number of an account or group that a plan creates and whose number the host will choose: no account has it.
pub const UNKNOWN_ID: u32 = u32::MAX;

/// What apt would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AptFact {
    /// Packages that would be installed or upgraded, with their versions: `dnsmasq 2.90-4~deb12u2`.
    pub install: Vec<String>,
    /// Packages that would be removed.
    pub remove: Vec<String>,
    /// Why it would refuse, in apt's words.
    pub problem: Option<String>,
}

/// A user account: a line of `/etc/passwd` (passwd(5)), with what `/etc/group` and `/etc/shadow` say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserFact {
    /// User number.
    pub uid: u32,
    /// Name of the primary group; its number where it has no name.
    pub group: String,
    /// Comment field (GECOS).
    #[serde(default)]
    pub comment: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// Supplementary groups, sorted.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// Hash of the password as `/etc/shadow` holds it, if it was asked for.
    #[serde(default)]
    pub password: Option<Secret>,
}

/// A group: a line of `/etc/group` (group(5)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupFact {
    /// Group number.
    pub gid: u32,
}

/// A service, as the service manager sees it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent answers of the service manager"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceFact {
    /// Whether the service manager knows it.
    pub known: bool,
    /// Whether it runs.
    pub running: bool,
    /// Whether it starts at boot.
    pub enabled: bool,
    /// Whether it must not be started at all.
    #[serde(default)]
    pub masked: bool,
}

/// What looks after daemons on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceManager {
    /// Nothing does: a container in deploy mode.
    #[default]
    None,
    /// systemd, on real servers.
    Systemd,
    /// runit, in test mode.
    Runit,
}

impl ServiceManager {
    /// Gives the name that people know it by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Systemd => "systemd",
            Self::Runit => "runit",
        }
    }
}

/// The public key that belongs to a private key on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublicKeyFact {
    /// There is no private key, or none that can be read.
    Unusable,
    /// A plan has the private key made, and only the host will know it.
    Coming,
    /// This one (PEM).
    There(String),
}

/// Holds everything that is known of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// What looks after daemons.
    pub manager: ServiceManager,
    /// Paths that were asked for.
    pub paths: BTreeMap<HostPath, PathFact>,
    /// Packages that were asked for.
    pub packages: BTreeMap<PackageName, PackageFact>,
    /// What apt would do, where that was asked for and something is not as it should be.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub apt: BTreeMap<String, AptFact>,
    /// Accounts that were asked for; `None` where there is none.
    pub users: BTreeMap<AccountName, Option<UserFact>>,
    /// Groups that were asked for.
    pub groups: BTreeMap<AccountName, Option<GroupFact>>,
    /// Services that were asked for.
    pub services: BTreeMap<ServiceName, ServiceFact>,
    /// Public keys of private keys that were asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub public_keys: BTreeMap<HostPath, PublicKeyFact>,
    /// The host's clock in seconds since 1970, if it was asked for. It never stands still, so it does not count as one of
    /// the things that a plan was made from.
    #[serde(skip_serializing)]
    pub time: Option<u64>,
    /// The MariaDB server, if something of it was asked for.
    #[serde(skip_serializing_if = "is_default")]
    pub mariadb: MariaDbFacts,
    /// Calendars that were asked for, by their addresses.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub calendars: BTreeMap<HttpUrl, CalendarFact>,
    /// Seconds since the package lists were fetched; `None` where there are none.
    pub apt_lists_age: Option<u64>,
    /// Answers to debconf questions that were asked for; some are passwords.
    pub debconf: BTreeMap<String, Option<Secret>>,
    /// Commands that were run to look, with their exit codes.
    pub guards: Vec<GuardFact>,
    /// Packages that a preview has planned to install: what they bring is not known.
    pub coming: BTreeSet<PackageName>,
}

fn is_default(facts: &MariaDbFacts) -> bool {
    *facts == MariaDbFacts::default()
}

/// The exit code of a command that was run to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardFact {
    /// The command.
    pub argv: Vec<String>,
    /// Its exit code.
    pub exit: i32,
}

/// Reports a defect of prov: a resource decides by something that it did not ask for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("internal error: {0} was not asked for before it was needed")]
pub struct NotAsked(pub String);

impl Facts {
    /// Tells what is at a path.
    pub fn path(&self, path: &HostPath) -> Result<&PathFact, NotAsked> {
        self.paths
            .get(path)
            .ok_or_else(|| NotAsked(format!("path {path}")))
    }

    /// Tells the state of a package.
    pub fn package(&self, name: &PackageName) -> Result<&PackageFact, NotAsked> {
        self.packages
            .get(name)
            .ok_or_else(|| NotAsked(format!("package {name}")))
    }

    /// Tells what is known of an account.
    pub fn user(&self, name: &AccountName) -> Result<Option<&UserFact>, NotAsked> {
        self.users
            .get(name)
            .map(Option::as_ref)
            .ok_or_else(|| NotAsked(format!("user {name}")))
    }

    /// Tells what is known of a group.
    pub fn group(&self, name: &AccountName) -> Result<Option<&GroupFact>, NotAsked> {
        self.groups
            .get(name)
            .map(Option::as_ref)
            .ok_or_else(|| NotAsked(format!("group {name}")))
    }

    /// Tells the state of a service.
    pub fn service(&self, name: &ServiceName) -> Result<&ServiceFact, NotAsked> {
        self.services
            .get(name)
            .ok_or_else(|| NotAsked(format!("service {name}")))
    }

    /// Tells the public key of a private key.
    pub fn public_key(&self, path: &HostPath) -> Result<&PublicKeyFact, NotAsked> {
        self.public_keys
            .get(path)
            .ok_or_else(|| NotAsked(format!("public key of {path}")))
    }

    /// Tells the host's time in seconds since 1970.
    pub fn now(&self) -> Result<u64, NotAsked> {
        self.time.ok_or_else(|| NotAsked("time".to_owned()))
    }

    /// Tells the answer to a debconf question.
    pub fn debconf(&self, question: &str) -> Result<Option<&str>, NotAsked> {
        self.debconf
            .get(question)
            .map(|answer| answer.as_ref().map(Secret::expose))
            .ok_or_else(|| NotAsked(format!("debconf question {question}")))
    }

    /// Tells whether a calendar exists.
    pub fn calendar(&self, url: &HttpUrl) -> Result<&CalendarFact, NotAsked> {
        self.calendars
            .get(url)
            .ok_or_else(|| NotAsked(format!("calendar {url}")))
    }

    /// Tells the exit code of a command that was run to look.
    pub fn guard(&self, argv: &[String]) -> Result<i32, NotAsked> {
        self.guards
            .iter()
            .find(|guard| guard.argv == argv)
            .map(|guard| guard.exit)
            .ok_or_else(|| NotAsked(format!("command {argv:?}")))
    }

    /// Takes over newer answers.
    pub fn update(&mut self, newer: Self) {
        self.manager = newer.manager;
        self.apt_lists_age = newer.apt_lists_age.or(self.apt_lists_age);
        self.paths.extend(newer.paths);
        self.packages.extend(newer.packages);
        self.apt.extend(newer.apt);
        self.users.extend(newer.users);
        self.groups.extend(newer.groups);
        self.services.extend(newer.services);
        self.debconf.extend(newer.debconf);
        self.mariadb.update(newer.mariadb);
        self.public_keys.extend(newer.public_keys);
        self.time = newer.time.or(self.time);
        self.calendars.extend(newer.calendars);
        for guard in newer.guards {
            self.set_guard(guard);
        }
    }

    /// Selects the answers to some queries, to compare or fingerprint them.
    #[must_use]
    pub fn subset(&self, queries: &QuerySet) -> Self {
        let mut subset = Self {
            manager: self.manager,
            ..Self::default()
        };
        for query in queries.iter() {
            match query {
                Query::Path { path, .. } => {
                    if let Some(fact) = self.paths.get(&path) {
                        subset.paths.insert(path, fact.clone());
                    }
                }
                Query::Package(name) => {
                    if let Some(fact) = self.packages.get(&name) {
                        subset.packages.insert(name, fact.clone());
                    }
                }
                Query::Apt(request) => {
                    let key = request.key();
                    if let Some(fact) = self.apt.get(&key) {
                        subset.apt.insert(key, fact.clone());
                    }
                }
                Query::User { name, .. } => {
                    if let Some(fact) = self.users.get(&name) {
                        subset.users.insert(name, fact.clone());
                    }
                }
                Query::Group(name) => {
                    if let Some(fact) = self.groups.get(&name) {
                        subset.groups.insert(name, fact.clone());
                    }
                }
                Query::Service(name) => {
                    if let Some(fact) = self.services.get(&name) {
                        subset.services.insert(name, *fact);
                    }
                }
                Query::Debconf(question) => {
                    if let Some(fact) = self.debconf.get(&question) {
                        subset.debconf.insert(question, fact.clone());
                    }
                }
                Query::PublicKey(path) => {
                    if let Some(fact) = self.public_keys.get(&path) {
                        subset.public_keys.insert(path, fact.clone());
                    }
                }
                Query::Time => subset.time = self.time,
                Query::MariaDbDatabase(name) => {
                    if let Some(fact) = self.mariadb.databases.get(&name) {
                        subset.mariadb.server = self.mariadb.server.clone();
                        subset.mariadb.databases.insert(name, fact.clone());
                    }
                }
                Query::MariaDbUser(account) => {
                    if let Some(fact) = self.mariadb.users.get(&account) {
                        subset.mariadb.server = self.mariadb.server.clone();
                        subset.mariadb.users.insert(account, fact.clone());
                    }
                }
                Query::Calendar(request) => {
                    if let Some(fact) = self.calendars.get(&request.url) {
                        subset.calendars.insert(request.url, fact.clone());
                    }
                }
                Query::Guard(argv) => {
                    if let Ok(exit) = self.guard(&argv) {
                        subset.guards.push(GuardFact { argv, exit });
                    }
                }
            }
        }
        subset
    }

    /// Digests the facts under a key (SHA-256, hexadecimal): equal digests, equal facts, and no secret can be read
    /// from it or tried out without the key.
    #[must_use]
    pub fn fingerprint(&self, key: &[u8]) -> String {
        let mut hash = Sha256::new();
        hash.update((key.len() as u64).to_be_bytes());
        hash.update(key);
        // `Debug` would mask and JSON does too; the secrets that facts hold are added as digests of their own.
        hash.update(serde_json::to_vec(self).unwrap_or_default());
        for fact in self.users.values().flatten() {
            if let Some(password) = &fact.password {
                hash.update(password.digest(key));
            }
        }
        for user in self.mariadb.users.values().flatten() {
            if let Some(password) = &user.password {
                hash.update(password.digest(key));
            }
        }
        for answer in self.debconf.values().flatten() {
            hash.update(answer.digest(key));
        }
        hex(&hash.finalize())
    }

    /// Takes over the exit code of a command.
    pub(crate) fn set_guard(&mut self, newer: GuardFact) {
        match self
            .guards
            .iter_mut()
            .find(|guard| guard.argv == newer.argv)
        {
            Some(guard) => *guard = newer,
            None => self.guards.push(newer),
        }
    }
}
