//! What can be asked of a host, and what is known once it has answered.
//!
//! Each kind of question is one module here: what is asked, how the shell of a host answers it, how that answer is read,
//! what of it is secret, and what a change does to it. A kind is one row below; everything that must know all kinds is
//! made from the rows. The engine sends scripts and carries [`Answers`] back, and knows no kind.
//!
//! A script relies on two functions of the transport: `prov_answer NAME` begins the answer of that name, which is all that is
//! written until the next one begins, and `prov_complete` marks it as whole. An answer that ends without the mark, or goes on after
//! it, is refused, so a program that stops half-way never looks like one that found nothing. What must not end the whole script
//! runs in a subshell. What runs as another account than root has neither the stream nor the descriptors 3 and 9: what it
//! prints goes through a pipe of its own.

mod account;
mod alternative;
mod answers;
mod apt;
mod archive;
mod calendar;
mod debconf;
mod firewall;
mod git;
mod group;
mod guard;
mod health;
mod home;
mod kernel;
mod kernel_module;
mod known;
mod listing;
mod locale;
mod login;
mod mariadb;
mod mount;
mod numbers;
mod owner;
mod package;
mod package_hold;
mod package_lists;
mod package_name;
mod package_version;
mod path;
mod postgresql;
mod public_key;
mod release;
mod replaced;
mod route;
mod service;
mod service_manager;
mod swap;
mod sysctl;
mod time;
mod upgrade;
mod wordpress;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Secret;
use crate::secret::hex;
use crate::value::{HostPath, PackageName};

pub use account::{UNKNOWN_ID, UserFact, UserQuestion};
pub use alternative::{AlternativeFact, ChoiceFact};
pub use answers::{Answers, Broken};
pub use apt::{AptFact, AptRequest, AptVerb};
pub use archive::{ArchiveFact, ArchiveQuestion};
pub use calendar::{CalendarFact, CalendarRequest};
pub(crate) use firewall::record as nft_record;
pub use firewall::{NftAccess, NftTableFact};
pub(crate) use git::GIT_FUNCTIONS;
pub use git::{GitFact, GitQuestion};
pub use group::GroupFact;
pub use guard::{GuardFact, Guards};
pub use health::{
    BackupFact, Catalogue, CertificateFact, DiskFact, HealthFact, HealthQuestion, UnitFact,
    UnitState,
};
pub use home::HomeFact;
pub use kernel::{CONTAINER_SIGN, Kernel};
pub use kernel_module::ModuleFact;
pub use known::{Becomes, Known};
pub use locale::LocaleFact;
pub use login::LoginFact;
pub(crate) use mariadb::ALL_PRIVILEGES;
pub(crate) use mariadb::{CLIENT, PROXY};
pub use mariadb::{
    DatabaseFact, DatabaseServer, DatabaseUserFact, MariaDbEffect, MariaDbFacts, MariaDbQuestion,
};
pub use mount::{MountFact, MountQuestion};
pub use numbers::{HolderFact, NumbersFact};
pub use owner::Owner;
pub use package::PackageFact;
pub use package_lists::ListsFact;
pub use package_name::{NameFact, NameQuestion};
pub use package_version::{VersionQuestion, VersionsFact};
pub use path::{
    Attributes, Body, FileFact, Hidden, MOST_BODY, MOST_SHOWN, PathFact, PathQuestion, Read,
};
pub(crate) use postgresql::{ATTRIBUTES, POSTGRES};
pub use postgresql::{
    PostgresDatabaseFact, PostgresEffect, PostgresFacts, PostgresQuestion, PostgresUserFact,
};
pub use public_key::PublicKeyFact;
pub use release::ReleaseFact;
pub use replaced::ReplacedFact;
pub use route::{Maker, Planted, Route};
pub use service::ServiceFact;
pub use service_manager::ServiceManager;
pub use swap::SwapFact;
pub use sysctl::SysctlFact;
pub use upgrade::{PendingPackage, SourceFile, UpgradeFact, UpgradeQuestion};
pub(crate) use wordpress::{SITE_ACCOUNT, SITE_PROGRAM, SITE_THEME};
pub use wordpress::{SiteChoice, SiteFact, SiteQuestion};

