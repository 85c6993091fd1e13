//! What web sites write reaches people: those whose mail is hosted, and the world, to which their host may send for itself.

use end_to_end::Estate;

const HOME: &str = "home.test";
const CUSTOMER: &str = "customer.test";

const ROLES: &str = "\
services: {web: [office, customers, world, site]}
roles:
  dns: [office, customers]
  mta: all
  mail: [office, customers, world]
  mail_internal: [office]
  mail_certificates: [office]
  mail_external: [customers]
  mail_gateway: [world]
  database: [site]
  wordpress: [site]
  reverse_proxy: [site]
  dns_client: all
";

fn estate() -> Estate {
    let estate = Estate::located(&[
        ("office", "internal"),
        ("customers", "external"),
        ("world", "external"),
        ("site", "external"),
    ]);
    estate.inventory(ROLES);
    let [office, customers] = ["office", "customers"].map(|host| estate.address(host));
    let network = office.trim_end_matches("101");
    estate.write(
        "groups/all.yml",
        &format!(
            "home_domain: {HOME}\nhome_domain_admin_user: keeper\noffice_subnet: {network}0/24\nmail_uses_ca: false\nreverse_proxy_uses_ca: false\n\
             dns_upstream_nameservers: []\ndns_resolvers: [{customers}]\n"
        ),
    );
    estate.write(
        "groups/all.private.yml",
        "mta_smarthost: {hostname: customers, port: 465, username: ours, userpass: 'sample 1'}\n",
    );
    estate.write(
        "hosts/office.yml",
        &format!("dns_upstream_nameservers: [{customers}]\ndns_resolvers: [{office}]\n"),
    );
    estate.write("hosts/customers.yml", "dns_group: external\n");
    estate.write(
        "hosts/customers.private.yml",
        "mta_smarthost: {hostname: world, port: 587, username: of-home, userpass: 'sample 2'}\n",
    );
    estate.write(
        "hosts/world.yml",
        &format!("mta_mailname: world.test\nmta_relay_nets: [{network}0/26]\n"),
    );
    estate.write(
        "hosts/world.private.yml",
        "mail_gateway_accounts: {of-home: 'sample 2'}\n",
    );
    estate.write("hosts/site.yml", "wordpress_ports: [8080]\n");
    let domain = format!("domains/{CUSTOMER}/domain.yml");
    estate.write(
        &domain,
        &format!(
            "organisation: Customer\nusers: [{{name: one}}]\nreverse_proxy_port: 8080\n\
             webhosts: {{www: {{proxy: site, wordpress: site, database: site}}}}\n\
             wordpress_admin: {{name: webmaster, email: one@{CUSTOMER}}}\n"
        ),
    );
    estate.write(
        &domain.replace(".yml", ".private.yml"),
        "user_passwords: {one: 'sample 3'}\ndatabase_passwords: {www: 'sample 4'}\n\
         wordpress_admin_password: 'sample 5'\n",
    );
    estate.deploy();
    for command in ["apply", "test", "complete"] {
        estate.prov([command]).run().exits(0);
    }
    estate.prov(["domain", CUSTOMER]).run().exits(0);
    estate
}

/// Gives what the checks showed that failed.
fn failed(estate: &Estate) -> Vec<String> {
    let ran = estate.prov(["--output", "json", "verify", "web"]).run();
    let shown = ran.failed_checks();
    let words =
        ["hosted", "in the world"].map(|who| format!("www.{CUSTOMER} reaches somebody {who}"));
    for word in words {
        assert!(
            ran.stdout.contains(&word),
            "no check of '{word}': {}",
            ran.told()
        );
    }
    // Whatever came of it, nothing is left.
    let accounts = "mariadb --batch --skip-column-names -e \"SELECT COUNT(*) FROM \\`www_customer_test\\`.wp_users\"";
    assert_eq!(estate.on("site", accounts), "1\n");
    for host in ["site", "customers", "world"] {
        let queue = estate.on(host, "ls /var/spool/exim4/input");
        assert_eq!(queue, "", "on {host}");
    }
    shown
}

