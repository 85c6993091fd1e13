//! Web sites of a domain on real hosts: they come, keep what is written in them, go and come again; and every check of
//! `prov verify web` sees what it is there for.

use std::time::Duration;

use end_to_end::{Estate, Ran, until};

/// What a shell, SQL, PHP or YAML might take for something else.
const AWKWARD: &str = "'\"\\$&;%*^! \u{fc} \u{2603} {$x} ?> `id` # --";

/// One host of everything inside, which is its name server, too; outside a host for each part.
const ROLES: &str = "\
services: {web: [stack, front, sites, data]}
roles:
  dns: [stack, front]
  database: [stack, data]
  wordpress: [stack, sites]
  reverse_proxy: [stack, front]
";

const ORGANISATION: &str = "Customer's <Own> & Söhne";

fn estate() -> Estate {
    let estate = Estate::located(&[
        ("stack", "internal"),
        ("front", "external"),
        ("sites", "external"),
        ("data", "external"),
        ("seer", "internal"),
    ]);
    estate.inventory(ROLES);
    estate.write(
        "groups/all.yml",
        "home_domain: home.test\ndns_upstream_nameservers: []\nreverse_proxy_uses_ca: false\n",
    );
    estate.write(
        "hosts/stack.yml",
        "wordpress_ports: [8080, 8081]\nreverse_proxy_uses_ssl: false\n",
    );
    estate.write("hosts/front.yml", "dns_group: external\n");
    estate.write(
        "hosts/sites.yml",
        "wordpress_ports: [8080]\nwordpress_expose_externally: true\n",
    );
    estate.write("hosts/data.yml", "database_expose_externally: true\n");
    estate.write(
        "domains/1st-customer.test/domain.yml",
        &format!(
            "organisation: \"{ORGANISATION}\"\nreverse_proxy_port: 8080\nwebhosts:\n\
             \x20 dev: {{proxy: stack, wordpress: stack, database: stack}}\n\
             \x20 test: {{proxy: stack, wordpress: stack, database: stack, port: 8081}}\n\
             \x20 www: {{proxy: front, wordpress: sites, database: data}}\n\
             wordpress_admin: {{name: webmaster, email: webmaster@1st-customer.test}}\n"
        ),
    );
    let quoted = AWKWARD.replace('\\', "\\\\").replace('"', "\\\"");
    estate.write(
        "domains/1st-customer.test/domain.private.yml",
        &format!(
            "database_passwords: {{dev: \"{quoted}d\", test: \"{quoted}t\", www: \"{quoted}w\"}}\n\
             wordpress_admin_password: \"{quoted}a\"\n"
        ),
    );
    estate
}

/// Runs `prov domain 1st-customer.test MORE`.
fn domain(estate: &Estate, more: &[&str]) -> Ran {
    let ran = estate.prov(["--output", "json", "domain", "1st-customer.test"]);
    let ran = ran.args(more).run();
    ran.never_says(AWKWARD).never_says("\u{2603}");
    ran
}

const HOSTS: [&str; 4] = ["stack", "front", "sites", "data"];

fn unchanged(ran: &Ran) {
    for host in HOSTS {
        ran.unchanged(host);
    }
}

/// Runs the checks; gives what those showed that failed.
fn failed(estate: &Estate) -> Vec<String> {
    let ran = estate.prov(["--output", "json", "verify", "web"]).run();
    ran.never_says("\u{2603}");
    let checks = ran.json()["checks"].as_array().cloned();
    let checks = checks.unwrap_or_else(|| panic!("no checks in {}", ran.stdout));
    assert_eq!(checks.len(), 27, "{}", ran.stdout);
    let red = checks.iter().filter(|check| check["passed"] == false);
    let shown = red.map(|check| {
        let shows = check["shows"].as_str().unwrap_or_default();
        shows.replace(".1st-customer.test", "")
    });
    let shown: Vec<_> = shown.collect();
    // Seen only where the test fails.
    println!("{}", ran.stdout);
    ran.exits(i32::from(!shown.is_empty()));
    shown
}

/// Runs a program of PHP in a site, as the web server.
fn php(estate: &Estate, host: &str, site: &str, program: &str) -> String {
    let before = format!(
        "<?php $_SERVER['HTTP_HOST'] = '{site}.1st-customer.test'; require '/usr/share/wordpress/wp-load.php';"
    );
    let script = format!("runuser -u www-data -- php <<'END'\n{before}\n{program}\nEND\n");
    estate.on(host, &script)
}

