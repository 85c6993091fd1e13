//! Small validated values that resources are made of: paths, modes, names.
//!
//! They are checked when an estate is read, so that nothing further down has to ask whether a path is absolute or a
//! name could be taken for an option. They refuse what could not be quoted, listed or compared safely.

mod address;
mod mode;
mod network;
mod path;
mod port;
mod system;
mod timespan;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use address::{GitUrl, HttpUrl, RepositoryUri};
pub use mode::Mode;
pub use network::Network;
pub(crate) use path::FileName;
pub use path::HostPath;
pub use port::{Port, Protocol};
pub use system::{
    AlternativeName, LocaleName, ModuleName, NftTable, SysctlKey, TimeZone, UnitName,
};
pub use timespan::Timespan;

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $format:literal, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks a name.
            pub fn new(name: impl Into<String>) -> Result<Self, String> {
                let name = name.into();
                let check: fn(&str) -> bool = $check;
                if check(&name) {
                    Ok(Self(name))
                } else {
                    Err(format!(concat!("{:?} is not ", $what), $crate::value::without_login(&name)))
                }
            }

            /// Gives the name's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(name: String) -> Result<Self, String> {
                Self::new(name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": $format })
            }

            fn inline_schema() -> bool {
                true
            }
        }
    };
}

pub(crate) use checked_name;

/// Gives a value that is written in the code and known to be valid.
///
/// It takes literals only, and the tests walk every role, so a mistake here cannot leave the house.
pub(crate) fn fixed<T: TryFrom<String, Error = String>>(text: &'static str) -> T {
    match T::try_from(text.to_owned()) {
        Ok(value) => value,
        #[expect(
            clippy::panic,
            reason = "a literal in this crate is wrong: a defect that tests find"
        )]
        Err(mistake) => panic!("internal error: {mistake}"),
    }
}

/// Hides what stands for an account in an address: it may be a password.
pub(crate) fn without_login(text: &str) -> String {
    let parts = text.split_once("://");
    parts
        .and_then(|(scheme, rest)| {
            let (_, place) = rest.rsplit_once('@')?;
            Some(format!("{scheme}://…@{place}"))
        })
        .unwrap_or_else(|| text.to_owned())
}

fn starts_like_a_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

checked_name!(
    /// Holds the name of a user or group, as `useradd(8)` accepts it: at most 32 characters of letters, digits, `_`,
    /// `.` and `-`, not beginning with `-` or `.`.
    AccountName,
    "account",
    "a user or group name; use letters, digits, '_', '.' and '-', at most 32",
    |name| starts_like_a_word(name)
        && name.len() <= 32
        && !name.bytes().all(|b| b.is_ascii_digit())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
);

impl AccountName {
    /// Gives the name of the administrator.
    #[must_use]
    pub fn root() -> Self {
        Self("root".to_owned())
    }
}

checked_name!(
    /// Holds the name of a Debian package (Debian Policy 5.6.1): lower-case letters, digits, `+`, `-`, `.`.
    PackageName,
    "package",
    "a package name; use lower-case letters, digits, '+', '-' and '.'. A version stands beside the name \
     ({{name: nginx, version: \"1.26*\"}}), and so does what it is pinned to (pin: release n=trixie-backports); a package of \
     another architecture is installed by a `command`",
    |name| name.len() >= 2
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
);

checked_name!(
    /// Holds a version of a Debian package (Debian Policy 5.6.12), or the beginning of versions with a `*` after it, as apt's pins
    /// take it (`apt_preferences(5)`).
    PackageVersion,
    "version",
    "a version of a package; give it as apt does (`apt-cache madison NAME`), or its beginning and '*'",
    |version| version.len() <= 128
        && version.starts_with(|c: char| c.is_ascii_digit())
        && version
            .strip_suffix('*')
            .unwrap_or(version)
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".+:~-".contains(&b))
);

