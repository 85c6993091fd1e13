//! A session in which programs of checks run: each with its own input, output, errors and exit code.
//!
//! What a program is given and what it says is in files without names, which are gone however the session ends.

use std::time::Duration;

use super::script::{preamble, quote, quote_all, signs_of_life};
use crate::ssh::{Allowance, Connection, Frame, RootShell, SshError, Target, connect};

/// How long one program may take; each has a shorter time of its own.
const LONGEST: Duration = Duration::from_secs(900);

/// Bytes that one program may answer; it is cut off earlier where it runs.
const MOST: usize = 8 * 1024 * 1024;

/// Becomes an account that owns nothing, and looks for no settings of anybody's.
const NOBODY: &str =
    "setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs env HOME=/nonexistent";

/// Where nobody's programs find the authorities that they trust.
pub const TRUSTED: &str = "/proc/self/fd/5";

/// What makes programs trust what a file holds: OpenSSL's name for it, and curl's.
const TRUST: &str = "SSL_CERT_FILE=/proc/self/fd/5 CURL_CA_BUNDLE=/proc/self/fd/5";

/// The authorities that Debian trusts.
const PUBLIC: &str = "/etc/ssl/certs/ca-certificates.crt";

/// As whom a program runs.
#[derive(Debug, Clone, Copy)]
pub enum Asker<'a> {
    /// As root, on the host that it is about.
    Root,
    /// As nobody, as somebody else's machine would ask; trusts this certificate besides the authorities that Debian trusts.
    Nobody(Option<&'a str>),
}

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// Its output.
    pub stdout: Vec<u8>,
    /// Its errors.
    pub stderr: Vec<u8>,
    /// Its exit code.
    pub code: i64,
}

/// A session that runs programs of checks.
pub struct AskSession {
    shell: RootShell,
    _connection: Connection,
    opening: String,
    silence: Duration,
}

impl AskSession {
    /// Connects and becomes root.
    pub async fn open(target: &Target) -> Result<Self, SshError> {
        let connection = connect(target).await?;
        let shell = RootShell::open(&connection, target).await?;
        Ok(Self {
            opening: signs_of_life(shell.marks()) + &preamble(shell.marks()),
            silence: target.timeout.max(Duration::from_secs(5)),
            shell,
            _connection: connection,
        })
    }

    /// Runs a program with this as its standard input, which may hold secrets, and waits for its end.
    pub async fn ask(
        &mut self,
        argv: &[&str],
        stdin: &str,
        asker: Asker<'_>,
    ) -> Result<Said, SshError> {
        let allowance = Allowance {
            doing: "running a check",
            silence: self.silence,
            total: LONGEST,
            bytes: MOST,
        };
        let script = std::mem::take(&mut self.opening) + &script(argv, stdin, asker);
        let frames = self.shell.run(&script, &allowance).await?;
        let frame = |name: &str| frames.iter().find(|frame| frame.name == name);
        let bytes = |frame: Option<&Frame>| frame.map(|it| it.bytes.clone()).unwrap_or_default();
        let code = frame("code").and_then(|it| std::str::from_utf8(&it.bytes).ok()?.parse().ok());
        let Some(code) = code else {
            return Err(SshError::Answer(
                "a check did not say how its program ended".to_owned(),
            ));
        };
        Ok(Said {
            stdout: bytes(frame("out")),
            stderr: bytes(frame("err")),
            code,
        })
    }

    /// Ends the session.
    pub async fn close(self) {
        self.shell.close().await;
    }
}

