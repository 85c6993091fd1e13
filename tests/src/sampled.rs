//! Command lines and environments of all programs on this machine, sampled while something runs.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Between two rounds: less than any program of prov's takes.
const SHORTEST: Duration = Duration::from_millis(10);

/// And at most.
const LONGEST: Duration = Duration::from_millis(200);

/// Searches command lines and environments here for texts until it is asked what it has found.
#[derive(Debug)]
pub struct Sampled {
    ended: Arc<AtomicBool>,
    /// A text that is put on a command line and into an environment: what does not find it would find nothing else.
    canary: String,
    searching: JoinHandle<(u64, BTreeSet<String>)>,
}

impl Sampled {
    /// Begins to search for these texts.
    #[must_use]
    pub fn begin<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let canary = crate::secret();
        let ended = Arc::new(AtomicBool::new(false));
        let mut texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
        texts.push(canary.clone());
        let until = Arc::clone(&ended);
        let searching = thread::spawn(move || {
            let (mut rounds, mut found) = (0, BTreeSet::new());
            while !until.load(Ordering::Relaxed) {
                let begun = Instant::now();
                search(&texts, &mut found);
                rounds += 1;
                // To read of all programs is work, which would slow down what is watched.
                thread::sleep((begun.elapsed() * 4).clamp(SHORTEST, LONGEST));
            }
            (rounds, found)
        });
        Self {
            ended,
            canary,
            searching,
        }
    }

    /// Gives where texts were found, as `NAME of PROGRAM holds TEXT`.
    ///
    /// # Panics
    ///
    /// Panics where a text is not found that is on a command line and in an environment.
    #[must_use]
    pub fn found(self) -> Vec<String> {
        let mut child = Command::new("sh")
            .args(["-c", "sleep 2; : \"$0\"", &self.canary])
            .env("SAMPLED", &self.canary)
            .spawn()
            .unwrap_or_else(|error| panic!("no shell: {error}"));
        let waited = child.wait();
        self.ended.store(true, Ordering::Relaxed);
        let (rounds, found) = self
            .searching
            .join()
            .unwrap_or_else(|_| panic!("the search panicked"));
        assert!(
            waited.is_ok() && rounds > 1,
            "{waited:?} after {rounds} rounds"
        );
        let (own, others): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|place| place.ends_with(&self.canary));
        for name in ["cmdline", "environ"] {
            assert!(
                own.iter().any(|place| place.starts_with(name)),
                "the search does not find what is in {name}: {own:?}"
            );
        }
        others
    }
}

fn search(texts: &[String], found: &mut BTreeSet<String>) {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return;
    };
    for process in processes.flatten() {
        let is_process = process
            .file_name()
            .as_encoded_bytes()
            .iter()
            .all(u8::is_ascii_digit);
        if !is_process {
            continue;
        }
        for name in ["cmdline", "environ"] {
            // It may have ended since.
            let Ok(bytes) = std::fs::read(process.path().join(name)) else {
                continue;
            };
            let told = String::from_utf8_lossy(&bytes);
            for text in texts.iter().filter(|text| told.contains(text.as_str())) {
                let program =
                    std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                found.insert(format!("{name} of {} holds {text}", program.trim()));
            }
        }
    }
}
