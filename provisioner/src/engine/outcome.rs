//! What became of each host: the data that every report is made from.

use std::time::{Duration, Instant};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use tasks::leaving::Left;
use tasks::plan::rollout::NotBegun;
use tasks::plan::{Action, HostPlan, Item, Lockout, Planned, Reason, Remedy};
use tasks::step::Step;
use tasks::value::HostPath;

use crate::ssh::SshError;

/// What became of one host in one run.
#[derive(Debug, Clone)]
pub struct HostOutcome {
    /// The host's name.
    pub host: String,
    /// What would change, or changed.
    pub changes: Vec<ChangeOutcome>,
    /// What waits for a later phase.
    pub deferred: Vec<Waiting>,
    /// What cannot be told before something else is applied; only in previews.
    pub unknown: Vec<Waiting>,
    /// Handlers that ran, would run, or were left by an earlier run.
    pub handlers: Vec<String>,
    /// How many resources are as they should be.
    pub unchanged: usize,
    /// Resources that cannot be made as they should be, while everything else can.
    pub refused: Vec<Failure>,
    /// Handlers that an earlier run left and that nothing names any more: they are not run.
    pub dropped: Vec<String>,
    /// What is noticed about the host and is nobody's resource, each with what to do about it.
    pub notes: Vec<String>,
    /// Roles and domains that have left the host, and what becomes of what they had.
    pub left: Vec<Left>,
    /// Why the host failed, if it did.
    pub failed: Option<Failure>,
    /// Whether anything was begun that changes the host, even if nobody knows what came of it.
    pub touched: bool,
    /// How often a script was sent and its answer awaited.
    pub round_trips: u32,
    /// How long each step took, in their order; what is short and alike is not among them.
    pub took: Vec<Took>,
    /// How long it took.
    pub elapsed: Duration,
}

/// How long a step took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Took {
    /// The resource or handler, or what else was done.
    pub what: String,
    /// How long that took.
    #[serde(serialize_with = "as_millis", rename = "elapsed_ms")]
    pub elapsed: Duration,
}

fn as_millis<S: Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(crate::report::json::millis(*elapsed))
}

/// One change, as it is shown and reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeOutcome {
    /// Kind of the resource.
    pub resource: String,
    /// What tells it from others of its kind.
    pub id: String,
    /// The role that declares it.
    pub role: String,
    /// What kind of change.
    pub action: Action,
    /// Why, in words.
    pub reason: String,
    /// Why, as programs know it.
    pub reasons: Vec<Reason>,
    /// What it touches that prov may not get in again without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guarded: Option<Lockout>,
    /// The paths that it writes.
    pub paths: Vec<HostPath>,
    /// What follows the resource's name.
    pub detail: String,
    /// Unified diff, secrets masked.
    pub diff: String,
}

/// Something that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Kind of the resource.
    pub resource: String,
    /// What tells it from others of its kind.
    pub id: String,
    /// What it waits for, in words.
    pub reason: String,
    /// What it waits for, as programs know it.
    pub code: &'static str,
}

/// What became of a host, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing to do, nothing done.
    UpToDate,
    /// Something would change, or did.
    Changed,
    /// Something went wrong.
    Failed,
    /// The host was never reached.
    Unreachable,
}

/// Why a host failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Whether the host was never reached.
    pub unreachable: bool,
    /// The resource or handler that failed, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// What happened.
    pub cause: String,
    /// What the host answered.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// What to do about it.
    #[serde(flatten, serialize_with = "remedy")]
    pub remedy: Box<Remedy>,
}

/// Gives a remedy to people as `hint`, and to programs as `remedy`.
fn remedy<S: Serializer>(remedy: &Remedy, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry("hint", &remedy.to_string())?;
    map.serialize_entry("remedy", remedy.code())?;
    map.end()
}

impl Failure {
    /// Describes a failure that is not about one resource.
    pub fn new(cause: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        Self {
            unreachable: false,
            resource: None,
            cause: cause.into(),
            output: String::new(),
            remedy: Box::new(remedy.into()),
        }
    }

    /// Describes a defect of prov.
    pub fn internal(defect: &impl std::fmt::Display) -> Self {
        Self::new(defect.to_string(), Remedy::ReportDefect)
    }

