//! The way to servers: the configuration of OpenSSH's client, known host keys, hosts and programs to go through.
//!
//! What prov does is compared with what `ssh` itself does with the same files, where `ssh` can be told to read them.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;

use end_to_end::{Estate, Folder, until};

const LOOK: [&str; 3] = ["--output", "json", "diff"];

/// Starts another SSH server in a host's container.
fn sshd(estate: &Estate, host: &str, port: u16, options: &str) {
    let script = format!("mkdir -p /run/sshd; /usr/sbin/sshd -p {port} {options}");
    estate.on(host, &script);
    let address = estate.address(host);
    until("the other SSH server answers", || {
        std::net::TcpStream::connect((address.as_str(), port)).is_ok()
    });
}

/// Lets the account that prov logs in with in by a key, on these hosts; gives the private key.
fn key(estate: &Estate, hosts: &[&str]) -> String {
    let key = estate.on(
        hosts[0],
        "rm -f /root/key*; ssh-keygen -q -t ed25519 -N '' -f /root/key; cat /root/key",
    );
    let public = estate.on(hosts[0], "cat /root/key.pub");
    for host in hosts {
        estate.on(
            host,
            &format!(
                "mkdir -p ~keeper/.ssh; echo '{}' >~keeper/.ssh/authorized_keys; chown -R keeper: ~keeper/.ssh",
                public.trim()
            ),
        );
    }
    key
}

/// Runs a command line of prov's advice, with this home directory.
fn shell(servers: &Folder, line: &str) {
    let done = Command::new("sh")
        .args(["-c", line])
        .env("HOME", servers.path("home"))
        .status();
    assert!(done.is_ok_and(|status| status.success()), "{line}");
}

/// Gives what stands between backquotes last in what is said about a host.
fn advice(ran: &end_to_end::Ran, host: &str) -> String {
    let hint = ran.host(host)["failed"]["hint"].to_string();
    let mut parts = hint.rsplit('`');
    parts.next();
    parts.next().unwrap_or_default().to_owned()
}

/// Asks a host for its name.
fn names(servers: &Folder, host: &str) -> end_to_end::Ran {
    servers
        .prov(["--output", "json", "--limit", host, "run", "--", "hostname"])
        .run()
}

fn is_called(servers: &Folder, host: &str, name: &str) {
    let ran = names(servers, host);
    assert_eq!(ran.host(host)["output"], name, "{}", ran.told());
}

#[test]
fn a_block_of_the_configuration_speaks_of_those_it_matches_alone() {
    let estate = Estate::deployed(&["one", "two"]);
    let servers = estate.as_servers(&estate.connection(), "");
    let known = estate.known_host("one") + &estate.known_host("two");
    servers.write_home(".ssh/known_hosts", &known);
    let two = estate.address("two");
    for config in [
        format!("Host one\n  Port 22\nMatch host two\n  HostName {two}\n  User nobody\n"),
        format!("Match host two\n  HostName {two}\n  User nobody\n"),
        format!(
            "Host one\n  Port 22\n  Port 1\nHost *\n  Port 22\n  HostKeyAlias {}\n",
            estate.address("one")
        ),
    ] {
        servers.write_home(".ssh/config", &config);
        is_called(&servers, "one", "one");
    }
    // Without OpenSSH's client nobody can tell, and prov does not guess.
    servers.write_home(
        ".ssh/config",
        "Host one\n  Port 22\nMatch host two\n  User nobody\n",
    );
    let ran = servers
        .prov(LOOK)
        .args(["--limit", "one"])
        .env("PATH", "/nonexistent")
        .run();
    ran.exits(1).failed(
        "one",
        &[".ssh/config:3", "Match host two", "openssh-client"],
    );
    // What the client refuses is told as it says it.
    servers.write_home(".ssh/config", "Host one\n  Prot 22\n");
    names(&servers, "one").failed("one", &[".ssh/config: line 2", "prot"]);
    // What it forbids is not tried, and said.
    servers.write_home(
        ".ssh/config",
        "Host one\n  PubkeyAuthentication no\n  PasswordAuthentication no\n",
    );
    names(&servers, "one").failed(
        "one",
        &["tried: nothing", "does not allow publickey, password"],
    );
    // Patterns, the first value, tokens and included files are as ssh has them.
    servers.write_home(
        ".ssh/more",
        &format!(
            "Host t?o\n  HostName {}\nHost *\n  HostName 192.0.2.%h\n",
            estate.address("one")
        ),
    );
    servers.write_home(".ssh/config", "Include more\n");
    is_called(&servers, "two", "one");
}

