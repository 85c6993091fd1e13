//! What the estate wants of its hosts, as prov's core works it out.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use tasks::Diagnostic;
use tasks::authority::Authority;
use tasks::domain::Domains;
use tasks::domain::role::{DomainWork, Purpose, Selection};
use tasks::estate::{Estate, Host, Sources};
use tasks::resource::{Declared, HandlerAction, Resource, State};
use tasks::role::{HostContext, Inputs};
use tasks::template::Templates;

use crate::facts::{AllFacts, HostFacts};
use crate::{Failure, Result};

/// The resources of every host, by its name.
pub type Wanted = BTreeMap<String, Vec<Declared>>;

/// Works out the resources of every host of an estate.
///
/// Resolvers and authority are made up, since only what is looked at counts here, and not what is in it.
pub fn of_estate(folder: &Path) -> Result<Wanted> {
    let (estate, templates, inputs) = load(folder)?;
    let host = |host| {
        let context = HostContext::new(&estate, host, &inputs, &templates);
        let resources = tasks::role::resources(&context).map_err(failure)?;
        Ok((host.name().to_owned(), resources))
    };
    estate.hosts().iter().map(host).collect()
}

/// Works out the resources of one host, whose estate need not be right for the others.
pub fn of_host(folder: &Path, name: &str) -> Result<Vec<Declared>> {
    let (estate, templates, inputs) = load(folder)?;
    let host = estate.host(name).ok_or("there is no such host")?;
    let context = HostContext::new(&estate, host, &inputs, &templates);
    tasks::role::resources(&context).map_err(failure)
}

/// Works out what the domains of an estate need of the hosts that they concern.
pub fn of_domains(folder: &Path) -> Result<Wanted> {
    let (estate, templates, inputs) = load(folder)?;
    let mut sources = Sources::new("domains");
    for name in crate::estate::DOMAINS {
        let file = format!("{name}/domain.yml");
        let bytes = std::fs::read(folder.join("domains").join(&file))?;
        sources.insert(file, bytes);
    }
    let domains = Domains::load(&sources).map_err(failure)?;
    let work = DomainWork {
        domains: domains.iter().collect(),
        selection: Selection::default(),
        purpose: Purpose::Setup,
    };
    let host = |host: &Host| {
        let resources = work.resources(&estate, host, &inputs, &templates);
        Ok((host.name().to_owned(), resources.map_err(failure)?))
    };
    let wanted: Result<Wanted> = estate.hosts().iter().map(host).collect();
    let mut wanted = wanted?;
    wanted.retain(|_, resources| !resources.is_empty());
    Ok(wanted)
}

fn load(folder: &Path) -> Result<(Estate, Templates, Inputs)> {
    let mut sources = Sources::new(folder.display().to_string());
    for sub in ["", "hosts", "groups"] {
        for entry in std::fs::read_dir(folder.join(sub))? {
            let path = entry?.path();
            if let (true, Some(name)) = (path.is_file(), path.strip_prefix(folder)?.to_str()) {
                sources.insert(name, std::fs::read(&path)?);
            }
        }
    }
    let estate = Estate::load(&sources, &[]).map_err(failure)?;
    let templates = Templates::load(&sources).map_err(failure)?;
    let inputs = Inputs {
        roles: tasks::role::Catalogue::default(),
        container_host_resolvers: vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53))],
        authority: Some(Authority::new("bench", &[7; 32], 1_700_000_000)?),
    };
    Ok((estate, templates, inputs))
}

/// Gathers what must be read from every host.
pub fn facts(wanted: &Wanted) -> Result<AllFacts> {
    let facts =
        |(name, declared): (&String, &Vec<Declared>)| Ok((name.clone(), HostFacts::of(declared)?));
    wanted.iter().map(facts).collect()
}

fn failure(mistakes: Vec<Diagnostic>) -> Failure {
    let mistakes = mistakes.into_iter().map(|mistake| mistake.to_string());
    let mistakes: Vec<_> = mistakes.collect();
    mistakes.join("\n").into()
}