    /// Names the resource or handler.
    #[must_use]
    pub fn of(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Corrects the remedy where the same command would be refused, because a saved plan is applied once.
    pub fn needs_new_plan(&mut self) {
        *self.remedy = self.remedy.as_ref().clone().with_new_plan();
    }

    /// Adds what the host answered.
    #[must_use]
    pub fn output(mut self, output: &str) -> Self {
        output.trim_end().clone_into(&mut self.output);
        self
    }
}

impl From<SshError> for Failure {
    fn from(error: SshError) -> Self {
        Self {
            unreachable: error.is_unreachable(),
            ..Self::new(error.to_string(), error.remedy())
        }
    }
}

impl HostOutcome {
    /// Begins the record of a host.
    #[must_use]
    pub fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            changes: Vec::new(),
            deferred: Vec::new(),
            unknown: Vec::new(),
            handlers: Vec::new(),
            unchanged: 0,
            refused: Vec::new(),
            dropped: Vec::new(),
            notes: Vec::new(),
            left: Vec::new(),
            failed: None,
            touched: false,
            round_trips: 0,
            took: Vec::new(),
            elapsed: Duration::ZERO,
        }
    }

    /// Notes that this was done since then.
    pub fn took(&mut self, what: impl Into<String>, since: Instant) {
        self.took.push(Took {
            what: what.into(),
            elapsed: since.elapsed(),
        });
    }

    /// Gives the host's state in a word.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.failed {
            Some(failure) if failure.unreachable => Status::Unreachable,
            Some(_) => Status::Failed,
            None if self.changes.is_empty()
                && self.unknown.is_empty()
                && self.handlers.is_empty() =>
            {
                Status::UpToDate
            }
            None => Status::Changed,
        }
    }

    /// Makes the host fail by what was refused, unless it failed by something else.
    pub fn settle(&mut self) {
        let mut refused = std::mem::take(&mut self.refused).into_iter();
        let Some(mut first) = refused.next() else {
            return;
        };
        for other in refused {
            let name = other.resource.unwrap_or_default();
            first.cause = format!("{}; {name}: {}", first.cause, other.cause);
        }
        self.failed.get_or_insert(first);
    }

    /// Takes out changes that were taken back: what is again as it was has not changed.
    pub fn take_back(&mut self, files: &[String]) {
        let is_back = |path: &HostPath| files.iter().any(|file| file == path.as_str());
        let taken_back = |change: &ChangeOutcome| change.paths.iter().any(is_back);
        self.changes.retain(|change| !taken_back(change));
    }

    /// Takes over everything that a preview found.
    pub fn take(&mut self, plan: &HostPlan) {
        for item in &plan.items {
            self.take_item(item);
        }
    }

    /// Takes over what was planned for one resource.
    pub fn take_item(&mut self, item: &Item) {
        let waiting = |reason: String, code| Waiting {
            resource: item.resource.to_owned(),
            id: item.id.clone(),
            reason,
            code,
        };
        match &item.outcome {
            Planned::Unchanged => self.unchanged += 1,
            Planned::Change(change) => self.changes.push(ChangeOutcome {
                resource: item.resource.to_owned(),
                id: item.id.clone(),
                role: item.role.clone(),
                action: change.action,
                reason: change.reason(),
                reasons: change.reasons.clone(),
                guarded: item.lockout,
                paths: change
                    .steps
                    .iter()
                    .filter_map(Step::path)
                    .cloned()
                    .collect(),
                detail: change.detail.clone(),
                diff: change.diff.to_string(),
            }),
            Planned::Unknown(awaited) => {
                self.unknown
                    .push(waiting(awaited.to_string(), awaited.code()));
            }
            Planned::Deferred(deferral) => {
                self.deferred
                    .push(waiting(deferral.to_string(), deferral.code()));
            }
            Planned::Refused { cause, hint, diff } => {
                let failure = Failure::new(cause.clone(), hint.clone())
                    .of(item.name())
                    .output(&diff.to_string());
                self.refused.push(failure);
            }
            Planned::Impossible { cause, hint } => {
                let failure = Failure::new(cause.clone(), hint.clone()).of(item.name());
                self.failed.get_or_insert(failure);
            }
        }
    }
}

/// What a whole run came to.
#[derive(Debug, Clone)]
pub struct RunOutcome {
    /// Every host, in the order of the estate.
    pub hosts: Vec<HostOutcome>,
    /// How long it took.
    pub elapsed: Duration,
    /// Whether a person has seen each host's results as they came.
    pub shown: bool,
    /// Domains of these hosts that the run was not about.
    pub other_domains: Vec<String>,
    /// Hosts that were not begun, and why.
    pub not_begun: Vec<(String, NotBegun)>,
}

/// Counts over all hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Hosts looked at.
    pub hosts: usize,
    /// Hosts with changes.
    pub changed: usize,
    /// Hosts without.
    pub up_to_date: usize,
    /// Hosts that failed.
    pub failed: usize,
    /// Hosts that were never reached.
    pub unreachable: usize,
    /// Changes that add something.
    pub add: usize,
    /// Changes that alter something, or run a command.
    pub change: usize,
    /// Changes that remove something.
    pub remove: usize,
    /// Resources that wait for a later phase.
    pub deferred: usize,
    /// Resources of which nothing can be told yet.
    pub unknown: usize,
}

impl RunOutcome {
    /// Counts.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary {
            hosts: self.hosts.len(),
            ..Summary::default()
        };
        for host in &self.hosts {
            match host.status() {
                Status::UpToDate => summary.up_to_date += 1,
                Status::Changed => summary.changed += 1,
                Status::Failed => summary.failed += 1,
                Status::Unreachable => summary.unreachable += 1,
            }
            for change in &host.changes {
                match change.action {
                    Action::Create => summary.add += 1,
                    Action::Update | Action::Run => summary.change += 1,
                    Action::Remove => summary.remove += 1,
                }
            }
            summary.deferred += host.deferred.len();
            summary.unknown += host.unknown.len();
        }
        summary
    }
}
