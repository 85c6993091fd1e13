//! The model of a host: carries out steps on facts.
//!
//! A preview plans each resource against the facts as the changes before it will have left them, and tests prove with the
//! same model that a plan converges. It knows what steps say of themselves and nothing more: what a command changes
//! beyond its declared effects is found out by probing the real host again.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::probe::{
    ArchiveFact, Attributes, Becomes, Effect, Facts, FileFact, GitFact, Owner, PackageFact,
    PathFact, Planted, QuerySet,
};
use crate::step::{Step, Unpack};
use crate::value::HostPath;

impl Facts {
    /// Carries out a step on these facts, as a host would.
    pub fn apply(&mut self, step: &Step) {
        match step {
            Step::WriteFile {
                path,
                content,
                attributes,
                ..
            } => {
                let file = FileFact::of(attributes.clone(), content.bytes());
                for linked in self.linked(path) {
                    *linked = file.clone();
                }
                self.doubt_written(path);
                self.paths.insert(path.clone(), PathFact::File(file));
            }
            Step::Fetch {
                path,
                sha256,
                attributes,
                ..
            } => {
                self.doubt_written(path);
                // What it holds is not known but for its digest.
                let file = FileFact {
                    sha256: Some(sha256.clone()),
                    body: None,
                    ..FileFact::of(attributes.clone(), b"")
                };
                self.paths.insert(path.clone(), PathFact::File(file));
            }
            Step::Unpack(unpack) => self.unpack(unpack),
            Step::SetAttributes { path, attributes } => {
                for linked in self.linked(path) {
                    linked.dress(attributes);
                }
                for route in self.routes.values_mut() {
                    if route.leads.as_ref() == Some(path)
                        && let Some(directory) = &mut route.directory
                    {
                        directory.clone_from(attributes);
                    }
                }
                if let Some(fact) = self.paths.get_mut(path) {
                    match fact {
                        PathFact::File(file) => file.dress(attributes),
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
                self.forget_ways(path);
            }
            Step::MakeLink { path, target } => {
                self.forget_ways(path);
                let fact = PathFact::Link {
                    target: target.clone(),
                    file: None,
                };
                self.paths.insert(path.clone(), fact);
            }
            Step::Remove { path } => self.remove(path),
            Step::Run(run) => {
                for effect in &run.effects {
                    // A mark brings no files.
                    let there = |name| {
                        self.packages
                            .get(name)
                            .is_some_and(PackageFact::is_installed)
                    };
                    if let Effect::Package(Becomes(name, PackageFact::Installed(_))) = effect
                        && !there(name)
                    {
                        self.coming.insert(name.clone());
                    }
                    self.carry_out(effect);
                    self.note_accounts(effect);
                    self.note_places(effect);
                }
            }
        }
    }

    /// Takes over what becomes of accounts and groups to what is known of all of them.
    fn note_accounts(&mut self, effect: &Effect) {
        if let Effect::User(Becomes(name, fact)) = effect {
            self.note_owner(&Owner::User(name.to_string()), Some(fact.is_some()));
            if let Some(numbers) = &mut self.numbers {
                numbers.note_user(name, fact.as_ref());
            }
        }
        if let Effect::Group(Becomes(name, fact)) = effect {
            self.note_owner(&Owner::Group(name.to_string()), Some(fact.is_some()));
            if let Some(numbers) = &mut self.numbers {
                numbers.note_group(name, fact.as_ref());
            }
        }
    }

    /// Takes over what becomes of homes, and of what is below a path that goes; and that a service may make accounts, and a package
    /// take some along.
    fn note_places(&mut self, effect: &Effect) {
        if let Effect::Path(Becomes(path, PathFact::Missing)) = effect {
            self.remove(path);
        }
        if let Effect::Mount(Becomes(path, fact)) = effect {
            self.note_mount(path, fact.is_some());
        }
        let starts = matches!(effect, Effect::Service(Becomes(_, fact)) if fact.running);
        let goes = matches!(
            effect,
            Effect::Package(Becomes(_, PackageFact::Absent | PackageFact::Residue))
        );
        if starts || goes {
            self.doubt_accounts();
        }
    }

    /// Takes over that a file was written which may say which accounts and groups there are.
    fn doubt_written(&mut self, path: &HostPath) {
        if ["/etc/passwd", "/etc/group"].contains(&path.as_str()) {
            self.doubt_accounts();
        }
    }

    /// Takes over that accounts and groups may have come and gone of which nothing is known.
    fn doubt_accounts(&mut self) {
        self.doubt_owners();
        if let Some(numbers) = &mut self.numbers {
            numbers.doubted = true;
        }
    }

    /// Forgets what was in the way behind a path at which something else is now. Of a way that follows links, it is not known
    /// whether it goes through there.
    fn forget_ways(&mut self, path: &HostPath) {
        let link = matches!(self.paths.get(path), Some(PathFact::Link { .. }));
        for (way, route) in &mut self.routes {
            let through = way == path || way.is_below(path);
            if through || (link && route.leads.is_some()) {
                route.blocked = None;
            }
            if through && link {
                (route.leads, route.directory) = (None, None);
            }
        }
    }

    /// Takes away what is at a path and below it.
    fn remove(&mut self, path: &HostPath) {
        let gone = |known: &HostPath| known == path || known.is_below(path);
        self.forget_ways(path);
        self.note_no_homes(path);
        for (known, fact) in &mut self.paths {
            if gone(known) {
                *fact = PathFact::Missing;
            }
        }
        for route in self.routes.values_mut() {
            if route.blocked.as_ref().is_some_and(gone) {
                route.blocked = None;
            }
            let planted = |planted: &mut Planted| {
                HostPath::new(planted.link.as_str()).is_ok_and(|link| gone(&link))
            };
            route.planted.take_if(planted);
        }
        for (folder, names) in &mut self.listings {
            let listed = |name: &String| {
                let place = format!("{folder}/{name}");
                let below = place.strip_prefix(path.as_str());
                below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            names.retain(|name| !listed(name));
        }
        for (known, fact) in &mut self.archives {
            if gone(known) {
                *fact = ArchiveFact::Missing;
            }
        }
        for (known, fact) in &mut self.git {
            if gone(known) {
                *fact = GitFact {
                    git: fact.git,
                    ..GitFact::default()
                };
            }
        }
    }

    /// Compares what steps have made of these facts, as a model, with a host on which they were carried out: names what the host has
    /// otherwise of what a resource asks for, and no values, as some hold more than everybody may know. What the model does not know is
    /// no difference.
    #[must_use]
    pub fn unlike(&self, host: &Self, queries: &QuerySet) -> Vec<String> {
        // Numbers of accounts that are made, versions of packages that come, sizes of files that are fetched.
        const NOT_KNOWN: [&str; 4] = ["null", "\"\"", "4294967295", "0"];
        // What follows from folders is found out by asking; names and versions of packages are asked for while these are not installed.
        const FOLLOWS: [&str; 3] = ["routes › ", "package_names › ", "package_versions › "];
        let mut known = self.clone();
        known.mariadb.learn_all(&host.mariadb);
        let (model, host) = (known.lasting(queries), host.lasting(queries));
        let differing = host.difference(&model).filter_map(|line| {
            let (name, value) = line.rsplit_once(" › ")?;
            let said = model
                .iter()
                .find_map(|said| said.strip_prefix(name)?.strip_prefix(" › "))?;
            let not_asked = name.ends_with("body") && value == "null";
            let follows = FOLLOWS.iter().any(|kind| name.starts_with(kind));
            let unknown = NOT_KNOWN.contains(&said) || said.contains(" › ");
            let unseen = self.hides_attributes(name);
            // Whether a package has configuration to leave behind is seen then, and how nft writes rules when it has them.
            let left = said == "\"residue\"" && value == "\"absent\"";
            let is_text = name.ends_with(" › rules") || name.ends_with(" › record");
            let listed = name.starts_with("nft_tables › ") && is_text && value != "null";
            let known = !(unknown || not_asked || follows || unseen || left || listed);
            known.then(|| name.to_owned())
        });
        differing.collect()
    }

    /// Tells whether something of a path is not known though it has a value: what a file that a command makes is like, and the root of
    /// a file system, or the folder below it.
    fn hides_attributes(&self, name: &str) -> bool {
        let Some((path, _)) = name
            .strip_prefix("paths › ")
            .and_then(|rest| rest.split_once(" › "))
        else {
            return false;
        };
        let is_this = |known: &&HostPath| known.as_str() == path;
        let made = self.paths.iter().any(|(known, fact)| {
            let is_unread = |file: &FileFact| file.sha256.is_none();
            is_this(&known) && matches!(fact, PathFact::File(file) if is_unread(file))
        });
        made || self.mounts.keys().any(|known| is_this(&known))
    }

    fn lasting(&self, queries: &QuerySet) -> BTreeSet<String> {
        let mut facts = self.subset(queries);
        facts.forget_what_does_not_last();
        facts.lines()
    }

    /// Lists what is known, a line for each thing; secrets are masked.
    #[must_use]
    pub fn lines(&self) -> BTreeSet<String> {
        fn list(value: &Value, at: &str, all: &mut BTreeSet<String>) {
            match value {
                Value::Object(fields) if !fields.is_empty() => {
                    for (name, value) in fields {
                        list(value, &format!("{at}{name} › "), all);
                    }
                }
                Value::Array(items) if items.iter().any(Value::is_object) => {
                    for (number, item) in items.iter().enumerate() {
                        list(item, &format!("{at}{number} › "), all);
                    }
                }
                Value::Object(_)
                | Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_) => {
                    all.insert(format!("{at}{value}"));
                }
            }
        }
        let mut all = BTreeSet::new();
        // What cannot be serialised is not listed: facts are data.
        let value = serde_json::to_value(self).unwrap_or_default();
        list(&value, "", &mut all);
        all
    }

    /// Puts a folder in place of which nothing is known but that it comes from an archive.
    fn unpack(&mut self, unpack: &Unpack) {
        let (path, attributes) = (&unpack.path, &unpack.attributes);
        let file = FileFact {
            sha256: None,
            body: None,
            ..FileFact::of(attributes.clone(), b"")
        };
        for (known, fact) in &mut self.paths {
            if known.is_below(path) {
                *fact = PathFact::File(file.clone());
            }
        }
        let folder = PathFact::Directory(attributes.clone());
        self.paths.insert(path.clone(), folder);
        let fact = ArchiveFact::Unpacked {
            record: unpack.record.clone(),
            strangers: Vec::new(),
        };
        self.archives.insert(path.clone(), fact);
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
}
