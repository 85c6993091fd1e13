//! What most commands need: the estate, its templates, the container engine, the selected hosts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use tasks::domain::Domains;
use tasks::domain::role::DomainWork;
use tasks::estate::{ALL, Estate, Host, StandIn, Sudo as EstateSudo};
use tasks::plan::Phase;
use tasks::role::{HostContext, Inputs, needs_authority};
use tasks::template::Templates;

use super::arguments::{Global, Names, Output};
use crate::authority;
use crate::docker::{Engine, EstateContainers, HostState, HostStatus, Mode, host_resolvers};
use crate::engine::{Failure, Job};
use crate::files;
use crate::report::problem::Problem;
use crate::ssh::{Auth, HostKeys, Sudo, Target, UserConfig};
use crate::state::{PinnedKey, State, home};

/// The loaded estate with the user's wishes.
pub(super) struct App {
    pub(super) global: Global,
    pub(super) estate: Estate,
    pub(super) domains: Domains,
    pub(super) templates: Templates,
    pub(super) inputs: Inputs,
    user_config: UserConfig,
}

impl App {
    /// Loads the estate and everything that is needed to decide about its hosts.
    pub(super) fn load(global: Global) -> Result<Self, Problem> {
        let Loaded {
            estate,
            templates,
            domains,
        } = load(&global)?;
        let inputs = Inputs {
            container_host_resolvers: if estate.network().is_some() {
                host_resolvers()?
            } else {
                Vec::new()
            },
            authority: if needs_authority(&estate) {
                let folder = &global.estate;
                let state = State::of(estate.name(), folder)?;
                Some(authority::of(estate.name(), folder, &state)?)
            } else {
                None
            },
        };
        let user_config = UserConfig::load(&home()).map_err(|cause| {
            Problem::Failed(Failure::new(
                cause,
                "repair it, as ssh would have to read it too",
            ))
        })?;
        Ok(Self {
            global,
            estate,
            domains,
            templates,
            inputs,
            user_config,
        })
    }

