//! Mail clients: what they are told of the estate's users, and what is refused before a container is made.

use end_to_end::Estate;

/// A home domain and a customer's, with passwords of characters that mean something to somebody.
fn estate() -> Estate {
    let estate = Estate::name_servers();
    estate.write(
        "domains/home.test/domain.yml",
        "organisation: Home\nusers: [{name: first.last, account: first}]\n\
         user_passwords: {first.last: 'plain words'}\n",
    );
    estate.write(
        "domains/customer.test/domain.yml",
        "organisation: Customer\nusers: [{name: somebody}, {name: nobody}]\n",
    );
    estate.write(
        "domains/customer.test/domain.private.yml",
        "user_passwords:\n  somebody: \"a'b\\\"c\\\\d$e`f;g&h%i*j^k ü#\"\n",
    );
    estate
}

#[test]
fn mutt_reads_the_settings_of_its_user_as_they_are_meant() {
    let estate = estate();
    let ask = |order: [&str; 2], settings: &[&str]| {
        let mut line = vec!["client", "mutt", order[0], order[1]];
        line.extend(settings.iter().flat_map(|name| ["-Q", name]));
        let ran = estate.prov(line).run();
        ran.exits(0);
        ran.stdout.replace('\r', "")
    };
    let all = ["imap_user", "imap_pass", "smtp_pass", "folder", "smtp_url"];
    let outside = ask(["somebody@customer.test", "external"], &all);
    // As mutt shows values: quotation marks and backslashes have a backslash before them.
    let password = r#""a'b\"c\\d$e`f;g&h%i*j^k ü#""#;
    let url = "smtps://somebody%40customer.test@smtp.customer.test:465/";
    for line in [
        "imap_user=\"somebody@customer.test\"".to_owned(),
        format!("imap_pass={password}"),
        format!("smtp_pass={password}"),
        "folder=\"imaps://imap.customer.test:993/\"".to_owned(),
        format!("smtp_url=\"{url}\""),
    ] {
        assert!(outside.contains(&line), "no {line} in {outside}");
    }
    let inside = ask(["internal", "first.last@home.test"], &all);
    for line in [
        "imap_user=\"first\"",
        "imap_pass=\"plain words\"",
        "folder=\"imap://imap/\"",
        "smtp_url=\"smtp://smtp:25/\"",
    ] {
        assert!(inside.contains(line), "no {line} in {inside}");
    }
}

#[test]
fn what_a_mail_client_cannot_do_is_refused_with_a_remedy() {
    let estate = estate();
    let refused = |arguments: &[&str], said: &str| {
        let line = std::iter::once("client").chain(arguments.iter().copied());
        estate.prov(line).run().exits(64).says(said);
    };
    refused(&["mutt"], "prov client mutt ADDRESS internal");
    refused(&["mutt", "somebody@customer.test"], "ADDRESS external");
    let outside = |address| ["mutt", address, "external"];
    refused(&outside("first.last@home.test"), "inside only");
    refused(
        &outside("somebody@custmer.test"),
        "did you mean 'customer.test'?",
    );
    refused(
        &outside("somebdy@customer.test"),
        "did you mean 'somebody'?",
    );
    refused(&outside("nobody@customer.test"), "has no password");
    refused(
        &["mutt", "somebody@customer.test", "extern"],
        "did you mean 'external'?",
    );
    refused(&["swaks"], "prov client swaks ADDRESS");
    refused(
        &["dig", "+short", "external", "one"],
        "`prov client dig external +short one`",
    );
    refused(
        &["swaks", "somebody@customer.test"],
        "give a host the role mail_gateway",
    );
}
