//! What stands between a login and a root shell, recognised by the words of the programs that say so.

use std::fmt;
use std::time::Duration;

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
            Self::Missing => format!(
                "the host needs /bin/sh, coreutils and, for a login that is not root, sudo; and what {user}'s start-up files run (~/.bashrc, ~/.profile) must be there"
            ),
        }
    }
}

/// Recognises what is known to stand between a login and a root shell, by the words of the programs that say so.
pub(super) fn obstacle(said: &str, exit: Option<u32>, sudo: bool) -> Obstacle {
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
}