    /// Refuses an estate or domains with mistakes.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let mistakes =
            tasks::role::check(&self.estate, &self.domains, &self.templates, &self.inputs);
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(mistakes.into())
        }
    }

    /// Tells whether programs read what is printed.
    pub(super) fn json(&self) -> bool {
        self.global.output == Output::Json
    }

    /// Selects the hosts of `--limit`, or all.
    pub(super) fn limited(&self) -> Result<Vec<&Host>, Problem> {
        self.estate
            .limit(self.global.limit.as_deref().unwrap_or(ALL))
            .map_err(Problem::Usage)
    }

    /// Selects the hosts of services, groups and hosts by name, then those of `--limit` among them.
    pub(super) fn named(&self, names: &Names) -> Result<Vec<&Host>, Problem> {
        if names.names.is_empty() {
            return self.limited();
        }
        let chosen = self
            .estate
            .limit(&names.names.join(","))
            .map_err(Problem::Usage)?;
        let limited = self.limited()?;
        let both: Vec<_> = chosen
            .into_iter()
            .filter(|host| limited.iter().any(|other| other.name() == host.name()))
            .collect();
        if both.is_empty() {
            return Err(Problem::usage(
                format!(
                    "no host is in both '{}' and the limit",
                    names.names.join(" ")
                ),
                "leave out --limit, or the names",
            ));
        }
        Ok(both)
    }

    /// Selects as [`Self::named`] does, and stand-ins by their names; those that exist if nothing limits the choice.
    pub(super) fn named_with_stand_ins(
        &self,
        names: &Names,
    ) -> Result<(Vec<&Host>, Vec<&StandIn>), Problem> {
        let all = self.estate.stand_ins().iter();
        if names.names.is_empty() {
            let all = all.filter(|_| self.global.limit.is_none());
            return Ok((self.limited()?, all.collect()));
        }
        let is_named = |name: &str| names.names.iter().any(|other| other == name);
        let stand_ins: Vec<_> = all.filter(|one| is_named(one.name())).collect();
        let is_host = |name: &&String| stand_ins.iter().all(|one| one.name() != *name);
        let names = Names {
            names: names.names.iter().filter(is_host).cloned().collect(),
        };
        if names.names.is_empty() {
            return Ok((Vec::new(), stand_ins));
        }
        Ok((self.named(&names)?, stand_ins))
    }

    /// Gives the estate's side of Docker; an error where its hosts are not containers.
    pub(super) async fn containers(&self) -> Result<EstateContainers, Problem> {
        let Some(network) = self.estate.network() else {
            return Err(Problem::usage(
                format!(
                    "the hosts of the estate '{}' are not containers",
                    self.estate.name()
                ),
                "containers are made for estates whose estate.yml has `containers`",
            ));
        };
        let subnet = network.to_string().parse().map_err(|_| {
            Problem::usage(
                format!("the network {network} cannot be a container network"),
                "use an IPv4 network such as 10.0.0.0/24",
            )
        })?;
        Ok(Engine::connect().await?.estate(self.estate.name(), subnet))
    }

    pub(super) fn state(&self) -> Result<State, Problem> {
        State::of(self.estate.name(), &self.global.estate)
    }

    /// Gives the resources of a host, and how it is reached.
    pub(super) fn job(&self, host: &Host, target: Target, phase: Phase) -> Result<Job, Problem> {
        let context = HostContext::new(&self.estate, host, &self.inputs, &self.templates);
        Ok(Job {
            host: host.name().to_owned(),
            target,
            resources: tasks::role::resources(&context)?,
            phase,
            exports: Vec::new(),
        })
    }

    /// Gives the resources that domains need on a host, and how it is reached.
    pub(super) fn domain_job(
        &self,
        host: &Host,
        target: Target,
        work: &DomainWork<'_>,
    ) -> Result<Job, Problem> {
        let resources = work.resources(&self.estate, host, &self.inputs, &self.templates)?;
        Ok(Job {
            host: host.name().to_owned(),
            target,
            resources,
            phase: Phase::Completion,
            exports: Vec::new(),
        })
    }

    /// Finds out how hosts are reached. For containers Docker says where they are and what their host keys are, and
    /// a host whose container does not run is not sent anything.
    pub(super) async fn targets(
        &self,
        hosts: &[&Host],
    ) -> Result<Vec<(String, Result<Target, Failure>)>, Problem> {
        if self.estate.network().is_none() {
            let target = |host: &&Host| (host.name().to_owned(), Ok(self.server(host)));
            return Ok(hosts.iter().map(target).collect());
        }
        let containers = self.containers().await?;
        let running = containers.list().await?;
        let state = self.state()?;
        let mut pinned = state.host_keys();
        let before = pinned.clone();
        let mut targets = Vec::with_capacity(hosts.len());
        for host in hosts {
            let target = match reachable(host, &running) {
                Ok((status, address)) => {
                    let key = pin(&containers, status, &mut pinned).await;
                    key.and_then(|key| self.container(host, address, &key))
                }
                Err(failure) => Err(failure),
            };
            targets.push((host.name().to_owned(), target));
        }
        if pinned != before {
            state.keep_host_keys(&pinned)?;
        }
        Ok(targets)
    }

    fn container(&self, host: &Host, address: IpAddr, key: &str) -> Result<Target, Failure> {
        let key = russh::keys::PublicKey::from_openssh(key).map_err(|error| {
            Failure::new(
                format!("the host key that Docker gave makes no sense: {error}"),
                "deploy the host anew with `prov deploy`",
            )
        })?;
        let connection = host.connection();
        let auth = connection.password.iter().cloned().map(Auth::Password);
        Ok(Target {
            host: host.name().to_owned(),
            address: address.to_string(),
            port: connection.port.unwrap_or(22),
            user: connection.user.clone().unwrap_or_else(|| "root".to_owned()),
            auth: auth.collect(),
            host_keys: HostKeys::Pinned {
                keys: vec![key],
                from: "the host's container".to_owned(),
            },
            sudo: sudo(host),
            jump: None,
            timeout: Duration::from_secs(self.global.timeout),
        })
    }

    /// Gives the way to a real server: the estate first, then the user's SSH configuration, then SSH's defaults.
    fn server(&self, host: &Host) -> Target {
        let connection = host.connection();
        let entry = self.user_config.query(host.name());
        let address = entry
            .host_name
            .unwrap_or_else(|| host.address().to_string());
        let port = connection.port.or(entry.port).unwrap_or(22);
        let user = connection.user.clone().or(entry.user);
        let mut auth = vec![Auth::Agent];
        let identities = match &connection.identity {
            Some(identity) => vec![expand(identity)],
            None => entry.identities,
        };
        let named = !identities.is_empty();
        let identities = if named {
            identities
        } else {
            self.user_config.default_identities()
        };
        auth.extend(
            identities
                .into_iter()
                .map(|path| Auth::Identity { path, named }),
        );
        auth.extend(connection.password.iter().cloned().map(Auth::Password));
        let jump = connection.jump.clone().or(entry.proxy_jump);
        Target {
            host: host.name().to_owned(),
            host_keys: self.known_hosts(&address, port),
            address,
            port,
            user: user.unwrap_or_else(user_name),
            auth,
            sudo: sudo(host),
            jump: jump.map(|jump| Box::new(self.jump(&jump))),
            timeout: Duration::from_secs(self.global.timeout),
        }
    }

    fn jump(&self, jump: &str) -> Target {
        let (user, rest) = jump
            .rsplit_once('@')
            .map_or((None, jump), |(user, rest)| (Some(user), rest));
        let (name, port) = match rest.rsplit_once(':') {
            Some((name, port)) => (name, port.parse().ok()),
            None => (rest, None),
        };
        let entry = self.user_config.query(name);
        let address = entry.host_name.unwrap_or_else(|| name.to_owned());
        let port = port.or(entry.port).unwrap_or(22);
        let mut identities = entry.identities;
        identities.extend(self.user_config.default_identities());
        let identities = identities
            .into_iter()
            .map(|path| Auth::Identity { path, named: false });
        Target {
            host: name.to_owned(),
            host_keys: self.known_hosts(&address, port),
            address,
            port,
            user: user
                .map(str::to_owned)
                .or(entry.user)
                .unwrap_or_else(user_name),
            auth: std::iter::once(Auth::Agent).chain(identities).collect(),
            sudo: Sudo::No,
            jump: None,
            timeout: Duration::from_secs(self.global.timeout),
        }
    }

    fn known_hosts(&self, address: &str, port: u16) -> HostKeys {
        HostKeys::KnownHosts {
            files: self.user_config.known_hosts(),
            name: address.to_owned(),
            port,
        }
    }
}

