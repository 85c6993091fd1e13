//! How a path is reached: the folders and links on the way to it, by stat(1) and readlink(1).
//!
//! What others can do on the way decides what root may do at its end: a link that anybody but root could have made is never
//! followed, and what lies in a folder that not everybody may enter is not everybody's to read. The shell gives what it finds;
//! what follows from it is decided here, and once more by the functions that write, as somebody may be at work meanwhile.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::path::{Attributes, PathFact};
use super::{Answers, Broken, Facts, Kind, Written};
use crate::quote;
use crate::secret::Secret;
use crate::value::{HostPath, Mode};

/// How many links may lead to each other, as in the kernel.
const MOST_LINKS: usize = 40;

const KIND: u32 = 0o170_000;
const LINK: u32 = 0o120_000;
const DIRECTORY: u32 = 0o040_000;
const STICKY: u32 = 0o1000;
/// Permission bits by which others than the owner may write. Where there is an access list, the group's bits are the most
/// that anybody named there may do.
const WRITABLE_BY_OTHERS: u32 = 0o022;
const ENTERED_BY_ALL: u32 = 0o001;

/// How a path is reached. The default is what most are: no links, folders of root's that everybody may enter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    /// Where the path leads, where links are followed: the last of them, at the path itself, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leads: Option<HostPath>,
    /// The directory there, where links are followed and it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<Attributes>,
    /// The first link on the way that somebody other than root could have made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planted: Option<Planted>,
    /// Who besides root makes names in the folder that it leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<Maker>,
    /// The first thing on the way that is no folder, so that nothing can be below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<HostPath>,
    /// Whether not everybody may enter the folders on the way.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
}

/// A link that somebody other than root could have made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planted {
    /// The link.
    pub link: String,
    /// What it says.
    pub target: String,
    /// Whether it is at the end of the way: what replaces it does not follow it.
    #[serde(default)]
    pub last: bool,
    /// Who else could have made it, and how that is mended.
    pub by: Maker,
}

/// Who could have made a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Maker {
    /// The link's owner.
    Owner(String),
    /// Whoever may write to this folder: its owner, if that is not root, its group or everybody.
    Writers {
        /// The folder.
        folder: String,
        /// Owner, group and mode.
        attributes: Attributes,
    },
    /// Nobody: it leads in a circle, or to too many others.
    Circle,
}

impl Planted {
    /// Says what is wrong with the link.
    #[must_use]
    pub fn cause(&self) -> String {
        let Self { link, target, .. } = self;
        match &self.by {
            Maker::Owner(owner) => {
                format!("{link} is a link to {target} that {owner} owns, and is not followed")
            }
            Maker::Writers { folder, attributes } => {
                format!(
                    "{link} is a link to {target}, and is not followed: not only root makes links in {folder} ({attributes})"
                )
            }
            Maker::Circle => format!("{link} is a link to {target} that leads to too many others"),
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.by {
            Maker::Owner(_) => format!(
                "give the path that is meant without the link, or have root own it: `chown -h root: {}`",
                self.link
            ),
            Maker::Writers { folder, .. } => {
                let leads_to = if self.target.starts_with('/') {
                    self.target.clone()
                } else {
                    format!("{}/{}", folder.trim_end_matches('/'), self.target)
                };
                format!(
                    "if it is meant, give the path that it leads to ({leads_to}); links are followed where only root writes to their folder"
                )
            }
            Maker::Circle => format!("look at {} on the host and correct it", self.link),
        }
    }
}

impl Facts {
    /// Tells how a path is reached, if there is anything to say about it.
    #[must_use]
    pub fn route(&self, path: &HostPath) -> Option<&Route> {
        self.routes.get(path)
    }

    /// Gives the link by which others could lead root anywhere; with `replaced`, the one at the path itself is replaced, not
    /// followed.
    #[must_use]
    pub fn planted(&self, path: &HostPath, replaced: bool) -> Option<&Planted> {
        let planted = self.route(path)?.planted.as_ref()?;
        (!(replaced && planted.last)).then_some(planted)
    }

