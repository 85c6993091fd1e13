//! Certificates for TLS.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::directory::{attribute_change, attribute_reasons, attribute_text};
use super::tls_key::{beside, renamed};
use super::{AtEnd, File, Former, Manage, Resource};
use crate::authority::{Authority, Issued, MOST_COMMON_NAME, digest_of_key};
use crate::content::Content;
use crate::plan::{Action, Awaited, Change, Diff, Planned, Reason};
use crate::probe::{
    Attributes, Facts, FileFact, NotAsked, Owner, PathFact, PathQuestion, PublicKeyFact, Query,
    Read,
};
use crate::step::{Run, Step};
use crate::value::{AccountName, DomainName, HostPath, Mode};

/// Manages a certificate (X.509, PEM) for a private key that is on the host, see `tls_key`.
///
/// Issued by the estate's own authority, or signed with its own key where there is no `authority`. It is issued anew when
/// its names, its key or its authority are not the ones wanted, when it cannot be read, and 30 days before it ends; it is
/// valid for 397 days from the beginning of the day by the host's clock. The authority's key stays with prov: what is
/// signed is the public key, which prov reads from the host.
///
/// ```yaml
/// tls_certificate: {path: /etc/ssl/certs/www.home.com.pem, key: /etc/ssl/private/www.home.com.pem, names: [www.home.com]}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct TlsCertificate {
    /// The file.
    pub path: HostPath,
    /// The private key's file.
    pub key: HostPath,
    /// Names that it is for; at least one, unless there are addresses.
    #[serde(default)]
    pub names: Vec<DomainName>,
    /// Addresses that it is for. The first, or else the first name, is its common name, too: older programs know no addresses
    /// elsewhere.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// Who issues it; itself when not given. In a role of an estate's own, `estate` is the estate's authority.
    #[serde(default)]
    pub authority: Option<Authority>,
    /// Owner.
    #[serde(default = "AccountName::root")]
    pub owner: AccountName,
    /// Group.
    #[serde(default = "AccountName::root")]
    pub group: AccountName,
    /// Permission bits.
    #[serde(default = "public")]
    pub mode: Mode,
}

super::checked!(TlsCertificate);

const fn public() -> Mode {
    Mode::new(0o644)
}

impl TlsCertificate {
    /// Describes a certificate that everybody can read.
    #[must_use]
    pub fn new(
        path: HostPath,
        key: HostPath,
        names: Vec<DomainName>,
        authority: Option<Authority>,
    ) -> Self {
        Self {
            path,
            key,
            names,
            addresses: Vec::new(),
            authority,
            owner: AccountName::root(),
            group: AccountName::root(),
            mode: public(),
        }
    }

    /// Gives addresses and names as texts, that which is the common name first.
    fn all_names(&self) -> Vec<String> {
        let addresses = self.addresses.iter().map(ToString::to_string);
        let names = self.names.iter().map(ToString::to_string);
        addresses.chain(names).collect()
    }

    fn attributes(&self) -> Attributes {
        Attributes::new(self.owner.to_string(), self.group.to_string(), self.mode)
    }

    /// Says why a certificate does not do.
    fn reasons(&self, have: &Issued, key: &str, now: u64) -> Vec<Reason> {
        let mut names = self.all_names();
        names.sort();
        names.dedup();
        let found = [
            (have.names != names, Reason::NamesDiffer),
            (have.public_key != key, Reason::KeyDiffers),
            (
                !have.is_from(self.authority.as_ref()),
                Reason::IssuerDiffers,
            ),
            (have.is_old(now), Reason::Expires),
        ];
        let found = found.into_iter().filter(|(differs, _)| *differs);
        found.map(|(_, reason)| reason).collect()
    }

    /// Gives the change that puts a new certificate in place.
    fn issue(
        &self,
        reasons: Vec<Reason>,
        before: Option<&Issued>,
        public_key: &str,
        now: u64,
    ) -> Result<Planned, String> {
        let action = if reasons == [Reason::Missing] {
            Action::Create
        } else {
            Action::Update
        };
        let wanted = self.attributes();
        let before = before.map(Issued::described).unwrap_or_default();
        let (steps, diff) = if let Some(authority) = &self.authority {
            let pem = authority.issue(public_key, &self.all_names(), now)?;
            let after = Issued::read(&pem)?.described();
            let write = Step::WriteFile {
                path: self.path.clone(),
                content: Content::plain(pem),
                attributes: wanted.clone(),
                replaces: None,
            };
            (vec![write], Diff::plain(&before, &after))
        } else {
            let after = format!("names:  {}\nissuer: itself\n", self.all_names().join(", "));
            (self.sign_itself(&wanted), Diff::plain(&before, &after))
        };
        Ok(Change::new(action, reasons, steps)
            .detail(attribute_text(&wanted))
            .diff(diff)
            .into())
    }