#[test]
fn host_keys_are_known_as_sshd_describes_it() {
    let estate = Estate::deployed(&["one"]);
    let servers = estate.as_servers(&estate.connection(), "");
    let address = estate.address("one");
    let known = estate.known_host("one");
    let key = known.split_once(' ').map_or("", |(_, key)| key).trim();
    let file = servers.path("home/.ssh/known_hosts");
    for lines in [
        format!("{address}  {key}\n"),
        format!("\t {address}\t{key} me\r\n"),
        format!("10.97.* {key}\n"),
        format!(
            "# x\n\n{address} ssh-dss AAAAB3NzaC1kc3MAAACB\n{address} 1024 35 14\n@later x y\n*,!{address} x\n{address} {key}\n"
        ),
    ] {
        servers.write_home(".ssh/known_hosts", &lines);
        is_called(&servers, "one", "one");
    }
    servers.write_home(".ssh/known_hosts", &known);
    let hash = format!("ssh-keygen -q -H -f {}", file.display());
    shell(&servers, &hash);
    is_called(&servers, "one", "one");
    for (line, text) in [
        (1, format!("@revoked * {key}\n{address} {key}\n")),
        (2, format!("{address} {key}\n @revoked\t{address} {key}\n")),
    ] {
        servers.write_home(".ssh/known_hosts", &text);
        let place = format!("line {line} of {}", file.display());
        names(&servers, "one").failed("one", &["revoked", &place]);
    }
}

#[test]
fn a_program_tells_host_keys_as_it_does_for_ssh() {
    let estate = Estate::deployed(&["one"]);
    let servers = estate.as_servers(&estate.connection(), "");
    let known = estate.known_host("one");
    let kind = known.split(' ').nth(1).unwrap();
    let key = known.split(' ').nth(2).unwrap().trim();
    let program = servers.path("home/known").display().to_string();
    let says = |script: &str| {
        servers.write_home("known", &format!("#!/bin/sh\n{script}\n"));
        shell(&servers, &format!("chmod 755 {program}"));
    };
    servers.write_home(".ssh/known_hosts", "");
    servers.write_home(
        ".ssh/config",
        &format!("KnownHostsCommand {program} %I %H %t %K \"%u asks\"\n"),
    );
    // It may know all hosts, or answer only when it sees the key; it is told as much as ssh tells it.
    says(&format!("cat <<'.'\n{known}.\n"));
    is_called(&servers, "one", "one");
    // What it says before it has seen the key is no judgement.
    says(&format!("[ $1 = HOSTNAME ] || echo '{}'", known.trim()));
    names(&servers, "one").failed("one", &["is not known"]);
    says(&format!(
        "[ \"$1:$3:$4\" != 'HOSTNAME:{kind}:{key}' ] || echo \"$2 $3 $4 $5\""
    ));
    is_called(&servers, "one", "one");
    let place = format!("line 1 of what `{program} %I %H %t %K \"%u asks\"` prints");
    says(&format!("echo \"@revoked $2 {kind} {key}\""));
    names(&servers, "one").failed("one", &["revoked", &place]);
    let other = "AAAAC3NzaC1lZDI1NTE5AAAAIBq0t4Vrla5aq/qzMf6iyNnnQiKMBn16fEwSGLzcNcvg";
    says(&format!("echo \"$2 ssh-ed25519 {other}\""));
    names(&servers, "one").failed("one", &[&place]);
    says("echo 'the directory is away' >&2; exit 3");
    names(&servers, "one").failed(
        "one",
        &[
            "KnownHostsCommand",
            "the directory is away",
            "KnownHostsCommand none",
        ],
    );
    says("exit 0");
    names(&servers, "one").failed("one", &["is not known"]);
    servers.write_home(".ssh/known_hosts", &known);
    is_called(&servers, "one", "one");
    servers.write_home(".ssh/config", "KnownHostsCommand known %H\n");
    names(&servers, "one").failed("one", &["KnownHostsCommand known %H", "whole path"]);
}

