//! Names of packages, and what is said of single ones besides.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::value::{PackageName, PackageVersion};

/// The priority that a pin has unless another is given: before other versions, but never as a downgrade
/// (`apt_preferences(5)`).
const PREFERRED: i16 = 990;

/// Names of packages, and what is said of single ones besides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    all: BTreeSet<PackageName>,
    terms: BTreeMap<PackageName, Terms>,
}

/// A package of which more is said than its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Name of the package.
    pub name: PackageName,
    /// The version that is installed, as apt takes it: `1.26.3-3`, or its beginning: `1.26*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<PackageVersion>,
    /// Whether it is held: neither upgraded nor removed (apt-mark(8)). Left as it is when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<bool>,
    /// What it is pinned to, in the words of `apt_preferences(5)`: `version 1.26*`, `release n=trixie-backports`,
    /// `origin "packages.example.org"`. Left as it is when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// The pin's priority; 990 when not given, and above 1000 a downgrade is made by the next upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i16>,
}

impl Terms {
    const fn new(name: PackageName) -> Self {
        Self {
            name,
            version: None,
            hold: None,
            pin: None,
            priority: None,
        }
    }

    fn is_bare(&self) -> bool {
        *self == Self::new(self.name.clone())
    }

    /// Finds what apt would not take.
    pub(super) fn check(&self) -> Result<(), String> {
        let Some(pin) = &self.pin else {
            return match self.priority {
                Some(_) => Err("`priority` is that of a pin; give `pin`, too".to_owned()),
                None => Ok(()),
            };
        };
        let (word, rest) = pin.split_once(' ').unwrap_or((pin, ""));
        if !["version", "release", "origin"].contains(&word)
            || rest.trim().is_empty()
            || pin.chars().any(char::is_control)
        {
            return Err(format!(
                "{pin:?} is no pin; write `version V`, `release n=CODENAME` or `origin HOST` (apt_preferences(5))"
            ));
        }
        if self.priority == Some(0) {
            return Err("apt knows no priority 0; give another number".to_owned());
        }
        Ok(())
    }

    /// Gives what the file of preferences of a package holds.
    pub(super) fn preferences(&self) -> Option<String> {
        let priority = self.priority.unwrap_or(PREFERRED);
        let (name, pin) = (&self.name, self.pin.as_ref()?);
        Some(format!(
            "Package: {name}\nPin: {pin}\nPin-Priority: {priority}\n"
        ))
    }
}

impl Names {
    /// Gives names, each with whether it is to be held.
    pub(crate) fn held(names: impl IntoIterator<Item = (PackageName, Option<bool>)>) -> Self {
        let mut held = Self::default();
        for (name, hold) in names {
            if hold.is_some() {
                let terms = Terms {
                    hold,
                    ..Terms::new(name.clone())
                };
                held.terms.insert(name.clone(), terms);
            }
            held.all.insert(name);
        }
        held
    }

    /// Lets packages go that are not among the names: what is to be replaced must not be held.
    pub(crate) fn letting_go(mut self, names: impl IntoIterator<Item = PackageName>) -> Self {
        for name in names {
            let terms = Terms {
                hold: Some(false),
                ..Terms::new(name.clone())
            };
            self.terms.insert(name, terms);
        }
        self
    }

    /// Takes over other names. Gives back `false`, and takes over nothing, where of one of them something else is said.
    pub(super) fn merge(&mut self, other: &Self) -> bool {
        if self.differs(other).is_some() {
            return false;
        }
        self.all.extend(other.all.iter().cloned());
        let terms = other.terms.iter();
        self.terms
            .extend(terms.map(|(name, terms)| (name.clone(), terms.clone())));
        true
    }

    /// Finds a package of which the two say something else.
    pub(crate) fn differs(&self, other: &Self) -> Option<&PackageName> {
        let mut both = self.terms.iter();
        let differing =
            both.find(|(name, terms)| other.terms.get(*name).is_some_and(|it| it != *terms));
        differing.map(|(name, _)| name)
    }

    /// Gives what is said of packages besides their names.
    pub(super) const fn terms(&self) -> &BTreeMap<PackageName, Terms> {
        &self.terms
    }

    /// Gives one name with what must be undone before the package is gone: its hold and its pin.
    pub(crate) fn leaving(&self, name: &PackageName) -> Self {
        let terms = self.terms.get(name).map(|terms| Terms {
            hold: terms.hold.filter(|held| *held).map(|_| false),
            version: None,
            ..terms.clone()
        });
        let terms = terms.filter(|terms| !terms.is_bare());
        Self {
            all: [name.clone()].into(),
            terms: terms
                .map(|terms| (name.clone(), terms))
                .into_iter()
                .collect(),
        }
    }
}

impl Deref for Names {
    type Target = BTreeSet<PackageName>;

    fn deref(&self) -> &BTreeSet<PackageName> {
        &self.all
    }
}

impl<'n> IntoIterator for &'n Names {
    type Item = &'n PackageName;
    type IntoIter = std::collections::btree_set::Iter<'n, PackageName>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

impl FromIterator<PackageName> for Names {
    fn from_iter<I: IntoIterator<Item = PackageName>>(names: I) -> Self {
        Self {
            all: names.into_iter().collect(),
            terms: BTreeMap::new(),
        }
    }
}

/// A package as it is written.
struct Item(Terms);

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Item;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of a package, or a mapping with `name`")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Item, E> {
                let name = PackageName::new(name).map_err(E::custom)?;
                Ok(Item(Terms::new(name)))
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Item, A::Error> {
                let terms = Terms::deserialize(MapAccessDeserializer::new(fields))?;
                let wrong =
                    |problem| A::Error::custom(format!("package {}: {problem}", terms.name));
                terms.check().map_err(wrong)?;
                Ok(Item(terms))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut names = Self::default();
        for Item(terms) in Vec::<Item>::deserialize(deserializer)? {
            let name = terms.name.clone();
            if !terms.is_bare() {
                let same = names.terms.insert(name.clone(), terms);
                if same.is_some() {
                    return Err(D::Error::custom(format!(
                        "package {name} is described twice"
                    )));
                }
            }
            names.all.insert(name);
        }
        Ok(names)
    }
}

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Written<'n> {
            Name(&'n PackageName),
            Described(&'n Terms),
        }
        serializer.collect_seq(self.all.iter().map(|name| match self.terms.get(name) {
            Some(terms) => Written::Described(terms),
            None => Written::Name(name),
        }))
    }
}

impl JsonSchema for Names {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Packages".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<PackageName>();
        let described = generator.subschema_for::<Terms>();
        json_schema!({ "type": "array", "items": { "anyOf": [name, described] } })
    }

    fn inline_schema() -> bool {
        true
    }
}
