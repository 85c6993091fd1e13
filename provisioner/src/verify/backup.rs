//! The `backup` service: what a person would do in the console, and a file that comes back from the archive.

mod plain;

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use tasks::estate::Marks;
use tasks::promise::{Director, FileDaemon, Promises, StorageDaemon};

use super::round::Round;
use super::{
    Acceptance, Check, Checks, Client, Missing, Open, Results, Seat, Surroundings, Sweep, Testbed,
    TestbedError,
};

pub(super) const SERVICE: &str = plain::SERVICE;

/// How many daemons are asked at once.
const AT_ONCE: usize = 4;

/// How long a job may take; those of the checks are small.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) const CONSOLE: Client = Client::inside("bconsole");

/// What is asked of the director, and of the daemons that it commands.
struct Backup {
    director: Director,
    storage: StorageDaemon,
    file_daemons: Vec<FileDaemon>,
    /// For each of them, why no file of its host must be lost and restored, if so.
    refusals: Vec<Option<String>>,
}

fn marked(marks: &Marks) -> &[String] {
    &marks.backup
}

pub(super) fn checks(promises: &Promises, surroundings: &Surroundings<'_>) -> Checks {
    let Some(director) = promises.directors.first() else {
        return Err(Missing::new(
            "no host of the estate is the backup's director",
            "give a host the role backup_director",
        ));
    };
    let Some(storage) = promises.storage_daemons.first() else {
        return Err(Missing::new(
            "no host of the estate stores backups",
            "give a host the role backup_storage",
        ));
    };
    Ok(Box::new(Backup {
        director: director.clone(),
        storage: storage.clone(),
        refusals: promises
            .file_daemons
            .iter()
            .map(|daemon| surroundings.writes.refusal(&daemon.host, "backup", marked))
            .collect(),
        file_daemons: promises.file_daemons.clone(),
    }))
}

impl Acceptance for Backup {
    fn clients(&self) -> Vec<Client> {
        vec![CONSOLE]
    }

    fn stands_on(&self, _: Client) -> Option<&str> {
        Some(&self.director.host)
    }

    fn make<'b>(&'b self, testbed: &'b Testbed) -> BoxFuture<'b, Result<Results, TestbedError>> {
        async move {
            let running = self.running(testbed).await?;
            if running.is_empty() {
                let why = "no host with a file daemon runs in test mode; bring the service up with `prov up backup`";
                return Ok(vec![Check::not_made(SERVICE, why.to_owned())].into());
            }
            let console = testbed.client(CONSOLE)?;
            let subject = self.subject(&running);
            let mut round = Round::new(SERVICE, testbed);
            if subject.is_none()
                && let Some(refusal) = self.refusals.iter().flatten().next()
            {
                round.leave(refusal, self.writing());
            }
            round.add(async move { self.checks(&running, subject, console, testbed).await });
            round.make(1).await
        }
        .boxed()
    }

    /// Takes away what checks that were given up have left on the host. A restore that the director has begun may still
    /// bring it back, so it is looked for some seconds long.
    fn sweep<'b>(
        &'b self,
        testbed: &'b Testbed,
        why: Sweep,
    ) -> BoxFuture<'b, Result<(), TestbedError>> {
        async move {
            match why {
                Sweep::Failed => return Ok(()),
                Sweep::GivenUp => {}
            }
            let running = self.running(testbed).await?;
            let Some(subject) = self.subject(&running) else {
                return Ok(());
            };
            let sweep = "for i in 1 2 3 4 5; do rm -f \"$1\"; sleep 1; done; rm -f \"$1\"";
            let marker = self.marker();
            let argv = ["sh", "-c", sweep, "sh", &marker];
            match testbed.on(&subject.host, &argv, b"").await {
                // On a host that does not run there is nobody to take it away.
                Err(error) if !error.is_away() => Err(error),
                Ok(_) | Err(_) => Ok(()),
            }
        }
        .boxed()
    }
}

/// A check that passed, or what is to be told instead.
type Step = Result<Check, TestbedError>;

impl Backup {
    /// Lists the file daemons of the hosts that run in test mode: a service can be tried without all hosts of the estate.
    async fn running(&self, testbed: &Testbed) -> Result<Vec<&FileDaemon>, TestbedError> {
        let hosts = self.file_daemons.iter().map(|it| it.host.as_str());
        let serving = testbed.serving(hosts).await?;
        let runs = |daemon: &&FileDaemon| serving.contains(daemon.host.as_str());
        Ok(self.file_daemons.iter().filter(runs).collect())
    }

