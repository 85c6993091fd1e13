//! Folders of files, managed as a whole.

use std::collections::{BTreeMap, BTreeSet};

use glob::Pattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AtEnd, Directory, File, Former, Manage, Resource, State};
use crate::content::Content;
use crate::plan::{Action, Change, Diff, Planned, Reason, decide};
use crate::probe::{Facts, NotAsked, PathFact, Query};
use crate::step::Step;
use crate::value::{HostPath, Mode};

/// Bytes of a file beyond which only one can travel with a resource.
const LARGE: usize = 1024 * 1024;

/// Manages a folder of files: what they hold, owner, group and modes, at any depth; and, with `purge`, that nothing else is there.
///
/// A role takes the files from a folder of its own with `source: NAME`; those whose names end with `.tera` are templates and lose that
/// ending. Folders are made as they are needed. Reads and replaces files as `file` does, and folders as `directory`; a preview names
/// each of them with its difference. With `purge`, what is in the folder and not in `files` is removed, folders with all that
/// they contain; what is mounted there stays. When absent, the files are removed, and with `purge` the folder.
///
/// ```yaml
/// tree: {path: /srv/page, files: {index.html: "<h1>Hello</h1>\n", css/page.css: "h1 { color: green }\n"}, purge: true}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Tree {
    /// Absolute path of the folder.
    pub path: HostPath,
    /// What the files hold, by their paths in the folder, for instance `css/page.css`.
    #[serde(default)]
    pub files: BTreeMap<String, Content>,
    /// Owner of files and folders.
    #[serde(default = "root")]
    pub owner: String,
    /// Group of files and folders.
    #[serde(default = "root")]
    pub group: String,
    /// Permission bits of files.
    #[serde(default = "readable")]
    pub mode: Mode,
    /// Permission bits of folders, the outermost included.
    #[serde(default = "enterable")]
    pub directory_mode: Mode,
    /// Permission bits of files whose paths match a pattern, for instance `{"bin/*": "0755"}`; a `*` matches `/`, too. The last
    /// pattern by alphabet counts.
    #[serde(default)]
    pub modes: BTreeMap<String, Mode>,
    /// Whether what is not in `files` is removed.
    #[serde(default)]
    pub purge: bool,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(Tree);

fn root() -> String {
    "root".to_owned()
}

fn readable() -> Mode {
    Mode::new(0o644)
}

fn enterable() -> Mode {
    Mode::new(0o755)
}

impl Tree {
    fn place_of(&self, name: &str) -> Option<HostPath> {
        HostPath::new(format!("{}/{name}", self.path)).ok()
    }

    /// Lists the folders in it, those that hold others first.
    fn folders(&self) -> BTreeSet<String> {
        let ends = |name: &str| {
            name.match_indices('/')
                .map(|(at, _)| at)
                .collect::<Vec<_>>()
        };
        let names = self.files.keys();
        names
            .flat_map(|name| ends(name).into_iter().map(|at| name[..at].to_owned()))
            .collect()
    }

    fn mode_of(&self, name: &str) -> Mode {
        let matches = |pattern: &str| Pattern::new(pattern).is_ok_and(|it| it.matches(name));
        let mut modes = self.modes.iter().rev();
        let mode = modes.find(|(pattern, _)| matches(pattern));
        mode.map_or(self.mode, |(_, mode)| *mode)
    }

    fn file(&self, name: &str, content: &Content) -> Option<File> {
        let path = self.place_of(name)?;
        Some(match self.state {
            State::Absent => File::gone(path),
            State::Present => File {
                owner: self.owner.clone(),
                group: self.group.clone(),
                mode: self.mode_of(name),
                ..File::new(path, content.clone())
            },
        })
    }

    /// Gives the resources that it consists of: folders before what is in them.
    fn parts(&self) -> Vec<(String, Resource)> {
        let directory = |path| Directory {
            owner: self.owner.clone(),
            group: self.group.clone(),
            mode: self.directory_mode,
            ..Directory::new(path)
        };
        let folders = self.folders().into_iter();
        let folders = folders.filter_map(|name| Some((self.place_of(&name)?, format!("{name}/"))));
        let folders = [(self.path.clone(), "./".to_owned())]
            .into_iter()
            .chain(folders);
        let folders = folders.map(|(path, name)| (name, Resource::Directory(directory(path))));
        let files = self.files.iter();
        let files = files.filter_map(|(name, content)| {
            Some((name.clone(), Resource::File(self.file(name, content)?)))
        });
        folders
            .filter(|_| self.state == State::Present)
            .chain(files)
            .collect()
    }

    /// Lists what should not be there: folders as a whole.
    fn strangers(&self, facts: &Facts) -> Result<Vec<String>, NotAsked> {
        if !self.purge {
            return Ok(Vec::new());
        }
        let folders = self.folders();
        let mut strangers: Vec<String> = Vec::new();
        for name in facts.listing(&self.path)? {
            let known = self.files.contains_key(name) || folders.contains(name);
            let below = |folder: &String| {
                name.strip_prefix(folder.as_str())
                    .is_some_and(|it| it.starts_with('/'))
            };
            if !known && !strangers.iter().any(below) {
                strangers.push(name.clone());
            }
        }
        Ok(strangers)
    }

