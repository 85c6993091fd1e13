//! Becoming root: what is run on the host for it, and what it means when no root shell answers.
//!
//! Nothing of a script is sent before a shell has said that it runs, and as whom; a password is sent only to what asks
//! for it in our own words. Whatever else the host prints meanwhile is kept for the message.

use std::fmt;
use std::time::Duration;

use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::time::{Instant, timeout_at};

use tasks::Secret;

use super::connect::Connection;
use super::error::SshError;
use super::received::{Line, Received};
use super::shell::next;
use super::{Sudo, Target};
use crate::terminal::Terminal;

/// Bytes that a host may print before the root shell answers.
const MOST_SAID: usize = 1024 * 1024;

/// A channel to a shell of root's that has answered.
pub(super) struct Root {
    pub(super) reader: ChannelReadHalf,
    pub(super) writer: ChannelWriteHalf<russh::client::Msg>,
    pub(super) received: Received,
    pub(super) nonce: String,
}

/// Becomes root within the target's time-out.
pub(super) async fn become_root(
    connection: &Connection,
    target: &Target,
) -> Result<Root, SshError> {
    let deadline = Instant::now() + target.timeout;
    let nonce = nonce()?;
    let channel = timeout_at(deadline, connection.handle.channel_open_session()).await;
    let channel = match channel {
        Ok(Ok(channel)) => channel,
        Ok(Err(russh::Error::ChannelOpenFailure(_))) => {
            return Err(no_session(target, Some(Obstacle::NoSessions)));
        }
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => return Err(no_session(target, None)),
    };
    let prompt = format!("[{nonce}]");
    let sending = channel.exec(true, command(&target.sudo, &nonce, &prompt));
    let sent = timeout_at(deadline, sending).await;
    sent.map_err(|_| no_session(target, None))??;
    let (reader, writer) = channel.split();
    let mut root = Root {
        reader,
        writer,
        received: Received::new(&nonce),
        nonce,
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
        let reads = if Terminal::of_process().is_tty() {
            ""
        } else {
            "-S "
        };
        Ok(match sudo {
            Sudo::No => Self::as_user(command),
            Sudo::Free => {
                let what = tasks::quote::sh(what);
                Self::as_user(Some(format!("exec sudo -n -H -- /bin/sh -c {what}")))
            }
            Sudo::Password(password) => {
                let nonce = nonce()?;
                let (prompt, begun) = (format!("[{nonce}?]"), format!("[{nonce}!]"));
                let what = tasks::quote::sh(&format!("printf %s '{begun}'; {what}"));
                Self {
                    command: Some(format!(
                        "exec sudo -k -H {reads}-p '{prompt}' -- /bin/sh -c {what}"
                    )),
                    question: Some(Question {
                        prompt,
                        begun,
                        password: password.clone(),
                    }),
                }
            }
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

/// Why no root shell answers, as far as it can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The host says nothing that counts within the time-out.
    Silence(Duration),
    /// It prints without end.
    Flood,
    /// sudo wants a terminal.
    RequireTty,
    /// sudo lets programs start no others.
    NoExec,
    /// sudo cannot work as it is installed.
    BrokenSudo,
    /// The account or its password has expired.
    Expired,
    /// The login shell lets nobody in.
    NoLogin,
    /// Only files are served.
    OnlyFiles,
    /// sshd runs no commands for the user.
    NoCommands,
    /// sshd opens no session.
    NoSessions,
    /// The host has no process, memory or file left.
    Exhausted,
    /// There is no shell, or no program that is needed.
    Missing,
    /// Something else ran and ended.
    Ended(Option<u32>),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence(time) => {
                write!(f, "no root shell answered within {} s", time.as_secs())
            }
            Self::Flood => f.write_str("the host prints without end"),
            Self::RequireTty => f.write_str("sudo wants a terminal"),
            Self::NoExec => f.write_str("sudo does not let the shell start programs"),
            Self::BrokenSudo => f.write_str("sudo does not work"),
            Self::Expired => f.write_str("the account or its password has expired"),
            Self::NoLogin => f.write_str("the login shell lets nobody in"),
            Self::OnlyFiles => f.write_str("the host serves only files (SFTP)"),
            Self::NoCommands => f.write_str("the host runs no commands"),
            Self::NoSessions => f.write_str("the host opens no session"),
            Self::Exhausted => f.write_str("the host cannot start a process"),
            Self::Missing => f.write_str("a program is missing that is needed"),
            Self::Ended(Some(exit)) => write!(
                f,
                "something else ran instead of a root shell, and ended with exit code {exit}"
            ),
            Self::Ended(None) => f.write_str("the host closed the session"),
        }
    }
}

impl Obstacle {
    /// Gives the remedy.
    pub(super) fn remedy(&self, user: &str) -> String {
        match self {
            Self::Silence(_) => format!(
                "see what {user}'s login shell and its start-up files (`getent passwd {user}`, ~/.bashrc, ~/.profile), and a forced command (ForceCommand in sshd_config, command= in authorized_keys) do on the host; a slow host needs a longer --timeout"
            ),
            Self::Flood => format!(
                "see what the start-up files of {user}'s login shell print (~/.bashrc, ~/.profile, /etc/profile.d)"
            ),
            Self::RequireTty => {
                format!("add `Defaults:{user} !requiretty` to the host's sudoers with visudo")
            }
            Self::NoExec => format!(
                "let {user} run `/bin/sh` with sudo without NOEXEC (`Defaults noexec` and tags in the host's sudoers)"
            ),
            Self::BrokenSudo => {
                "repair sudo on the host; `sudo true` there says what is wrong".to_owned()
            }
            Self::Expired => format!(
                "log in once with `ssh` to set a new password, or ask the host's administrator (`chage -l {user}` shows what has expired)"
            ),
            Self::NoLogin => format!(
                "give {user} a login shell on the host: `usermod --shell /bin/sh {user}`"
            ),
            Self::OnlyFiles | Self::NoCommands | Self::Ended(_) => format!(
                "check {user}'s login shell and its start-up files on the host, and what forces another command: ForceCommand in sshd_config, command= in authorized_keys"
            ),
            Self::NoSessions => {
                "check MaxSessions, and PermitTTY and ForceCommand beside it, in the host's sshd_config"
                    .to_owned()
            }
            Self::Exhausted => {
                "free memory, processes or space on the host (`df -h`, `free`, limits of the user), then run the same command again".to_owned()
            }
            Self::Missing => {
                "the host needs /bin/sh, coreutils and, for a login that is not root, sudo".to_owned()
            }
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

/// Recognises what is known to stand between a login and a root shell, by the words of the programs that say so.
fn obstacle(said: &str, exit: Option<u32>, sudo: bool) -> Obstacle {
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&[
        "must have a tty",
        "requires a tty",
        "a terminal is required",
    ]) {
        Obstacle::RequireTty
    } else if has(&[
        "password has expired",
        "account has expired",
        "password expired",
        "is expired",
        "Password change required",
        "required to change your password",
        "account validation failure",
    ]) {
        Obstacle::Expired
    } else if has(&[
        "nosuid",
        "effective uid is not 0",
        "must be owned by uid 0",
        "setuid bit",
        "error in /etc/sudo",
        "syntax error",
        "no valid sudoers",
        "PAM authentication error",
        "policy plugin",
    ]) && sudo
    {
        Obstacle::BrokenSudo
    } else if has(&[
        "account is currently not available",
        "account is not available",
    ]) {
        Obstacle::NoLogin
    } else if has(&["sftp connections only", "sftp only"]) {
        Obstacle::OnlyFiles
    } else if has(&[
        "Resource temporarily unavailable",
        "Cannot allocate memory",
        "annot fork",
        "No space left",
    ]) {
        Obstacle::Exhausted
    } else if has(&["Permission denied", "Operation not permitted"]) && sudo {
        Obstacle::NoExec
    } else if exit == Some(127) {
        Obstacle::Missing
    } else if said.trim().is_empty() && exit == Some(1) {
        // false(1) is the other shell that is given to accounts nobody logs in to.
        Obstacle::NoLogin
    } else {
        Obstacle::Ended(exit)
    }
}

/// Gives the last line that says something, without characters that could draw on the terminal.
pub(super) fn last_line(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or_default()
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(300)
        .collect()
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
    fn what_stands_between_a_login_and_a_root_shell_is_recognised() {
        let cases = [
            (
                "sudo: sorry, you must have a tty to run sudo",
                1,
                true,
                Obstacle::RequireTty,
            ),
            (
                "/bin/sh: 1: id: Permission denied\n/bin/sh: 1: exec: /bin/sh: Permission denied",
                126,
                true,
                Obstacle::NoExec,
            ),
            (
                "sudo: /etc/sudoers is owned by uid 1000, should be 0\nsudo: no valid sudoers sources found, quitting",
                1,
                true,
                Obstacle::BrokenSudo,
            ),
            (
                "sudo: effective uid is not 0, is /usr/bin/sudo on a file system with the 'nosuid' option set or an NFS file system without root privileges?",
                1,
                true,
                Obstacle::BrokenSudo,
            ),
            (
                "WARNING: Your password has expired.\nPassword change required but no TTY available.",
                1,
                false,
                Obstacle::Expired,
            ),
            (
                "sudo: Account expired or PAM config lacks an \"account\" section for sudo, contact your system administrator\nsudo: a password is expired",
                1,
                true,
                Obstacle::Expired,
            ),
            (
                "This account is currently not available.",
                1,
                false,
                Obstacle::NoLogin,
            ),
            ("", 1, false, Obstacle::NoLogin),
            (
                "This service allows sftp connections only.",
                1,
                false,
                Obstacle::OnlyFiles,
            ),
            (
                "-bash: fork: retry: Resource temporarily unavailable",
                254,
                false,
                Obstacle::Exhausted,
            ),
            (
                "bash: line 1: env: command not found",
                127,
                false,
                Obstacle::Missing,
            ),
            ("welcome to the menu", 0, false, Obstacle::Ended(Some(0))),
        ];
        for (said, exit, sudo, expected) in cases {
            assert_eq!(obstacle(said, Some(exit), sudo), expected, "{said}");
            assert!(!expected.remedy("keeper").is_empty());
        }
    }

    #[test]
    fn what_a_host_says_cannot_draw_on_the_terminal() {
        assert_eq!(last_line("a\n\u{1b}[31mred\u{7}\n\n"), "[31mred");
    }

    #[test]
    fn the_word_of_a_shell_that_runs_is_understood() {
        let command = command(&Sudo::No, "n", "");
        let output = std::process::Command::new("sh")
            .args(["-c", &command])
            .output();
        let mut received = Received::new("n");
        let said = received.take(&output.unwrap().stdout).unwrap();
        assert!(matches!(said[..], [Line::Shell(_)]), "{said:?}");
    }
}
