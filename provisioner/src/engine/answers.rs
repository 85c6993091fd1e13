//! Reads the frames that a probe answered with into facts.
//!
//! A host may answer anything: every field is checked, what is missing or malformed is an error that names it, and
//! nothing from a host is ever run or used as a pattern here.

use std::collections::{BTreeMap, BTreeSet};

use tasks::Secret;
use tasks::fact::{
    AptFact, Attributes, Body, Facts, FileFact, GroupFact, GuardFact, PackageFact, PathFact,
    PublicKeyFact, ServiceFact, ServiceManager, UserFact,
};
use tasks::query::{QuerySet, Read};
use tasks::resource::Handler;
use tasks::value::{AccountName, HostPath, Mode, PackageName, ServiceName};

use super::probe::{MOST_BODY, Sorted};
use crate::ssh::{Frame, SshError};

/// Bits of a file's kind, and their values (inode(7)).
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// What a probe found out.
#[derive(Debug, Default)]
pub struct Answers {
    /// The facts that were asked for.
    pub facts: Facts,
    /// Handlers that an earlier run left to be run.
    pub pending: Vec<Handler>,
}

struct Frames(BTreeMap<String, Vec<u8>>);

impl Frames {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }

    fn text(&self, name: &str) -> Result<&str, SshError> {
        let bytes = self.get(name).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| broken(name, "is not UTF-8"))
    }

    fn needed(&self, name: &str) -> Result<&str, SshError> {
        if self.0.contains_key(name) {
            self.text(name)
        } else {
            Err(broken(name, "is missing"))
        }
    }
}

fn broken(frame: &str, how: &str) -> SshError {
    SshError::Answer(format!("the answer about {frame} {how}"))
}

/// Reads the answers to these queries.
pub fn read(queries: &QuerySet, frames: Vec<Frame>) -> Result<Answers, SshError> {
    let sorted = Sorted::new(queries);
    let frames = Frames(
        frames
            .into_iter()
            .map(|frame| (frame.name, frame.bytes))
            .collect(),
    );
    let mut facts = Facts {
        manager: manager(frames.needed("init")?),
        ..Facts::default()
    };
    paths(&mut facts, &sorted, &frames)?;
    packages(&mut facts, &sorted, &frames)?;
    apt(&mut facts, &sorted, &frames)?;
    accounts(&mut facts, &sorted, &frames)?;
    services(&mut facts, &sorted, &frames)?;
    debconf(&mut facts, &sorted, &frames)?;
    for (index, path) in sorted.public_keys.iter().enumerate() {
        let fact = match frames.text(&format!("key:{index}"))? {
            "" => PublicKeyFact::Unusable,
            pem => PublicKeyFact::There(pem.to_owned()),
        };
        facts.public_keys.insert(path.clone(), fact);
    }
    if sorted.time {
        let time = frames.needed("time")?.trim().parse();
        facts.time = Some(time.map_err(|_| broken("time", "is not a number"))?);
    }
    super::caldav::read(&mut facts, &sorted, frames.text("calendars")?)?;
    super::mariadb::read(&mut facts, &sorted, frames.text("mariadb")?);
    for (index, argv) in sorted.guards.into_iter().enumerate() {
        let name = format!("guard:{index}");
        let exit = frames.needed(&name)?.trim();
        let exit = exit.parse().map_err(|_| broken(&name, "is not a number"))?;
        facts.guards.push(GuardFact { argv, exit });
    }
    Ok(Answers {
        facts,
        pending: pending(&frames)?,
    })
}

/// Tells what looks after services from the name of the first process and the sign of the containers' supervisor.
fn manager(init: &str) -> ServiceManager {
    let mut lines = init.lines();
    match (lines.next(), lines.next()) {
        (Some("systemd"), _) => ServiceManager::Systemd,
        (_, Some("runit")) => ServiceManager::Runit,
        (_, _) => ServiceManager::None,
    }
}

fn pending(frames: &Frames) -> Result<Vec<Handler>, SshError> {
    frames
        .text("pending")?
        .lines()
        .filter(|line| !line.is_empty())
        // A line that was cut short by a crash belongs to a change that was not made.
        .filter_map(|line| serde_json::from_str(line).ok().map(Ok))
        .collect()
}

struct Stat {
    bits: u32,
    attributes: Attributes,
    size: u64,
}

