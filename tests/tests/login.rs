//! Logging in to servers: kinds of keys, certificates, passphrases, the agent, and methods in steps.
//!
//! One container with an SSH server for each way to be let in.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use end_to_end::{Estate, Folder, Ran, Token, Touch, binary, release, until};

/// Servers at ports of one container, to which prov logs in as `keeper`.
struct Servers {
    estate: Estate,
    folder: Folder,
}

impl Servers {
    fn new() -> Self {
        let estate = Estate::deployed(&["one"]);
        estate.on("one", "mkdir -p /run/sshd ~keeper/.ssh; echo 'keeper ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/keeper");
        let folder = Folder::new();
        Self { estate, folder }
    }

    /// Starts an SSH server with these options, and makes an estate in which the host `one` is this server.
    fn sshd(&self, port: u16, options: &str, connection: &str) {
        let mut words: Vec<_> = options
            .split(';')
            .map(|one| format!("-o '{}'", one.trim()))
            .collect();
        // Since OpenSSH 9.8 an address whose logins fail is turned away for a while.
        if release() != "bookworm" {
            words.push("-o PerSourcePenalties=no".to_owned());
        }
        self.estate.on(
            "one",
            &format!(
                "/usr/sbin/sshd -f /dev/null -o UsePAM=yes -p {port} {}",
                words.join(" ")
            ),
        );
        let address = self.estate.address("one");
        until("the SSH server answers", || {
            std::net::TcpStream::connect((address.as_str(), port)).is_ok()
        });
        self.at(port, connection);
    }

    fn at(&self, port: u16, connection: &str) {
        let address = self.estate.address("one");
        self.folder.write(
            "estate.yml",
            &format!(
                "name: logins\nconnection: {{user: keeper, sudo: true, port: {port}{connection}}}\nhosts:\n  one: {{address: {address}, location: internal}}\n"
            ),
        );
    }

    /// Makes a key on this machine, and lets it in; gives its path.
    fn key(&self, name: &str, kind: &str, passphrase: &str) -> PathBuf {
        let path = self.folder.path("home").join(name);
        self.folder.write_home(name, "");
        let _ = std::fs::remove_file(&path);
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", passphrase, "-f"])
            .arg(&path));
        self.let_in(name);
        path
    }

    fn let_in(&self, name: &str) {
        let public = self.folder.path("home").join(format!("{name}.pub"));
        let public = std::fs::read_to_string(public).unwrap_or_default();
        self.estate.on(
            "one",
            &format!(
                "echo '{}' >~keeper/.ssh/authorized_keys; chown -R keeper: ~keeper/.ssh",
                public.trim()
            ),
        );
    }

    /// Makes the host's key known, as `ssh-keyscan` finds it.
    fn know(&self, port: u16, kind: &str) {
        let scanned = Command::new("ssh-keyscan")
            .args([
                "-t",
                kind,
                "-p",
                &port.to_string(),
                &self.estate.address("one"),
            ])
            .output();
        let scanned = scanned.map(|output| output.stdout).unwrap_or_default();
        self.folder
            .write_home(".ssh/known_hosts", &String::from_utf8_lossy(&scanned));
    }

    fn ask(&self, agent: Option<&Agent>) -> Ran {
        let prov = self
            .folder
            .prov(["--output", "json", "run", "--", "hostname"]);
        match agent {
            None => prov.run(),
            Some(agent) => prov.env("SSH_AUTH_SOCK", &agent.socket).run(),
        }
    }

    fn lets_in(&self, agent: Option<&Agent>) {
        let ran = self.ask(agent);
        assert_eq!(ran.host("one")["output"], "one", "{}", ran.told());
    }
}

/// An agent that ends with the test.
struct Agent {
    child: Child,
    socket: String,
}

impl Agent {
    fn start(folder: &Folder) -> Self {
        let socket = folder.path_text("agent");
        let child = Command::new("ssh-agent")
            .args(["-D", "-a", &socket])
            .stdout(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            panic!("ssh-agent does not start");
        };
        until("the agent answers", || {
            std::fs::exists(&socket).unwrap_or(false)
        });
        Self { child, socket }
    }

