//! Which changes may lock prov out of a host: they are put back unless a new session gets in after them.
//!
//! It holds for every kind, because it is decided by the paths that a change writes and by what is known of the account that
//! prov logs in with. What a command does nobody knows: whoever declares one marks it.

use serde::Serialize;

use super::Change;
use crate::probe::Facts;
use crate::resource::{Declared, Resource};
use crate::step::Step;
use crate::value::HostPath;

/// What a change touches that prov needs to get in, or that its role has marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lockout {
    /// The SSH server.
    Ssh,
    /// How one becomes root.
    Sudo,
    /// Who is let in, and how that is found out: PAM, shells, accounts.
    Login,
    /// The account that prov logs in with, its keys or its groups.
    Account,
    /// Addresses, routes and interfaces.
    Network,
    /// How names are resolved.
    Resolvers,
    /// What packets are let through.
    Firewall,
    /// A role says so.
    Marked,
}

impl Lockout {
    /// Gives the wording that people read, after `touches`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Ssh => "the SSH server",
            Self::Sudo => "how one becomes root",
            Self::Login => "who is let in",
            Self::Account => "the account that prov logs in with",
            Self::Network => "addresses and routes",
            Self::Resolvers => "how names are resolved",
            Self::Firewall => "what packets are let through",
            Self::Marked => "what is marked as guarded",
        }
    }
}

/// Files, and folders with all that is in them where the path ends with a slash.
const PLACES: &[(&str, Lockout)] = &[
    ("/etc/ssh/ssh_config", Lockout::Marked),
    ("/etc/ssh/ssh_config.d/", Lockout::Marked),
    ("/etc/ssh/ssh_known_hosts", Lockout::Marked),
    ("/etc/ssh/", Lockout::Ssh),
    ("/etc/default/ssh", Lockout::Ssh),
    ("/etc/systemd/system/ssh.service", Lockout::Ssh),
    ("/etc/systemd/system/ssh.service.d/", Lockout::Ssh),
    ("/etc/systemd/system/ssh.socket", Lockout::Ssh),
    ("/etc/systemd/system/ssh.socket.d/", Lockout::Ssh),
    ("/etc/systemd/system/sshd.service", Lockout::Ssh),
    ("/etc/sudoers", Lockout::Sudo),
    ("/etc/sudoers.d/", Lockout::Sudo),
    ("/etc/sudo.conf", Lockout::Sudo),
    ("/etc/pam.conf", Lockout::Login),
    ("/etc/pam.d/", Lockout::Login),
    ("/etc/security/", Lockout::Login),
    ("/etc/login.defs", Lockout::Login),
    ("/etc/nologin", Lockout::Login),
    ("/etc/shells", Lockout::Login),
    ("/etc/passwd", Lockout::Login),
    ("/etc/shadow", Lockout::Login),
    ("/etc/group", Lockout::Login),
    ("/etc/gshadow", Lockout::Login),
    ("/etc/nsswitch.conf", Lockout::Login),
    ("/etc/environment", Lockout::Login),
    ("/etc/profile", Lockout::Login),
    ("/etc/profile.d/", Lockout::Login),
    ("/etc/bash.bashrc", Lockout::Login),
    ("/etc/ld.so.preload", Lockout::Login),
    ("/etc/ld.so.conf", Lockout::Login),
    ("/etc/ld.so.conf.d/", Lockout::Login),
    ("/etc/hosts.allow", Lockout::Firewall),
    ("/etc/hosts.deny", Lockout::Firewall),
    ("/etc/network/", Lockout::Network),
    ("/etc/systemd/network/", Lockout::Network),
    ("/etc/systemd/networkd.conf", Lockout::Network),
    ("/etc/systemd/networkd.conf.d/", Lockout::Network),
    ("/etc/NetworkManager/", Lockout::Network),
    ("/etc/netplan/", Lockout::Network),
    ("/etc/dhcpcd.conf", Lockout::Network),
    ("/etc/dhcp/", Lockout::Network),
    ("/etc/wireguard/", Lockout::Network),
    ("/etc/resolv.conf", Lockout::Resolvers),
    ("/etc/resolvconf/", Lockout::Resolvers),
    ("/etc/systemd/resolved.conf", Lockout::Resolvers),
    ("/etc/systemd/resolved.conf.d/", Lockout::Resolvers),
    ("/etc/nftables.conf", Lockout::Firewall),
    ("/etc/nftables.d/", Lockout::Firewall),
    ("/etc/nftables/", Lockout::Firewall),
    ("/etc/iptables/", Lockout::Firewall),
    ("/etc/ufw/", Lockout::Firewall),
    ("/etc/default/ufw", Lockout::Firewall),
    ("/etc/firewalld/", Lockout::Firewall),
    ("/etc/fail2ban/", Lockout::Firewall),
];

