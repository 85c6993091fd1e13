//! Plugins and themes of web sites: what files of domains may say of them, and what hosts make of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use tasks::domain::Domains;
use tasks::domain::role::{DomainWork, Purpose, Selection};
use tasks::estate::{Estate, Sources};
use tasks::leaving::Trace;
use tasks::role::{self, Inputs};
use tasks::template::Templates;

const INVENTORY: &str = "\
name: sample
hosts:
  one: {address: 10.0.0.1, location: internal}
roles: {reverse_proxy: [one], wordpress: [one], database: [one]}
";

const DOMAIN: &str = "\
organisation: Customer
wordpress_admin: {name: boss, email: boss@a.test}
wordpress_admin_password: of-the-boss
database_passwords: {dev: of-the-database}
webhosts:
  dev:
    proxy: one
    wordpress: one
    database: one
    port: 8080
";

/// How a zip begins.
const ZIP: &[u8] = b"PK\x03\x04";

const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn estate() -> Estate {
    let sources = Sources::new("e").with("estate.yml", INVENTORY).with(
        "groups/all.yml",
        "home_domain: home.test\nreverse_proxy_uses_ssl: false\nwordpress_ports: [8080]\n",
    );
    Estate::load(&sources, &[]).unwrap()
}

fn load(parts: &str) -> Result<Domains, Vec<tasks::Diagnostic>> {
    let sources = Sources::new("domains")
        .with("a.test/domain.yml", format!("{DOMAIN}{parts}"))
        .with("a.test/archives/shop.zip", ZIP)
        .with("a.test/archives/fancy.zip", ZIP)
        .with("a.test/archives/notes.txt", "no archive");
    Domains::load(&sources)
}

/// Gives what is wrong with these parts of a site: place, message, remedy.
fn wrong(parts: &str) -> Vec<String> {
    let mistakes = match load(parts) {
        Err(mistakes) => mistakes,
        Ok(domains) => {
            let templates = Templates::load(&Sources::new("e")).unwrap();
            role::check(&estate(), &domains, &templates, &Inputs::default())
        }
    };
    let show = |mistake: &tasks::Diagnostic| {
        let place = mistake.place.as_ref().unwrap();
        let hint = mistake.hint.clone().unwrap_or_default();
        format!(
            "{}:{}:{}: {}; {hint}",
            place.file, place.line, place.column, mistake.message
        )
    };
    mistakes.iter().map(show).collect()
}

fn names(parts: &str, purpose: Purpose) -> Vec<String> {
    let domains = load(parts).unwrap();
    let work = DomainWork {
        domains: domains.iter().collect(),
        selection: Selection::default(),
        purpose,
    };
    let estate = estate();
    let templates = Templates::load(&Sources::new("e")).unwrap();
    let host = estate.host("one").unwrap();
    let declared = work.resources(&estate, host, &Inputs::default(), &templates);
    let names = declared.unwrap().into_iter().map(|one| one.name());
    let folder = "/var/lib/wordpress/sites/dev.a.test";
    names.map(|name| name.replace(folder, "SITE")).collect()
}

/// Finds where things stand among others.
fn order(names: &[String], wanted: &[&str]) {
    let places: Vec<_> = wanted
        .iter()
        .map(|one| names.iter().position(|name| name == one))
        .collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{wanted:?} at {places:?} in {names:#?}"
    );
}

const BOTH: &str = "    plugins: {shop: {archive: shop.zip}, after: {archive: shop.zip, active: false}}\n\
                    \x20   themes: {fancy: {archive: fancy.zip, active: true}}\n";

#[test]
fn what_is_wrong_with_a_plugin_or_theme_is_told_with_its_place_and_a_remedy() {
    for (parts, told) in [
        (
            "    plugins: {shop: {}}\n",
            "domains/a.test/domain.yml:11:21: the plugin 'shop' has no archive; give `archive`, a file in the folder 'archives' of the domain, or `url` with `sha256`",
        ),
        (
            "    plugins:\n      shop:\n        url: https://example.test/shop.zip\n",
            "domains/a.test/domain.yml:13:14: the plugin 'shop' has an address and no digest; set `sha256`, as `sha256sum` gives it for the file that you have looked at",
        ),
        (
            "    plugins:\n      shop:\n        archive: shpo.zip\n",
            "domains/a.test/domain.yml:13:18: the plugin 'shop' has an archive 'shpo.zip', which the domain does not have; did you mean 'shop.zip'?",
        ),
        (
            "    plugins: {shop: {archive: notes.txt}}\n",
            "domains/a.test/domain.yml:11:31: the plugin 'shop' has an archive 'notes.txt', which is none; give a file made by zip or tar",
        ),
        (
            "    themes:\n      fancy: {archive: fancy.zip, active: true}\n      shop: {archive: shop.zip, active: true}\n",
            "domains/a.test/domain.yml:13:41: the theme 'shop' is active, and so is 'fancy'; a site has one theme: leave `active` out of the others",
        ),
        (
            "    themes: {twentytwentythree: {archive: fancy.zip}}\n",
            "domains/a.test/domain.yml:11:33: the theme 'twentytwentythree' comes with a package of the host; leave `archive` and `url` out",
        ),
    ] {
        assert_eq!(wrong(parts), [told], "{parts}");
    }
    let both = format!(
        "    plugins: {{shop: {{archive: shop.zip, url: 'https://a.test/b.zip', sha256: {DIGEST}}}}}\n"
    );
    let stray = format!("    plugins: {{shop: {{archive: shop.zip, sha256: {DIGEST}}}}}\n");
    let formless =
        format!("    plugins: {{shop: {{url: 'https://a.test/b', sha256: {DIGEST}}}}}\n");
    for (parts, words) in [
        (both.as_str(), "has both `archive` and `url`"),
        (&stray, "has a digest, which belongs to `url`"),
        (&formless, "does not tell the archive's format"),
        (
            "    plugins: {shop: {archive: ../shop.zip}}\n",
            "and no folder",
        ),
        ("    plugins: {../x: {archive: shop.zip}}\n", "x"),
        (
            "    plugins: {shop: {archive: shop.zip}, shop: {archive: shop.zip}}\n",
            "duplicate key 'shop'",
        ),
        (
            "    plugins: {shop: {url: 'https://a.test/b.zip', sha256: abc}}\n",
            "64 hexadecimal digits",
        ),
        ("    plugins: {shop: {archve: shop.zip}}\n", "archve"),
        ("    plugins: [shop]\n", "mapping"),
    ] {
        let told = wrong(parts);
        let places = |it: &String| it.starts_with("domains/a.test/domain.yml:11:");
        assert!(
            told.iter().all(places) && told.iter().any(|it| it.contains(words)),
            "{parts}: {told:?}"
        );
    }
    assert_eq!(wrong(BOTH), [""; 0]);
}