    fn add(&self, key: &std::path::Path) {
        run(Command::new("ssh-add")
            .arg("-q")
            .arg(key)
            .env("SSH_AUTH_SOCK", &self.socket));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    assert!(
        output.as_ref().is_ok_and(|output| output.status.success()),
        "{command:?}: {output:?}"
    );
}

#[test]
fn rsa_is_as_good_as_other_keys() {
    let servers = Servers::new();
    servers.estate.on(
        "one",
        "ssh-keygen -q -t rsa -b 3072 -N '' -f /etc/ssh/only_rsa",
    );
    servers.sshd(2201, "HostKey=/etc/ssh/only_rsa", ", identity: ~/rsa");
    servers.know(2201, "rsa");
    let key = servers.key("rsa", "rsa", "");
    servers.lets_in(None);
    // The default key, too, and the agent's.
    servers.at(2201, "");
    servers.folder.write_home(
        ".ssh/id_rsa",
        &std::fs::read_to_string(&key).unwrap_or_default(),
    );
    servers.lets_in(None);
    let _ = std::fs::remove_file(servers.folder.path("home/.ssh/id_rsa"));
    let agent = Agent::start(&servers.folder);
    agent.add(&key);
    servers.lets_in(Some(&agent));
    // Another key under the same name is not the host's.
    servers.estate.on(
        "one",
        "ssh-keygen -q -t rsa -b 3072 -N '' -f /etc/ssh/other_rsa",
    );
    servers.sshd(2202, "HostKey=/etc/ssh/other_rsa", "");
    let known =
        std::fs::read_to_string(servers.folder.path("home/.ssh/known_hosts")).unwrap_or_default();
    servers
        .folder
        .write_home(".ssh/known_hosts", &known.replace(":2201", ":2202"));
    servers
        .ask(Some(&agent))
        .failed("one", &["ssh-rsa", "not the one that is known"]);
}

#[test]
fn a_key_with_a_passphrase_is_asked_for_or_said() {
    let servers = Servers::new();
    let password = servers.estate.password().to_owned();
    servers.sshd(2201, "HostKey=/etc/ssh/ssh_host_ed25519_key", "");
    servers.know(2201, "ed25519");
    let key = servers.key(".ssh/id_ed25519", "ed25519", "open sesame");
    let name = key.display().to_string();
    // Never silently by password.
    for connection in [String::new(), format!(", password: {password}")] {
        servers.at(2201, &connection);
        servers.ask(None).failed(
            "one",
            &[&name, "needs a passphrase", &format!("ssh-add {name}")],
        );
    }
    // If the host would not take it, it is in nobody's way.
    servers
        .estate
        .on("one", "mv ~keeper/.ssh/authorized_keys ~keeper/.ssh/not");
    servers.lets_in(None);
    servers
        .estate
        .on("one", "mv ~keeper/.ssh/not ~keeper/.ssh/authorized_keys");
    servers.at(2201, "");
    // On a terminal it is asked for, once for the run, whatever standard input is.
    let typed = |passphrases: &str| {
        let prov = binary().display();
        let line = format!(
            "{prov} --estate {} run -- hostname </dev/null",
            servers.folder.path_text("estate")
        );
        let output = Command::new("sh")
            .args([
                "-c",
                &format!(
                    "(sleep 1; printf '{passphrases}'; sleep 2) | script -qec \"{line}\" /dev/null"
                ),
            ])
            .env("HOME", servers.folder.path("home"))
            .env_remove("SSH_AUTH_SOCK")
            .output();
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default()
    };
    let shown = typed("open sesame\\r");
    assert!(
        shown.contains("Passphrase for") && shown.contains("exit 0"),
        "{shown}"
    );
    assert!(!shown.contains("sesame"), "{shown}");
    let shown = typed("wrong\\r'; sleep 2; printf 'open sesame\\r");
    assert!(
        shown.contains("That is not it") && shown.contains("exit 0"),
        "{shown}"
    );
    let shown = typed("\\003");
    assert!(shown.contains("needs a passphrase"), "{shown}");
    // The agent has it open.
    let agent = Agent::start(&servers.folder);
    let open = servers.folder.path("home/open");
    let _ = std::fs::copy(&key, &open);
    run(Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "open sesame", "-N", "", "-f"])
        .arg(&open));
    agent.add(&open);
    servers.lets_in(Some(&agent));
    servers.at(2201, ", identity: ~/.ssh/id_ed25519");
    servers.lets_in(Some(&agent));
}

