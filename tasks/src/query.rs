//! What must be read from a host before anything can be decided.
//!
//! A [`Query`] is data: the shell turns all queries of a host into one read-only script and the answers into
//! [`crate::fact::Facts`]. Nothing here says how something is read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;
use crate::value::{
    AccountName, DatabaseAccount, DatabaseName, HostPath, HttpUrl, PackageName, ServiceName,
};

/// Asks for one thing on a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    /// What is at a path.
    Path {
        /// The path.
        path: HostPath,
        /// How much of it.
        read: Read,
    },
    /// Whether a package is installed, and in which version.
    Package(PackageName),
    /// What apt would do, package by package, if some of these packages are not as they should be.
    Apt(AptRequest),
    /// A user account, with the hash of its password where that is managed.
    User {
        /// The account's name.
        name: AccountName,
        /// Whether `/etc/shadow` is read too.
        password: bool,
    },
    /// A group and its members.
    Group(AccountName),
    /// A service's state, asked of the service manager that runs on the host.
    Service(ServiceName),
    /// The answer to a debconf question, for instance `exim4/mailname`.
    Debconf(String),
    /// The public key of a private key, as `openssl pkey -pubout` gives it.
    PublicKey(HostPath),
    /// The host's clock.
    Time,
    /// A database of the host's MariaDB server.
    MariaDbDatabase(DatabaseName),
    /// An account of the host's MariaDB server, with the hash of its password and its privileges.
    MariaDbUser(DatabaseAccount),
    /// Whether a calendar exists on a CalDAV server.
    Calendar(CalendarRequest),
    /// The exit code of a command that reads and does not write.
    Guard(Vec<String>),
}

/// Asks a CalDAV server for a calendar.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarRequest {
    /// Address of the calendar's collection.
    pub url: HttpUrl,
    /// The service on the host that answers there; if it runs, but does not listen yet, it is waited for.
    #[serde(default)]
    pub service: Option<ServiceName>,
    /// User and password, where the server is asked in somebody's name.
    #[serde(default)]
    pub login: Option<(String, Secret)>,
}

/// Asks apt what it would do, without doing it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AptRequest {
    /// What it would be asked to do.
    pub verb: AptVerb,
    /// With these packages.
    pub names: Vec<PackageName>,
    /// Packages that would have to go if they are installed.
    #[serde(default)]
    pub replaces: Vec<PackageName>,
    /// Whether recommended packages would be installed too.
    #[serde(default)]
    pub recommends: bool,
}

impl AptRequest {
    /// Gives the text by which the answer is found among the facts.
    #[must_use]
    pub fn key(&self) -> String {
        let names = self.names.iter().map(ToString::to_string);
        let replaces = self.replaces.iter().map(|name| format!("{name}-"));
        let names: Vec<_> = names.chain(replaces).collect();
        format!("{} {}", self.verb.word(), names.join(" "))
    }
}

/// What apt is asked to do with packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AptVerb {
    /// Install them.
    Install,
    /// Remove them, but not their configuration.
    Remove,
    /// Remove them with their configuration.
    Purge,
}

impl AptVerb {
    /// Gives the word for `apt-get(8)`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Remove => "remove",
            Self::Purge => "purge",
        }
    }
}

/// Says how much of a path is read. The order is by how much: a later kind includes the earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// Kind, owner, group, mode, size, target of a link.
    Attributes,
    /// Also the digest (SHA-256, hexadecimal).
    Digest,
    /// Also the digest; and the bytes if the digest is another than the one given (SHA-256, hexadecimal).
    BodyUnless(String),
    /// Also the bytes. A link is followed: the bytes and attributes of its final target come too.
    Body,
}

/// Gathers queries so that each thing is asked for once, as fully as anyone needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuerySet {
    paths: BTreeMap<HostPath, Read>,
    others: std::collections::BTreeSet<Query>,
}

impl QuerySet {
    /// Adds one query.
    pub fn insert(&mut self, query: Query) {
        match query {
            Query::Path { path, read } => {
                let wanted = self.paths.entry(path).or_insert(Read::Attributes);
                *wanted = match (&*wanted, read) {
                    // Two resources expect different bytes: only the bytes themselves serve both.
                    (Read::BodyUnless(one), Read::BodyUnless(other)) if *one != other => Read::Body,
                    (have, read) => have.clone().max(read),
                };
            }
            Query::User { name, password } => {
                let other = Query::User {
                    name: name.clone(),
                    password: !password,
                };
                if password {
                    self.others.remove(&other);
                } else if self.others.contains(&other) {
                    return;
                }
                self.others.insert(Query::User { name, password });
            }
            Query::Package(_)
            | Query::Apt(_)
            | Query::Group(_)
            | Query::Service(_)
            | Query::Debconf(_)
            | Query::PublicKey(_)
            | Query::Time
            | Query::MariaDbDatabase(_)
            | Query::MariaDbUser(_)
            | Query::Calendar(_)
            | Query::Guard(_) => {
                self.others.insert(query);
            }
        }
    }

    /// Gives the queries, each thing once.
    pub fn iter(&self) -> impl Iterator<Item = Query> + '_ {
        let paths = self.paths.iter().map(|(path, read)| Query::Path {
            path: path.clone(),
            read: read.clone(),
        });
        paths.chain(self.others.iter().cloned())
    }

    /// Leaves out what only a preview needs to know: what apt would do costs a host a second, and doing it tells more.
    #[must_use]
    pub fn without_simulations(mut self) -> Self {
        self.others.retain(|query| !matches!(query, Query::Apt(_)));
        self
    }

    /// Tells whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.others.is_empty()
    }
}

impl Extend<Query> for QuerySet {
    fn extend<I: IntoIterator<Item = Query>>(&mut self, queries: I) {
        for query in queries {
            self.insert(query);
        }
    }
}

impl FromIterator<Query> for QuerySet {
    fn from_iter<I: IntoIterator<Item = Query>>(queries: I) -> Self {
        let mut set = Self::default();
        set.extend(queries);
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(read: Read) -> Query {
        Query::Path {
            path: HostPath::new("/etc/aliases").unwrap(),
            read,
        }
    }

    #[test]
    fn a_path_is_read_once_as_fully_as_anyone_needs_it() {
        let read = |queries: Vec<Query>| queries.into_iter().collect::<QuerySet>().iter().next();
        let one = || Read::BodyUnless("1".into());
        assert_eq!(
            read(vec![path(Read::Attributes), path(one())]),
            Some(path(one()))
        );
        assert_eq!(
            read(vec![path(one()), path(Read::Attributes)]),
            Some(path(one()))
        );
        assert_eq!(
            read(vec![path(one()), path(Read::BodyUnless("2".into()))]),
            Some(path(Read::Body))
        );
        assert_eq!(
            read(vec![path(Read::Body), path(one())]),
            Some(path(Read::Body))
        );
    }

    #[test]
    fn an_account_is_asked_for_with_its_password_if_anyone_needs_it() {
        let user = |password| Query::User {
            name: AccountName::new("a").unwrap(),
            password,
        };
        for order in [[true, false], [false, true]] {
            let set: QuerySet = order.into_iter().map(user).collect();
            assert_eq!(set.iter().collect::<Vec<_>>(), [user(true)]);
        }
    }
}