    /// Chooses the host on which a file is lost and comes back, of those on which one may: that of the catalogue says most, as
    /// its databases are dumped for the backup.
    fn subject<'d>(&self, running: &[&'d FileDaemon]) -> Option<&'d FileDaemon> {
        let refused = |daemon: &FileDaemon| {
            let mut all = self.file_daemons.iter().zip(&self.refusals);
            all.any(|(it, refusal)| it.host == daemon.host && refusal.is_some())
        };
        let mut daemons = running.iter().filter(|daemon| !refused(daemon));
        let first = daemons.clone().next();
        let catalogue = daemons.find(|daemon| daemon.host == self.director.catalogue_host);
        catalogue.or(first).copied()
    }

    /// Counts the checks that write: a file is backed up, restored and compared, the catalogue is backed up, and that is copied.
    const fn writing(&self) -> usize {
        match self.director.copies {
            Some(_) => 6,
            None => 4,
        }
    }

    /// Names a file that nothing else uses, in a folder that is backed up on every host.
    fn marker(&self) -> String {
        format!("{}/prov-verify", self.director.common_folder)
    }

    async fn checks(
        &self,
        running: &[&FileDaemon],
        subject: Option<&FileDaemon>,
        console: &Seat,
        testbed: &Testbed,
    ) -> Result<Vec<Check>, TestbedError> {
        let Self {
            director, storage, ..
        } = self;
        let first = status(console, "director", "the director answers", &director.name).await?;
        let answers = first.passed;
        let mut checks = vec![first];
        // Without a director every further question would wait for it, and tell nothing more.
        if !answers {
            return Ok(checks);
        }
        let shows = "the storage daemon answers the director";
        let archive = format!("storage={}", director.archive);
        let archive = status(console, &archive, shows, &storage.name).await?;
        let has_archive = archive.passed;
        checks.push(archive);
        if let Some(copies) = &director.copies {
            let shows = "the storage daemon knows the device of the copies";
            let copies = format!("storage={}", copies.storage);
            checks.push(status(console, &copies, shows, &storage.name).await?);
        }
        let daemons: Vec<_> = running
            .iter()
            .map(|daemon| file_daemon_answers(console, daemon).boxed())
            .collect();
        let daemons: Vec<Check> = futures_util::stream::iter(daemons)
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let can_be_read = |subject: &FileDaemon| {
            let asked = format!("client={}", subject.name);
            let mut daemons = daemons.iter();
            daemons.any(|check| check.passed && check.asked.ends_with(&asked))
        };
        let subject = subject.filter(|subject| can_be_read(subject));
        checks.extend(daemons);
        checks.push(plain::console(console, &director.name).await?);
        let daemons = running.iter();
        let daemons = daemons.map(|it| plain::Daemon::of_files(&it.name, it.address));
        let daemons = daemons.chain([plain::Daemon::of_storage(&storage.name, storage.address)]);
        let plain: Vec<_> = daemons
            .map(|daemon| daemon.takes_nobody(console, &director.name).boxed())
            .collect();
        let plain: Vec<Check> = futures_util::stream::iter(plain)
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        checks.extend(plain);
        // A job waits minutes for a daemon that does not answer, and that was told already.
        let Some(subject) = subject.filter(|_| has_archive) else {
            return Ok(checks);
        };
        let marker = self.marker();
        let lost = lose_and_restore(subject, &marker, console, testbed).await;
        // Whatever came of it, the file must go.
        let removed = ["rm", "-f", &marker];
        testbed.on(&subject.host, &removed, b"").await?;
        checks.extend(lost?);
        let run = |job: &str| format!("run job={job} yes");
        let shows = "the catalogue is dumped and backed up".to_owned();
        let (_, check) = job(console, &run(director.catalogue_job), shows).await?;
        checks.push(check);
        if let Some(copies) = &director.copies {
            let shows = "what the catalogue's job wrote is copied for outside the office";
            let command = run(copies.catalogue_job);
            let (id, check) = job(console, &command, shows.to_owned()).await?;
            checks.push(check);
            checks.push(copied(console, id).await?);
        }
        Ok(checks)
    }
}

