//! What each host makes of the web sites of a domain, and what is left of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use tasks::authority::Authority;
use tasks::content::Content;
use tasks::domain::Domains;
use tasks::domain::role::{DomainWork, Purpose, Selection, Tag};
use tasks::estate::{Estate, Sources};
use tasks::resource::{Declared, Resource};
use tasks::role::{self, Inputs};
use tasks::template::Templates;

const INVENTORY: &str = "\
name: sample
connection: {user: admin}
hosts:
  front: {address: 10.0.0.1, location: external}
  sites: {address: 10.0.0.2, location: external}
  data: {address: 10.0.0.3, location: external}
  stack: {address: 10.0.0.4, location: internal}
roles:
  reverse_proxy: [front, stack]
  wordpress: [sites, stack]
  database: [data, stack]
";

const DOMAIN: &str = "\
organisation: It's \"A\" Customer
reverse_proxy_port: 8080
webhosts:
  dev: {proxy: stack, wordpress: stack, database: stack}
  www: {proxy: front, wordpress: sites, database: data}
database_passwords: {dev: in'side, www: 'out\\side'}
wordpress_admin: {name: boss, email: boss@a-customer.test}
wordpress_admin_password: secret-of-the-boss
";

/// The estate with one domain, and what is done with it.
struct Sample {
    estate: Estate,
    domains: Domains,
    inputs: Inputs,
    templates: Templates,
}

impl Sample {
    fn new(all: &str) -> Self {
        let sources = Sources::new("e")
            .with("estate.yml", INVENTORY)
            .with(
                "groups/all.yml",
                format!("home_domain: home.test\nhome_domain_admin_user: keeper\n{all}"),
            )
            .with(
                "hosts/stack.yml",
                "wordpress_ports: [8080]\nreverse_proxy_uses_ssl: false\n",
            )
            .with(
                "hosts/sites.yml",
                "wordpress_ports: [8080]\nwordpress_expose_externally: true\n",
            )
            .with("hosts/data.yml", "database_expose_externally: true\n");
        let domain = Sources::new("domains").with("a-customer.test/domain.yml", DOMAIN);
        let sample = Self {
            estate: Estate::load(&sources, &[]).unwrap(),
            domains: Domains::load(&domain).unwrap(),
            inputs: Inputs {
                roles: tasks::role::Catalogue::default(),
                authority: Some(Authority::new("sample", &[7; 32], 1_700_000_000).unwrap()),
                ..Inputs::default()
            },
            templates: Templates::load(&sources).unwrap(),
        };
        let (estate, domains) = (&sample.estate, &sample.domains);
        let mistakes = role::check(estate, domains, &sample.templates, &sample.inputs);
        assert_eq!(mistakes, []);
        sample
    }

    fn declared(&self, host: &str, purpose: Purpose, filter: Option<&str>) -> Vec<Declared> {
        let work = DomainWork {
            domains: self.domains.iter().collect(),
            selection: Selection::new([Tag::Web], filter).unwrap(),
            purpose,
        };
        let host = self.estate.host(host).unwrap();
        let declared = work.resources(&self.estate, host, &self.inputs, &self.templates);
        declared.unwrap()
    }

    fn names(&self, host: &str, purpose: Purpose) -> Vec<String> {
        let declared = self.declared(host, purpose, None);
        declared.iter().map(Declared::name).collect()
    }

    fn file(&self, host: &str, path: &str) -> Content {
        let declared = self.declared(host, Purpose::Setup, None).into_iter();
        let mut files = declared.filter_map(|it| {
            if let Resource::File(file) = it.resource
                && file.path.as_str() == path
            {
                return file.content;
            }
            None
        });
        files.next().unwrap()
    }
}

fn by_the_authority() -> Sample {
    Sample::new("reverse_proxy_uses_ca: false\n")
}

const INSTALL: &str = "command runuser -u www-data -- /usr/local/sbin/wordpress-site install www.a-customer.test \
                       It's \"A\" Customer boss boss@a-customer.test";

#[test]
fn every_host_has_its_part_and_loses_it_but_for_what_users_have_made() {
    let sample = by_the_authority();
    let data = [
        "mariadb_database www_a-customer_test",
        "mariadb_user www_a-customer_test@10.0.0.2",
        "file /usr/local/etc/databases/www.a-customer.test",
    ];
    assert_eq!(sample.names("data", Purpose::Setup), data);
    assert_eq!(sample.names("data", Purpose::Removal), [data[2], data[1]]);
    assert_eq!(
        sample.names("data", Purpose::Purge),
        [data[2], data[1], data[0]]
    );
    let folder = "/var/lib/wordpress/sites/www.a-customer.test";
    assert_eq!(
        sample.names("sites", Purpose::Setup),
        [
            format!("directory {folder}"),
            format!("directory {folder}/themes"),
            format!("directory {folder}/plugins"),
            format!("symlink {folder}/themes/twentytwentythree"),
            format!("directory {folder}/uploads"),
            "file /etc/wordpress/database-www.a-customer.test".to_owned(),
            "command /usr/local/sbin/wordpress-site keys www.a-customer.test".to_owned(),
            "file /etc/wordpress/config-www.a-customer.test.php".to_owned(),
            INSTALL.to_owned(),
            "cron wordpress-www_a-customer_test".to_owned(),
            "file /etc/apache2/sites-enabled/www.a-customer.test.conf".to_owned(),
        ]
    );
    let removed = [
        "file /etc/apache2/sites-enabled/www.a-customer.test.conf",
        "cron wordpress-www_a-customer_test",
        "file /etc/wordpress/config-www.a-customer.test.php",
        "file /etc/wordpress/keys-www.a-customer.test.php",
        "file /etc/wordpress/database-www.a-customer.test",
    ];
    assert_eq!(sample.names("sites", Purpose::Removal), removed);
    let purged = sample.names("sites", Purpose::Purge);
    assert_eq!(purged[..5], removed);
    assert_eq!(purged.last().unwrap(), &format!("directory {folder}"));
    let front = [
        "tls_key /etc/nginx/certificates/www.a-customer.test.key",
        "tls_certificate /etc/nginx/certificates/www.a-customer.test.pem",
        "file /etc/nginx/sites-enabled/www.a-customer.test",
    ];
    assert_eq!(sample.names("front", Purpose::Setup), front);
    let gone = sample.names("front", Purpose::Removal);
    assert_eq!(
        gone,
        [
            "file /etc/nginx/sites-enabled/www.a-customer.test",
            "file /etc/nginx/certificates/www.a-customer.test.pem",
            "file /etc/nginx/certificates/www.a-customer.test.key",
        ]
    );
}

#[test]
fn a_filter_leaves_other_sites_alone() {
    let sample = by_the_authority();
    for host in ["front", "sites", "data"] {
        let declared = sample.declared(host, Purpose::Setup, Some("(?:dev|test)"));
        assert_eq!(declared, []);
    }
    let declared = sample.declared("stack", Purpose::Setup, Some("(?:dev|test)"));
    assert!(!declared.is_empty());
}

#[test]
fn a_configuration_quotes_and_hides_and_says_what_is_elsewhere() {
    let sample = by_the_authority();
    let outside = sample.file("sites", "/etc/wordpress/config-www.a-customer.test.php");
    let text = outside.expose();
    assert!(text.contains("define('DB_PASSWORD', 'out\\\\side');\n"));
    assert!(text.contains("define('DB_HOST', '10.0.0.3');\n"));
    assert!(text.contains("define('WP_HOME', 'https://www.a-customer.test');\n"));
    assert!(text.contains("$_SERVER['HTTPS'] = 'on';\n"));
    assert!(
        outside
            .masked()
            .contains("define('DB_PASSWORD', <secret>);\n")
    );
    let database = sample.file("sites", "/etc/wordpress/database-www.a-customer.test");
    let inputs: Vec<_> = database.inputs().iter().map(ToString::to_string).collect();
    assert_eq!(
        inputs,
        ["/usr/local/etc/databases/www.a-customer.test of data"]
    );
    let inside = sample.file("stack", "/etc/wordpress/config-dev.a-customer.test.php");
    let text = inside.expose();
    assert!(text.contains("define('DB_PASSWORD', 'in\\'side');\n"));
    assert!(text.contains("define('DB_HOST', 'localhost');\n"));
    assert!(text.contains("define('WP_HOME', 'http://dev.a-customer.test');\n"));
    assert!(!text.contains("HTTPS"));
    let database = sample.file("stack", "/etc/wordpress/database-dev.a-customer.test");
    assert_eq!(database.expose(), "dev_a-customer_test\n");
}

#[test]
fn the_administrators_password_is_on_standard_input_alone() {
    let sample = by_the_authority();
    let declared = sample.declared("sites", Purpose::Setup, None).into_iter();
    let commands = declared.filter_map(|it| {
        if let Resource::Command(command) = it.resource {
            return Some(command);
        }
        None
    });
    let commands = commands.filter(|command| command.argv.contains(&"install".to_owned()));
    let commands: Vec<_> = commands.collect();
    assert_eq!(commands.len(), 1);
    let stdin = commands[0].stdin.as_ref().unwrap();
    assert_eq!(stdin.expose(), "secret-of-the-boss");
    assert_eq!(stdin.masked(), "<secret>");
    assert!(commands[0].argv.contains(&"It's \"A\" Customer".to_owned()));
    assert!(commands[0].unless.is_some());
}

#[test]
fn only_the_proxy_is_answered_and_believed() {
    let sample = by_the_authority();
    let apache = |host: &str, site: &str| {
        let path = format!("/etc/apache2/sites-enabled/{site}.a-customer.test.conf");
        sample.file(host, &path).expose()
    };
    let outside = apache("sites", "www");
    assert!(outside.contains("<VirtualHost *:8080>\n"));
    assert!(outside.contains("ServerName https://www.a-customer.test\n"));
    assert!(outside.contains("RemoteIPInternalProxy 10.0.0.1\n"));
    assert!(outside.contains("RewriteCond %{CONN_REMOTE_ADDR} !=10.0.0.1 [OR]\n"));
    assert!(apache("stack", "dev").contains("RemoteIPInternalProxy 127.0.0.1\n"));
}

#[test]
fn names_outside_lead_to_tls_and_the_domain_to_its_site() {
    let site = "/etc/nginx/sites-enabled/www.a-customer.test";
    let outside = by_the_authority().file("front", site).expose();
    assert!(outside.contains("server_name www.a-customer.test a-customer.test;\n"));
    assert_eq!(
        outside
            .matches("return 301 https://www.a-customer.test$request_uri;\n")
            .count(),
        2
    );
    assert!(outside.contains("proxy_pass http://10.0.0.2:8080;\n"));
    assert!(!outside.contains("Strict-Transport-Security"));
    let inside = "/etc/nginx/sites-enabled/dev.a-customer.test";
    let inside = by_the_authority().file("stack", inside).expose();
    assert!(inside.contains("proxy_pass http://127.0.0.1:8080;\n"));
    assert!(!inside.contains("ssl") && !inside.contains("301"));
}

#[test]
fn certbot_is_asked_once_where_the_world_must_trust_a_site() {
    let sample = Sample::new("");
    let names = sample.names("front", Purpose::Setup);
    assert_eq!(
        names,
        [
            "command certbot certonly --non-interactive --agree-tos --no-eff-email --webroot -w /var/www/acme \
             -m keeper@home.test --cert-name www.a-customer.test -d www.a-customer.test -d a-customer.test",
            "file /etc/nginx/sites-enabled/www.a-customer.test",
        ]
    );
    let site = sample.file("front", "/etc/nginx/sites-enabled/www.a-customer.test");
    let live = "/etc/letsencrypt/live/www.a-customer.test";
    assert!(
        site.expose()
            .contains(&format!("ssl_certificate {live}/fullchain.pem;\n"))
    );
    assert!(site.expose().contains("Strict-Transport-Security"));
    assert_eq!(
        sample.names("front", Purpose::Removal),
        [
            "file /etc/nginx/sites-enabled/www.a-customer.test",
            "directory /etc/letsencrypt/live/www.a-customer.test",
            "directory /etc/letsencrypt/archive/www.a-customer.test",
            "file /etc/letsencrypt/renewal/www.a-customer.test.conf",
        ]
    );
}
