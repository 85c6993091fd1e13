//! The `web` service: every site by its name, through its proxy, as a visitor sees it; and what no visitor must see.
//!
//! Names come from the DNS server of the scope, and no certificate is trusted but those of the estate's authority. Sites
//! inside are asked for inside, those outside from both sides.

mod page;

use std::net::IpAddr;

use tasks::authority::Issued;

use super::{Check, Evidence, Open};
use crate::docker::{ClientSession, DockerError, EstateContainers};

use page::{Picture, fold, title};

const SERVICE: &str = "web";

/// Port of MariaDB.
const DATABASE: u16 = 3306;

/// A host, as its name and address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebServer {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
}

/// What to expect of a site.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact of the site"
)]
pub struct WebSite {
    /// Full name.
    pub name: String,
    /// The domain itself, where it leads to the site.
    pub bare: Option<String>,
    /// Title.
    pub organisation: String,
    /// Whether it is served with TLS.
    pub uses_ssl: bool,
    /// Whether it is for the world, and not for the office alone.
    pub outside: bool,
    /// Whether a page of it is looked at in a browser.
    pub pictured: bool,
    /// Host in front.
    pub proxy: WebServer,
    /// Host of the site itself, and the port there.
    pub wordpress: (WebServer, u16),
    /// Host of the database.
    pub database: WebServer,
    /// Whether the database's host answers others.
    pub database_exposed: bool,
    /// Account of the database.
    pub account: String,
    /// From where that account is used.
    pub account_from: String,
    /// Files that the web server alone may read.
    pub private_files: Vec<String>,
}

impl WebSite {
    fn address(&self) -> String {
        let scheme = if self.uses_ssl { "https" } else { "http" };
        format!("{scheme}://{}", self.name)
    }
}

/// Clients of one scope.
pub struct WebScope {
    /// `inside` or `outside`.
    pub name: &'static str,
    /// A curl that trusts the estate's authority alone.
    pub curl: ClientSession,
    /// A browser that does, where a page is looked at from here.
    pub browser: Option<ClientSession>,
}

impl WebScope {
    /// Removes the clients' containers.
    pub async fn close(self) -> Result<(), DockerError> {
        let curl = self.curl.close().await;
        if let Some(browser) = self.browser {
            browser.close().await?;
        }
        curl
    }
}

