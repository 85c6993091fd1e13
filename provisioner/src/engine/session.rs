//! Sessions on a host: one kind that can only look, and one that can also change.
//!
//! `prov diff` opens a [`ReadSession`], whose type has no method that takes a step. A [`WriteSession`] holds the
//! host's lock for as long as it lives; the kernel releases it when the session ends, however it ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tasks::history;
use tasks::probe::QuerySet;
use tasks::resource::Handler;
use tasks::step::{Run, Step};

use super::answers::{self, Answers};
use super::script::{
    LOCK, environment, framed_command, preamble, quote, signs_of_life, writing_preamble,
};
use super::{steps, switch};
use crate::ssh::{
    Allowance, Connection, Ended, Frame, Heard, RootShell, SshError, Target, connect,
};

/// How long a host may work on one script that changes it; large packages take their time.
const CHANGING: Duration = Duration::from_secs(3600);

/// How long a host may work out an upgrade to another release, whose package lists it fetches for that.
const FETCHING: Duration = Duration::from_secs(900);

/// Bytes that a host may answer besides the files that it is asked for.
const MOST_ANSWER: usize = 16 * 1024 * 1024;

/// Bytes of files that a host may answer in all.
const MOST_FILES: usize = 112 * 1024 * 1024;

/// Says how long a host may take, in multiples of the time-out for connecting: a host that works gives a sign every
/// few seconds, so silence tells more than time. One that is being changed is given up late, as it is left half-way.
#[derive(Debug, Clone, Copy)]
struct Patience(Duration);

impl Patience {
    /// For a script that only looks.
    fn looking(self, queries: &QuerySet) -> Allowance {
        let least = if queries.fetches() {
            FETCHING
        } else {
            Duration::from_secs(30)
        };
        Allowance {
            doing: "being looked at",
            silence: self.silence(),
            total: (self.0 * 6).max(least),
            bytes: MOST_ANSWER + queries.bodies().min(MOST_FILES),
        }
    }

    /// For a script that changes the host, and then looks.
    fn changing(self, queries: &QuerySet) -> Allowance {
        Allowance {
            doing: "being changed",
            silence: (self.0 * 6).max(Duration::from_secs(120)),
            total: CHANGING,
            ..self.looking(queries)
        }
    }

    /// A sign may come late once: twice the time between two of them is the least.
    fn silence(self) -> Duration {
        self.0.max(Duration::from_secs(5))
    }
}

/// What a command on a host said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// Its output and errors together, at most the last 64 KiB.
    pub text: String,
    /// Its exit code.
    pub exit: i32,
}

/// A session that can only look.
pub struct ReadSession {
    shell: RootShell,
    _connection: Connection,
    opening: String,
    patience: Patience,
}

impl ReadSession {
    /// Connects and becomes root.
    pub async fn open(target: &Target) -> Result<Self, SshError> {
        let connection = connect(target).await?;
        let shell = RootShell::open(&connection, target).await?;
        let opening = signs_of_life(shell.marks()) + &preamble(shell.marks());
        Ok(Self {
            shell,
            _connection: connection,
            opening,
            patience: Patience(target.timeout),
        })
    }

    /// Reads what is asked, in one round trip.
    pub async fn look(&mut self, queries: &QuerySet) -> Result<Answers, SshError> {
        let script = std::mem::take(&mut self.opening) + &answers::script(queries);
        let allowance = self.patience.looking(queries);
        let frames = self.shell.run(&script, &allowance).await?;
        answers::read(queries, frames)
    }

    /// Tells how many round trips there were.
    #[must_use]
    pub const fn round_trips(&self) -> u32 {
        self.shell.round_trips()
    }

    /// Ends the session.
    pub async fn close(self) {
        self.shell.close().await;
    }
}

/// A session that runs one command that the user typed.
pub struct CommandSession(ReadSession);

impl CommandSession {
    /// Connects and becomes root.
    pub async fn open(target: &Target) -> Result<Self, SshError> {
        ReadSession::open(target).await.map(Self)
    }

