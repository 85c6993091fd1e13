//! Plugins and themes of a web site on a real host: they come, are made active, are replaced, and go; what somebody else has put
//! there stays.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use end_to_end::{Estate, Ran};

const SITE: &str = "/var/lib/wordpress/sites/dev.customer.test";

/// One host of everything.
const ROLES: &str =
    "roles: {dns: [stack], database: [stack], wordpress: [stack], reverse_proxy: [stack]}\n";

const DOMAIN: &str = "\
organisation: Customer
wordpress_admin: {name: webmaster, email: webmaster@customer.test}
webhosts:
  dev:
    proxy: stack
    wordpress: stack
    database: stack
    port: 8080
    tls: none
";

fn estate() -> Estate {
    let estate = Estate::new(&["stack"]);
    estate.inventory(ROLES);
    estate.write(
        "groups/all.yml",
        "home_domain: home.test\ndns_upstream_nameservers: []\n",
    );
    estate.write(
        "hosts/stack.yml",
        "wordpress_ports: [8080]\nreverse_proxy_uses_ca: false\n",
    );
    estate.write(
        "domains/customer.test/domain.private.yml",
        "database_passwords: {dev: of-the-database}\nwordpress_admin_password: of-the-webmaster\n",
    );
    estate
}

/// A file of a plugin, which shows a text on every page.
fn plugin(name: &str, text: &str) -> (String, String) {
    let code = format!(
        "<?php\n/*\nPlugin Name: {name}\n*/\nadd_action('wp_footer', fn () => print('<p>{text}</p>'));\n\
         register_deactivation_hook(__FILE__, fn () => update_option('{name}_was_told', 'yes'));\n"
    );
    (format!("{name}/{name}.php"), code)
}

/// The files of a theme, which shows its name on every page.
fn theme(name: &str) -> [(String, String); 2] {
    [
        (
            format!("{name}/style.css"),
            format!("/*\nTheme Name: {name}\n*/\n"),
        ),
        (
            format!("{name}/index.php"),
            format!("<!doctype html><title>t</title><h1>theme {name}</h1><?php wp_footer();\n"),
        ),
    ]
}

/// Puts an archive of these files among those of the domain. They all have the same time, as some people's archives do.
fn pack(estate: &Estate, archive: &str, files: &[(String, String)]) {
    let folder = estate.path("packing");
    let _ = std::fs::remove_dir_all(&folder);
    let mut tops = BTreeSet::new();
    for (path, text) in files {
        tops.extend(path.split('/').next());
        let path = folder.join(path);
        let made = path.parent().map(std::fs::create_dir_all);
        assert!(made.is_some_and(|made| made.is_ok()));
        assert!(std::fs::write(&path, text).is_ok());
    }
    let to = estate.path("estate/domains/customer.test/archives");
    assert!(std::fs::create_dir_all(&to).is_ok());
    let packed = Command::new("tar")
        .args(["--mtime=2026-01-01 00:00Z", "-czf"])
        .arg(to.join(archive))
        .arg("-C")
        .arg(&folder)
        .args(tops)
        .status();
    assert!(packed.is_ok_and(|status| status.success()));
}

/// Makes such an archive of a zip's form on the host, and serves it there; gives its digest.
fn serve_zip(estate: &Estate, name: &str, text: &str) -> String {
    let (path, code) = plugin(name, text);
    let script = format!(
        "mkdir -p /srv/zips/work && cd /srv/zips/work && mkdir -p {name} && cat >{path} && \
         php -r '$zip = new ZipArchive; $zip->open(\"../{name}.zip\", ZipArchive::CREATE); $zip->addFile(\"{path}\"); $zip->close();' && \
         sha256sum ../{name}.zip | cut -c 1-64"
    );
    let mut docker = Command::new("docker");
    let docker = docker
        .args(["exec", "-i", &estate.container("stack"), "sh", "-c"])
        .arg(script);
    let child = docker.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        panic!("docker does not start");
    };
    let sent = child
        .stdin
        .take()
        .map(|mut pipe| pipe.write_all(code.as_bytes()));
    assert!(sent.is_some_and(|sent| sent.is_ok()));
    let Ok(output) = child.wait_with_output() else {
        panic!("docker does not end");
    };
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Says what the site has, below its settings.
fn says(estate: &Estate, parts: &str) {
    estate.write(
        "domains/customer.test/domain.yml",
        &format!("{DOMAIN}{parts}"),
    );
}

