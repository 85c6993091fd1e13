//! Authorities that a host's programs trust.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{File, Former, Manage, Resource};
use crate::authority::Authority;
use crate::content::Content;
use crate::plan::Planned;
use crate::probe::{Facts, NotAsked, PathFact, Query};
use crate::value::HostPath;

/// Manages the file by which programs on a host trust the estate's authority for certificates (PEM, RFC 7468).
///
/// It holds the certificate of the authority that issues, and those that are trusted besides while one authority takes
/// another's place. A file that trusts an authority which the estate knows nothing of is not replaced: it is another
/// administrator's, see `prov authority`.
///
/// ```yaml
/// tls_authority: {path: /etc/exim4/authority.pem, authority: {certificate: …, key: …}}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsAuthority {
    /// The file; everybody may read it.
    pub path: HostPath,
    /// The estate's authority; in a role of an estate's own, the word `estate`.
    pub authority: Authority,
}

impl TlsAuthority {
    fn file(&self) -> File {
        File::new(self.path.clone(), Content::plain(self.authority.trust()))
    }
}

impl Manage for TlsAuthority {
    fn kind(&self) -> &'static str {
        "tls_authority"
    }

    fn id(&self) -> String {
        self.path.to_string()
    }

    fn secrets(&self) -> Vec<crate::Secret> {
        vec![self.authority.key.clone()]
    }

    fn probe(&self) -> Vec<Query> {
        self.file().probe()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        if let PathFact::File(file) = facts.path(&self.path)?
            && let Some(text) = file.body.as_ref().and_then(|body| body.text())
            && let Some(stranger) = self.authority.stranger(text)
        {
            let (cause, hint) = Authority::refusal(&self.path, &stranger);
            return Ok(Planned::Impossible { cause, hint });
        }
        self.file().plan(facts)
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::files())
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::File(File::gone(self.path.clone())))
    }
}
