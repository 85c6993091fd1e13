//! What most commands need: the estate, its templates, the container engine, the selected hosts.

use std::collections::BTreeSet;

use tasks::Diagnostic;
use tasks::authority::Authority;
use tasks::domain::Domains;
use tasks::estate::{Estate, Given, KNOWN_HOSTS, Reference, Sources, is_misplaced_secret};
use tasks::role::{Catalogue, Inputs};
use tasks::template::Templates;
use tokio::sync::OnceCell;

use super::arguments::{Global, Output};
use super::passphrase;
use crate::authority;
use crate::docker::{DockerError, Engine, EstateContainers, host_resolvers};
use crate::engine::Failure;
use crate::files;
use crate::report::problem::Problem;
use crate::report::text::counted;
use crate::secrets::{Opener, Recipients, store};
use crate::ssh::{Keyring, UserConfig};
use crate::state::{State, home};

/// The loaded estate with the user's wishes.
pub(super) struct App {
    pub(super) global: Global,
    pub(super) estate: Estate,
    pub(super) domains: Domains,
    pub(super) templates: Templates,
    pub(super) inputs: Inputs,
    pub(super) user_config: UserConfig,
    /// The container engine, once it was needed.
    engine: OnceCell<Engine>,
}

impl App {
    /// Loads the estate and everything that is needed to decide about its hosts.
    pub(super) fn load(global: Global) -> Result<Self, Problem> {
        Self::with(global, Values::Known, |name, opener, state| {
            authority::of(name, opener, state).map(Some)
        })
    }

    /// Loads the same without making an authority where there is none.
    pub(super) fn load_as_it_is(global: Global) -> Result<Self, Problem> {
        Self::with(global, Values::Known, |_, opener, state| {
            let found = authority::find(opener, state)?;
            Ok(found.map(|kept| kept.first))
        })
    }

    /// Loads what needs no secret: those that cannot be decrypted do not matter, and no program is asked.
    pub(super) fn load_without_secrets(global: Global) -> Result<Self, Problem> {
        Self::with(global, Values::AsTheyAre, |_, _, _| Ok(None))
    }

    fn with(
        global: Global,
        values: Values,
        authority: fn(&str, Opener<'_>, &State) -> Result<Option<Authority>, Problem>,
    ) -> Result<Self, Problem> {
        let mut loaded = load(&global)?;
        let must_know = values == Values::Known;
        if must_know && !loaded.unseen.is_empty() {
            return Err(locked(&global, &loaded.unseen));
        }
        // Nobody is asked for secrets of an estate that is known to have mistakes.
        if must_know && !loaded.references.is_empty() {
            let given = store::ask(&global.estate, &loaded.references)?;
            loaded = load_with(&global, &given, &[])?;
        }
        let Loaded {
            estate,
            templates,
            domains,
            roles,
            ..
        } = loaded;
        let inputs = Inputs {
            container_host_resolvers: if estate.networks().is_some() {
                host_resolvers()?
            } else {
                Vec::new()
            },
            authority: if roles.needs_authority(&estate) {
                let state = State::of(estate.name(), &global.estate)?;
                authority(estate.name(), global.opener(), &state)?
            } else {
                None
            },
            roles,
        };
        let user_config = UserConfig::load(&home(), Keyring::new(passphrase::ask))
            .map_err(|cause| {
                Problem::Failed(Failure::new(
                    cause,
                    "repair it, as ssh would have to read it too",
                ))
            })?
            .with_known_hosts(global.estate.join(KNOWN_HOSTS));
        Ok(Self {
            global,
            estate,
            domains,
            templates,
            inputs,
            user_config,
            engine: OnceCell::new(),
        })
    }

    /// Refuses an estate or domains with mistakes.
    pub(super) fn check(&self) -> Result<(), Problem> {
        none_of(tasks::role::check(
            &self.estate,
            &self.domains,
            &self.templates,
            &self.inputs,
        ))
    }

    /// Refuses roles and variables that nobody knows, which no host's plan would show.
    pub(super) fn check_names(&self) -> Result<(), Problem> {
        none_of(tasks::role::unknown(&self.estate, &self.inputs))
    }

    /// Tells whether programs read what is printed, as JSON.
    pub(super) fn json(&self) -> bool {
        self.global.output == Output::Json
    }

    /// Tells whether people read what is printed.
    pub(super) fn for_people(&self) -> bool {
        self.global.output == Output::Text
    }

    /// Gives the estate's side of Docker; an error where its hosts are not containers.
    pub(super) async fn containers(&self) -> Result<EstateContainers, Problem> {
        self.containers_or("containers are made for estates whose estate.yml has `containers`")
            .await
    }

    /// Gives the container engine of this machine.
    pub(super) async fn engine(&self) -> Result<&Engine, DockerError> {
        self.engine.get_or_try_init(Engine::connect).await
    }

    /// Gives the same; an error says what is done on servers instead.
    pub(super) async fn containers_or(&self, instead: &str) -> Result<EstateContainers, Problem> {
        let Some(networks) = self.estate.networks() else {
            return Err(self.not_containers(instead));
        };
        let engine = self.engine().await?;
        let containers = engine.estate(self.estate.name(), networks.clone());
        let release = self.estate.client_release(None).codename();
        Ok(containers
            .with_init(self.estate.init())
            .with_router_release(release))
    }

    /// Says that hosts are servers, and what is done there instead.
    pub(super) fn not_containers(&self, instead: &str) -> Problem {
        Problem::usage(
            format!(
                "the hosts of the estate '{}' are servers, not containers",
                self.estate.name()
            ),
            instead,
        )
    }

    pub(super) fn state(&self) -> Result<State, Problem> {
        State::of(self.estate.name(), &self.global.estate)
    }
}

fn none_of(mistakes: Vec<Diagnostic>) -> Result<(), Problem> {
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(mistakes.into())
    }
}

