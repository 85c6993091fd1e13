//! The order in which many hosts are applied: in groups of a size, what others depend on first, and what is not begun any more
//! once hosts have failed.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A number of hosts, as such or in per cent of all hosts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// This many.
    Hosts(usize),
    /// This many of a hundred, at most 100.
    Percent(u8),
}

impl Share {
    /// Gives how many hosts that is of `all`, rounded down.
    #[must_use]
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Hosts(count) => count,
            Self::Percent(percent) => all.saturating_mul(usize::from(percent)) / 100,
        }
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("'{text}' is neither a number of hosts nor a percentage from 0% to 100%");
        let Some(percent) = text.strip_suffix('%') else {
            return text.parse().map(Self::Hosts).map_err(|_| wrong());
        };
        let percent: u8 = percent.parse().map_err(|_| wrong())?;
        (percent <= 100)
            .then_some(Self::Percent(percent))
            .ok_or_else(wrong)
    }
}

/// A host of a rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub host: String,
    /// Hosts whose files its own are made from: without them it cannot come to its end.
    pub needs: BTreeSet<String>,
    /// Hosts that it uses, such as its name servers: they come first, and may fail.
    pub uses: BTreeSet<String>,
    /// The roles that it has.
    pub roles: BTreeSet<String>,
}

/// Why a host is not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotBegun {
    /// It needs something of this host, which failed or was not begun either.
    Needs(String),
    /// It has a role that failed on a host.
    Role {
        /// The role.
        role: String,
        /// Where it failed.
        host: String,
    },
    /// More hosts have failed than may.
    TooMany {
        /// How many have failed.
        failed: usize,
        /// How many may.
        most: usize,
    },
    /// A host on which the change was to be tried first has failed.
    Canary(String),
    /// The user stopped the run.
    Stopped,
}

impl fmt::Display for NotBegun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Needs(host) => write!(f, "it needs what {host} has not given"),
            Self::Role { role, host } => {
                write!(f, "it has the role {role}, which failed on {host}")
            }
            Self::TooMany { failed, most } => write!(f, "{failed} failed, and at most {most} may"),
            Self::Canary(host) => write!(f, "the canary {host} failed"),
            Self::Stopped => f.write_str("the run was stopped before"),
        }
    }
}

/// Hosts in the order in which they are applied, and what has become of those that were.
#[derive(Debug)]
pub struct Rollout {
    groups: std::vec::IntoIter<Vec<Member>>,
    canaries: Vec<String>,
    most_failures: Option<usize>,
    /// Hosts that failed, with the role that did where one did.
    failed: Vec<(String, Option<String>)>,
    not_begun: Vec<(String, NotBegun)>,
}

impl Rollout {
    /// Puts hosts in groups of `size`, the canaries in one of their own before all others. `most_failures` is how many hosts
    /// may fail without the rest being given up.
    #[must_use]
    pub fn new(
        members: Vec<Member>,
        canaries: Vec<String>,
        size: Option<usize>,
        most_failures: Option<usize>,
    ) -> Self {
        let (first, rest): (Vec<_>, Vec<_>) = ordered(members)
            .into_iter()
            .partition(|member| canaries.contains(&member.host));
        let mut groups = vec![first];
        let size = size.unwrap_or(rest.len()).max(1);
        groups.extend(rest.chunks(size).map(<[Member]>::to_vec));
        groups.retain(|group| !group.is_empty());
        Self {
            groups: groups.into_iter(),
            canaries,
            most_failures,
            failed: Vec::new(),
            not_begun: Vec::new(),
        }
    }

    /// Tells whether this is a host on which the change is tried first.
    #[must_use]
    pub fn is_canary(&self, host: &str) -> bool {
        self.canaries.iter().any(|canary| canary == host)
    }

    /// Takes note of a host that failed, and of the role that did, where one did.
    pub fn failed(&mut self, host: &str, role: Option<&str>) {
        self.failed.push((host.to_owned(), role.map(str::to_owned)));
    }

    /// Gives the hosts that are to be applied next, all at once; those that must not be begun any more are left out.
    pub fn next_group(&mut self) -> Option<Vec<String>> {
        while let Some(group) = self.groups.next() {
            let mut begun = Vec::new();
            for member in group {
                match self.why_not(&member) {
                    Some(why) => self.not_begun.push((member.host, why)),
                    None => begun.push(member.host),
                }
            }
            if !begun.is_empty() {
                return Some(begun);
            }
        }
        None
    }

    /// Gives up all hosts that have not been begun.
    pub fn stop(&mut self) {
        let left = self.groups.by_ref().flatten();
        let left = left.map(|member| (member.host, NotBegun::Stopped));
        self.not_begun.extend(left);
    }

    /// Gives what was not begun, and why.
    #[must_use]
    pub fn not_begun(&self) -> &[(String, NotBegun)] {
        &self.not_begun
    }

