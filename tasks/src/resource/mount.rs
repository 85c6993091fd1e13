//! File systems: what is mounted where.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fstab::{self, Entry};
use super::manage::InTurn;
use super::{Former, Manage, Resource, State, essential};
use crate::plan::{Action, Change, Planned, Reason, Remedy};
use crate::probe::{
    Attributes, Becomes, Effect, Facts, MountFact, MountQuestion, NotAsked, PathFact, PathQuestion,
    Query, Read, ServiceManager,
};
use crate::step::{Run, Step};
use crate::value::HostPath;

/// Manages a file system that is mounted: now, and at boot by its line in `/etc/fstab` (fstab(5)).
///
/// Reads `findmnt` and `/etc/fstab`, in which the line of the path is replaced, or put at the end; all others stay, and a file with several
/// lines for the path is refused. It is mounted first: what cannot be mounted is kept nowhere, as a boot would wait for it. The folder is
/// made where it is missing. Other options are given to what is mounted; another source takes its place, unless something uses the old one, which is
/// an error. systemd reads the file again. Compared with what is mounted are source, kind, `ro`, `nosuid`, `nodev`, `noexec`, `noatime`
/// and a `size`; other options with the line alone. When absent, it is unmounted, unless something uses it, and the folder stays with
/// what is in it. Over a folder that the host or prov stands on, such as `/etc`, `/var` or the home of the account that prov logs in with,
/// nothing is mounted while it runs: `state: configured` keeps it for the next boot. In an estate's containers it is only kept for the next boot where they have no
/// systemd (`containers: {init: …}`), or where it is a device.
///
/// ```yaml
/// mount: {path: /srv/data, source: UUID=0a3407de-014b-458b-b5c1-848e92a327a3, fstype: ext4, options: 'defaults,noatime', pass: 2}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Mount {
    /// Absolute path of the folder that it is mounted at.
    pub path: HostPath,
    /// What is mounted: a device, `UUID=…`, `LABEL=…`, `server:/path`, a folder (with the option `bind`), or a name for what has no
    /// device. Needed unless absent.
    #[serde(default)]
    pub source: String,
    /// Kind of file system, for instance `ext4`, `nfs` or `tmpfs`; `none` with `bind`. Needed unless absent.
    #[serde(default)]
    pub fstype: String,
    /// Options, with commas between them.
    #[serde(default = "defaults")]
    pub options: String,
    /// Whether dump(8) saves it: 0 or 1.
    #[serde(default)]
    pub dump: u8,
    /// When it is checked at boot: 0 for never, 1 for the root, 2 for others.
    #[serde(default)]
    pub pass: u8,
    /// Whether it should be there.
    #[serde(default)]
    pub state: MountState,
}

/// Whether a file system is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MountState {
    /// It is mounted, and has its line in `/etc/fstab`.
    #[default]
    Mounted,
    /// It has its line, and whether it is mounted is left alone.
    Configured,
    /// It is not mounted and has no line.
    Absent,
}

super::checked!(Mount);

fn defaults() -> String {
    "defaults".to_owned()
}

/// Options that the kernel tells again as they were given, each with the one that takes it back.
const TOLD: [(&str, &str); 5] = [
    ("ro", "rw"),
    ("nosuid", "suid"),
    ("nodev", "dev"),
    ("noexec", "exec"),
    ("noatime", "relatime"),
];

/// Options that stand for some of those.
const IMPLYING: [&str; 4] = ["user", "users", "owner", "group"];

/// Unmounts what is there, and mounts what comes in its place, or what was there again if that cannot be mounted.
const EXCHANGE: &str = r#"umount -- "$4" || exit
mount -t "$1" -o "$2" -- "$3" "$4" || { status=$?; mount -- "$4" 2>/dev/null; exit $status; }"#;

impl Mount {
    fn entry(&self) -> Entry {
        Entry {
            source: self.source.clone(),
            place: self.path.to_string(),
            fstype: self.fstype.clone(),
            options: self.options.clone(),
            dump: self.dump,
            pass: self.pass,
        }
    }

    fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|one| one == option)
    }

    fn is_bind(&self) -> bool {
        self.has("bind") || self.has("rbind")
    }

    /// Tells whether this is mounted, whatever its options.
    fn is_same(&self, fact: &MountFact) -> bool {
        let is_kind = fact.fstype == self.fstype
            || fact.fstype.is_empty()
            || self.fstype == "auto"
            || self.is_bind()
            || (self.fstype == "nfs" && fact.fstype == "nfs4");
        fact.same && is_kind
    }

    /// Tells whether it may keep one of the options that the kernel tells again. A folder that is mounted a second time gets those of its
    /// file system with it; it lacks what its file system was given later, and is not mounted again for that.
    fn may_have(&self, (flag, opposite): (&str, &str), fact: &MountFact) -> bool {
        let inherits = || self.is_bind() && fact.inherited.split(',').any(|one| one == flag);
        self.has(flag) || (inherits() && !self.has(opposite))
    }

    /// Gives the options for what is mounted already. What is not named stays as it is, so what it has and should not is taken back by
    /// name; of a folder that is mounted a second time it is this place alone that changes.
    fn again(&self, fact: &MountFact) -> String {
        let have: Vec<_> = fact.options.split(',').collect();
        let options = self.options.split(',').filter(|one| *one != "rbind");
        let bind = self.has("rbind").then_some("bind");
        let back = TOLD.iter().filter(|told| have.contains(&told.0));
        let back = back.filter(|told| !self.may_have(**told, fact) && !self.is_implied());
        let back = back.map(|told| told.1).filter(|one| !self.has(one));
        let all = std::iter::once("remount")
            .chain(bind)
            .chain(options)
            .chain(back);
        all.collect::<Vec<_>>().join(",")
    }

    fn is_implied(&self) -> bool {
        IMPLYING.iter().any(|option| self.has(option))
    }

    /// Tells whether the kernel has the options, of those that it tells again.
    fn has_options(&self, fact: &MountFact) -> bool {
        if fact.options.is_empty() {
            return true;
        }
        let have: Vec<_> = fact.options.split(',').collect();
        // What has no device, or is never written, has options that nobody has given.
        let is_exact = !self.is_implied()
            && if self.is_bind() {
                !fact.inherited.is_empty()
            } else {
                !["iso9660", "squashfs", "udf"].contains(&fact.fstype.as_str())
                    && (self.source.starts_with("/dev/")
                        || self.source.contains('=')
                        || fact.fstype == "tmpfs")
            };
        let flags = TOLD.iter().all(|told| {
            if have.contains(&told.0) {
                self.may_have(*told, fact) || !is_exact
            } else {
                !self.has(told.0)
            }
        });
        let size = |options: &str| {
            let mut options = options.split(',');
            options.find_map(|option| bytes(option.strip_prefix("size=")?))
        };
        let wanted = size(&self.options);
        flags && (wanted.is_none() || wanted == size(&fact.options))
    }

    /// The kernel tells a source and options in words of its own, and of some kinds another name.
    fn becomes(&self) -> Effect {
        let told_otherwise = self.is_bind() || ["auto", "nfs"].contains(&self.fstype.as_str());
        let fact = MountFact {
            same: true,
            fstype: if told_otherwise {
                String::new()
            } else {
                self.fstype.clone()
            },
            ..MountFact::default()
        };
        Effect::Mount(Becomes(self.path.clone(), Some(fact)))
    }

    /// Decides what is mounted.
    fn now(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let (path, source) = (self.path.as_str(), self.source.as_str());
        let (fstype, options) = (self.fstype.as_str(), self.options.as_str());
        let fact = facts.mount(&self.path)?;
        let is_kept = self.entry().found(facts)?;
        let others = is_kept.is_some_and(|entry| entry.options != self.options);
        // Over what a host already has there, such as a `/home` of its own, nothing new is hidden.
        if fact.is_none()
            && let Some(refused) = essential::mounting(&self.path, true, facts)
        {
            return Ok(refused);
        }
        let (action, reason, run) = match fact {
            None => (
                Action::Create,
                Reason::NotMounted,
                Run::new(["mount", "-t", fstype, "-o", options, "--", source, path]),
            ),
            Some(fact) if !self.is_same(fact) => (
                Action::Update,
                Reason::KindDiffers,
                Run::new(["sh", "-c", EXCHANGE, "sh", fstype, options, source, path]),
            ),
            Some(fact) if !self.has_options(fact) || others => {
                let options = self.again(fact);
                let run = Run::new(["mount", "-o", &options, "--", source, path]);
                (Action::Update, Reason::OptionsDiffer, run)
            }
            Some(_) => return Ok(Planned::Unchanged),
        };
        if path == "/" && reason == Reason::KindDiffers {
            return Ok(Planned::refused(
                "another file system is the root of the host, and cannot be exchanged while it runs",
                "correct the source, or set `state: configured` and start the host again",
            ));
        }
        Ok(fstab::step(action, reason, run.effect(self.becomes())))
    }

    /// Tells whether the host could have it at all: a container of the estate has no devices of its own.
    fn can_be_mounted(&self, facts: &Facts) -> bool {
        let tag = self
            .source
            .split_once('=')
            .filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase()));
        let is_device = self.source.starts_with("/dev/") || tag.is_some();
        facts.manager == ServiceManager::Systemd && (facts.has_own_kernel() || !is_device)
    }

    /// Makes the folder.
    fn folder(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        Ok(match facts.path(&self.path)? {
            PathFact::Missing => {
                let make = Step::MakeDirectory {
                    path: self.path.clone(),
                    attributes: Attributes::of_parents(),
                };
                Change::new(Action::Create, vec![Reason::Missing], vec![make]).into()
            }
            PathFact::Directory(_) => Planned::Unchanged,
            PathFact::Link { .. } => Planned::Impossible {
                cause: format!("{} is a link", self.path),
                hint: "give the path that it leads to".to_owned(),
            },
            // A file can be mounted over a file.
            PathFact::File(_) | PathFact::Other if self.is_bind() => Planned::Unchanged,
            PathFact::File(_) | PathFact::Other => Planned::Impossible {
                cause: format!("{} is no folder", self.path),
                hint: format!(
                    "look at {} on the host and move it away if it is not needed",
                    self.path
                ),
            },
        })
    }

    /// Gives what has mounted again what was mounted.
    fn mounted_before(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let path = &self.path;
        let was = before.mount(path)?;
        if was == after.mount(path)? {
            return Ok(Former::files());
        }
        let Some(was) = was else {
            return Ok(Former::back(self.absent()).otherwise(format!(
                "what is mounted at {path} stays mounted; `umount {path}` on the host ends that"
            )));
        };
        let entry = self.entry().found(before)?;
        let former = entry.map(|entry| {
            Resource::Mount(Self {
                path: path.clone(),
                source: entry.source,
                fstype: entry.fstype,
                options: entry.options,
                dump: entry.dump,
                pass: entry.pass,
                state: MountState::Mounted,
            })
        });
        let MountFact {
            source,
            fstype,
            options,
            ..
        } = was;
        Ok(Former::back(former).otherwise(format!(
            "at {path} was {source} ({fstype}, {options}), which is not mounted again"
        )))
    }

    fn plan_absent(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let mut parts = InTurn::new(facts);
        if facts.mount(&self.path)?.is_some() && self.can_be_mounted(facts) {
            if let Some(refused) = essential::mounting(&self.path, false, facts) {
                return Ok(refused);
            }
            let gone = Effect::Mount(Becomes(self.path.clone(), None));
            let run = Run::new(["umount", "--", self.path.as_str()]).effect(gone);
            parts.then(|_| Ok(fstab::step(Action::Remove, Reason::Mounted, run)))?;
        }
        parts.then(|facts| self.entry().plan(State::Absent, facts))?;
        Ok(parts.planned())
    }
}

