//! Becoming root: what is run on the host for it, and what it means when no root shell answers.
//!
//! Nothing of a script is sent before a shell has said that it runs, and as whom; a password is sent only to what asks
//! for it in our own words. Whatever else the host prints meanwhile is kept for the message.

use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::time::{Instant, timeout_at};

use tasks::Secret;

use super::connect::Connection;
use super::error::SshError;
use super::obstacle::{Obstacle, obstacle};
use super::received::{Line, Marks, Received, last_line, next};
use super::{Sudo, Target};
use crate::terminal::Terminal;

/// Bytes that a host may print before the root shell answers.
const MOST_SAID: usize = 1024 * 1024;

/// A channel to a shell of root's that has answered.
pub(super) struct Root {
    pub(super) reader: ChannelReadHalf,
    pub(super) writer: ChannelWriteHalf<russh::client::Msg>,
    pub(super) received: Received,
    pub(super) marks: Marks,
}

/// Becomes root within the target's time-out.
pub(super) async fn become_root(
    connection: &Connection,
    target: &Target,
) -> Result<Root, SshError> {
    let deadline = Instant::now() + target.timeout;
    let marks = Marks {
        public: nonce()?,
        secret: nonce()?,
    };
    let channel = timeout_at(deadline, connection.handle.channel_open_session()).await;
    let channel = match channel {
        Ok(Ok(channel)) => channel,
        Ok(Err(russh::Error::ChannelOpenFailure(_))) => {
            return Err(no_session(target, Some(Obstacle::NoSessions)));
        }
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => return Err(no_session(target, None)),
    };
    let prompt = format!("[{}]", marks.public);
    let sending = async {
        // The login shell and what it starts speak English, too, where sshd takes that (AcceptEnv LC_*, as Debian has it).
        channel.set_env(false, "LC_ALL", "C").await?;
        let command = command(&target.sudo, &marks.public, &prompt);
        channel.exec(true, command).await
    };
    let sent = timeout_at(deadline, sending).await;
    sent.map_err(|_| no_session(target, None))??;
    let (reader, writer) = channel.split();
    let mut root = Root {
        reader,
        writer,
        received: Received::new(marks.clone()),
        marks,
    };
    let uid = wait(&mut root, target, &prompt, deadline).await?;
    if uid != 0 {
        return Err(SshError::NotRoot {
            user: target.user.clone(),
            host: target.host.clone(),
            uid,
        });
    }
    root.received.forget_noise();
    Ok(root)
}

/// Gives the command that becomes root. `sudo` and what it asks speak English, whatever the host speaks.
fn command(sudo: &Sudo, nonce: &str, prompt: &str) -> String {
    let shell =
        format!("/bin/sh -c 'printf \"\\n@{nonce} shell %s\\n\" \"$(id -u)\"; exec /bin/sh -s'");
    let english = "env LC_ALL=C LANGUAGE=C";
    match sudo {
        Sudo::No => format!("exec {english} {shell}"),
        Sudo::Free => format!("exec {english} sudo -n -- {shell}"),
        Sudo::Password(_) => format!("exec {english} sudo -k -S -p '{prompt}' -- {shell}"),
    }
}

/// A command to be run at this process's terminal, and the password that it asks for.
#[derive(Debug, Clone)]
pub struct AtTerminal {
    /// The command; a login shell where there is none.
    pub command: Option<String>,
    /// What the host asks first, if it asks.
    pub(super) question: Option<Question>,
}

/// A question for a password, which is answered instead of shown.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// The question.
    pub(super) prompt: String,
    /// What is printed once nothing is asked any more.
    pub(super) begun: String,
    /// The answer.
    pub(super) password: Secret,
}

impl AtTerminal {
    /// Runs this as the user that logs in.
    #[must_use]
    pub const fn as_user(command: Option<String>) -> Self {
        Self {
            command,
            question: None,
        }
    }

    /// Runs this as root.
    pub fn as_root(command: Option<String>, sudo: &Sudo) -> Result<Self, SshError> {
        let what = match &command {
            Some(command) => command.as_str(),
            None => "cd && exec \"$(getent passwd 0 | cut -d: -f7)\" -l",
        };
        let at_terminal = Terminal::of_process().is_tty();
        match sudo {
            Sudo::No => Ok(Self::as_user(command)),
            Sudo::Free => {
                let what = tasks::quote::sh(what);
                let command = format!("exec sudo -n -H -- /bin/sh -c {what}");
                Ok(Self::as_user(Some(command)))
            }
            Sudo::Password(password) => Self::asking(what, sudo, password.clone(), at_terminal),
        }
    }

    /// Runs this as root; what it prints is known to begin after a word of its own, whatever a login prints before.
    pub(super) fn piped(command: &str, sudo: &Sudo) -> Result<Self, SshError> {
        let password = match sudo {
            Sudo::Password(password) => password.clone(),
            Sudo::No | Sudo::Free => Secret::new(""),
        };
        Self::asking(command, sudo, password, false)
    }

    fn asking(
        what: &str,
        sudo: &Sudo,
        password: Secret,
        at_terminal: bool,
    ) -> Result<Self, SshError> {
        let nonce = nonce()?;
        let (prompt, begun) = (format!("[{nonce}?]"), format!("[{nonce}!]"));
        let what = tasks::quote::sh(&format!("printf %s '{begun}'; {what}"));
        let reads = if at_terminal { "" } else { "-S " };
        let becomes = match sudo {
            Sudo::No => String::new(),
            Sudo::Free => "sudo -n -H -- ".to_owned(),
            Sudo::Password(_) => format!("sudo -k -H {reads}-p '{prompt}' -- "),
        };
        Ok(Self {
            command: Some(format!("exec {becomes}/bin/sh -c {what}")),
            question: Some(Question {
                prompt,
                begun,
                password,
            }),
        })
    }
}