/// What people use beside the checks: names say the port, and mail is kept and shown as a program of theirs would.
fn clients_know_where_to_ask(estate: &Estate) {
    let client = |line: &[&str]| {
        let ran = estate.prov(["client"]).args(line).run();
        ran.exits(0);
        ran.stdout.replace('\r', "")
    };
    for name in ["imap", "smtp", "www"].map(|label| format!("{label}.{CUSTOMER}")) {
        let told = client(&["openssl", "external", &name]);
        assert!(
            told.contains(&name) && told.ends_with("verification: 0 (ok)\n"),
            "{told}"
        );
        let whole = client(&["openssl", "external", "--text", &name]);
        assert!(whole.contains("Public Key Algorithm"), "{whole}");
    }
    let customer = format!("one@{CUSTOMER}");
    let status = client(&["mutt", &customer, "external", "-Q", "status_format"]);
    let met = format!("imap.{CUSTOMER}:993 has the certificate of imap.{CUSTOMER}");
    assert!(
        status.contains(&met) && status.contains(": 0 (ok)"),
        "{status}"
    );
    let other = client(&[
        "mutt",
        "keeper@world.test",
        "external",
        "-Q",
        "status_format",
        "-Q",
        "folder",
    ]);
    assert!(
        other.contains("imaps://world:993/") && other.contains(": 0 (ok)"),
        "{other}"
    );
    let nobody = estate
        .prov(["client", "mutt", "keepr@world.test", "external"])
        .run();
    nobody.exits(64).says("did you mean 'keeper@world.test'?");

    // What was sent is kept, and arrives.
    client(&[
        "mutt",
        &customer,
        "external",
        "-s",
        "kept",
        "--",
        "keeper@world.test",
    ]);
    let sent = format!("grep -rqs 'Subject: kept' /home/vmail/{customer}/Maildir/.Sent/");
    assert!(estate.holds("customers", &sent));
    estate.until(
        "world",
        "the message arrives",
        "grep -rqs 'Subject: kept' /home/keeper/Maildir/new",
    );
    client(&[
        "lynx",
        "external",
        "-dump",
        &format!("https://www.{CUSTOMER}/wp-login.php"),
    ]);
    // Outside, the short name is the server outside; there is none in the office.
    let imap = client(&["dig", "external", "+short", &format!("imap.{CUSTOMER}")]);
    assert_eq!(imap.trim(), estate.address("customers"));
}

#[test]
fn a_message_of_a_site_reaches_who_is_hosted_and_the_world() {
    let estate = estate();
    let none: [String; 0] = [];
    assert_eq!(failed(&estate), none);
    clients_know_where_to_ask(&estate);
    let shows = |who: &str| format!("mail of www.{CUSTOMER} reaches somebody {who}");

    // Without an account it may write to the hosted alone.
    let login = estate.on("site", "cat /etc/exim4/passwd.client");
    estate.on("site", "sed -i '/ours/d' /etc/exim4/passwd.client");
    assert_eq!(failed(&estate), [shows("in the world")]);
    assert_ne!(login, estate.on("site", "cat /etc/exim4/passwd.client"));
    estate.prov(["apply"]).run().exits(0);

    // Nobody has the customer's mail.
    let virtual_users = format!("/etc/exim4/virtual.d/{CUSTOMER}");
    estate.on("customers", &format!("mv {virtual_users} /root/kept"));
    assert_eq!(failed(&estate), [shows("hosted")]);
    estate.on("customers", &format!("mv /root/kept {virtual_users}"));

    // The site cannot send at all.
    estate.on("site", "chmod -x /usr/sbin/exim4");
    assert_eq!(failed(&estate), [shows("hosted"), shows("in the world")]);
    estate.on("site", "chmod +x /usr/sbin/exim4");
    assert_eq!(failed(&estate), none);
}