#[test]
fn sites_come_keep_what_is_written_in_them_and_every_check_sees_what_it_is_for() {
    let estate = estate();
    estate.deploy();
    estate.prov(["apply"]).run().exits(0);
    estate.prov(["test"]).run().exits(0);
    estate.prov(["complete"]).run().exits(0);

    // Sends nothing, but remembers it.
    estate.on(
        "stack",
        "printf '#!/bin/sh\\ncat >>/tmp/sent\\n' >/usr/sbin/sendmail; chmod 755 /usr/sbin/sendmail",
    );
    a_filter_touches_nothing_else(&estate);
    domain(&estate, &[]).exits(0);
    unchanged(&domain(&estate, &[]));
    what_is_secret_works_and_is_closed(&estate);
    what_is_written_survives(&estate);
    assert_eq!(failed(&estate), Vec::<String>::new());
    a_program_of_ones_own_sees_a_site(&estate);
    the_same_is_seen_on_servers(&estate);
    what_is_sent_to_a_site_is_never_run(&estate);
    a_site_goes_to_the_next_stage_and_back(&estate);
    every_check_sees_what_it_is_for(&estate);
    it_goes_and_comes_again(&estate);
    what_is_purged_is_gone(&estate);
}

/// Through `prov browse`, by the site's name, trusting what prov has written for that.
fn a_program_of_ones_own_sees_a_site(estate: &Estate) {
    let running = estate.prov(["browse", "outside"]).start();
    until("the proxy listens", || {
        running.output_so_far().contains("Ctrl-C ends it")
    });
    let said = running.output_so_far();
    let line = said.lines().find_map(|line| line.strip_prefix("curl"));
    let line = line.unwrap_or_else(|| panic!("no line for curl in {said}"));
    let line = format!("{line} --silent --max-time 30");
    let page = std::process::Command::new("sh")
        .args(["-c", &line])
        .output();
    let page = page.unwrap_or_else(|error| panic!("sh: {error}"));
    let page = String::from_utf8_lossy(&page.stdout);
    assert!(page.contains("<title>Customer"), "{line}: {page}");
    running.interrupt();
    running.wait().exits(0);
}

/// To another prov these hosts are servers: the same checks are made from vantage points.
fn the_same_is_seen_on_servers(estate: &Estate) {
    let servers = estate.seen_from(&[("seer", "stack"), ("data", "front")]);
    let checked = |code: i32, without: u64| {
        let ran = servers.prov(["--output", "json", "verify", "web"]).run();
        ran.exits(code).never_says("\u{2603}");
        let results = ran.json();
        let checks = results["checks"].as_array().cloned().unwrap_or_default();
        assert_eq!(checks.len() as u64 + without, 27, "{}", ran.stdout);
        let red = checks.iter().filter(|check| check["passed"] == false);
        let red = red.map(|check| check["shows"].as_str().unwrap_or_default().to_owned());
        let left = results["not_checked"][0]["checks"].as_u64();
        assert_eq!(left.unwrap_or_default(), without, "{results:#}");
        red.collect::<Vec<_>>()
    };
    let verify = |code: i32| checked(code, 0);
    assert_eq!(verify(0), Vec::<String>::new());
    // A browser goes on from the vantage point, where that may be.
    let settings = "/etc/ssh/sshd_config.d/stay.conf";
    estate.on(
        "data",
        &format!("echo AllowTcpForwarding no >{settings}; sv hup ssh; sleep 1"),
    );
    assert_eq!(checked(0, 1), Vec::<String>::new());
    estate.on("data", &format!("rm {settings}; sv hup ssh; sleep 1"));
    estate.on("sites", "sv -w 60 stop apache2");
    let red = verify(1);
    assert!(red.len() > 2, "{red:?}");
    assert!(
        red.iter().any(|it| it.starts_with("a browser shows")),
        "{red:?}"
    );
    estate.on("sites", "sv -w 60 start apache2");
    estate.on("front", "sv -w 60 stop nginx");
    let red = verify(1);
    assert!(
        red.iter().any(|it| it.contains("its proxy, outside")),
        "{red:?}"
    );
    assert!(!red.iter().any(|it| it.starts_with("dev.")), "{red:?}");
    estate.on("front", "sv -w 60 start nginx");
    verify(0);
}

