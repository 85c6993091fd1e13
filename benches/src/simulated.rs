//! Simulated hosts: SSH servers on loopback addresses that answer prov's look at a converged host.
//!
//! What prov asks first is asked of a real, converged container, and its answer is kept. Every simulated host gives
//! that answer with the nonce, its own name and its own address in it, so that it is converged too: prov itself says
//! whether it is. A script that asks something else than the first is refused.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;

use tasks::{push, pushln};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session};
use russh::{Channel, ChannelId};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

use crate::{Failure, Result, container, ensure};

/// The file in which hosts name themselves.
const NAMED: &str = "/etc/bacula/bacula-fd.conf";

/// Characters of a line of an answer.
const PART: usize = 3000;

/// The answer that holds the digests of files.
const DIGESTS: &str = "paths:sha256";

/// The converged container that is asked.
#[derive(Debug, Clone)]
pub struct Model {
    /// Name of its estate.
    pub estate: String,
    /// The host's name.
    pub host: String,
    /// The host's address.
    pub address: String,
}

struct Record {
    /// The script, without what differs between hosts.
    script: String,
    frames: Vec<Frame>,
    /// The file [`NAMED`] of the model.
    named: String,
}

/// One answer of the model.
struct Frame {
    name: String,
    text: String,
    /// Whether it ended with the mark of a complete answer.
    whole: bool,
}

/// What all simulated hosts share.
pub struct Shared {
    model: Model,
    record: OnceCell<Record>,
    /// Names of hosts by address.
    names: BTreeMap<String, String>,
}

/// Starts a server on each address and gives the host key that they share.
pub async fn serve(model: Model, hosts: Vec<(String, String)>, port: u16) -> Result<String> {
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
    let public = key.public_key().to_openssh()?;
    let config = Arc::new(server::Config {
        keys: vec![key],
        nodelay: true,
        window_size: 8 * 1024 * 1024,
        ..server::Config::default()
    });
    let addresses: Vec<_> = hosts.iter().map(|(_, address)| address.clone()).collect();
    let names = hosts.into_iter().map(|(name, address)| (address, name));
    let shared = Arc::new(Shared {
        model,
        record: OnceCell::new(),
        names: names.collect(),
    });
    for address in addresses {
        let listener = TcpListener::bind((address.as_str(), port)).await?;
        let (config, shared) = (config.clone(), shared.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let host = Host {
                    shared: shared.clone(),
                    address: address.clone(),
                    received: String::new(),
                };
                let config = config.clone();
                tokio::spawn(async move {
                    if let Ok(session) = server::run_stream(config, stream, host).await {
                        // How a session ends is the client's matter.
                        let _ = session.await;
                    }
                });
            }
        });
    }
    Ok(public)
}

/// One connection to a simulated host.
struct Host {
    shared: Arc<Shared>,
    address: String,
    received: String,
}

