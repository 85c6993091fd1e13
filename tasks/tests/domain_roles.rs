//! Roles of an estate's own that domains have: what they declare for whom, how it goes, and every mistake in them, with its place.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use insta::assert_snapshot;
use tasks::Diagnostic;
use tasks::domain::Domains;
use tasks::domain::role::{DomainWork, Purpose, Selection, Tag};
use tasks::estate::{Estate, Sources};
use tasks::promise::Promises;
use tasks::role::{self, Catalogue, Inputs};
use tasks::template::Templates;

const INVENTORY: &str = "
name: tiny
hosts:
  web: {address: 192.0.2.7, location: external}
  app: {address: 192.0.2.8, location: internal}
roles:
  server: [web]
";

const SERVER: &str = "
summary: What serves pages.
resources:
  - packages: {names: [nginx-light]}
  - directory: {path: /srv/pages}
";

const PAGES: &str = r#"
summary: The pages of a domain.
domains_on: [server]
variables:
  pages_greeting: {type: text, default: Welcome}
  pages_token: {type: secret}
handlers:
  reload: {reload: nginx}
resources:
  - user: {name: 'pages-{{ domain.name | replace(from=".", to="-") }}', system: true}
  - directory: {path: '/srv/pages/{{ domain.name }}'}
  - file: {path: '/etc/nginx/sites-enabled/{{ domain.name }}', template: site.conf}
    notify: reload
  - file: {path: '/etc/nginx/{{ domain.name }}.home', content: ''}
    when: domain.is_home
checks:
  - http: {url: 'http://{{ domain.name }}/', body: '{{ pages_greeting }} to {{ domain.organisation }}'}
"#;

/// Files of an estate, and of its domains.
struct Files {
    estate: Sources,
    domains: Sources,
}

impl Files {
    fn new(pages: &str, domains: &[(&str, &str)]) -> Self {
        let estate = Sources::new("e")
            .with("estate.yml", INVENTORY)
            .with("groups/all.yml", "pages_token: t\n")
            .with("roles/server/role.yml", SERVER)
            .with("roles/pages/role.yml", pages)
            .with("roles/pages/site.conf", "# {{ domain.organisation }}\n");
        let domains = domains.iter().fold(Sources::new("d"), |all, (name, text)| {
            all.with(format!("{name}/domain.yml"), *text)
        });
        Self { estate, domains }
    }

    fn read(&self) -> Result<(Estate, Domains, Inputs), Vec<Diagnostic>> {
        let estate = Estate::load(&self.estate, &[])?;
        let domains = Domains::load(&self.domains)?;
        let roles = Catalogue::load(&self.estate, &[])?;
        let inputs = Inputs {
            roles,
            ..Inputs::default()
        };
        Ok((estate, domains, inputs))
    }

    /// Does what `prov check` does.
    fn check(&self) -> String {
        let mistakes = match self.read() {
            Ok((estate, domains, inputs)) => role::check(&estate, &domains, &templates(), &inputs),
            Err(mistakes) => mistakes,
        };
        let told = mistakes.iter().map(|mistake| match &mistake.hint {
            Some(hint) => format!("{mistake}\n  {hint}"),
            None => mistake.to_string(),
        });
        told.collect::<Vec<_>>().join("\n")
    }

    /// Lists what is done with the domains on a host.
    fn declared(&self, host: &str, tags: &[Tag], purpose: Purpose) -> Vec<String> {
        let (estate, domains, inputs) = self.read().unwrap();
        let work = DomainWork {
            domains: domains.iter().collect(),
            selection: Selection::new(tags.iter().copied(), None).unwrap(),
            purpose,
        };
        let host = estate.host(host).unwrap();
        let declared = work.resources(&estate, host, &inputs, &templates());
        let named = declared.unwrap().into_iter().map(|one| {
            let contents = one.resource.manage().contents();
            let text = contents.first().map(|content| content.masked());
            format!("{} {}", one.name(), text.unwrap_or_default())
                .trim()
                .to_owned()
        });
        named.collect()
    }
}

fn templates() -> Templates {
    Templates::load(&Sources::new("e")).unwrap()
}

const ONE: (&str, &str) = ("one.test", "organisation: One\nroles: [pages]\n");

