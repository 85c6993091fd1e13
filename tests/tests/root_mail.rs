//! Mail to root and to accounts of daemons, such as what their cron jobs print, ends where the administrator reads it.

use end_to_end::Estate;

#[test]
fn what_a_cron_job_of_a_daemon_prints_reaches_the_administrator() {
    let estate = Estate::new(&["one"]);
    estate.inventory("roles: {mta: [one]}\n");
    estate.write(
        "groups/all.yml",
        "home_domain: home.test\nhome_domain_admin_user: keeper\nmta_configtype: local\nmta_localdelivery: maildir_home\n\
         mta_other_hostnames: [home.test]\n",
    );
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
