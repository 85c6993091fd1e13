//! What files of domains say, what is refused of them, and what becomes of a domain on hosts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use tasks::domain::role::{DomainWork, Purpose, Selection, Tag};
use tasks::domain::{Domains, domain_name};
use tasks::estate::{Estate, Sources};
use tasks::resource::{Resource, State};
use tasks::role::{self, Inputs};
use tasks::template::Templates;

const INVENTORY: &str = "\
name: sample
connection: {user: admin}
hosts:
  inside: {address: 10.0.0.1, location: internal}
  outside: {address: 10.0.0.2, location: external}
roles:
  dns: [inside, outside]
  dns_api: [inside]
  dynamic_dns: [inside]
";

const DOMAIN: &str = "\
organisation: A Customer
dynamic_dns: {id: 7, records: [8, 9]}
";

fn estate() -> Estate {
    let sources = Sources::new("e")
        .with("estate.yml", INVENTORY)
        .with(
            "groups/all.yml",
            "home_domain: home.test\ndns_upstream_nameservers: []\ndns_linode_key: k\n",
        )
        .with("hosts/outside.yml", "dns_group: external\n");
    Estate::load(&sources, &[]).unwrap()
}

fn load(files: &[(&str, &str)]) -> Result<Domains, Vec<tasks::Diagnostic>> {
    let sources = files
        .iter()
        .fold(Sources::new("domains"), |sources, (path, text)| {
            sources.with(*path, *text)
        });
    Domains::load(&sources)
}

/// Gives what is wrong with domains, whether they cannot be read or do not fit the estate.
fn wrong(files: &[(&str, &str)]) -> Vec<String> {
    let show = |mistakes: Vec<tasks::Diagnostic>| {
        let text = |mistake: &tasks::Diagnostic| match &mistake.hint {
            Some(hint) => format!("{mistake}; {hint}"),
            None => mistake.to_string(),
        };
        mistakes.iter().map(text).collect::<Vec<_>>()
    };
    match load(files) {
        Err(mistakes) => show(mistakes),
        Ok(domains) => {
            let templates = Templates::load(&Sources::new("e")).unwrap();
            show(role::check(
                &estate(),
                &domains,
                &templates,
                &Inputs::default(),
            ))
        }
    }
}

fn work(domains: &Domains, selection: Selection, purpose: Purpose) -> DomainWork<'_> {
    DomainWork {
        domains: domains.iter().collect(),
        selection,
        purpose,
    }
}

/// Gives the names of the resources that a host needs, and whether each is to be there.
fn resources(work: &DomainWork<'_>, host: &str) -> Vec<(String, State)> {
    let estate = estate();
    let templates = Templates::load(&Sources::new("e")).unwrap();
    let host = estate.host(host).unwrap();
    let declared = work.resources(&estate, host, &Inputs::default(), &templates);
    let state = |resource: &Resource| {
        let Resource::File(file) = resource else {
            panic!("{resource:?}");
        };
        file.state
    };
    let declared = declared.unwrap().into_iter();
    declared
        .map(|it| (it.name(), state(&it.resource)))
        .collect()
}

#[test]
fn a_name_that_would_mean_something_in_a_path_or_a_shell_is_no_domain() {
    let long = format!("{}.test", "a".repeat(64));
    for bad in [
        "../x",
        "a;b",
        "x' OR",
        "",
        ".",
        "..",
        "a..b",
        "com",
        "a.1",
        "A.test",
        "a_b.test",
        "-a.test",
        "a.test.",
        "a b.test",
        "a/b.test",
        "a.test\n",
        "ä.test",
        "$(id).test",
        &long,
    ] {
        assert!(domain_name(bad).is_err(), "{bad:?}");
        // No folder has a name with a slash, and hidden ones are passed over.
        if !bad.contains('/') && !bad.starts_with('.') {
            let path = format!("{bad}/domain.yml");
            assert!(load(&[(&path, DOMAIN)]).is_err(), "{bad:?}");
        }
    }
    let label = "a".repeat(63);
    for good in [
        "home.com",
        "1st.test",
        "a-b.test",
        "xn--bcher-kva.test",
        &format!("{label}.{label}.test"),
    ] {
        assert!(domain_name(good).is_ok(), "{good:?}");
    }
}

