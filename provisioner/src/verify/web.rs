//! The `web` service: every site by its name, through its proxy, as a visitor sees it; and what no visitor must see.
//!
//! Names come from the DNS server of the scope, and no certificate is trusted but those of the estate's authority. Sites
//! inside are asked for inside, those outside from both sides.

mod hosts;
mod letters;
mod page;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tasks::authority::Issued;
use tasks::estate::Location;
use tasks::promise::{DatabaseServer, Promises, SiteAccount, SiteFront, SiteServer};

use super::round::Round;
use super::{
    Acceptance, Check, Checks, Client, Evidence, Missing, Open, Results, Seat, Surroundings, Sweep,
    Testbed, TestbedError, Writes, mail,
};
use crate::docker::{BROWSER, ClientSession};

use hosts::{closed, installed, only_from, unreadable};
use letters::Reader;
use page::{Picture, fold, title};

pub(super) const SERVICE: &str = "web";

/// How many checks are under way at once.
const AT_ONCE: usize = 4;

/// A program that trusts the estate's authority alone.
pub(super) const CURL: &str = "curl";

/// What reads mail where the world reads it.
const MAILBOXES: Client = Client::outside("mail");

/// The sites, what their hosts keep, and the servers of their databases.
struct Web {
    fronts: Vec<SiteFront>,
    servers: Vec<SiteServer>,
    accounts: Vec<SiteAccount>,
    databases: Vec<DatabaseServer>,
    /// Those to whom sites write, as far as their mail can be read.
    readers: Vec<Reader>,
    /// Whether accounts may be made in sites.
    may_write: bool,
}

pub(super) fn checks(promises: &Promises, surroundings: &Surroundings<'_>) -> Checks {
    if promises.site_fronts.is_empty() {
        return Err(Missing::nothing_promised(
            "no domain of the estate has a web site",
            "name 'webhosts' in a domain's file, and set it up with `prov domain NAME`",
        ));
    }
    let accounts = &promises.site_accounts;
    let mut databases: Vec<DatabaseServer> = Vec::new();
    for account in accounts {
        let mut servers = promises.database_servers.iter();
        let server = servers.find(|it| it.server == account.server);
        let server = server.filter(|it| !databases.contains(it));
        databases.extend(server.cloned());
    }
    Ok(Box::new(Web {
        fronts: promises.site_fronts.clone(),
        servers: promises.site_servers.clone(),
        accounts: accounts.clone(),
        databases,
        readers: letters::readers(promises),
        may_write: surroundings.writes == Writes::Everything,
    }))
}

/// One side from which sites are asked for.
#[derive(Clone, Copy)]
struct View<'b> {
    /// `inside` or `outside`.
    name: &'static str,
    curl: &'b Seat,
}

impl<'b> View<'b> {
    const fn of(curl: &'b Seat, location: Location) -> Self {
        let name = side(location);
        Self { name, curl }
    }
}

/// Names a side.
const fn side(location: Location) -> &'static str {
    match location {
        Location::Internal => "inside",
        Location::External => "outside",
    }
}

/// Gives the program with which a side asks.
const fn curl(location: Location) -> Client {
    Client {
        name: CURL,
        location,
    }
}

/// Gives the side on which a site is.
pub(super) const fn location(site: &SiteFront) -> Location {
    if site.outside {
        Location::External
    } else {
        Location::Internal
    }
}

/// Gives a browser on the side on which a site is.
const fn browser(site: &SiteFront) -> Client {
    Client {
        name: BROWSER,
        location: location(site),
    }
}

pub(super) fn address(site: &SiteFront) -> String {
    let scheme = if site.uses_ssl { "https" } else { "http" };
    format!("{scheme}://{}", site.name)
}

impl Web {
    /// Tells whether a page of a site is looked at in a browser: of each domain's sites, the one that the domain's name
    /// leads to, or the first where it leads to none.
    fn is_pictured(&self, site: &SiteFront) -> bool {
        let mut sites = self.fronts.iter().filter(|it| it.domain == site.domain);
        let first = sites.clone().next();
        sites.find(|it| it.bare.is_some()).or(first) == Some(site)
    }

    /// Gives the sites by which it is shown that their hosts have mail sent: of each host, the first.
    fn mailing(&self) -> impl Iterator<Item = (&SiteFront, &SiteServer)> {
        let first = |server: &&SiteServer| {
            let mut servers = self.servers.iter();
            let first = servers.find(|it| it.server == server.server);
            first.is_some_and(|first| first.name == server.name)
        };
        let servers = self.servers.iter().filter(first).filter(|it| it.mails);
        servers.filter_map(|server| {
            let mut fronts = self.fronts.iter();
            Some((fronts.find(|it| it.name == server.name)?, server))
        })
    }

