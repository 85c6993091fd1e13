//! Radicale.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Declarations, HostContext, checked, dns, fixed};
use crate::Secret;
use crate::content::{Content, Segment};
use crate::diagnostic::Diagnostic;
use crate::promise::{Audience, Calendar, CalendarServer, Promises, Protocol, is_exposed};
use crate::resource::{
    CaldavCalendar, Component, Declared, Directory, File, Handler, Packages, Resource, Service,
    percent_encoded,
};
use crate::value::{AccountName, HttpUrl, Mode};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// The staff of the firm. Each has a calendar.
    #[serde(default)]
    office_users: Vec<AccountName>,
    /// Addresses to listen on; none for all.
    #[serde(default)]
    calendar_addresses: Vec<IpAddr>,
    /// Port to listen on.
    #[serde(default = "port")]
    calendar_port: u16,
    /// Who may read and write calendars.
    #[serde(default)]
    calendar_access: Access,
    /// Passwords for `htpasswd`, by user: one for `office` and one for each of the staff.
    #[serde(default)]
    calendar_users: BTreeMap<AccountName, Secret>,
}

/// Who may read and write calendars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Access {
    /// Who knows a password of `calendar_users`: the own calendars, and those of the office.
    #[default]
    Htpasswd,
    /// Everybody who reaches the server, everything.
    Open,
}

/// Owner of the calendar that everybody shares.
const OFFICE: &str = "office";

/// Colour of new calendars.
const COLOR: &str = "#2c8323ff";

const USERS_FILE: &str = "/etc/radicale/users";
const RIGHTS_FILE: &str = "/etc/radicale/rights";

/// Logarithm of bcrypt's rounds: the server checks a password with every request.
const COST: u32 = 8;

/// Longest password that bcrypt looks at as a whole, in bytes.
const LONGEST: usize = 72;

/// Makes the server's application as the daemon does, which reads the configuration, the users and the rights;
/// `radicale --verify-storage` would accept the name of a module that does not exist. As the daemon's user, because it
/// may make a file that the daemon needs to write.
const VALIDATION: [&str; 7] = [
    "runuser",
    "-u",
    "radicale",
    "--",
    "python3",
    "-c",
    "from radicale import app, config; \
     app.Application(config.load(config.parse_compound_paths(config.DEFAULT_CONFIG_PATH)))",
];

const fn port() -> u16 {
    5232
}

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("calendar")?;
    let closed = variables.calendar_access == Access::Htpasswd;
    if closed {
        passwords(cx, &variables)?;
    }
    let mut role = Declarations::new("calendar");
    let restart = Handler::restart(fixed("radicale")).validated_by(VALIDATION);
    let mut packages = vec!["curl", "radicale"];
    if closed {
        packages.push("python3-bcrypt");
    }
    let packages = packages.into_iter().map(fixed);
    role.add(Resource::Packages(Packages::new(packages)));
    // Debian's package leaves it to root, and its daemon does not run as root.
    let mut folder = Directory::new(fixed("/var/lib/radicale/collections"));
    "radicale".clone_into(&mut folder.owner);
    "radicale".clone_into(&mut folder.group);
    folder.mode = Mode::new(0o750);
    role.add(Resource::Directory(folder));
    if closed {
        let mut users = File::new(fixed(USERS_FILE), users(&variables.calendar_users));
        "radicale".clone_into(&mut users.group);
        users.mode = Mode::new(0o640);
        role.add(Resource::File(users)).notifies(&restart);
        let rights = cx.render("calendar/rights").set("office", OFFICE).finish();
        if let Some(content) = role.take(rights) {
            let rights = File::new(fixed(RIGHTS_FILE), content);
            role.add(Resource::File(rights)).notifies(&restart);
        }
    }
    let configuration = cx
        .render("calendar/config")
        .set("hosts", &listening(&variables))
        .set("access", &variables.calendar_access)
        .set("users_file", USERS_FILE)
        .set("rights_file", RIGHTS_FILE)
        .finish();
    if let Some(content) = role.take(configuration) {
        let file = File::new(fixed("/etc/radicale/config"), content);
        role.add(Resource::File(file)).notifies(&restart);
    }
    role.add(Resource::Service(Service::new(fixed("radicale"))));
    let server = server(&variables);
    for Calendar {
        user,
        password,
        display_name,
        description,
        color,
        components,
    } in variables.calendars()
    {
        let url = checked(format!("{server}/{}/calendar/", percent_encoded(&user)));
        let Some(url) = role.take::<HttpUrl>(url) else {
            continue;
        };
        role.add(Resource::CaldavCalendar(CaldavCalendar {
            url,
            user,
            password,
            display_name,
            description,
            color,
            service: Some(fixed("radicale")),
            components,
        }));
    }
    role.finish()
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("calendar")?;
    let name =
        dns::name_of(cx.estate, &cx.vars, dns::CALDAV, cx.host).map_err(Diagnostic::alone)?;
    promises.calendar_servers.push(CalendarServer {
        url: format!("http://{name}:{}", variables.calendar_port),
        open: variables.calendar_access == Access::Open,
        calendars: variables.calendars().collect(),
    });
    if is_exposed(&variables.calendar_addresses) {
        promises.opens(
            (cx.host, "calendar"),
            &Audience::around(cx.host),
            &[(Protocol::Tcp, variables.calendar_port)],
        );
    }
    Ok(())
}