/// Splits `stat`'s answer: name, raw mode, user, uid, group, gid, size, each ended by NUL.
fn stats(frames: &Frames, name: &str) -> Result<BTreeMap<String, Stat>, SshError> {
    let text = frames.text(name)?;
    let mut fields = text.split_terminator('\0');
    let mut stats = BTreeMap::new();
    while let Some(path) = fields.next() {
        let mut next = || fields.next().ok_or_else(|| broken(name, "is cut short"));
        let raw = u32::from_str_radix(next()?, 16).map_err(|_| broken(name, "has no mode"))?;
        let (owner, uid, group, gid) = (next()?, next()?, next()?, next()?);
        let size = next()?.parse().map_err(|_| broken(name, "has no size"))?;
        let named = |name: &str, number: &str| {
            if name == "UNKNOWN" {
                number.to_owned()
            } else {
                name.to_owned()
            }
        };
        let attributes = Attributes {
            owner: named(owner, uid),
            group: named(group, gid),
            mode: Mode::new(raw),
        };
        let stat = Stat {
            bits: raw & KIND,
            attributes,
            size,
        };
        stats.insert(path.to_owned(), stat);
    }
    Ok(stats)
}

fn paths(facts: &mut Facts, sorted: &Sorted, frames: &Frames) -> Result<(), SshError> {
    if sorted.paths.is_empty() {
        return Ok(());
    }
    frames.needed("stat")?;
    let stats = stats(frames, "stat")?;
    let mut links = BTreeMap::new();
    let text = String::from_utf8_lossy(frames.get("links").unwrap_or_default()).into_owned();
    let mut words = text.split_terminator('\0');
    while let (Some(path), Some(target)) = (words.next(), words.next()) {
        links.insert(path, target);
    }
    let mut digests = BTreeMap::new();
    for line in frames.text("sha256")?.lines() {
        if let Some((digest, path)) = line.split_once("  ") {
            digests.insert(path, digest);
        }
    }
    for (index, (path, read)) in sorted.paths.iter().enumerate() {
        let fact = match stats.get(path) {
            None => PathFact::Missing,
            Some(stat) => match stat.bits {
                REGULAR => {
                    PathFact::File(file(stat, index, read, digests.get(path.as_str()), frames)?)
                }
                DIRECTORY => PathFact::Directory(stat.attributes.clone()),
                LINK => PathFact::Link {
                    target: (*links.get(path.as_str()).unwrap_or(&"")).to_owned(),
                    file: link_target(index, frames)?,
                },
                _ => PathFact::Other,
            },
        };
        let path = HostPath::new(path.clone()).map_err(SshError::Answer)?;
        facts.paths.insert(path, fact);
    }
    Ok(())
}

fn file(
    stat: &Stat,
    index: usize,
    read: &Read,
    digest: Option<&&str>,
    frames: &Frames,
) -> Result<FileFact, SshError> {
    let body = frames.get(&format!("body:{index}"));
    let mut fact = match body {
        Some(bytes) if bytes.len() <= MOST_BODY => FileFact::of(stat.attributes.clone(), bytes),
        Some(_) | None => FileFact {
            owner: stat.attributes.owner.clone(),
            group: stat.attributes.group.clone(),
            mode: stat.attributes.mode,
            size: stat.size,
            sha256: None,
            body: None::<Body>,
        },
    };
    if let Read::BodyUnless(expected) = read {
        let digest = digest.ok_or_else(|| broken("sha256", "lacks a file"))?;
        if body.is_none() && digest != expected {
            return Err(broken(&format!("body:{index}"), "is missing"));
        }
        fact.sha256 = Some((*digest).to_owned());
    }
    if *read == Read::Digest {
        let digest = digest.ok_or_else(|| broken("sha256", "lacks a file"))?;
        fact.sha256 = Some((*digest).to_owned());
    }
    if *read == Read::Body && body.is_none() {
        return Err(broken(&format!("body:{index}"), "is missing"));
    }
    Ok(fact)
}

fn link_target(
    index: usize,
    frames: &Frames,
) -> Result<Option<Box<(HostPath, FileFact)>>, SshError> {
    let name = format!("target:{index}");
    let Some((path, stat)) = stats(frames, &name)?.into_iter().next() else {
        return Ok(None);
    };
    let path = HostPath::new(path).map_err(SshError::Answer)?;
    let file = file(&stat, index, &Read::Body, None, frames)?;
    Ok(Some(Box::new((path, file))))
}