    /// Chooses the checks of what sites write to people; none where one of these servers of mail does not serve now.
    fn letters<'b>(&'b self, testbed: &'b Testbed, silent: &[&str], round: &mut Round<'b>) {
        for (number, (site, server)) in self.mailing().enumerate() {
            for (at, reader) in self.readers.iter().enumerate() {
                if !self.may_write {
                    round.leave("would make an account in a site", 1);
                    continue;
                }
                if !silent.is_empty() {
                    let servers = silent.join(" and ");
                    round.leave(format!("mail is not served by {servers} now"), 1);
                    continue;
                }
                let own = location(site);
                let (Some(curl), Some(mailboxes)) =
                    (testbed.find(curl(own)), testbed.find(MAILBOXES))
                else {
                    round.leave(TestbedError::NoVantage(own).to_string(), 1);
                    continue;
                };
                let token = format!("{}web{number}{at}", testbed.run);
                let view = View::of(curl, own);
                round.add(async move {
                    let site = (site, server);
                    let check = letters::arrives(site, (reader, mailboxes), view, (testbed, token));
                    Ok(vec![check.await?])
                });
            }
        }
    }

    /// Chooses the checks of a site.
    fn site<'b>(&'b self, site: &'b SiteFront, testbed: &'b Testbed, round: &mut Round<'b>) {
        let (own, inside) = (location(site), Location::Internal);
        let sides = [Some(own), site.outside.then_some(inside)];
        for side in sides.into_iter().flatten() {
            round.ask(curl(side), move |seat| reached(site, View::of(seat, side)));
            round.ask(curl(side), move |seat| titled(site, View::of(seat, side)));
        }
        // What follows is the same from everywhere.
        if site.uses_ssl {
            round.ask(curl(own), move |seat| {
                certificate(site, View::of(seat, own))
            });
        }
        for (from, to) in redirections(site) {
            round.ask(curl(own), move |seat| {
                redirection(View::of(seat, own), from, to)
            });
        }
        for server in self.servers.iter().filter(|it| it.name == site.name) {
            round.ask(curl(inside), move |seat| {
                past_the_proxy(server, View::of(seat, inside))
            });
            round.add(async { Ok(vec![unreadable(server, testbed).await?]) });
            round.add(async { Ok(vec![installed(server, testbed).await?]) });
        }
        for account in self.accounts.iter().filter(|it| it.site == site.name) {
            round.add(async { Ok(vec![only_from(account, testbed).await?]) });
        }
        if self.is_pictured(site) {
            match testbed.find(browser(site)).and_then(Seat::container) {
                Some(container) => {
                    round.add(async { Ok(vec![picture(site, container).await?]) });
                }
                None => round.leave(testbed.lack(browser(site)), 1),
            }
        }
    }
}

impl Acceptance for Web {
    fn clients(&self) -> Vec<Client> {
        let pictured = self.fronts.iter().filter(|site| self.is_pictured(site));
        let mut clients = vec![Client::inside(CURL), Client::outside(CURL)];
        if self.may_write && !self.readers.is_empty() {
            clients.push(MAILBOXES);
        }
        for browser in pictured.map(browser) {
            if !clients.contains(&browser) {
                clients.push(browser);
            }
        }
        clients
    }

    fn make<'b>(&'b self, testbed: &'b Testbed) -> BoxFuture<'b, Result<Results, TestbedError>> {
        async {
            let mut round = Round::new(SERVICE, testbed);
            for site in &self.fronts {
                self.site(site, testbed, &mut round);
            }
            let inside = Location::Internal;
            for server in &self.databases {
                round.ask(curl(inside), move |seat| {
                    closed(server, View::of(seat, inside))
                });
            }
            let mail = || self.readers.iter().map(|reader| reader.server.as_str());
            let serving = testbed.serving(mail()).await?;
            let silent: Vec<_> = mail().filter(|server| !serving.contains(server)).collect();
            self.letters(testbed, &silent, &mut round);
            round.make(AT_ONCE).await
        }
        .boxed()
    }

    /// Takes away what a run may have left where a check of it failed: accounts in sites, and messages.
    fn sweep<'b>(
        &'b self,
        testbed: &'b Testbed,
        _: Sweep,
    ) -> BoxFuture<'b, Result<(), TestbedError>> {
        async {
            if !self.may_write || self.readers.is_empty() {
                return Ok(());
            }
            for (_, server) in self.mailing() {
                let host = &server.server.name;
                let mut command: Vec<&str> = server.gone.iter().map(String::as_str).collect();
                command.push(&testbed.run);
                testbed.on(host, &command, b"").await?;
                mail::sweep(testbed, host, &[]).await?;
            }
            let mail = self.readers.iter().map(|reader| reader.server.as_str());
            let serving = testbed.serving(mail).await?;
            let reached = |reader: &&Reader| serving.contains(reader.server.as_str());
            for reader in self.readers.iter().filter(reached) {
                mail::sweep(testbed, &reader.server, &[reader.login().to_owned()]).await?;
            }
            Ok(())
        }
        .boxed()
    }
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

