//! The binary under test: built once, run with an environment of its own, its answers read.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tasks::quote::sh;

use crate::must;

/// What no run may take longer than, unless a test says so.
const DEADLINE: Duration = Duration::from_secs(900);

/// Gives the path of the binary: `PROV_BIN`, or what cargo builds beside this test.
#[must_use]
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("PROV_BIN") {
            return PathBuf::from(path);
        }
        let test = must(std::env::current_exe(), "finding this test");
        // TARGET/PROFILE/deps/TEST
        let Some(folder) = test.parent().and_then(Path::parent) else {
            panic!("{} is not where cargo puts tests", test.display());
        };
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "prov", "--bin", "prov"]);
        build
            .arg("--manifest-path")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
        build
            .arg("--target-dir")
            .arg(folder.parent().unwrap_or(folder));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(
            must(build.status(), "running cargo").success(),
            "prov does not build"
        );
        folder.join("prov")
    })
}

/// A command line of prov.
pub struct Prov {
    command: Command,
    line: String,
}

impl Prov {
    /// Begins a command line that is run with `home` and `state` in this folder.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        let mut command = Command::new(binary());
        command
            .env("HOME", root.join("home"))
            .env("XDG_STATE_HOME", root.join("state"))
            .env_remove("PROV_ESTATE")
            .env_remove("PROV_DOMAINS")
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .current_dir(root)
            .stdin(Stdio::null());
        Self {
            command,
            line: "prov".to_owned(),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<str>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        for argument in arguments {
            self.command.arg(argument.as_ref());
            self.line.push(' ');
            self.line.push_str(argument.as_ref());
        }
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Has it run at a terminal of so many columns (script(1)), where its output and its errors are one. Meanwhile the shell does
    /// something beside it.
    #[must_use]
    pub fn at_terminal(self, columns: u16, meanwhile: &str) -> Self {
        let program = std::iter::once(self.command.get_program());
        let words = program.chain(self.command.get_args());
        let words: Vec<_> = words.map(|word| sh(&word.to_string_lossy())).collect();
        let script = format!(
            "stty cols {columns} rows 24; {{ {meanwhile}; }} & exec {}",
            words.join(" ")
        );
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &script, "/dev/null"]);
        command
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm-256color");
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env_remove("CI");
        if let Some(folder) = self.command.get_current_dir() {
            command.current_dir(folder);
        }
        command.stdin(Stdio::null());
        let line = format!("{}, at a terminal of {columns} columns", self.line);
        Self { command, line }
    }

    /// Starts it and does not wait.
    #[must_use]
    pub fn start(mut self) -> Running {
        let [stdout, stderr] = [(), ()].map(|()| must(tempfile::tempfile(), "making a file"));
        let write = |file: &File| Stdio::from(must(file.try_clone(), "sharing a file"));
        self.command.stdout(write(&stdout)).stderr(write(&stderr));
        Running {
            child: must(self.command.spawn(), "starting prov"),
            line: self.line,
            stdout,
            stderr,
        }
    }

    /// Runs it to its end.
    #[must_use]
    pub fn run(self) -> Ran {
        self.start().wait()
    }

    /// Runs what may take this long to its end.
    #[must_use]
    pub fn run_within(self, limit: Duration) -> Ran {
        self.start().wait_for(limit)
    }
}

/// A prov that runs. It is killed when it is dropped.
pub struct Running {
    child: Child,
    line: String,
    stdout: File,
    stderr: File,
}