fn no_session(target: &Target, obstacle: Option<Obstacle>) -> SshError {
    SshError::NoRootShell {
        user: target.user.clone(),
        obstacle: obstacle.unwrap_or(Obstacle::Silence(target.timeout)),
        answer: String::new(),
    }
}

/// Waits for the shell's first word; gives the number of the user that it runs as.
async fn wait(
    root: &mut Root,
    target: &Target,
    prompt: &str,
    deadline: Instant,
) -> Result<u32, SshError> {
    let mut asked = false;
    let mut exit = None;
    loop {
        let Ok(message) = next(&mut root.reader, deadline).await else {
            let answer = last_line(&root.received.noise());
            return Err(SshError::NoRootShell {
                user: target.user.clone(),
                obstacle: Obstacle::Silence(target.timeout),
                answer,
            });
        };
        match message {
            Some(ChannelMsg::Data { data }) => {
                for line in root.received.take(&data)? {
                    if let Line::Shell(uid) = line {
                        return Ok(uid);
                    }
                }
            }
            Some(ChannelMsg::ExtendedData { data, .. }) => root.received.hear(&data),
            Some(ChannelMsg::ExitStatus { exit_status }) => exit = Some(exit_status),
            Some(ChannelMsg::Failure) => {
                return Err(no_session(target, Some(Obstacle::NoCommands)));
            }
            None | Some(ChannelMsg::Close) => {
                return Err(refusal(target, &root.received.noise(), exit));
            }
            Some(_) => {}
        }
        if root.received.noise_bytes() > MOST_SAID {
            let answer = last_line(&root.received.noise());
            return Err(SshError::NoRootShell {
                user: target.user.clone(),
                obstacle: Obstacle::Flood,
                answer,
            });
        }
        let said = root.received.noise();
        if let (Sudo::Password(password), true) = (&target.sudo, said.contains(prompt)) {
            if asked {
                let user = target.user.clone();
                return Err(SshError::SudoPassword { user });
            }
            asked = true;
            root.received.forget_noise();
            let line = format!("{}\n", password.expose()).into_bytes();
            let sent = timeout_at(deadline, root.writer.data_bytes(line)).await;
            sent.map_err(|_| no_session(target, None))??;
        }
    }
}

/// Finds out from what was said why no root shell came.
fn refusal(target: &Target, said: &str, exit: Option<u32>) -> SshError {
    let user = target.user.clone();
    let answer = last_line(said);
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if !matches!(target.sudo, Sudo::No) {
        if has(&[
            "incorrect password",
            "Sorry, try again",
            "Authentication failed, try again",
        ]) {
            return SshError::SudoPassword { user };
        }
        if has(&["password is required", "authentication is required"]) {
            return SshError::SudoNeedsPassword { user };
        }
        let refused = [
            "not in the sudoers",
            "is not allowed to",
            "may not run",
            "I can't do that",
            "sudo: not found",
            "sudo: command not found",
            "sudo: No such file",
            "‘sudo’: No such file",
            "'sudo': No such file",
        ];
        if has(&refused) {
            let answer = of_the_shell(&answer);
            return SshError::SudoRefused { user, answer };
        }
    }
    let obstacle = obstacle(said, exit, !matches!(target.sudo, Sudo::No));
    SshError::NoRootShell {
        user,
        obstacle,
        answer,
    }
}

/// Shortens the command that sudo repeats to the program that it does not start.
fn of_the_shell(answer: &str) -> String {
    let command = answer.split_once("execute '");
    let rest = command.and_then(|(said, rest)| Some((said, rest.rsplit_once("' as ")?)));
    match rest {
        Some((said, (command, who))) => {
            let program = command.split(' ').next().unwrap_or_default();
            format!("{said}execute '{program}' as {who}")
        }
        None => answer.to_owned(),
    }
}

/// Makes a word that cannot be guessed.
fn nonce() -> Result<String, SshError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        SshError::Answer(format!("this machine gives no random numbers: {error}"))
    })?;
    Ok(format!("prov{}", tasks::hex(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_says_cannot_draw_on_the_terminal() {
        assert_eq!(last_line("a\n\u{1b}[31mred\u{7}\n\n"), "[31mred");
    }

    #[test]
    fn a_command_that_sudo_repeats_is_told_by_its_program() {
        let command = command(&Sudo::No, "n", "");
        let command = command.trim_start_matches("exec env LC_ALL=C LANGUAGE=C ");
        let said = |what: &str| {
            format!("Sorry, user ann is not allowed to execute '{what}' as root on web.")
        };
        assert_eq!(of_the_shell(&said(command)), said("/bin/sh"));
        let other = "ann is not in the sudoers file.";
        assert_eq!(of_the_shell(other), other);
    }

    #[test]
    fn the_word_of_a_shell_that_runs_is_understood() {
        let command = command(&Sudo::No, "n", "");
        let output = std::process::Command::new("sh")
            .args(["-c", &command])
            .output();
        let mut received = Received::new(Marks {
            public: "n".to_owned(),
            secret: "m".to_owned(),
        });
        let said = received.take(&output.unwrap().stdout).unwrap();
        assert!(matches!(said[..], [Line::Shell(_)]), "{said:?}");
    }
}