    /// Runs a command as root, hands over what it prints as it comes, and tells how it ended.
    pub async fn run<F>(
        self,
        argv: &[String],
        total: Duration,
        printed: impl Fn(Vec<u8>) -> F,
    ) -> Result<Ended, SshError>
    where
        F: Future<Output = ()>,
    {
        let command = steps::run_command(&Run::new(argv.iter()));
        let script = format!("exec </dev/null\n{command}\nexit");
        self.script(&script, total, printed).await
    }

    /// Runs a script of prov's own in the same way; its standard input ends with the session.
    pub async fn script<F>(
        self,
        script: &str,
        total: Duration,
        printed: impl Fn(Vec<u8>) -> F,
    ) -> Result<Ended, SshError>
    where
        F: Future<Output = ()>,
    {
        let Self(read) = self;
        let script = format!("{}exec 2>&1\n{script}\nexit", environment());
        read.shell.become_script(&script, total, printed).await
    }
}

/// Who holds a host's lock, and how long to wait for it.
#[derive(Debug, Clone)]
pub struct Lock {
    /// Words that tell another person who is at work, for instance `anna@desk, prov apply, process 4711`.
    pub holder: String,
    /// Seconds to wait for another holder; 0 refuses at once.
    pub wait: u64,
    /// What hosts that are changed remember of the run.
    pub run: history::RecordedRun,
    /// Addresses of the estate's hosts: a name server among them may come up in the same run.
    pub hosts: Arc<[IpAddr]>,
}

/// What happened when a session to write was opened.
pub enum OpenOutcome {
    /// The lock is held, and this was found.
    Ready(Box<WriteSession>, Box<Answers>),
    /// Somebody else holds the lock.
    Locked {
        /// What they wrote about themselves.
        holder: String,
    },
    /// Nobody holds the lock, and still it cannot be had.
    Unlockable {
        /// What the host said.
        answer: String,
    },
}

/// What came of some steps.
#[derive(Debug)]
pub enum Stepped {
    /// All of them worked, and this was found afterwards; with what their programs said.
    Done(Box<Answers>, String),
    /// One of them failed; those after it were not tried.
    Failed(Output),
}

/// A session that holds the host's lock and can change the host.
pub struct WriteSession {
    read: ReadSession,
    /// Seconds after each script in which a new session must get in, where a change may lock prov out.
    confirmed_within: Option<u64>,
}

impl WriteSession {
    /// Connects, becomes root, takes the lock, and reads what is asked: one round trip after the connection.
    pub async fn open(
        target: &Target,
        lock: &Lock,
        queries: &QuerySet,
    ) -> Result<OpenOutcome, SshError> {
        let mut read = ReadSession::open(target).await?;
        read.opening.push_str(&writing_preamble());
        // Whoever may read the file may lock it, and so keep prov away: nobody but root may.
        let take = format!(
            "umask 077; exec 9<>{LOCK}; umask 022; chmod 0600 {LOCK}; refusal=$(flock -w {wait} 9 2>&1); case $? in\n\
             0) if prov_guard_await {wait}; then printf '%s\\n' {} >{LOCK}; prov_tell lock; else exec 9>&-; printf %s {} | prov_frame holder; fi;;\n\
             1) prov_frame holder <{LOCK};;\n*) printf %s \"$refusal\" | prov_frame unlockable;; esac\n\
             [ ! -e {PUT_BACK} ] || {{ prov_tell put_back; rm -f {PUT_BACK}; }}\n",
            quote(&lock.holder),
            quote(WAITS),
            wait = lock.wait,
        );
        let script = std::mem::take(&mut read.opening) + &take + &answers::script(queries);
        let looking = read.patience.looking(queries);
        let allowance = Allowance {
            doing: if lock.wait == 0 {
                looking.doing
            } else {
                "waiting for its lock"
            },
            total: looking.total + Duration::from_secs(lock.wait),
            ..looking
        };
        let frames = read.shell.run(&script, &allowance).await?;
        if let Some(frame) = frames.iter().find(|frame| frame.name == "holder") {
            let holder = String::from_utf8_lossy(&frame.bytes).trim().to_owned();
            return Ok(OpenOutcome::Locked { holder });
        }
        if let Some(frame) = frames.iter().find(|frame| frame.name == "unlockable") {
            let answer = String::from_utf8_lossy(&frame.bytes).trim().to_owned();
            return Ok(OpenOutcome::Unlockable { answer });
        }
        if !frames.iter().any(|frame| frame.name == "lock") {
            return Err(SshError::Answer(format!("nothing about the lock {LOCK}")));
        }
        let answers = answers::read(queries, frames)?;
        let session = Self {
            read,
            confirmed_within: None,
        };
        Ok(OpenOutcome::Ready(Box::new(session), Box::new(answers)))
    }