#[test]
fn the_private_file_wins_over_the_public_one() {
    let domains = load(&[
        ("a.test/domain.yml", "organisation: Public\n"),
        ("a.test/domain.private.yml", "organisation: Private\n"),
        ("README.md", "x"),
    ]);
    let domains = domains.unwrap();
    let names: Vec<_> = domains.names().collect();
    assert_eq!(names, ["a.test"]);
    let domain = domains.get("a.test").unwrap();
    assert_eq!(domain.settings().organisation, "Private");
}

#[test]
fn mistakes_are_told_with_their_places_and_private_values_are_not_shown() {
    assert_eq!(
        wrong(&[("a.test/domain.yml", "organization: A\n")]),
        [
            "domains/a.test/domain.yml: the domain needs 'organisation', which is not set; set it in domains/a.test/domain.yml"
        ]
    );
    assert_eq!(
        wrong(&[(
            "a.test/domain.yml",
            "organisation: A\nuser: []\ndns_group: x\n"
        )]),
        ["domains/a.test/domain.yml:2:1: unknown setting 'user'; did you mean 'users'?"]
    );
    assert_eq!(
        wrong(&[(
            "a.test/domain.yml",
            "organisation: A\ndns_upstream_nameservers: []\n"
        )]),
        [
            "domains/a.test/domain.yml:2:1: unknown setting 'dns_upstream_nameservers'; it is a variable of hosts, which a domain cannot set; see groups/ and hosts/ of the estate"
        ]
    );
    let users =
        "organisation: A\nusers:\n  - {name: one}\n  - {name: one}\nuser_passwords: {onee: x}\n";
    assert_eq!(
        wrong(&[("a.test/domain.yml", users)]),
        [
            "domains/a.test/domain.yml:2:1: the user 'one' has no password; set 'user_passwords: {one: …}' in domains/a.test/domain.private.yml",
            "domains/a.test/domain.yml:2:1: the user 'one' is named twice",
            "domains/a.test/domain.yml:5:24: there is no user 'onee'; did you mean 'one'?",
        ]
    );
    for bad in ["../x", "a;b", "x' OR", "A"] {
        let text = format!("organisation: A\nusers:\n  - name: \"{bad}\"\n");
        let told = wrong(&[("a.test/domain.yml", &text)]);
        assert!(told[0].contains("domain.yml:3:"), "{told:?}");
        let text = format!(
            "organisation: A\nwebhosts:\n  \"{bad}\": {{proxy: a, wordpress: b, database: c}}\n"
        );
        let told = wrong(&[("a.test/domain.yml", &text)]);
        assert!(told[0].contains("domain.yml:"), "{told:?}");
    }
    let told = wrong(&[
        ("a.test/domain.yml", "organisation: A\n"),
        (
            "a.test/domain.private.yml",
            "mail_gateway_password: \"hun\\nter2\"\nmail_gateway: {username: u}\n",
        ),
    ]);
    assert_eq!(
        told,
        [
            "domains/a.test/domain.private.yml:1:1: the password has a control character, which no program would let a person type"
        ]
    );
    let told = wrong(&[("a.test/domain.private.yml", "organisation: A\n")]);
    assert!(told[0].contains("there is no domain.yml"), "{told:?}");
    let told = wrong(&[("a.test/other.yml", "x: 1\n")]);
    assert!(told[0].contains("nothing reads this file"), "{told:?}");
}

#[test]
fn mail_without_a_server_for_it_is_refused() {
    let users = "organisation: A\nusers: [{name: one}]\nuser_passwords: {one: x}\n";
    let told = wrong(&[("a.test/domain.yml", users)]);
    assert!(
        told.iter()
            .any(|it| it.contains("no host of the estate has the role mail_external")),
        "{told:?}"
    );
}

