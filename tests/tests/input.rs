//! What is typed, what the estate says, and this machine: refused with a remedy before any host is touched.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use end_to_end::{Estate, Folder};

/// An estate of one server at this address and port of this machine.
fn server(address: &str, port: u16, connection: &str) -> Folder {
    let folder = Folder::new();
    folder.write(
        "estate.yml",
        &format!(
            "name: e2e-input\nconnection: {{user: keeper, port: {port}, {connection}}}\n\
             hosts:\n  one: {{address: {address}, location: internal}}\n"
        ),
    );
    folder
}

#[test]
fn roles_and_lists_are_names_too_and_what_is_ambiguous_is_said() {
    let folder = Folder::new();
    let hosts = "name: x\nconnection: {user: a}\nhosts:\n  dns: {address: 192.0.2.1, location: internal}\n  \
                 two: {address: 192.0.2.2, location: internal}\n";
    folder.write(
        "estate.yml",
        &format!("{hosts}roles: {{dns_client: [two], dns: [two]}}\n"),
    );
    folder.write(
        "groups/all.yml",
        "home_domain: home.test\ndns_upstream_nameservers: []\ndns_resolvers: [192.0.2.2]\n",
    );
    let hosts = |arguments: &[&str]| {
        let long = ["--output", "json", "--timeout", "1", "diff"];
        let ran = folder.prov(long.iter().chain(arguments)).run();
        let hosts = ran.json()["hosts"]
            .as_array()
            .unwrap_or(&Vec::new())
            .clone();
        let names = hosts
            .iter()
            .map(|host| host["host"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(hosts(&["dns_client"]), "two");
    assert_eq!(hosts(&["--limit", "dns_client"]), "two");
    assert_eq!(hosts(&["dns"]), "dns");
    assert_eq!(hosts(&["role=dns"]), "two");
    assert_eq!(hosts(&["internal&role=dns"]), "two");
    let list = folder.path_text("list");
    std::fs::write(&list, "# mine\ntwo\n").unwrap();
    assert_eq!(hosts(&[&format!("@{list}")]), "two");
    assert_eq!(hosts(&["all", &format!("!@{list}")]), "dns");
    let told = folder.prov(["--timeout", "1", "diff", "dns"]).run();
    told.says("note: 'dns' is taken for the host; `role=dns` names the hosts with the role");
    let none = folder.prov(["diff", "@/no/such"]).run();
    none.exits(64)
        .says("cannot read the list of hosts /no/such");
}

#[test]
fn the_current_folder_is_the_estate_if_it_is_one() {
    let folder = Folder::new();
    folder.write("estate.yml", "name: here\nconnection: {user: a}\nhosts: {one: {address: 192.0.2.1, location: internal}}\n");
    let here = || end_to_end::Prov::new(&folder.path("estate")).args(["check"]);
    here().run().exits(0).says("here 1 host");
    std::fs::rename(
        folder.path("estate/estate.yml"),
        folder.path("estate/estate.yaml"),
    )
    .unwrap();
    here().run().exits(64).says("name it estate.yml");
    std::fs::remove_file(folder.path("estate/estate.yaml")).unwrap();
    let none = here().run();
    none.exits(64)
        .says("there is no estate here")
        .says("--estate")
        .says("PROV_ESTATE");
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    let estate = Estate::new(&["alpha", "beta"]);
    for command in [
        &["diff", "--limit", "alpa"][..],
        &["deploy", "alpa"],
        &["diff", "alpa"],
        &["apply", "alpa"],
        &["complete", "beta,alpa"],
        &["run", "alpa", "--", "id"],
        &["diff", "--limit", "role=alpa,alpa"],
        &["status", "alpa"],
    ] {
        estate
            .prov(command)
            .run()
            .exits(64)
            .says("'alpa'")
            .says("did you mean 'alpha'?");
    }
    estate
        .prov(["diff", "--limit", "alpha:!intrenal"])
        .run()
        .exits(64)
        .says("did you mean 'internal'?");
    estate
        .prov(["ssh", "betta"])
        .run()
        .exits(64)
        .says("did you mean 'beta'?");
    estate
        .prov(["task", "fiel", "path=/x"])
        .run()
        .exits(64)
        .says("did you mean 'file'?");
    estate
        .prov(["task", "file", "pth=/x"])
        .run()
        .exits(64)
        .says("did you mean 'path'?");
    estate
        .prov(["task", "file", "path"])
        .run()
        .exits(64)
        .says("KEY=VALUE");
    estate
        .prov(["verify", "dsn"])
        .run()
        .exits(64)
        .says("did you mean 'dns'?");
    estate.prov(["aply"]).run().exits(64).says("apply");
    estate
        .prov(["apply", "--wiat", "3"])
        .run()
        .exits(64)
        .says("--wait");
    let hint = "write --limit alpha";
    let task = ["task", "service", "alpha", "name=x"];
    estate.prov(task).run().exits(64).says(hint);
    let domain = ["domain", "alpha"];
    estate.prov(domain).run().exits(64).says(hint);
    let several = estate.prov(["ssh", "internal"]).run();
    several
        .exits(64)
        .says("'internal' is 2 hosts, not one")
        .says("alpha, beta");
    let json = estate
        .prov(["--output", "json", "diff", "--limit", "alpa"])
        .run();
    json.exits(64);
    assert_eq!(json.json()["error"], "usage", "{}", json.told());
}

#[test]
fn a_mistake_in_the_estate_is_shown_where_it_is() {
    let folder = Folder::new();
    folder.write(
        "estate.yml",
        "name: e2e-input\nhosts:\n  one: {adress: 192.0.2.7, location: internal}\n",
    );
    let ran = folder.prov(["check"]).run();
    ran.exits(64)
        .says("estate.yml:3:")
        .says("adress")
        .says("did you mean 'address'?");
    folder
        .prov(["apply"])
        .run()
        .exits(64)
        .says("nothing was done");
}

#[test]
fn what_nothing_reads_is_refused_by_whatever_changes_hosts() {
    let folder = Folder::new();
    folder.write("roles/motd/role.yml", "summary: A greeting.\nvariables: {greeting: {type: text, default: hello}}\nresources:\n  - file: {path: /etc/motd, content: '{{ greeting }}'}\n");
    folder.write("estate.yml", "name: e2e-input\nconnection: {user: keeper, password: x}\nhosts:\n  one: {address: 192.0.2.1, location: internal}\nroles: {motd: [one]}\n");
    for command in ["check", "diff", "apply", "complete"] {
        let typed = folder.prov(["--timeout", "1", "--set", "greetin=hi", command]);
        let refused = typed.run();
        refused
            .exits(64)
            .says("greetin")
            .says("did you mean 'greeting'?");
    }
}

#[test]
fn an_estate_that_is_not_there_is_named() {
    let folder = Folder::new();
    let elsewhere = folder.path_text("nowhere");
    let ran = end_to_end::Prov::new(&folder.path(""))
        .args(["--estate", &elsewhere, "diff"])
        .run();
    ran.exits(64).says(&elsewhere).says("hint:");
}

#[test]
fn a_private_file_that_others_may_read_is_refused() {
    let folder = server("127.0.0.1", 9, "sudo: true");
    folder.write("hosts/one.private.yml", "home_domain: private.test\n");
    let path = folder.path("estate").join("hosts/one.private.yml");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let ran = folder.prov(["diff"]).run();
    ran.exits(64)
        .says("others may read")
        .says("chmod 600")
        .never_says("private.test");
}

#[test]
fn a_key_file_that_cannot_be_used_is_named() {
    let estate = Estate::deployed(&["one"]);
    for (key, cause) in [("/no/such/key", "no such file"), ("~/broken", "")] {
        let connection = format!("{{user: keeper, identity: {key}, sudo: true}}");
        let servers = estate.as_servers(&connection, "");
        servers.write_home(".ssh/known_hosts", &estate.known_host("one"));
        servers.write_home("broken", "this is no key\n");
        let ran = servers.prov(["--output", "json", "diff"]).run();
        let name = key.rsplit('/').next().unwrap();
        ran.exits(1)
            .failed("one", &["key file", name, cause, "OpenSSH private key"]);
    }
}

#[test]
fn a_container_engine_that_does_not_run_is_named() {
    let estate = Estate::new(&["one"]);
    let socket = format!("unix://{}", estate.path_text("dead.sock"));
    for command in ["deploy", "status", "diff", "down"] {
        let ran = estate.prov([command]).env("DOCKER_HOST", &socket).run();
        ran.exits(1)
            .says("dead.sock")
            .says("hint:")
            .never_says("panicked");
    }
}

#[test]
fn a_connection_that_is_refused_makes_the_host_unreachable() {
    // The port is closed again when it is asked.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let folder = server("127.0.0.1", port, "sudo: true");
    let ran = folder.prov(["--output", "json", "diff"]).run();
    ran.exits(3).failed(
        "one",
        &["refused the connection", &port.to_string(), "sshd runs"],
    );
    let ran = folder.prov(["--output", "json", "run", "--", "true"]).run();
    ran.exits(3).failed("one", &["refused the connection"]);
}

#[test]
fn an_address_of_the_ssh_configuration_wins_and_is_named() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let folder = server("192.0.2.7", port, "sudo: true");
    folder.write_home(".ssh/config", "Host one\n  HostName 127.0.0.1\n");
    let ran = folder.prov(["-v", "--output", "json", "diff"]).run();
    ran.exits(3)
        .failed("one", &[&format!("127.0.0.1:{port} refused")])
        .says("one: at 127.0.0.1, as the configuration of ssh says, not at 192.0.2.7");
    // A plan is not saved without hosts that cannot be reached, and nothing worse happened.
    let path = folder.path_text("plan");
    folder.prov(["diff", "--out", &path]).run().exits(3);

    folder.write_home(".ssh/config", "Host one\n  ProxyJump bastion:abc\n");
    let ran = folder.prov(["--output", "json", "diff"]).run();
    ran.exits(1).failed(
        "one",
        &["ssh refuses it", "line 2", "bastion:abc", "`ssh -G NAME`"],
    );
}

#[test]
fn connections_come_from_where_the_ssh_configuration_says() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = server("127.0.0.1", port, "sudo: true");
    let look = |config: &str| {
        folder.write_home(".ssh/config", config);
        folder
            .prov(["--output", "json", "--timeout", "5", "diff"])
            .run()
    };
    look("Host one\n  AddressFamily inet6\n")
        .exits(3)
        .failed("one", &["no address of the kind", "`AddressFamily`"]);
    look("Host one\n  BindAddress 192.0.2.9\n")
        .exits(3)
        .failed("one", &["`BindAddress 192.0.2.9`"]);
    look("Host one\n  BindInterface lo\n")
        .exits(1)
        .failed("one", &["bindinterface lo", "write `BindAddress`"]);
    let other = std::thread::spawn(move || listener.accept().unwrap().1);
    look("Host one\n  AddressFamily inet\n  BindAddress 127.0.0.9\n").exits(1);
    assert_eq!(other.join().unwrap().ip().to_string(), "127.0.0.9");
}

#[test]
fn a_host_that_never_answers_is_given_up_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = server(
        "127.0.0.1",
        silent.local_addr().unwrap().port(),
        "sudo: true",
    );
    let started = std::time::Instant::now();
    let ran = folder
        .prov(["--output", "json", "--timeout", "1", "apply"])
        .run();
    ran.exits(3)
        .failed("one", &["did not answer within 1 s", "host is up"]);
    assert!(started.elapsed().as_secs() < 10);
}

