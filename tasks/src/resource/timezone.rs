//! The time zone of a host.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{File, Former, Manage, Resource, Symlink};
use crate::content::Content;
use crate::plan::Planned;
use crate::probe::{Facts, NotAsked, PathFact, PathQuestion, Query, Read};
use crate::value::{HostPath, TimeZone};

/// Manages the time zone of the host: `/etc/localtime` (localtime(5)), and `/etc/timezone` where there is one.
///
/// The zone must be among those of the package `tzdata`, or of `tzdata-legacy` if it has one of the old names. Programs that run keep
/// the zone they have read: notify a restart of those that plan or log by it, such as cron.
///
/// ```yaml
/// timezone: {name: Europe/Berlin}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timezone {
    /// Name, for instance `Europe/Berlin` or `Etc/UTC`.
    pub name: TimeZone,
}

impl Timezone {
    fn zone(&self) -> HostPath {
        HostPath::time_zone(&self.name)
    }

    fn link(&self) -> Symlink {
        let mut link = Symlink::new(HostPath::known("/etc/localtime"), self.zone().as_str());
        // A copy of a zone's file holds nothing that its name does not say.
        link.force = true;
        link
    }

    fn named(&self) -> File {
        let text = Content::plain(format!("{}\n", self.name));
        File::new(HostPath::known("/etc/timezone"), text)
    }

    /// Gives what is to be said of a zone that the host does not have.
    fn unknown(&self, what: &str) -> Planned {
        Planned::Impossible {
            cause: format!("the host has no time zone {}: {what}", self.name),
            hint: "correct its name (`ls /usr/share/zoneinfo` on the host), or declare the package tzdata; old names such as US/Pacific are in tzdata-legacy".to_owned(),
        }
    }
}

impl Manage for Timezone {
    fn kind(&self) -> &'static str {
        "timezone"
    }

    /// A host has one.
    fn id(&self) -> String {
        "of the host".to_owned()
    }

    fn probe(&self) -> Vec<Query> {
        let mut queries = self.link().probe();
        queries.extend(self.named().probe());
        queries.push(Query::Path(PathQuestion {
            path: self.zone(),
            read: Read::Attributes,
        }));
        queries
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let zone = self.zone();
        match facts.path(&zone)? {
            PathFact::File(_) | PathFact::Link { .. } => {}
            PathFact::Missing if !facts.coming.is_empty() => {
                return Ok(super::packages::waiting(facts));
            }
            PathFact::Missing => return Ok(self.unknown(&format!("{zone} is not there"))),
            PathFact::Directory(_) => {
                return Ok(self.unknown(&format!("{zone} is a folder of zones")));
            }
            PathFact::Other => return Ok(self.unknown(&format!("{zone} is no file"))),
        }
        let (link, named) = (self.link(), self.named());
        // As timedatectl(1) writes it.
        let leads_there = matches!(facts.path(&link.path)?, PathFact::Link { target, .. } if *target == format!("..{zone}"));
        let mut parts = Vec::new();
        if !leads_there {
            parts.push(link.plan(facts)?);
        }
        if *facts.path(&named.path)? != PathFact::Missing {
            parts.push(named.plan(facts)?);
        }
        Ok(Planned::together(parts))
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::files())
    }

    fn absent(&self) -> Option<Resource> {
        None
    }
}