#[test]
fn the_remedy_for_an_unknown_host_works_when_it_is_typed() {
    let estate = Estate::deployed(&["one"]);
    sshd(&estate, "one", 2222, "");
    let address = estate.address("one");
    let connection = format!(
        "{{user: keeper, port: 2222, password: {}, sudo: password}}",
        estate.password()
    );
    let servers = estate.as_servers(&connection, "");
    let learn = || {
        let ran = names(&servers, "one");
        ran.exits(1).failed("one", &["is not known", "SHA256:"]);
        shell(&servers, &advice(&ran, "one"));
        is_called(&servers, "one", "one");
    };
    servers.write_home(".ssh/known_hosts", "");
    learn();
    let at = format!("[{address}]:2222");
    let file = servers.path("home/.ssh/known_hosts");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(text.starts_with(&at), "{text}");
    // One that changed is forgotten and learned again.
    let wrong = text.replace(&at, "x");
    let other = "AAAAC3NzaC1lZDI1NTE5AAAAIE4T1MLU5FOXMVLj74LbISn/9Gdqiqnrx7VqMS7qtxKE";
    servers.write_home(
        ".ssh/known_hosts",
        &format!("{wrong}{at} ssh-ed25519 {other}\n"),
    );
    let ran = names(&servers, "one");
    ran.failed(
        "one",
        &["is not the one that is known", "line 2 of", "listening in"],
    );
    shell(&servers, &advice(&ran, "one"));
    learn();
    // The name and the file are those of the configuration.
    servers.write_home(
        ".ssh/config",
        "Host one\n  HostKeyAlias The-One\n  UserKnownHostsFile ~/keys\n",
    );
    learn();
    let text = std::fs::read_to_string(servers.path("home/keys")).unwrap_or_default();
    assert!(text.starts_with("the-one ssh-ed25519 "), "{text}");
}

#[test]
fn connections_go_through_every_host_that_is_named() {
    let estate = Estate::deployed(&["one", "two"]);
    sshd(&estate, "one", 2222, "");
    let key = key(&estate, &["one", "two"]);
    let one = estate.address("one");
    let servers = estate.as_servers(&estate.connection(), "");
    servers.write_home(".ssh/id_ed25519", &key);
    let known = estate.known_host("one");
    let again = known.replace(&one, &format!("[{one}]:2222"));
    servers.write_home(
        ".ssh/known_hosts",
        &(known + &again + &estate.known_host("two")),
    );
    let through = |config: &str| {
        servers.write_home(".ssh/config", config);
        names(&servers, "two")
    };
    let good = format!("Host two\n  ProxyJump keeper@{one},ssh://keeper@{one}:2222\n");
    let ran = through(&good);
    assert_eq!(ran.host("two")["output"], "two", "{}", ran.told());
    // Each host of the list counts, and what is said of the first one, too.
    let bad = format!("nosuchuser@{one}");
    for config in [
        format!("Host two\n  ProxyJump {bad},keeper@{one}:2222\n"),
        format!("Host two\n  ProxyJump keeper@{one}:2222,{bad}\n"),
        format!(
            "Host two\n  ProxyJump first\nHost first\n  HostName {one}\n  Port 2222\n  User keeper\n  ProxyJump {bad}\n"
        ),
    ] {
        let ran = through(&config);
        ran.failed("two", &[&format!("{bad} was not let in")]);
    }
    // Of those behind the first one, their own way does not count: they are behind it.
    let ran = through(&format!(
        "Host two\n  ProxyJump keeper@{one},last\nHost last\n  HostName {one}\n  Port 2222\n  User keeper\n  ProxyJump {bad}\n"
    ));
    assert_eq!(ran.host("two")["output"], "two", "{}", ran.told());
    // The estate's word counts more.
    let connection = estate
        .connection()
        .replace('}', &format!(", jump: 'keeper@{one}:2222'}}"));
    let jumping = estate.as_servers(&connection, "");
    for name in [".ssh/id_ed25519", ".ssh/known_hosts"] {
        let path = servers.path("home").join(name);
        jumping.write_home(name, &std::fs::read_to_string(path).unwrap_or_default());
    }
    jumping.write_home(".ssh/config", &format!("Host two\n  ProxyJump {bad}\n"));
    is_called(&jumping, "two", "two");
    let ran = through("Host two\n  ProxyJump a\nHost a\n  ProxyJump b\nHost b\n  ProxyJump a\n");
    ran.failed("two", &["without end", "ProxyJump none"]);
}