fn domain(estate: &Estate, more: &[&str]) -> Ran {
    let ran = estate.prov(["--output", "json", "domain", "customer.test"]);
    ran.args(more).run()
}

/// Previews and sets the domain up: both tell of the same changes, which are these, and a second run finds nothing.
fn becomes(estate: &Estate, parts: &str, expected: &[&str]) {
    says(estate, parts);
    let expected: Vec<_> = expected
        .iter()
        .map(|it| {
            it.replace("SITE", SITE)
                .replace("dev ", "dev.customer.test ")
        })
        .collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    domain(estate, &["--diff"]).changed("stack", &expected);
    let ran = domain(estate, &[]);
    ran.exits(0).changed("stack", &expected);
    domain(estate, &[]).unchanged("stack");
}

/// Gives the first page, as the proxy gets it.
fn page(estate: &Estate) -> String {
    let ask = "bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080; \
               printf \"GET / HTTP/1.0\\r\\nHost: dev.customer.test\\r\\n\\r\\n\" >&3; cat <&3'";
    estate.on("stack", ask)
}

/// Asserts what a page shows of these, and nothing else of what a part might show.
fn shows(estate: &Estate, expected: &[&str]) {
    let page = page(estate);
    let every = [
        "theme fancy",
        "theme plain",
        "banner 1",
        "banner 2",
        "zip 1",
    ];
    let shown: Vec<_> = every.into_iter().filter(|it| page.contains(it)).collect();
    assert_eq!(shown, expected, "{page}");
    assert!(page.starts_with("HTTP/1.0 200 "), "{page}");
}

#[test]
fn plugins_and_themes_come_are_replaced_and_go_and_a_site_is_never_without_a_theme() {
    let estate = estate();
    says(&estate, "");
    estate.deploy();
    estate.prov(["apply"]).run().exits(0);
    estate.prov(["test"]).run().exits(0);
    estate.prov(["complete"]).run().exits(0);
    domain(&estate, &[]).exits(0);
    shows(&estate, &[]);
    pack(&estate, "banner-1.tar.gz", &[plugin("banner", "banner 1")]);
    pack(&estate, "banner-2.tar.gz", &[plugin("banner", "banner 2")]);
    pack(&estate, "fancy.tar.gz", &theme("fancy"));
    pack(&estate, "plain.tar.gz", &theme("plain"));

    they_come_and_are_replaced(&estate);
    what_is_changed_by_hand_is_seen(&estate);
    a_site_has_its_language_its_modules_and_whom_it_may_ask(&estate);
    a_plugin_that_breaks_a_site_is_refused_and_one_that_did_can_go(&estate);
    a_theme_goes_after_another_has_its_place(&estate);
    one_from_the_web(&estate);
    a_site_has_tls_by_itself(&estate);
    they_go_with_the_domain_and_come_again(&estate);
    let taken = domain(
        &estate,
        &["--remove", "--purge-data", "--confirm", "customer.test"],
    );
    taken.exits(0);
    assert!(!estate.holds("stack", &format!("test -e {SITE}")));
    a_new_site_begins_with_what_its_installation_chooses(&estate);
}

fn a_new_site_begins_with_what_its_installation_chooses(estate: &Estate) {
    says(
        estate,
        "    locale: de_DE\n    themes: {twentytwentythree: {active: true}}\n",
    );
    let preview = domain(estate, &["--diff"]);
    let ran = domain(estate, &[]);
    ran.exits(0);
    assert_eq!(preview.changes("stack"), ran.changes("stack"));
    assert_eq!(
        php(estate, "echo get_locale(), ' ', get_stylesheet();"),
        "de_DE twentytwentythree"
    );
    domain(estate, &[]).unchanged("stack");
}

