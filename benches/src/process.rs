//! Programs, run and timed from outside.

use std::io::{Read as _, Seek as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Result, ensure};

/// What a program did.
#[derive(Debug, Clone)]
pub struct Ran {
    /// From the start to the end, by the clock.
    pub seconds: f64,
    /// The most memory it held, in KiB; 0 where it was not watched.
    pub peak: u64,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub noise: String,
}

/// Runs a program to its end and takes the time. An exit code other than 0 is an error.
pub fn run(command: &mut Command) -> Result<Ran> {
    finish(command, |_| 0)
}

/// Runs a program and also watches its memory, which is why it is not for taking times. The kernel keeps the peak;
/// what it was in the last two milliseconds is not seen.
pub fn watch(command: &mut Command) -> Result<Ran> {
    finish(command, |child| {
        let path = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        while let Ok(None) = child.try_wait() {
            let status = std::fs::read_to_string(&path).unwrap_or_default();
            peak = high_water(&status).unwrap_or(peak);
            std::thread::sleep(Duration::from_millis(2));
        }
        peak
    })
}

/// Runs a program and also adds up, every 20 ms, the memory that it and all processes below it hold, which is why it is not for
/// taking times. Pages that several of them share are counted in parts ("proportional set size").
pub fn watch_tree(command: &mut Command) -> Result<Ran> {
    finish(command, |child| {
        let mut peak = 0;
        while let Ok(None) = child.try_wait() {
            peak = peak.max(below(child.id()).into_iter().map(share).sum());
            std::thread::sleep(Duration::from_millis(20));
        }
        peak
    })
}

/// Gives a process and all below it.
fn below(top: u32) -> Vec<u32> {
    let parent = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let pairs: Vec<_> = pids.filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![top];
    let mut next = 0;
    while let Some(above) = found.get(next).copied() {
        let children = pairs.iter().filter(|(_, parent)| *parent == above);
        found.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

/// Gives a process's share of the machine's memory in KiB; 0 where it has ended.
fn share(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_default()
}

fn high_water(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn finish(command: &mut Command, meanwhile: impl FnOnce(&mut Child) -> u64) -> Result<Ran> {
    let mut output = tempfile::tempfile()?;
    let mut noise = tempfile::tempfile()?;
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(noise.try_clone()?);
    let started = Instant::now();
    let mut child = command
        .spawn()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let peak = meanwhile(&mut child);
    let status = child.wait()?;
    let seconds = started.elapsed().as_secs_f64();
    let text = |file: &mut std::fs::File| -> Result<String> {
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let ran = Ran {
        seconds,
        peak,
        output: text(&mut output)?,
        noise: text(&mut noise)?,
    };
    ensure(status.success(), || {
        let end: Vec<_> = ran.output.lines().chain(ran.noise.lines()).collect();
        let end = end[end.len().saturating_sub(20)..].join("\n");
        format!("{command:?} ended with {status}:\n{end}")
    })?;
    Ok(ran)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_is_an_error_with_what_it_said() {
        let error = run(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("broken"), "{error}");
    }

    #[test]
    fn the_peak_of_a_program_is_seen() {
        let ran = watch(Command::new("sleep").arg("0.1")).unwrap();
        assert!(ran.peak > 100 && ran.seconds >= 0.1, "{ran:?}");
    }

    #[test]
    fn what_a_program_starts_counts_with_it() {
        let ran =
            watch_tree(Command::new("sh").args(["-c", "sleep 0.2 & sleep 0.2; wait"])).unwrap();
        let one = watch_tree(Command::new("sleep").arg("0.2")).unwrap();
        assert!(ran.peak > one.peak && one.peak > 0, "{ran:?} {one:?}");
    }
}
