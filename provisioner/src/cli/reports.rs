//! Files that the results of acceptance checks, and pages of changes, are written to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Permissions};
use std::io::{Error, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tasks::graph::Graph;

use super::app::App;
use super::arguments::Reports;
use crate::engine::{Failure, RunOutcome};
use crate::report::changes;
use crate::report::problem::Problem;
use crate::report::text::Tense;
use crate::report::verification::{self, About};
use crate::verify::{self, Check, NotChecked};

impl Reports {
    /// Refuses files that cannot be written, before anything else is done.
    pub(super) fn ready(&self) -> Result<(), Problem> {
        for (path, option) in self.files() {
            ready(path, option)?;
        }
        Ok(())
    }

    /// Writes what is asked for.
    pub(super) fn write(
        &self,
        app: &App,
        (checks, not_checked): (&[Check], &[NotChecked]),
        elapsed: Duration,
        phases: &[(&'static str, Duration)],
    ) -> Result<(), Problem> {
        if let Some(path) = &self.junit {
            let xml = verify::junit(checks).map_err(|error| {
                Problem::Failed(Failure::new(
                    format!("cannot make JUnit XML: {error}"),
                    "this is a defect of prov: please report it",
                ))
            })?;
            put(path, &xml, "--junit")?;
        }
        if let Some(path) = &self.html {
            // What keeps a part of it from being known has been said already.
            let (graph, _) = Graph::of(&app.estate, &app.domains, &app.templates, &app.inputs);
            let about = About {
                estate: app.estate.name(),
                when: &when(),
                elapsed,
                phases,
                not_checked,
                graph: Some(&graph),
                members: &members(app, checks),
            };
            put(path, &verification::page(&about, checks), "--html")?;
        }
        if let Some(path) = &self.metrics {
            let text = metrics(app, (checks, not_checked), elapsed);
            put(path, &text, "--metrics")?;
        }
        Ok(())
    }

    fn files(&self) -> impl Iterator<Item = (&Path, &'static str)> {
        let files = [
            (&self.junit, "--junit"),
            (&self.html, "--html"),
            (&self.metrics, "--metrics"),
        ];
        files
            .into_iter()
            .filter_map(|(path, option)| Some((path.as_deref()?, option)))
    }
}

/// Gives the hosts of the services of checks.
fn members(app: &App, checks: &[Check]) -> BTreeMap<String, Vec<String>> {
    let services: BTreeSet<_> = checks.iter().map(|check| check.service.as_str()).collect();
    let hosts = |service: &str| {
        let hosts = app.estate.limit(service).unwrap_or_default().into_iter();
        hosts.map(|host| host.name().to_owned()).collect()
    };
    services
        .into_iter()
        .map(|service| (service.to_owned(), hosts(service)))
        .collect()
}

/// Gives results as metrics of now.
pub(super) fn metrics(
    app: &App,
    (checks, not_checked): (&[Check], &[NotChecked]),
    elapsed: Duration,
) -> String {
    let now = jiff::Timestamp::now().as_second();
    let now = u64::try_from(now).unwrap_or_default();
    verify::metrics(app.estate.name(), checks, not_checked, elapsed, now)
}

/// Where a page with the changes of a run is written to.
#[derive(Debug, Args)]
pub(super) struct Changes {
    /// Write the changes as one page, to review and to send
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Changes {
    /// Refuses a file that cannot be written, before anything else is done.
    pub(super) fn ready(&self) -> Result<(), Problem> {
        self.html
            .as_deref()
            .map_or(Ok(()), |path| ready(path, "--html"))
    }

    /// Writes the page where it is asked for.
    pub(super) fn write(&self, app: &App, run: &RunOutcome, tense: Tense) -> Result<(), Problem> {
        let Some(path) = &self.html else {
            return Ok(());
        };
        let about = changes::About {
            estate: app.estate.name(),
            when: &when(),
            tense,
        };
        put(path, &changes::page(&about, run), "--html")
    }
}

/// Gives the time as people write it.
fn when() -> String {
    let now = jiff::Zoned::now();
    now.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

fn ready(path: &Path, option: &str) -> Result<(), Problem> {
    Target::of(path)
        .and_then(|target| target.ready())
        .map_err(|error| unwritable(path, &error, option))
}

fn put(path: &Path, text: &str, option: &str) -> Result<(), Problem> {
    Target::of(path)
        .and_then(|target| target.write(text.as_bytes()))
        .map_err(|error| unwritable(path, &error, option))
}

fn unwritable(path: &Path, error: &Error, option: &str) -> Problem {
    let hint = format!("choose another file with {option}, or make its folder");
    Problem::file("write", path, error, &hint)
}

/// How a file is written.
enum Target {
    /// A file that is there wholly or not at all: this path in this folder.
    File(PathBuf, PathBuf),
    /// Something that cannot be replaced, such as a pipe.
    Device(PathBuf),
}

impl Target {
    fn of(path: &Path) -> Result<Self, Error> {
        // A link stays, and what it leads to is replaced.
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(error),
        };
        match path.metadata() {
            Ok(meta) if meta.is_dir() => Err(Error::from(ErrorKind::IsADirectory)),
            Ok(meta) if !meta.is_file() => Ok(Self::Device(path)),
            Ok(_) | Err(_) => {
                let folder = match path.parent() {
                    Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
                    Some(_) | None => PathBuf::from("."),
                };
                Ok(Self::File(path, folder))
            }
        }
    }

    fn ready(&self) -> Result<(), Error> {
        match self {
            Self::File(_, folder) => temporary(folder).map(drop),
            Self::Device(path) => {
                // Opened when it is written: whoever reads a pipe would take this for all there is.
                let mode = path.metadata()?.permissions().mode();
                if mode & 0o222 == 0 {
                    return Err(Error::from(ErrorKind::PermissionDenied));
                }
                Ok(())
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::File(path, folder) => {
                let mut file = temporary(folder)?;
                file.write_all(bytes)?;
                file.persist(path).map_err(|error| error.error)?;
                Ok(())
            }
            Self::Device(path) => File::options().write(true).open(path)?.write_all(bytes),
        }
    }
}

/// Makes a temporary file that others may read as far as the user lets them.
fn temporary(folder: &Path) -> Result<tempfile::NamedTempFile, Error> {
    tempfile::Builder::new()
        .prefix(".prov-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        // The path of the temporary file would only confuse.
        .map_err(|error| Error::from(error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &Path) -> Reports {
        Reports {
            junit: None,
            html: Some(path.to_owned()),
            metrics: None,
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            folder.path().join("missing/r.html"),
            folder.path().to_owned(),
        ] {
            let problem = of(&path).ready().unwrap_err().text();
            assert!(problem.contains(&path.display().to_string()), "{problem}");
            assert!(
                problem.contains("choose another file with --html"),
                "{problem}"
            );
        }
    }

    #[test]
    fn nothing_is_left_behind_and_a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("r.html"), folder.path().join("link"));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        of(&file).ready().unwrap();
        assert!(!file.exists());
        put(&file, "old", "--html").unwrap();
        put(&link, "new", "--html").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        put(Path::new("/dev/null"), "gone", "--html").unwrap();
        assert!(!Path::new("/dev/null").is_file());
    }
}