impl PackageVersion {
    /// Gives the text with which versions begin that are meant, if it is not one alone.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        self.0.strip_suffix('*')
    }

    /// Tells whether a version is one that is meant.
    #[must_use]
    pub fn is_met_by(&self, version: &str) -> bool {
        match self.prefix() {
            Some(prefix) => version.starts_with(prefix),
            None => version == self.0,
        }
    }
}

checked_name!(
    /// Holds the name of a service: a systemd unit with its suffix, or without if that is `.service`, and the runit service
    /// directory of that name.
    ServiceName,
    "service",
    "a service name; use letters, digits, '_', '.', '@', ':', '\\' and '-', and give templates an instance (name@instance)",
    |name| (starts_like_a_word(name) || name == "-.mount" || name == "-.slice")
        && name.len() <= 128
        && !name.ends_with('@')
        && !name.contains("@.")
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.@:\\-".contains(&b))
);

checked_name!(
    /// Holds a name or an address by which a server is reached.
    PeerName,
    "hostname",
    "a name or an address; use letters, digits, '.', '-' and ':'",
    |name| name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == ':')
        && name.len() <= 253
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:".contains(&b))
);

checked_name!(
    /// Holds a name of which a name server is asked (RFC 1035, 2782): letters, digits, `-`,
    /// `_` and `*`, with dots between.
    RecordName,
    "hostname",
    "a name for a name server; use letters, digits, '-', '_', '*' and '.'",
    |name| !name.is_empty()
        && !name.starts_with('-')
        && name.len() <= 253
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_*.".contains(&b))
);

/// Suffixes of units (systemd.unit(5)).
const UNIT_SUFFIXES: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

impl ServiceName {
    /// Gives the full name of the systemd unit.
    #[must_use]
    pub fn unit(&self) -> String {
        unit_of(&self.0)
    }

    /// Tells whether it is a service, and no timer, socket or the like.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.unit().ends_with(".service")
    }
}

/// Gives the full name of a unit.
fn unit_of(name: &str) -> String {
    if UNIT_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}

checked_name!(
    /// Holds the name of a module of Apache: letters, digits, `_` and `.`, for instance `rewrite` or `php8.2`.
    ApacheModuleName,
    "apache_module",
    "the name of an Apache module; use letters, digits, '_' and '.'",
    |name| starts_like_a_word(name)
        && name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b))
);

checked_name!(
    /// Holds the name of a host or domain (RFC 1123, section 2.1): labels of letters, digits and `-`, at most 63
    /// characters each and 253 together, with dots between them.
    DomainName,
    "domain",
    "a host or domain name; use letters, digits, '-', and dots between the parts",
    |name| name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
);

