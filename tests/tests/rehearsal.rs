//! A rehearsal of a release upgrade: mail, calendars, a site and a backup of before are there afterwards, or the table says
//! what is not.

use std::time::Duration;

use end_to_end::Estate;

/// A firm on two servers, and everybody else's mail server, which has the next release already.
const ROLES: &str = "\
services: {backup: [office, outside], calendar: [office], mail: [office, outside, world], web: [office, outside]}
roles:
  dns: [office, outside]
  mta: all
  mail: all
  mail_certificates: [office]
  mail_internal: [office]
  mail_external: [outside]
  mail_gateway: [world]
  calendar: [office]
  database: [office, outside]
  wordpress: [outside]
  reverse_proxy: [outside]
  backup_client: [office, outside]
  backup_director: [office]
  backup_storage: [office]
  dns_client: all
";

const HOME: &str = "home.test";
const CUSTOMER: &str = "customer.test";

/// The hosts that are upgraded.
const UPGRADED: [&str; 2] = ["office", "outside"];

fn estate() -> Estate {
    let estate = Estate::located(&[
        ("office", "internal"),
        ("outside", "external"),
        ("world", "external"),
    ]);
    estate.inventory(ROLES);
    for (host, release) in [
        ("office", "bookworm"),
        ("outside", "bookworm"),
        ("world", "trixie"),
    ] {
        estate.host_has_release(host, release);
    }
    let [office, outside] = UPGRADED.map(|host| estate.address(host));
    let network = office.trim_end_matches("101");
    estate.write(
        "groups/all.yml",
        &format!(
            "home_domain: {HOME}\nhome_domain_admin_user: keeper\noffice_users: [first.last]\n\
             office_subnet: {network}0/24\nmail_uses_ca: false\nreverse_proxy_uses_ca: false\n\
             dns_aliases: {{smtp: office, caldav: office}}\n\
             backup_director_name: bacula-dir\n\
             backup_monitor_name: bacula-mon\nbackup_storage_name: bacula-sd\nbackup_database_host: office\n\
             backup_director_schedules_active: false\n"
        ),
    );
    estate.write(
        "groups/all.private.yml",
        "backup_database_password: 'sample 1'\nbackup_director_console_password: 'sample 2'\n\
         backup_storage_password: 'sample 3'\nbackup_client_director_password: 'sample 4'\n\
         backup_client_monitor_password: 'sample 5'\n",
    );
    estate.write(
        "hosts/office.yml",
        &format!(
            "dns_upstream_nameservers: [{outside}]\ndns_resolvers: [{office}]\ncalendar_access: open\n"
        ),
    );
    estate.write(
        "hosts/office.private.yml",
        "mta_smarthost: {hostname: outside, port: 465, username: office, userpass: 'sample 6'}\n",
    );
    estate.write(
        "hosts/outside.yml",
        &format!(
            "dns_group: external\ndns_upstream_nameservers: [container-host]\ndns_local_domains: [{HOME}, {CUSTOMER}]\n\
             dns_resolvers: [{outside}]\nwordpress_ports: [8080]\n\
             mta_smarthost: {{hostname: world, port: 587}}\n"
        ),
    );
    estate.write(
        "hosts/world.yml",
        &format!(
            "dns_resolvers: [{outside}]\nmta_mailname: world.test\nmta_relay_nets: [{network}0/26]\n"
        ),
    );
    estate.write(
        "hosts/world.private.yml",
        "mail_gateway_accounts: {of-home: 'sample 7', of-customer: 'sample 8'}\n",
    );
    estate.write(
        &format!("domains/{HOME}/domain.yml"),
        "organisation: Home\nusers: [{name: first.last, account: keeper}]\nmail_gateway: {username: of-home}\n",
    );
    estate.write(
        &format!("domains/{HOME}/domain.private.yml"),
        &format!(
            "user_passwords: {{first.last: {}}}\nmail_gateway_password: 'sample 7'\n",
            estate.password()
        ),
    );
    estate.write(
        &format!("domains/{CUSTOMER}/domain.yml"),
        "organisation: Customer\nusers: [{name: one}]\nmail_gateway: {username: of-customer}\nreverse_proxy_port: 8080\n\
         webhosts: {www: {proxy: outside, wordpress: outside, database: outside}}\n\
         wordpress_admin: {name: webmaster, email: one@customer.test}\n",
    );
    estate.write(
        &format!("domains/{CUSTOMER}/domain.private.yml"),
        "user_passwords: {one: 'sample 9'}\nmail_gateway_password: 'sample 8'\ndatabase_passwords: {www: 'sample 10'}\n\
         wordpress_admin_password: 'sample 11'\n",
    );
    estate
}

/// Rehearses the upgrade of both servers at once.
fn rehearse(estate: &Estate) -> end_to_end::Ran {
    let rehearsal = ["upgrade", "--to", "trixie", "--rehearse", "--serial", "2"];
    let ran = estate.prov(rehearsal).args(UPGRADED);
    ran.run_within(Duration::from_secs(2400))
}

/// Gives the rows of the table as what it is about and whether it works.
fn table(ran: &end_to_end::Ran) -> Vec<(String, bool)> {
    let rows = ran.stdout.lines().filter_map(|row| {
        let (before, good) = match row.split_once("  works ") {
            Some((before, _)) => (before, true),
            None => (row.split_once("  breaks")?.0, false),
        };
        Some((before.trim().to_owned(), good))
    });
    rows.collect()
}

#[test]
fn what_was_there_before_an_upgrade_is_there_afterwards_or_the_table_says_what_is_not() {
    let estate = estate();
    estate.deploy();
    estate.prov(["apply"]).run().exits(0);
    estate.prov(["test"]).run().exits(0);
    estate.prov(["complete"]).run().exits(0);
    estate.prov(["domain", "--all"]).run().exits(0);

    let ran = rehearse(&estate);
    ran.exits(0);
    let all = [
        "office",
        "outside",
        "backup",
        "calendar",
        "mail",
        "web",
        "the old mail of one@customer.test",
        "the old mail of first.last@home.test",
        "an event in the calendar of office",
        "a post on www.customer.test",
        "a file of office in the backup",
    ];
    let works = |name: &str| (name.to_owned(), true);
    assert_eq!(table(&ran), all.map(works), "{}", ran.told());
    for host in UPGRADED {
        ran.says(&format!("left before: {}", all[6]));
        let released = estate.on(host, "cat /etc/os-release");
        assert!(released.contains("VERSION_CODENAME=trixie"), "{released}");
        estate.host_has_release(host, "trixie");
    }

    // The roles of this release look for calendars elsewhere: the daemon runs, but what was there is not.
    estate.write(
        "templates/trixie/calendar/config",
        "[server]\nhosts = 0.0.0.0:5232\n[auth]\ntype = none\n[rights]\ntype = authenticated\n\
         [storage]\nfilesystem_folder = /var/lib/radicale/new\n",
    );
    estate.on(
        "office",
        "install -d -o radicale -g radicale /var/lib/radicale/new",
    );
    let ran = rehearse(&estate);
    ran.exits(1);
    let event = "an event in the calendar of office";
    let breaks = |name: &str| (name.to_owned(), !["calendar", event].contains(&name));
    assert_eq!(table(&ran), all.map(breaks), "{}", ran.told());
}