    /// Plans that the folder goes with all that is in it, and names what of that is not the tree's.
    fn plan_gone(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let mut folder = Directory::new(self.path.clone());
        folder.state = State::Absent;
        let mut planned = folder.plan(facts)?;
        if let Planned::Change(change) = &mut planned {
            let strangers = self.strangers(facts)?.into_iter();
            change.diff = Diff::list(strangers.map(|name| format!("(- {name})")));
        }
        Ok(planned)
    }

    fn plan_all(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let (mut steps, mut reasons, mut lines) = (Vec::new(), BTreeSet::new(), Vec::new());
        // What an earlier part makes is there for the next.
        let mut later: Option<Facts> = None;
        for (name, part) in self.parts() {
            let planned = decide(part.manage(), later.as_ref().unwrap_or(facts))?;
            let change = match planned {
                Planned::Unchanged => continue,
                Planned::Change(change) => change,
                Planned::Unknown(_)
                | Planned::Deferred(_)
                | Planned::Refused { .. }
                | Planned::Impossible { .. } => return Ok(planned),
            };
            let later = later.get_or_insert_with(|| facts.clone());
            change.steps.iter().for_each(|step| later.apply(step));
            let detail = format!("({} {name}   {})", change.action.glyph(), change.detail);
            lines.push((String::new(), Diff::list([detail.replace("   )", ")")])));
            lines.push((String::new(), change.diff));
            reasons.extend(change.reasons);
            steps.extend(change.steps);
        }
        for name in self.strangers(facts)? {
            let Some(path) = self.place_of(&name) else {
                return Ok(Planned::Impossible {
                    cause: format!(
                        "{} has a file whose name prov does not write: {name:?}",
                        self.path
                    ),
                    hint: "remove it on the host by hand".to_owned(),
                });
            };
            lines.push((String::new(), Diff::list([format!("(- {name})")])));
            reasons.insert(Reason::Present);
            steps.push(Step::Remove { path });
        }
        if steps.is_empty() {
            return Ok(Planned::Unchanged);
        }
        let there = *facts.path(&self.path)? != PathFact::Missing;
        let action = match (self.state, there) {
            (State::Absent, _) => Action::Remove,
            (State::Present, false) => Action::Create,
            (State::Present, true) => Action::Update,
        };
        Ok(Change::new(action, reasons.into_iter().collect(), steps)
            .diff(Diff::joined(lines))
            .into())
    }
}

impl Manage for Tree {
    fn kind(&self) -> &'static str {
        "tree"
    }

    fn id(&self) -> String {
        self.path.to_string()
    }

    fn place(&self) -> Option<(&HostPath, AtEnd)> {
        Some((&self.path, AtEnd::Followed))
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: String| Err(format!("tree {}: {problem}", self.path));
        if self.path.parent().as_str() == "/" && self.purge {
            return refuse(
                "`purge` would empty a folder of the system itself; give a folder below it"
                    .to_owned(),
            );
        }
        let odd = |name: &&String| self.place_of(name).is_none();
        if let Some(name) = self.files.keys().find(odd) {
            return refuse(format!(
                "{name:?} is no path in the folder; write it as css/page.css, without '.' and '..'"
            ));
        }
        let folders = self.folders();
        if let Some(name) = self.files.keys().find(|name| folders.contains(*name)) {
            return refuse(format!(
                "{name} is a file and a folder; take one of them out"
            ));
        }
        if let Some(pattern) = self.modes.keys().find(|it| Pattern::new(it).is_err()) {
            return refuse(format!(
                "{pattern:?} in `modes` is no pattern; use '*', '?' and '[…]'"
            ));
        }
        let large = self.files.values().filter(|content| content.len() > LARGE);
        if large.count() > 1 {
            return refuse(
                "only one of its files may have more than 1 MiB; declare the others as `file`"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        let folder = Directory::new(self.path.clone());
        let parts = self.parts();
        let parts = parts.iter().flat_map(|(_, part)| part.manage().probe());
        let listing = self.purge.then(|| Query::Listing(self.path.clone()));
        folder
            .probe()
            .into_iter()
            .chain(parts)
            .chain(listing)
            .collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        match (self.state, self.purge) {
            (State::Absent, true) => self.plan_gone(facts),
            (State::Absent, false) | (State::Present, _) => self.plan_all(facts),
        }
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::files())
    }

    fn absent(&self) -> Option<Resource> {
        let names = self.files.keys().cloned();
        let mut gone = self.clone();
        gone.files = names.map(|name| (name, Content::default())).collect();
        gone.state = State::Absent;
        Some(Resource::Tree(gone))
    }

    fn contents(&self) -> Vec<&Content> {
        self.files.values().collect()
    }

    fn contents_mut(&mut self) -> Vec<&mut Content> {
        self.files.values_mut().collect()
    }

    fn private(&self, facts: &Facts) -> Vec<&Content> {
        let hidden = |(name, content): &(&String, &Content)| {
            let file = self.file(name, content);
            file.is_some_and(|file| !file.private(facts).is_empty())
        };
        let files = self.files.iter().filter(hidden);
        files.map(|(_, content)| content).collect()
    }
}