fn a_site_has_tls_by_itself(estate: &Estate) {
    const ASK: &str = "printf 'GET / HTTP/1.0\\r\\nHost: dev.customer.test\\r\\n\\r\\n' |";
    let file = estate.path("estate/domains/customer.test/domain.yml");
    let before = std::fs::read_to_string(file).unwrap_or_default();
    let plain = || {
        estate.on(
            "stack",
            &format!("{ASK} bash -c 'exec 3<>/dev/tcp/127.0.0.1/80; cat >&3; head -n 1 <&3'"),
        )
    };
    let with_tls = || {
        let client = "openssl s_client -quiet -ign_eof -connect 127.0.0.1:443 -servername dev.customer.test 2>/dev/null | head -n 1";
        estate.on("stack", &format!("{ASK} {client}"))
    };
    assert!(plain().contains(" 200 "), "{}", plain());
    assert_eq!(with_tls(), "");
    for (tls, answers) in [("authority", [" 301 ", " 200 "]), ("none", [" 200 ", ""])] {
        estate.write(
            "domains/customer.test/domain.yml",
            &before.replace("tls: none", &format!("tls: {tls}")),
        );
        domain(estate, &["--diff"]).exits(0);
        domain(estate, &[]).exits(0);
        domain(estate, &[]).unchanged("stack");
        assert!(plain().contains(answers[0]), "{}", plain());
        assert!(with_tls().contains(answers[1]), "{}", with_tls());
    }
    assert_eq!(with_tls(), "");
    assert!(!estate.holds("stack", "ls /etc/nginx/certificates/*"));
}

fn they_come_and_are_replaced(estate: &Estate) {
    becomes(
        estate,
        "    plugins: {banner: {archive: banner-1.tar.gz}}\n    themes: {fancy: {archive: fancy.tar.gz, active: true}}\n",
        &[
            "archive SITE/plugins/banner",
            "archive SITE/themes/fancy",
            "wordpress dev plugin banner",
            "wordpress dev theme fancy",
        ],
    );
    shows(estate, &["theme fancy", "banner 1"]);
    becomes(
        estate,
        "    plugins: {banner: {archive: banner-2.tar.gz}}\n    themes: {fancy: {archive: fancy.tar.gz, active: true}}\n",
        &["archive SITE/plugins/banner"],
    );
    shows(estate, &["theme fancy", "banner 2"]);
    becomes(
        estate,
        "    plugins: {banner: {archive: banner-2.tar.gz, active: false}}\n    themes: {fancy: {archive: fancy.tar.gz, active: true}}\n",
        &["wordpress dev plugin banner"],
    );
    shows(estate, &["theme fancy"]);
}

/// Whatever somebody has changed on the host is found and put right.
fn what_is_changed_by_hand_is_seen(estate: &Estate) {
    const PARTS: &str = "    plugins: {banner: {archive: banner-2.tar.gz}}\n    themes: {fancy: {archive: fancy.tar.gz, active: true}}\n";
    becomes(estate, PARTS, &["wordpress dev plugin banner"]);
    let sql = "mariadb dev_customer_test -e";
    estate.on(
        "stack",
        &format!("{sql} \"UPDATE wp_options SET option_value='a:0:{{}}' WHERE option_name='active_plugins'\""),
    );
    becomes(estate, PARTS, &["wordpress dev plugin banner"]);
    estate.on(
        "stack",
        &format!("{sql} \"UPDATE wp_options SET option_value='twentytwentythree' WHERE option_name IN ('stylesheet', 'template')\""),
    );
    becomes(estate, PARTS, &["wordpress dev theme fancy"]);
    estate.on("stack", &format!("rm -r {SITE}/plugins/banner"));
    becomes(estate, PARTS, &["archive SITE/plugins/banner"]);
    shows(estate, &["theme fancy", "banner 2"]);
    // What prov has not unpacked is not its to take.
    estate.on(
        "stack",
        &format!("mkdir -p {SITE}/plugins/own && echo '<?php /* Plugin Name: own */' >{SITE}/plugins/own/own.php"),
    );
    says(
        estate,
        "    plugins: {own: {archive: banner-2.tar.gz}}\n    themes: {fancy: {archive: fancy.tar.gz, active: true}}\n",
    );
    domain(estate, &[]).failed(
        "stack",
        &["plugins/own is there, and prov has not unpacked it"],
    );
    shows(estate, &["theme fancy", "banner 2"]);
    becomes(estate, PARTS, &[]);
}