fn packages(facts: &mut Facts, sorted: &Sorted, frames: &Frames) -> Result<(), SshError> {
    if sorted.packages.is_empty() {
        return Ok(());
    }
    let mut found = BTreeMap::new();
    let text = frames.needed("packages")?;
    for line in text.lines().filter(|line| !line.is_empty()) {
        let mut fields = line.split('\t');
        let (Some(name), Some(status), Some(version)) =
            (fields.next(), fields.next(), fields.next())
        else {
            return Err(broken("packages", "has a line without three fields"));
        };
        // The second letter is the state on the disk (dpkg-query(1)): i installed; n, c not; the rest in between.
        let fact = match status.chars().nth(1) {
            Some('i') => PackageFact::Installed(version.to_owned()),
            Some('n' | 'c') => PackageFact::Absent,
            _ => PackageFact::Broken,
        };
        // Another architecture's package of the same name may have left its configuration behind.
        if !matches!(found.get(name), Some(PackageFact::Installed(_))) {
            found.insert(name, fact);
        }
    }
    for name in &sorted.packages {
        let fact = found.get(name.as_str()).cloned();
        let name = PackageName::new(name.clone()).map_err(SshError::Answer)?;
        facts
            .packages
            .insert(name, fact.unwrap_or(PackageFact::Absent));
    }
    let times: Vec<u64> = frames
        .text("lists")?
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect();
    facts.apt_lists_age = times.split_first().and_then(|(now, fetched)| {
        let newest = fetched.iter().max()?;
        Some(now.saturating_sub(*newest))
    });
    Ok(())
}

/// Reads what `apt-get -s` said (apt-get(8)): `Inst NAME [OLD] (NEW …)`, `Remv NAME [OLD]`, `E: WHY`.
fn apt(facts: &mut Facts, sorted: &Sorted, frames: &Frames) -> Result<(), SshError> {
    for (index, request) in sorted.apt.iter().enumerate() {
        let name = format!("apt:{index}");
        if frames.get(&name).is_none() {
            continue;
        }
        let mut fact = AptFact::default();
        for line in frames.text(&name)?.lines() {
            let Some((word, rest)) = line.split_once(' ') else {
                continue;
            };
            let package = rest.split(' ').next().unwrap_or_default();
            match word {
                "Inst" => {
                    let version = rest
                        .split_once('(')
                        .and_then(|(_, rest)| rest.split(' ').next());
                    fact.install
                        .push(format!("{package} {}", version.unwrap_or_default()));
                }
                "Remv" | "Purg" => fact.remove.push(package.to_owned()),
                "E:" => {
                    fact.problem.get_or_insert_with(|| rest.to_owned());
                }
                _ => {}
            }
        }
        fact.install.sort();
        facts.apt.insert(request.key(), fact);
    }
    Ok(())
}

fn accounts(facts: &mut Facts, sorted: &Sorted, frames: &Frames) -> Result<(), SshError> {
    if sorted.users.is_empty() && sorted.groups.is_empty() {
        return Ok(());
    }
    let mut group_names = BTreeMap::new();
    let mut groups = BTreeMap::new();
    let mut memberships: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for line in frames.needed("group")?.lines() {
        let fields: Vec<_> = line.split(':').collect();
        let &[name, _, gid, members] = fields.as_slice() else {
            continue;
        };
        let Ok(gid) = gid.parse::<u32>() else {
            continue;
        };
        group_names.insert(gid, name);
        groups.insert(name, gid);
        for member in members.split(',').filter(|member| !member.is_empty()) {
            memberships
                .entry(member)
                .or_default()
                .insert(name.to_owned());
        }
    }
    let mut passwords = BTreeMap::new();
    for line in frames.text("shadow")?.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(hash)) = (fields.next(), fields.next()) {
            passwords.insert(name, hash);
        }
    }
    let mut users = BTreeMap::new();
    for line in frames.needed("passwd")?.lines() {
        let fields: Vec<_> = line.split(':').collect();
        let &[name, _, uid, gid, comment, home, shell] = fields.as_slice() else {
            continue;
        };
        let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse::<u32>()) else {
            continue;
        };
        let group = group_names.get(&gid);
        let fact = UserFact {
            uid,
            group: group.map_or_else(|| gid.to_string(), |name| (*name).to_owned()),
            comment: comment.to_owned(),
            home: home.to_owned(),
            shell: shell.to_owned(),
            groups: memberships.get(name).cloned().unwrap_or_default(),
            password: None,
        };
        users.insert(name, fact);
    }
    for (name, password) in &sorted.users {
        let mut fact = users.get(name.as_str()).cloned();
        if let Some(fact) = fact.as_mut().filter(|_| *password) {
            // An account without a line in /etc/shadow cannot log in with a password.
            let hash = passwords.get(name.as_str()).copied().unwrap_or("!");
            fact.password = Some(Secret::new(hash));
        }
        let name = AccountName::new(name.clone()).map_err(SshError::Answer)?;
        facts.users.insert(name, fact);
    }
    for name in &sorted.groups {
        let fact = groups.get(name.as_str()).map(|gid| GroupFact { gid: *gid });
        let name = AccountName::new(name.clone()).map_err(SshError::Answer)?;
        facts.groups.insert(name, fact);
    }
    Ok(())
}

