//! From the files of a folder to an [`Estate`].
//!
//! Owns which files there may be and which variables come from which. Refuses files it does not know, because a
//! misspelt name would otherwise be a file that nobody reads. `inventory` reads `estate.yml` itself.

use super::inventory::Inventory;
use super::node::Node;
use super::sealed::{SEALED, is_private};
use super::sources::Sources;
use super::{ALL, Estate, Layer, Named, Origin, fault, yaml};
use crate::{Diagnostic, Place};

/// Names what a path in an estate's folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File<'p> {
    /// `estate.yml` or `estate.private.yml`.
    Inventory,
    /// `groups/NAME.yml` or its private sibling.
    Group(&'p str),
    /// `hosts/NAME.yml` or its private sibling.
    Host(&'p str),
    /// Not read here: templates, roles, a description, files of tools.
    Other,
    Unknown,
}

const INVENTORY: &str = "estate.yml";
const PRIVATE_INVENTORY: &str = "estate.private.yml";

/// Whom the values of encrypted files are for; read elsewhere.
pub const RECIPIENTS: &str = "recipients.txt";

/// The host keys of the estate's servers, in the format of `~/.ssh/known_hosts`; read elsewhere.
pub const KNOWN_HOSTS: &str = "known_hosts";

impl<'p> File<'p> {
    fn of(path: &'p str) -> Self {
        let hidden = path.split('/').any(|part| part.starts_with('.'));
        if hidden
            || path == "README.md"
            || path == RECIPIENTS
            || path == KNOWN_HOSTS
            || path.starts_with("templates/")
            || path.starts_with("roles/")
        {
            return Self::Other;
        }
        let path = match path.strip_suffix(".age") {
            Some(clear) if path.ends_with(SEALED) => clear,
            Some(_) | None => path,
        };
        if path == INVENTORY || path == PRIVATE_INVENTORY {
            return Self::Inventory;
        }
        let stem = |folder: &str| {
            let stem = path.strip_prefix(folder)?.strip_suffix(".yml")?;
            let stem = stem.strip_suffix(".private").unwrap_or(stem);
            Some(stem).filter(|stem| !stem.is_empty() && !stem.contains('/'))
        };
        match (stem("groups/"), stem("hosts/")) {
            (Some(name), _) => Self::Group(name),
            (None, Some(name)) => Self::Host(name),
            (None, None) => Self::Unknown,
        }
    }
}

impl Estate {
    /// Reads an estate from the texts of its files and the `key=value` settings of the command line.
    ///
    /// - `estate.yml`: `name`, `release`, `connection`, `containers`, `hosts`, `groups`, `services`, `roles`, `upgrades`, `verify`.
    /// - `groups/all.yml`, `groups/NAME.yml`, `hosts/NAME.yml`: variables, in rising precedence; groups in the order of
    ///   `estate.yml` after those of the locations. The command line wins over all of them.
    /// - `NAME.private.yml` beside any of these: not in version control; wins over its public sibling. In its place there can be
    ///   `NAME.private.yml.age`, see [`sealed`](super::sealed), whose values were decrypted when it was handed in.
    /// - `recipients.txt`: whom values are encrypted for.
    /// - `known_hosts`: the host keys of servers.
    /// - `templates/`, `roles/`: read elsewhere.
    ///
    /// ```
    /// use tasks::estate::{Estate, Sources};
    ///
    /// let sources = Sources::new("estate/tiny")
    ///     .with("estate.yml", "name: tiny\nhosts:\n  web: {address: 192.0.2.7, location: external}\n")
    ///     .with("groups/external.yml", "mta_configtype: internet\n");
    /// let estate = Estate::load(&sources, &[]).unwrap();
    /// let web = estate.host("web").unwrap();
    /// assert_eq!(estate.vars(web).value::<String>("mta_configtype").unwrap().as_deref(), Some("internet"));
    /// ```
    pub fn load(sources: &Sources, settings: &[String]) -> Result<Self, Vec<Diagnostic>> {
        let mut loader = Loader {
            sources,
            mistakes: Vec::new(),
        };
        let estate = loader.estate(settings);
        let mut mistakes = loader.mistakes;
        match estate {
            Some(estate) if mistakes.is_empty() => Ok(estate),
            Some(_) | None => {
                crate::diagnostic::tidy(&mut mistakes);
                Err(mistakes)
            }
        }
    }
}

struct Loader<'s> {
    sources: &'s Sources,
    mistakes: Vec<Diagnostic>,
}

