//! Reads what hosts remember of runs.

use std::collections::{BTreeMap, BTreeSet};

use tasks::history::{self, Changes, RecordedRun};
use tasks::probe::{Facts, PathFact, Query, QuerySet};
use tasks::value::HostPath;

use super::job::files;
use super::session::ReadSession;
use crate::ssh::{SshError, Target};

/// A run as one host remembers it.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The run.
    pub run: RecordedRun,
    /// What it changed.
    pub changes: Changes,
}

/// Reads the runs that a host remembers, the last one first: all of them, or one; `most` at most.
pub async fn runs(
    target: &Target,
    only: Option<&str>,
    most: usize,
) -> Result<Vec<Remembered>, SshError> {
    let Ok(folder) = HostPath::new(history::FOLDER) else {
        return Ok(Vec::new());
    };
    let mut session = ReadSession::open(target).await?;
    let names: Vec<String> = if let Some(run) = only {
        vec![run.to_owned()]
    } else {
        let asked: QuerySet = [Query::Listing(folder.clone())].into_iter().collect();
        let answers = session.look(&asked).await?;
        let listing = answers.facts.listing(&folder).cloned().unwrap_or_default();
        let names = listing.into_iter().filter(|name| history::is_run(name));
        let names: Vec<_> = names.collect();
        names.into_iter().rev().take(most).collect()
    };
    let file = |run: &str, name: &str| HostPath::new(format!("{folder}/{run}/{name}")).ok();
    let mut paths = Vec::new();
    for run in &names {
        paths.extend(file(run, "run"));
        paths.extend(file(run, "changes"));
    }
    let facts = session.look(&files(&paths).collect()).await?.facts;
    session.close().await;
    let found = names.iter().filter_map(|name| {
        let run = text(&facts, &file(name, "run")?)?;
        let run = serde_json::from_str(&run).ok()?;
        let changes = text(&facts, &file(name, "changes")?).unwrap_or_default();
        let changes = history::read(&changes);
        Some(Remembered { run, changes })
    });
    Ok(found.collect())
}

/// Reads the bytes that a host has kept of a run, by their digests.
pub async fn kept(
    target: &Target,
    run: &str,
    digests: BTreeSet<String>,
) -> Result<BTreeMap<String, Vec<u8>>, SshError> {
    let paths: Vec<_> = digests
        .into_iter()
        .filter_map(|sha256| Some((history::kept_at(run, &sha256)?, sha256)))
        .collect();
    if paths.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut session = ReadSession::open(target).await?;
    let all: Vec<_> = paths.iter().map(|(path, _)| path.clone()).collect();
    let facts = session.look(&files(&all).collect()).await?.facts;
    session.close().await;
    let kept = paths.into_iter().filter_map(|(path, sha256)| {
        let PathFact::File(file) = facts.path(&path).ok()? else {
            return None;
        };
        // Whoever could change it is root already; a disk can break.
        let is_whole =
            sha256.starts_with(history::UNDIGESTED) || file.sha256.as_ref() == Some(&sha256);
        let body = file.body.as_ref().filter(|_| is_whole)?;
        Some((sha256, body.0.to_vec()))
    });
    Ok(kept.collect())
}

fn text(facts: &Facts, path: &HostPath) -> Option<String> {
    if let PathFact::File(file) = facts.path(path).ok()? {
        Some(file.body.as_ref()?.text()?.to_owned())
    } else {
        None
    }
}
