//! What the configuration says about one name.

use std::path::{Path, PathBuf};

use tasks::estate::Jump;

use super::Question;
use crate::ssh::{Family, Origin};

/// What holds for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) struct Entry {
    /// `HostName`, if it leads elsewhere.
    pub(in crate::ssh) host_name: Option<String>,
    /// `User`.
    pub(in crate::ssh) user: Option<String>,
    /// `Port`.
    pub(in crate::ssh) port: Option<u16>,
    /// `IdentityFile`, each, as it is written.
    pub(in crate::ssh) identities: Vec<String>,
    /// `CertificateFile`, each, as it is written.
    pub(in crate::ssh) certificates: Vec<String>,
    /// `IdentitiesOnly`: the agent is asked for these keys alone.
    pub(in crate::ssh) identities_only: bool,
    /// `IdentityAgent`.
    pub(in crate::ssh) agent: Agent,
    /// `ProxyJump` or `ProxyCommand`.
    pub(in crate::ssh) proxy: Proxy,
    /// `AddressFamily` and `BindAddress`.
    pub(in crate::ssh) origin: Origin,
    /// `ProxyUseFdpass`.
    pub(in crate::ssh) proxy_passes_descriptor: bool,
    /// `HostKeyAlias`, as it is written.
    pub(in crate::ssh) host_key_alias: Option<String>,
    /// `UserKnownHostsFile`.
    pub(in crate::ssh) user_known_hosts: Vec<PathBuf>,
    /// `GlobalKnownHostsFile`.
    pub(in crate::ssh) global_known_hosts: Vec<PathBuf>,
    /// `RevokedHostKeys`, as it is written.
    pub(in crate::ssh) revoked_host_keys: Option<String>,
    /// `KnownHostsCommand`, as it is written.
    pub(in crate::ssh) known_hosts_command: Option<String>,
    /// Ways to authenticate, in order, where the configuration limits them.
    pub(in crate::ssh) methods: Option<Vec<String>>,
    /// `HostKeyAlgorithms`, where it is set.
    pub(in crate::ssh) host_key_algorithms: Option<Vec<String>>,
    /// `KexAlgorithms`, where it is set.
    pub(in crate::ssh) kex: Option<Vec<String>>,
    /// `Ciphers`, where it is set.
    pub(in crate::ssh) ciphers: Option<Vec<String>>,
    /// `MACs`, where it is set.
    pub(in crate::ssh) macs: Option<Vec<String>>,
}

/// Which agent holds keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) enum Agent {
    /// That of `$SSH_AUTH_SOCK`.
    Environment,
    /// None is asked.
    None,
    /// The one at this socket, as it is written.
    Socket(String),
}

/// What connections go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) enum Proxy {
    /// Nothing.
    None,
    /// Hosts, from the first that is connected to.
    Jump(Vec<Jump>),
    /// A program, with tokens as they are written.
    Command(String),
}

impl Entry {
    /// Gives what holds where nothing is said.
    pub(super) fn new(home: &Path) -> Self {
        let known = |folder: &Path, name: &str| {
            [name.to_owned(), format!("{name}2")].map(|name| folder.join(name))
        };
        Self {
            host_name: None,
            user: None,
            port: None,
            identities: Vec::new(),
            certificates: Vec::new(),
            identities_only: false,
            agent: Agent::Environment,
            proxy: Proxy::None,
            origin: Origin::default(),
            proxy_passes_descriptor: false,
            host_key_alias: None,
            user_known_hosts: known(&home.join(".ssh"), "known_hosts").into(),
            global_known_hosts: known(Path::new("/etc/ssh"), "ssh_known_hosts").into(),
            revoked_host_keys: None,
            known_hosts_command: None,
            methods: None,
            host_key_algorithms: None,
            kex: None,
            ciphers: None,
            macs: None,
        }
    }

    /// Forgets what is not set by any file: OpenSSH also says what it would do by itself, which is not always what prov
    /// does by itself.
    pub(super) fn keep_what_is_set(&mut self, is_set: impl Fn(&str) -> bool) {
        if !is_set("identityfile") {
            self.identities.clear();
        }
        if !is_set("user") {
            self.user = None;
        }
        if !is_set("port") {
            self.port = None;
        }
        let lists = [
            ("hostkeyalgorithms", &mut self.host_key_algorithms),
            ("kexalgorithms", &mut self.kex),
            ("ciphers", &mut self.ciphers),
            ("macs", &mut self.macs),
        ];
        for (keyword, list) in lists {
            if !is_set(keyword) {
                *list = None;
            }
        }
    }
}

