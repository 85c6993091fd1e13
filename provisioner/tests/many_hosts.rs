//! Five hundred hosts, of which one in twenty fails, hangs or is slow: shells on this machine, each with a lock, a memory and a
//! folder of its own.

#![expect(clippy::unwrap_used, reason = "a test may end at once")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tasks::pushln;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session};
use russh::{Channel, ChannelId};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

const HOSTS: usize = 500;

/// How long the slow ones think before they say anything.
const SLOW: Duration = Duration::from_secs(2);

/// Seconds that prov waits for one that hangs.
const TIMEOUT: u64 = 10;

/// What all may take, on a machine that has other things to do.
const ALL: Duration = Duration::from_secs(240);

/// Memory of prov, in KiB.
const MOST_MEMORY: u64 = 200 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Work,
    /// Has no room for what it is to have.
    Fail,
    Hang,
    BeSlow,
    TurnAway,
}

fn does(index: usize) -> Does {
    match index % 100 {
        0 | 80 => Does::Fail,
        20 => Does::Hang,
        40 => Does::BeSlow,
        60 => Does::TurnAway,
        _ => Does::Work,
    }
}

fn name(index: usize) -> String {
    format!("host{index:03}")
}

struct Host {
    does: Does,
    /// Where what a host has in `/run` and `/var/lib` is.
    root: PathBuf,
    input: Option<tokio::process::ChildStdin>,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
}

impl server::Handler for Host {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        match self.does {
            Does::Hang => return Ok(()),
            Does::BeSlow => tokio::time::sleep(SLOW).await,
            Does::Work | Does::Fail | Does::TurnAway => {}
        }
        let shell = support::shell(support::nonce(data), session.handle(), channel)?;
        self.input = Some(shell);
        Ok(())
    }

    async fn data(
        &mut self,
        _: ChannelId,
        data: &[u8],
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.line.extend(data);
        let Some(input) = &mut self.input else {
            return Ok(());
        };
        // A name may be cut in two, so only whole lines are handed on.
        if let Some(end) = self.line.iter().rposition(|byte| *byte == b'\n') {
            let lines: Vec<u8> = self.line.drain(..=end).collect();
            let mut lines = String::from_utf8_lossy(&lines).into_owned();
            for path in ["/run/prov", "/var/lib/prov"] {
                lines = lines.replace(path, &format!("{}{path}", self.root.display()));
            }
            input.write_all(lines.as_bytes()).await?;
        }
        Ok(())
    }

    async fn channel_eof(&mut self, _: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        self.input = None;
        Ok(())
    }
}

fn release() -> String {
    let system = std::fs::read_to_string("/etc/os-release").unwrap();
    let line = system
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    line.unwrap().to_owned()
}

