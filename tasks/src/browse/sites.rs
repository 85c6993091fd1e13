//! The web sites of an estate by their names: all that a browser is led to which nobody looks over the shoulder of.

use std::collections::BTreeSet;

use super::{Refusal, Target, Where};
use crate::promise::Promises;

/// The ports of web sites (RFC 9110, section 4.2).
const PORTS: [u16; 2] = [80, 443];

/// The names of an estate's sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sites(BTreeSet<String>);

impl Sites {
    /// Gathers the sites that hosts promise, with the domains that lead to them.
    #[must_use]
    pub fn of(promises: &Promises) -> Self {
        let fronts = promises.site_fronts.iter();
        let names = fronts.flat_map(|front| [Some(&front.name), front.bare.as_ref()]);
        Self(names.flatten().cloned().collect())
    }

    /// Refuses what is no site of the estate: a page may ask for anything that its server, or whoever has taken that over, likes.
    pub fn admit(&self, target: &Target) -> Result<(), Refusal> {
        let name = match &target.at {
            Where::Name(name) => name.trim_end_matches('.').to_ascii_lowercase(),
            Where::Address(address) => address.to_string(),
        };
        if !self.0.contains(&name) {
            return Err(Refusal::NoSuchName(name));
        }
        if PORTS.contains(&target.port) {
            Ok(())
        } else {
            Err(Refusal::Unsupported("a port that is none of a web site"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_site_is_led_to() {
        let sites = Sites(["www.a.test".to_owned()].into());
        let to = |at: Where, port| sites.admit(&Target { at, port });
        let name = |name: &str| Where::Name(name.to_owned());
        assert_eq!(to(name("www.a.test"), 443), Ok(()));
        assert_eq!(to(name("WWW.a.test."), 80), Ok(()));
        for other in ["localhost", "a.test", "x.www.a.test"] {
            assert!(to(name(other), 443).is_err(), "{other}");
        }
        assert!(to(name("www.a.test"), 22).is_err());
        let address = Where::Address("127.0.0.1".parse().unwrap());
        assert!(to(address, 80).is_err());
    }
}