/// Whether secrets must be known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    Known,
    AsTheyAre,
}

/// What is read before anything is decided.
pub(super) struct Loaded {
    pub(super) estate: Estate,
    pub(super) templates: Templates,
    pub(super) domains: Domains,
    pub(super) roles: Catalogue,
    /// Files and lines of values that could not be decrypted.
    pub(super) unseen: BTreeSet<(String, usize)>,
    /// What programs would have to be asked for.
    pub(super) references: Vec<Reference>,
}

impl Loaded {
    /// Tells whether a mistake may be one of what stands in the place of a value that is not known.
    pub(super) fn is_unseen(&self, mistake: &Diagnostic) -> bool {
        is_unseen(mistake, &self.unseen) || is_not_asked(mistake, &lines(&self.references))
    }
}

/// Gives files and lines of references.
pub(super) fn lines(references: &[Reference]) -> BTreeSet<(String, usize)> {
    let lines = references.iter();
    lines
        .map(|it| (it.place.file.clone(), it.place.line))
        .collect()
}

/// Loads an estate, its templates, its roles and its domains; no program is asked for secrets.
pub(super) fn load(global: &Global) -> Result<Loaded, Problem> {
    load_with(global, &Given::new(), &[])
}

/// Loads the estate as it would be with other texts in the place of some of its files'.
pub(super) fn load_changed(global: &Global, texts: &[(&str, &str)]) -> Result<Loaded, Problem> {
    load_with(global, &Given::new(), texts)
}

