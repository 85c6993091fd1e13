//! What programs really print, and what is made of it.

use super::*;
use crate::estate::parse_bytes;

fn read(yaml: &str) -> Result<OwnCheck, Vec<Diagnostic>> {
    let node = parse_bytes("check.yml", yaml.as_bytes(), false).map_err(Diagnostic::alone)?;
    let (key, fields) = &node.entries().unwrap()[0];
    let kind = CHECK_KINDS
        .iter()
        .find(|kind| kind.name == key.text)
        .unwrap();
    let host = Server {
        name: "web1".to_owned(),
        address: IpAddr::from([192, 0, 2, 1]),
    };
    let at = (host, Location::Internal);
    OwnCheck::read(kind, (fields, &key.mark), "page", at, Beside::default())
}

fn judged(yaml: &str, code: i64, stdout: &str, stderr: &str) -> (bool, String) {
    let reply = Reply {
        bytes: stdout.len(),
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
        code,
    };
    let verdict = read(yaml).unwrap().judge(&reply);
    (verdict.passed, verdict.came)
}

const REFUSED: &str = "check: connect: Connection refused\ncheck: line 1: /dev/tcp/192.0.2.1/80: Connection refused\n";

#[test]
fn a_port_that_must_be_closed_is_so_only_if_somebody_said_so_or_nobody_answers() {
    let closed = "tcp: {port: 80, open: false}";
    assert_eq!(
        judged(closed, 1, "", REFUSED),
        (true, "connection refused".to_owned())
    );
    assert!(judged(closed, 124, "", "asked\n").0);
    // Whoever has not even begun to connect knows nothing.
    assert!(!judged(closed, 124, "", "").0);
    let lost = "asked\ncheck: line 1: connect: Network is unreachable\n";
    assert!(!judged(closed, 1, "", lost).0);
    assert!(!judged(closed, 0, "", "").0);
    let nobody = "check: line 1: web9: Name or service not known\n";
    let (passed, came) = judged("tcp: {port: 80, host: web9, open: false}", 1, "", nobody);
    assert_eq!(
        (passed, came.as_str()),
        (false, "Name or service not known")
    );
}

#[test]
fn an_answer_counts_although_the_server_keeps_the_line_open() {
    let greets = "tcp: {port: 25, answers: '^220 '}";
    assert!(judged(greets, 124, "220 web1 ESMTP\n", "").0);
    assert!(judged(greets, 0, "220 web1 ESMTP\n", "").0);
    assert!(!judged(greets, 124, "", "").0);
    let (passed, came) = judged(greets, 0, "554 go away\n", "");
    assert_eq!(
        (passed, came.as_str()),
        (
            false,
            "nothing like '^220 ': the answer begins with: 554 go away"
        )
    );
    assert_eq!(
        judged(greets, 1, "", REFUSED),
        (false, "Connection refused".to_owned())
    );
}

#[test]
fn a_page_is_judged_by_status_headers_and_body() {
    let page = "http: {status: 301, headers: {Location: '/new$'}, body: moved}";
    let told = |status: u16, location: &str| {
        format!("\nprov-answer:{status}\n{{\"location\":[\"{location}\"]\n}}\n")
    };
    assert!(judged(page, 0, "it has moved", &told(301, "/new")).0);
    for (stdout, stderr) in [
        ("it has moved", told(302, "/new")),
        ("it has moved", told(301, "/old")),
        ("gone", told(301, "/new")),
        (
            "",
            "curl: (7) Failed to connect\n\nprov-answer:000\n{\n}\n".to_owned(),
        ),
        ("it has moved", String::new()),
    ] {
        assert!(!judged(page, 0, stdout, &stderr).0, "{stdout} {stderr}");
    }
    let cut = told(301, "/new") + "curl: (18) transfer closed with 5 bytes remaining to read\n";
    assert!(!judged(page, 18, "moved", &cut).0);
}

#[test]
fn what_a_name_server_says_is_compared_whole() {
    let text = ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 7\n\n\
                page.example.\t300\tIN\tA\t192.0.2.7\npage.example.\t300\tIN\tA\t192.0.2.8\n";
    assert!(judged("dns: {name: page.example}", 0, text, "").0);
    assert!(
        judged(
            "dns: {name: page.example, answers: [192.0.2.8, 192.0.2.7]}",
            0,
            text,
            ""
        )
        .0
    );
    assert!(
        !judged(
            "dns: {name: page.example, answers: [192.0.2.7]}",
            0,
            text,
            ""
        )
        .0
    );
    assert!(!judged("dns: {name: page.example, exists: false}", 0, text, "").0);
    let none = text
        .split_once("\n\n")
        .unwrap()
        .0
        .replace("NOERROR", "NXDOMAIN");
    assert!(judged("dns: {name: page.example, exists: false}", 0, &none, "").0);
    assert!(!judged("dns: {name: page.example}", 0, &none, "").0);
    let silent =
        ";; communications error to 192.0.2.1#53: timed out\n;; no servers could be reached\n";
    assert!(!judged("dns: {name: page.example, exists: false}", 9, silent, "").0);
    let mail = ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 7\n\nexample.\t0\tIN\tMX\t10 mail.example.\n";
    assert!(
        judged(
            "dns: {name: example, type: MX, answers: ['10 mail.example']}",
            0,
            mail,
            ""
        )
        .0
    );
}

