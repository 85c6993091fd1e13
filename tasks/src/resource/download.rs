//! Files that are fetched from the web.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AtEnd, File, Former, Manage, Resource};
use crate::plan::{Action, Change, Planned, Reason, Remedy};
use crate::probe::{Attributes, Facts, NotAsked, Owner, PathFact, PathQuestion, Query, Read};
use crate::step::Step;
use crate::value::{HostPath, HttpUrl, Mode};

/// Digits of a SHA-256 digest.
const DIGITS: usize = 64;

/// Manages a file that the host fetches from the web: its bytes, by their digest, and owner, group and mode.
///
/// Reads the file's attributes and digest, never its bytes. It is fetched only if the digest is another, by apt's own
/// helper (`/usr/lib/apt/apt-helper download-file`), which every Debian host has, which knows apt's proxy, and which
/// refuses what has another digest; only what was checked takes the place of what was there, atomically. A symbolic
/// link in its place is replaced by the file; a directory in its place is an error.
///
/// ```yaml
/// download:
///   url: https://example.org/tool-1.0.tar.gz
///   path: /usr/local/src/tool.tar.gz
///   sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Download {
    /// Address of the file.
    pub url: HttpUrl,
    /// Absolute path that it gets.
    pub path: HostPath,
    /// Digest of its bytes (SHA-256, 64 hexadecimal digits in lower case).
    pub sha256: String,
    /// Owner.
    #[serde(default = "root")]
    pub owner: String,
    /// Group.
    #[serde(default = "root")]
    pub group: String,
    /// Permission bits.
    #[serde(default = "readable")]
    pub mode: Mode,
}

super::checked!(Download);

fn root() -> String {
    "root".to_owned()
}

fn readable() -> Mode {
    Mode::new(0o644)
}

impl Download {
    /// Describes a file owned by root and readable by all.
    pub fn new(url: HttpUrl, path: HostPath, sha256: impl Into<String>) -> Self {
        Self {
            url,
            path,
            sha256: sha256.into(),
            owner: root(),
            group: root(),
            mode: readable(),
        }
    }

    fn attributes(&self) -> Attributes {
        Attributes::new(self.owner.clone(), self.group.clone(), self.mode)
    }

    fn fetch(&self, action: Action, reasons: Vec<Reason>) -> Planned {
        let step = Step::Fetch {
            path: self.path.clone(),
            url: self.url.clone(),
            sha256: self.sha256.clone(),
            attributes: self.attributes(),
        };
        let attributes = super::directory::attribute_text(&self.attributes());
        Change::new(action, reasons, vec![step])
            .detail(format!("{attributes}   {}", self.url))
            .into()
    }
}

impl Manage for Download {
    fn kind(&self) -> &'static str {
        "download"
    }

    fn id(&self) -> String {
        self.path.to_string()
    }

    fn place(&self) -> Option<(&HostPath, AtEnd)> {
        Some((&self.path, AtEnd::Replaced))
    }

    fn check(&self) -> Result<(), String> {
        if !is_digest(&self.sha256) {
            return Err(format!(
                "download {}: `sha256` is no digest; write its {DIGITS} hexadecimal digits in lower case",
                self.path
            ));
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        let path = |path: HostPath, read| Query::Path(PathQuestion { path, read });
        [
            path(self.path.clone(), Read::Digest),
            path(self.path.parent(), Read::Attributes),
        ]
        .into_iter()
        .chain(Owner::queries(&self.owner, &self.group))
        .collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let wanted = self.attributes();
        Ok(match facts.path(&self.path)? {
            PathFact::Missing => match super::file::missing_parent(&self.path, facts)? {
                Some(problem) => problem,
                None => self.fetch(Action::Create, vec![Reason::Missing]),
            },
            PathFact::Link { .. } => self.fetch(Action::Create, vec![Reason::KindDiffers]),
            fact @ (PathFact::Directory(_) | PathFact::Other) => {
                super::file::in_the_way(&self.path, fact)
            }
            PathFact::File(have) => {
                let have_attributes = have.attributes();
                let mut reasons = super::directory::attribute_reasons(&have_attributes, &wanted);
                if have.sha256.as_deref() != Some(&self.sha256) {
                    reasons.insert(0, Reason::ContentDiffers);
                    return Ok(self.fetch(Action::Update, reasons));
                }
                if reasons.is_empty() {
                    return Ok(Planned::Unchanged);
                }
                let step = Step::SetAttributes {
                    path: self.path.clone(),
                    attributes: wanted.clone(),
                };
                Change::new(Action::Update, reasons, vec![step])
                    .detail(super::directory::attribute_change(
                        &have_attributes,
                        &wanted,
                    ))
                    .into()
            }
        })
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::files())
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::File(File::gone(self.path.clone())))
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        Some(remedy(output))
    }
}

/// Tells whether a text is a digest (SHA-256) as it is compared.
pub(super) fn is_digest(text: &str) -> bool {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.len() == DIGITS && text.bytes().all(digit)
}

/// Reads what apt's helper says (apt-transport-https(1)).
pub(super) fn remedy(output: &str) -> Remedy {
    let says = |words: &[&str]| words.iter().any(|words| output.contains(words));
    if says(&["Hash Sum mismatch"]) {
        "the address has a file with another digest: see whether it has a new version, and take `sha256` from whoever publishes it".into()
    } else if says(&["401 ", "403 "]) {
        "the server asks for an account: put it into a file in /etc/apt/auth.conf.d on the host (apt_auth.conf(5))".into()
    } else if says(&[
        "Certificate verification failed",
        "certificate is NOT trusted",
        "Could not handshake",
    ]) {
        "the server's certificate is not accepted: see that the host has ca-certificates, the right time, and the server's authority".into()
    } else if says(&["Redirection from"]) {
        "the server leads from https to http, which is not followed: use the address that it leads to".into()
    } else {
        Remedy::Download
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_helper_says_leads_to_what_helps() {
        for (output, words) in [
            ("E: Failed to fetch x  Hash Sum mismatch", "another digest"),
            ("E: Failed to fetch x  401  Unauthorized", "auth.conf.d"),
            (
                "Certificate verification failed: The certificate is NOT trusted.",
                "ca-certificates",
            ),
            (
                "Redirection from https to 'http://x' is forbidden",
                "https to http",
            ),
            ("404  Not Found", "check the address"),
        ] {
            let remedy = remedy(output).to_string();
            assert!(remedy.contains(words), "{output}: {remedy}");
        }
    }
}