impl server::Handler for Host {
    type Error = Failure;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth> {
        let known = user == crate::ssh::USER && password == crate::ssh::PASSWORD;
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<()> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<()> {
        let command = String::from_utf8_lossy(data);
        let (_, nonce) = command
            .split_once("\\n@")
            .ok_or("the command names no nonce")?;
        let nonce = nonce.split(' ').next().unwrap_or_default();
        session.channel_success(channel)?;
        let shell = format!("\n@{nonce} shell 0\n");
        session.data(channel, shell.into_bytes())?;
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<()> {
        self.received.push_str(&String::from_utf8_lossy(data));
        if !self.received.ends_with(" end 1'\n}\n") {
            return Ok(());
        }
        let script = std::mem::take(&mut self.received);
        let answer = self.answer(&script).await?;
        session.data(channel, answer.into_bytes())?;
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<()> {
        session.close(channel)?;
        Ok(())
    }
}

impl Host {
    async fn answer(&self, script: &str) -> Result<String> {
        let Shared {
            model,
            record,
            names,
        } = &*self.shared;
        // What begins a line of an answer is in scripts alone.
        let mark = script.split_once("prov_mark=");
        let mark = mark.and_then(|(_, rest)| rest.lines().next());
        let nonce = mark.ok_or("a script names no mark")?;
        let record = record.get_or_try_init(|| ask(model, script, nonce)).await?;
        ensure(record.script == general(script, nonce), || {
            "a script asks something else than the first".to_owned()
        })?;
        let own = names.get(&self.address).ok_or("this host has no name")?;
        let old_line = host_line(&model.address, &model.host);
        let new_line = host_line(&self.address, own);
        let digest = sha256(&rename(&record.named, &model.host, own));
        let mut answer = String::new();
        for Frame { name, text, whole } in &record.frames {
            let mut text = if name == DIGESTS {
                let line = |line: &str| match line.strip_suffix(NAMED) {
                    Some(_) => format!("{digest}  {NAMED}\n"),
                    None => format!("{line}\n"),
                };
                text.lines().map(line).collect()
            } else if text.contains(&old_line) {
                text.replace(&old_line, &new_line)
            } else if *text == record.named {
                // The model sends this file because its digest is not the one that was asked about.
                continue;
            } else {
                text.clone()
            };
            if *whole {
                text.push_str(&whole_mark(nonce));
            }
            let encoded = STANDARD.encode(text);
            pushln!(answer, "@{nonce} + {name}");
            for part in encoded.as_bytes().chunks(PART) {
                pushln!(answer, "@{nonce} = {}", String::from_utf8_lossy(part));
            }
            pushln!(answer, "@{nonce} - {}", encoded.len());
        }
        pushln!(answer, "@{nonce} end 1");
        Ok(answer)
    }
}

/// Asks the model.
async fn ask(model: &Model, script: &str, nonce: &str) -> Result<Record> {
    let container = container::name(&model.estate, &model.host);
    let mut child = tokio::process::Command::new("docker")
        .args(["exec", "-i", &container, "/bin/sh", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().ok_or("docker has no input")?;
    input.write_all(script.as_bytes()).await?;
    drop(input);
    let output = child.wait_with_output().await?;
    let prefix = format!("@{nonce} ");
    let mut frames = Vec::new();
    let mut bytes = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let said = line.strip_prefix(&prefix).unwrap_or_default();
        match said.split_once(' ') {
            Some(("=", part)) => bytes.extend(STANDARD.decode(part)?),
            // All answers come in one stream.
            Some(("-", _)) => {
                let stream = String::from_utf8_lossy(&bytes).into_owned();
                let end = format!("\n{nonce}.");
                let stream = stream.strip_suffix(&end).unwrap_or(&stream);
                bytes.clear();
                let begin = format!("\n{nonce}+");
                let answers = stream.split(&begin);
                for (name, text) in answers.filter_map(|answer| answer.split_once('\n')) {
                    let complete = text.strip_suffix(whole_mark(nonce).as_str());
                    frames.push(Frame {
                        name: name.to_owned(),
                        text: complete.unwrap_or(text).to_owned(),
                        whole: complete.is_some(),
                    });
                }
            }
            Some(_) | None => {}
        }
    }
    ensure(frames.iter().any(|frame| frame.name == DIGESTS), || {
        "the model did not say what is in its files".to_owned()
    })?;
    Ok(Record {
        script: general(script, nonce),
        frames,
        named: container::run(&model.estate, &model.host, &format!("cat {NAMED}"))?,
    })
}

/// Gives what stands at the end of an answer that is complete.
fn whole_mark(nonce: &str) -> String {
    format!("\n{nonce}")
}

fn host_line(address: &str, name: &str) -> String {
    format!("{address} {name}.home.com {name}\n")
}

fn rename(named: &str, old: &str, new: &str) -> String {
    named.replace(&format!("\"{old}-fd\""), &format!("\"{new}-fd\""))
}

fn sha256(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            push!(hex, "{byte:02x}");
            hex
        })
}

/// Takes the nonce and all digests out of a script.
fn general(script: &str, nonce: &str) -> String {
    let digest = |word: &str| word.len() == 64 && word.chars().all(|c| c.is_ascii_hexdigit());
    let words = script.split(' ').filter(|word| !digest(word));
    words.collect::<Vec<_>>().join(" ").replace(nonce, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_that_differ_in_digests_and_nonce_are_the_same() {
        let (one, other) = ("a".repeat(64), "b".repeat(64));
        let script = |nonce: &str, digest: &str| format!("f() @{nonce}\n[ $h = {digest} ] || b 1");
        assert_eq!(
            general(&script("prov1", &one), "prov1"),
            general(&script("prov2", &other), "prov2")
        );
        assert_ne!(
            general(&script("prov1", "$x"), "prov1"),
            general(&script("prov2", &other), "prov2")
        );
    }
}