/// Reads what `ssh -G` printed: one setting a line, the keyword in lower case.
pub(super) fn read(printed: &str, question: &Question, home: &Path) -> Result<Entry, String> {
    let mut entry = Entry::new(home);
    let mut pending = Pending::default();
    for line in printed.lines() {
        let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
        entry
            .set(keyword, value.trim(), question, &mut pending)
            .map_err(|reason| format!("`{keyword} {value}` cannot be used: {reason}"))?;
    }
    entry.finish(pending, question)
}

impl Entry {
    /// Takes over one setting.
    pub(super) fn set(
        &mut self,
        keyword: &str,
        value: &str,
        question: &Question,
        pending: &mut Pending,
    ) -> Result<(), String> {
        let methods = &mut pending.methods;
        let text = || Some(value.to_owned());
        let is_none = value.eq_ignore_ascii_case("none");
        match keyword {
            // A name that stands for itself leads nowhere else.
            "hostname" if value.eq_ignore_ascii_case(&question.name) => self.host_name = None,
            "hostname" => self.host_name = text(),
            "user" => self.user = text(),
            "port" => self.port = Some(port(value)?),
            "identityfile" | "certificatefile" if is_none => {}
            "identityfile" => self.identities.push(value.to_owned()),
            "certificatefile" => self.certificates.push(value.to_owned()),
            "identitiesonly" => self.identities_only = yes(value),
            "identityagent" => {
                self.agent = match value {
                    _ if is_none => Agent::None,
                    "SSH_AUTH_SOCK" => Agent::Environment,
                    socket => Agent::Socket(socket.to_owned()),
                };
            }
            "proxyjump" | "proxycommand" if is_none => self.proxy = Proxy::None,
            "proxyjump" => pending.jump = text(),
            "proxycommand" => self.proxy = Proxy::Command(value.to_owned()),
            "proxyusefdpass" => self.proxy_passes_descriptor = yes(value),
            "addressfamily" => {
                self.origin.family = match value.to_ascii_lowercase().as_str() {
                    "inet" => Family::Inet,
                    "inet6" => Family::Inet6,
                    _ => Family::Any,
                }
            }
            "bindaddress" => self.origin.bind = text(),
            "bindinterface" => {
                return Err(
                    "prov connects from addresses, not from interfaces: write `BindAddress`".into(),
                );
            }
            // Names of host keys are kept in lower case.
            "hostkeyalias" => self.host_key_alias = Some(value.to_lowercase()),
            "userknownhostsfile" => self.user_known_hosts = paths(value),
            "globalknownhostsfile" => self.global_known_hosts = paths(value),
            "revokedhostkeys" => self.revoked_host_keys = text().filter(|_| !is_none),
            "knownhostscommand" => self.known_hosts_command = text().filter(|_| !is_none),
            "preferredauthentications" => methods.preferred = Some(list(value)),
            "pubkeyauthentication" => methods.key = !no(value),
            "passwordauthentication" => methods.password = !no(value),
            "kbdinteractiveauthentication" => methods.interactive = !no(value),
            "hostkeyalgorithms" => self.host_key_algorithms = Some(list(value)),
            "kexalgorithms" => self.kex = Some(list(value)),
            "ciphers" => self.ciphers = Some(list(value)),
            "macs" => self.macs = Some(list(value)),
            _ => {}
        }
        Ok(())
    }
}

/// What is put together once every setting is known.
#[derive(Default)]
pub(super) struct Pending {
    methods: Methods,
    /// `ProxyJump`, in which tokens stand for other settings.
    jump: Option<String>,
}

impl Entry {
    /// Puts together what depends on several settings.
    pub(super) fn finish(mut self, pending: Pending, question: &Question) -> Result<Self, String> {
        if let Some(jump) = pending.jump {
            let whole = Question {
                name: self
                    .host_name
                    .clone()
                    .unwrap_or_else(|| question.name.clone()),
                user: question.user.clone().or_else(|| self.user.clone()),
                port: question.port.or(self.port),
            };
            let hops = hops(&jump, &whole)
                .map_err(|reason| format!("`ProxyJump {jump}` cannot be used: {reason}"))?;
            self.proxy = Proxy::Jump(hops);
        }
        self.methods = pending.methods.limited();
        Ok(self)
    }
}

/// Which ways to authenticate the configuration allows.
struct Methods {
    preferred: Option<Vec<String>>,
    key: bool,
    password: bool,
    interactive: bool,
}

impl Default for Methods {
    fn default() -> Self {
        Self {
            preferred: None,
            key: true,
            password: true,
            interactive: true,
        }
    }
}

