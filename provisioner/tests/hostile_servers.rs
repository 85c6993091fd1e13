//! SSH servers on loopback that do what a host must not do: each is given up in time, with what it did, and none of them
//! keeps the results of a good host away or takes more memory than a host may.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may end at once, and a server that does one bad thing does all others well"
)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tasks::pushln;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session};
use russh::{Channel, ChannelId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Seconds that prov is told to wait.
const TIMEOUT: u64 = 3;

/// How long a host that gives signs of life for ever is waited for: the least that prov allows for looking at a host.
const LONGEST: Duration = Duration::from_secs(30);

/// How long all may take: the longest, and what a busy machine adds.
const ALL: Duration = Duration::from_secs(80);

/// Memory of prov with all these servers, in KiB: two dozen hosts of at most 32 MiB would be far more.
const MOST_MEMORY: u64 = 200 * 1024;

/// What a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    // Before there is SSH.
    AcceptNothing,
    Close,
    SpeakHttp,
    TurnAway,
    BannerOnly,
    DripBanner,
    EndlessLines,
    GarbageAfterBanner,
    // While one logs in.
    HangLogin,
    AskForEver,
    // Once one is in.
    Disconnect,
    HangChannel,
    RefuseChannel,
    RefuseCommand,
    SayNothing,
    OtherNonce,
    DripBytes,
    DripLines,
    EndlessShortLines,
    EndlessLine,
    EndlessErrors,
    SomebodyElse,
    EndAtOnce,
    // Once there is a shell.
    ShellThenSilence,
    ShellThenSigns,
    ShellThenFlood,
    ShellThenAnswersWithoutEnd,
    ShellThenHalfAnAnswer,
    ShellThenBytes,
    // A good one.
    Work,
}

/// What is said of each by `prov diff`.
const TABLE: [(Does, &str); 29] = [
    (Does::AcceptNothing, "within 3 s"),
    (Does::Close, ""),
    (Does::SpeakHttp, ""),
    (Does::TurnAway, "turns this machine away for now"),
    (Does::BannerOnly, "within 3 s"),
    (Does::DripBanner, "within 3 s"),
    (Does::EndlessLines, ""),
    (Does::GarbageAfterBanner, ""),
    (Does::HangLogin, "within 3 s"),
    (Does::AskForEver, ""),
    (Does::Disconnect, ""),
    (Does::HangChannel, "no root shell answered within 3 s"),
    (Does::RefuseChannel, "opens no session"),
    (Does::RefuseCommand, "runs no commands"),
    (Does::SayNothing, "no root shell answered within 3 s"),
    (Does::OtherNonce, "no root shell answered within 3 s"),
    (Does::DripBytes, "no root shell answered within 3 s"),
    (
        Does::DripLines,
        "no root shell answered within 3 s, saying: drip",
    ),
    (Does::EndlessShortLines, "prints without end"),
    (Does::EndlessLine, "prints without end"),
    (Does::EndlessErrors, "eeee"),
    (Does::SomebodyElse, "root is not root"),
    (Does::EndAtOnce, "exit code 7, saying: goodbye"),
    (
        Does::ShellThenSilence,
        "did not answer for 5 s while being looked at",
    ),
    (
        Does::ShellThenSigns,
        "was not done after 30 s while being looked at",
    ),
    (Does::ShellThenFlood, "while being looked at"),
    (
        Does::ShellThenAnswersWithoutEnd,
        "more than 80 MiB while being looked at",
    ),
    (Does::ShellThenHalfAnAnswer, "cut short"),
    (
        Does::ShellThenBytes,
        "did not answer for 5 s while being looked at",
    ),
];