    /// Finds what is no folder on the way to a path, as the changes before leave it.
    #[must_use]
    pub fn blocked(&self, path: &HostPath) -> Option<&HostPath> {
        let stops = |fact: &PathFact| match fact {
            PathFact::File(_) | PathFact::Other => true,
            PathFact::Missing | PathFact::Directory(_) | PathFact::Link { .. } => false,
        };
        let found = self.route(path).and_then(|route| route.blocked.as_ref());
        let found = found.filter(|place| self.paths.get(*place).is_none_or(stops));
        // What a command makes may be a folder.
        let made = |fact: &PathFact| match fact {
            PathFact::File(file) => file.sha256.is_some() || file.size > 0,
            PathFact::Other => true,
            PathFact::Missing | PathFact::Directory(_) | PathFact::Link { .. } => false,
        };
        let made = |(known, fact): &(&HostPath, &PathFact)| path.is_below(known) && made(fact);
        let mut known = self.paths.iter();
        found.or_else(|| known.find(made).map(|(known, _)| known))
    }

    /// Tells whether what lies at a path cannot be read by everybody, whatever its own mode, as a folder above it cannot be
    /// entered.
    #[must_use]
    pub fn is_closed(&self, path: &HostPath) -> bool {
        let closed = |fact: &PathFact| matches!(fact, PathFact::Directory(have) if have.mode.bits() & ENTERED_BY_ALL == 0);
        self.route(path).is_some_and(|route| route.closed)
            || self
                .paths
                .iter()
                .any(|(folder, fact)| path.is_below(folder) && closed(fact))
    }
}

/// The kind of this module.
pub struct Routes;

impl Kind for Routes {
    type Question = HostPath;
    type Known = BTreeMap<HostPath, Route>;

    fn key(question: &HostPath) -> HostPath {
        question.clone()
    }