checked_name!(
    /// Holds the name of a database: letters, digits, `_`, `$` and `-`, at most 64 (MariaDB, "Identifier Names").
    DatabaseName,
    "database",
    "the name of a database; use letters, digits, '_', '$' and '-', at most 64",
    |name| (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_$-".contains(&b))
);

checked_name!(
    /// Holds the name of a database or role of PostgreSQL: letters, digits, `_`, `-`, `.`, `@` and `$`, at most 63, which are all
    /// that the server keeps (PostgreSQL, "Identifiers and Key Words").
    PostgresName,
    "postgresql name",
    "a name of a database or role of PostgreSQL; use letters, digits, '_', '-', '.', '@' and '$', at most 63",
    |name| starts_like_a_word(name)
        && name.len() <= 63
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.@$".contains(&b))
);

checked_name!(
    /// Holds the name of a locale (locale(7)): letters, digits, `_`, `-`, `.` and `@`.
    PostgresLocale,
    "locale",
    "the name of a locale; use letters, digits, '_', '-', '.' and '@', for instance C.UTF-8",
    |name| starts_like_a_word(name)
        && name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.@".contains(&b))
);

checked_name!(
    /// Holds a word of another program's language, such as the name of a character set: letters, digits, `_` and `-`, at
    /// most 64.
    Word,
    "word",
    "a word; use letters, digits, '_' and '-', at most 64",
    |word| (1..=64).contains(&word.len())
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
);

checked_name!(
    /// Holds the name of a plugin or theme of `WordPress`, which is that of its folder: letters, digits, `.`, `_` and `-`,
    /// beginning with a letter or digit, at most 64.
    WordPressPart,
    "name of a plugin or theme",
    "the name of a plugin or theme; use letters, digits, '.', '_' and '-', at most 64, beginning with a letter or digit",
    |name| (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
);

checked_name!(
    /// Holds a language of `WordPress`, after which its files of translations are named: a language of two or three letters,
    /// then possibly a country and a form, for instance `de_DE_formal`.
    WordPressLocale,
    "language of WordPress",
    "a language of WordPress; write for instance en_US, de_DE, de_DE_formal or ca",
    |name| {
        let mut parts = name.split('_');
        let language = parts.next().unwrap_or_default();
        let form = |part: &str| {
            (1..=12).contains(&part.len())
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        let country =
            |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_uppercase());
        (2..=3).contains(&language.len())
            && language.bytes().all(|b| b.is_ascii_lowercase())
            && parts.next().is_none_or(country)
            && parts.next().is_none_or(form)
            && parts.next().is_none()
    }
);

checked_name!(
    /// Holds an account of a database server, `NAME@HOST` (MariaDB, "Account Names"): the host is a name, an address or
    /// a pattern in which `%` stands for anything.
    DatabaseAccount,
    "database account",
    "an account NAME@HOST of a database server, without quotes; use letters, digits, '_', '.', '$' and '-' in the name, \
     at most 80, and a name in lower case, an address or a pattern with '%' as the host",
    |account| account.split_once('@').is_some_and(|(name, host)| {
        let consists = |text: &str, more: &[u8]| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
        };
        (1..=80).contains(&name.len())
            && (1..=255).contains(&host.len())
            && consists(name, b"_.$-")
            && consists(host, b"_.:%/-")
            // The server keeps it in lower case.
            && !host.contains(|c: char| c.is_ascii_uppercase())
    })
);

impl DatabaseAccount {
    /// Gives the name and the host.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once('@').unwrap_or((&self.0, ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leaves_its_folder_is_refused() {
        for bad in [
            "etc/x",
            "",
            "/etc/../x",
            "/etc/",
            "//etc",
            "/a\nb",
            "/a\\b",
            "/./a",
        ] {
            assert!(HostPath::new(bad).is_err(), "{bad:?} was accepted");
        }
        let path = HostPath::new("/etc/dnsmasq.d/estate.conf").unwrap();
        assert_eq!(path.parent().as_str(), "/etc/dnsmasq.d");
        assert!(path.is_below(&HostPath::new("/etc").unwrap()));
        assert!(!path.is_below(&HostPath::new("/et").unwrap()));
    }

    #[test]
    fn a_mode_is_read_and_written_in_octal() {
        let mode = Mode::try_from("0640".to_owned()).unwrap();
        assert_eq!((mode.bits(), mode.to_string().as_str()), (0o640, "0640"));
        for bad in ["", "64", "0888", "77777", "rw", "0o644"] {
            assert!(
                Mode::try_from(bad.to_owned()).is_err(),
                "{bad:?} was accepted"
            );
        }
    }

    #[test]
    fn a_name_that_could_be_an_option_is_refused() {
        assert!(AccountName::new("-rf").is_err());
        assert!(AccountName::new("0").is_err());
        assert!(AccountName::new("user1fname.user1lname").is_ok());
        assert!(PackageName::new("-o").is_err());
        assert!(PackageName::new("g++").is_ok());
        assert!(ServiceName::new("a b").is_err());
        for bad in ["a b", "a..b", "-a", "a';reboot;'", "", "a_b", "ü.example"] {
            assert!(DomainName::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(DomainName::new("xn--bcher-kva.example").is_ok());
    }
}
