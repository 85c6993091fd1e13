//! Encrypted ports, and the certificates that are presented there.

use std::net::IpAddr;
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answering, Ask, Prove, Reply, Verdict, at_port, peer, yes};
use crate::promise::Server;
use crate::value::PeerName;

/// Shakes hands, prints what OpenSSL says of it, and then of the certificate's end.
const HANDSHAKE: &str = r#"seconds=$1
shift
said=$(openssl s_client "$@" </dev/null 2>&1)
code=$?
printf '%s\n' "$said"
printf '%s\n' "$said" | openssl x509 -noout -enddate -checkend "$seconds" 2>/dev/null
exit "$code""#;

/// Protocols that turn to encryption in the middle of a conversation (openssl-s_client(1), `-starttls`).
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum StartTls {
    Smtp,
    Imap,
    Pop3,
    Ldap,
    Postgres,
    Mysql,
    Xmpp,
    Sieve,
    Ftp,
}

impl StartTls {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Ldap => "ldap",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Xmpp => "xmpp",
            Self::Sieve => "sieve",
            Self::Ftp => "ftp",
        }
    }
}

/// Proves that a port speaks TLS with a certificate for a name, by an authority that is trusted where the check is made, and
/// that is good for some days more.
///
/// ```yaml
/// - tls: {port: 443, name: www.example.com, days: 14}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The port.
    port: NonZeroU16,
    /// Name or address to connect to; the host's own address when not given.
    #[serde(default)]
    host: Option<PeerName>,
    /// The name that is asked for and that the certificate must have; the host's own when not given.
    #[serde(default)]
    name: Option<PeerName>,
    /// The protocol in which encryption is asked for first.
    #[serde(default)]
    starttls: Option<StartTls>,
    /// Days for which the certificate must be good at least.
    #[serde(default)]
    days: u16,
    /// Whether an authority that is trusted must have signed it; with `false`, the name and the authority do not matter.
    #[serde(default = "yes")]
    trusted: bool,
}

impl Prove for Tls {
    fn shows(&self, of: &Server) -> String {
        let name = self
            .name
            .as_ref()
            .map_or(of.name.as_str(), PeerName::as_str);
        format!(
            "port {} of {} has a certificate for {name}",
            self.port, of.name
        )
    }

    fn expected(&self) -> String {
        let of = if self.trusted {
            "a trusted certificate"
        } else {
            "a certificate"
        };
        if self.days == 0 {
            format!("{of} that has not ended")
        } else {
            format!("{of} that is good for {} days", self.days)
        }
    }

    fn ask(&self, of: &Server) -> Ask {
        let at = at_port(&peer(self.host.as_ref(), of), u16::from(self.port));
        let name = self
            .name
            .as_ref()
            .map_or(of.name.as_str(), PeerName::as_str);
        let seconds = (u32::from(self.days) * 86_400).to_string();
        let mut arguments = vec![seconds.as_str(), "-connect", &at, "-servername", name];
        if self.trusted {
            let verify = match name.parse::<IpAddr>() {
                Ok(_) => "-verify_ip",
                Err(_) => "-verify_hostname",
            };
            arguments.extend([verify, name, "-verify_return_error"]);
        }
        if let Some(protocol) = self.starttls {
            arguments.extend(["-starttls", protocol.as_str()]);
        }
        let typed = format!("openssl s_client {}", arguments[1..].join(" "));
        Ask::script(typed, HANDSHAKE, &arguments).of("openssl")
    }

    fn answers_at(&self, of: &Server) -> Option<Answering> {
        let server = peer(self.host.as_ref(), of);
        Some(Answering::tcp(server, self.port.get()))
    }

    fn judge(&self, reply: &Reply) -> Verdict {
        let line = |begins: &str| {
            reply
                .stdout
                .lines()
                .find_map(|line| line.trim().strip_prefix(begins))
        };
        let verified = line("Verify return code: ").or_else(|| line("Verification: "));
        let end = line("notAfter=");
        let verify_error = line("verify error:").or_else(|| line("Verification error: "));
        match (end, verified) {
            (None, _) => {
                let error = verify_error.map(str::to_owned);
                let quoted = || {
                    reply
                        .stdout
                        .lines()
                        .find(|line| line.contains("error") || line.contains("refused"))
                };
                let said = error.or_else(|| quoted().map(str::to_owned));
                Verdict::new(said.unwrap_or_else(|| "no certificate".to_owned()), false)
            }
            (Some(_), Some(verified))
                if self.trusted && !verified.starts_with("0 ") && verified != "OK" =>
            {
                Verdict::new(verify_error.unwrap_or(verified), false)
            }
            (Some(end), _) => {
                let ends = reply
                    .stdout
                    .lines()
                    .any(|line| line == "Certificate will expire");
                Verdict::new(
                    format!("good until {end}"),
                    !ends && (reply.code == 0 || !self.trusted),
                )
            }
        }
    }
}