#[test]
fn a_domain_has_a_role_on_the_hosts_of_another_one() {
    let two = "organisation: Two\nroles: [pages]\npages_greeting: Hello\n";
    let files = Files::new(
        PAGES,
        &[
            ONE,
            ("two.test", two),
            ("three.test", "organisation: Three\n"),
        ],
    );
    assert_eq!(files.check(), "");
    let declared = files.declared("web", &[], Purpose::Setup);
    assert_snapshot!(declared.join("\n"));
    assert_eq!(files.declared("app", &[], Purpose::Setup), [""; 0]);
    assert_eq!(
        files.declared("web", &[Tag::Roles], Purpose::Setup),
        declared
    );
    assert_eq!(
        files.declared("web", &[Tag::Mail, Tag::Web], Purpose::Setup),
        [""; 0]
    );
    let (estate, domains, inputs) = files.read().unwrap();
    let (promises, mistakes) = Promises::collect(&estate, &domains, &templates(), &inputs);
    assert_eq!(mistakes, []);
    let checks: Vec<_> = promises
        .own_checks
        .iter()
        .map(|it| format!("{it:?}"))
        .collect();
    assert_eq!(checks.len(), 2);
    assert!(checks[0].contains("Welcome to One"), "{checks:?}");
    assert!(checks[1].contains("Hello to Two"), "{checks:?}");
}

#[test]
fn what_users_have_made_goes_only_where_that_is_asked_for() {
    let files = Files::new(PAGES, &[ONE]);
    let names = |purpose| files.declared("web", &[], purpose).join("\n");
    assert_snapshot!(names(Purpose::Removal), @"file /etc/nginx/sites-enabled/one.test");
    assert_snapshot!(names(Purpose::Purge), @r"
    file /etc/nginx/sites-enabled/one.test
    directory /srv/pages/one.test
    user pages-one-test
    ");
}

#[test]
fn the_home_domain_is_known_where_there_is_one() {
    let mut files = Files::new(PAGES, &[ONE]);
    files.estate = files
        .estate
        .with("hosts/web.yml", "home_domain: one.test\n");
    let declared = files.declared("web", &[], Purpose::Setup).join("\n");
    assert!(declared.contains("/etc/nginx/one.test.home"), "{declared}");
}

#[test]
fn what_two_would_share_is_refused() {
    let shared = PAGES.replace("/srv/pages/{{ domain.name }}", "/srv/pages");
    assert_snapshot!(Files::new(&shared, &[ONE, ("two.test", ONE.1)]).check());
    // A domain that has nothing of its own on the host is nobody's twin.
    let alone = PAGES.replace("/srv/pages/{{ domain.name }}", "/srv/sites");
    let files = Files::new(&alone, &[ONE, ("two.test", "organisation: Two\n")]);
    assert_eq!(files.check(), "");
}

#[test]
fn every_mistake_has_its_place() {
    let told = |pages: &str, domain: &str| Files::new(pages, &[("one.test", domain)]).check();
    let mut all = Vec::new();
    for domain in [
        "organisation: One\nroles: [page]\n",
        "organisation: One\nroles: [nothing]\n",
        "organisation: One\nroles: [server]\n",
        "organisation: One\nroles: [pages, pages]\n",
        "organisation: One\nroles: pages\n",
        "organisation: One\npages_greeting: Hello\n",
        "organisation: One\nroles: [pages]\npages_greting: Hello\n",
        "organisation: One\nroles: [pages]\npages_greeting: [Hello]\n",
    ] {
        all.push(format!(
            "== {}\n{}",
            domain.replace('\n', " / "),
            told(PAGES, domain)
        ));
    }
    for (what, instead) in [
        ("domains_on: [server]", "domains_on: []"),
        ("domains_on: [server]", "domains_on: [servers]"),
        ("domains_on: [server]", "domains_on: [pages]"),
        ("domains_on: [server]", "domains_on: [dns]"),
        (
            "domains_on: [server]",
            "domains_on: [server]\nbackup: [/srv]",
        ),
        (
            "domains_on: [server]",
            "domains_on: [server]\nreplaces_builtin: true",
        ),
        ("domains_on: [server]", "after: [server]"),
        ("domain.name | replace", "domain.nam | replace"),
        ("  - user", "  - packages: {names: [acl]}\n  - user"),
        (
            "  - user",
            "  - file: {path: /x, content: '{{ open_ports() | length }}'}\n  - user",
        ),
        ("variables:", "variables:\n  domain: text"),
        ("pages_token: {type: secret}", "pages_other: {type: secret}"),
        ("pages_token: {type: secret}", "pages_other: {type: text}"),
    ] {
        let told = told(&PAGES.replace(what, instead), ONE.1);
        all.push(format!("== {}\n{told}", instead.replace('\n', " / ")));
    }
    let mut files = Files::new(PAGES, &[ONE]);
    files.estate = files
        .estate
        .with("estate.yml", format!("{INVENTORY}  pages: [web]\n"));
    all.push(format!("== given to a host\n{}", files.check()));
    assert_snapshot!(all.join("\n\n"));
}