    /// Only the host can sign with the host's own key.
    fn sign_itself(&self, wanted: &Attributes) -> Vec<Step> {
        let new = beside(&self.path);
        let addresses = self.addresses.iter().map(|address| format!("IP:{address}"));
        let names = self.names.iter().map(|name| format!("DNS:{name}"));
        let names: Vec<_> = addresses.chain(names).collect();
        let common = self.all_names().into_iter().next();
        let common = common.filter(|name| name.len() <= MOST_COMMON_NAME);
        let subject = common.map_or_else(|| "/".to_owned(), |name| format!("/CN={name}"));
        let extension = format!("subjectAltName=critical,{}", names.join(","));
        let make = Run::new([
            "openssl",
            "req",
            "-x509",
            "-new",
            "-batch",
            "-sha256",
            "-days",
            "397",
            "-subj",
            &subject,
            "-addext",
            &extension,
            "-key",
            self.key.as_str(),
            "-out",
            new.as_str(),
        ]);
        let place = Step::SetAttributes {
            path: new.clone(),
            attributes: wanted.clone(),
        };
        vec![make.into(), place, renamed(&new, &self.path, wanted).into()]
    }

    fn plan_file(&self, file: &FileFact, key: &str, now: u64) -> Result<Planned, String> {
        let (wanted, have) = (self.attributes(), file.attributes());
        // Without a body it is one that this plan has had the host sign.
        if let Some(body) = &file.body {
            let issued = body.text().map(Issued::read);
            let (reasons, before) = match &issued {
                Some(Ok(issued)) => {
                    if let Some(authority) = &self.authority
                        && authority.is_strangers(issued)
                    {
                        let (cause, hint) = Authority::refusal(&self.path, issued);
                        return Ok(Planned::Impossible { cause, hint });
                    }
                    let digest = digest_of_key(key)?;
                    (self.reasons(issued, &digest, now), Some(issued))
                }
                Some(Err(_)) | None => (vec![Reason::ContentDiffers], None),
            };
            if !reasons.is_empty() {
                return self.issue(reasons, before, key, now);
            }
        }
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
}

impl Manage for TlsCertificate {
    fn kind(&self) -> &'static str {
        "tls_certificate"
    }

    fn id(&self) -> String {
        self.path.to_string()
    }

    fn secrets(&self) -> Vec<crate::Secret> {
        let authority = self.authority.iter();
        authority.map(|authority| authority.key.clone()).collect()
    }

    fn place(&self) -> Option<(&HostPath, AtEnd)> {
        Some((&self.path, AtEnd::RootsOnly))
    }

    fn check(&self) -> Result<(), String> {
        if self.names.is_empty() && self.addresses.is_empty() {
            return Err(format!("tls_certificate {}: `names` is empty", self.path));
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        [
            Query::Path(PathQuestion {
                path: self.path.clone(),
                read: Read::Body,
            }),
            Query::Path(PathQuestion {
                path: self.path.parent(),
                read: Read::Attributes,
            }),
            Query::PublicKey(self.key.clone()),
            Query::Time(()),
        ]
        .into_iter()
        .chain(Owner::queries(self.owner.as_str(), self.group.as_str()))
        .collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let now = facts.now()?;
        let key = match facts.public_key(&self.key)? {
            PublicKeyFact::There(key) => key,
            PublicKeyFact::Coming => {
                return Ok(Planned::Unknown(Awaited::Key(self.key.clone())));
            }
            PublicKeyFact::Unread => return Ok(super::tls_key::unread(&self.key, facts)),
            PublicKeyFact::Unusable => {
                return Ok(Planned::Impossible {
                    cause: format!("{} holds no private key that openssl can read", self.key),
                    hint: "declare a tls_key before the certificate, and the package openssl"
                        .to_owned(),
                });
            }
        };
        let planned = match facts.path(&self.path)? {
            PathFact::Missing => match super::file::missing_parent(&self.path, facts)? {
                Some(problem) => return Ok(problem),
                None => self.issue(vec![Reason::Missing], None, key, now),
            },
            PathFact::File(file) => self.plan_file(file, key, now),
            PathFact::Directory(_) | PathFact::Link { .. } | PathFact::Other => {
                return Ok(Planned::Impossible {
                    cause: format!("{} is not a plain file", self.path),
                    hint: format!("look at {} on the host and move it away", self.path),
                });
            }
        };
        Ok(planned.unwrap_or_else(|cause| Planned::Impossible {
            cause: format!("no certificate can be issued: {cause}"),
            hint: "check the estate's authority and the host's private key".to_owned(),
        }))
    }

    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let (path, new) = (&self.path, beside(&self.path));
        // What the host signs itself has no bytes that anybody else knew.
        let signed = self.authority.is_none();
        let is_same = match (before.path(path)?, after.path(path)?) {
            (PathFact::File(was), PathFact::File(is)) => was.holds_as(is),
            (was, is) => was == is,
        };
        let former = if signed && !is_same {
            Former::stays(format!(
                "the certificate {path} stays as the host has signed it"
            ))
        } else {
            Former::files()
        };
        Ok(former.covering([new]))
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::File(File::gone(self.path.clone())))
    }
}