#[test]
fn the_right_key_comes_first_and_too_many_are_said_to_be_too_many() {
    let servers = Servers::new();
    servers.sshd(
        2201,
        "HostKey=/etc/ssh/ssh_host_ed25519_key; MaxAuthTries=3",
        "",
    );
    servers.know(2201, "ed25519");
    let agent = Agent::start(&servers.folder);
    for number in 0..7 {
        let key = servers.key(&format!("other{number}"), "ed25519", "");
        agent.add(&key);
    }
    let right = servers.key("right", "ed25519", "");
    agent.add(&right);
    let ran = servers.ask(Some(&agent));
    ran.failed(
        "one",
        &["ended the login of keeper after 3 tries", "`identity`"],
    );
    // Named, it comes first: by its file, or by its public half that the agent has the other one of.
    servers.at(2201, ", identity: ~/right");
    servers.lets_in(Some(&agent));
    servers.at(2201, "");
    for config in [
        "Host one\n  IdentityFile ~/right.pub\n",
        "Host one\n  IdentityFile ~/right\n  IdentitiesOnly yes\n",
        "Host one\n  IdentityAgent none\n  IdentityFile ~/%n-key\n",
    ] {
        servers.folder.write_home(
            "one-key",
            &std::fs::read_to_string(&right).unwrap_or_default(),
        );
        servers.folder.write_home(".ssh/config", config);
        servers.lets_in(Some(&agent));
    }
    servers.folder.write_home(
        ".ssh/config",
        &format!(
            "Host one\n  IdentityAgent {}\n  IdentityFile ~/right.pub\n",
            agent.socket
        ),
    );
    servers.lets_in(None);
    let _ = std::fs::remove_file(&right);
    servers
        .folder
        .write_home(".ssh/config", "Host one\n  IdentityFile ~/right.pub\n");
    servers
        .ask(None)
        .failed("one", &["right.pub", "not in the agent"]);
}

#[test]
fn a_security_token_signs_through_the_agent_once_it_is_touched() {
    let servers = Servers::new();
    servers.sshd(2201, "HostKey=/etc/ssh/ssh_host_ed25519_key", "");
    servers.know(2201, "ed25519");
    let socket = servers.folder.path("token");
    let ask = |limit: &str| {
        let words = [
            "--output",
            "json",
            "--timeout",
            limit,
            "run",
            "--",
            "hostname",
        ];
        let prov = servers.folder.prov(words);
        prov.env("SSH_AUTH_SOCK", &socket.display().to_string())
            .run()
    };
    let let_in = |token: &Token| {
        let line = format!("{} token", token.public_line());
        servers.folder.write_home("token.pub", &line);
        servers.let_in("token");
    };
    for kind in ["ed25519-sk", "ecdsa-sk"] {
        let token = Token::new(kind);
        let_in(&token);
        // The time that a person takes is not the host's.
        token.listen(&socket, Touch::After(Duration::from_secs(20)));
        let ran = ask("10");
        assert_eq!(ran.host("one")["output"], "one", "{}", ran.told());
        let token = Token::new(kind);
        let_in(&token);
        token.listen(&socket, Touch::Never);
        ask("10").failed("one", &["agent key token"]);
    }
    // An agent that says nothing keeps nobody from another key.
    let _ = std::fs::remove_file(&socket);
    let silent = std::os::unix::net::UnixListener::bind(&socket);
    assert!(silent.is_ok(), "{silent:?}");
    ask("20").failed("one", &["does not say which keys it holds"]);
    servers.key("right", "ed25519", "");
    servers.at(2201, ", identity: ~/right");
    let ran = ask("20");
    assert_eq!(ran.host("one")["output"], "one", "{}", ran.told());
}

#[test]
fn only_what_the_host_offers_is_tried_step_by_step() {
    let servers = Servers::new();
    let password = format!(", password: {}", servers.estate.password());
    let host_key = "HostKey=/etc/ssh/ssh_host_ed25519_key";
    let with_key = format!("{password}, identity: ~/key");
    servers.key("key", "ed25519", "");
    servers.sshd(
        2201,
        &format!("{host_key}; AuthenticationMethods=publickey,password"),
        &with_key,
    );
    servers.know(2201, "ed25519");
    servers.lets_in(None);
    servers.at(2201, &password);
    servers
        .ask(None)
        .failed("one", &["was not let in", "the host offers: publickey"]);
    servers.at(2201, ", identity: ~/key");
    servers.ask(None).failed(
        "one",
        &["accepted", "the host offers: password", "set `password`"],
    );
    servers.sshd(
        2202,
        &format!("{host_key}; AuthenticationMethods=password,publickey"),
        &with_key,
    );
    servers.know(2202, "ed25519");
    servers.lets_in(None);
    servers.sshd(
        2203,
        &format!("{host_key}; PasswordAuthentication=no; PubkeyAuthentication=no; KbdInteractiveAuthentication=yes; MaxAuthTries=1"),
        &with_key,
    );
    servers.know(2203, "ed25519");
    servers.lets_in(None);
    // Where the configuration limits the methods, the others are not tried.
    servers.folder.write_home(
        ".ssh/config",
        "Host one\n  PreferredAuthentications publickey\n",
    );
    servers.ask(None).failed(
        "one",
        &["tried: nothing", "the host offers: keyboard-interactive"],
    );
    let _ = std::fs::remove_file(servers.folder.path("home/.ssh/config"));
    servers.sshd(
        2204,
        &format!("{host_key}; KexAlgorithms=sntrup761x25519-sha512@openssh.com"),
        &with_key,
    );
    servers.know(2204, "ed25519");
    servers.ask(None).failed(
        "one",
        &[
            "no key exchange in common",
            "sntrup761x25519-sha512@openssh.com",
            "curve25519-sha256",
            "`KexAlgorithms`",
        ],
    );
    servers.sshd(2205, &format!("{host_key}; Ciphers=aes128-cbc"), &with_key);
    servers
        .ask(None)
        .failed("one", &["no cipher in common", "aes128-cbc", "sshd_config"]);
}