    /// Makes one change: records what `record` says, such as the handlers that it notifies, and `afterwards` once it is made; keeps what they may have to put back, carries out
    /// the steps until one fails, and reads what is asked; all in one round trip. `heard` gets the end of what a long step prints.
    pub async fn apply(
        &mut self,
        steps: &[Step],
        (record, afterwards): (&str, &str),
        notified: &[Handler],
        queries: &QuerySet,
        heard: Heard<'_>,
    ) -> Result<Stepped, SshError> {
        if let Some(failed) = self.send_ahead(steps).await? {
            return Ok(Stepped::Failed(failed));
        }
        let mut script = format!("result=0\n{record}");
        let kept = notified.iter().filter(|handler| handler.validate.is_some());
        for handler in kept {
            for path in steps.iter().filter_map(steps::replaced_path) {
                let (folder, path) = (steps::slug(handler), path.as_str());
                let keep = format!("prov_keep {folder} {} {}", steps::key(path), quote(path));
                script.push_str("[ $result = 0 ] && {\n");
                script.push_str(&framed_command("keep", &keep));
                script.push_str("}\n");
            }
        }
        for (index, step) in steps.iter().enumerate() {
            script.push_str("[ $result = 0 ] && {\n");
            script.push_str(&framed_command(
                &format!("step:{index}"),
                &steps::command(step),
            ));
            script.push_str("}\n");
        }
        if !afterwards.is_empty() {
            script.push_str("[ $result = 0 ] && {\n");
            script.push_str(&framed_command("record", afterwards));
            script.push_str("}\n");
        }
        script.push_str(steps::FORGET_AHEAD);
        script.push_str(&answers::script(queries));
        let script = self.held(script);
        let allowance = self.read.patience.changing(queries);
        let shell = &mut self.read.shell;
        let frames = shell.run_heard(&script, &allowance, heard).await?;
        let mut said = String::new();
        for frame in &frames {
            let counts =
                frame.name.starts_with("step:") || frame.name == "record" || frame.name == "keep";
            if counts {
                let output = output(frame)?;
                if output.exit != 0 {
                    return Ok(Stepped::Failed(output));
                }
                if !output.text.is_empty() {
                    said.push_str(&output.text);
                    said.push('\n');
                }
            }
        }
        let last = format!("step:{}", steps.len().saturating_sub(1));
        if !steps.is_empty() && !frames.iter().any(|frame| frame.name == last) {
            return Err(SshError::Answer(
                "a step did not say how it went".to_owned(),
            ));
        }
        let answers = Box::new(answers::read(queries, frames)?);
        Ok(Stepped::Done(answers, said))
    }

    /// Sends a large content in parts, to a file without a name; gives what the host said if it could not take it.
    async fn send_ahead(&mut self, steps: &[Step]) -> Result<Option<Output>, SshError> {
        let Some(bytes) = steps.iter().find_map(steps::ahead) else {
            return Ok(None);
        };
        let begin = std::iter::once(steps::BEGIN_AHEAD.to_owned());
        for script in begin.chain(bytes.chunks(steps::PART).map(steps::part_ahead)) {
            let output = self.answer(&script, "ahead").await?;
            if output.exit != 0 {
                return Ok(Some(output));
            }
        }
        Ok(None)
    }

    /// Reads what is asked, in one round trip.
    pub async fn look(&mut self, queries: &QuerySet) -> Result<Answers, SshError> {
        self.read.look(queries).await
    }

    /// Runs a command and gives its output.
    pub async fn run(&mut self, run: &Run) -> Result<Output, SshError> {
        let script = framed_command("run", &steps::run_command(run));
        self.answer(&script, "run").await
    }