impl Running {
    /// Gives its process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        must(
            kill_process(Pid::from_child(&self.child), Signal::INT),
            "interrupting prov",
        );
    }

    /// Kills it with a signal that it cannot notice.
    pub fn kill(mut self) {
        must(self.child.kill(), "killing prov");
        must(self.child.wait(), "waiting for a killed prov");
    }

    /// Tells whether it has ended.
    #[must_use]
    pub fn has_ended(&mut self) -> bool {
        must(self.child.try_wait(), "looking after prov").is_some()
    }

    /// Gives what it has said so far on standard output.
    #[must_use]
    pub fn output_so_far(&self) -> String {
        text(&self.stdout)
    }

    /// Gives what it has said so far on standard error.
    #[must_use]
    pub fn errors_so_far(&self) -> String {
        text(&self.stderr)
    }

    /// Waits for its end.
    #[must_use]
    pub fn wait(self) -> Ran {
        self.wait_for(DEADLINE)
    }

    fn wait_for(mut self, limit: Duration) -> Ran {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = must(self.child.try_wait(), "waiting for prov") {
                break status;
            }
            assert!(Instant::now() < deadline, "`{}` does not end", self.line);
            std::thread::sleep(Duration::from_millis(5));
        };
        Ran {
            status,
            line: std::mem::take(&mut self.line),
            stdout: text(&self.stdout),
            stderr: text(&self.stderr),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(file: &File) -> String {
    // The place in the file is prov's: it may still write there.
    let length = must(file.metadata(), "reading what prov said").len();
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    must(file.read_exact_at(&mut bytes, 0), "reading what prov said");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A prov that has ended.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// What was typed.
    pub line: String,
    /// What it printed.
    pub stdout: String,
    /// What it printed about errors and progress.
    pub stderr: String,
}

impl Ran {
    /// Gives its exit code.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Fails the test unless the exit code is this one.
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "exit code of {}",
            self.told()
        );
        self
    }

    /// Fails the test unless this was printed.
    pub fn says(&self, text: &str) -> &Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert!(all.contains(text), "no '{text}' in {}", self.told());
        self
    }

    /// Fails the test if this was printed.
    pub fn never_says(&self, text: &str) -> &Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert!(!all.contains(text), "'{text}' in {}", self.told());
        self
    }

    /// Fails the test if a change had another effect than the preview's model of the host says; for runs with `-vv`.
    pub fn as_the_model(&self) -> &Self {
        self.never_says("not as the model")
    }

    /// Reads what was printed for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        must(serde_json::from_str(&self.stdout), &self.told())
    }

    /// Gives what was reported of a host.
    #[must_use]
    pub fn host(&self, host: &str) -> Value {
        let json = self.json();
        let hosts = json["hosts"].as_array().into_iter().flatten();
        let found = hosts.into_iter().find(|found| found["host"] == host);
        let Some(found) = found else {
            panic!("no host {host} in {}", self.told());
        };
        found.clone()
    }

    /// Lists what changed or would change on a host, each as `KIND ID`.
    #[must_use]
    pub fn changes(&self, host: &str) -> Vec<String> {
        let host = self.host(host);
        let changes = host["changes"].as_array().into_iter().flatten();
        changes
            .map(|change| {
                let word = |field: &str| change[field].as_str().unwrap_or_default().to_owned();
                format!("{} {}", word("resource"), word("id"))
            })
            .collect()
    }

    /// Gives the handlers that ran or would run on a host.
    #[must_use]
    pub fn handlers(&self, host: &str) -> Vec<String> {
        let host = self.host(host);
        let handlers = host["handlers"].as_array().into_iter().flatten();
        handlers
            .map(|name| name.as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Fails the test unless nothing changed on a host and nothing failed.
    pub fn unchanged(&self, host: &str) -> &Self {
        self.exits(0);
        assert_eq!(self.host(host)["status"], "up_to_date", "{}", self.told());
        self
    }

    /// Fails the test unless exactly this changed on a host and nothing failed.
    pub fn changed(&self, host: &str, expected: &[&str]) -> &Self {
        self.exits(0);
        assert_eq!(self.changes(host), expected, "{}", self.told());
        self
    }

    /// Fails the test unless a host failed and everything in `words` is in what is said about it: cause, output, hint.
    pub fn failed(&self, host: &str, words: &[&str]) -> &Self {
        let failed = &self.host(host)["failed"];
        assert!(failed.is_object(), "{host} did not fail in {}", self.told());
        let text: Vec<_> = ["resource", "cause", "output", "hint"]
            .iter()
            .filter_map(|field| failed[field].as_str())
            .collect();
        let text = text.join("\n");
        for word in words {
            assert!(
                text.contains(word),
                "no '{word}' about {host} in {}",
                self.told()
            );
        }
        self
    }

    /// Lists the checks of `prov verify` that failed, by what they show.
    #[must_use]
    pub fn failed_checks(&self) -> Vec<String> {
        let json = self.json();
        let Some(checks) = json["checks"].as_array() else {
            panic!("no checks in {}", self.told());
        };
        let failed = checks.iter().filter(|check| check["passed"] == false);
        failed
            .map(|check| check["shows"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Tells what was typed and all that came of it.
    #[must_use]
    pub fn told(&self) -> String {
        format!(
            "`{}` ({})\n{}\n{}",
            self.line, self.status, self.stdout, self.stderr
        )
    }
}