fn name(does: Does) -> String {
    let words = format!("{does:?}");
    let mut name = String::new();
    for letter in words.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

struct Server {
    does: Does,
    input: Option<tokio::process::ChildStdin>,
    /// What has come of a script, until it names what begins the lines of its answers.
    script: String,
    mark: tokio::sync::watch::Sender<String>,
}

impl server::Handler for Server {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, Self::Error> {
        match self.does {
            Does::HangLogin => std::future::pending().await,
            Does::AskForEver => Ok(Auth::reject()),
            _ => Ok(Auth::Accept),
        }
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        _: Option<server::Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        Ok(Auth::Partial {
            name: "".into(),
            instructions: "".into(),
            prompts: vec![("again? ".into(), false)].into(),
        })
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), Self::Error> {
        if self.does == Does::Disconnect {
            session.disconnect(russh::Disconnect::ByApplication, "no", "")?;
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        match self.does {
            Does::HangChannel => std::future::pending().await,
            Does::RefuseChannel => {
                let reason = russh::ChannelOpenFailure::AdministrativelyProhibited;
                reply.reject(reason).await;
            }
            _ => reply.accept().await,
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.does == Does::RefuseCommand {
            return session.channel_failure(channel);
        }
        session.channel_success(channel)?;
        let (does, nonce, handle) = (self.does, support::nonce(data), session.handle());
        if does == Does::Work {
            self.input = Some(support::shell(nonce, handle, channel)?);
            return Ok(());
        }
        let mut mark = self.mark.subscribe();
        tokio::spawn(async move {
            let shell = format!("\n@{nonce} shell 0\n");
            let nonce = match does {
                Does::ShellThenSigns
                | Does::ShellThenAnswersWithoutEnd
                | Does::ShellThenHalfAnAnswer => {
                    let _ = handle.data(channel, shell.clone().into_bytes()).await;
                    let mark = mark.wait_for(|mark| !mark.is_empty()).await;
                    mark.map(|mark| mark.clone()).unwrap_or_default()
                }
                _ => nonce,
            };
            let (first, again, pause): (String, Vec<u8>, u64) = match does {
                Does::OtherNonce => (
                    "\n@provother shell 0\n".into(),
                    b"@provother alive\n".to_vec(),
                    1,
                ),
                Does::DripBytes => (String::new(), b".".to_vec(), 1),
                Does::DripLines => (String::new(), b"drip\n".to_vec(), 1),
                Does::EndlessShortLines => (String::new(), b"y\n".repeat(8192), 0),
                Does::EndlessLine => (String::new(), vec![b'x'; 16384], 0),
                Does::SomebodyElse => (format!("\n@{nonce} shell 1000\n"), Vec::new(), 1),
                Does::ShellThenSigns => {
                    (String::new(), format!("\n@{nonce} alive\n").into_bytes(), 1)
                }
                Does::ShellThenFlood => (shell, b"y\n".repeat(8192), 0),
                Does::ShellThenAnswersWithoutEnd => {
                    let part = format!("@{nonce} = {}\n", "QUJD".repeat(700));
                    (format!("@{nonce} + paths\n"), part.into_bytes(), 0)
                }
                Does::ShellThenHalfAnAnswer => (
                    format!("@{nonce} + paths\n@{nonce} = QUJD\n@{nonce} - 8\n"),
                    Vec::new(),
                    1,
                ),
                Does::ShellThenBytes => (shell, b".".to_vec(), 1),
                Does::ShellThenSilence => (shell, Vec::new(), 1),
                _ => (String::new(), Vec::new(), 1),
            };
            if does == Does::EndAtOnce {
                let _ = handle.data(channel, &b"goodbye\n"[..]).await;
                let _ = handle.exit_status_request(channel, 7).await;
                let _ = handle.close(channel).await;
                return;
            }
            let _ = handle.data(channel, first.into_bytes()).await;
            loop {
                // Also where nothing is said, this is how one finds out that the other side is gone.
                let sent = if does == Does::EndlessErrors {
                    handle.extended_data(channel, 1, vec![b'e'; 16384]).await
                } else {
                    handle.data(channel, again.clone()).await
                };
                if sent.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(pause)).await;
            }
        });
        Ok(())
    }

    async fn data(
        &mut self,
        _: ChannelId,
        data: &[u8],
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if let Some(input) = &mut self.input {
            input.write_all(data).await?;
        } else if self.mark.borrow().is_empty() {
            self.script.push_str(&String::from_utf8_lossy(data));
            let mark = self.script.split_once("prov_mark=");
            if let Some((mark, _)) = mark.and_then(|(_, rest)| rest.split_once('\n')) {
                self.mark.send_replace(mark.to_owned());
            }
        }
        Ok(())
    }

    async fn channel_eof(&mut self, _: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        self.input = None;
        Ok(())
    }
}

async fn serve(does: Does, mut stream: TcpStream, config: Arc<server::Config>) {
    let banner = b"SSH-2.0-OpenSSH_9.2p1\r\n";
    let written = match does {
        Does::AcceptNothing => std::future::pending().await,
        Does::Close => return,
        Does::SpeakHttp => {
            let page = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(page).await
        }
        // As OpenSSH does for a while after logins that failed.
        Does::TurnAway => {
            let _ = stream.write_all(b"Not allowed at this time\r\n").await;
            return;
        }
        Does::BannerOnly => {
            let _ = stream.write_all(banner).await;
            std::future::pending().await
        }
        Does::DripBanner => {
            for byte in b"SSH-2.0-a_server_that_takes_its_time_for_every_letter\r\n" {
                let _ = stream.write_all(&[*byte]).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Ok(())
        }
        Does::EndlessLines => loop {
            if stream.write_all(&b"y\n".repeat(8192)).await.is_err() {
                return;
            }
        },
        Does::GarbageAfterBanner => {
            let _ = stream.write_all(banner).await;
            stream.write_all(&[0xff; 4096]).await
        }
        _ => {
            let server = Server {
                does,
                script: String::new(),
                mark: tokio::sync::watch::Sender::new(String::new()),
                input: None,
            };
            if let Ok(session) = server::run_stream(config, stream, server).await {
                let _ = session.await;
            }
            return;
        }
    };
    let _ = written;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

/// An estate of these servers and a good one, with a home directory that knows their host key.
struct Estate {
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Estate {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
        let public = key.public_key().to_openssh().unwrap();
        let config = Arc::new(server::Config {
            keys: vec![key],
            auth_rejection_time: Duration::ZERO,
            ..server::Config::default()
        });
        let (mut hosts, mut known) = (String::new(), String::new());
        let all = TABLE.iter().map(|(does, _)| *does).chain([Does::Work]);
        for (index, does) in all.enumerate() {
            // A loopback address of its own for each, as an estate's hosts have different addresses.
            let address = format!("127.0.77.{}", index + 1);
            let listener = runtime
                .block_on(TcpListener::bind((address.as_str(), 0)))
                .unwrap();
            let port = listener.local_addr().unwrap().port();
            let config = config.clone();
            runtime.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(does, stream, config.clone()));
                }
            });
            let name = name(does);
            pushln!(
                hosts,
                "  {name}: {{address: {address}, location: internal, connection: {{port: {port}}}}}"
            );
            pushln!(known, "[{address}]:{port} {public}");
        }
        let folder = tempfile::tempdir().unwrap();
        let estate = format!(
            "name: hostile\nconnection: {{user: root, password: {}}}\nhosts:\n{hosts}",
            "not-a-secret"
        );
        for (path, text) in [
            ("estate/estate.yml", &estate),
            ("home/.ssh/known_hosts", &known),
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

    fn prov(&self, arguments: &[&str]) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_prov"))
            .arg("--estate")
            .arg(self.folder.path().join("estate"))
            .args(["--timeout", &TIMEOUT.to_string(), "--forks", "64"])
            .args(arguments)
            .env("HOME", self.folder.path().join("home"))
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("PROV_ESTATE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut errors = child.stderr.take().unwrap();
        let lines = std::thread::spawn(move || {
            let lines = output
                .lines()
                .map(|line| (started.elapsed(), line.unwrap()));
            lines.collect()
        });
        // Nobody reads what it says besides, but it must not wait for that.
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        Running {
            child,
            started,
            lines,
        }
    }
}

/// A running prov, which is watched.
struct Running {
    child: Child,
    started: Instant,
    lines: JoinHandle<Vec<(Duration, String)>>,
}

struct Ran {
    stdout: String,
    code: Option<i32>,
    elapsed: Duration,
    /// Peak of the memory, in KiB.
    memory: u64,
    /// When each line came.
    lines: Vec<(Duration, String)>,
}

impl Running {
    fn interrupt(&self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(sent.success());
    }

    fn end(mut self) -> Ran {
        let started = self.started;
        let status = format!("/proc/{}/status", self.child.id());
        let mut memory = 0;
        let code = loop {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let peak = peak.and_then(|line| line.trim().split(' ').next()?.parse().ok());
            memory = memory.max(peak.unwrap_or(0));
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(started.elapsed() < 2 * ALL, "prov does not end");
            std::thread::sleep(Duration::from_millis(50));
        };
        let lines = self.lines.join().unwrap();
        let stdout: Vec<_> = lines.iter().map(|(_, line)| line.as_str()).collect();
        Ran {
            stdout: stdout.join("\n"),
            code,
            elapsed: started.elapsed(),
            memory,
            lines,
        }
    }
}

impl Ran {
    /// Gives when a line with these words came.
    fn when(&self, words: &str) -> Duration {
        let found = self.lines.iter().find(|(_, line)| line.contains(words));
        found
            .unwrap_or_else(|| panic!("{words:?} is not in\n{}", self.stdout))
            .0
    }
}

#[test]
fn no_server_holds_up_a_run_or_takes_its_memory() {
    let estate = Estate::new();
    let looked = estate.prov(&["--output", "json", "diff"]).end();
    let report: serde_json::Value = serde_json::from_str(&looked.stdout).unwrap();
    for (does, expected) in TABLE {
        let hosts = report["hosts"].as_array().unwrap();
        let host = hosts
            .iter()
            .find(|host| host["host"] == name(does))
            .unwrap();
        let failed = &host["failed"];
        let cause = failed["cause"].as_str().unwrap_or_default();
        assert!(
            !cause.is_empty() && cause.contains(expected),
            "{does:?}: {cause:?} does not say {expected:?}"
        );
        assert!(
            !failed["hint"].as_str().unwrap_or_default().is_empty(),
            "{does:?} has no remedy"
        );
    }
    assert!(
        looked.elapsed >= LONGEST && looked.elapsed < ALL,
        "{:?}",
        looked.elapsed
    );
    assert!(looked.memory < MOST_MEMORY, "{} KiB", looked.memory);

    // Without those whose endless output would be shown, and hide when the rest came.
    let limit = "all:!shell-then-flood:!shell-then-answers-without-end";
    // A command ends by itself on the good one; on those that have a shell and say nothing more, when its time is up.
    let ran = estate
        .prov(&[
            "--limit",
            limit,
            "run",
            "--max-time",
            "6",
            "--",
            "echo done; sleep 1; echo later",
        ])
        .end();
    assert!(
        ran.when("| done") < Duration::from_secs(5),
        "{}",
        ran.stdout
    );
    assert!(ran.when("| later") > ran.when("| done") + Duration::from_millis(500));
    assert!(ran.when("exit 0") >= ran.when("| later"));
    assert!(
        ran.elapsed < ALL && ran.memory < MOST_MEMORY,
        "{:?}, {} KiB",
        ran.elapsed,
        ran.memory
    );
    assert_eq!(ran.code, Some(1));
}

#[test]
fn what_is_known_is_shown_meanwhile_and_when_the_user_stops() {
    let estate = Estate::new();
    let limit = "work,say-nothing,shell-then-signs,refuse-channel";
    let running = estate.prov(&["--limit", limit, "diff"]);
    std::thread::sleep(Duration::from_secs(9));
    running.interrupt();
    let ran = running.end();
    assert!(ran.elapsed < Duration::from_secs(15), "{:?}", ran.elapsed);
    let shown_before = |words: &str| assert!(ran.when(words) < Duration::from_secs(8), "{words}");
    for words in ["work  ", "opens no session", "no root shell answered"] {
        shown_before(words);
    }
    assert!(ran.when("stopped before the host had answered") > Duration::from_secs(8));
    assert!(ran.stdout.contains("4 hosts:"), "{}", ran.stdout);
    assert_eq!(ran.code, Some(1));
}
