//! What the hosts of web sites keep from others: files, accounts, and the databases themselves.

use tasks::promise::{DatabaseServer, SiteAccount, SiteServer};

use super::{SERVICE, View};
use crate::verify::{Check, Open, Testbed, TestbedError};

/// Shows that an account of the host without rights cannot read the site's password.
pub(super) async fn unreadable(
    site: &SiteServer,
    testbed: &Testbed,
) -> Result<Check, TestbedError> {
    const SCRIPT: &str = "for file; do \
        printf '%s ' \"$(stat -c '%U:%G %a' -- \"$file\" 2>&1)\"; \
        if runuser -u nobody -- cat -- \"$file\" >/dev/null 2>&1; then echo 'anybody reads it'; else echo; fi; done";
    let host = &site.server.name;
    let files: Vec<&str> = site.private_files.iter().map(String::as_str).collect();
    let open = Open::new(
        SERVICE,
        format!(
            "nobody but the web server reads the secrets of {}",
            site.name
        ),
        format!(
            "stat, and cat as nobody, of {} on {host}",
            files.join(" and ")
        ),
        site.private_access.clone(),
    );
    let command = [&["sh", "-c", SCRIPT, "sh"], files.as_slice()].concat();
    let output = testbed.on(host, &command, b"").await?;
    let text = output.text();
    let mut lines: Vec<_> = text.lines().map(str::trim).collect();
    let passed =
        lines.len() == files.len() && lines.iter().all(|line| *line == site.private_access);
    lines.dedup();
    Ok(open.close(lines.join("; "), passed))
}

/// Shows that the site is installed in its database.
pub(super) async fn installed(site: &SiteServer, testbed: &Testbed) -> Result<Check, TestbedError> {
    let host = &site.server.name;
    let command: Vec<&str> = site.installed.iter().map(String::as_str).collect();
    let open = Open::new(
        SERVICE,
        format!(
            "{} reaches its database on {}",
            site.name, site.database.name
        ),
        format!("{} on {host}", command.join(" ")),
        "it does".to_owned(),
    )
    .of(host);
    let output = testbed.on(host, &command, b"").await?;
    let came = match (output.code, output.errors()) {
        (0, _) => "it does".to_owned(),
        (_, said) if said.is_empty() => "the site is not installed".to_owned(),
        (_, said) => said,
    };
    Ok(open.close(came, output.code == 0))
}

/// Shows that the account of a site's database is for the site's host alone.
pub(super) async fn only_from(
    account: &SiteAccount,
    testbed: &Testbed,
) -> Result<Check, TestbedError> {
    let server = &account.server.name;
    let open = Open::new(
        SERVICE,
        format!("the account of {} is for its host alone", account.site),
        format!("accounts {} on {server}", account.account),
        format!("from {}", account.from),
    )
    .of(server);
    let query = format!(
        "SELECT Host FROM mysql.user WHERE User = '{}' ORDER BY Host",
        account.account
    );
    let command = [
        "mariadb",
        "--no-defaults",
        "--protocol=socket",
        "--user=root",
        "--batch",
        "--skip-column-names",
    ];
    let output = testbed.on(server, &command, query.as_bytes()).await?;
    let text = output.text();
    let from: Vec<_> = text.lines().collect();
    let came = match (from.as_slice(), output.code) {
        ([], 0) => "there is none".to_owned(),
        (from, 0) => format!("from {}", from.join(", ")),
        (_, _) => output.errors(),
    };
    let passed = from == [account.from.as_str()];
    Ok(open.close(came, passed))
}

/// Shows that a database's server turns away who comes from elsewhere, before any account is asked for.
pub(super) async fn closed(
    database: &DatabaseServer,
    inside: View<'_>,
) -> Result<Check, TestbedError> {
    // A server greets whom it would let in; whom it would not gets one message.
    // A firewall lets nobody come as far as that.
    const SCRIPT: &str = "exec 2>&1\ntimeout 5 bash -c ': <>\"/dev/tcp/$0/$1\"' \"$1\" \"$2\" 2>/dev/null; [ $? -ne 124 ] || { echo 'no answer'; exit; }\n\
        exec 3<>\"/dev/tcp/$1/$2\" && timeout 15 head -c 70 <&3 | tr -c '[:print:]' ' '";
    let expected = if database.exposed {
        "not allowed to connect"
    } else {
        "Connection refused"
    };
    let server = &database.server;
    let (address, port) = (server.address.to_string(), database.port.to_string());
    let open = Open::new(
        SERVICE,
        format!("the databases on {} are closed to other hosts", server.name),
        format!("a connection to {address} port {port}, {}", inside.name),
        expected.to_owned(),
    );
    let command = ["bash", "-c", SCRIPT, "bash", &address, &port];
    let output = inside.curl.other(&command, b"").await?;
    let text = output.text();
    let line = text.lines().next().unwrap_or_default();
    // Before the message there are its length and its number; before the shell's, its own name.
    let from = line.find("Host ").or_else(|| Some(line.rfind(": ")? + 2));
    let came = line[from.unwrap_or(0)..].trim().to_owned();
    let passed = came.contains(expected) || came == "no answer";
    Ok(open.close(came, passed))
}
