//! Dynamic DNS against the stand-in of Linode's API: records follow the host's address, and whatever is wrong with one of
//! them is logged while the others are still done.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use end_to_end::{Estate, docker, release, secret, until};

const STARTED: &str = "Started check for Dynamic DNS updates";
const FINISHED: &str = "Finished check for Dynamic DNS updates";

/// Runs one check; gives what it has logged, once its last line is there.
fn check(estate: &Estate) -> Vec<String> {
    let log = || estate.on("one", "cat /var/log/syslog");
    let before = log().len();
    estate.on("one", "/usr/local/sbin/dynamic-dns || :");
    let ends =
        |text: &str| text[before..].contains(FINISHED) || text[before..].contains("left out");
    until("the check's last line is in the log", || ends(&log()));
    let text = log()[before..].to_owned();
    let lines = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once(" dynamic-dns[")?;
        Some(rest.split_once("]: ")?.1.to_owned())
    });
    lines.collect()
}

fn elsewhere(estate: &Estate, record: &str) {
    let answer = estate.linode("one", "PUT", record, "{\"target\": \"192.0.2.9\"}");
    assert!(answer.contains("192.0.2.9"), "{answer}");
}

fn changed(estate: &Estate, from: &str, record: &str, domain: &str) -> String {
    let to = estate.address("one");
    format!("The target was changed from {from} to {to} for record {record} in domain {domain}")
}

#[test]
fn records_follow_the_host_and_a_fault_does_not_keep_the_others_from_it() {
    let estate = Estate::new(&["one"]);
    let token = secret();
    estate.inventory_with_stand_in("linode", "roles: {dns_api: [one], dynamic_dns: [one]}\n");
    estate.write(
        "hosts/one.private.yml",
        &format!("dns_linode_key: '{token}'\n"),
    );
    estate.write(
        "hosts/one.yml",
        &format!(
            "dns_linode_base_url: http://{}/v4/domains\ndynamic_dns_crontab_stride: 59\n\
             dynamic_dns_address_urls: ['http://127.0.0.1:8097/', 'http://127.0.0.1:8098/']\n\
             dynamic_dns_domains:\n  a.test: {{id: 1, records: [11, 12]}}\n  b.test: {{id: 2, records: [21]}}\n",
            estate.stand_in()
        ),
    );
    estate.deploy();
    // Cron checks at the minutes 0 and 59 of the host's zone, which are to be far from now.
    let zone = "[ $(date +%M) -ge 10 ] && [ $(date +%M) -lt 50 ] || ln -sf /usr/share/zoneinfo/Asia/Kolkata /etc/localtime";
    estate.on("one", zone);
    estate.prov(["apply"]).run().exits(0).never_says(&token);
    estate.prov(["test"]).run().exits(0);
    estate.prov(["--output", "json", "complete"]).run().exits(0);
    let again = estate.prov(["--output", "json", "complete"]).run();
    again.unchanged("one");

    let first = |record: &str, domain: &str| changed(&estate, "192.0.2.1", record, domain);
    let expected = [
        STARTED.to_owned(),
        first("@", "a.test"),
        first("www", "a.test"),
        first("@", "b.test"),
        FINISHED.to_owned(),
    ];
    assert_eq!(check(&estate), expected);
    assert_eq!(check(&estate), [STARTED, FINISHED]);

    what_the_api_does_not_see_is_asked_elsewhere(&estate);
    a_new_failure_is_printed_once(&estate);
    what_is_unknown_or_malformed_is_passed_over(&estate);
    a_wrong_token_is_said_for_every_record(&estate, &token);
    an_answer_that_makes_no_sense_is_said(&estate);
    checks_do_not_overlap(&estate);
    an_api_that_is_down_is_said_and_comes_back_with_test_mode(&estate);
    the_token_is_where_it_belongs_and_nowhere_else(&estate, &token);
}