impl Manage for Mount {
    fn kind(&self) -> &'static str {
        "mount"
    }

    fn id(&self) -> String {
        self.path.to_string()
    }

    fn check(&self) -> Result<(), String> {
        if self.state == MountState::Absent {
            return Ok(());
        }
        let fields = [
            ("source", &self.source),
            ("fstype", &self.fstype),
            ("options", &self.options),
        ];
        for (field, text) in fields {
            fstab::checked(field, text)
                .map_err(|problem| format!("mount {}: {problem}", self.path))?;
        }
        let problem = if self.fstype == "swap" {
            "swap space is declared by `swap`"
        } else if self.options.contains(char::is_whitespace) {
            "`options` have commas between them, and no blanks"
        } else if self.dump > 1 || self.pass > 2 {
            "`dump` is 0 or 1, and `pass` is 0, 1 or 2"
        } else if self.options.split(',').any(|option| {
            ["password", "pass"]
                .iter()
                .any(|key| option.split('=').next() == Some(key))
        }) {
            "everybody can read /etc/fstab: put the password into a file, and name that by the option `credentials`"
        } else {
            return Ok(());
        };
        Err(format!("mount {}: {problem}", self.path))
    }

    fn probe(&self) -> Vec<Query> {
        let (path, source) = (self.path.clone(), self.source.clone());
        let mut queries = Entry::probe();
        queries.push(Query::Mount(MountQuestion {
            path: path.clone(),
            source,
        }));
        let read = Read::Attributes;
        queries.push(Query::Path(PathQuestion { path, read }));
        queries.push(Query::Login(()));
        queries
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        if self.state == MountState::Absent {
            return self.plan_absent(facts);
        }
        let is_server = self.can_be_mounted(facts);
        let mut parts = InTurn::new(facts);
        parts.then(|facts| self.folder(facts))?;
        if self.state == MountState::Mounted && is_server {
            parts.then(|facts| self.now(facts))?;
        }
        parts.then(|facts| self.entry().plan(State::Present, facts))?;
        let mut planned = parts.planned();
        if let Planned::Change(change) = &mut planned {
            change.detail = format!("{} ({})", self.source, self.options);
            if self.state == MountState::Mounted && !is_server {
                change
                    .detail
                    .push_str("   for the next boot: a container has what it was made with");
            }
        }
        Ok(planned)
    }

    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let former = self.mounted_before(before, after)?;
        let path = &self.path;
        let is_made = *before.path(path)? == PathFact::Missing;
        // What is mounted there hides what the folder is like.
        let mut former = former.covering(is_made.then(|| path.clone()));
        former
            .stays
            .extend(is_made.then(|| format!("the folder {path} stays")));
        Ok(former)
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::Mount(Self {
            state: MountState::Absent,
            ..self.clone()
        }))
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        let said = |words: &[&str]| words.iter().any(|words| output.contains(words));
        let path = &self.path;
        Some(if said(&["busy"]) {
            Remedy::again_after(format!(
                "see with `fuser -vm {path}` on the host what uses it, and have that stop; nothing was unmounted"
            ))
        } else if said(&["must be superuser", "ermission denied", "not permitted"]) {
            Remedy::from(
                "the host may not mount, as in a container: mount it on the machine that runs the container, or set `state: configured`; nothing was kept",
            )
        } else if said(&[
            "unknown filesystem type",
            "bad option",
            "Unknown parameter",
            "wrong fs type",
            "bad superblock",
        ]) {
            Remedy::from(
                "correct `fstype` and `options` (mount(8); `dmesg` on the host says more), or declare the package that brings the program, such as nfs-common; nothing was kept",
            )
        } else {
            Remedy::again_after(
                "see with `lsblk -f` on the host whether the source is there, and correct that",
            )
        })
    }

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "it was mounted, and the kernel has it otherwise: see with `findmnt PATH` on the host, and declare the options that it has",
        )
    }
}

/// Reads a size with a unit, as tmpfs has it (tmpfs(5)).
fn bytes(text: &str) -> Option<u64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[number.len()..].to_ascii_lowercase();
    let shift = [("", 0), ("k", 10), ("m", 20), ("g", 30), ("t", 40)];
    let (_, shift) = shift.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}
