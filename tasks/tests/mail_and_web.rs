//! What the roles of mail and web make of variables of several hosts, and what they refuse.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use tasks::Secret;
use tasks::authority::Authority;
use tasks::content::Content;
use tasks::domain::Domains;
use tasks::estate::{Estate, Sources};
use tasks::resource::Resource;
use tasks::role::{self, HostContext, Inputs};
use tasks::template::Templates;

const INVENTORY: &str = "\
name: sample
connection: {user: admin}
hosts:
  office: {address: 10.0.0.1, location: internal}
  customers: {address: 10.0.0.2, location: external}
  web: {address: 10.0.0.3, location: external}
roles:
  mta: [office, customers]
  mail: [customers]
  mail_external: [customers]
  reverse_proxy: [web]
  wordpress: [web]
";

const ALL: &str = "home_domain: home.com\nhome_domain_admin_user: admin\n";

const OFFICE: &str = "\
mta_smarthost: {hostname: customers, port: 465, username: relay, userpass: 'pass:^word'}
";

const CUSTOMERS: &str = "\
mta_smarthost: {hostname: gateway.example, port: 587, username: firm, userpass: 'gate:^way'}
";

/// The estate, with files in the place of those above.
fn sources(files: &[(&str, &str)]) -> Sources {
    let usual = [
        ("estate.yml", INVENTORY),
        ("groups/all.yml", ALL),
        ("hosts/office.yml", OFFICE),
        ("hosts/customers.yml", CUSTOMERS),
        ("hosts/web.yml", "wordpress_ports: [8080]\n"),
    ];
    usual
        .iter()
        .chain(files)
        .fold(Sources::new("e"), |sources, (path, text)| {
            sources.with(*path, *text)
        })
}

fn inputs(with_authority: bool) -> Inputs {
    Inputs {
        roles: tasks::role::Catalogue::default(),
        authority: with_authority
            .then(|| Authority::new("sample", &[7; 32], 1_700_000_000).unwrap()),
        ..Inputs::default()
    }
}

fn file(host: &str, path: &str, inputs: &Inputs) -> Option<Content> {
    let sources = sources(&[]);
    let estate = Estate::load(&sources, &[]).unwrap();
    let templates = Templates::load(&sources).unwrap();
    let context = HostContext::new(&estate, estate.host(host).unwrap(), inputs, &templates);
    let declared = role::resources(&context).unwrap();
    declared.into_iter().find_map(|declared| {
        if let Resource::File(file) = &declared.resource
            && file.path.as_str() == path
        {
            return file.content.clone();
        }
        if let Resource::TlsAuthority(file) = &declared.resource
            && file.path.as_str() == path
        {
            return Some(Content::plain(file.authority.trust()));
        }
        None
    })
}

fn refused(files: &[(&str, &str)]) -> Vec<String> {
    let sources = sources(files);
    let estate = Estate::load(&sources, &[]).unwrap();
    let templates = Templates::load(&sources).unwrap();
    let mistakes = role::check(&estate, &Domains::default(), &templates, &inputs(false));
    mistakes.into_iter().map(|found| found.message).collect()
}

#[test]
fn the_estate_is_valid() {
    assert_eq!(refused(&[]), Vec::<String>::new());
}

#[test]
fn a_host_that_sends_through_another_with_a_user_has_an_account_there() {
    let relays = file("customers", "/etc/dovecot/relays", &inputs(false)).unwrap();
    assert!(relays.masked().ends_with("\nrelay:<secret>\n"));
    assert!(relays.expose().contains("\nrelay:{SSHA512}"));
    assert!(!relays.expose().contains("pass:^word"));
    // What follows the second colon is the password.
    let client = file("office", "/etc/exim4/passwd.client", &inputs(false)).unwrap();
    assert!(client.expose().ends_with("\ncustomers:relay:pass:^word\n"));
    let main = "/etc/exim4/conf.d/main/00_mail_external";
    let main = file("customers", main, &inputs(false)).unwrap().expose();
    assert!(main.contains("\nMAIL_EXTERNAL_RELAYS = relay\n"));
}