fn load_with(global: &Global, given: &Given, texts: &[(&str, &str)]) -> Result<Loaded, Problem> {
    let mut references = Vec::new();
    let mut give = |sources: &mut Sources| {
        let wanted = sources.references().into_iter();
        references.extend(wanted.filter(|it| !given.contains_key(&it.wanted)));
        sources.give(given.clone());
    };
    let mut sources = files::read_estate(&global.estate, global.opener())?;
    for (path, text) in texts {
        sources.insert(*path, text.as_bytes().to_vec());
    }
    give(&mut sources);
    let estate = Estate::load(&sources, &global.set);
    let templates = Templates::load(&sources);
    let folder = files::domains_folder(&global.estate, global.domains_folder.as_deref())?;
    let mut unseen = sources.unseen().clone();
    let domains = match folder {
        Some(folder) => {
            let mut sources = files::read_domains(&folder, global.opener())?;
            give(&mut sources);
            unseen.extend(sources.unseen().iter().cloned());
            Domains::load(&sources)
        }
        None => Ok(Domains::default()),
    };
    let libraries = libraries(global)?;
    let roles = Catalogue::load(&sources, &libraries);
    match (estate, templates, domains, roles) {
        (Ok(estate), Ok(templates), Ok(domains), Ok(roles)) => Ok(Loaded {
            estate,
            templates,
            domains,
            roles,
            unseen,
            references,
        }),
        (estate, templates, domains, roles) => {
            let mistakes = [estate.err(), templates.err(), domains.err(), roles.err()];
            let mistakes: Vec<_> = mistakes.into_iter().flatten().flatten().collect();
            let left = lines(&references);
            let is_seen = |mistake: &Diagnostic| {
                !is_unseen(mistake, &unseen) && !is_not_asked(mistake, &left)
            };
            if mistakes.iter().any(is_seen) {
                Err(mistakes
                    .into_iter()
                    .filter(is_seen)
                    .collect::<Vec<_>>()
                    .into())
            } else {
                // Nothing is known to be wrong, but without these values there is no estate.
                Err(if unseen.is_empty() {
                    not_asked(&left)
                } else {
                    locked(global, &unseen)
                })
            }
        }
    }
}

/// Says that there is no estate without what programs give.
fn not_asked(left: &BTreeSet<(String, usize)>) -> Problem {
    Problem::Failed(Failure::new(
        format!(
            "what stands in the place of a secret does not do, and no program was asked for it: {}",
            unseen_in(left)
        ),
        "preview with `prov diff`, which asks",
    ))
}

/// Tells whether a mistake is one of what stands in the place of a value that could not be decrypted.
fn is_unseen(mistake: &Diagnostic, unseen: &BTreeSet<(String, usize)>) -> bool {
    let place = mistake.place.as_ref();
    place.is_some_and(|place| unseen.contains(&(place.file.clone(), place.line)))
}

/// Tells whether a mistake is one of what stands in the place of a secret that no program was asked for, and may be none with it.
fn is_not_asked(mistake: &Diagnostic, left: &BTreeSet<(String, usize)>) -> bool {
    !is_misplaced_secret(mistake) && is_unseen(mistake, left)
}

/// Says in which files how many values could not be decrypted.
pub(super) fn unseen_in(unseen: &BTreeSet<(String, usize)>) -> String {
    let files: BTreeSet<_> = unseen.iter().map(|(file, _)| file.as_str()).collect();
    let files: Vec<_> = files.into_iter().collect();
    let values = counted(unseen.len(), "value", "values");
    format!("{values} in {}", files.join(", "))
}

/// Refuses to go on without values that could not be decrypted.
fn locked(global: &Global, unseen: &BTreeSet<(String, usize)>) -> Problem {
    Problem::Failed(Failure::new(
        format!("cannot decrypt {}", unseen_in(unseen)),
        whose_identity(global),
    ))
}

/// Says whose key would decrypt, or what keeps one that is there from it.
pub(super) fn whose_identity(global: &Global) -> String {
    if let Some(failure) = global.keys.unusable() {
        return format!("{}; {}", failure.cause, failure.remedy);
    }
    let others = match Recipients::load(&global.estate) {
        Ok(recipients) => recipients.shown().collect::<Vec<_>>().join(", "),
        Err(_) => "who had the estate's recipients.txt".to_owned(),
    };
    format!(
        "name the private key of one of the recipients with --identity FILE (PROV_IDENTITY), or hand it over in PROV_IDENTITY_KEY: {others}"
    )
}

/// Reads the libraries of roles that were named.
pub(super) fn libraries(global: &Global) -> Result<Vec<Sources>, Problem> {
    let folders = global.roles.iter();
    folders.map(|folder| files::read_library(folder)).collect()
}
