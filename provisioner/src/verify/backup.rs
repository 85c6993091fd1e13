//! The `backup` service: what a person would do in the console, and a file that comes back from the archive.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::{Check, Open};
use crate::docker::{ClientSession, DockerError, EstateContainers};

const SERVICE: &str = "backup";

/// How many daemons are asked at once.
const AT_ONCE: usize = 4;

/// How long a job may take; those of the checks are small.
const PATIENCE: Duration = Duration::from_secs(300);

/// A file that nothing else uses, in a folder that is backed up on every host.
const MARKER: &str = "/etc/apt/prov-verify";

/// What the checks must know of the estate.
#[derive(Debug, Clone)]
pub struct BackupExpectations {
    /// Name of the director.
    pub director: String,
    /// Name of the storage daemon.
    pub storage: String,
    /// Hosts whose file daemons run.
    pub clients: Vec<String>,
    /// The host on which a file is lost and comes back.
    pub subject: String,
    /// Whether copies are made for outside the office.
    pub copies: bool,
}

/// A check that passed, or what is to be told instead.
type Step = Result<Check, DockerError>;

/// Runs the checks with a console of the director.
pub async fn backup(
    expectations: &BackupExpectations,
    console: &ClientSession,
    containers: &EstateContainers,
) -> Result<Vec<Check>, DockerError> {
    let director = &expectations.director;
    let first = status(console, "director", "the director answers", director).await?;
    let answers = first.passed;
    let mut checks = vec![first];
    // Without a director every further question would wait for it, and tell nothing more.
    if !answers {
        return Ok(checks);
    }
    let storage = &expectations.storage;
    let shows = "the storage daemon answers the director";
    let archive = status(console, "storage=archive", shows, storage).await?;
    let has_archive = archive.passed;
    checks.push(archive);
    if expectations.copies {
        let shows = "the storage daemon knows the device of the copies";
        checks.push(status(console, "storage=copies", shows, storage).await?);
    }
    let clients = expectations.clients.iter().map(|host| async move {
        let name = format!("{host}-fd");
        let shows = format!("the file daemon of {host} answers the director");
        status(console, &format!("client={name}"), &shows, &name).await
    });
    let clients: Vec<Check> = futures_util::stream::iter(clients)
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let subject = format!("client={}-fd", expectations.subject);
    let can_be_read = clients
        .iter()
        .any(|check| check.passed && check.asked.ends_with(&subject));
    checks.extend(clients);
    // A job waits minutes for a daemon that does not answer, and that was told already.
    if !has_archive || !can_be_read {
        return Ok(checks);
    }
    let lost = lose_and_restore(&expectations.subject, console, containers).await;
    // Whatever came of it, the file must go.
    let removed = ["rm", "-f", MARKER];
    containers
        .exec(&expectations.subject, &removed, b"")
        .await?;
    checks.extend(lost?);
    let (_, check) = job(
        console,
        "run job=catalogue yes",
        "the catalogue is dumped and backed up".to_owned(),
    )
    .await?;
    checks.push(check);
    if expectations.copies {
        let shows = "what the catalogue's job wrote is copied for outside the office";
        let (id, check) = job(console, "run job=copy-catalogue yes", shows.to_owned()).await?;
        checks.push(check);
        checks.push(copied(console, id).await?);
    }
    Ok(checks)
}

/// Takes away what checks that were given up have left on the host. A restore that the director has begun may still bring
/// it back, so it is looked for some seconds long.
pub async fn backup_sweep(
    expectations: &BackupExpectations,
    containers: &EstateContainers,
) -> Result<(), DockerError> {
    let sweep = "for i in 1 2 3 4 5; do rm -f \"$1\"; sleep 1; done; rm -f \"$1\"";
    let argv = ["sh", "-c", sweep, "sh", MARKER];
    match containers.exec(&expectations.subject, &argv, b"").await {
        // On a host that does not run there is nobody to take it away.
        Ok(_) | Err(DockerError::NotRunning { .. } | DockerError::NoContainer { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Looks into the log of a job that copies: it ends well, too, where there was nothing to copy.
async fn copied(console: &ClientSession, id: Option<u64>) -> Step {
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
async fn status(console: &ClientSession, what: &str, shows: &str, name: &str) -> Step {
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

/// Makes a file, backs the host up, deletes the file, restores it and compares.
async fn lose_and_restore(
    host: &str,
    console: &ClientSession,
    containers: &EstateContainers,
) -> Result<Vec<Check>, DockerError> {
    let write = [
        "sh",
        "-c",
        "umask 027; cat /proc/sys/kernel/random/uuid >\"$1\"; cat \"$1\"; stat -c '%U:%G %a' \"$1\"",
        "sh",
        MARKER,
    ];
    let before = containers.exec(host, &write, b"").await?.text();
    let shows = format!("{host} is backed up");
    let (id, check) = job(console, &format!("run job={host} yes"), shows).await?;
    let backed_up = check.passed;
    let mut checks = vec![check];
    containers.exec(host, &["rm", "-f", MARKER], b"").await?;
    let Some(id) = id.filter(|_| backed_up) else {
        return Ok(checks);
    };
    let command = format!(
        "restore client={host}-fd jobid={id} file={MARKER} where=/ replace=always done yes"
    );
    let shows = format!("a file of {host} is restored after it was deleted");
    let (_, check) = job(console, &command, shows).await?;
    checks.push(check);
    let read = [
        "sh",
        "-c",
        "cat \"$1\"; stat -c '%U:%G %a' \"$1\"",
        "sh",
        MARKER,
    ];
    let open = Open::new(
        SERVICE,
        format!("the restored file of {host} is what it was"),
        format!("cat {MARKER}; stat {MARKER}"),
        one_line(&before),
    );
    let after = containers.exec(host, &read, b"").await?;
    let came = if after.code == 0 {
        one_line(&after.text())
    } else {
        after.errors()
    };
    let same = after.text() == before && !before.trim().is_empty();
    checks.push(open.close(came, same));
    Ok(checks)
}

/// Starts a job and waits for its end; gives its number and a check that it ended well.
async fn job(
    console: &ClientSession,
    command: &str,
    shows: String,
) -> Result<(Option<u64>, Check), DockerError> {
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

async fn ask(console: &ClientSession, command: &str) -> Result<String, DockerError> {
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
