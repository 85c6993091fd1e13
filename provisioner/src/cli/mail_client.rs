//! What the mail clients are told: mutt as a user's program is configured, swaks as a stranger who writes to somebody.

use tasks::estate::Location;
use tasks::promise::{MailClient, MailGateway, MailRoute};

use super::app::App;
use super::scope::{self, Scopes};
use crate::docker::{AUTHORITY, ClientFile, ClientScope};
use crate::report::problem::Problem;

/// Where mutt looks for its configuration (muttrc(5)).
const MUTTRC: &str = "/root/.muttrc";

/// Gives the scope of mutt with its configuration, and its further arguments. Address and scope come in either order.
pub(super) fn mutt(
    app: &App,
    scopes: &Scopes<'_>,
    arguments: &[String],
) -> Result<(ClientScope, Vec<String>), Problem> {
    let (word, address, rest) = match arguments {
        [address, word, rest @ ..] if address.contains('@') => (word, address, rest),
        [word, address, rest @ ..] if scope::is_location(word) => (word, address, rest),
        _ => {
            return Err(Problem::usage(
                "mutt needs to know whose mail to read, and from where".to_owned(),
                "`prov client mutt ADDRESS internal` or `prov client mutt ADDRESS external`",
            ));
        }
    };
    let location = scope::location(word)?;
    let mut scope = scopes.client("mutt", location)?;
    let address = address.to_ascii_lowercase();
    let (local, domain) = address.split_once('@').unwrap_or((&address, ""));
    let authority = app.inputs.authority.as_ref().map(|_| AUTHORITY);
    if let Some(gateway) = scopes.mail_gateway_of(domain) {
        scope.files.push(somebody(gateway, &address, authority)?);
        return Ok((scope, rest.to_vec()));
    }
    let Some(hosted) = app.domains.get(domain) else {
        return Err(unknown(
            format!("'{domain}' is no domain of the estate, and none that it stands in for"),
            domain,
            app.domains.names().chain(scopes.mail_gateway_domains()),
        ));
    };
    let settings = hosted.settings();
    let Some(user) = settings.users.iter().find(|it| it.name.as_str() == local) else {
        let what = format!("'{local}' is no user of {domain}");
        let users = settings.users.iter().map(|user| user.name.as_str());
        return Err(unknown(what, local, users));
    };
    let Some(password) = settings.user_passwords.get(&user.name) else {
        return Err(Problem::usage(
            format!("'{address}' has no password"),
            format!("add it to 'user_passwords' of the domain {domain}"),
        ));
    };
    let home = scope.search.as_deref() == Some(domain);
    let client = MailClient {
        address: &address,
        domain,
        login: match &user.account {
            Some(account) if home => account.as_str(),
            Some(_) | None => &address,
        },
        password,
        route: MailRoute::of(home, location, domain).map_err(Problem::mistake)?,
        authority,
    };
    scope.files.push(configuration(&client)?);
    Ok((scope, rest.to_vec()))
}

/// Gives the configuration of somebody with mail at the server that stands for everybody else's.
fn somebody(
    gateway: &MailGateway,
    address: &str,
    authority: Option<&str>,
) -> Result<ClientFile, Problem> {
    let somebody = gateway.somebody.as_ref();
    let Some(mailbox) = somebody.filter(|it| it.address == address) else {
        let what = format!("nobody is known to the estate who reads mail as '{address}'");
        let known = somebody.map(|it| it.address.as_str());
        return Err(unknown(what, address, known.into_iter()));
    };
    configuration(&MailClient {
        address,
        domain: &gateway.domain,
        login: &mailbox.login,
        password: &mailbox.password,
        route: MailRoute::Elsewhere(&gateway.server.name),
        authority,
    })
}

fn configuration(client: &MailClient<'_>) -> Result<ClientFile, Problem> {
    Ok(ClientFile {
        path: MUTTRC,
        mode: 0o600,
        content: client.muttrc().map_err(|problem| vec![problem.into()])?,
    })
}

fn unknown<'n>(what: String, name: &str, known: impl Iterator<Item = &'n str>) -> Problem {
    let known: Vec<_> = known.collect();
    let hint = tasks::nearest(name, known.iter().copied()).map_or_else(
        || format!("known are: {}", known.join(", ")),
        |nearest| format!("did you mean '{nearest}'?"),
    );
    Problem::usage(what, hint)
}

/// Gives the scope of swaks, outside unless it is named, and its arguments: somebody of the gateway's own domain writes to
/// an address, through that server and from there as DNS says.
pub(super) fn swaks(
    scopes: &Scopes<'_>,
    arguments: &[String],
) -> Result<(ClientScope, Vec<String>), Problem> {
    let (location, rest) = scope::split_location(arguments, Location::External);
    let Some((address, further)) = rest.split_first().filter(|(first, _)| first.contains('@'))
    else {
        return Err(Problem::usage(
            "swaks needs to know whom to write to".to_owned(),
            "`prov client swaks ADDRESS`, and after it what else swaks shall be told",
        ));
    };
    let gateway = scopes.mail_gateway()?;
    let from = format!("root@{}", gateway.domain);
    let given = [
        "--server",
        &gateway.server.name,
        "--helo",
        &gateway.domain,
        "--from",
        &from,
        "--to",
        address,
    ];
    let mut all: Vec<_> = given.map(str::to_owned).to_vec();
    all.extend_from_slice(further);
    Ok((scopes.client("swaks", location)?, all))
}