/// What other tools can do of a host's resources without more than their own modules: no databases, calendars, keys
/// and certificates.
#[derive(Debug, Default)]
pub struct Simple {
    /// Folders.
    pub directories: Vec<String>,
    /// Files that roles own whole, and the services that are to be restarted when they change.
    pub files: Vec<(String, Vec<String>)>,
    /// Links, and where they lead to.
    pub links: Vec<(String, String)>,
    /// Paths at which there is to be nothing.
    pub removed: Vec<String>,
    /// Lines: the file, the expression that finds them, and their text.
    pub lines: Vec<(String, String, String)>,
    /// Users.
    pub users: Vec<String>,
    /// Groups.
    pub groups: Vec<String>,
}

impl Simple {
    /// Picks the simple ones of a host's resources.
    #[must_use]
    pub fn of(declared: &[Declared]) -> Self {
        let mut simple = Self::default();
        for declared in declared {
            simple.add(declared);
        }
        simple
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "other tools do less than prov: a new kind of resource need not be known here"
    )]
    fn add(&mut self, declared: &Declared) {
        let there = |state| state == State::Present;
        match &declared.resource {
            Resource::Directory(folder) if there(folder.state) => {
                self.directories.push(folder.path.to_string());
            }
            Resource::File(file) if there(file.state) => {
                self.files.push((file.path.to_string(), restarts(declared)));
            }
            Resource::Cron(job) if there(job.state) => {
                let path = format!("/etc/cron.d/{}", job.name);
                self.files.push((path, restarts(declared)));
            }
            Resource::Symlink(link) if there(link.state) => {
                self.links
                    .push((link.path.to_string(), link.target.clone()));
            }
            Resource::File(tasks::resource::File { path, .. })
            | Resource::Symlink(tasks::resource::Symlink { path, .. })
            | Resource::Directory(tasks::resource::Directory { path, .. }) => {
                self.removed.push(path.to_string());
            }
            Resource::Line(line) => {
                if let (Some(text), Some(regexp)) = (&line.line, &line.regexp) {
                    let regexp = regexp.as_str().to_owned();
                    let line = (line.path.to_string(), regexp, text.expose());
                    self.lines.push(line);
                }
            }
            Resource::User(user) if there(user.state) => self.users.push(user.name.to_string()),
            Resource::Group(group) if there(group.state) => {
                self.groups.push(group.name.to_string());
            }
            // What has modules of its own here, such as packages, is known from the facts.
            _ => {}
        }
    }
}

/// Gives the services that are restarted after a change.
fn restarts(declared: &Declared) -> Vec<String> {
    let restart = |action: &HandlerAction| match action {
        HandlerAction::Restart(service) | HandlerAction::Reload(service) => {
            Some(service.to_string())
        }
        HandlerAction::Run(_) => None,
    };
    let handlers = declared.notify.iter();
    handlers
        .filter_map(|handler| restart(&handler.action))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Wanted {
        of_estate(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../estate/docker")).unwrap()
    }

    #[test]
    fn the_facts_of_the_sample_estate_follow_its_roles() {
        let facts = facts(&sample()).unwrap();
        assert_eq!(facts.len(), 14);
        let all = |list: fn(&HostFacts) -> usize| facts.values().map(list).min().unwrap();
        assert!(all(|host| host.packages.len()) >= 2);
        assert!(all(|host| host.files.len()) >= 4);
        let has = |name: &str, list: fn(&HostFacts) -> bool| assert!(list(&facts[name]), "{name}");
        has("database-internal", |host| !host.databases.is_empty());
        has("caldav", |host| host.calendars.len() >= 3);
        has("mail-external", |host| !host.keys.is_empty());
        has("backup-director", |host| {
            host.debconf.len() == 1 && host.services.len() >= 3 && !host.guards.is_empty()
        });
    }

    #[test]
    fn a_shell_can_read_every_script() {
        for (name, facts) in facts(&sample()).unwrap() {
            for script in [facts.script(), facts.installation()] {
                let mut shell = std::process::Command::new("sh");
                let output = shell.args(["-n", "-c", &script]).output().unwrap();
                assert!(output.status.success(), "{name}: {output:?}\n{script}");
            }
        }
    }

    #[test]
    fn no_secret_of_the_sample_estate_is_among_the_facts() {
        let wanted = sample();
        let text = serde_json::to_string(&facts(&wanted).unwrap()).unwrap();
        let secrets = wanted.values().flatten();
        let secrets: Vec<_> = secrets
            .flat_map(|declared| declared.resource.manage().secrets())
            .collect();
        assert!(secrets.len() > 14);
        for secret in secrets {
            assert!(!text.contains(secret.expose()));
        }
    }
}