async fn ask(curl: &Seat, more: &[&str], url: &str) -> Result<Answer, TestbedError> {
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

/// Shows that a site is reached by its name through its proxy.
async fn reached(site: &SiteFront, view: View<'_>) -> Result<Check, TestbedError> {
    let url = format!("{}/", address(site));
    let how = if site.uses_ssl {
        "with TLS by its proxy"
    } else {
        "by its proxy"
    };
    let open = Open::new(
        SERVICE,
        format!("{} is served {how}, {}", site.name, view.name),
        format!("curl {} {url}", view.name),
        format!("200 from {}", site.proxy.address),
    )
    .of(&site.proxy.name);
    let answer = ask(view.curl, &[], &url).await?;
    let is_proxy = answer.address == site.proxy.address.to_string();
    let passed = answer.status == 200 && is_proxy;
    Ok(open.close(answer.told(), passed))
}

/// Shows that a site is the one.
async fn titled(site: &SiteFront, view: View<'_>) -> Result<Check, TestbedError> {
    let url = format!("{}/", address(site));
    let open = Open::new(
        SERVICE,
        format!(
            "{} has the organisation as its title, {}",
            site.name, view.name
        ),
        format!("curl {} {url}", view.name),
        site.title.clone(),
    )
    .of(&site.proxy.name);
    let answer = ask(view.curl, &[], &url).await?;
    let is_proxy = answer.address == site.proxy.address.to_string();
    let found = title(&answer.body);
    let is_title = found.as_deref().is_some_and(|found| is_titled(found, site));
    let came = found.unwrap_or_else(|| format!("no title ({})", answer.told()));
    Ok(open.close(came, answer.status == 200 && is_proxy && is_title))
}

/// Tells whether a title is that of the site: the organisation, and behind it the tagline, if its users have given it one.
fn is_titled(title: &str, site: &SiteFront) -> bool {
    let (title, organisation) = (fold(title), fold(&site.title));
    let rest = title.strip_prefix(&organisation);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" - "))
}

/// Shows for whom the certificate is. Whether it can be trusted is shown by every request that is answered.
async fn certificate(site: &SiteFront, view: View<'_>) -> Result<Check, TestbedError> {
    let mut names: Vec<_> = [&site.name].into_iter().chain(&site.bare).collect();
    names.sort_unstable();
    let names = names.into_iter().map(String::as_str);
    let expected = format!("for {}", names.collect::<Vec<_>>().join(", "));
    let url = format!("https://{}/", site.name);
    let open = Open::new(
        SERVICE,
        format!("the certificate of {} has the site's names", site.name),
        format!("curl {} {url}", view.name),
        expected.clone(),
    )
    .of(&site.proxy.name);
    let answer = ask(view.curl, &["--head"], &url).await?;
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
fn redirections(site: &SiteFront) -> Vec<(String, String)> {
    const PATH: &str = "/some/page?and=more";
    let to = format!("{}{PATH}", address(site));
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

async fn redirection(view: View<'_>, from: String, to: String) -> Result<Check, TestbedError> {
    let address = from.split("/some").next().unwrap_or(&from);
    let open = Open::new(
        SERVICE,
        format!("{address} leads to the site for good"),
        format!("curl {} {from}", view.name),
        format!("301 to {to}"),
    );
    let answer = ask(view.curl, &[], &from).await?;
    let passed = answer.status == 301 && answer.redirection == to;
    Ok(open.close(answer.told(), passed))
}

/// Shows that the web server behind answers the proxy alone: it believes what it is told of the visitor.
async fn past_the_proxy(site: &SiteServer, inside: View<'_>) -> Result<Check, TestbedError> {
    let url = format!("http://{}:{}/", site.server.address, site.port);
    let open = Open::new(
        SERVICE,
        format!("{} is not served past its proxy", site.name),
        format!("curl {} {url} as {}", inside.name, site.name),
        "403, or nobody listens".to_owned(),
    )
    .of(&site.server.name);
    let host = format!("Host: {}", site.name);
    let answer = ask(inside.curl, &["-H", &host], &url).await?;
    let refused = answer.problem.starts_with("curl: (7)");
    let passed = answer.status == 403 || answer.status == 0 && refused;
    Ok(open.close(answer.told(), passed))
}

/// Shows a page as a browser does.
async fn picture(site: &SiteFront, browser: &ClientSession) -> Result<Check, TestbedError> {
    let url = format!("{}/", address(site));
    let open = Open::new(
        SERVICE,
        format!("a browser shows {}", site.name),
        format!("chromium {} {url}", side(location(site))),
        format!("a page with the title {}", site.title),
    )
    .of(&site.proxy.name);
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
