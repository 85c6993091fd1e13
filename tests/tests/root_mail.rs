//! Mail to root and to accounts of daemons, such as what their cron jobs print, ends where the administrator reads it.

use std::time::Duration;

use end_to_end::{Estate, secret};

/// How long cron may take to begin two jobs of every minute, and Exim to deliver what they print.
const MINUTES: Duration = Duration::from_secs(180);

const SETTINGS: &str = "home_domain: home.test\nhome_domain_admin_user: keeper\nmta_configtype: local\n\
    mta_localdelivery: maildir_home\nmta_other_hostnames: [home.test]\n";

#[test]
fn what_a_cron_job_of_a_daemon_prints_reaches_the_administrator() {
    let estate = Estate::new(&["one"]);
    estate.inventory("roles: {mta: [one]}\n");
    estate.write("groups/all.yml", SETTINGS);
    estate.deploy();
    for command in ["apply", "test", "complete"] {
        estate.prov([command]).run().exits(0);
    }
    // As cron does it (cron(8)): to the job's own account, from root.
    for account in ["www-data", "list", "backup", "root"] {
        let mail = format!("printf 'To: {account}\\nSubject: Cron\\n\\nprinted by {account}\\n'");
        estate.on(
            "one",
            &format!("{mail} | /usr/sbin/sendmail -i -FCronDaemon {account}"),
        );
        let read = format!("grep -rqsx 'printed by {account}' /home/keeper/Maildir/new");
        estate.until("one", &format!("the mail to {account}"), &read);
    }
    assert_eq!(estate.on("one", "exim4 -bpc"), "0\n");
    let again = estate.prov(["--output", "json", "apply"]).run();
    again.unchanged("one");
}

/// Here cron itself runs the job.
#[test]
fn a_check_of_dynamic_dns_that_fails_reaches_the_administrator_by_cron_and_once() {
    let estate = Estate::new(&["one"]);
    estate.inventory("roles: {mta: [one], dns_api: [one], dynamic_dns: [one]}\n");
    estate.write("groups/all.yml", SETTINGS);
    let token = secret();
    let private = format!("dns_linode_key: '{token}'\n");
    estate.write("hosts/one.private.yml", &private);
    // Nobody listens there.
    estate.write(
        "hosts/one.yml",
        "dns_linode_base_url: http://127.0.0.1:9/v4/domains\ndynamic_dns_crontab_stride: 1\n\
         dynamic_dns_domains:\n  a.test: {id: 1, records: [11]}\n",
    );
    estate.deploy();
    for command in ["apply", "test", "complete"] {
        estate.prov([command]).run().exits(0).never_says(&token);
    }
    let failure = "^Could not read record 11 in domain a.test: ";
    let letters = format!("grep -rls '{failure}' /home/keeper/Maildir/new");
    estate.until_within(MINUTES, "one", "cron's mail", &letters);
    let letter = estate.on("one", &format!("cat \"$({letters})\""));
    assert!(letter.contains("\nSubject: Cron <root@"), "{letter}");
    assert!(!letter.contains(&token), "{letter}");

    let finished = "grep -c 'Finished check for Dynamic DNS updates' /var/log/syslog";
    let checks: u32 = estate.on("one", finished).trim().parse().unwrap();
    let more = format!("[ $({finished}) -ge {} ]", checks + 2);
    estate.until_within(MINUTES, "one", "two more checks", &more);
    assert_eq!(estate.on("one", "exim4 -bpc"), "0\n");
    assert_eq!(estate.on("one", &format!("{letters} | wc -l")), "1\n");
}