    fn why_not(&self, member: &Member) -> Option<NotBegun> {
        let failed = self.failed.iter();
        let canary = failed
            .clone()
            .find(|(host, _)| self.is_canary(host) && !self.is_canary(&member.host));
        if let Some((host, _)) = canary {
            return Some(NotBegun::Canary(host.clone()));
        }
        if let Some(most) = self.most_failures
            && self.failed.len() > most
        {
            let failed = self.failed.len();
            return Some(NotBegun::TooMany { failed, most });
        }
        let left_out = self.not_begun.iter().map(|(host, _)| host);
        let mut missing = failed.clone().map(|(host, _)| host).chain(left_out);
        if let Some(host) = missing.find(|host| member.needs.contains(*host)) {
            return Some(NotBegun::Needs(host.clone()));
        }
        // Who says how many may fail wants to go on until then.
        let by_role = failed.filter(|_| self.most_failures.is_none());
        by_role.cloned().find_map(|(host, role)| {
            let role = role.filter(|role| member.roles.contains(role))?;
            Some(NotBegun::Role { role, host })
        })
    }
}

/// Puts what others depend on first, and keeps the order otherwise. Of a circle the first one comes first.
fn ordered(mut members: Vec<Member>) -> Vec<Member> {
    let mut order = Vec::with_capacity(members.len());
    while !members.is_empty() {
        let waiting: BTreeSet<_> = members.iter().map(|member| member.host.clone()).collect();
        let is_ready = |member: &Member| {
            let mut before = member.needs.iter().chain(&member.uses);
            before.all(|host| *host == member.host || !waiting.contains(host))
        };
        let (mut ready, mut rest): (Vec<_>, Vec<_>) = members.into_iter().partition(is_ready);
        if ready.is_empty() {
            ready.push(rest.remove(0));
        }
        order.append(&mut ready);
        members = rest;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(host: &str, needs: &[&str], uses: &[&str], roles: &[&str]) -> Member {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Member {
            host: host.to_owned(),
            needs: names(needs),
            uses: names(uses),
            roles: names(roles),
        }
    }

    fn estate() -> Vec<Member> {
        vec![
            member("web1", &["db"], &["dns"], &["nginx"]),
            member("web2", &["db"], &["dns"], &["nginx"]),
            member("mail", &[], &["dns"], &["mail"]),
            member("db", &[], &["dns"], &["database"]),
            member("dns", &[], &["dns"], &["dns"]),
        ]
    }

    fn names(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_others_depend_on_comes_first_in_groups_of_the_size() {
        let mut rollout = Rollout::new(estate(), Vec::new(), Some(2), None);
        assert_eq!(rollout.next_group(), Some(names("dns mail")));
        assert_eq!(rollout.next_group(), Some(names("db web1")));
        assert_eq!(rollout.next_group(), Some(names("web2")));
        assert_eq!(rollout.next_group(), None);
        assert!(rollout.not_begun().is_empty());
    }

    #[test]
    fn hosts_that_use_each_other_come_as_they_stand() {
        let circle = vec![member("a", &[], &["b"], &[]), member("b", &[], &["a"], &[])];
        let mut rollout = Rollout::new(circle, Vec::new(), Some(1), None);
        assert_eq!(rollout.next_group(), Some(names("a")));
        assert_eq!(rollout.next_group(), Some(names("b")));
    }

    #[test]
    fn a_failure_stops_what_has_the_same_role_and_what_needs_it_and_nothing_else() {
        let mut rollout = Rollout::new(estate(), Vec::new(), Some(1), None);
        for _ in 0..2 {
            rollout.next_group();
        }
        assert_eq!(rollout.next_group(), Some(names("db")));
        rollout.failed("db", Some("database"));
        assert_eq!(rollout.next_group(), None);
        let why = NotBegun::Needs("db".to_owned());
        let both = [("web1".to_owned(), why.clone()), ("web2".to_owned(), why)];
        assert_eq!(rollout.not_begun(), both);

        let mut rollout = Rollout::new(estate(), names("web1"), Some(1), None);
        assert_eq!(rollout.next_group(), Some(names("web1")));
        assert_eq!(rollout.next_group(), Some(names("dns")));
        rollout.failed("dns", None);
        assert_eq!(rollout.next_group(), Some(names("mail")));
        assert_eq!(rollout.next_group(), Some(names("db")));
        rollout.failed("mail", Some("nginx"));
        assert_eq!(rollout.next_group(), None);
        let why = rollout.not_begun()[0].1.to_string();
        assert_eq!(why, "it has the role nginx, which failed on mail");
    }

    #[test]
    fn nothing_follows_a_canary_that_failed_nor_too_many_failures() {
        let mut rollout = Rollout::new(estate(), names("web2"), None, None);
        assert_eq!(rollout.next_group(), Some(names("web2")));
        rollout.failed("web2", None);
        assert_eq!(rollout.next_group(), None);
        assert_eq!(rollout.not_begun().len(), 4);
        assert_eq!(
            rollout.not_begun()[3].1,
            NotBegun::Canary("web2".to_owned())
        );

        let mut rollout = Rollout::new(estate(), Vec::new(), Some(1), Some(0));
        rollout.next_group();
        rollout.failed("dns", None);
        assert_eq!(rollout.next_group(), None);
        let why = NotBegun::TooMany { failed: 1, most: 0 };
        assert_eq!(rollout.not_begun()[0], ("mail".to_owned(), why));
    }

    #[test]
    fn a_share_is_a_number_or_a_percentage() {
        assert_eq!("3".parse(), Ok(Share::Hosts(3)));
        assert_eq!("30%".parse::<Share>().map(|share| share.of(14)), Ok(4));
        assert_eq!("100%".parse::<Share>().map(|share| share.of(14)), Ok(14));
        for wrong in ["", "%", "-1", "101%", "2.5%", "3 %", "three"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }
}
