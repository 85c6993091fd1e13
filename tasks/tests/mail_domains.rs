//! What the mail of domains is on each host, that it goes when the domain does, and that passwords mean nothing to the
//! files they are in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine as _;
use tasks::authority::Authority;
use tasks::content::Content;
use tasks::domain::Domains;
use tasks::domain::role::{DomainWork, Purpose, Selection, Tag};
use tasks::estate::{Estate, Sources};
use tasks::resource::{Declared, Resource, State};
use tasks::role::Inputs;
use tasks::template::Templates;

const INVENTORY: &str = "\
name: sample
connection: {user: admin, password: adminpasswd}
hosts:
  inside: {address: 10.0.0.1, location: internal}
  outside: {address: 10.0.0.2, location: external}
roles:
  dns: [inside, outside]
  mta: [inside, outside]
  mail: [inside, outside]
  mail_certificates: [inside]
  mail_external: [outside]
  mail_internal: [inside]
";

const ALL: &str = "\
home_domain: home.test
home_domain_admin_user: admin
office_subnet: 10.0.0.0/24
dns_upstream_nameservers: []
mail_uses_ca: false
";

const HOME: &str = "\
organisation: Home
users:
  - {name: first.last, account: admin}
  - {name: second, account: second}
user_passwords: {first.last: adminpasswd, second: \"PASSWORD\"}
";

const CUSTOMER: &str = "\
organisation: Customer
users: [{name: one}, {name: two}]
user_passwords: {one: \"PASSWORD\", two: other}
mail_gateway: {username: account}
mail_gateway_password: \"PASSWORD\"
";

/// Every character that means something to a shell, SQL, Exim, Dovecot, Fetchmail or YAML.
const AWKWARD: &str = "a'b\"c\\d$e{f}&g;h%i*j^k!l m:n#o`p<q>r|s@t/uü€ 🙂";

fn domains(customer: &str, password: &str) -> Domains {
    let password = password.replace('\\', "\\\\").replace('"', "\\\"");
    let text = |text: &str| text.replace("PASSWORD", &password);
    let sources = Sources::new("domains")
        .with("home.test/domain.yml", text(HOME))
        .with(format!("{customer}/domain.yml"), text(CUSTOMER));
    Domains::load(&sources).unwrap()
}

fn declared(domains: &Domains, only: &str, host: &str, purpose: Purpose) -> Vec<Declared> {
    let sources = Sources::new("e")
        .with("estate.yml", INVENTORY)
        .with("groups/all.yml", ALL)
        .with("hosts/inside.yml", "mta_smarthost: {hostname: outside}\n")
        .with(
            "hosts/outside.yml",
            "dns_group: external\nmta_smarthost: {hostname: gateway.test, port: 587}\n",
        );
    let estate = Estate::load(&sources, &[]).unwrap();
    let templates = Templates::load(&Sources::new("e")).unwrap();
    let inputs = Inputs {
        roles: tasks::role::Catalogue::default(),
        authority: Some(Authority::new("sample", &[7; 32], 1_700_000_000).unwrap()),
        ..Inputs::default()
    };
    let work = DomainWork {
        domains: vec![domains.get(only).unwrap()],
        selection: Selection::new([Tag::Mail], None).unwrap(),
        purpose,
    };
    let host = estate.host(host).unwrap();
    let resources = work.resources(&estate, host, &inputs, &templates);
    resources.unwrap()
}

fn names(domains: &Domains, only: &str, host: &str, purpose: Purpose) -> Vec<String> {
    let declared = declared(domains, only, host, purpose);
    declared.iter().map(Declared::name).collect()
}

fn file(domains: &Domains, only: &str, host: &str, path: &str) -> Content {
    let declared = declared(domains, only, host, Purpose::Setup);
    let found = declared.into_iter().find_map(|it| {
        if let Resource::File(file) = it.resource
            && file.path.as_str() == path
        {
            return file.content;
        }
        None
    });
    found.unwrap_or_else(|| panic!("{path} is not declared"))
}

#[test]
fn a_customers_domain_has_files_of_its_own_outside_and_goes_with_them() {
    let domains = domains("a.test", "p");
    let setup = [
        "file /etc/dnsmasq-hosts.d/domain-mail-a.test",
        "file /etc/dnsmasq.d/domain-mail-a.test",
        "file /etc/dovecot/virtual.d/a.test",
        "file /etc/exim4/virtual.d/a.test",
        "file /etc/exim4/gateway.d/a.test",
        "symlink /etc/exim4/tls.d/smtp.a.test",
        "file /etc/dovecot/domains.d/a.test.conf",
        "service dovecot",
    ];
    assert_eq!(names(&domains, "a.test", "outside", Purpose::Setup), setup);
    let removal = [
        "file /etc/dovecot/domains.d/a.test.conf",
        "symlink /etc/exim4/tls.d/smtp.a.test",
        "directory /usr/local/etc/mail-certs/a.test",
        "file /etc/exim4/gateway.d/a.test",
        "file /etc/exim4/virtual.d/a.test",
        "file /etc/dovecot/virtual.d/a.test",
        "file /etc/dnsmasq.d/domain-mail-a.test",
        "file /etc/dnsmasq-hosts.d/domain-mail-a.test",
    ];
    assert_eq!(
        names(&domains, "a.test", "outside", Purpose::Removal),
        removal
    );
    let mut purge: Vec<_> = removal.map(str::to_owned).to_vec();
    purge.splice(
        6..6,
        ["two", "one"].map(|user| format!("directory /home/vmail/{user}@a.test")),
    );
    assert_eq!(names(&domains, "a.test", "outside", Purpose::Purge), purge);
    // Nobody inside has anything of it but the certificate's keeper.
    let inside = names(&domains, "a.test", "inside", Purpose::Setup);
    let kept =
        |name: &String| name.contains("/usr/local/etc/certs/a.test") || name.contains("hand-over");
    assert!(!inside.is_empty() && inside.iter().all(kept), "{inside:?}");
}

#[test]
fn the_staff_keep_their_accounts_unless_mail_is_purged_and_the_administrator_always() {
    let domains = domains("a.test", "p");
    let on = |host: &str, purpose| {
        let names = names(&domains, "home.test", host, purpose);
        let users = names.into_iter().filter(|name| name.starts_with("user "));
        users.collect::<Vec<_>>()
    };
    for host in ["inside", "outside"] {
        assert_eq!(on(host, Purpose::Setup), ["user admin", "user second"]);
        assert_eq!(on(host, Purpose::Removal), Vec::<String>::new());
        assert_eq!(on(host, Purpose::Purge), ["user second"]);
    }
    let gone = declared(&domains, "home.test", "inside", Purpose::Removal);
    let fetched = gone.iter().any(|it| {
        matches!(&it.resource, Resource::File(file)
            if file.path.as_str() == "/etc/fetchmailrc" && file.state == State::Absent)
    });
    assert!(fetched, "{gone:?}");
}

/// Gives the accounts that setting the home domain up declares inside, with MORE variables of all hosts and a role `people` that
/// declares the account `second`.
fn accounts(more: &str, people: Option<&str>) -> Vec<tasks::resource::User> {
    let inventory = match people {
        Some(_) => format!("{INVENTORY}  people: [inside]\n"),
        None => INVENTORY.to_owned(),
    };
    let mut sources = Sources::new("e")
        .with("estate.yml", inventory)
        .with("groups/all.yml", format!("{ALL}{more}"))
        .with("hosts/inside.yml", "mta_smarthost: {hostname: outside}\n")
        .with(
            "hosts/outside.yml",
            "dns_group: external\nmta_smarthost: {hostname: gateway.test, port: 587}\n",
        );
    if let Some(people) = people {
        let role = format!("summary: People.\nresources:\n  - user: {{name: second, {people}}}\n");
        sources = sources.with("roles/people/role.yml", role);
    }
    let estate = Estate::load(&sources, &[]).unwrap();
    let templates = Templates::load(&sources).unwrap();
    let inputs = Inputs {
        roles: tasks::role::Catalogue::load(&sources, &[]).unwrap(),
        ..Inputs::default()
    };
    let domains = domains("a.test", "p");
    let work = DomainWork {
        domains: vec![domains.get("home.test").unwrap()],
        selection: Selection::new([Tag::Mail], None).unwrap(),
        purpose: Purpose::Setup,
    };
    let host = estate.host("inside").unwrap();
    let declared = work.resources(&estate, host, &inputs, &templates).unwrap();
    let mut users = Vec::new();
    for it in declared {
        if let Resource::User(user) = it.resource {
            users.push(user);
        }
    }
    users
}

#[test]
fn shells_and_the_administrators_password_are_the_estates_business() {
    let shell = |user: &tasks::resource::User| user.shell.as_ref().map(ToString::to_string);
    let usual = accounts("", None);
    assert_eq!(shell(&usual[0]), None);
    assert_eq!(usual[0].password_hash, None);
    assert_eq!(shell(&usual[1]).as_deref(), Some("/usr/sbin/nologin"));
    assert!(usual[1].password_hash.is_some());

    let said = accounts(
        "mail_staff_shell: /bin/bash\nmail_sets_admin_password: true\n",
        None,
    );
    assert_eq!(shell(&said[0]), None);
    assert!(said[0].password_hash.is_some());
    assert_eq!(shell(&said[1]).as_deref(), Some("/bin/bash"));

    // What a role says of an account is not undone by the domain.
    let of_role = accounts("", Some("shell: /bin/zsh"));
    assert_eq!(shell(&of_role[1]), None);
    assert!(of_role[1].password_hash.is_some());
    let of_role = accounts("", Some("shell: /bin/zsh, password_hash: '!'"));
    assert_eq!(of_role[1].password_hash, None);
}

#[test]
fn no_character_of_a_password_means_anything_to_a_file() {
    let domains = domains("a.test", AWKWARD);
    let mailboxes = file(
        &domains,
        "a.test",
        "outside",
        "/etc/dovecot/virtual.d/a.test",
    );
    assert!(
        !mailboxes.masked().contains("$2y$") && mailboxes.masked().contains("one@a.test:<secret>")
    );
    let text = mailboxes.expose();
    let line = text.lines().find(|line| line.starts_with("one@")).unwrap();
    let hash = line.strip_prefix("one@a.test:{BLF-CRYPT}").unwrap();
    let hash = hash.strip_suffix("::::::").unwrap();
    assert!(bcrypt::verify(AWKWARD, hash).unwrap());
    assert!(!bcrypt::verify("other", hash).unwrap());

    let gateway = file(&domains, "a.test", "outside", "/etc/exim4/gateway.d/a.test");
    assert!(gateway.masked().ends_with("password: <secret>\n"));
    let text = gateway.expose();
    let encoded = text
        .lines()
        .find_map(|line| line.strip_prefix("password: "));
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.unwrap());
    assert_eq!(bytes.unwrap(), AWKWARD.as_bytes());

    let fetched = file(&domains, "home.test", "inside", "/etc/fetchmailrc");
    assert!(!fetched.masked().contains("adminpasswd"));
    let quoted = AWKWARD.replace('\\', r"\x5c").replace('"', r"\x22");
    let text = fetched.expose();
    let line = format!("    user \"second\" there with password \"{quoted}\" is \"second\" here ");
    assert!(text.lines().any(|it| it.starts_with(&line)), "{text}");
    for (host, only) in [
        ("outside", "a.test"),
        ("inside", "home.test"),
        ("outside", "home.test"),
    ] {
        let declared = declared(&domains, only, host, Purpose::Setup);
        let shown = format!("{declared:?}");
        assert!(
            !shown.contains("a'b") && !shown.contains("adminpasswd"),
            "{shown}"
        );
    }
}

#[test]
fn names_with_a_hyphen_a_digit_first_and_the_longest_label_are_names_of_files() {
    let long = format!("{}.test", "a".repeat(63));
    for name in ["a-b.test", "1st.test", "xn--bcher-kva.test", &long] {
        let domains = domains(name, "p");
        let names = names(&domains, name, "outside", Purpose::Setup);
        assert!(
            names.contains(&format!("file /etc/exim4/virtual.d/{name}")),
            "{names:?}"
        );
        assert!(
            names.contains(&format!("symlink /etc/exim4/tls.d/smtp.{name}")),
            "{names:?}"
        );
        let mx = file(
            &domains,
            name,
            "outside",
            &format!("/etc/dnsmasq.d/domain-mail-{name}"),
        );
        let line = format!("\nmx-host={name},outside.home.test,50\n");
        assert!(mx.expose().contains(&line));
    }
}

#[test]
fn a_certificate_is_configured_once_it_has_been_handed_over() {
    let domains = domains("a.test", "p");
    let path = "/etc/dovecot/domains.d/a.test.conf";
    let content = file(&domains, "a.test", "outside", path);
    let inputs: Vec<_> = content.inputs();
    assert_eq!(inputs.len(), 2, "{inputs:?}");
    assert!(inputs.iter().all(|input| input.host == "inside"
        && input.path.as_str() == "/usr/local/etc/certs/a.test/handed-over"));
}