/// Services without which nobody comes in, or which decide who does.
const SERVICES: &[(&str, Lockout)] = &[
    ("ssh", Lockout::Ssh),
    ("ssh.socket", Lockout::Ssh),
    ("sshd", Lockout::Ssh),
    ("dbus", Lockout::Login),
    ("systemd-logind", Lockout::Login),
    ("networking", Lockout::Network),
    ("systemd-networkd", Lockout::Network),
    ("NetworkManager", Lockout::Network),
    ("dhcpcd", Lockout::Network),
    ("systemd-resolved", Lockout::Resolvers),
    ("nftables", Lockout::Firewall),
    ("netfilter-persistent", Lockout::Firewall),
    ("ufw", Lockout::Firewall),
    ("firewalld", Lockout::Firewall),
    ("fail2ban", Lockout::Firewall),
];

/// Says what a change touches that prov may not get in again without.
#[must_use]
pub fn lockout(declared: &Declared, change: &Change, facts: &Facts) -> Option<Lockout> {
    // Whoever insists is believed about what is to be done, not about getting in afterwards.
    if declared.guarded || declared.insisted {
        return Some(Lockout::Marked);
    }
    let login = facts.login.as_ref();
    let is_login = |name: &str| login.map_or("root", |login| login.user.as_str()) == name;
    if let Resource::Service(service) = &declared.resource {
        let name = service.name.as_str();
        let known = SERVICES.iter().find(|(known, _)| *known == name);
        return known.map(|(_, lockout)| *lockout);
    }
    let account = if let Resource::User(user) = &declared.resource {
        is_login(user.name.as_str()) || user.name.as_str() == "root"
    } else if let Resource::AuthorizedKey(key) = &declared.resource {
        is_login(key.user.as_str())
    } else if let Resource::Group(group) = &declared.resource {
        login.is_some_and(|login| login.groups.contains(group.name.as_str()))
    } else {
        false
    };
    if account {
        return Some(Lockout::Account);
    }
    if matches!(&declared.resource, Resource::Nftables(_)) {
        return Some(Lockout::Firewall);
    }
    if let Resource::Sysctl(sysctl) = &declared.resource
        && sysctl.key.as_str().starts_with("net")
    {
        return Some(Lockout::Network);
    }
    let home = login.map_or_else(|| "/root".to_owned(), |login| home(&login.user));
    let paths = change.steps.iter().filter_map(Step::path);
    paths
        .filter_map(|path| of_path(path, &home))
        .find(|lockout| *lockout != Lockout::Marked)
}

fn home(user: &str) -> String {
    if user == "root" {
        "/root".to_owned()
    } else {
        format!("/home/{user}")
    }
}

/// What is found first holds, so a file that only clients read stands before the folder that it is in.
fn of_path(path: &HostPath, home: &str) -> Option<Lockout> {
    let path = path.as_str();
    // A folder counts for what is in it, and so does taking away one above it.
    let within = |place: &str| match place.strip_suffix('/') {
        Some(folder) => path == folder || path.starts_with(place),
        None => path == place,
    };
    if path == home || within(&format!("{home}/.ssh/")) {
        return Some(Lockout::Account);
    }
    let found = PLACES.iter().find(|(place, _)| within(place));
    found.map(|(_, lockout)| *lockout)
}