fn a_filter_touches_nothing_else(estate: &Estate) {
    let ran = domain(
        estate,
        &["--tags", "web", "--hostname-filter", "(?:dev|test)"],
    );
    ran.exits(0);
    ran.never_says("www.1st-customer.test");
    let elsewhere = "ls /etc/wordpress /var/lib/wordpress/sites /etc/apache2/sites-enabled";
    assert!(!estate.on("sites", elsewhere).contains("1st-customer"));
    assert!(!estate.holds(
        "front",
        "ls /etc/nginx/sites-enabled/* /etc/nginx/certificates/*"
    ));
}

fn what_is_secret_works_and_is_closed(estate: &Estate) {
    for (host, site) in [("stack", "dev"), ("stack", "test"), ("sites", "www")] {
        // As the form for logging in does: what a browser sends is slashed before WordPress looks at it.
        let password = format!("{AWKWARD}a")
            .replace('\\', "\\\\")
            .replace('\'', "\\'");
        let program = format!(
            "$user = wp_authenticate('webmaster', wp_slash('{password}')); \
             echo is_wp_error($user) ? $user->get_error_code() : $user->user_login, ' ', get_option('blogname');"
        );
        let said = php(estate, host, site, &program);
        assert_eq!(said, "webmaster Customer&#039;s &lt;Own&gt; &amp; Söhne");
        // Each has keys of its own.
        let keys = format!("/etc/wordpress/keys-{site}.1st-customer.test.php");
        assert_eq!(
            estate.on(
                host,
                &format!("stat -c '%a %U:%G' {keys}; grep -c define {keys}")
            ),
            "640 root:www-data\n8\n"
        );
    }
    assert!(estate.holds(
        "stack",
        "! cmp /etc/wordpress/keys-dev.1st-customer.test.php /etc/wordpress/keys-test.1st-customer.test.php"
    ));
    // Nothing of a password is in what anybody may read: logs, the list of processes, the files of others.
    assert!(!estate.holds(
        "stack",
        "grep -rlF '\u{2603}' /var/log /etc/apache2 /etc/nginx /etc/cron.d /usr/local /proc/[0-9]*/cmdline"
    ));
    assert!(
        !estate.holds("stack", "test -e /tmp/sent"),
        "a mail was sent"
    );
}

fn what_is_written_survives(estate: &Estate) {
    let post = "wp_insert_post(['post_title' => 'Kept', 'post_content' => 'as it was', 'post_status' => 'publish']); \
                update_option('blogdescription', 'ours');";
    php(estate, "sites", "www", post);
    let upload = "runuser -u www-data -- sh -c \
        'echo picture > /var/lib/wordpress/sites/www.1st-customer.test/uploads/kept.txt'";
    estate.on("sites", upload);
    unchanged(&estate.prov(["--output", "json", "complete"]).run());
    unchanged(&domain(estate, &[]));
    assert!(is_kept(estate));
}

fn is_kept(estate: &Estate) -> bool {
    let posts = "foreach (get_posts() as $post) echo $post->post_title, ' '; echo get_option('blogdescription');";
    let file = "cat /var/lib/wordpress/sites/www.1st-customer.test/uploads/kept.txt";
    php(estate, "sites", "www", posts) == "Kept Hello world! ours" && estate.holds("sites", file)
}

/// Asks a site as its proxy on the same host does; gives the first line of the answer and its last.
fn ask(estate: &Estate, path: &str, name: &str) -> String {
    let request = format!("GET {path} HTTP/1.0\\r\\nHost: {name}\\r\\n\\r\\n");
    estate.on(
        "stack",
        &format!(
            "bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080; printf \"{request}\" >&3; cat <&3' | tr -d '\\r' | sed -n '1p;$p'"
        ),
    )
}

fn what_is_sent_to_a_site_is_never_run(estate: &Estate) {
    estate.on(
        "stack",
        "cd /var/lib/wordpress/sites/dev.1st-customer.test/uploads; for name in a.php a.phtml a.PHP a.php.jpg a.txt; do \
         echo '<?php echo 6 * 7;' > $name; done; ln -s /etc/passwd b.txt; chown -h www-data *; mkdir folder",
    );
    let name = "dev.1st-customer.test";
    for file in [
        "a.php",
        "a.phtml",
        "a.PHP",
        "a.php.jpg",
        "b.txt",
        "folder/",
        "",
    ] {
        let answer = ask(estate, &format!("/wp-content/uploads/{file}"), name);
        assert!(answer.starts_with("HTTP/1.1 403 "), "{file}: {answer}");
    }
    let text = ask(estate, "/wp-content/uploads/a.txt", name);
    assert_eq!(text, "HTTP/1.1 200 OK\n<?php echo 6 * 7;\n");
    for (path, name) in [
        ("/xmlrpc.php", name),
        ("/", "test.1st-customer.test"),
        ("/", "other.test"),
    ] {
        let answer = ask(estate, path, name);
        assert!(
            answer.starts_with("HTTP/1.1 403 "),
            "{path} {name}: {answer}"
        );
    }
}