/// Runs a program of PHP in the site, as the web server; gives what it prints.
fn php(estate: &Estate, program: &str) -> String {
    let before = "<?php $_SERVER['HTTP_HOST'] = 'dev.customer.test'; require '/usr/share/wordpress/wp-load.php';";
    let script = format!("runuser -u www-data -- php <<'END'\n{before}\n{program}\nEND\n");
    estate.on("stack", &script)
}

fn a_site_has_its_language_its_modules_and_whom_it_may_ask(estate: &Estate) {
    const PARTS: &str = "    plugins: {banner: {archive: banner-2.tar.gz}}\n    themes: {fancy: {archive: fancy.tar.gz, active: true}}\n";
    const CONFIGURATION: &str = "file /etc/wordpress/config-dev.customer.test.php";
    let speaks = || php(estate, "echo get_locale(), ' ', __('Search');");
    let asks = |host: &str| {
        let program = format!(
            "$answer = wp_remote_get('http://{host}:9/', ['timeout' => 2]); echo $answer->get_error_code();"
        );
        php(estate, &program)
    };
    let refused = "http_request_not_executed";
    assert_eq!(speaks(), "en_US Search");
    assert_eq!(asks("a.asked.test"), refused);
    let file = format!("{SITE}/plugins/banner/closed");
    estate.on(
        "stack",
        &format!("mkdir {file} && echo closed >{file}/file.txt && echo 'Require all denied' >{file}/.htaccess"),
    );
    let fetched = || {
        let ask = "bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080; printf \"GET /wp-content/plugins/banner/closed/file.txt HTTP/1.0\\r\\n\
                   Host: dev.customer.test\\r\\n\\r\\n\" >&3; head -n 1 <&3'";
        estate.on("stack", ask)
    };
    assert!(fetched().contains(" 200 "), "{}", fetched());
    becomes(
        estate,
        &format!(
            "{PARTS}    locale: de_DE\n    php_modules: [bcmath]\n    allow_http: ['*.asked.test']\n    htaccess: true\n"
        ),
        &[
            "packages php-bcmath wordpress-l10n",
            CONFIGURATION,
            "wordpress dev language",
            "file /etc/apache2/sites-enabled/dev.customer.test.conf",
        ],
    );
    assert_eq!(speaks(), "de_DE Suchen");
    assert_eq!(
        php(
            estate,
            "echo extension_loaded('bcmath') ? 'bcmath' : 'none';"
        ),
        "bcmath"
    );
    assert_ne!(asks("a.asked.test"), refused);
    assert_eq!(asks("asked.example"), refused);
    assert!(fetched().contains(" 403 "), "{}", fetched());
    says(estate, &format!("{PARTS}    locale: xx_YY\n"));
    domain(estate, &[]).failed("stack", &["no texts in the language xx_YY"]);
    becomes(
        estate,
        &format!("{PARTS}    locale: en_US\n"),
        &[
            CONFIGURATION,
            "wordpress dev language",
            "file /etc/apache2/sites-enabled/dev.customer.test.conf",
        ],
    );
    assert_eq!(speaks(), "en_US Search");
    assert_eq!(asks("a.asked.test"), refused);
    estate.on("stack", &format!("rm -r {file}"));
}