/// Names the unit that a resource or a handler sets going again, as systemd writes it.
#[must_use]
pub fn units(declared: &Declared) -> Vec<String> {
    use crate::resource::HandlerAction::{Reload, Restart, Run};
    let own = if let Resource::Service(service) = &declared.resource {
        Some(service.name.unit())
    } else if let Resource::Nftables(nftables) = &declared.resource {
        Some(nftables.table.service().unit())
    } else {
        None
    };
    let notified = declared.notify.iter().filter_map(|one| match &one.action {
        Restart(name) | Reload(name) => Some(name),
        Run(_) => None,
    });
    own.into_iter()
        .chain(notified.map(crate::value::ServiceName::unit))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::plan::{Action, Reason};
    use crate::probe::{Attributes, LoginFact};
    use crate::resource::{File, Service, User};
    use crate::value::{Mode, ServiceName};

    fn facts(user: &str) -> Facts {
        Facts {
            login: Some(LoginFact {
                user: user.to_owned(),
                groups: ["sudo".to_owned()].into(),
                shells: std::collections::BTreeSet::new(),
            }),
            ..Facts::default()
        }
    }

    fn writing(path: &str) -> Option<Lockout> {
        let path = HostPath::new(path).unwrap();
        let step = Step::WriteFile {
            path: path.clone(),
            content: Content::plain("x"),
            attributes: Attributes::new("root", "root", Mode::new(0o644)),
            replaces: None,
        };
        let change = Change::new(Action::Update, vec![Reason::ContentDiffers], vec![step]);
        let declared = Declared::new("r", Resource::File(File::new(path, Content::plain("x"))));
        lockout(&declared, &change, &facts("admin"))
    }

    fn of(resource: Resource) -> Option<Lockout> {
        let change = Change::new(Action::Update, vec![Reason::Running], Vec::new());
        lockout(&Declared::new("r", resource), &change, &facts("admin"))
    }

    #[test]
    fn files_that_decide_who_gets_in_are_known_and_their_neighbours_are_not() {
        assert_eq!(
            writing("/etc/ssh/sshd_config.d/own.conf"),
            Some(Lockout::Ssh)
        );
        assert_eq!(writing("/etc/sudoers.d/team"), Some(Lockout::Sudo));
        assert_eq!(writing("/etc/pam.d/sshd"), Some(Lockout::Login));
        assert_eq!(writing("/etc/resolv.conf"), Some(Lockout::Resolvers));
        assert_eq!(writing("/etc/network/interfaces"), Some(Lockout::Network));
        assert_eq!(writing("/etc/nftables.conf"), Some(Lockout::Firewall));
        assert_eq!(
            writing("/home/admin/.ssh/authorized_keys"),
            Some(Lockout::Account)
        );
        for other in [
            "/etc/ssh/ssh_config",
            "/etc/ssh/ssh_known_hosts",
            "/etc/sshfoo",
            "/home/anna/.ssh/authorized_keys",
            "/etc/hosts",
        ] {
            assert_eq!(writing(other), None, "{other}");
        }
    }

    #[test]
    fn the_account_that_prov_logs_in_with_and_services_that_let_it_in_are_known() {
        let user = |name: &str| {
            let user = serde_json::json!({ "name": name });
            of(Resource::User(
                serde_json::from_value::<User>(user).unwrap(),
            ))
        };
        assert_eq!(user("admin"), Some(Lockout::Account));
        assert_eq!(user("root"), Some(Lockout::Account));
        assert_eq!(user("anna"), None);
        let service = |name| {
            of(Resource::Service(Service::new(
                ServiceName::new(name).unwrap(),
            )))
        };
        assert_eq!(service("ssh"), Some(Lockout::Ssh));
        assert_eq!(service("nginx"), None);
    }
}