#[test]
fn records_that_say_the_same_are_equal() {
    let answer = |kind: &str, data: &str| {
        format!(
            ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 7\n\nexample.\t0\tIN\t{kind}\t{data}\n"
        )
    };
    for (kind, data, wanted) in [
        ("AAAA", "2001:db8::1", "2001:DB8:0:0::1"),
        ("MX", "10 Mail.Example.", "10  mail.example"),
        ("TXT", "\"v=spf1 -all\"", "v=spf1 -all"),
        ("TXT", "\"one \" \"two\"", "one two"),
        (
            "CAA",
            "0 issue \"letsencrypt.org\"",
            "0 issue letsencrypt.org",
        ),
    ] {
        let check = format!("dns: {{name: example, type: {kind}, answers: ['{wanted}']}}");
        let (passed, came) = judged(&check, 0, &answer(kind, data), "");
        assert!(passed, "{check}: {came}");
    }
}

#[test]
fn what_a_file_holds_is_shown_to_nobody() {
    let check = read("file: {path: /etc/shop/key, contains: '^key 2'}").unwrap();
    let reply = Reply {
        stdout: "key 1 hunter22".to_owned(),
        ..Reply::default()
    };
    let verdict = check.judge(&reply);
    assert!(!verdict.passed);
    assert!(!verdict.came.contains("hunter22"));
    assert_eq!(check.printed(&reply), "");
}

#[test]
fn an_address_as_a_name_is_compared_as_one() {
    let check = read("tls: {port: 443, name: 192.0.2.7}").unwrap();
    assert!(check.ask().argv.contains(&"-verify_ip".to_owned()));
}

#[test]
fn a_certificate_that_is_not_trusted_or_ends_too_early_fails() {
    let good = "Verification: OK\nVerify return code: 0 (ok)\nnotAfter=Dec 30 18:49:37 2027 GMT\nCertificate will not expire\n";
    let tls = "tls: {port: 443, days: 14}";
    assert!(judged(tls, 0, good, "").0);
    assert!(!judged(tls, 0, &good.replace("will not expire", "will expire"), "").0);
    let stranger = "verify error:num=18:self-signed certificate\nVerify return code: 18 (self-signed certificate)\n";
    let (passed, came) = judged(tls, 1, stranger, "");
    assert_eq!(
        (passed, came.as_str()),
        (false, "num=18:self-signed certificate")
    );
    let stranger =
        format!("{stranger}notAfter=Dec 30 18:49:37 2027 GMT\nCertificate will not expire\n");
    assert!(!judged(tls, 1, &stranger, "").0);
    assert!(judged("tls: {port: 443, trusted: false}", 0, &stranger, "").0);
    assert!(!judged(tls, 1, "Connecting to 192.0.2.1\n0:error:8000006F:system library:BIO_connect:Connection refused\n", "").0);
}

#[test]
fn where_no_service_manager_runs_nothing_is_proved() {
    for running in [true, false] {
        let service = format!("service: {{name: nginx, running: {running}}}");
        assert!(!judged(&service, 44, "no service manager runs\n", "").0);
        assert_eq!(judged(&service, 0, "active\n", "").0, running);
        assert_eq!(judged(&service, 3, "inactive\n", "").0, !running);
        assert_eq!(
            judged(&service, 0, "run: /run/service/nginx: (pid 7) 5s\n", "").0,
            running
        );
        assert_eq!(
            judged(&service, 0, "down: /run/service/nginx: 5s\n", "").0,
            !running
        );
    }
}

#[test]
fn what_does_not_end_or_is_not_there_says_so() {
    let command = "command: {argv: [pg_isready]}";
    let (passed, came) = judged(
        command,
        127,
        "",
        "timeout: failed to run command 'pg_isready'\n",
    );
    assert_eq!(
        (passed, came.as_str()),
        (
            false,
            "the program pg_isready is not there; name its package in the role, or see it `from: inside`"
        )
    );
    assert_eq!(
        judged(command, 124, "", "").1,
        "no end within 10 s; so far: nothing was printed"
    );
    assert!(!judged("command: {argv: [cat, /x]}", 0, &"x".repeat(MOST), "").0);
    let program = judged("tls: {port: 443}", 127, "", "").1;
    assert!(program.contains("program openssl"), "{program}");
    let program = judged("command: {argv: [pg_isready], user: postgres}", 127, "", "").1;
    assert!(program.contains("program pg_isready"), "{program}");
    let wanted = judged(
        "command: {argv: [sh, -c, 'exit 127'], exit: 127}",
        127,
        "",
        "",
    );
    assert!(wanted.0);
    let other = judged("command: {argv: [sh, -c, 'exit 3'], exit: 3}", 3, "", "");
    assert_eq!(other, (true, "exit code 3".to_owned()));
}