#[test]
fn certificates_vouch_for_hosts_and_users() {
    let servers = Servers::new();
    servers.estate.on(
        "one",
        "cd /etc/ssh; ssh-keygen -q -t ed25519 -N '' -f /root/ca; ssh-keygen -q -t rsa -b 2048 -N '' -f /root/rsa_ca; ssh-keygen -q -t ed25519 -N '' -f vouched",
    );
    let address = servers.estate.address("one");
    let sign = |ca: &str, more: &str| {
        servers.estate.on(
            "one",
            &format!("ssh-keygen -q -s /root/{ca} -I host -h {more} /etc/ssh/vouched.pub"),
        );
    };
    servers.key("key", "ed25519", "");
    sign("ca", &format!("-n {address}"));
    servers.sshd(
        2201,
        "HostKey=/etc/ssh/vouched; HostCertificate=/etc/ssh/vouched-cert.pub",
        ", identity: ~/key",
    );
    let authority = |ca: &str| {
        servers
            .estate
            .on("one", &format!("cut -d' ' -f1,2 /root/{ca}.pub"))
    };
    let trust = |ca: &str, names: &str| {
        servers.folder.write_home(
            ".ssh/known_hosts",
            &format!("@cert-authority {names} {}", authority(ca)),
        );
    };
    trust("ca", &format!("[{address}]:*"));
    servers.lets_in(None);
    trust("ca", "*.example.com");
    servers.ask(None).failed("one", &["is not known"]);
    trust("rsa_ca", "*");
    servers
        .ask(None)
        .failed("one", &["is not known", "its authority"]);
    // Of each server that is started from here, the certificate is another one.
    for (port, ca, more, told) in [
        (2202, "rsa_ca", format!("-n '10.*,{address}'"), None),
        (
            2203,
            "ca",
            "-n other.example.com".to_owned(),
            Some("for other.example.com"),
        ),
        (
            2204,
            "ca",
            format!("-n {address} -V 20200101:20200102"),
            Some("is valid from 2020"),
        ),
    ] {
        sign(ca, &more);
        servers.sshd(
            port,
            "HostKey=/etc/ssh/vouched; HostCertificate=/etc/ssh/vouched-cert.pub",
            ", identity: ~/key",
        );
        trust(ca, "*");
        match told {
            None => servers.lets_in(None),
            Some(told) => drop(servers.ask(None).failed("one", &[told])),
        }
    }
    // What is revoked does not vouch, whoever signed it.
    let revoked = format!(
        "@cert-authority * {}@revoked * {}",
        authority("ca"),
        authority("ca")
    );
    servers.folder.write_home(".ssh/known_hosts", &revoked);
    servers.at(2201, ", identity: ~/key");
    servers.ask(None).failed("one", &["revoked", "line 2"]);

    // A user's certificate, beside its key and by its name.
    servers.estate.on("one", "rm ~keeper/.ssh/authorized_keys");
    servers.sshd(
        2205,
        "HostKey=/etc/ssh/vouched; TrustedUserCAKeys=/root/ca.pub",
        ", identity: ~/key",
    );
    servers.know(2205, "ed25519");
    servers.ask(None).failed("one", &["was not let in"]);
    let public = std::fs::read_to_string(servers.folder.path("home/key.pub")).unwrap_or_default();
    let certificate = servers.estate.on(
        "one",
        &format!("echo '{}' >/root/user.pub; ssh-keygen -q -s /root/ca -I user -n keeper /root/user.pub; cat /root/user-cert.pub", public.trim()),
    );
    servers.folder.write_home("key-cert.pub", &certificate);
    servers.lets_in(None);
    let _ = std::fs::rename(
        servers.folder.path("home/key-cert.pub"),
        servers.folder.path("home/mine"),
    );
    servers.ask(None).failed("one", &["was not let in"]);
    servers
        .folder
        .write_home(".ssh/config", "Host one\n  CertificateFile ~/mine\n");
    servers.lets_in(None);
    let agent = Agent::start(&servers.folder);
    agent.add(&servers.folder.path("home/key"));
    servers.lets_in(Some(&agent));
}