    fn script(questions: &[HostPath]) -> String {
        let paths = quote::sh_all(questions.iter().map(HostPath::as_str));
        let mut folders: Vec<_> = questions.iter().flat_map(above).collect();
        folders.sort_unstable();
        folders.dedup();
        let folders = quote::sh_all(folders);
        // A path without links has been told of by then: its parts are the folders above it. Only where there is a link is the
        // way walked, for the places behind it.
        format!(
            r#"prov_answer ways; set -- {folders} {paths}
for path in {paths}; do
  rest=$path/ at= hops=0 linked=
  while [ -n "$rest" ]; do
    part=${{rest%%/*}}; rest=${{rest#*/}}
    case $part in ''|.) continue;; ..) at=${{at%/*}}; continue;; esac
    at=$at/$part
    [ -z "$linked" ] || set -- "$@" "$at"
    if [ -L "$at" ]; then
      linked=yes; hops=$((hops + 1)); [ $hops -le {MOST_LINKS} ] || break
      target=$(readlink -n -- "$at" && printf .) || break; target=${{target%.}}
      case $target in /*) at=;; *) at=${{at%/*}};; esac; rest=$target/$rest
    fi
  done
done
stat --printf '%n\0%f\0%U\0%u\0%G\0%g\0' -- "$@" 2>/dev/null; [ $? -gt 1 ] || prov_complete
prov_answer ways:links; for path do [ -L "$path" ] && {{ printf '%s\0' "$path"; readlink -nz -- "$path"; printf '\0'; }}; done; prov_complete
"#
        )
    }

    fn read(questions: &[HostPath], answers: &Answers) -> Result<Self::Known, Broken> {
        let places = Places::read(answers)?;
        Ok(questions
            .iter()
            .map(|path| (path.clone(), places.route(path)))
            .collect())
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn follows(question: &HostPath, written: &Written<'_>) -> bool {
        let near = |place: &&HostPath| {
            question == *place || question.is_below(place) || place.is_below(question)
        };
        written
            .facts
            .route(question)
            .is_some_and(|route| route.leads.is_some())
            || written.paths.iter().any(near)
    }

    fn samples() -> Vec<HostPath> {
        HostPath::new("/a/b").into_iter().collect()
    }
}

/// Lists the folders above a path.
fn above(path: &HostPath) -> impl Iterator<Item = &str> {
    let text = path.as_str();
    let ends = text.match_indices('/').map(|(at, _)| at);
    ends.map(move |at| if at == 0 { "/" } else { &text[..at] })
}

/// What was found at a place.
struct Place {
    raw: u32,
    owner: String,
    group: String,
    uid: Option<u32>,
    gid: Option<u32>,
}

impl Place {
    fn attributes(&self) -> Attributes {
        Attributes {
            uid: self.uid,
            gid: self.gid,
            ..Attributes::new(&self.owner, &self.group, Mode::new(self.raw))
        }
    }

    fn is_roots(&self) -> bool {
        self.uid == Some(0)
    }

    /// Tells whether nobody but root makes names in this folder.
    fn is_roots_own(&self) -> bool {
        self.is_roots() && self.raw & WRITABLE_BY_OTHERS == 0
    }

    /// Tells whether nobody but root moves what is root's in this folder.
    fn keeps(&self) -> bool {
        self.is_roots() && (self.raw & WRITABLE_BY_OTHERS == 0 || self.raw & STICKY != 0)
    }
}

/// What was found at all places.
#[derive(Default)]
struct Places {
    places: BTreeMap<String, Place>,
    links: BTreeMap<String, String>,
}

impl Places {
    fn read(answers: &Answers) -> Result<Self, Broken> {
        let text =
            |name| Ok::<_, Broken>(String::from_utf8_lossy(answers.bytes(name)?).into_owned());
        let mut found = Self::default();
        let stats = text("ways")?;
        let mut fields = stats.split_terminator('\0');
        while let Some(path) = fields.next() {
            let mut next = || fields.next().ok_or_else(|| broken("ways", "is cut short"));
            let raw =
                u32::from_str_radix(next()?, 16).map_err(|_| broken("ways", "has no mode"))?;
            let (owner, uid, group, gid) = (next()?, next()?, next()?, next()?);
            let named =
                |name: &str, number: &str| if name == "UNKNOWN" { number } else { name }.to_owned();
            let place = Place {
                raw,
                owner: named(owner, uid),
                group: named(group, gid),
                uid: uid.parse().ok(),
                gid: gid.parse().ok(),
            };
            found.places.insert(path.to_owned(), place);
        }
        let links = text("ways:links")?;
        let mut words = links.split_terminator('\0');
        while let (Some(path), Some(target)) = (words.next(), words.next()) {
            found.links.insert(path.to_owned(), target.to_owned());
        }
        Ok(found)
    }

    /// Tells who besides root makes names in a folder, which has no links in its path.
    fn writers(&self, folder: &str) -> Option<Maker> {
        let chain = folders(folder);
        chain.enumerate().find_map(|(level, folder)| {
            let place = self.places.get(folder)?;
            let fine = if level == 0 {
                place.is_roots_own()
            } else {
                place.keeps()
            };
            (!fine).then(|| Maker::Writers {
                folder: folder.to_owned(),
                attributes: place.attributes(),
            })
        })
    }

    /// Walks as the kernel would, and as the functions that write do.
    fn route(&self, path: &HostPath) -> Route {
        let mut route = Route::default();
        // Of each part whether it is one of the path itself.
        let mut rest: VecDeque<_> = parts(path.as_str())
            .map(|part| (part.to_owned(), true))
            .collect();
        let mut at = String::new();
        let mut links = 0;
        let mut ended = false;
        while let Some((part, own)) = rest.pop_front() {
            ended |= own && rest.is_empty();
            if part == ".." {
                at.truncate(at.rfind('/').unwrap_or(0));
                continue;
            }
            let place = format!("{at}/{part}");
            let Some(target) = self.link(&place) else {
                let stops = self.places.get(&place);
                let stops = stops.is_some_and(|place| place.raw & KIND != DIRECTORY);
                if stops && !rest.is_empty() && route.blocked.is_none() {
                    route.blocked = HostPath::new(&place).ok();
                }
                at = place;
                continue;
            };
            links += 1;
            let circle = links > MOST_LINKS;
            let by = if circle {
                Some(Maker::Circle)
            } else {
                self.maker(&place, folder_of(&place))
            };
            if let (Some(by), None) = (by, &route.planted) {
                route.planted = Some(Planted {
                    link: place.clone(),
                    target: target.to_owned(),
                    // A circle that begins at the end is replaced with it.
                    last: (own && rest.is_empty()) || (circle && ended),
                    by,
                });
            }
            if circle {
                return route;
            }
            if target.starts_with('/') {
                at.clear();
            }
            for part in parts(target).rev() {
                rest.push_front((part.to_owned(), false));
            }
        }
        if links > 0 {
            route.leads = HostPath::new(&at).ok();
            let end = self.places.get(&at);
            let end = end.filter(|place| place.raw & KIND == DIRECTORY);
            route.directory = end.map(Place::attributes);
        }
        route.shared = self.writers(folder_of(&at));
        route.closed = folders(folder_of(&at)).any(|folder| {
            let place = self.places.get(folder);
            place.is_some_and(|place| {
                place.raw & KIND == DIRECTORY && place.raw & ENTERED_BY_ALL == 0
            })
        });
        route
    }

    fn link(&self, place: &str) -> Option<&str> {
        let found = self.places.get(place)?;
        let target = self.links.get(place)?;
        (found.raw & KIND == LINK).then_some(target.as_str())
    }

    fn maker(&self, link: &str, folder: &str) -> Option<Maker> {
        self.writers(folder).or_else(|| {
            let place = self.places.get(link)?;
            (!place.is_roots()).then(|| Maker::Owner(place.owner.clone()))
        })
    }
}

/// Gives the folder that holds a place.
fn folder_of(place: &str) -> &str {
    match place.rsplit_once('/') {
        None | Some(("", _)) => "/",
        Some((folder, _)) => folder,
    }
}

/// Gives a folder and those above it.
fn folders(folder: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder), |folder| {
        (*folder != "/").then(|| folder_of(folder))
    })
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Mode;

    fn places(found: &[(&str, u32)], links: &[(&str, &str)]) -> Places {
        let place = |raw| Place {
            raw,
            owner: "root".to_owned(),
            group: "root".to_owned(),
            uid: Some(0),
            gid: Some(0),
        };
        let links = links.iter();
        Places {
            places: found
                .iter()
                .map(|(at, raw)| ((*at).to_owned(), place(*raw)))
                .collect(),
            links: links
                .map(|(at, to)| ((*at).to_owned(), (*to).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn what_is_no_folder_is_found_on_the_way_and_behind_links_and_not_at_the_end() {
        const FOLDER: u32 = 0o040_755;
        let found = [
            ("/", FOLDER),
            ("/srv", FOLDER),
            ("/srv/pipe", 0o010_644),
            ("/srv/link", 0o120_777),
        ];
        let places = places(&found, &[("/srv/link", "pipe")]);
        let blocked = |path| places.route(&HostPath::known(path)).blocked;
        for below in ["/srv/pipe/a", "/srv/pipe/a/b", "/srv/link/a"] {
            assert_eq!(
                blocked(below),
                Some(HostPath::known("/srv/pipe")),
                "{below}"
            );
        }
        for fine in ["/srv/pipe", "/srv/link", "/srv/new/a"] {
            assert_eq!(blocked(fine), None, "{fine}");
        }
    }

    #[test]
    fn a_circle_at_the_end_is_replaced_and_one_on_the_way_is_not_followed() {
        let found = [
            ("/", 0o040_755),
            ("/srv", 0o040_755),
            ("/srv/one", 0o120_777),
            ("/srv/two", 0o120_777),
        ];
        let places = places(&found, &[("/srv/one", "two"), ("/srv/two", "one")]);
        let last = |path| places.route(&HostPath::known(path)).planted.unwrap().last;
        assert!(last("/srv/one"));
        assert!(!last("/srv/one/a"));
    }

    #[test]
    fn the_path_that_a_link_leads_to_is_a_whole_one() {
        let hint = |target: &str| {
            let planted = Planted {
                link: "/srv/app/current".to_owned(),
                target: target.to_owned(),
                last: false,
                by: Maker::Writers {
                    folder: "/srv/app".to_owned(),
                    attributes: Attributes::new("app", "app", Mode::new(0o755)),
                },
            };
            planted.hint()
        };
        assert!(hint("r1").contains("(/srv/app/r1)"));
        assert!(hint("/opt/r1").contains("(/opt/r1)"));
    }
}