#[test]
fn a_program_can_be_the_way() {
    let estate = Estate::deployed(&["one", "two"]);
    let key = key(&estate, &["one"]);
    let servers = estate.as_servers(&estate.connection(), "");
    servers.write_home(".ssh/id_ed25519", &key);
    servers.write_home(
        ".ssh/known_hosts",
        &(estate.known_host("one") + &estate.known_host("two")),
    );
    let home = servers.path_text("home");
    let one = estate.address("one");
    let marker = servers.path_text("proxied");
    let command = format!(
        "sh -c 'echo %r %n %h %p >{marker}; exec ssh -F none -i {home}/.ssh/id_ed25519 -o UserKnownHostsFile={home}/.ssh/known_hosts -W %h:%p keeper@{one}'"
    );
    servers.write_home(
        ".ssh/config",
        &format!("Host two\n  ProxyCommand {command}\n"),
    );
    is_called(&servers, "two", "two");
    let asked = std::fs::read_to_string(&marker).unwrap_or_default();
    let two = estate.address("two");
    assert_eq!(asked, format!("keeper two {two} 22\n"));
    // It ends with the connection.
    estate.until(
        "one",
        "the program is gone",
        "! ps ax | grep -q '[s]shd: keeper'",
    );
    servers.write_home(
        ".ssh/config",
        "Host two\n  ProxyCommand echo no way >&2; exit 3\n",
    );
    let ran = names(&servers, "two");
    ran.failed("two", &["no way", "echo no way", "ProxyCommand"]);
    assert_eq!(
        ran.host("two")["failed"]["unreachable"],
        true,
        "{}",
        ran.told()
    );
    servers.write_home(".ssh/config", "Host two\n  ProxyCommand sleep 1000\n");
    let ran = servers
        .prov(["--timeout", "1", "--output", "json", "--limit", "two"])
        .args(["run", "--", "hostname"])
        .run();
    ran.failed("two", &["sleep 1000", "within 1 s"]);
    servers.write_home(
        ".ssh/config",
        "Host two\n  ProxyUseFdpass yes\n  ProxyCommand nc -F %h %p\n",
    );
    names(&servers, "two").failed("two", &["ProxyUseFdpass", "not supported"]);
}

#[test]
fn servers_behind_one_address_are_told_apart_by_their_ports() {
    let estate = Estate::deployed(&["one"]);
    sshd(&estate, "one", 2222, "");
    let one = estate.address("one");
    let servers = Folder::new();
    let entry = |name: &str, port: u16| {
        format!("  {name}: {{address: {one}, location: internal, connection: {{port: {port}}}}}\n")
    };
    servers.write(
        "estate.yml",
        &format!(
            "name: behind\nconnection: {}\nhosts:\n{}{}",
            estate.connection(),
            entry("a", 22),
            entry("b", 2222)
        ),
    );
    let known = estate.known_host("one");
    servers.write_home(
        ".ssh/known_hosts",
        &known.replace(&one, &format!("{one},[{one}]:2222")),
    );
    let ran = servers
        .prov(["--output", "json", "run", "--", "hostname"])
        .run();
    for host in ["a", "b"] {
        assert_eq!(ran.host(host)["output"], "one", "{}", ran.told());
    }
}

#[test]
fn what_answers_and_is_no_ssh_server_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| {
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    });
    let Ok((listener, port)) = listener else {
        panic!("no port on loopback");
    };
    std::thread::spawn(move || {
        for (index, stream) in listener.incoming().flatten().enumerate() {
            let mut stream = stream;
            if index % 2 == 0 {
                // The test fails by itself if this does.
                let _ = stream.write_all(b"220 mail.example.com ESMTP\r\n");
            }
        }
    });
    let servers = Folder::new();
    servers.write(
        "estate.yml",
        &format!("name: mail\nhosts:\n  a: {{address: 127.0.0.1, location: internal, connection: {{port: {port}}}}}\n"),
    );
    let ran = servers.prov(LOOK).run();
    ran.failed(
        "a",
        &["no SSH server", "220 mail.example.com ESMTP", "`port`"],
    );
    let ran = servers.prov(LOOK).run();
    ran.failed("a", &["closed it without a word", "MaxStartups"]);
}