fn me(flag: &str) -> String {
    let output = Command::new("id").arg(flag).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

struct Estate {
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Estate {
    fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
        let public = key.public_key().to_openssh().unwrap();
        let config = Arc::new(server::Config {
            keys: vec![key],
            ..server::Config::default()
        });
        let (mut hosts, mut known) = (String::new(), String::new());
        for index in 0..HOSTS {
            let address = format!("127.1.{}.{}", index / 250, index % 250 + 1);
            let listener = TcpListener::bind((address.as_str(), 0));
            let listener = runtime.block_on(listener).unwrap();
            let port = listener.local_addr().unwrap().port();
            let (does, root, config) =
                (does(index), folder.path().join(name(index)), config.clone());
            for place in ["run", "var/lib", "srv"] {
                if place != "srv" || does != Does::Fail {
                    std::fs::create_dir_all(root.join(place)).unwrap();
                }
            }
            runtime.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    if does == Does::TurnAway {
                        continue;
                    }
                    let (root, config) = (root.clone(), config.clone());
                    let host = Host {
                        does,
                        root,
                        input: None,
                        line: Vec::new(),
                    };
                    tokio::spawn(async move {
                        if let Ok(session) = server::run_stream(config, stream, host).await {
                            let _ = session.await;
                        }
                    });
                }
            });
            let name = name(index);
            pushln!(
                hosts,
                "  {name}: {{address: {address}, location: internal, connection: {{port: {port}}}}}"
            );
            pushln!(known, "[{address}]:{port} {public}");
        }
        let root = folder.path().display();
        let (owner, group, release) = (me("-un"), me("-gn"), release());
        for (path, text) in [
            (
                "estate/estate.yml",
                format!(
                    "name: many\nrelease: {release}\nconnection: {{user: root, password: not-a-secret}}\nhosts:\n{hosts}"
                ),
            ),
            (
                "estate/groups/all.yml",
                format!(
                    "resources:\n  - file: {{path: '{root}/{{{{ host.name }}}}/srv/motd', content: 'hello', owner: {owner}, group: {group}}}\n"
                ),
            ),
            ("home/.ssh/known_hosts", known),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self {
            folder,
            _runtime: runtime,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Applies; gives the report, after time and memory have been looked at.
    fn apply(&self, arguments: &[&str]) -> Value {
        let output = self.path("output");
        let started = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_prov"))
            .arg("--estate")
            .arg(self.path("estate"))
            .args([
                "--timeout",
                &TIMEOUT.to_string(),
                "--output",
                "json",
                "apply",
            ])
            .args(arguments)
            .env("HOME", self.path("home"))
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("PROV_ESTATE")
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&output).unwrap())
            .spawn()
            .unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut memory = 0;
        while child.try_wait().unwrap().is_none() {
            memory = memory.max(peak(Path::new(&status)));
            assert!(started.elapsed() < ALL, "prov does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(memory < MOST_MEMORY, "{memory} KiB");
        serde_json::from_str(&std::fs::read_to_string(output).unwrap()).unwrap()
    }
}

fn peak(status: &Path) -> u64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.trim().split(' ').next()?.parse().ok());
    peak.unwrap_or(0)
}

#[test]
fn one_in_twenty_that_fails_hangs_or_is_slow_keeps_nobody_from_the_right_result() {
    let estate = Estate::new();
    let report = estate.apply(&["--serial", "20%", "--max-fail", "10%"]);
    assert_eq!(
        report["not_begun"],
        serde_json::json!([]),
        "{}",
        report["not_begun"]
    );
    assert_eq!(report["hosts"].as_array().unwrap().len(), HOSTS);
    for (index, host) in report["hosts"].as_array().unwrap().iter().enumerate() {
        assert_eq!(host["host"], name(index), "the order of the estate");
        let (status, cause) = (
            &host["status"],
            host["failed"]["cause"].as_str().unwrap_or_default(),
        );
        let wanted = match does(index) {
            Does::Work | Does::BeSlow => "changed",
            Does::Fail | Does::Hang | Does::TurnAway => "failed",
        };
        assert_eq!(status, wanted, "{}: {cause}", host["host"]);
        let written = estate.path(&name(index)).join("srv/motd").exists();
        assert_eq!(written, wanted == "changed", "{}", host["host"]);
    }

    // Two of each hundred may not fail: of the first hundred four do, and no other one is begun.
    let report = estate.apply(&["--serial", "100", "--max-fail", "2"]);
    let left = report["not_begun"].as_array().unwrap();
    assert_eq!(left.len(), HOSTS - 100);
    assert_eq!(left[0]["host"], name(100));
    assert_eq!(left[0]["reason"], "4 failed, and at most 2 may");
    assert_eq!(report["summary"]["up_to_date"], 96);

    // A canary that fails is the only one.
    let report = estate.apply(&["--canary", &name(0)]);
    assert_eq!(report["hosts"].as_array().unwrap().len(), 1);
    assert_eq!(report["not_begun"].as_array().unwrap().len(), HOSTS - 1);
    assert_eq!(
        report["not_begun"][0]["reason"],
        "the canary host000 failed"
    );
}
