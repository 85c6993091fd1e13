//! Mail that waits because the next server of the estate is down goes on as soon as that is back, and so does new mail.

use std::time::{Duration, Instant};

use end_to_end::Estate;

/// How long the server is down: longer than Exim tries a host that has just failed without waiting.
const DOWN: Duration = Duration::from_secs(180);

/// How long mail may take once the server is back.
const SOON: Duration = Duration::from_secs(60);

const HOME: &str = "home.test";
const CUSTOMER: &str = "customers.test";

/// An office that sends through the server of the customers.
fn estate() -> Estate {
    let estate = Estate::located(&[("office", "internal"), ("customers", "external")]);
    estate.inventory(
        "roles: {dns: all, mta: all, mail: all, mail_certificates: [office], mail_internal: [office], \
         mail_external: [customers], dns_client: all}\n",
    );
    let [office, customers] = ["office", "customers"].map(|host| estate.address(host));
    let network = office.trim_end_matches("101");
    estate.write(
        "groups/all.yml",
        &format!(
            "home_domain: {HOME}\nhome_domain_admin_user: keeper\noffice_subnet: {network}0/24\nmail_uses_ca: false\n\
             dns_upstream_nameservers: []\n"
        ),
    );
    estate.write(
        "hosts/office.yml",
        &format!("dns_upstream_nameservers: [{customers}]\ndns_resolvers: [{office}]\n"),
    );
    estate.write(
        "hosts/office.private.yml",
        "mta_smarthost: {hostname: customers, port: 465, username: office, userpass: 'sample 1'}\n",
    );
    estate.write(
        "hosts/customers.yml",
        &format!(
            "dns_group: external\ndns_resolvers: [{customers}]\nmta_smarthost: {{hostname: gateway.test, port: 587}}\n"
        ),
    );
    let domain = format!("domains/{CUSTOMER}/domain.yml");
    estate.write(&domain, "organisation: Customer\nusers: [{name: one}]\n");
    estate.write(
        &domain.replace(".yml", ".private.yml"),
        "user_passwords: {one: 'sample 2'}\n",
    );
    estate.deploy();
    for command in ["apply", "test", "complete"] {
        estate.prov([command]).run().exits(0);
    }
    estate.prov(["domain", CUSTOMER]).run().exits(0);
    estate
}

fn send(estate: &Estate, subject: &str) {
    estate.on(
        "office",
        &format!("printf 'To: one@{CUSTOMER}\\nSubject: {subject}\\n\\ntext\\n' | /usr/sbin/sendmail -i -t"),
    );
}

/// Waits until messages with these subjects have arrived; gives how long that took.
fn arrive(estate: &Estate, subjects: &[&str]) -> Duration {
    let begun = Instant::now();
    for subject in subjects {
        let there =
            format!("grep -rqsx 'Subject: {subject}' /home/vmail/one@{CUSTOMER}/Maildir/new");
        while !estate.holds("customers", &there) {
            let log = || estate.on("office", "tail -n 20 /var/log/exim4/mainlog");
            assert!(begun.elapsed() < SOON, "'{subject}' waits: {}", log());
            std::thread::sleep(Duration::from_millis(500));
        }
    }
    begun.elapsed()
}

#[test]
fn mail_goes_on_as_soon_as_the_next_server_is_back() {
    let estate = estate();
    send(&estate, "before");
    arrive(&estate, &["before"]);

    estate.on("customers", "sv -w 60 stop exim4 >&2");
    send(&estate, "queued");
    std::thread::sleep(DOWN);
    assert_eq!(estate.on("office", "exim4 -bpc"), "1\n");
    // What is tried again and again is not told again and again.
    let runs = estate.on("office", "grep -c 'queue run' /var/log/exim4/mainlog || :");
    assert_eq!(runs, "0\n");
    estate.on("customers", "sv -w 60 start exim4 >&2");
    send(&estate, "new");
    let took = arrive(&estate, &["queued", "new"]);
    eprintln!("{took:?} after the server was back");
    assert_eq!(estate.on("office", "exim4 -bpc"), "0\n");
}