/// One kind of question.
pub trait Kind {
    /// What one of them asks.
    type Question: Clone + Debug + PartialEq + Eq + PartialOrd + Ord;
    /// What is known once they are answered.
    type Known: Known;

    /// Whether an answer stays true while nobody changes the host. One that does not, such as the time, is not among
    /// the things that a saved plan was made from.
    const LASTS: bool = true;

    /// Whether the answer only serves to show what would be done: doing it tells more.
    const FOR_PREVIEWS: bool = false;

    /// Gives what a question is about. Two questions about the same become one.
    fn key(question: &Self::Question) -> KeyOf<Self>;

    /// Widens a question so that its answer serves another one about the same, too.
    fn widen(question: &mut Self::Question, other: Self::Question) {
        let _ = (question, other);
    }

    /// Writes the commands with which a POSIX shell answers the questions, one program for all of them.
    fn script(questions: &[Self::Question]) -> String;

    /// Reads the answers. A host may answer anything: every field is checked, and what is missing or malformed is an
    /// error that names it.
    fn read(questions: &[Self::Question], answers: &Answers) -> Result<Self::Known, Broken>;

    /// Gives what of the answers is secret.
    fn secrets(known: &Self::Known) -> Vec<&Secret>;

    /// Tells whether the answer may be another one after files or folders were written.
    fn follows(question: &Self::Question, written: &Written<'_>) -> bool {
        let _ = (question, written);
        false
    }

    /// Gives one question of every form, for the tests that walk all kinds.
    fn samples() -> Vec<Self::Question>;
}

/// What tells the questions of a kind apart.
type KeyOf<K> = <<K as Kind>::Known as Known>::Key;

/// The paths that a change writes, and what was known of the host before.
pub struct Written<'a> {
    /// The paths.
    pub paths: BTreeSet<&'a HostPath>,
    /// What was known before.
    pub facts: &'a Facts,
}

/// Reports a defect of prov: a resource decides by something that it did not ask for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("internal error: {0} was not asked for before it was needed")]
pub struct NotAsked(pub String);

