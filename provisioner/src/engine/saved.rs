//! Saved plans: what was previewed, bound to the state the hosts were in.
//!
//! A plan file holds what a person reads, and digests under a key of its own: of each resource's facts before, and
//! of the steps that follow from the estate. It holds no secret. It is applied once.

use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tasks::plan::HostPlan;
use tasks::probe::{Facts, QuerySet};
use tasks::resource::{Declared, Handler};

use super::job::Basis;
use super::outcome::Failure;
use crate::replacing;

/// The form of the file; a later one cannot be applied by this prov.
const VERSION: u32 = 3;

/// A saved plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedPlan {
    version: u32,
    /// Name of the estate.
    pub estate: String,
    /// When it was made (RFC 3339).
    pub made: String,
    /// When it was applied; `None` while it was not.
    pub applied: Option<String>,
    key: String,
    /// What it is about.
    pub scope: SavedScope,
    /// The hosts, in the order of the estate.
    pub hosts: Vec<SavedHost>,
}

/// What a plan is about, so that the same can be decided about again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedScope {
    /// Whether what roles declare belongs to it.
    pub roles: bool,
    /// The domains that belong to it.
    pub domains: Vec<String>,
    /// The parts of these domains, by their tags; all where none is named.
    pub tags: Vec<String>,
    /// The filter of web sites.
    pub hostname_filter: Option<String>,
    /// Whether the domains are taken away.
    pub removal: bool,
    /// The resources of which it was said twice that they are meant.
    #[serde(default)]
    pub insisted: Vec<String>,
}

impl SavedScope {
    /// Describes what roles declare.
    #[must_use]
    pub fn roles() -> Self {
        Self {
            roles: true,
            ..Self::default()
        }
    }
}

/// What was saved of one host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedHost {
    /// The host's name.
    pub host: String,
    key: String,
    resources: Vec<SavedResource>,
    steps: String,
    /// The host's part of the report, as it was shown.
    pub shown: serde_json::Value,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SavedResource {
    name: String,
    before: String,
}

impl SavedPlan {
    /// Begins a plan with a new key.
    #[must_use]
    pub fn new(estate: &str, made: String, key: String, scope: SavedScope) -> Self {
        Self {
            version: VERSION,
            estate: estate.to_owned(),
            made,
            applied: None,
            key,
            scope,
            hosts: Vec::new(),
        }
    }

    /// Adds a host.
    pub fn add(
        &mut self,
        host: &str,
        basis: &Basis,
        shown: serde_json::Value,
    ) -> Result<(), Failure> {
        let key = self.key.as_bytes();
        let saved = SavedHost {
            host: host.to_owned(),
            key: self.key.clone(),
            resources: basis
                .resources
                .iter()
                .map(|declared| {
                    Ok(SavedResource {
                        name: declared.name(),
                        before: before(declared, &basis.facts, key)?,
                    })
                })
                .collect::<Result<_, Failure>>()?,
            steps: digest(&basis.plan, &basis.handlers, key)?,
            shown,
        };
        self.hosts.push(saved);
        Ok(())
    }

    /// Tells whether these bytes are, or begin, a plan file.
    pub(crate) fn is_one(bytes: &[u8]) -> bool {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let mut begins = |text: &str| {
            let line = lines.next();
            line.is_some_and(|line| line.trim_ascii_start().starts_with(text.as_bytes()))
        };
        begins("{") && begins("\"version\": ") && begins("\"estate\": ")
    }

    /// Tells whether a file begins as a plan does, without reading all of it.
    pub(crate) fn begins(path: &Path) -> bool {
        let mut start = Vec::new();
        let file = std::fs::File::open(path);
        let read = file.and_then(|file| file.take(1024).read_to_end(&mut start));
        read.is_ok() && Self::is_one(&start)
    }