#[test]
fn what_answers_but_is_no_ssh_server_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let other = std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            .unwrap();
    });
    let folder = server("127.0.0.1", port, "sudo: true");
    let ran = folder
        .prov(["--output", "json", "--timeout", "5", "diff"])
        .run();
    // Reached, but nothing that could be spoken to: not the same as unreachable.
    ran.exits(1).failed("one", &["SSH"]);
    other.join().unwrap();
}

#[test]
fn colours_are_for_terminals_only() {
    let estate = Estate::deployed(&["one"]);
    let write = ["task", "file", "path=/srv/f", "content=x", "--diff"];
    for plain in [
        estate.prov(write),
        estate
            .prov(write)
            .env("NO_COLOR", "1")
            .env("CLICOLOR_FORCE", "1"),
        estate
            .prov(write)
            .args(["--no-color"])
            .env("CLICOLOR_FORCE", "1"),
    ] {
        plain.run().exits(0).says("/srv/f").never_says("\u{1b}");
    }
    estate
        .prov(write)
        .env("CLICOLOR_FORCE", "1")
        .run()
        .exits(0)
        .says("\u{1b}[");
    let forced = estate
        .prov(["--output", "json"])
        .args(write)
        .env("CLICOLOR_FORCE", "1")
        .run();
    forced.exits(0).never_says("\u{1b}");
}

#[test]
fn a_preview_tells_by_its_exit_code_whether_something_would_change() {
    let estate = Estate::deployed(&["one"]);
    let servers = estate.as_servers(&estate.connection(), "roles: {dns_client: [one]}\n");
    servers.write_home(".ssh/known_hosts", &estate.known_host("one"));
    let server = estate.address("one");
    servers.write(
        "groups/all.yml",
        &format!("home_domain: first.test\ndns_resolvers: [{server}]\n"),
    );
    servers
        .prov(["diff"])
        .run()
        .exits(0)
        .says("Nothing was changed");
    servers
        .prov(["diff", "--exit-code"])
        .run()
        .exits(2)
        .says("first.test");
    servers.prov(["apply"]).run().exits(0);
    servers
        .prov(["diff", "--exit-code"])
        .run()
        .exits(0)
        .says("up to date");
}

#[test]
fn a_state_folder_that_cannot_be_made_is_named() {
    let estate = Estate::deployed(&["one"]);
    fs::write(estate.path("file"), "").unwrap();
    let state = estate.path_text("file/state");
    let ran = estate.prov(["diff"]).env("XDG_STATE_HOME", &state).run();
    ran.exits(1).says("file/state").says("XDG_STATE_HOME");
}