/// Looks into the log of a job that copies: it ends well, too, where there was nothing to copy.
async fn copied(console: &Seat, id: Option<u64>) -> Step {
    let id = id.unwrap_or_default();
    let command = format!("list joblog jobid={id}");
    let open = Open::new(
        SERVICE,
        "synchronisation was held while there was something to copy".to_owned(),
        format!("bconsole: {command}"),
        "synchronisation held, JobId chosen, synchronisation released".to_owned(),
    );
    let text = ask(console, &command).await?;
    let signs = [
        ("synchronisation held", "synchronisation hold "),
        ("JobId chosen", "chosen to be copied"),
        ("synchronisation released", "synchronisation release "),
    ];
    let seen: Vec<_> = signs
        .into_iter()
        .filter(|(_, sign)| text.contains(sign))
        .map(|(word, _)| word)
        .collect();
    // The log names a command before it is known to work.
    let worked = !text.contains("Error:");
    let came = if worked && !seen.is_empty() {
        seen.join(", ")
    } else {
        complaint(&text)
    };
    Ok(open.close(came, worked && seen.len() == signs.len()))
}

/// Asks for the status of a daemon: it is expected to say its name and version.
async fn status(console: &Seat, what: &str, shows: &str, name: &str) -> Step {
    let command = format!("status {what}");
    let expected = format!("{name} Version: …");
    let open = Open::new(
        SERVICE,
        shows.to_owned(),
        format!("bconsole: {command}"),
        expected,
    );
    let text = ask(console, &command).await?;
    let wanted = format!("{name} Version: ");
    let said = text.lines().find(|line| line.starts_with(&wanted));
    Ok(open.close(
        said.map_or_else(|| gist(&text), first_words),
        said.is_some(),
    ))
}

/// Shows that the file daemon of a host answers the director.
async fn file_daemon_answers(console: &Seat, daemon: &FileDaemon) -> Step {
    let shows = format!("the file daemon of {} answers the director", daemon.host);
    let client = format!("client={}", daemon.name);
    let mut check = status(console, &client, &shows, &daemon.name).await?;
    check.hosts.push(daemon.host.clone());
    Ok(check)
}

/// Makes a file, backs the host up, deletes the file, restores it and compares.
async fn lose_and_restore(
    daemon: &FileDaemon,
    marker: &str,
    console: &Seat,
    testbed: &Testbed,
) -> Result<Vec<Check>, TestbedError> {
    let (host, client) = (daemon.host.as_str(), daemon.name.as_str());
    let write = [
        "sh",
        "-c",
        "umask 027; cat /proc/sys/kernel/random/uuid >\"$1\"; cat \"$1\"; stat -c '%U:%G %a' \"$1\"",
        "sh",
        marker,
    ];
    let before = testbed.on(host, &write, b"").await?.text();
    let shows = format!("{host} is backed up");
    let (id, check) = job(console, &format!("run job={host} yes"), shows).await?;
    let backed_up = check.passed;
    let mut checks = vec![check];
    testbed.on(host, &["rm", "-f", marker], b"").await?;
    let Some(id) = id.filter(|_| backed_up) else {
        return Ok(checks);
    };
    let command =
        format!("restore client={client} jobid={id} file={marker} where=/ replace=always done yes");
    let shows = format!("a file of {host} is restored after it was deleted");
    let (_, check) = job(console, &command, shows).await?;
    checks.push(check);
    let read = [
        "sh",
        "-c",
        "cat \"$1\"; stat -c '%U:%G %a' \"$1\"",
        "sh",
        marker,
    ];
    let open = Open::new(
        SERVICE,
        format!("the restored file of {host} is what it was"),
        format!("cat {marker}; stat {marker}"),
        one_line(&before),
    );
    let after = testbed.on(host, &read, b"").await?;
    let came = if after.code == 0 {
        one_line(&after.text())
    } else {
        after.errors()
    };
    let same = after.text() == before && !before.trim().is_empty();
    checks.push(open.close(came, same));
    Ok(checks)
}

/// A file that was backed up and deleted.
pub(super) struct Lost {
    pub(super) daemon: FileDaemon,
    /// The number of the backup's job.
    pub(super) job: u64,
    pub(super) path: String,
}

/// Backs up a file with a word in it, and deletes it.
pub(super) async fn leave(
    promises: &Promises,
    testbed: &Testbed,
    word: &str,
) -> Result<Option<Lost>, TestbedError> {
    let Some(director) = promises.directors.first() else {
        return Ok(None);
    };
    let mut daemons = promises.file_daemons.iter();
    let Some(daemon) = daemons.find(|daemon| daemon.host == director.catalogue_host) else {
        return Ok(None);
    };
    let path = format!("{}/prov-{word}", director.common_folder);
    let write = ["sh", "-c", "cat >\"$1\"", "sh", &path];
    testbed.on(&daemon.host, &write, word.as_bytes()).await?;
    let shows = format!("{} is backed up", daemon.host);
    let console = testbed.client(CONSOLE)?;
    let (id, _) = job(console, &format!("run job={} yes", daemon.host), shows).await?;
    testbed.on(&daemon.host, &["rm", "-f", &path], b"").await?;
    Ok(id.map(|job| Lost {
        daemon: daemon.clone(),
        job,
        path,
    }))
}