fn what_is_unknown_or_malformed_is_passed_over(estate: &Estate) {
    let folder = "/usr/local/etc/dynamic-dns-domains";
    estate.on(
        "one",
        &format!("echo 'no setting' >{folder}/0.test.conf; echo nothing >{folder}/0.test.conf~"),
    );
    estate.linode("one", "DELETE", "1/records/11", "");
    elsewhere(estate, "1/records/12");
    elsewhere(estate, "2/records/21");
    let expected = [
        STARTED.to_owned(),
        format!("Could not read {folder}/0.test.conf: line 1 is not 'name = value'"),
        "Could not read record 11 in domain a.test: the API answered 404 Not Found: Not found"
            .to_owned(),
        changed(estate, "192.0.2.9", "www", "a.test"),
        changed(estate, "192.0.2.9", "@", "b.test"),
        FINISHED.to_owned(),
    ];
    assert_eq!(check(estate), expected);
    estate.on("one", &format!("rm {folder}/0.test.conf*"));
}

fn a_wrong_token_is_said_for_every_record(estate: &Estate, token: &str) {
    estate.on(
        "one",
        "sed -i 's/_key = .*/_key = wrong/' /usr/local/etc/linode.ini",
    );
    let said = check(estate);
    let refused =
        |line: &&String| line.ends_with("the API answered 401 Unauthorized: Invalid Token");
    assert_eq!(said.iter().filter(refused).count(), 3, "{said:?}");
    assert_eq!(said.last().unwrap(), FINISHED);
    let ran = estate.prov(["--output", "json", "apply"]).run();
    ran.changed("one", &["file /usr/local/etc/linode.ini"])
        .never_says(token);
}

fn an_answer_that_makes_no_sense_is_said(estate: &Estate) {
    estate.on(
        "one",
        "cat >/root/nonsense <<'X'\n\
         use IO::Socket::INET;\n\
         my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1:8099', ReuseAddr => 1) or die;\n\
         while (my $c = $s->accept) { while (<$c>) { last if /^\\r?$/ }\n\
         print $c \"HTTP/1.0 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\n[1,2]\"; close $c }\n\
         X\n\
         perl /root/nonsense >/dev/null 2>&1 &\n\
         sed -i 's,^base_url = .*,base_url = http://127.0.0.1:8099,' /usr/local/etc/dynamic-dns.conf",
    );
    estate.until(
        "one",
        "the server of nonsense listens",
        "/usr/local/lib/prov/listening tcp 8099",
    );
    let said = check(estate);
    let nonsense = |line: &&String| line.ends_with("the API's answer is not a record");
    assert_eq!(said.iter().filter(nonsense).count(), 3, "{said:?}");
    assert_eq!(said.last().unwrap(), FINISHED);
    estate.on("one", "pkill -f /root/nonsense");
    estate.prov(["apply"]).run().exits(0);
}

/// A host that reaches the API by IPv4 has an IPv6 address, too; one of two services for that is down.
fn what_the_api_does_not_see_is_asked_elsewhere(estate: &Estate) {
    let six = "{\"type\": \"AAAA\", \"name\": \"six\", \"target\": \"2001:db8::1\"}";
    let answer = estate.linode("one", "POST", "2/records", six);
    let (_, number) = answer.split_once("\"id\": ").unwrap();
    let number: String = number.chars().take_while(char::is_ascii_digit).collect();
    estate.on(
        "one",
        &format!(
            "printf 'domain = b.test\nid = 2\nrecord = {number}\n' >/usr/local/etc/dynamic-dns-domains/six.conf"
        ),
    );
    let refused = "Could not set the target of record six in domain b.test: the API answered 400 Bad Request: Invalid IPv6 address; \
                   http://127.0.0.1:8097/ gives no address of that kind; http://127.0.0.1:8098/ gives no address of that kind";
    assert_eq!(check(estate), [STARTED, refused, FINISHED]);
    estate.on(
        "one",
        "cat >/root/seen <<'X'\n\
         use IO::Socket::INET;\n\
         my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1:8098', ReuseAddr => 1) or die;\n\
         while (my $c = $s->accept) { while (<$c>) { last if /^\\r?$/ }\n\
         print $c \"HTTP/1.0 200 OK\\r\\nContent-Length: 12\\r\\n\\r\\n2001:db8::9\\n\"; close $c }\n\
         X\n\
         perl /root/seen >/dev/null 2>&1 & echo $! >/root/seen.pid",
    );
    estate.until(
        "one",
        "the service listens",
        "/usr/local/lib/prov/listening tcp 8098",
    );
    let changed =
        "The target was changed from 2001:db8::1 to 2001:db8::9 for record six in domain b.test";
    assert_eq!(check(estate), [STARTED, changed, FINISHED]);
    assert_eq!(check(estate), [STARTED, FINISHED]);
    estate.on(
        "one",
        "kill $(cat /root/seen.pid); rm /usr/local/etc/dynamic-dns-domains/six.conf",
    );
}