/// Runs the checks of all sites.
pub async fn web(
    sites: &[WebSite],
    containers: &EstateContainers,
    inside: &WebScope,
    outside: &WebScope,
) -> Result<Vec<Check>, DockerError> {
    let mut checks = Vec::new();
    for site in sites {
        let scopes = if site.outside {
            vec![outside, inside]
        } else {
            vec![inside]
        };
        for scope in &scopes {
            checks.extend(served(site, scope).await?);
        }
        // What follows is the same from everywhere.
        let scope = scopes[0];
        if site.uses_ssl {
            checks.push(certificate(site, scope).await?);
        }
        for (from, to) in redirections(site) {
            checks.push(redirection(scope, &from, &to).await?);
        }
        checks.push(past_the_proxy(site, inside).await?);
        checks.push(unreadable(site, containers).await?);
        checks.extend(database(site, containers).await?);
        if let Some(browser) = scope.browser.as_ref().filter(|_| site.pictured) {
            checks.push(picture(site, scope, browser).await?);
        }
    }
    let mut servers: Vec<(&WebServer, bool)> = Vec::new();
    for site in sites {
        let server = (&site.database, site.database_exposed);
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    for (server, exposed) in servers {
        checks.push(closed(server, exposed, inside).await?);
    }
    Ok(checks)
}

/// What curl was answered.
struct Answer {
    body: String,
    /// Status, or 0 where there was no answer.
    status: u16,
    address: String,
    redirection: String,
    certificates: String,
    /// Why there was no answer.
    problem: String,
}

impl Answer {
    /// Says what came, in a few words.
    fn told(&self) -> String {
        if self.status == 0 {
            return self.problem.clone();
        }
        let status = format!("{} from {}", self.status, self.address);
        if self.redirection.is_empty() {
            status
        } else {
            format!("{status} to {}", self.redirection)
        }
    }
}

/// Marks what curl says of a transfer, on standard error beside its complaints.
const MARK: &str = "@answer ";
const CERTIFICATES: &str = "@certificates";

async fn ask(curl: &ClientSession, more: &[&str], url: &str) -> Result<Answer, DockerError> {
    let format = format!(
        "%{{stderr}}\n{MARK}%{{http_code}} %{{remote_ip}} %{{redirect_url}}\n{CERTIFICATES}\n%{{certs}}"
    );
    let mut arguments = vec!["-q", "-sS", "--max-time", "30", "-w", &format];
    arguments.extend(more);
    arguments.push(url);
    let output = curl.run(&arguments).await?;
    Ok(read(output.text(), &output.errors()))
}

fn read(body: String, said: &str) -> Answer {
    let (before, certificates) = said.split_once(CERTIFICATES).unwrap_or((said, ""));
    let line = before.lines().find_map(|line| line.strip_prefix(MARK));
    let mut fields = line.unwrap_or_default().split(' ');
    let mut field = || fields.next().unwrap_or_default().to_owned();
    let problem = before.lines().find(|line| line.starts_with("curl: "));
    Answer {
        body,
        status: field().parse().unwrap_or(0),
        address: field(),
        redirection: field(),
        certificates: certificates.to_owned(),
        problem: problem.unwrap_or("no answer").to_owned(),
    }
}

/// Shows that a site is reached by its name through its proxy, and that it is the one.
async fn served(site: &WebSite, scope: &WebScope) -> Result<[Check; 2], DockerError> {
    let url = format!("{}/", site.address());
    let asked = format!("curl {} {url}", scope.name);
    let how = if site.uses_ssl {
        "with TLS by its proxy"
    } else {
        "by its proxy"
    };
    let reached = Open::new(
        SERVICE,
        format!("{} is served {how}, {}", site.name, scope.name),
        asked.clone(),
        format!("200 from {}", site.proxy.address),
    );
    let titled = Open::new(
        SERVICE,
        format!(
            "{} has the organisation as its title, {}",
            site.name, scope.name
        ),
        asked,
        site.organisation.clone(),
    );
    let answer = ask(&scope.curl, &[], &url).await?;
    let is_proxy = answer.address == site.proxy.address.to_string();
    let passed = answer.status == 200 && is_proxy;
    let found = title(&answer.body);
    let is_title = found.as_deref().is_some_and(|found| is_titled(found, site));
    let came = found.unwrap_or_else(|| format!("no title ({})", answer.told()));
    Ok([
        reached.close(answer.told(), passed),
        titled.close(came, passed && is_title),
    ])
}

/// Tells whether a title is that of the site: the organisation, and behind it the tagline, if its users have given it one.
fn is_titled(title: &str, site: &WebSite) -> bool {
    let (title, organisation) = (fold(title), fold(&site.organisation));
    let rest = title.strip_prefix(&organisation);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" - "))
}

/// Shows for whom the certificate is. Whether it can be trusted is shown by every request that is answered.
async fn certificate(site: &WebSite, scope: &WebScope) -> Result<Check, DockerError> {
    let mut names: Vec<_> = [&site.name].into_iter().chain(&site.bare).collect();
    names.sort_unstable();
    let names = names.into_iter().map(String::as_str);
    let expected = format!("for {}", names.collect::<Vec<_>>().join(", "));
    let url = format!("https://{}/", site.name);
    let open = Open::new(
        SERVICE,
        format!("the certificate of {} has the site's names", site.name),
        format!("curl {} {url}", scope.name),
        expected.clone(),
    );
    let answer = ask(&scope.curl, &["--head"], &url).await?;
    let pem = block(&answer.certificates);
    let issued = pem.ok_or_else(|| answer.told()).and_then(Issued::read);
    let came = match issued {
        Ok(issued) => format!("for {}", issued.names.join(", ")),
        Err(problem) => problem,
    };
    let passed = answer.status != 0 && came == expected;
    let certificate = Evidence::text("certificate", answer.certificates.trim());
    Ok(open.evidence(certificate).close(came, passed))
}