#[test]
fn credentials_of_the_gateway_are_encoded_and_masked() {
    let credentials = file("customers", "/etc/exim4/gateway-default", &inputs(false)).unwrap();
    assert!(credentials.masked().ends_with("password: <secret>\n"));
    assert!(
        credentials
            .expose()
            .ends_with("username: ZmlybQ==\npassword: Z2F0ZTped2F5\n")
    );
    // Debian's authenticators, which know no sender, must not find any.
    let debian = file("customers", "/etc/exim4/passwd.client", &inputs(false)).unwrap();
    assert_eq!(debian.secrets(), Vec::<Secret>::new());
}

#[test]
fn a_smarthost_is_verified_with_the_authority_that_issued_its_certificate() {
    let macros = |inputs: &Inputs| {
        let path = "/etc/exim4/exim4.conf.localmacros";
        file("office", path, inputs).unwrap().expose()
    };
    let certificates = "_TLS_VERIFY_CERTIFICATES = /etc/exim4/authority.pem\n";
    assert!(macros(&inputs(true)).contains(certificates));
    assert!(macros(&inputs(true)).contains("_PROTOCOL = smtps\n"));
    assert!(macros(&inputs(false)).contains("_TLS_VERIFY_HOSTS =\n"));
    // It is asked again soon after it was down; nobody else's server is.
    assert!(macros(&inputs(true)).contains("\nretry_interval_max = 15s\n"));
    let path = "/etc/exim4/conf.d/main/00_mta";
    let gateway = file("customers", path, &inputs(true)).unwrap().expose();
    assert!(!gateway.contains("retry_interval_max"));
    assert!(file("office", "/etc/exim4/authority.pem", &inputs(true)).is_some());
    // The gateway is not of the estate.
    let path = "/etc/exim4/conf.d/transport/25_mail_external";
    let transport = file("customers", path, &inputs(true)).unwrap().expose();
    assert!(transport.contains("tls_verify_certificates = system\n"));
}

#[test]
fn ports_that_cannot_be_listened_on_are_refused() {
    for (ports, problem) in [
        ("[]", "is empty"),
        ("[8080, 8080]", "has 8080 twice"),
        ("[80]", "which is the reverse proxy's"),
    ] {
        let text = format!("wordpress_ports: {ports}\n");
        let found = refused(&[("hosts/web.yml", &text)]);
        assert_eq!(found.len(), 1, "{ports}: {found:?}");
        assert!(found[0].contains(problem), "{found:?}");
    }
}

#[test]
fn a_login_at_a_smarthost_is_whole_and_fits_the_file_that_holds_it() {
    for (login, words) in [
        ("username: me", "has a 'username' and no 'userpass'"),
        ("userpass: x", "has a 'userpass' and no 'username'"),
        ("username: 'me:x', userpass: 'ab'", "'username' that cannot"),
        ("username: ' me', userpass: 'ab'", "'username' that cannot"),
        ("username: '', userpass: 'ab'", "'username' that cannot"),
        ("username: me, userpass: 'trail '", "'userpass' that cannot"),
        (
            "username: me, userpass: \"a\\nb\"",
            "'userpass' that cannot",
        ),
        ("username: me, userpass: ''", "'userpass' that cannot"),
    ] {
        let text = format!("mta_smarthost: {{hostname: gateway.example, {login}}}\n");
        let mistakes = refused(&[("hosts/office.yml", &text)]);
        assert!(
            mistakes.iter().any(|mistake| mistake.contains(words)
                && mistake.contains("host office: 'mta_smarthost'")),
            "{login}: {mistakes:?}"
        );
        assert!(!mistakes.concat().contains("trail"), "{mistakes:?}");
    }
    // With credentials by the sender's domain the file is another one, which holds a colon and a blank.
    let kept = CUSTOMERS.replace("firm, userpass: 'gate:^way'", "'fi:rm', userpass: 'way '");
    assert_eq!(
        refused(&[("hosts/customers.yml", &kept)]),
        Vec::<String>::new()
    );
    let half = CUSTOMERS.replace(", userpass: 'gate:^way'", "");
    let mistakes = refused(&[("hosts/customers.yml", &half)]);
    assert!(mistakes.concat().contains("no 'userpass'"), "{mistakes:?}");
}