/// Writes the script that runs one program. The shell's own `printf` writes what is secret, so it is in no argument.
fn script(argv: &[&str], stdin: &str, asker: Asker<'_>) -> String {
    let argv = quote_all(argv.iter().copied());
    let (trusted, command) = match asker {
        Asker::Root => (String::new(), argv),
        Asker::Nobody(authority) => (trusting(authority), format!("{NOBODY} {TRUST} {argv}")),
    };
    format!(
        "prov_spool() {{ mktemp -p /dev/shm prov.XXXXXXXXXX 2>/dev/null || mktemp -p /run prov.XXXXXXXXXX; }}\n\
         out=$(prov_spool) err=$(prov_spool) trusted=$(prov_spool)\n\
         if [ \"$out\" ] && [ \"$err\" ] && [ \"$trusted\" ]; then\n\
         {trusted}\n\
         {{ rm -f -- \"$out\" \"$err\" \"$trusted\"\n\
         printf %s {} | ( exec {command} >&8 2>&6 8>&- 6>&- 7<&- 4<&- ); code=$?\n\
         prov_frame out <&7; prov_frame err <&4; printf %s \"$code\" | prov_frame code\n\
         }} 8>>\"$out\" 7<\"$out\" 6>>\"$err\" 4<\"$err\" 5<\"$trusted\"\n\
         else rm -f -- \"$out\" \"$err\" \"$trusted\"; fi\n",
        quote(stdin)
    )
}

/// Writes the command that runs a program at somebody's terminal, on the same footing as those of checks.
#[must_use]
pub fn at_terminal(argv: &[&str], asker: Asker<'_>) -> String {
    let argv = quote_all(argv.iter().copied());
    let script = match asker {
        Asker::Root => format!("exec {argv}"),
        Asker::Nobody(authority) => format!(
            "trusted=$(mktemp -p /dev/shm prov.XXXXXXXXXX 2>/dev/null || mktemp -p /run prov.XXXXXXXXXX) || exit\n\
             {}\n\
             exec 5<\"$trusted\" && rm -f -- \"$trusted\" && cd / && exec {NOBODY} {TRUST} {argv}",
            trusting(authority)
        ),
    };
    format!("exec /bin/sh -c {}", quote(&script))
}

/// Writes what fills the file of trusted authorities.
fn trusting(authority: Option<&str>) -> String {
    format!(
        "{{ cat {PUBLIC} 2>/dev/null; printf %s {}; }} >\"$trusted\"; chmod 644 \"$trusted\"",
        quote(authority.unwrap_or_default())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::marks;
    use crate::ssh::frames;

    fn run(argv: &[&str], stdin: &str) -> Said {
        let marks = marks();
        let script = preamble(&marks) + &script(argv, stdin, Asker::Root);
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        let frames = frames(&output.stdout, &marks).unwrap();
        let bytes = |name: &str| {
            let frame = frames.iter().find(|frame| frame.name == name).unwrap();
            frame.bytes.clone()
        };
        Said {
            stdout: bytes("out"),
            stderr: bytes("err"),
            code: String::from_utf8(bytes("code")).unwrap().parse().unwrap(),
        }
    }

    #[test]
    fn a_program_has_its_own_input_output_errors_and_exit_code() {
        let said = run(
            &[
                "sh",
                "-c",
                "cat; printf 'no\\n' >&2; printf '%s' \"$0\"; exit 7",
                "it's\n",
            ],
            "a 'secret'\n%s\n",
        );
        assert_eq!(
            (said.stdout.as_slice(), said.stderr.as_slice(), said.code),
            (&b"a 'secret'\n%s\nit's\n"[..], &b"no\n"[..], 7)
        );
        assert_eq!(run(&["no-such-program"], "").code, 127);
        assert_eq!(run(&["sh", "-c", "kill -9 $$"], "").code, 137);
    }

    #[test]
    fn scripts_are_understood_by_a_posix_shell() {
        let argv = ["curl", "--", "a b"];
        for asker in [
            Asker::Root,
            Asker::Nobody(Some("it's")),
            Asker::Nobody(None),
        ] {
            for script in [script(&argv, "x", asker), at_terminal(&argv, asker)] {
                let status = std::process::Command::new("sh")
                    .args(["-n", "-c", &script])
                    .status()
                    .unwrap();
                assert!(status.success(), "{script}");
            }
        }
    }
}
