//! Servers with mail, a calendar, databases and a web site go to the next release while they are used: what was there before is
//! there afterwards, and nobody who sends mail meanwhile is refused for good.

use std::time::Duration;

use end_to_end::{Estate, Ran, Sender, Server, until};

/// A firm's only server, and somebody who uses it.
const ROLES: &str = "\
roles: {mta: one, database: one, mail: one, mail_external: one, mail_certificates: one, calendar: one, \
reverse_proxy: one, wordpress: one}
";

/// How long an upgrade may take on a machine that has other work.
const PATIENCE: Duration = Duration::from_secs(2400);

const HOME: &str = "home.test";
const CUSTOMER: &str = "customer.test";

/// Who gets mail: a user of a hosted domain, and somebody with an account on the server.
const RECIPIENTS: [&str; 2] = ["one@customer.test", "first.last@home.test"];

struct Firm {
    server: Server,
}

impl Firm {
    fn new() -> Self {
        let estate = Estate::located(&[("one", "external"), ("user", "internal")]);
        for host in ["one", "user"] {
            estate.host_has_release(host, "bookworm");
        }
        estate.deploy();
        let one = estate.address("one");
        let network = one.trim_end_matches("101").to_owned();
        let connection = format!(
            "{{user: keeper, sudo: password, password: {}}}",
            estate.password()
        );
        let servers = estate.as_servers(&connection, "");
        let text = format!(
            "name: firm\nrelease: bookworm\nconnection: {connection}\nhosts:\n  one: {{address: {one}, location: external}}\n{ROLES}"
        );
        servers.write("estate.yml", &text);
        servers.write(
            "groups/all.yml",
            &format!(
                "home_domain: {HOME}\nhome_domain_admin_user: keeper\noffice_users: [first.last]\n\
                 office_subnet: {network}0/24\nmail_uses_ca: false\nreverse_proxy_uses_ca: false\ncalendar_access: open\n\
                 wordpress_ports: [8080]\nmta_smarthost: {{hostname: world.test, port: 587}}\n"
            ),
        );
        servers.write(
            &format!("domains/{HOME}/domain.yml"),
            "organisation: Home\nusers: [{name: first.last, account: keeper}]\n",
        );
        servers.write(
            &format!("domains/{HOME}/domain.private.yml"),
            &format!("user_passwords: {{first.last: {}}}\n", estate.password()),
        );
        servers.write(
            &format!("domains/{CUSTOMER}/domain.yml"),
            "organisation: Customer\nusers: [{name: one}]\nreverse_proxy_port: 8080\n\
             webhosts: {www: {proxy: one, wordpress: one, database: one}}\n\
             wordpress_admin: {name: webmaster, email: one@customer.test}\n",
        );
        servers.write(
            &format!("domains/{CUSTOMER}/domain.private.yml"),
            "user_passwords: {one: 'sample 9'}\ndatabase_passwords: {www: 'sample 10'}\nwordpress_admin_password: 'sample 11'\n",
        );
        // prov logs in with a key; the password is for sudo.
        estate.on(
            "one",
            "ssh-keygen -q -t ed25519 -N '' -f /root/key; install -d -o keeper -g keeper -m 0700 /home/keeper/.ssh; \
             install -o keeper -g keeper -m 0600 /root/key.pub /home/keeper/.ssh/authorized_keys",
        );
        servers.write_home(".ssh/id_ed25519", &estate.on("one", "cat /root/key"));
        let clients = estate.task(["packages", "names=[curl]"]);
        clients.args(["--limit", "user"]).run().exits(0);
        let server = Server::boot_hosts(estate, servers, &["one"]);
        Self { server }
    }

    fn prov(&self, arguments: &[&str]) -> Ran {
        self.server.servers.prov(arguments).run()
    }

    /// Runs a script as the user of the server's services does: on another machine, with names and authority known.
    fn user(&self, script: &str) -> String {
        self.server.estate.on("user", script)
    }

    /// Runs curl there, which must succeed.
    fn curl(&self, arguments: &str) -> String {
        let one = self.server.estate.address("one");
        let names = ["imap.customer.test", "imap.home.test", "www.customer.test"];
        let names = names.map(|name| format!("--connect-to {name}::{one}:"));
        self.user(&format!(
            "curl -q -sS --fail --max-time 20 --cacert /root/authority.pem {} {arguments}",
            names.join(" ")
        ))
    }

    /// Lets the user trust the authority of the estate.
    fn knows_the_authority(&self) {
        let path = self.server.servers.path_text("authority.pem");
        self.prov(&["authority", "export", "--certificate", &path])
            .exits(0);
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{error}"));
        self.user(&format!("cat >/root/authority.pem <<'END'\n{text}END\n"));
    }

    fn login(&self, recipient: &str) -> (String, String) {
        if recipient == RECIPIENTS[0] {
            (recipient.to_owned(), "sample 9".to_owned())
        } else {
            (
                "keeper".to_owned(),
                self.server.estate.password().to_owned(),
            )
        }
    }