    /// Reads a plan file.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(
                format!("cannot read the plan {shown}: {error}"),
                "make one with `prov diff --out FILE`",
            )
        })?;
        Self::parse(&text, &shown.to_string())
    }

    fn parse(text: &str, shown: &str) -> Result<Self, Failure> {
        let plan: Self = serde_json::from_str(text).map_err(|error| {
            Failure::new(
                format!("{shown} is not a plan: {error}"),
                "make one with `prov diff --out FILE`",
            )
        })?;
        if plan.version != VERSION {
            return Err(Failure::new(
                format!(
                    "{shown} was saved by another version of prov (form {})",
                    plan.version
                ),
                "make a new one with `prov diff --out FILE`",
            ));
        }
        Ok(plan)
    }

    /// Writes the plan file, readable by its owner only, all of it or nothing.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let failure = |error: std::io::Error| {
            Failure::new(
                format!("cannot write the plan {}: {error}", path.display()),
                "choose another file with `--out`",
            )
        };
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| failure(std::io::Error::other(error)))?;
        replacing::put(path, &text, 0o600).map_err(failure)
    }

    /// Claims the plan for the one time that it is applied.
    pub fn claim(&mut self, path: &Path, now: String) -> Result<(), Failure> {
        // Two runs that start at once must not both find the plan unused.
        let lock = path.with_extension("applying");
        let claimed = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&lock);
        if let Err(error) = claimed {
            return Err(if error.kind() == std::io::ErrorKind::AlreadyExists {
                Failure::new(
                    format!(
                        "the plan {} is being applied by another run",
                        path.display()
                    ),
                    format!("wait for it; if there is none, remove {}", lock.display()),
                )
            } else {
                Failure::new(
                    format!("cannot write {}: {error}", lock.display()),
                    "put the plan into a folder that you may write to: it is noted there that it was applied",
                )
            });
        }
        let result = self.use_up(path, now);
        // What matters is written in the plan itself by now.
        let _ = std::fs::remove_file(&lock);
        result
    }

    /// Gives the plan back after a run that began nothing on any host.
    pub fn withdraw(&mut self, path: &Path) -> Result<(), Failure> {
        self.applied = None;
        self.write(path)
    }

    fn use_up(&mut self, path: &Path, now: String) -> Result<(), Failure> {
        if let Some(when) = Self::read(path)?.applied {
            return Err(Failure::new(
                format!("the plan {} was applied already, at {when}", path.display()),
                "a plan is applied once; make a new one with `prov diff --out FILE`",
            ));
        }
        self.applied = Some(now);
        self.write(path)
    }
}

impl SavedHost {
    /// Refuses a host that is no longer as it was, or for which the estate now wants something else.
    pub fn compare(
        &self,
        resources: &[Declared],
        plan: &HostPlan,
        handlers: &[Handler],
        facts: &Facts,
    ) -> Result<(), Failure> {
        let key = self.key.as_bytes();
        let again = "look at what changed, then make a new plan in the same way as this one (`prov diff … --out FILE`)";
        let names: Vec<_> = resources.iter().map(Declared::name).collect();
        let saved_names: Vec<_> = self.resources.iter().map(|saved| &saved.name).collect();
        if saved_names != names.iter().collect::<Vec<_>>() {
            return Err(Failure::new(
                "the estate declares other resources than when the plan was made",
                again,
            ));
        }
        let mut moved = Vec::new();
        for (declared, saved) in resources.iter().zip(&self.resources) {
            if before(declared, facts, key)? != saved.before {
                moved.push(saved.name.as_str());
            }
        }
        if !moved.is_empty() {
            return Err(Failure::new(
                format!(
                    "the host is no longer as it was when the plan was made; changed since: {}",
                    moved.join(", ")
                ),
                again,
            ));
        }
        if digest(plan, handlers, key)? != self.steps {
            return Err(Failure::new(
                "the estate wants something else than when the plan was made",
                again,
            ));
        }
        Ok(())
    }
}