/// What is printed is what cron sends to root.
fn a_new_failure_is_printed_once(estate: &Estate) {
    let printed = || estate.on("one", "/usr/local/sbin/dynamic-dns || :");
    assert_eq!(printed(), "");
    let file = "/usr/local/etc/dynamic-dns-domains/0.test.conf";
    estate.on("one", &format!("echo 'no setting' >{file}"));
    let first = format!("Could not read {file}: line 1 is not 'name = value'\n");
    assert_eq!(printed(), first);
    assert_eq!(printed(), "");
    // Another one beside it is told alone.
    let other = file.replace("0.test", "1.test");
    estate.on("one", &format!("echo 'no setting' >{other}"));
    assert_eq!(printed(), first.replace("0.test", "1.test"));
    // One that comes back after it was gone is new.
    estate.on("one", &format!("rm {file} {other}"));
    assert_eq!(printed(), "");
    estate.on("one", &format!("echo 'no setting' >{file}"));
    assert_eq!(printed(), first);
    estate.on("one", &format!("rm {file}"));
    assert_eq!(printed(), "");
}

fn checks_do_not_overlap(estate: &Estate) {
    estate.on(
        "one",
        "flock /run/dynamic-dns.lock sh -c 'touch /run/held; sleep 3' >/dev/null 2>&1 &",
    );
    estate.until("one", "the lock is held", "[ -e /run/held ]");
    let said = check(estate);
    let left_out = "The check before this one is still running, so this one is left out";
    assert_eq!(said, [left_out]);
    estate.until(
        "one",
        "the lock is free",
        "flock -n /run/dynamic-dns.lock true",
    );
}

fn an_api_that_is_down_is_said_and_comes_back_with_test_mode(estate: &Estate) {
    docker(&["stop", "--time", "5", &estate.container("linode")], "");
    let status = estate.prov(["--output", "json", "status"]).run();
    assert_eq!(status.json()["stand_ins"][0]["running"], false);
    // An API that does not answer is waited for; cron may have come to its own check meanwhile, which says so.
    let mut said = check(estate);
    said.retain(|line| !line.starts_with("The check before this one is still running"));
    assert_eq!(said.len(), 5, "{said:?}");
    assert!(
        said[1].starts_with("Could not read record 11 in domain a.test: "),
        "{said:?}"
    );
    assert_eq!(said.last().unwrap(), FINISHED);

    estate.prov(["test"]).run().exits(0);
    let id = || {
        docker(
            &[
                "inspect",
                "--format",
                "{{.Id}}",
                &estate.container("linode"),
            ],
            "",
        )
    };
    let before = id();
    assert_eq!(check(estate).len(), 5);
    // One that runs is left alone, with what it remembers.
    estate.prov(["test"]).run().exits(0);
    assert_eq!(id(), before);
    assert_eq!(check(estate), [STARTED, FINISHED]);
    let status = estate.prov(["--output", "json", "status"]).run();
    let stand_in = &status.json()["stand_ins"][0];
    assert_eq!(stand_in["running"], true);
    assert_eq!(stand_in["address"], estate.stand_in());
}

fn the_token_is_where_it_belongs_and_nowhere_else(estate: &Estate, token: &str) {
    let inspected = docker(&["inspect", &estate.container("linode")], "");
    let image = format!("prov/stand-in-linode:{}", release());
    let history = docker(&["history", "--no-trunc", &image], "");
    let logs = estate.prov(["logs", "--tail", "500"]).run();
    logs.exits(0).never_says(token);
    for text in [inspected, history] {
        assert!(!text.contains(token), "{text}");
    }
    let only_root = "[ \"$(stat -c %a:%U /usr/local/etc/linode.ini)\" = 600:root ]";
    assert!(estate.holds("one", only_root));
    assert!(!estate.holds("one", &format!("grep -q {token} /var/log/syslog")));
}