/// What was written in one stage is in the next, with the addresses there; what was there comes back.
fn a_site_goes_to_the_next_stage_and_back(estate: &Estate) {
    const TEST: &str = "test.1st-customer.test";
    const WWW: &str = "www.1st-customer.test";
    let site = |arguments: &[&str], code: i32| {
        let ran = estate.prov(["site"]).args(arguments).run();
        ran.exits(code).never_says("\u{2603}");
        ran
    };
    let probe = |host: &str, label: &str| {
        let program = "echo json_encode(get_option('probe'), JSON_UNESCAPED_SLASHES), file_exists(WP_CONTENT_DIR . '/uploads/p.png') ? ' picture' : '';";
        php(estate, host, label, program)
    };
    php(
        estate,
        "stack",
        "test",
        "$at = WP_HOME; file_put_contents(WP_CONTENT_DIR . '/uploads/p.png', 'picture');
         update_option('probe', ['list' => [\"$at/x\", serialize([\"$at/y\"])], 'json' => json_encode(\"$at/z\"),
             'path' => WP_CONTENT_DIR, 'other' => \"{$at}ing/ a@test.1st-customer.test $at:8443\"]);",
    );
    let written = |at: &str, name: &str, length: usize| {
        format!(
            r#"{{"list":["{at}/x","a:1:{{i:0;s:{length}:\"{at}/y\";}}"],"json":"\"{}\\/z\"","path":"/var/lib/wordpress/sites/{name}","other":"http://{TEST}ing/ a@{TEST} http://{TEST}:8443"}} picture"#,
            at.replace('/', r"\\/")
        )
    };
    let (of_test, of_www) = (
        written(&format!("http://{TEST}"), TEST, 31),
        written(&format!("https://{WWW}"), WWW, 31),
    );
    assert_eq!(probe("stack", "test"), of_test);
    site(&["copy", TEST, WWW, "--diff"], 0).says("would be as");
    assert_eq!(probe("sites", "www"), "false");
    site(&["copy", TEST, WWW], 0).says("prov site undo");
    assert_eq!(probe("sites", "www"), of_www);
    assert_eq!(failed(estate), Vec::<String>::new());
    site(&["copy", TEST, WWW], 1).says("prov site confirm");
    site(&["undo", WWW], 0);
    assert_eq!(probe("sites", "www"), "false");
    site(&["undo", WWW], 0);
    assert_eq!(probe("sites", "www"), of_www);

    // Back again by a file; half of one changes nothing.
    let file = estate.path_text("site.tar.gz");
    site(&["export", WWW, &file], 0);
    site(&["export", WWW, &file], 64);
    site(&["undo", WWW], 0);
    site(&["confirm", WWW], 0);
    site(&["undo", WWW], 1).says("nothing is kept");
    assert!(is_kept(estate));
    php(
        estate,
        "stack",
        "test",
        "delete_option('probe'); unlink(WP_CONTENT_DIR . '/uploads/p.png');",
    );
    let half = estate.path_text("half.tar.gz");
    let bytes = std::fs::read(&file).unwrap_or_default();
    assert!(std::fs::write(&half, &bytes[..bytes.len() / 2]).is_ok());
    site(&["import", &half, TEST], 1).says("the site is as it was");
    assert_eq!(probe("stack", "test"), "false");
    imports_that_are_killed(estate, &file, TEST, &|| probe("stack", "test"), &of_test);
    site(&["import", &file, TEST], 0);
    assert_eq!(probe("stack", "test"), of_test);
    site(&["confirm", TEST], 0);
    // Both hosts remember what came and went; a run that failed is not said to be done.
    let remembered = estate
        .prov(["--output", "json", "history", "sites"])
        .run()
        .json();
    let runs = remembered["hosts"][0]["runs"].as_array().cloned();
    let of_sites: Vec<_> = runs
        .unwrap_or_default()
        .iter()
        .map(|run| run["changes"][0].clone())
        .filter(|change| change["resource"] == "site")
        .map(|change| format!("{} {}", change["reason"], change["done"]))
        .collect();
    let exchanged = "\"its content and what was kept of before an import were exchanged\" true";
    assert_eq!(
        of_sites,
        [
            &exchanged.replace("true", "false"),
            "\"what was kept of before an import was deleted\" true",
            exchanged,
            exchanged,
            exchanged,
            "\"its content became that of test.1st-customer.test\" true",
        ]
    );
    unchanged(&domain(estate, &[]));
}

/// However an import ends, the site is as it was or as it was to be, and typing it again ends it.
fn imports_that_are_killed(
    estate: &Estate,
    file: &str,
    name: &str,
    probe: &dyn Fn() -> String,
    new: &str,
) {
    let import = || estate.prov(["site", "import", file, name]);
    for (milliseconds, there) in [
        (300, false),
        (700, true),
        (1100, true),
        (1500, true),
        (1900, true),
        (2300, false),
    ] {
        let running = import().start();
        std::thread::sleep(Duration::from_millis(milliseconds));
        if there {
            estate.on("stack", "pkill -9 -f '[w]ordpress-copy import' || :");
        }
        running.kill();
        // What the host still does ends first.
        estate.on(
            "stack",
            &format!("flock /run/lock/wordpress-copy-{name} true"),
        );
        let again = import().run();
        // Refused is only what has come already.
        if again.code() == Some(1) {
            again.says("prov site confirm");
        } else {
            again.exits(0);
        }
        assert_eq!(probe(), new, "killed after {milliseconds} ms");
        estate.prov(["site", "undo", name]).run().exits(0);
        assert_eq!(probe(), "false", "killed after {milliseconds} ms");
        estate.prov(["site", "confirm", name]).run().exits(0);
    }
}

/// Breaks things, several at once where they are far from each other.
fn every_check_sees_what_it_is_for(estate: &Estate) {
    what_nobody_may_see(estate);
    assert_eq!(failed(estate), Vec::<String>::new());
    daemons_behind(estate);
    names_certificates_and_accounts(estate);
    assert_eq!(failed(estate), Vec::<String>::new());
    proxies(estate);
}

/// Has prov repair what it looks after.
fn repair(estate: &Estate) {
    domain(estate, &[]).exits(0);
    unchanged(&domain(estate, &[]));
}

/// Secrets, accounts, titles, redirections, the way past the proxy, an open server of databases.
fn what_nobody_may_see(estate: &Estate) {
    let own = "/etc/mysql/mariadb.conf.d/99-open.cnf";
    estate.on(
        "stack",
        &format!(
            "chmod 644 /etc/wordpress/config-dev.1st-customer.test.php
            printf '[mariadbd]\nbind-address = *\n' >{own}; sv -w 60 restart mariadb"
        ),
    );
    let title = |text: &str| {
        let program = format!("update_option('blogname', \"{text}\");");
        php(estate, "stack", "test", &program);
    };
    title("Somebody else");
    estate.on(
        "data",
        "mariadb -e \"CREATE USER 'www_1st-customer_test'@'%' IDENTIFIED BY 'x'\"",
    );
    estate.on(
        "front",
        "sed -i 's/return 301/return 302/' /etc/nginx/sites-enabled/www.1st-customer.test; sv reload nginx",
    );
    estate.on(
        "sites",
        "sed -i /RewriteRule/d /etc/apache2/sites-enabled/www.1st-customer.test.conf; sv reload apache2",
    );
    assert_eq!(
        failed(estate),
        [
            "nobody but the web server reads the secrets of dev",
            "test has the organisation as its title, inside",
            "http://www leads to the site for good",
            "http://1st-customer.test leads to the site for good",
            "https://1st-customer.test leads to the site for good",
            "www is not served past its proxy",
            "the account of www is for its host alone",
            "the databases on stack are closed to other hosts",
            "the databases on data are closed to other hosts",
        ]
    );
    title(ORGANISATION);
    // The server remembers that anybody may come until it is told to read its accounts again.
    estate.on(
        "data",
        "mariadb -e \"DROP USER 'www_1st-customer_test'@'%'; FLUSH PRIVILEGES\"",
    );
    estate.on("stack", &format!("rm {own}; sv -w 60 restart mariadb"));
    repair(estate);
}

/// The web server of some sites, the databases of another.
fn daemons_behind(estate: &Estate) {
    estate.on("stack", "sv -w 60 stop apache2");
    estate.on("data", "sv -w 60 stop mariadb");
    assert_eq!(
        failed(estate),
        [
            "dev is served by its proxy, inside",
            "dev has the organisation as its title, inside",
            "test is served by its proxy, inside",
            "test has the organisation as its title, inside",
            "www is served with TLS by its proxy, outside",
            "www has the organisation as its title, outside",
            "www is served with TLS by its proxy, inside",
            "www has the organisation as its title, inside",
            "www reaches its database on data",
            "the account of www is for its host alone",
            "a browser shows www",
            "the databases on data are closed to other hosts",
        ]
    );
    estate.on("stack", "sv -w 60 start apache2");
    estate.on("data", "sv -w 60 start mariadb");
}

/// A name that leads elsewhere, a certificate of somebody else's, an account that is gone.
fn names_certificates_and_accounts(estate: &Estate) {
    let elsewhere = estate.address("sites");
    estate.on(
        "stack",
        &format!(
            "sed -i 's/^10[.0-9]*/{elsewhere}/' /etc/dnsmasq-hosts.d/domain-web-dev.1st-customer.test
            sv reload dnsmasq
            mariadb -e \"DROP USER 'test_1st-customer_test'@'localhost'\""
        ),
    );
    estate.on(
        "front",
        "cd /etc/nginx/certificates; openssl req -x509 -new -batch -days 9 -subj /CN=www.1st-customer.test \
         -addext subjectAltName=DNS:www.1st-customer.test,DNS:1st-customer.test \
         -key www.1st-customer.test.key -out www.1st-customer.test.pem; sv reload nginx",
    );
    assert_eq!(
        failed(estate),
        [
            "dev is served by its proxy, inside",
            "dev has the organisation as its title, inside",
            "test is served by its proxy, inside",
            "test has the organisation as its title, inside",
            "test reaches its database on stack",
            "the account of test is for its host alone",
            "www is served with TLS by its proxy, outside",
            "www has the organisation as its title, outside",
            "www is served with TLS by its proxy, inside",
            "www has the organisation as its title, inside",
            "the certificate of www has the site's names",
            "https://1st-customer.test leads to the site for good",
            "a browser shows www",
        ]
    );
    repair(estate);
}

fn proxies(estate: &Estate) {
    for host in ["stack", "front"] {
        estate.on(host, "sv -w 60 stop nginx");
    }
    let red = failed(estate);
    assert_eq!(red.len(), 13, "{red:?}");
    assert!(red.iter().all(|shows| {
        let words = ["served", "title", "certificate", "leads", "browser"];
        words.iter().any(|word| shows.contains(word))
    }));
    for host in ["stack", "front"] {
        estate.on(host, "sv -w 60 start nginx");
    }
}

/// Lists what has the domain's name on a host, besides logs and what prov remembers.
fn named(estate: &Estate, host: &str) -> String {
    let find = "find /etc /usr/local /var/lib/wordpress /var/lib/mysql -name '*1st*customer*' 2>/dev/null | sort";
    estate.on(host, find)
}

fn it_goes_and_comes_again(estate: &Estate) {
    let before = HOSTS.map(|host| named(estate, host));
    domain(estate, &["--remove", "--diff"]).exits(0);
    assert_eq!(HOSTS.map(|host| named(estate, host)), before);
    domain(estate, &["--remove"]).exits(0);
    unchanged(&domain(estate, &["--remove"]));
    let left = HOSTS.map(|host| named(estate, host));
    assert_eq!(left[1], "", "on front");
    assert_eq!(left[2], "/var/lib/wordpress/sites/www.1st-customer.test\n");
    assert_eq!(left[3], "/var/lib/mysql/www_1st@002dcustomer_test\n");
    let accounts = "mariadb -N -e \"SELECT User FROM mysql.user WHERE User LIKE '%customer%'\"";
    assert_eq!(estate.on("data", accounts), "");
    domain(estate, &[]).exits(0);
    unchanged(&domain(estate, &[]));
    assert_eq!(HOSTS.map(|host| named(estate, host)), before);
    assert!(is_kept(estate));
    assert_eq!(failed(estate), Vec::<String>::new());
}

fn what_is_purged_is_gone(estate: &Estate) {
    let gone = ["--remove", "--purge-data", "--confirm", "1st-customer.test"];
    domain(estate, &gone).exits(0);
    for host in HOSTS {
        assert_eq!(named(estate, host), "", "on {host}");
    }
    unchanged(&domain(estate, &gone));
}