#[test]
fn what_is_wrong_with_a_sites_language_modules_and_hosts_is_told_with_its_place() {
    for (parts, words) in [
        ("    locale: german\n", "a language of WordPress"),
        ("    locale: de-DE\n", "a language of WordPress"),
        ("    locale: de_DE_formal_x\n", "a language of WordPress"),
        ("    php_modules: [php-gd]\n", "without 'php-'"),
        ("    php_modules: ['gd; reboot']\n", "without 'php-'"),
        (
            "    allow_http: ['https://api.example.org']\n",
            "without scheme",
        ),
        ("    allow_http: ['*']\n", "without scheme"),
        ("    allow_http: [\"a.b', '*\"]\n", "without scheme"),
        ("    htaccess: RewriteEngine On\n", "true or false"),
    ] {
        let told = wrong(parts);
        assert!(
            told.len() == 1
                && told[0].starts_with("domains/a.test/domain.yml:11:")
                && told[0].contains(words),
            "{parts}: {told:?}"
        );
    }
    let good = "    locale: de_DE_formal\n    php_modules: [gd, intl]\n    allow_http: [api.example.org, '*.example.com']\n    htaccess: true\n";
    assert_eq!(wrong(good), [""; 0]);
    order(
        &names(good, Purpose::Setup),
        &[
            "packages php-gd php-intl wordpress-l10n",
            "command runuser -u www-data -- /usr/local/sbin/wordpress-site install dev.a.test Customer boss boss@a.test de_DE_formal",
            "wordpress dev.a.test language",
        ],
    );
}

#[test]
fn archives_of_what_is_no_domain_are_told() {
    let sources = Sources::new("domains").with("a.test/archives/shop.zip", ZIP);
    let told = Domains::load(&sources).unwrap_err();
    assert!(
        told[0].to_string().contains("nothing reads this file"),
        "{told:?}"
    );
}

#[test]
fn files_come_before_the_site_is_installed_and_are_chosen_after_it_in_the_order_of_the_file() {
    let names = names(BOTH, Purpose::Setup);
    order(
        &names,
        &[
            "packages unzip",
            "archive SITE/plugins/shop",
            "archive SITE/plugins/after",
            "archive SITE/themes/fancy",
            "file /etc/wordpress/config-dev.a.test.php",
            "wordpress dev.a.test plugin shop",
            "wordpress dev.a.test plugin after",
            "wordpress dev.a.test theme fancy",
        ],
    );
}

/// A site that goes as a whole has no configuration any more when its parts are asked about.
#[test]
fn parts_go_with_their_site_after_its_configuration() {
    for purpose in [Purpose::Removal, Purpose::Purge] {
        order(
            &names(BOTH, purpose),
            &[
                "file /etc/wordpress/config-dev.a.test.php",
                "wordpress dev.a.test theme fancy",
                "archive SITE/themes/fancy",
                "wordpress dev.a.test plugin after",
                "archive SITE/plugins/after",
                "wordpress dev.a.test plugin shop",
                "archive SITE/plugins/shop",
            ],
        );
    }
}

#[test]
fn a_host_remembers_parts_as_no_data_of_the_sites_users() {
    let domains = load(BOTH).unwrap();
    let estate = estate();
    let templates = Templates::load(&Sources::new("e")).unwrap();
    let host = estate.host("one").unwrap();
    let traces: Vec<Trace> = DomainWork::setup(&domains)
        .traces(&estate, host, &Inputs::default(), &templates)
        .unwrap();
    let texts = traces
        .iter()
        .map(|trace| serde_json::to_string(trace).unwrap());
    let texts: Vec<_> = texts
        .filter(|text| text.contains("/fancy\"") || text.contains("\"fancy\""))
        .collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        texts
            .iter()
            .all(|text| text.contains("\"last\":true") && !text.contains("\"data\":true")),
        "{texts:?}"
    );
}