/// Finds the first certificate, which is the server's own.
fn block(text: &str) -> Option<&str> {
    const END: &str = "-----END CERTIFICATE-----";
    let from = text.find("-----BEGIN CERTIFICATE-----")?;
    let to = text[from..].find(END)?;
    Some(&text[from..from + to + END.len()])
}

/// Lists the addresses that lead to a site, and where each leads.
fn redirections(site: &WebSite) -> Vec<(String, String)> {
    const PATH: &str = "/some/page?and=more";
    let to = format!("{}{PATH}", site.address());
    let mut from = Vec::new();
    if site.uses_ssl {
        from.push(format!("http://{}{PATH}", site.name));
    }
    if let Some(bare) = &site.bare {
        from.push(format!("http://{bare}{PATH}"));
        if site.uses_ssl {
            from.push(format!("https://{bare}{PATH}"));
        }
    }
    from.into_iter().map(|from| (from, to.clone())).collect()
}

async fn redirection(scope: &WebScope, from: &str, to: &str) -> Result<Check, DockerError> {
    let address = from.split("/some").next().unwrap_or(from);
    let open = Open::new(
        SERVICE,
        format!("{address} leads to the site for good"),
        format!("curl {} {from}", scope.name),
        format!("301 to {to}"),
    );
    let answer = ask(&scope.curl, &[], from).await?;
    let passed = answer.status == 301 && answer.redirection == to;
    Ok(open.close(answer.told(), passed))
}

/// Shows that the web server behind answers the proxy alone: it believes what it is told of the visitor.
async fn past_the_proxy(site: &WebSite, inside: &WebScope) -> Result<Check, DockerError> {
    let (server, port) = &site.wordpress;
    let url = format!("http://{}:{port}/", server.address);
    let open = Open::new(
        SERVICE,
        format!("{} is not served past its proxy", site.name),
        format!("curl {} {url} as {}", inside.name, site.name),
        "403, or nobody listens".to_owned(),
    );
    let host = format!("Host: {}", site.name);
    let answer = ask(&inside.curl, &["-H", &host], &url).await?;
    let refused = answer.problem.starts_with("curl: (7)");
    let passed = answer.status == 403 || answer.status == 0 && refused;
    Ok(open.close(answer.told(), passed))
}

/// Shows that an account of the host without rights cannot read the site's password.
async fn unreadable(site: &WebSite, containers: &EstateContainers) -> Result<Check, DockerError> {
    const SCRIPT: &str = "for file; do \
        printf '%s ' \"$(stat -c '%U:%G %a' -- \"$file\" 2>&1)\"; \
        if runuser -u nobody -- cat -- \"$file\" >/dev/null 2>&1; then echo 'anybody reads it'; else echo; fi; done";
    let host = &site.wordpress.0.name;
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
        "root:www-data 640".to_owned(),
    );
    let command = [&["sh", "-c", SCRIPT, "sh"], files.as_slice()].concat();
    let output = containers.exec(host, &command, b"").await?;
    let text = output.text();
    let mut lines: Vec<_> = text.lines().map(str::trim).collect();
    let passed =
        lines.len() == files.len() && lines.iter().all(|line| *line == "root:www-data 640");
    lines.dedup();
    Ok(open.close(lines.join("; "), passed))
}

