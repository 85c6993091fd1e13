//! What is to be done on one host.

use tasks::leaving::{Leaving, Left, Memory};
use tasks::plan::{self, HostPlan, Phase};
use tasks::probe::{Facts, PathQuestion, Query, QuerySet, Read};
use tasks::release::Release;
use tasks::resource::{Declared, Handler, insist};
use tasks::value::HostPath;
use tasks::{Input, Secret};

use crate::ssh::Target;

/// What is to be done on one host.
#[derive(Debug, Clone)]
pub struct Job {
    /// The host's name.
    pub host: String,
    /// How it is reached.
    pub target: Target,
    /// The release that it runs, as the estate says; `None` where that is what the resources are about.
    pub release: Option<Release>,
    /// Its resources, in the order in which they are applied.
    pub resources: Vec<Declared>,
    /// What else is declared for it, where that is known: handlers of that are not left over.
    pub others: Option<Vec<Declared>>,
    /// How far its life has come.
    pub phase: Phase,
    /// Its files that other hosts need to know.
    pub exports: Vec<HostPath>,
    /// What must not be shown when the host quotes it: the secrets of these resources, and of whatever else may be on
    /// the host, because handlers that an earlier run left judge files of its own.
    pub secrets: Vec<Secret>,
    /// What the host is to remember of what is declared for it, unless the run has nothing to do with that.
    pub memory: Option<Memory>,
    /// Names of resources of which the user has said twice that they are meant, for instance `user backup`.
    pub insisted: Vec<String>,
    /// Whether changes that may lock prov out are put back unless a new session gets in after them.
    pub guards: bool,
    /// Whether diffs and quoted output show what not everybody may read on the host.
    pub show_private: bool,
}

impl Job {
    /// Tells whether an earlier run left a handler that nothing on the host needs any more.
    pub(super) fn is_left_over(&self, handler: &Handler) -> bool {
        let others = self.others.as_deref();
        others
            .is_some_and(|others| plan::handlers::is_left_over(&[&self.resources, others], handler))
    }

    /// Gives what of the handlers that an earlier run left is this run's business: nothing where it is about packages alone, as
    /// the configuration that they wait for may be that of another release.
    pub(super) fn due(&self, left: Vec<Handler>) -> Vec<Handler> {
        if self.release.is_some() {
            left
        } else {
            Vec::new()
        }
    }

    pub(super) fn queries(&self) -> QuerySet {
        let mut queries = plan::queries(&self.resources);
        queries.extend(files(&self.exports));
        queries.extend(self.memory.as_ref().map(Memory::query));
        // Whether a change may lock prov out depends on the account that it logs in with.
        queries.insert(Query::Login(()));
        queries
    }

    /// Gives what must be asked besides before it can be told what goes: as fully as everything else needs it.
    pub(super) fn queries_of(&self, leaving: &Leaving) -> QuerySet {
        let queries: QuerySet = leaving.queries().into_iter().collect();
        queries.as_wide_as(&self.queries())
    }

    /// Finds what the host remembers and nothing declares any more.
    pub(super) fn leaving(&self, facts: &Facts) -> Leaving {
        let memory = self.memory.as_ref();
        memory
            .map(|memory| memory.leaving(&memory.remembered(facts)))
            .unwrap_or_default()
    }

    /// Puts what goes before everything else, or after it, once it is known what others need of it; gives what is told of it.
    pub(super) fn take_away(&mut self, leaving: &mut Leaving, facts: &Facts) -> Vec<Left> {
        let Some(memory) = &self.memory else {
            return Vec::new();
        };
        leaving.keep_what_others_need(facts);
        let others = self.others.as_deref().unwrap_or_default();
        let (first, last) = leaving.declared(&memory.roles, &[&self.resources, others]);
        self.resources.splice(0..0, first);
        self.resources.extend(last);
        let told = memory.told(leaving);
        insist(&mut self.resources, &self.insisted);
        told
    }

    /// Gives what must be known of other hosts.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        let resources = self.resources.iter();
        resources
            .flat_map(|declared| declared.resource.manage().inputs())
            .collect()
    }
}

/// What a preview was made of.
pub struct Basis {
    /// What is declared, after what goes because nothing declares it any more.
    pub resources: Vec<Declared>,
    /// The plan.
    pub plan: HostPlan,
    /// Handlers that would run, or were left by an earlier run.
    pub handlers: Vec<Handler>,
    /// The facts.
    pub facts: Facts,
}

/// Asks for the bytes of files.
pub(super) fn files(paths: &[HostPath]) -> impl Iterator<Item = Query> {
    paths.iter().map(|path| {
        Query::Path(PathQuestion {
            path: path.clone(),
            read: Read::Body,
        })
    })
}