    /// Writes what must outlive the run, and gives what the host says.
    pub async fn remember(&mut self, command: &str) -> Result<Output, SshError> {
        self.answer(&framed_command("record", command), "record")
            .await
    }

    /// Puts back the files that were changed on the way to a handler; the output names them.
    pub async fn put_back(&mut self, handler: &Handler) -> Result<Output, SshError> {
        let script = framed_command("back", &format!("prov_put_back {}", steps::slug(handler)));
        self.answer(&script, "back").await
    }

    /// Strikes a handler off the list of those that are still to run.
    pub async fn forget(
        &mut self,
        handler: &Handler,
        remaining: &[Handler],
    ) -> Result<(), SshError> {
        let script = self.held(steps::forget(handler, remaining));
        let allowance = self.read.patience.changing(&QuerySet::default());
        self.read.shell.run(&script, &allowance).await?;
        Ok(())
    }

    async fn answer(&mut self, script: &str, name: &str) -> Result<Output, SshError> {
        let allowance = Allowance {
            doing: "running a command",
            ..self.read.patience.changing(&QuerySet::default())
        };
        let script = self.held(script.to_owned());
        let frames = self.read.shell.run(&script, &allowance).await?;
        frames.iter().find(|frame| frame.name == name).map_or_else(
            || Err(SshError::Answer("a command did not say how it went".into())),
            output,
        )
    }

    /// Has the host keep what it has, and put it back unless a new session gets in after what comes now.
    pub async fn arm(&mut self, target: &Target, lock: &Lock) -> Result<Output, SshError> {
        let seconds = switch::seconds(target);
        let (functions, command) =
            switch::arming(seconds, &lock.holder, &lock.run.run, &lock.hosts);
        let script = functions + &framed_command("arm", &command);
        let output = self.answer(&script, "arm").await?;
        if output.exit == 0 {
            self.confirmed_within = Some(seconds);
        }
        Ok(output)
    }

    /// Has the host put everything back at once.
    pub async fn give_up(mut self) {
        self.confirmed_within = None;
        // Nobody answers any more: the session ends with what it has done.
        let _ = self.answer(&switch::holding(0), "none").await;
    }

    /// Has the host wait while it carries this out.
    fn held(&self, script: String) -> String {
        match self.confirmed_within {
            None => script,
            Some(seconds) => {
                let (work, rest) = (switch::AT_WORK, seconds);
                switch::holding(work) + &script + &switch::holding(rest)
            }
        }
    }

    /// Tells how many round trips there were.
    #[must_use]
    pub const fn round_trips(&self) -> u32 {
        self.read.round_trips()
    }

    /// Ends the session and so releases the lock.
    pub async fn close(self) {
        self.read.close().await;
    }
}

/// Says by a session of its own that prov gets in; the exit code tells what the host says to that.
pub(super) async fn confirm(target: &Target, run: &str) -> Result<Output, SshError> {
    let mut read = ReadSession::open(target).await?;
    let (functions, command) = switch::confirming(run);
    let script =
        std::mem::take(&mut read.opening) + &functions + &framed_command("confirm", &command);
    let allowance = read.patience.changing(&QuerySet::default());
    let frames = read.shell.run(&script, &allowance).await?;
    read.close().await;
    let said = frames.iter().find(|frame| frame.name == "confirm");
    said.map_or_else(
        || Err(SshError::Answer("it did not confirm its changes".into())),
        output,
    )
}

/// Where a host says what it has put back.
const PUT_BACK: &str = "/run/prov.put-back";

/// What is said of a host where a change waits to be confirmed.
const WAITS: &str = "a run whose change may have locked it out; the host puts that back by itself within a minute or so";

/// Splits what [`framed_command`] wrote: the output, and on its last line the exit code.
fn output(frame: &Frame) -> Result<Output, SshError> {
    let text = String::from_utf8_lossy(&frame.bytes);
    let (text, exit) = text.rsplit_once('\n').unwrap_or(("", &text));
    let exit = exit
        .trim()
        .parse()
        .map_err(|_| SshError::Answer(format!("{} has no exit code", frame.name)))?;
    Ok(Output {
        text: text.trim_end_matches('\n').to_owned(),
        exit,
    })
}