impl Methods {
    /// Gives them in order; `None` if the configuration limits nothing.
    fn limited(self) -> Option<Vec<String>> {
        if self.preferred.is_none() && self.key && self.password && self.interactive {
            return None;
        }
        let usual = ["publickey", "keyboard-interactive", "password"].map(str::to_owned);
        let mut methods = self.preferred.unwrap_or_else(|| usual.into());
        methods.retain(|method| match method.as_str() {
            "publickey" => self.key,
            "password" => self.password,
            "keyboard-interactive" => self.interactive,
            _ => false,
        });
        Some(methods)
    }
}

fn port(value: &str) -> Result<u16, String> {
    let port = value.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| "a port is a number from 1 to 65535".to_owned())
}

fn yes(value: &str) -> bool {
    ["yes", "true"]
        .iter()
        .any(|yes| value.eq_ignore_ascii_case(yes))
}

fn no(value: &str) -> bool {
    ["no", "false"]
        .iter()
        .any(|no| value.eq_ignore_ascii_case(no))
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(|one| one.trim().to_owned()).collect()
}

/// Splits file names: they are absolute, and `ssh -G` does not quote those that have blanks in them. `none` and
/// `/dev/null` are no files.
pub(super) fn paths(value: &str) -> Vec<PathBuf> {
    let mut paths: Vec<String> = Vec::new();
    for word in value.split(' ') {
        match paths.last_mut() {
            Some(last) if !word.starts_with('/') => {
                last.push(' ');
                last.push_str(word);
            }
            _ => paths.push(word.to_owned()),
        }
    }
    let is_file = |path: &String| !matches!(path.as_str(), "none" | "/dev/null" | "");
    paths
        .into_iter()
        .filter(is_file)
        .map(PathBuf::from)
        .collect()
}

/// Reads `ProxyJump`: hosts with commas between them, each `[USER@]HOST[:PORT]` or `ssh://[USER@]HOST[:PORT]`.
fn hops(value: &str, question: &Question) -> Result<Vec<Jump>, String> {
    let expanded = super::tokens::simple(value, question)?;
    expanded
        .split(',')
        .map(|hop| self::hop(hop.trim()))
        .collect()
}

fn hop(text: &str) -> Result<Jump, String> {
    let short = match text.strip_prefix("ssh://") {
        Some(rest) => rest.strip_suffix('/').unwrap_or(rest),
        None => text,
    };
    let jump: Jump = unbracketed(short).parse().map_err(str::to_owned)?;
    if jump.host.starts_with('-') || jump.user.as_ref().is_some_and(|user| user.starts_with('-')) {
        return Err(format!("'{text}' would be taken for an option"));
    }
    Ok(jump)
}

/// Takes the brackets off a name that needs none: OpenSSH allows them around any host.
fn unbracketed(text: &str) -> String {
    let (user, place) = text
        .rsplit_once('@')
        .map_or(("", text), |(user, place)| (&text[..=user.len()], place));
    match place
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((name, rest)) if !name.contains(':') => format!("{user}{name}{rest}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_read_as_openssh_writes_them() {
        let question = super::super::tests::question("web");
        let read = |text: &str| {
            let hops = hops(text, &question)?;
            Ok::<_, String>(hops.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        for (text, expected) in [
            ("bastion", &["bastion"][..]),
            ("a,b@c:2,ssh://d@e:22/", &["a", "b@c:2", "d@e:22"]),
            ("ssh://[2001:db8::1]:22", &["[2001:db8::1]:22"]),
            ("u@[name]:22", &["u@name:22"]),
            ("gate.%h", &["gate.web"]),
        ] {
            assert_eq!(
                read(text).as_deref(),
                Ok(&expected
                    .iter()
                    .map(|one| (*one).to_owned())
                    .collect::<Vec<_>>()[..])
            );
        }
        for bad in ["a,,b", "", "a:x", "-oProxyCommand=x", "a/b:c:d"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn file_names_with_blanks_stay_whole() {
        let read = |text| -> Vec<_> {
            let paths = paths(text);
            paths
                .iter()
                .map(|path| path.display().to_string())
                .collect()
        };
        assert_eq!(
            read("/home/a/my hosts /etc/kh"),
            ["/home/a/my hosts", "/etc/kh"]
        );
        assert_eq!(read("none"), [""; 0]);
        assert_eq!(read("/dev/null /a"), ["/a"]);
    }

    #[test]
    fn methods_are_limited_by_what_is_switched_off_and_preferred() {
        let with = |set: fn(&mut Methods)| {
            let mut methods = Methods::default();
            set(&mut methods);
            methods.limited().map(|methods| methods.join(","))
        };
        assert_eq!(with(|_| {}), None);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            with(|one| one.key = false),
            text("keyboard-interactive,password")
        );
        assert_eq!(
            with(|one| one.preferred = Some(list("password,publickey"))),
            text("password,publickey")
        );
        assert_eq!(
            with(|one| one.preferred = Some(list("gssapi-with-mic"))),
            text("")
        );
    }
}