fn digest(plan: &HostPlan, handlers: &[Handler], key: &[u8]) -> Result<String, Failure> {
    let digest = plan.fingerprint(handlers, key);
    digest.map_err(|defect| Failure::internal(&defect))
}

fn before(declared: &Declared, facts: &Facts, key: &[u8]) -> Result<String, Failure> {
    let queries: QuerySet = declared.resource.manage().probe().into_iter().collect();
    let digest = facts.subset(&queries).fingerprint(key);
    digest.map_err(|defect| Failure::internal(&defect))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::chance::{self, Chance};

    /// Runs that `./check` has time for.
    const RUNS: u64 = 2_000;

    const PLAN: &str = r#"{
  "version": 3,
  "estate": "firm",
  "made": "2030-01-01T09:00:00Z",
  "applied": null,
  "key": "00ff",
  "scope": {"roles": true, "domains": ["home.com"], "tags": [], "hostname_filter": null, "removal": false},
  "hosts": [{"host": "web1", "key": "00ff", "resources": [{"name": "file /etc/motd", "before": "aa"}], "steps": "bb", "shown": {"changes": []}}]
}"#;

    /// What is put into plans.
    const PARTS: &[&str] = &[
        "",
        "\0",
        "\n",
        "{",
        "}",
        "[",
        "]",
        "\"",
        ",",
        ":",
        "\\",
        "\\u0000",
        "\\ud800",
        "null",
        "true",
        "-1",
        "1e999",
        "18446744073709551616",
        "3",
        "2",
        "00ff",
        "\u{202e}",
        "\"hosts\":",
        "\"steps\": \"cc\",",
        "\"version\": 3,",
        "[[[[[[[[[[[[[[[[",
        "{\"a\":{\"a\":",
        "/",
        "..",
    ];

    #[test]
    fn a_plan_that_somebody_has_edited_is_read_or_refused() {
        let (mut plans, mut refused) = (0_u64, 0_u64);
        for run in chance::runs(RUNS) {
            let text = Chance::of(run).mutated(PLAN, PARTS);
            chance::make(run, &[&text], || {
                match SavedPlan::parse(&text, "plan.json") {
                    Ok(plan) => {
                        assert_eq!(plan.version, VERSION);
                        // What is written again is what was read.
                        let again = serde_json::to_string(&plan).unwrap();
                        let again = SavedPlan::parse(&again, "plan.json").unwrap();
                        assert_eq!(
                            serde_json::to_value(&again).unwrap(),
                            serde_json::to_value(&plan).unwrap()
                        );
                        plans += 1;
                    }
                    Err(failure) => {
                        assert!(failure.cause.starts_with("plan.json "), "{failure:?}");
                        refused += 1;
                    }
                }
            });
        }
        chance::told("saved plans", chance::count(RUNS));
        assert!(
            plans > 0 && refused > 0,
            "{plans} were read, {refused} refused"
        );
    }

    #[test]
    fn a_plan_is_applied_once_and_one_that_cannot_be_claimed_is_not_left_locked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        let mut plan = SavedPlan::new("e", "now".to_owned(), "key".to_owned(), SavedScope::roles());
        // Somebody removed or emptied it since it was read.
        std::fs::write(&path, "").unwrap();
        assert!(plan.claim(&path, "later".to_owned()).is_err());
        plan.write(&path).unwrap();
        plan.claim(&path, "later".to_owned()).unwrap();
        let again = plan.claim(&path, "even later".to_owned()).unwrap_err();
        assert!(
            again.cause.contains("applied already, at later"),
            "{again:?}"
        );
        plan.withdraw(&path).unwrap();
        assert_eq!(SavedPlan::read(&path).unwrap().applied, None);
        plan.claim(&path, "at last".to_owned()).unwrap();
        let none = folder.path().join("no/plan.json");
        let failure = plan.claim(&none, "now".to_owned()).unwrap_err();
        assert!(!failure.cause.contains("another run"), "{failure:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
