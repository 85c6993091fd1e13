//! Private keys for TLS.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::directory::{attribute_change, attribute_reasons, attribute_text};
use super::{AtEnd, File, Former, Manage, Resource};
use crate::plan::{Action, Change, Planned, Reason};
use crate::probe::{
    Attributes, Becomes, Effect, Facts, FileFact, NotAsked, Owner, PathFact, PathQuestion,
    PublicKeyFact, Query, Read,
};
use crate::step::{Run, Step};
use crate::value::{AccountName, HostPath, Mode};

/// Manages a private key for TLS (P-256, PKCS #8 as PEM), made on the host: it never leaves it.
///
/// Made once with `openssl genpkey`; a key that is there is kept, whatever its kind, as long as `openssl` can read it.
/// Needs the package openssl.
///
/// ```yaml
/// tls_key: {path: /etc/ssl/private/www.home.com.pem, group: ssl-cert, mode: "0640"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsKey {
    /// The file.
    pub path: HostPath,
    /// Owner.
    #[serde(default = "AccountName::root")]
    pub owner: AccountName,
    /// Group.
    #[serde(default = "AccountName::root")]
    pub group: AccountName,
    /// Permission bits.
    #[serde(default = "private")]
    pub mode: Mode,
}

/// Says what becomes of what needs a private key on a host that cannot read it.
pub(super) fn unread(key: &HostPath, facts: &Facts) -> Planned {
    if !facts.coming.is_empty() {
        return super::packages::waiting(facts);
    }
    Planned::Impossible {
        cause: format!("the host has no openssl to read {key} with"),
        hint: "declare the package openssl before it".to_owned(),
    }
}

const fn private() -> Mode {
    Mode::new(0o600)
}

impl TlsKey {
    /// Describes a key that only root can read.
    #[must_use]
    pub fn new(path: HostPath) -> Self {
        Self {
            path,
            owner: AccountName::root(),
            group: AccountName::root(),
            mode: private(),
        }
    }

    fn attributes(&self) -> Attributes {
        Attributes::new(self.owner.to_string(), self.group.to_string(), self.mode)
    }

    fn create(&self) -> Planned {
        let new = beside(&self.path);
        let wanted = self.attributes();
        // openssl makes private keys readable by their owner only; it has its mode before it has its name.
        let make = Run::new([
            "openssl",
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-out",
            new.as_str(),
        ]);
        let place = Step::SetAttributes {
            path: new.clone(),
            attributes: wanted.clone(),
        };
        let rename = renamed(&new, &self.path, &wanted).effect(Effect::PublicKey(Becomes(
            self.path.clone(),
            PublicKeyFact::Coming,
        )));
        let steps = vec![make.into(), place, rename.into()];
        Change::new(Action::Create, vec![Reason::Missing], steps)
            .detail(attribute_text(&wanted))
            .into()
    }
}

/// Gives the path of what is being made, in the folder where it will be.
pub(super) fn beside(path: &HostPath) -> HostPath {
    path.with_suffix(".prov-new")
}

/// Gives a new file its name; what it holds is only known to the host.
pub(super) fn renamed(new: &HostPath, path: &HostPath, attributes: &Attributes) -> Run {
    let fact = PathFact::File(FileFact {
        sha256: None,
        body: None,
        ..FileFact::of(attributes.clone(), b"")
    });
    Run::new(["mv", "-fT", "--", new.as_str(), path.as_str()])
        .effect(Effect::Path(Becomes(path.clone(), fact)))
}

impl Manage for TlsKey {
    fn kind(&self) -> &'static str {
        "tls_key"
    }

    fn id(&self) -> String {
        self.path.to_string()
    }

    fn place(&self) -> Option<(&HostPath, AtEnd)> {
        Some((&self.path, AtEnd::RootsOnly))
    }

    fn probe(&self) -> Vec<Query> {
        [
            Query::Path(PathQuestion {
                path: self.path.clone(),
                read: Read::Attributes,
            }),
            Query::Path(PathQuestion {
                path: self.path.parent(),
                read: Read::Attributes,
            }),
            Query::PublicKey(self.path.clone()),
        ]
        .into_iter()
        .chain(Owner::queries(self.owner.as_str(), self.group.as_str()))
        .collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let have = match facts.path(&self.path)? {
            PathFact::Missing => {
                let problem = super::file::missing_parent(&self.path, facts)?;
                return Ok(problem.unwrap_or_else(|| self.create()));
            }
            PathFact::File(file) => file.attributes(),
            PathFact::Directory(_) | PathFact::Link { .. } | PathFact::Other => {
                return Ok(Planned::Impossible {
                    cause: format!("{} is not a plain file", self.path),
                    hint: format!("look at {} on the host and move it away", self.path),
                });
            }
        };
        match facts.public_key(&self.path)? {
            PublicKeyFact::There(_) | PublicKeyFact::Coming => {}
            PublicKeyFact::Unread => return Ok(unread(&self.path, facts)),
            PublicKeyFact::Unusable => {
                return Ok(Planned::Impossible {
                    cause: format!("{} holds no private key that openssl can read", self.path),
                    hint: format!(
                        "move {} away on the host, then a new key is made; certificates for the old one are issued anew",
                        self.path
                    ),
                });
            }
        }
        let wanted = self.attributes();
        let reasons = attribute_reasons(&have, &wanted);
        if reasons.is_empty() {
            return Ok(Planned::Unchanged);
        }
        let step = Step::SetAttributes {
            path: self.path.clone(),
            attributes: wanted.clone(),
        };
        Ok(Change::new(Action::Update, reasons, vec![step])
            .detail(attribute_change(&have, &wanted))
            .into())
    }

    fn former(&self, before: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        let (path, new) = (&self.path, beside(&self.path));
        let former = match before.path(path)? {
            PathFact::Missing => Former::stays(format!("the key {path} stays")),
            PathFact::File(_)
            | PathFact::Directory(_)
            | PathFact::Link { .. }
            | PathFact::Other => Former::files(),
        };
        Ok(former.covering([new]))
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::File(File::gone(self.path.clone())))
    }
}