macro_rules! kinds {
    ($($(#[$about:meta])* $variant:ident $field:ident: $kind:ty;)+) => {
        /// Asks for one thing on a host.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Query {
            $($(#[$about])* $variant(<$kind as Kind>::Question),)+
        }

        impl Query {
            /// Tells whether the answer may be another one after files or folders were written.
            #[must_use]
            pub fn follows(&self, written: &Written<'_>) -> bool {
                match self {
                    $(Self::$variant(question) => <$kind>::follows(question, written),)+
                }
            }

            /// Gives one query of every kind and form, for tests that must not forget one.
            #[must_use]
            pub fn samples() -> Vec<Self> {
                let mut samples = Vec::new();
                $(samples.extend(<$kind>::samples().into_iter().map(Self::$variant));)+
                samples
            }
        }

        /// Queries, gathered so that each thing is asked for once, as fully as anyone needs it.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct QuerySet {
            $($field: BTreeMap<KeyOf<$kind>, <$kind as Kind>::Question>,)+
        }

        impl QuerySet {
            /// Adds one query.
            pub fn insert(&mut self, query: Query) {
                if let Query::Path(question) = &query {
                    // What is at a path is not known without how it is reached.
                    self.insert(Query::Route(question.path.clone()));
                }
                match query {
                    $(Query::$variant(question) => gather::<$kind>(&mut self.$field, question),)+
                }
            }

            /// Gives the queries, each thing once.
            #[must_use]
            pub fn queries(&self) -> Vec<Query> {
                let mut queries = Vec::new();
                $(queries.extend(self.$field.values().cloned().map(Query::$variant));)+
                queries
            }

            /// Widens these queries to what others ask about the same, so that their answers may take the place of those.
            #[must_use]
            pub fn as_wide_as(mut self, others: &Self) -> Self {
                $(for (key, question) in &mut self.$field {
                    if let Some(other) = others.$field.get(key) {
                        <$kind>::widen(question, other.clone());
                    }
                })+
                self
            }

            /// Leaves out what only a preview needs to know.
            #[must_use]
            pub fn without_simulations(mut self) -> Self {
                $(if <$kind>::FOR_PREVIEWS {
                    self.$field.clear();
                })+
                self
            }

            /// Writes the read-only script that answers the queries.
            #[must_use]
            pub fn script(&self) -> String {
                let mut script = String::new();
                $(if !self.$field.is_empty() {
                    script.push_str(&<$kind>::script(&questions(&self.$field)));
                })+
                script
            }

            /// Reads what a host answered.
            pub fn read(&self, answers: &Answers) -> Result<Facts, Broken> {
                let mut facts = Facts::default();
                $(if !self.$field.is_empty() {
                    facts.$field = <$kind>::read(&questions(&self.$field), answers)?;
                })+
                Ok(facts)
            }
        }

        /// Holds everything that is known of a host: what plans are made from, and a small model of the host.
        ///
        /// It never holds a guess without saying so: a thing that was not asked for is an error, not "missing".
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Facts {
            $($(#[$about])* pub $field: <$kind as Kind>::Known,)+
            /// Packages that a preview has planned to install: what they bring is not known.
            pub coming: BTreeSet<PackageName>,
            /// Whether diffs show what not everybody may read, as the user has asked for it.
            #[serde(skip)]
            pub reveal: bool,
            /// Whether the user has said twice that a resource is meant, so that what stands on it is no reason to refuse it.
            #[serde(skip)]
            pub insisted: bool,
        }

        impl Facts {
            /// Takes over newer answers.
            pub fn update(&mut self, newer: Self) {
                $(self.$field.update(newer.$field);)+
            }

            /// Selects the answers to some queries.
            #[must_use]
            pub fn subset(&self, queries: &QuerySet) -> Self {
                Self {
                    $($field: self.$field.select(queries.$field.keys()),)+
                    coming: BTreeSet::new(),
                    reveal: self.reveal,
                    insisted: self.insisted,
                }
            }

            /// Digests the facts under a key (SHA-256, hexadecimal): equal digests, equal facts, and no secret can be
            /// read from it or tried out without the key.
            pub fn fingerprint(&self, key: &[u8]) -> Result<String, serde_json::Error> {
                let mut hash = Sha256::new();
                let mut add = |bytes: &[u8]| {
                    hash.update((bytes.len() as u64).to_be_bytes());
                    hash.update(bytes);
                };
                add(key);
                $(if <$kind>::LASTS {
                    // Secrets serialise masked; digests of their own stand for them.
                    add(&serde_json::to_vec(&self.$field)?);
                    for secret in <$kind>::secrets(&self.$field) {
                        add(secret.digest(key).as_bytes());
                    }
                })+
                Ok(hex(&hash.finalize()))
            }

            /// Leaves only what another look at an unchanged host would find, too.
            pub(crate) fn forget_what_does_not_last(&mut self) {
                $(if !<$kind>::LASTS {
                    self.$field = Default::default();
                })+
            }

            /// Takes over what a command does to what is known.
            pub(crate) fn carry_out(&mut self, effect: &Effect) {
                match effect.clone() {
                    $(Effect::$variant(effect) => self.$field.carry_out(effect),)+
                }
            }
        }

        /// Says what a command changes among what is known.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Effect {
            $($(#[$about])* $variant(<<$kind as Kind>::Known as Known>::Effect),)+
        }
    };
}

kinds! {
    /// What looks after daemons on the host; asked of every host.
    ServiceManager manager: service_manager::OfHost;
    /// Whose kernel the host runs on; asked of every host.
    Kernel kernel: kernel::OfHost;
    /// What operating system the host runs; asked of every host.
    Release release: release::OfHost;
    /// What is at a path.
    Path paths: path::Paths;
    /// What an archive was unpacked to.
    Archive archives: archive::Folders;
    /// What is in a folder, at any depth.
    Listing listings: listing::Listings;
    /// A checkout of git, and what its remote has.
    Git git: git::Checkouts;
    /// How a path is reached: links and folders on the way.
    Route routes: route::Routes;
    /// Whether a package is installed, and in which version.
    Package packages: package::Packages;
    /// Whether a package is held.
    PackageHold held: package_hold::Holds;
    /// Which versions of a package there are.
    PackageVersions package_versions: package_version::Versions;
    /// What the name of a package that is not installed stands for.
    PackageName package_names: package_name::Names;
    /// How long ago the package lists were fetched, and whether their sources are newer.
    PackageLists apt_lists: package_lists::Lists;
    /// What apt would do, package by package, if some of these packages are not as they should be.
    Apt apt: apt::Simulations;
    /// What an upgrade of all packages would do.
    Upgrade upgrades: upgrade::Upgrades;
    /// Which services run programs that were replaced.
    Replaced replaced: replaced::Programs;
    /// How the host is: load, disks, updates, units, certificates.
    Health health: health::OfHost;
    /// A user account.
    User users: account::Accounts;
    /// The account that prov logs in with.
    Login login: login::OfSession;
    /// A group.
    Group groups: group::Groups;
    /// Which numbers and homes are whose.
    Numbers numbers: numbers::OfAll;
    /// What is at the home of an account.
    Home homes: home::Homes;
    /// Whether files can belong to an account or group.
    Owner owners: owner::Owners;
    /// A service's state, asked of the service manager.
    Service services: service::Services;
    /// A setting of the kernel.
    Sysctl sysctls: sysctl::Settings;
    /// Whether programs can use a locale, and whether the host can make it.
    Locale locales: locale::Locales;
    /// A module of the kernel.
    KernelModule kernel_modules: kernel_module::Modules;
    /// What is mounted at a path.
    Mount mounts: mount::Mounts;
    /// Whether a file or device is swap space.
    Swap swaps: swap::Swaps;
    /// A table of the host's firewall.
    NftTable nft_tables: firewall::Tables;
    /// What stands behind a name that several programs can have.
    Alternative alternatives: alternative::Alternatives;
    /// The answer to a debconf question, for instance `exim4/mailname`.
    Debconf debconf: debconf::Questions;
    /// The host's clock, in seconds since 1970.
    Time time: time::Clock;
    /// The public key of a private key, as `openssl pkey -pubout` gives it.
    PublicKey public_keys: public_key::Keys;
    /// A database or an account of the host's MariaDB server.
    MariaDb mariadb: mariadb::Server;
    /// A database or a role of the host's PostgreSQL server.
    PostgreSql postgresql: postgresql::Server;
    /// Whether a calendar exists on a CalDAV server.
    Calendar calendars: calendar::Calendars;
    /// What is chosen in a site of `WordPress`.
    Site sites: wordpress::Sites;
    /// The exit code of a command that reads and does not write.
    Guard guards: guard::Commands;
}

fn gather<K: Kind + ?Sized>(gathered: &mut BTreeMap<KeyOf<K>, K::Question>, question: K::Question) {
    match gathered.get_mut(&K::key(&question)) {
        Some(known) => K::widen(known, question),
        None => {
            gathered.insert(K::key(&question), question);
        }
    }
}

fn questions<K: Ord, Q: Clone>(gathered: &BTreeMap<K, Q>) -> Vec<Q> {
    gathered.values().cloned().collect()
}

impl QuerySet {
    /// Gives what is asked of every host, whatever else is.
    #[must_use]
    pub fn of_every_host() -> Self {
        Self::from_iter([
            Query::ServiceManager(()),
            Query::Kernel(()),
            Query::Release(()),
        ])
    }

    /// Tells whether the host fetches package lists of another release for its answer, and works out an upgrade from them.
    #[must_use]
    pub fn fetches(&self) -> bool {
        let mut upgrades = self.upgrades.keys();
        upgrades.any(|question| question.to.is_some())
    }

    /// Counts the bytes of files that may come with the answer.
    #[must_use]
    pub fn bodies(&self) -> usize {
        let most = |question: &PathQuestion| match question.read {
            Read::Body => MOST_BODY,
            Read::BodyUnless(_) => MOST_SHOWN,
            Read::Attributes | Read::Digest => 0,
        };
        self.paths.values().map(most).fold(0, usize::saturating_add)
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
