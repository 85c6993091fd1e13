//! Names of what the operating system itself is configured by: units, settings of the kernel, time zones, locales.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ServiceName, checked_name, starts_like_a_word, unit_of};

checked_name!(
    /// Holds the name of a systemd unit that a file describes, with its suffix, or without if that is `.service`; a template has an
    /// empty instance (`backup@.service`). Escapes with `\` are not accepted (systemd.unit(5), "String Escaping").
    UnitName,
    "unit",
    "the name of a unit; use letters, digits, '_', '.', '@', ':' and '-', and end it with .service, .socket, .timer, .path, .mount, \
     .automount, .swap, .target or .slice",
    |name| (starts_like_a_word(name) || name == "-.mount" || name == "-.slice")
        && name.len() <= 128
        && !name.starts_with('@')
        && !name.contains("..")
        && ![".", ".device", ".scope"].iter().any(|end| name.ends_with(end))
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.@:-".contains(&b))
);

impl UnitName {
    /// Gives the full name of the unit.
    #[must_use]
    pub fn unit(&self) -> String {
        unit_of(&self.0)
    }

    /// Gives the name by which systemd can be asked about it; `None` for a template, which is no unit by itself.
    #[must_use]
    pub fn service(&self) -> Option<ServiceName> {
        ServiceName::new(self.0.strip_suffix(".service").unwrap_or(&self.0)).ok()
    }
}

checked_name!(
    /// Holds the name of a setting of the kernel (sysctl.d(5)): parts with dots between them, or with slashes, which lets a part
    /// have a dot: `net.ipv4.ip_forward`, `net/ipv4/conf/eth0.100/forwarding`.
    SysctlKey,
    "sysctl",
    "the name of a setting of the kernel; write its parts with dots between them (net.ipv4.ip_forward), or with slashes where a part \
     has a dot, without `*`",
    |name| name.len() <= 128
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_./:@-".contains(&b))
        && slashed(name).contains('/')
        && slashed(name)
            .split('/')
            .all(|part| !part.is_empty() && part.bytes().any(|b| b != b'.'))
);

/// Writes a key with slashes: where the first separator is a dot, dots and slashes change places (sysctl.d(5)).
fn slashed(key: &str) -> String {
    let first = key.find(['.', '/']);
    if first.is_some_and(|at| key[at..].starts_with('.')) {
        swapped(key)
    } else {
        key.to_owned()
    }
}

fn swapped(key: &str) -> String {
    let other = |c| match c {
        '.' => '/',
        '/' => '.',
        same => same,
    };
    key.chars().map(other).collect()
}

impl SysctlKey {
    /// Gives the path below `/proc/sys`.
    #[must_use]
    pub fn slashed(&self) -> String {
        slashed(&self.0)
    }

    /// Gives the usual form, the same for all spellings: with dots, and slashes for dots within a part.
    #[must_use]
    pub fn dotted(&self) -> String {
        swapped(&self.slashed())
    }
}

checked_name!(
    /// Holds the name of a time zone of the tz database, for instance `Europe/Berlin`.
    TimeZone,
    "time zone",
    "the name of a time zone, such as Europe/Berlin or Etc/UTC",
    |name| name.len() <= 64
        // These lie beside the zones.
        && !["localtime", "leapseconds", "posixrules", "tzdata.zi"].contains(&name)
        && name.split('/').all(|part| starts_like_a_word(part)
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b)))
);

checked_name!(
    /// Holds the name of a locale (locale(7)): `LANGUAGE_COUNTRY`, with `.CHARSET` and `@MODIFIER` where it has them.
    LocaleName,
    "locale",
    "the name of a locale, such as de_DE.UTF-8 or C.UTF-8",
    |name| name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.@-".contains(&b))
);

impl LocaleName {
    /// Gives the name as `locale -a` lists it: the character set in lower-case letters and digits alone.
    #[must_use]
    pub fn listed(&self) -> String {
        let (name, modifier) = match self.0.split_once('@') {
            Some((name, modifier)) => (name, format!("@{modifier}")),
            None => (self.0.as_str(), String::new()),
        };
        match name.split_once('.') {
            None => self.0.clone(),
            Some((name, charset)) => {
                let plain = charset.chars().filter(char::is_ascii_alphanumeric);
                let charset: String = plain.map(|c| c.to_ascii_lowercase()).collect();
                format!("{name}.{charset}{modifier}")
            }
        }
    }
}

