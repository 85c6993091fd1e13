//! Small validated values of domains: labels of hosts, what stands before an `@`, addresses.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{DomainName, checked_name};

checked_name!(
    /// Holds the first part of a web site's name: a DNS label in lower case (RFC 1123, section 2.1).
    HostLabel,
    "label",
    "the first part of a host's name; use lower-case letters, digits and '-', at most 63",
    |label| (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
);

checked_name!(
    /// Holds what stands before the `@` of an address: a dot-atom (RFC 5322, section 3.2.3) in lower case, of the
    /// characters that need no care in files of Exim and Dovecot, at most 64 (RFC 5321, section 4.5.3.1.1).
    LocalPart,
    "local part",
    "what can stand before the '@'; use lower-case letters, digits, '.', '_', '-', at most 64",
    |name| (1..=64).contains(&name.len())
        && name.split('.').all(|part| {
            !part.is_empty()
                && !part.starts_with('-')
                && part.bytes().all(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b)
                })
        })
);

checked_name!(
    /// Holds a mail address `NAME@DOMAIN`, of the same characters as [`LocalPart`].
    MailAddress,
    "email",
    "a mail address",
    |address| address.split_once('@').is_some_and(|(name, domain)| {
        LocalPart::new(name).is_ok() && domain.contains('.') && DomainName::new(domain).is_ok()
    })
);

checked_name!(
    /// Holds the name of a file in the folder `archives` of a domain: letters, digits, `.`, `_`, `+` and `-`, beginning with a
    /// letter or digit, at most 200.
    ArchiveName,
    "archive",
    "the name of a file in the folder 'archives' of the domain; use letters, digits, '.', '_', '+' and '-', and no folder",
    |name| (1..=200).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
);

checked_name!(
    /// Holds the name of a module of PHP as Debian's packages have it, without `php-`: lower-case letters, digits, `.`, `+` and
    /// `-`, at most 64.
    PhpModule,
    "module of PHP",
    "a module of PHP; write it as Debian's package php-NAME has it, without 'php-', for instance gd or intl",
    |name| (1..=64).contains(&name.len())
        && !name.starts_with("php")
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || b".+-".contains(&b)
        })
);

checked_name!(
    /// Holds a host that a web site may ask: a name of DNS, or `*.` and one, for all names below it.
    AskedHost,
    "host",
    "a host that a site may ask; write its name without scheme, port and path, or '*.' before a name for all below it",
    |host| {
        let name = host.strip_prefix("*.").unwrap_or(host);
        DomainName::new(name).is_ok() && !name.contains('_') && name.contains('.')
    }
);

checked_name!(
    /// Holds the digest of an archive (SHA-256), as `sha256sum` prints it.
    ArchiveDigest,
    "digest",
    "a digest (SHA-256); write its 64 hexadecimal digits in lower case",
    |digest| digest.len() == 64
        && digest
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_mean_something_in_a_file_or_a_shell_are_refused() {
        for bad in [
            "", "../x", "a/b", "a;b", "x' OR", "a b", "A", "-a", ".a", "a.", "a..b", "a@b", "a\n",
            "ü", "a:b",
        ] {
            assert!(LocalPart::new(bad).is_err(), "{bad:?}");
        }
        for bad in [
            "",
            "../x",
            "a.b",
            "a;b",
            "Www",
            "-a",
            "a-",
            "a_b",
            &"a".repeat(64),
        ] {
            assert!(HostLabel::new(bad).is_err(), "{bad:?}");
        }
        for bad in ["a", "a@", "@b.test", "a@b", "a@b.test\n", "a b@c.test"] {
            assert!(MailAddress::new(bad).is_err(), "{bad:?}");
        }
        assert!(LocalPart::new("userfname.userlname").is_ok());
        assert!(HostLabel::new("1a-b").is_ok());
        assert!(MailAddress::new("rolename@customer.com").is_ok());
    }
}