#[test]
fn a_password_is_in_no_argument_and_in_nothing_that_is_shown() {
    for check in [
        "http: {user: anna, password: 'pa\"ss'}",
        "smtp: {to: a@b.example, user: anna, password: 'pa\"ss'}",
        "imap: {user: anna, password: 'pa\"ss'}",
    ] {
        let check = read(check).unwrap();
        let ask = check.ask();
        let shown = [
            ask.argv.join(" "),
            check.typed(),
            check.expected(),
            check.shows(),
        ]
        .join("\n");
        assert!(!shown.contains("pa\"ss"), "{shown}");
        assert!(ask.stdin.expose().contains("ss"));
        let echo = Reply {
            stdout: "the password pa\"ss is wrong".to_owned(),
            ..Reply::default()
        };
        assert!(
            !check
                .judge(&Reply {
                    code: 1,
                    ..echo.clone()
                })
                .came
                .contains("pa\"ss")
        );
        assert!(!check.printed(&echo).contains("pa\"ss"));
        assert!(!format!("{check:?}").contains("pa\"ss"));
    }
}

#[test]
fn a_check_that_means_nothing_is_refused_with_what_to_write() {
    for (check, words) in [
        ("tcp: {port: 0}", "0"),
        (
            "tcp: {port: 80, open: false, answers: x}",
            "leave `sends` and `answers` out",
        ),
        ("tcp: {port: 80, answers: '.*'}", "could not fail"),
        ("tcp: {port: 80, host: -oProxy}", "-oProxy"),
        ("udp: {port: 53}", "one of 'sends' and 'sends_hex'"),
        ("udp: {port: 53, sends_hex: abc}", "hexadecimal"),
        ("tcp: {port: 80, silent: true}", "add `open: false`"),
        ("http: {url: web1}", "no address of a page"),
        ("http: {url: 'http://a:secret@b/'}", "shows a password"),
        ("http: {url: 'https:///x'}", "no address of a page"),
        ("http: {url: 'http://web1:99999/'}", "ports go from 1"),
        ("http: {url: 'http://web1:/'}", "ports go from 1"),
        ("http: {status: 700}", "700"),
        ("http: {user: a, password: \"b\\nc\"}", "control characters"),
        ("dns: {name: 192.0.2.7, type: PTR}", "in-addr.arpa"),
        ("http: {password: x}", "no 'user'"),
        ("http: {body: ''}", "could not fail"),
        ("http: {headers: {x: 'a*'}}", "could not fail"),
        (
            "dns: {name: x, exists: false, answers: [y]}",
            "leave `answers` out",
        ),
        ("dns: {name: x, answers: []}", "exists: false"),
        ("dns: {name: -x}", "-x"),
        ("smtp: {to: nobody}", "no address of a mailbox"),
        ("smtp: {accepted: false}", "whom the server must refuse"),
        ("smtp: {to: a@b, user: x}", "set both or none"),
        ("imap: {user: x, password: \"a\\nb\"}", "control characters"),
        ("command: {argv: []}", "names no program"),
        ("command: {argv: [x], stdout: 'y?'}", "could not fail"),
        ("file: {path: x}", "absolute"),
        (
            "file: {path: /x, exists: false, contains: y}",
            "leave `contains` out",
        ),
        ("service: {name: '-x'}", "service name"),
    ] {
        let found = read(check)
            .err()
            .unwrap_or_else(|| panic!("{check} was accepted"));
        let told: Vec<_> = found.iter().map(ToString::to_string).collect();
        let told = told.join("\n")
            + &found
                .iter()
                .filter_map(|it| it.hint.clone())
                .collect::<String>();
        assert!(told.contains(words), "{check}: {told}");
        assert!(
            found.iter().all(|it| it.place.is_some()),
            "{check}: {found:?}"
        );
        assert!(!told.contains("secret@"), "{told}");
    }
}

#[test]
fn addresses_of_pages_may_have_what_pages_have() {
    for url in [
        "http://web1/users/@anna?m=a@b.example",
        "http://[2001:db8::1]:8080/",
        "https://web1/ids[]={x}",
    ] {
        let check = read(&format!("http: {{url: '{url}'}}"));
        assert!(check.is_ok(), "{url}: {:?}", check.err());
    }
}