#[test]
fn a_domain_owns_files_of_its_own_and_loses_them_in_the_reverse_order() {
    let domains = load(&[("a.test/domain.yml", DOMAIN), ("b.test/domain.yml", DOMAIN)]).unwrap();
    let file = |name: &str| format!("file /usr/local/etc/dynamic-dns-domains/{name}.conf");
    let setup = resources(
        &work(&domains, Selection::default(), Purpose::Setup),
        "inside",
    );
    assert_eq!(
        setup,
        [
            (file("a.test"), State::Present),
            (file("b.test"), State::Present)
        ]
    );
    for purpose in [Purpose::Removal, Purpose::Purge] {
        let removal = resources(&work(&domains, Selection::default(), purpose), "inside");
        assert_eq!(
            removal,
            [
                (file("b.test"), State::Absent),
                (file("a.test"), State::Absent)
            ]
        );
    }
    let others = Selection::new([Tag::Mail, Tag::Web], None).unwrap();
    assert_eq!(
        resources(&work(&domains, others, Purpose::Setup), "inside"),
        []
    );
}

#[test]
fn a_filter_is_looked_for_anywhere_in_labels() {
    let label = |text: &str| tasks::domain::HostLabel::new(text).unwrap();
    let filter = Selection::new([], Some("(?:dev|test)")).unwrap();
    assert!(filter.has_webhost(&label("dev")) && filter.has_webhost(&label("test")));
    assert!(filter.has_webhost(&label("my-test2")) && !filter.has_webhost(&label("www")));
    let filter = Selection::new([], Some("es")).unwrap();
    assert!(filter.has_webhost(&label("test")) && !filter.has_webhost(&label("dev")));
    let filter = Selection::new([], Some("^dev|test$")).unwrap();
    assert!(filter.has_webhost(&label("dev2")) && !filter.has_webhost(&label("test2")));
    let filter = Selection::new([], Some("^www$")).unwrap();
    assert!(filter.has_webhost(&label("www")) && !filter.has_webhost(&label("www2")));
    let mistake = Selection::new([], Some("(")).unwrap_err();
    assert!(
        mistake.message.contains("'(' is not a regular expression"),
        "{mistake}"
    );
}

#[test]
fn a_filter_names_the_sites_that_it_has_found_and_those_that_there_are() {
    let site = "{proxy: inside, wordpress: inside, database: inside}";
    let text = |labels: &[&str]| {
        let sites: Vec<_> = labels.iter().map(|it| format!("{it}: {site}")).collect();
        format!("organisation: A\nwebhosts: {{{}}}\n", sites.join(", "))
    };
    let domains = load(&[
        ("a.test/domain.yml", &text(&["dev", "test", "www"])),
        ("b.test/domain.yml", &text(&["www"])),
    ])
    .unwrap();
    let filtered = |tags: &[Tag], filter| {
        let selection = Selection::new(tags.iter().copied(), filter).unwrap();
        let found = work(&domains, selection, Purpose::Setup).filtered();
        found.map_err(|it| format!("{it}; {}", it.hint.clone().unwrap_or_default()))
    };
    let found = |names: &[&str]| Ok(names.iter().map(|&it| it.to_owned()).collect());
    assert_eq!(filtered(&[], None), found(&[]));
    assert_eq!(filtered(&[], Some("es")), found(&["test.a.test"]));
    assert_eq!(
        filtered(&[Tag::Web], Some("^www$")),
        found(&["www.a.test", "www.b.test"])
    );
    assert_eq!(
        filtered(&[], Some("^es")).unwrap_err(),
        "no web site of a.test or b.test has '^es' in its first label; \
         there are: dev.a.test, test.a.test, www.a.test, www.b.test"
    );
    assert_eq!(
        filtered(&[Tag::Mail], Some("es")).unwrap_err(),
        "the filter 'es' chooses web sites, and the tags leave them out; add the tag web, or leave the filter out"
    );
}

#[test]
fn a_site_that_two_domains_would_serve_is_refused() {
    let site = "{proxy: inside, wordpress: inside, database: inside}";
    let told = wrong(&[
        (
            "a.b.test/domain.yml",
            &format!("organisation: A\nwebhosts: {{www: {site}}}\n"),
        ),
        (
            "b.test/domain.yml",
            &format!("organisation: B\nwebhosts: {{a: {site}}}\n"),
        ),
    ]);
    assert!(
        told.iter()
            .any(|it| it.contains("the domain a.b.test serves a.b.test, too")),
        "{told:?}"
    );
}