fn a_plugin_that_breaks_a_site_is_refused_and_one_that_did_can_go(estate: &Estate) {
    let broken = (
        "broken/broken.php".to_owned(),
        "<?php\n/*\nPlugin Name: Broken\n*/\nno_such_function();\n".to_owned(),
    );
    pack(estate, "broken.tar.gz", &[broken]);
    pack(
        estate,
        "empty.tar.gz",
        &[("empty/readme.txt".to_owned(), "x".to_owned())],
    );
    let with = |plugin: &str| {
        format!(
            "    plugins: {{banner: {{archive: banner-2.tar.gz}}, {plugin}}}\n    themes: {{fancy: {{archive: fancy.tar.gz, active: true}}}}\n"
        )
    };
    says(estate, &with("broken: {archive: broken.tar.gz}"));
    domain(estate, &[]).failed("stack", &["cannot be made active", "no_such_function()"]);
    shows(estate, &["theme fancy", "banner 2"]);
    says(estate, &with("empty: {archive: empty.tar.gz}"));
    domain(estate, &[]).failed("stack", &["has no file that begins with its name"]);
    // An update may break a site, and the file takes it away again.
    pack(
        estate,
        "worse.tar.gz",
        &[(
            "banner/banner.php".to_owned(),
            "<?php\n/*\nPlugin Name: Banner\n*/\nno_such_function();\n".to_owned(),
        )],
    );
    says(
        estate,
        "    plugins: {banner: {archive: worse.tar.gz}}\n    themes: {fancy: {archive: fancy.tar.gz, active: true}}\n",
    );
    domain(estate, &[]).exits(0);
    assert!(
        page(estate).starts_with("HTTP/1.0 500 "),
        "{}",
        page(estate)
    );
    becomes(
        estate,
        "    themes: {fancy: {archive: fancy.tar.gz, active: true}}\n",
        &["wordpress dev plugin banner", "archive SITE/plugins/banner"],
    );
    shows(estate, &["theme fancy"]);
    assert!(estate.holds("stack", &format!("test -e {SITE}/plugins/own/own.php")));
}

fn a_theme_goes_after_another_has_its_place(estate: &Estate) {
    says(estate, "");
    let ran = domain(estate, &[]);
    ran.failed(
        "stack",
        &["fancy is the theme of dev.customer.test, which cannot be without one"],
    );
    shows(estate, &["theme fancy"]);
    becomes(
        estate,
        "    themes: {plain: {archive: plain.tar.gz, active: true}}\n",
        &[
            "archive SITE/themes/plain",
            "wordpress dev theme plain",
            "archive SITE/themes/fancy",
        ],
    );
    shows(estate, &["theme plain"]);
    becomes(
        estate,
        "    themes: {twentytwentythree: {active: true}}\n",
        &[
            "wordpress dev theme twentytwentythree",
            "archive SITE/themes/plain",
        ],
    );
    shows(estate, &[]);
}

fn one_from_the_web(estate: &Estate) {
    estate.on("stack", "apt-get -qq install -y php-zip >/dev/null 2>&1");
    let digest = serve_zip(estate, "zipped", "zip 1");
    estate.on(
        "stack",
        "echo 'server { listen 127.0.0.1:8099; root /srv/zips; }' >/etc/nginx/conf.d/zips.conf && sv reload nginx && sleep 1",
    );
    let with = |digest: &str| {
        format!(
            "    plugins: {{zipped: {{url: 'http://127.0.0.1:8099/zipped.zip', sha256: {digest}}}}}\n"
        )
    };
    says(estate, &with(&"0".repeat(64)));
    domain(estate, &[]).exits(1);
    shows(estate, &[]);
    becomes(
        estate,
        &with(&digest),
        &["archive SITE/plugins/zipped", "wordpress dev plugin zipped"],
    );
    shows(estate, &["zip 1"]);
}

fn they_go_with_the_domain_and_come_again(estate: &Estate) {
    let parts = "    plugins: {banner: {archive: banner-1.tar.gz}}\n    themes: {fancy: {archive: fancy.tar.gz, active: true}}\n";
    says(estate, parts);
    domain(estate, &[]).exits(0);
    shows(estate, &["theme fancy", "banner 1"]);
    let told = "mariadb -N dev_customer_test -e \"SELECT option_value FROM wp_options WHERE option_name='zipped_was_told'\"";
    assert_eq!(estate.on("stack", told), "yes\n");
    domain(estate, &["--remove"]).exits(0);
    let left = estate.on("stack", &format!("ls {SITE}/plugins {SITE}/themes"));
    assert!(
        left.contains("own") && !left.contains("fancy") && !left.contains("banner"),
        "{left}"
    );
    domain(estate, &["--remove"]).unchanged("stack");
    domain(estate, &[]).exits(0);
    domain(estate, &[]).unchanged("stack");
    shows(estate, &["theme fancy", "banner 1"]);
}