/// What is read before anything is decided.
pub(super) struct Loaded {
    pub(super) estate: Estate,
    pub(super) templates: Templates,
    pub(super) domains: Domains,
}

/// Loads an estate, its templates and its domains.
pub(super) fn load(global: &Global) -> Result<Loaded, Problem> {
    let sources = files::read_estate(&global.estate)?;
    let estate = Estate::load(&sources, &global.set);
    let templates = Templates::load(&sources);
    let folder = files::domains_folder(&global.estate, global.domains.as_deref())?;
    let domains = match folder {
        Some(folder) => Domains::load(&files::read_domains(&folder)?),
        None => Ok(Domains::default()),
    };
    match (estate, templates, domains) {
        (Ok(estate), Ok(templates), Ok(domains)) => Ok(Loaded {
            estate,
            templates,
            domains,
        }),
        (estate, templates, domains) => {
            let mistakes = [estate.err(), templates.err(), domains.err()];
            Err(mistakes
                .into_iter()
                .flatten()
                .flatten()
                .collect::<Vec<_>>()
                .into())
        }
    }
}

/// Finds a host's running container.
fn reachable<'s>(host: &Host, all: &'s [HostStatus]) -> Result<(&'s HostStatus, IpAddr), Failure> {
    let unreachable = |cause: String, hint: String| Failure {
        unreachable: true,
        ..Failure::new(cause, hint)
    };
    let Some(status) = all.iter().find(|status| status.host == host.name()) else {
        return Err(unreachable(
            "it has no container".to_owned(),
            format!("make it with `prov deploy {}`", host.name()),
        ));
    };
    match (status.state, status.address) {
        (HostState::Running, Some(address)) => Ok((status, IpAddr::V4(address))),
        (HostState::Running, None) => Err(unreachable(
            "its container is not on the estate's network".to_owned(),
            format!("make it anew with `prov deploy {}`", host.name()),
        )),
        (HostState::Created | HostState::Stopped | HostState::Paused | HostState::Other, _) => {
            let again = match status.mode {
                Mode::Test => format!("start it with `prov test {}`", host.name()),
                Mode::Deploy | Mode::Client | Mode::StandIn => {
                    format!("make it anew with `prov deploy {}`", host.name())
                }
            };
            Err(unreachable(
                format!("its container does not run ({})", status.since),
                again,
            ))
        }
    }
}

/// Gives the host key of a container: remembered if it is still the same container, otherwise read through Docker.
async fn pin(
    containers: &EstateContainers,
    status: &HostStatus,
    pinned: &mut BTreeMap<String, PinnedKey>,
) -> Result<String, Failure> {
    if let Some(known) = pinned
        .get(&status.host)
        .filter(|known| known.created == status.created)
    {
        return Ok(known.key.clone());
    }
    let key = containers.host_key(&status.host).await.map_err(|error| {
        let hint = error.hint().unwrap_or_default();
        Failure::new(error.to_string(), hint)
    })?;
    let entry = PinnedKey {
        created: status.created,
        key: key.clone(),
    };
    pinned.insert(status.host.clone(), entry);
    Ok(key)
}

fn sudo(host: &Host) -> Sudo {
    let connection = host.connection();
    match connection.sudo {
        EstateSudo::No => Sudo::No,
        EstateSudo::Free => Sudo::Free,
        EstateSudo::Password => match &connection.password {
            Some(password) => Sudo::Password(password.clone()),
            None => Sudo::Free,
        },
    }
}

fn expand(path: &str) -> std::path::PathBuf {
    path.strip_prefix("~/")
        .map_or_else(|| Path::new(path).to_owned(), |rest| home().join(rest))
}

fn user_name() -> String {
    std::env::var("USER").unwrap_or_else(|_| "root".to_owned())
}