impl Loader<'_> {
    fn estate(&mut self, settings: &[String]) -> Option<Estate> {
        let (mut root, mut private) = (None, None);
        let mut layers = Vec::new();
        for (path, bytes) in self.sources.files() {
            match File::of(path) {
                File::Inventory if is_private(path) => private = self.parse(path, bytes),
                File::Inventory => root = self.parse(path, bytes),
                File::Group(_) | File::Host(_) => {
                    let node = self.parse(path, bytes);
                    layers.extend(node.map(|node| (path, node)));
                }
                File::Other => {}
                File::Unknown => self.unknown(path),
            }
        }
        let command_line = Layer::command_line(settings).unwrap_or_else(|mistakes| {
            self.mistakes.extend(mistakes);
            Layer::new(Origin::CommandLine)
        });
        let Some(root) = root else {
            self.without_inventory();
            return None;
        };
        let inventory = Inventory::read(&root, private.as_ref(), &mut self.mistakes);
        let mut estate = inventory.into_estate(self.sources.place().clone(), command_line)?;
        // Sorted by path, so a public file comes after its private sibling; the private one is to win.
        layers.sort_by_key(|(path, _)| is_private(path));
        for (path, node) in layers {
            self.layer(&mut estate, path, &node);
        }
        self.mistakes.extend(estate.check_upgrades(&root));
        self.mistakes.extend(estate.check_marks(&root));
        Some(estate)
    }

    fn parse(&mut self, path: &str, bytes: &[u8]) -> Option<Node> {
        let name = self.sources.place().file(path);
        let node = yaml::parse_bytes(&name, bytes, is_private(path));
        let mut node = node.map_err(|mistake| self.mistakes.push(mistake)).ok()?;
        self.mistakes.extend(self.sources.filled(bytes, &mut node));
        Some(node)
    }

    fn layer(&mut self, estate: &mut Estate, path: &str, node: &Node) {
        let (kind, name) = match File::of(path) {
            File::Group(name) => ("group", name),
            File::Host(name) => ("host", name),
            File::Inventory | File::Other | File::Unknown => return,
        };
        let named = estate.names.get(name).copied();
        let layer = match named {
            Some(Named::Host(index)) if kind == "host" => {
                estate.hosts.get_mut(index).map(|host| &mut host.layer)
            }
            Some(Named::Group(index)) if kind == "group" => {
                estate.groups.get_mut(index).map(|group| &mut group.layer)
            }
            None if kind == "group" && name == ALL => Some(&mut estate.all),
            Some(Named::Host(_) | Named::Group(_) | Named::Service(_)) | None => None,
        };
        let Some(layer) = layer else {
            self.stray(estate, path, kind, name, named);
            return;
        };
        if let Err(mistakes) = layer.add(node) {
            self.mistakes.extend(mistakes);
        }
    }

    fn stray(&mut self, estate: &Estate, path: &str, kind: &str, name: &str, named: Option<Named>) {
        let place = Place::file(self.sources.place().file(path));
        let mistake = Diagnostic::at(place, format!("there is no {kind} '{name}'"));
        self.mistakes.push(match named {
            Some(Named::Host(_)) => {
                mistake.hint(format!("'{name}' is a host, move this to hosts/"))
            }
            Some(Named::Group(_)) => {
                mistake.hint(format!("'{name}' is a group, move this to groups/"))
            }
            Some(Named::Service(_)) => {
                mistake.hint("variables are set on groups and hosts, not on services")
            }
            None if kind == "host" => fault::suggest(
                mistake,
                name,
                estate.hosts.iter().map(|host| host.name.as_str()),
            ),
            None => {
                let groups: Vec<&str> = estate.groups().chain([ALL]).collect();
                fault::suggest(mistake, name, groups)
            }
        });
    }

    fn unknown(&mut self, path: &str) {
        let place = Place::file(self.sources.place().file(path));
        let mistake = Diagnostic::at(place, "nothing reads this file");
        let known = ["estate.yml", "groups/all.yml", "estate.private.yml"];
        self.mistakes.push(match path.strip_suffix(".yaml") {
            Some(stem) => mistake.hint(format!("name it {stem}.yml")),
            None => match (crate::foreign::beside(path), crate::nearest(path, known)) {
                (Some(hint), _) => mistake.hint(hint),
                (None, Some(near)) => mistake.hint(format!("did you mean '{near}'?")),
                (None, None) => mistake.hint(
                    "an estate has estate.yml, groups/NAME.yml, hosts/NAME.yml, their .private.yml siblings, \
                     templates/ and roles/",
                ),
            },
        });
    }

    fn without_inventory(&mut self) {
        let broken = |path: &str| path == INVENTORY;
        if !self.sources.files().any(|(path, _)| broken(path)) {
            let place = Place::file(self.sources.place().file(INVENTORY));
            let mistake = Diagnostic::at(place, "this file is missing, so this is no estate");
            self.mistakes
                .push(mistake.hint("--estate names the folder of an estate"));
        }
    }
}