impl Variables {
    /// Describes the calendars as they are made.
    fn calendars(&self) -> impl Iterator<Item = Calendar> {
        let staff = self.office_users.iter().map(AccountName::as_str);
        std::iter::once(OFFICE).chain(staff).map(|user| Calendar {
            user: user.to_owned(),
            password: self.password(user).cloned(),
            display_name: user.to_owned(),
            description: format!("Calendar for {user}"),
            color: COLOR.to_owned(),
            components: Component::EVERY.into(),
        })
    }

    /// Gives the password that a user is asked for, if anybody is.
    fn password(&self, user: &str) -> Option<&Secret> {
        let mut users = self.calendar_users.iter();
        let closed = self.calendar_access == Access::Htpasswd;
        let found = users.find(|(name, _)| closed && name.as_str() == user);
        found.map(|(_, password)| password)
    }
}

/// Refuses users without a usable password: nobody could make their calendars.
fn passwords(cx: &HostContext<'_>, variables: &Variables) -> Result<(), Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let staff = variables.office_users.iter().map(AccountName::as_str);
    for user in std::iter::once(OFFICE).chain(staff) {
        let mut known = variables.calendar_users.keys();
        if known.all(|name| name.as_str() != user) {
            let host = cx.host.name();
            let message = format!("host {host}: 'calendar_users' has no password for '{user}'");
            mistakes.push(Diagnostic::new(message).hint(
                "add it to the host's private file; or set 'calendar_access: open' where everybody may see everything",
            ));
        }
    }
    for (user, password) in &variables.calendar_users {
        let password = password.expose();
        if password.is_empty() || password.len() > LONGEST || password.contains(char::is_control) {
            let host = cx.host.name();
            let message =
                format!("host {host}: the password of '{user}' in 'calendar_users' cannot be used");
            let hint = format!("take one of 1 to {LONGEST} bytes without control characters");
            mistakes.push(Diagnostic::new(message).hint(hint));
        }
    }
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(mistakes)
    }
}

/// Writes the file of users and hashed passwords.
fn users(users: &BTreeMap<AccountName, Secret>) -> Content {
    let mut segments = Vec::new();
    for (name, password) in users {
        segments.push(Segment::Plain(format!("{name}:")));
        let hash = password.map(|password| hash(name.as_str(), password));
        segments.push(Segment::Secret(hash));
        segments.push(Segment::Plain("\n".to_owned()));
    }
    Content::of(segments)
}

/// Hashes a password. The salt is made of the name, so that the same file arises every time; it still differs from user
/// to user, which is what a salt is for.
fn hash(name: &str, password: &str) -> String {
    let digest = Sha256::digest(format!("radicale:{name}"));
    let mut salt = [0; 16];
    salt.copy_from_slice(&digest[..16]);
    // What could be wrong, the cost and a NUL in the password, was checked before.
    bcrypt::hash_with_salt(password, COST, salt)
        .map(|parts| parts.format_for_version(bcrypt::Version::TwoB))
        .unwrap_or_default()
}

/// Gives the addresses as Radicale's configuration takes them.
fn listening(variables: &Variables) -> Vec<String> {
    let port = variables.calendar_port;
    if variables.calendar_addresses.is_empty() {
        // Without an address Radicale takes all, of IPv6 only where there is such a thing.
        return vec![format!("0.0.0.0:{port}"), format!("[::]:{port}")];
    }
    let addresses = variables.calendar_addresses.iter();
    addresses.map(|address| with_port(*address, port)).collect()
}

/// Gives the address at which the host itself reaches the server.
fn server(variables: &Variables) -> String {
    let first = variables.calendar_addresses.first();
    let address = first.filter(|address| !address.is_unspecified());
    let address = address.copied().unwrap_or(IpAddr::from([127, 0, 0, 1]));
    format!("http://{}", with_port(address, variables.calendar_port))
}

fn with_port(address: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_same_every_time_and_proves_the_password() {
        let one = hash("office", "secret");
        assert!(one.starts_with("$2b$08$"), "{one}");
        assert_eq!(one, hash("office", "secret"));
        assert_ne!(one, hash("other", "secret"));
        assert!(bcrypt::verify("secret", &one).unwrap());
        assert!(!bcrypt::verify("Secret", &one).unwrap());
    }

    #[test]
    fn addresses_are_written_as_radicale_reads_them() {
        let variables = |addresses: &[&str]| Variables {
            office_users: Vec::new(),
            calendar_addresses: addresses.iter().map(|it| it.parse().unwrap()).collect(),
            calendar_port: 5232,
            calendar_access: Access::Open,
            calendar_users: BTreeMap::new(),
        };
        let all = variables(&[]);
        assert_eq!(listening(&all), ["0.0.0.0:5232", "[::]:5232"]);
        assert_eq!(server(&all), "http://127.0.0.1:5232");
        let some = variables(&["fd00::7", "10.0.0.102"]);
        assert_eq!(listening(&some), ["[fd00::7]:5232", "10.0.0.102:5232"]);
        assert_eq!(server(&some), "http://[fd00::7]:5232");
        assert_eq!(server(&variables(&["0.0.0.0"])), "http://127.0.0.1:5232");
    }
}