/// Shows that the site's host has its database, and that the account is for that host alone.
async fn database(
    site: &WebSite,
    containers: &EstateContainers,
) -> Result<[Check; 2], DockerError> {
    let (host, server) = (&site.wordpress.0.name, &site.database.name);
    let used = Open::new(
        SERVICE,
        format!("{} reaches its database on {server}", site.name),
        format!("wordpress-site installed {} on {host}", site.name),
        "it does".to_owned(),
    );
    let command = [
        "runuser",
        "-u",
        "www-data",
        "--",
        "/usr/local/sbin/wordpress-site",
    ];
    let command = [&command[..], &["installed", &site.name]].concat();
    let output = containers.exec(host, &command, b"").await?;
    let came = match (output.code, output.errors()) {
        (0, _) => "it does".to_owned(),
        (_, said) if said.is_empty() => "the site is not installed".to_owned(),
        (_, said) => said,
    };
    let used = used.close(came, output.code == 0);
    let only = Open::new(
        SERVICE,
        format!("the account of {} is for its host alone", site.name),
        format!("accounts {} on {server}", site.account),
        format!("from {}", site.account_from),
    );
    let query = format!(
        "SELECT Host FROM mysql.user WHERE User = '{}' ORDER BY Host",
        site.account
    );
    let command = ["mariadb", "--batch", "--skip-column-names"];
    let output = containers.exec(server, &command, query.as_bytes()).await?;
    let text = output.text();
    let from: Vec<_> = text.lines().collect();
    let came = match (from.as_slice(), output.code) {
        ([], 0) => "there is none".to_owned(),
        (from, 0) => format!("from {}", from.join(", ")),
        (_, _) => output.errors(),
    };
    let passed = from == [site.account_from.as_str()];
    Ok([used, only.close(came, passed)])
}

/// Shows that a database's server turns away who comes from elsewhere, before any account is asked for.
async fn closed(
    server: &WebServer,
    exposed: bool,
    inside: &WebScope,
) -> Result<Check, DockerError> {
    // A server greets whom it would let in; whom it would not gets one message.
    const SCRIPT: &str =
        "exec 2>&1 3<>\"/dev/tcp/$1/$2\" && timeout 15 head -c 70 <&3 | tr -c '[:print:]' ' '";
    let expected = if exposed {
        "not allowed to connect"
    } else {
        "Connection refused"
    };
    let (address, port) = (server.address.to_string(), DATABASE.to_string());
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
    let passed = came.contains(expected);
    Ok(open.close(came, passed))
}

/// Shows a page as a browser does.
async fn picture(
    site: &WebSite,
    scope: &WebScope,
    browser: &ClientSession,
) -> Result<Check, DockerError> {
    let url = format!("{}/", site.address());
    let open = Open::new(
        SERVICE,
        format!("a browser shows {}", site.name),
        format!("chromium {} {url}", scope.name),
        format!("a page with the title {}", site.organisation),
    );
    let shown = browser.page(&url).await?;
    if let Some(problem) = shown.problem {
        return Ok(open.close(problem, false));
    }
    let broken = shown
        .console
        .iter()
        .find(|line| line.contains("Failed to load") || line.contains("Mixed Content"));
    let found = title(&shown.dom);
    let is_title = found.as_deref().is_some_and(|found| is_titled(found, site));
    let (came, passed) = match (Picture::read(&shown.png), broken) {
        (Err(problem), _) => (problem, false),
        (Ok(picture), _) if picture.is_blank() => (format!("a blank page, {picture}"), false),
        (Ok(_), Some(line)) => (line.clone(), false),
        (Ok(picture), None) => {
            let title = found.unwrap_or_else(|| "no title".to_owned());
            (format!("{title}, {picture}"), is_title)
        }
    };
    let evidence = Evidence::png(site.name.clone(), shown.png, None);
    Ok(open.evidence(evidence).close(came, passed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_curl_says_is_told_from_what_it_complains_of() {
        let answer = read(
            "<p>".to_owned(),
            "\n@answer 301 192.0.2.1 https://a.test/\n@certificates\n",
        );
        assert_eq!(answer.told(), "301 from 192.0.2.1 to https://a.test/");
        let said = "curl: (6) Could not resolve host: a.test\n@answer 000  \n@certificates\n";
        let answer = read(String::new(), said);
        assert_eq!(answer.status, 0);
        assert_eq!(answer.told(), "curl: (6) Could not resolve host: a.test");
    }

    #[test]
    fn the_first_certificate_is_found() {
        let one = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n";
        let text = format!(
            "Subject:CN = a\n{one}Subject:CN = b\n{}",
            one.replace("AA", "BB")
        );
        assert_eq!(block(&text), Some(one.trim_end()));
        assert_eq!(block("none"), None);
    }
}
