//! `KnownHostsCommand`: a program that prints lines of known hosts (`ssh_config(5)`).
//!
//! As with OpenSSH it is started without a shell, once before a connection, so that the host shows a key of a kind that is known, and
//! once more when it has shown one.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use russh::keys::{HashAlg, PublicKey};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::timeout;

use super::config::Expansion;
use super::error::SshError;
use super::known_hosts::KeyName;

/// Bytes that it may print, of either kind: those of a large file of known hosts.
const MOST: u64 = 16 * 1024 * 1024;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The tokens that are not known before it is started.
const LATE: &str = "HIKft";

/// A program and its arguments.
#[derive(Debug, Clone)]
pub struct KnownHostsCommand {
    /// As it is written.
    text: String,
    /// In its words stand the tokens that it is told at each start.
    words: Vec<String>,
}

impl KnownHostsCommand {
    /// Takes a command apart; refuses, with the reason, what cannot be one.
    pub(super) fn new(text: &str, expansion: &Expansion<'_>) -> Result<Self, String> {
        let words = shlex::split(text).ok_or("a quote is not closed")?;
        if !words
            .first()
            .is_some_and(|program| program.starts_with('/'))
        {
            return Err("it does not begin with the whole path of a program".to_owned());
        }
        let words = words.iter();
        let words = words.map(|word| expansion.early(&super::config::variables(word)?, LATE));
        Ok(Self {
            text: text.to_owned(),
            words: words.collect::<Result<_, _>>()?,
        })
    }

    /// Gives it as it is written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Has it print what it knows of a host, which has shown this key, or none yet.
    pub(super) async fn run(
        &self,
        name: &KeyName,
        shown: Option<&PublicKey>,
    ) -> Result<Vec<u8>, SshError> {
        let failed = |cause: String| SshError::KnownHostsCommand {
            command: self.text.clone(),
            cause,
        };
        let none = || "NONE".to_owned();
        let meaning = |token| {
            Some(match token {
                'H' => name.to_string(),
                'I' if shown.is_some() => "HOSTNAME".to_owned(),
                'I' => "ORDER".to_owned(),
                'K' => shown.map_or_else(none, blob),
                'f' => shown.map_or_else(none, |key| key.fingerprint(HashAlg::Sha256).to_string()),
                't' => shown.map_or_else(none, |key| key.algorithm().to_string()),
                _ => return None,
            })
        };
        let words = self.words.iter();
        let words = words.map(|word| super::config::expand(word, meaning));
        let words: Vec<_> = words.collect::<Result<_, _>>().map_err(failed)?;
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for prov.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let work = async {
            let read = tokio::try_join!(all(output), all(errors))?;
            Ok::<_, io::Error>((read, child.wait().await?))
        };
        let seconds = PATIENCE.as_secs();
        let ((printed, said), status) = timeout(PATIENCE, work)
            .await
            .map_err(|_| failed(format!("it has not ended within {seconds} s")))?
            .map_err(|error| failed(error.to_string()))?;
        if status.success() {
            return Ok(printed);
        }
        let said = String::from_utf8_lossy(&said);
        Err(failed(match said.trim() {
            "" => format!("it ended ({status}) and said nothing"),
            said => said.to_owned(),
        }))
    }
}

/// Reads all that comes.
async fn all(from: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(MOST + 1).read_to_end(&mut bytes).await?;
    }
    if bytes.len() as u64 > MOST {
        return Err(io::Error::other(format!(
            "it prints more than {} MiB",
            MOST >> 20
        )));
    }
    Ok(bytes)
}

/// Gives a key as lines of known hosts have it.
fn blob(key: &PublicKey) -> String {
    let text = key.to_openssh().unwrap_or_default();
    text.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE4T1MLU5FOXMVLj74LbISn/9Gdqiqnrx7VqMS7qtxKE";

    fn command(text: &str) -> Result<KnownHostsCommand, String> {
        let expansion = Expansion {
            address: "192.0.2.1",
            name: "web",
            port: 2222,
            user: "100%I",
            key_name: "alias",
            home: Path::new("/home/me"),
        };
        KnownHostsCommand::new(text, &expansion)
    }

    async fn printed(text: &str, shown: Option<&PublicKey>) -> Result<String, String> {
        let name = KeyName::at("192.0.2.1", 2222);
        let bytes = command(text)?.run(&name, shown).await;
        let bytes = bytes.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[tokio::test]
    async fn it_is_told_who_is_asked_for_and_what_has_been_shown() {
        let key = PublicKey::from_openssh(KEY).unwrap();
        let text = r#"/usr/bin/printf "%%s|" %I %t %f %K %H %h %n %p %r %k %d "100%% $HOME""#;
        let host = "[192.0.2.1]:2222|192.0.2.1|web|2222|100%I|alias|/home/me|100% $HOME|";
        assert_eq!(
            printed(text, None).await,
            Ok(format!("ORDER|NONE|NONE|NONE|{host}"))
        );
        let (kind, blob) = KEY.split_once(' ').unwrap();
        let print = key.fingerprint(HashAlg::Sha256);
        assert_eq!(
            printed(text, Some(&key)).await,
            Ok(format!("HOSTNAME|{kind}|{print}|{blob}|{host}"))
        );
    }

    #[tokio::test]
    async fn one_that_fails_says_so() {
        for (text, cause) in [
            ("printf x", "the whole path"),
            ("'/bin/printf x", "a quote"),
            ("", "the whole path"),
            ("/bin/printf %z", "%z"),
            ("/nowhere/program", "No such file"),
            ("/bin/false", "exit status: 1) and said nothing"),
            ("/usr/bin/yes", "more than 16 MiB"),
            ("/bin/cat ${prov_has_no_such_variable}", "no variable"),
            (
                "/bin/sh -c 'echo printed; echo no way >&2; exit 3'",
                "no way",
            ),
        ] {
            let error = printed(text, None).await.unwrap_err();
            assert!(error.contains(cause), "{text}: {error}");
        }
    }
}