/// What is known of a service that the service manager does not know.
const UNKNOWN: ServiceFact = ServiceFact {
    known: false,
    running: false,
    enabled: false,
    masked: false,
};

fn services(facts: &mut Facts, sorted: &Sorted, frames: &Frames) -> Result<(), SshError> {
    if sorted.services.is_empty() {
        return Ok(());
    }
    let found: BTreeMap<String, ServiceFact> = match facts.manager {
        ServiceManager::None => BTreeMap::new(),
        ServiceManager::Systemd => {
            let text = frames.needed("systemd")?;
            let blocks: Vec<_> = text.trim_end().split("\n\n").collect();
            if blocks.len() != sorted.services.len() {
                return Err(broken("systemd", "does not cover every service"));
            }
            let facts = blocks.into_iter().map(systemd_unit);
            sorted.services.iter().cloned().zip(facts).collect()
        }
        ServiceManager::Runit => frames
            .needed("runit")?
            .lines()
            .filter_map(runit_line)
            .collect(),
    };
    for name in &sorted.services {
        let fact = found.get(name).copied().unwrap_or(UNKNOWN);
        let name = ServiceName::new(name.clone()).map_err(SshError::Answer)?;
        facts.services.insert(name, fact);
    }
    Ok(())
}

/// Reads one unit of `systemctl show` (systemctl(1)).
fn systemd_unit(block: &str) -> ServiceFact {
    let value = |key: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_default()
    };
    let load = value("LoadState");
    ServiceFact {
        known: matches!(load, "loaded" | "masked"),
        // A daemon that ends again and again is activating, too, whenever systemd waits to start it again.
        running: matches!(value("ActiveState"), "active" | "reloading" | "activating")
            && value("SubState") != "auto-restart",
        // Units that cannot be enabled, such as those made from init scripts, count as enabled.
        enabled: !matches!(value("UnitFileState"), "disabled" | "masked" | "" | "bad"),
        masked: load == "masked",
    }
}

/// Reads one line of `sv status` (sv(8)): `run: NAME: (pid 7) 3s` or `down: NAME: 3s, normally up`.
fn runit_line(line: &str) -> Option<(String, ServiceFact)> {
    let mut words = line.split(": ");
    let state = words.next()?;
    let name = words.next()?;
    let name = name.rsplit('/').next()?.trim_end_matches(':');
    let fact = ServiceFact {
        known: matches!(state, "run" | "down" | "finish"),
        running: state == "run",
        enabled: true,
        masked: false,
    };
    Some((name.to_owned(), fact))
}

/// Reads entries of debconf's database (debconf-devel(7)): `Name:` and `Value:` lines, ended by an empty line.
fn debconf(facts: &mut Facts, sorted: &Sorted, frames: &Frames) -> Result<(), SshError> {
    if sorted.debconf.is_empty() {
        return Ok(());
    }
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    let mut name = "";
    for line in frames.needed("debconf")?.lines() {
        if let Some(question) = line.strip_prefix("Name: ") {
            name = question;
        } else if let Some(value) = line.strip_prefix("Value:") {
            found.insert(name, value.strip_prefix(' ').unwrap_or(value));
        }
    }
    for question in &sorted.debconf {
        let value = found
            .get(question.as_str())
            .map(|value| Secret::new(*value));
        facts.debconf.insert(question.clone(), value);
    }
    Ok(())
}