checked_name!(
    /// Holds the name of alternatives (update-alternatives(1)), for instance `editor` or `c++`.
    AlternativeName,
    "alternative",
    "the name of alternatives, such as editor (`update-alternatives --get-selections` lists them)",
    |name| starts_like_a_word(name)
        && name.len() <= 128
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.+:@-".contains(&b))
);

checked_name!(
    /// Holds the name of a table of nftables (nft(8)) with its family: `inet office`.
    NftTable,
    "table",
    "a table of nftables; write it with its family, as nft does (`inet office`). Families are ip, ip6, inet, arp, bridge and netdev, and \
     a name has letters, digits, '_' and '-'",
    |table| table.split_once(' ').is_some_and(|(family, name)| {
        ["ip", "ip6", "inet", "arp", "bridge", "netdev"].contains(&family)
            && name.len() <= 64
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    })
);

impl NftTable {
    /// Gives the name that its file and its unit have: `inet-office`.
    #[must_use]
    pub fn file_name(&self) -> String {
        self.0.replace(' ', "-")
    }

    /// Gives the unit that loads it at boot.
    #[must_use]
    pub fn service(&self) -> ServiceName {
        ServiceName(format!("nftables-{}", self.file_name()))
    }

    /// Gives the same as a unit that is written.
    #[must_use]
    pub fn unit(&self) -> UnitName {
        UnitName(format!("nftables-{}.service", self.file_name()))
    }
}

checked_name!(
    /// Holds the name of a module of the kernel, in which `-` and `_` are the same (modprobe(8)).
    ModuleName,
    "kernel_module",
    "the name of a module of the kernel; use letters, digits, '_' and '-', without .ko",
    |name| starts_like_a_word(name)
        && name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
);

impl ModuleName {
    /// Gives the form in which the kernel has it.
    #[must_use]
    pub fn loaded_as(&self) -> String {
        self.0.replace('-', "_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_of_the_kernel_has_one_form_however_it_is_spelt() {
        for (key, path, dotted) in [
            ("vm.swappiness", "vm/swappiness", "vm.swappiness"),
            ("vm/swappiness", "vm/swappiness", "vm.swappiness"),
            (
                "net.ipv4.conf.eth0/100.forwarding",
                "net/ipv4/conf/eth0.100/forwarding",
                "net.ipv4.conf.eth0/100.forwarding",
            ),
            (
                "net/ipv4/conf/eth0.100/forwarding",
                "net/ipv4/conf/eth0.100/forwarding",
                "net.ipv4.conf.eth0/100.forwarding",
            ),
        ] {
            let key = SysctlKey::new(key).unwrap();
            assert_eq!(
                (key.slashed().as_str(), key.dotted().as_str()),
                (path, dotted)
            );
        }
        for bad in [
            "", "vm", ".", "vm.", ".vm", "vm..x", "vm/../x", "a./.b", "net.*.x", "/vm/x", "a b.c",
        ] {
            assert!(SysctlKey::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_unit_is_named_in_full_and_a_template_is_no_service() {
        let unit = |name| UnitName::new(name).unwrap();
        assert_eq!(unit("page").unit(), "page.service");
        assert_eq!(unit("page.service").service().unwrap().as_str(), "page");
        assert_eq!(unit("page.timer").service().unwrap().as_str(), "page.timer");
        assert_eq!(unit("x@y").unit(), "x@y.service");
        assert!(unit("x@").service().is_none() && unit("x@.timer").service().is_none());
        for bad in [
            "", "../x", "a/b", "a b", r"a\x2db", "-x", "x.device", "..", "x.",
        ] {
            assert!(UnitName::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn names_that_leave_their_folder_are_refused() {
        for good in [
            "Europe/Berlin",
            "Etc/GMT+1",
            "America/Argentina/Buenos_Aires",
            "UTC",
        ] {
            assert!(TimeZone::new(good).is_ok(), "{good}");
        }
        for bad in ["", "/UTC", "Europe/", "../x", "a//b", "Europe/.", "a b"] {
            assert!(TimeZone::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_locale_is_listed_with_its_character_set_in_short() {
        for (name, listed) in [
            ("de_DE.UTF-8", "de_DE.utf8"),
            ("de_DE", "de_DE"),
            ("de_DE@euro", "de_DE@euro"),
            ("en_GB.ISO-8859-15", "en_GB.iso885915"),
            ("ca_ES.UTF-8@valencia", "ca_ES.utf8@valencia"),
        ] {
            assert_eq!(LocaleName::new(name).unwrap().listed(), listed);
        }
    }
}