/// Restores a file from the backup of a job, looks for a word in it, and deletes it again.
pub(super) async fn restored(
    daemon: &FileDaemon,
    id: u64,
    path: &str,
    word: &str,
    testbed: &Testbed,
) -> Result<Check, TestbedError> {
    let command = format!(
        "restore client={} jobid={id} file={path} where=/ replace=always done yes",
        daemon.name
    );
    let shows = format!(
        "a file of {} is restored from the backup of before",
        daemon.host
    );
    let (_, mut check) = job(testbed.client(CONSOLE)?, &command, shows).await?;
    let read = ["sh", "-c", "cat \"$1\"; rm -f \"$1\"", "sh", path];
    let found = testbed.on(&daemon.host, &read, b"").await?;
    if check.passed && found.text() != word {
        check.passed = false;
        check.came = found.text() + &found.errors();
    }
    Ok(check)
}

/// Starts a job and waits for its end; gives its number and a check that it ended well.
async fn job(
    console: &Seat,
    command: &str,
    shows: String,
) -> Result<(Option<u64>, Check), TestbedError> {
    let open = Open::new(
        SERVICE,
        shows,
        format!("bconsole: {command}"),
        "OK (T)".to_owned(),
    );
    let text = ask(console, command).await?;
    let Some(id) = number(&text) else {
        return Ok((None, open.close(gist(&text), false)));
    };
    let wait = format!(
        "wait jobid={id} timeout={}\nlist joblog jobid={id}",
        PATIENCE.as_secs()
    );
    let text = ask(console, &wait).await?;
    let ended = text.lines().find_map(|line| {
        let status = line.trim().strip_prefix("JobStatus=")?;
        Some(status.to_owned())
    });
    let passed = ended.as_deref() == Some("OK (T)");
    let came = match ended {
        Some(status) if passed => status,
        Some(status) => format!("{status}: {}", complaint(&text)),
        None => gist(&text),
    };
    Ok((Some(id), open.close(came, passed)))
}

async fn ask(console: &Seat, command: &str) -> Result<String, TestbedError> {
    let output = console
        .run_with_input(&[], format!("{command}\n").as_bytes())
        .await?;
    Ok(output.text() + &output.errors())
}

/// Finds the number of a job that was queued: `Job queued. JobId=7`.
fn number(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("Job queued. JobId=")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Gives the line of a job's log that says most about what went wrong.
fn complaint(text: &str) -> String {
    let line = ["Fatal error", "Error:", "Could not stat", "Cannot"]
        .iter()
        .find_map(|sign| text.lines().find(|line| line.contains(sign)));
    line.map_or_else(
        || gist(text),
        |line| line.trim_matches([' ', '|']).to_owned(),
    )
}

/// Gives the line of what a console printed that tells of a failure, or else its last one.
fn gist(text: &str) -> String {
    let said = text.lines().map(str::trim);
    let mut said = said.filter(|line| !line.is_empty() && *line != "You have messages.");
    let failure = said
        .clone()
        .find(|line| line.contains("Failed to") || line.contains("ERR="));
    failure
        .or_else(|| said.next_back())
        .unwrap_or("the console said nothing")
        .to_owned()
}

/// Shortens `NAME Version: 9.6.7 (10 December 2020) …` to what tells the version.
fn first_words(line: &str) -> String {
    line.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_queued_job_is_found() {
        let text = "run job=catalogue yes\nUsing Catalog \"catalogue\"\nJob queued. JobId=17\nYou have messages.\n";
        assert_eq!(number(text), Some(17));
        assert_eq!(number("No Job \"x\" found.\n"), None);
    }

    #[test]
    fn a_daemon_that_does_not_answer_is_told_by_the_line_that_says_so() {
        let text = "Connecting to Client a-fd at 10.0.0.7:9102\nFailed to connect to Client a-fd.\n====\nYou have messages.\n";
        assert_eq!(gist(text), "Failed to connect to Client a-fd.");
    }

    #[test]
    fn what_went_wrong_is_the_line_that_says_so() {
        let text =
            "JobStatus=Error (f)\n| bacula-dir JobId 3: Fatal error: no such device |\n| more |\n";
        assert_eq!(
            complaint(text),
            "bacula-dir JobId 3: Fatal error: no such device"
        );
    }
}
