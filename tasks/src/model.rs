//! The model of a host: carries out steps on facts.
//!
//! A preview plans each resource against the facts as the changes before it will have left them, and tests prove with the
//! same model that a plan converges. It knows what steps say of themselves and nothing more: what a command changes
//! beyond its declared effects is found out by probing the real host again.

use crate::fact::{Attributes, DatabaseServer, Facts, FileFact, PackageFact, PathFact};
use crate::step::{Effect, Step};
use crate::value::HostPath;

impl Facts {
    /// Carries out a step on these facts, as a host would.
    pub fn apply(&mut self, step: &Step) {
        match step {
            Step::WriteFile {
                path,
                content,
                attributes,
            } => {
                let file = FileFact::of(attributes.clone(), content.expose().as_bytes());
                for linked in self.linked(path) {
                    *linked = file.clone();
                }
                self.paths.insert(path.clone(), PathFact::File(file));
            }
            Step::Fetch {
                path,
                sha256,
                attributes,
                ..
            } => {
                // What it holds is not known but for its digest.
                let file = FileFact {
                    sha256: Some(sha256.clone()),
                    body: None,
                    ..FileFact::of(attributes.clone(), b"")
                };
                self.paths.insert(path.clone(), PathFact::File(file));
            }
            Step::SetAttributes { path, attributes } => {
                for linked in self.linked(path) {
                    linked.owner.clone_from(&attributes.owner);
                    linked.group.clone_from(&attributes.group);
                    linked.mode = attributes.mode;
                }
                if let Some(fact) = self.paths.get_mut(path) {
                    match fact {
                        PathFact::File(file) => {
                            file.owner.clone_from(&attributes.owner);
                            file.group.clone_from(&attributes.group);
                            file.mode = attributes.mode;
                        }
                        PathFact::Directory(have) => *have = attributes.clone(),
                        PathFact::Missing | PathFact::Link { .. } | PathFact::Other => {}
                    }
                }
            }
            Step::MakeDirectory { path, attributes } => {
                for (known, fact) in &mut self.paths {
                    if path.is_below(known) && *fact == PathFact::Missing {
                        *fact = PathFact::Directory(Attributes::of_parents());
                    }
                }
                self.paths
                    .insert(path.clone(), PathFact::Directory(attributes.clone()));
            }
            Step::MakeLink { path, target } => {
                let fact = PathFact::Link {
                    target: target.clone(),
                    file: None,
                };
                self.paths.insert(path.clone(), fact);
            }
            Step::Remove { path } => {
                for (known, fact) in &mut self.paths {
                    if known == path || known.is_below(path) {
                        *fact = PathFact::Missing;
                    }
                }
            }
            Step::Run(run) => {
                for effect in &run.effects {
                    self.take(effect);
                }
            }
        }
    }

    /// Gives what is known of a file by way of links that lead to it.
    fn linked(&mut self, path: &HostPath) -> impl Iterator<Item = &mut FileFact> {
        self.paths.values_mut().filter_map(move |fact| match fact {
            PathFact::Link {
                file: Some(linked), ..
            } if linked.0 == *path => Some(&mut linked.1),
            PathFact::Missing
            | PathFact::File(_)
            | PathFact::Directory(_)
            | PathFact::Link { .. }
            | PathFact::Other => None,
        })
    }

    fn take(&mut self, effect: &Effect) {
        match effect {
            Effect::Package { name, fact } => {
                self.packages.insert(name.clone(), fact.clone());
                if matches!(fact, PackageFact::Installed(_)) {
                    self.coming.insert(name.clone());
                }
            }
            Effect::User { name, fact } => {
                self.users.insert(name.clone(), fact.clone());
            }
            Effect::Group { name, fact } => {
                self.groups.insert(name.clone(), fact.clone());
            }
            Effect::Service { name, fact } => {
                self.services.insert(name.clone(), *fact);
            }
            Effect::Debconf { question, value } => {
                self.debconf.insert(question.clone(), value.clone());
            }
            Effect::PublicKey { path, fact } => {
                self.public_keys.insert(path.clone(), fact.clone());
            }
            Effect::Database { name, fact } => {
                self.mariadb.server = DatabaseServer::Running;
                self.mariadb.databases.insert(name.clone(), fact.clone());
            }
            Effect::DatabaseUser { account, fact } => {
                self.mariadb.server = DatabaseServer::Running;
                self.mariadb.users.insert(account.clone(), fact.clone());
            }
            Effect::Calendar { url, fact } => {
                self.calendars.insert(url.clone(), fact.clone());
            }
            Effect::Path { path, fact } => {
                self.paths.insert(path.clone(), fact.clone());
            }
            Effect::Guard(guard) => self.set_guard(guard.clone()),
        }
    }
}