    /// Tells of each subject whether a message of somebody has it, as their owner finds them.
    fn finds(&self, recipient: &str, subjects: &[&str]) -> Vec<bool> {
        let (user, password) = self.login(recipient);
        let domain = recipient.split_once('@').map_or("", |(_, domain)| domain);
        let searches = subjects
            .iter()
            .map(|subject| format!("'imaps://imap.{domain}/INBOX?SUBJECT%20{subject}'"));
        let searches = searches.collect::<Vec<_>>().join(" ");
        let found = self.curl(&format!("--user '{user}:{password}' {searches}"));
        let answers: Vec<_> = found
            .lines()
            .filter_map(|line| line.strip_prefix("* SEARCH"))
            .collect();
        assert_eq!(answers.len(), subjects.len(), "{found}");
        answers.iter().map(|it| !it.trim().is_empty()).collect()
    }

    /// Sees that all of these have come to somebody.
    fn has_mail(&self, recipient: &str, subjects: &[&str]) {
        until("everything that was taken is in its mailbox", || {
            self.finds(recipient, subjects).iter().all(|found| *found)
        });
    }
}

/// Makes a post as somebody who writes for the site does.
const POST: &str = r#"cat >/srv/post.php <<'END'
<?php
$_SERVER = ["HTTP_HOST" => "www.customer.test", "SERVER_NAME" => "www.customer.test", "REQUEST_URI" => "/", "REQUEST_METHOD" => "GET", "SERVER_PROTOCOL" => "HTTP/1.1"] + $_SERVER;
require "/usr/share/wordpress/wp-load.php";
echo wp_insert_post(["post_title" => "Old news", "post_content" => "Word of a post from before.", "post_status" => "publish", "post_author" => 1]);
END
runuser -u www-data -- php /srv/post.php"#;

const EVENT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//e2e//EN\r\nBEGIN:VEVENT\r\nUID:old\r\nDTSTAMP:20260101T000000Z\r\n\
                     DTSTART:20260102T100000Z\r\nSUMMARY:An event from before\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// What users have left on the server.
struct Left {
    post: String,
}

impl Firm {
    /// Leaves something of each kind, by the programs that users have.
    fn leave(&self) -> Left {
        let estate = &self.server.estate;
        for (number, recipient) in RECIPIENTS.into_iter().enumerate() {
            self.user(&format!(
                "printf 'To: {recipient}\\nSubject: old-{number}.\\n\\nFrom before.\\n' | curl -q -sS --fail \
                 --mail-from sender@world.test --mail-rcpt {recipient} --upload-file - smtp://{}/sender.world.test",
                estate.address("one")
            ));
        }
        let put = format!("cat >event.ics <<'END'\n{EVENT}END\n");
        self.user(&format!(
            "{put}curl -q -sS --fail --user first.last: --upload-file event.ics http://{}:5232/first.last/calendar/old.ics",
            estate.address("one")
        ));
        estate.on(
            "one",
            "mariadb -e \"create database own; create table own.notes (word varchar(20)); insert into own.notes values ('kept \u{fc}')\"",
        );
        let post = estate.on("one", POST);
        Left { post }
    }

    /// Sees that all of it is there, as its owners do.
    fn is_there(&self, left: &Left) {
        let one = self.server.estate.address("one");
        for (number, recipient) in RECIPIENTS.into_iter().enumerate() {
            self.has_mail(recipient, &[&format!("old-{number}.")]);
        }
        let event = self.curl(&format!(
            "--user first.last: http://{one}:5232/first.last/calendar/old.ics"
        ));
        assert!(event.contains("An event from before"), "{event}");
        let page = self.curl(&format!("-L 'https://www.customer.test/?p={}'", left.post));
        assert!(page.contains("Word of a post from before"), "{page}");
        let rows = self.server.estate.on(
            "one",
            "mariadb --skip-column-names -e 'select word from own.notes'",
        );
        assert_eq!(rows, "kept \u{fc}\n");
    }
}

#[test]
fn servers_go_to_the_next_release_while_they_are_used() {
    let firm = Firm::new();
    firm.prov(&["apply"]).exits(0);
    firm.prov(&["domain", "--all"]).exits(0);
    firm.knows_the_authority();
    let left = firm.leave();
    firm.is_there(&left);

    let preview = firm.prov(&["upgrade", "--to", "trixie", "--diff"]);
    preview.exits(0).says("+Suites: trixie").says("no way back");

    let sender = Sender::begin(&firm.server.estate.address("one"), &RECIPIENTS);
    let upgrade = ["upgrade", "--to", "trixie", "--reboot"];
    let upgraded = firm.server.servers.prov(upgrade).run_within(PATIENCE);
    let sent = sender.end();
    upgraded.exits(0).says("started again");
    assert!(sent.for_good.is_empty(), "{:#?}", sent.for_good);
    assert_eq!(sent.waiting, 0, "{:#?}", sent.temporary);
    firm.server.servers.host_has_release("one", "trixie");
    let diff = ["--output", "json", "diff", "--domains"];
    firm.prov(&diff).unchanged("one");
    firm.is_there(&left);
    for recipient in RECIPIENTS {
        let taken = sent.taken.iter().filter(|(to, _)| to == recipient);
        let taken: Vec<_> = taken.map(|(_, subject)| subject.as_str()).collect();
        assert!(!taken.is_empty(), "{:#?}", sent.temporary);
        firm.has_mail(recipient, &taken);
    }
    let left = "ls /run/prov-upgrade* /usr/sbin/policy-rc.d* /var/lib/prov/upgrade.log | grep .";
    assert!(!firm.server.estate.holds("one", left));
}
