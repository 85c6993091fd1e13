//! Swap space.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fstab::{self, Entry};
use super::manage::InTurn;
use super::{Former, Manage, Resource, State};
use crate::plan::{Action, Change, Planned, Reason, Remedy};
use crate::probe::{
    Attributes, Becomes, Effect, Facts, FileFact, NotAsked, PathFact, PathQuestion, Query, Read,
    SwapFact,
};
use crate::step::{Run, Step};
use crate::value::{HostPath, Mode};

/// Manages swap space, in a file or on a device: that it is in use, now and at boot by its line in `/etc/fstab` (swapon(8)).
///
/// Reads `swapon --show`, `blkid` and `/etc/fstab`. A file is made of the right size, for root alone, without holes and, on btrfs, without
/// copies on write; one of another size is made anew. What holds anything else is refused, and a device that holds swap space already is not made
/// anew. It is used first: what the kernel does not take, as on a file system that cannot have any, is kept nowhere. When absent, it is
/// no longer used, the line goes, and so does a file. In an estate's containers only the line is kept.
///
/// ```yaml
/// swap: {path: /swapfile, size: 2G}
/// swap: {path: /dev/vdb, priority: 10}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Swap {
    /// Absolute path of the file or the device.
    pub path: HostPath,
    /// Size of a file, in whole mebibytes (`512M`) or gibibytes (`2G`). A device has its own.
    #[serde(default)]
    pub size: Option<SwapSize>,
    /// Priority, from 0 to 32767: the highest is used first. The kernel chooses when not given.
    #[serde(default)]
    pub priority: Option<u16>,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(Swap);

/// Size of swap space, in mebibytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SwapSize(u64);

impl TryFrom<String> for SwapSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.trim_end_matches(['M', 'G']);
        let factor = match &text[number.len()..] {
            "M" => Some(1),
            "G" => Some(1024),
            _ => None,
        };
        let number = number
            .parse::<u64>()
            .ok()
            .filter(|number| (1..=1 << 20).contains(number));
        match number.zip(factor) {
            Some((number, factor)) => Ok(Self(number * factor)),
            None => Err(format!(
                "{text:?} is no size of swap space; write it as 512M or 2G"
            )),
        }
    }
}

impl From<SwapSize> for String {
    fn from(SwapSize(size): SwapSize) -> Self {
        format!("{size}M")
    }
}

impl JsonSchema for SwapSize {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SwapSize".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]+[MG]$" })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Makes a file of zeros for root alone and swap space of it; the kernel takes none with holes, nor with copies on write.
const MAKE: &str = r#"umask 077; rm -f -- "$1" && : >"$1" || exit; chattr +C -- "$1" 2>/dev/null
dd if=/dev/zero of="$1" bs=1M count="$2" conv=fsync status=none && mkswap -- "$1" >/dev/null || { status=$?; rm -f -- "$1"; exit $status; }"#;

/// Uses it, or takes away what was made for that.
const USE: &str =
    r#"path=$1; shift; swapon "$@" || { status=$?; rm -f -- "$path"; exit $status; }"#;

impl Swap {
    fn entry(&self) -> Entry {
        Entry {
            source: self.path.to_string(),
            place: "none".to_owned(),
            fstype: "swap".to_owned(),
            options: self
                .priority
                .map_or_else(|| "sw".to_owned(), |priority| format!("sw,pri={priority}")),
            dump: 0,
            pass: 0,
        }
    }

    fn becomes(&self, used: Option<i32>) -> Effect {
        let holds = "swap".to_owned();
        Effect::Swap(Becomes(self.path.clone(), SwapFact { used, holds }))
    }

    fn stop(&self) -> Planned {
        let run = Run::new(["swapoff", "--", self.path.as_str()]).effect(self.becomes(None));
        fstab::step(Action::Update, Reason::Used, run)
    }

    fn attributes() -> Attributes {
        Attributes::new("root", "root", Mode::new(0o600))
    }

    /// Decides how it becomes swap space.
    fn made(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let path = self.path.as_str();
        let fact = facts.swap(&self.path)?;
        let impossible = |cause: String, hint: &str| {
            let hint = hint.to_owned();
            Ok(Planned::Impossible { cause, hint })
        };
        let size = self.size.map(|SwapSize(size)| size);
        let is_swap = fact.holds == "swap";
        let reason = match (facts.path(&self.path)?, size) {
            (PathFact::Missing, Some(_)) => Reason::Missing,
            (PathFact::Missing, None) => {
                return impossible(
                    format!("{path} is not there"),
                    "give the `size` of a file, or correct the path of the device",
                );
            }
            (PathFact::Directory(_) | PathFact::Link { .. }, _) => {
                return impossible(
                    format!("{path} is neither a file nor a device"),
                    "give the path of a file or of a device; a device has other names in /dev",
                );
            }
            (PathFact::File(_), _) if !is_swap => {
                return impossible(
                    format!("{path} is a file that is no swap space"),
                    "move it away on the host if it is not needed",
                );
            }
            (PathFact::File(file), Some(size)) if file.size != size << 20 => Reason::SizeDiffers,
            (PathFact::File(file), _) if file.attributes() != Self::attributes() => {
                let step = Step::SetAttributes {
                    path: self.path.clone(),
                    attributes: Self::attributes(),
                };
                let reasons =
                    super::directory::attribute_reasons(&file.attributes(), &Self::attributes());
                return Ok(Change::new(Action::Update, reasons, vec![step]).into());
            }
            (PathFact::Other, Some(_)) => {
                return impossible(
                    format!("{path} is a device, which has a size of its own"),
                    "leave out `size`",
                );
            }
            (PathFact::Other, None) if fact.holds.is_empty() => {
                let run = Run::new(["mkswap", "--", path]).effect(self.becomes(None));
                return Ok(fstab::step(Action::Create, Reason::Missing, run));
            }
            (PathFact::Other, None) if !is_swap => {
                return impossible(
                    format!("{path} holds {}", fact.holds),
                    "correct the path; `wipefs -a` on the host takes away what is not needed",
                );
            }
            (PathFact::File(_) | PathFact::Other, _) => return Ok(Planned::Unchanged),
        };
        let size = size.unwrap_or_default();
        let file = FileFact {
            size: size << 20,
            sha256: None,
            body: None,
            ..FileFact::of(Self::attributes(), b"")
        };
        let run = Run::new(["sh", "-c", MAKE, "sh", path, &size.to_string()])
            .effect(Effect::Path(Becomes(
                self.path.clone(),
                PathFact::File(file),
            )))
            .effect(self.becomes(None));
        let make = fstab::step(Action::Create, reason, run);
        Ok(match fact.used {
            Some(_) => Planned::together([self.stop(), make]),
            None => make,
        })
    }

    /// Decides how it comes to be used; a file that was made for it goes again where the kernel does not take it.
    fn used(&self, is_made: bool, facts: &Facts) -> Result<Planned, NotAsked> {
        let fact = facts.swap(&self.path)?;
        let wanted = self.priority.map(i32::from);
        let path = self.path.as_str();
        let mut run = if is_made {
            Run::new(["sh", "-c", USE, "sh", path])
        } else {
            Run::new(["swapon"])
        };
        let number = wanted.unwrap_or(-2);
        if wanted.is_some() {
            run.argv.extend(["-p".to_owned(), number.to_string()]);
        }
        run.argv.extend(["--".to_owned(), path.to_owned()]);
        let start = fstab::step(
            Action::Create,
            Reason::NotUsed,
            run.effect(self.becomes(Some(number))),
        );
        Ok(match fact.used {
            None => start,
            // One that the kernel has chosen is below zero.
            Some(used)
                if wanted.is_some_and(|wanted| wanted != used)
                    || (wanted.is_none() && used >= 0) =>
            {
                let mut planned = Planned::together([self.stop(), start]);
                if let Planned::Change(change) = &mut planned {
                    change.reasons = vec![Reason::ValueDiffers];
                    change.action = Action::Update;
                }
                planned
            }
            Some(_) => Planned::Unchanged,
        })
    }

    fn plan_absent(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let fact = facts.swap(&self.path)?;
        let mut parts = InTurn::new(facts);
        if fact.used.is_some() && facts.has_own_kernel() {
            parts.then(|_| Ok(self.stop()))?;
        }
        parts.then(|facts| self.entry().plan(State::Absent, facts))?;
        let is_file = matches!(facts.path(&self.path)?, PathFact::File(_));
        if is_file && fact.holds == "swap" {
            let step = Step::Remove {
                path: self.path.clone(),
            };
            let gone = Change::new(Action::Remove, vec![Reason::Present], vec![step]);
            parts.then(|_| Ok(gone.into()))?;
        }
        let mut planned = parts.planned();
        if let Planned::Change(change) = &mut planned {
            change.action = Action::Remove;
        }
        Ok(planned)
    }
}

impl Manage for Swap {
    fn kind(&self) -> &'static str {
        "swap"
    }

    fn id(&self) -> String {
        self.path.to_string()
    }

    fn check(&self) -> Result<(), String> {
        if self.priority.is_some_and(|priority| priority > 32767) {
            return Err(format!("swap {}: `priority` is from 0 to 32767", self.path));
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        let mut queries = Entry::probe();
        queries.push(Query::Swap(self.path.clone()));
        queries.push(Query::Path(PathQuestion {
            path: self.path.clone(),
            read: Read::Attributes,
        }));
        queries
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        if self.state == State::Absent {
            return self.plan_absent(facts);
        }
        let is_server = facts.has_own_kernel();
        let mut parts = InTurn::new(facts);
        if is_server {
            parts.then(|facts| self.made(facts))?;
            let is_made =
                self.size.is_some() && parts.changes() && facts.swap(&self.path)?.holds != "swap";
            parts.then(|facts| self.used(is_made, facts))?;
        }
        parts.then(|facts| self.entry().plan(State::Present, facts))?;
        let mut planned = parts.planned();
        if let Planned::Change(change) = &mut planned {
            change.detail = self.size.map(String::from).unwrap_or_default();
            if !is_server {
                "for the next boot: a container has the memory of its machine"
                    .clone_into(&mut change.detail);
            }
        }
        Ok(planned)
    }

    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let path = &self.path;
        let (was, is) = (before.swap(path)?, after.swap(path)?);
        let place = before.path(path)?;
        let size = |place: &PathFact| match place {
            PathFact::File(file) => Some(file.size),
            PathFact::Missing
            | PathFact::Directory(_)
            | PathFact::Link { .. }
            | PathFact::Other => None,
        };
        let size_before = size(place);
        if was == is && size_before == size(after.path(path)?) {
            return Ok(Former::files());
        }
        let former = match was.used {
            Some(used) => Some(Resource::Swap(Self {
                size: size_before.map(|size| SwapSize(size >> 20)),
                priority: u16::try_from(used).ok(),
                state: State::Present,
                ..self.clone()
            })),
            None if size_before.is_none() => self.absent(),
            None => None,
        };
        let otherwise = if was.used.is_some() {
            format!("{path} is not used as swap space as it was before; see swapon(8)")
        } else {
            format!("{path} stays in use as swap space; `swapoff {path}` on the host ends that")
        };
        let mut former = Former::back(former)
            .otherwise(otherwise)
            .covering([path.clone()]);
        if was.holds.is_empty() && *place == PathFact::Other {
            let made = format!("{path} stays made for swap space");
            former.stays.push(made);
        }
        Ok(former)
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::Swap(Self {
            state: State::Absent,
            ..self.clone()
        }))
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        let said = |words| output.contains(words);
        Some(if said("not permitted") || said("ermission denied") {
            Remedy::from(
                "the host may not use swap space, as in a container: declare it for the machine that runs the container",
            )
        } else if said("Invalid argument") {
            Remedy::from(
                "its file system cannot have swap space, as overlay, ZFS and network file systems: give a path on ext4, xfs or btrfs, or a device",
            )
        } else if said("Cannot allocate memory") {
            Remedy::again_after(
                "what is in it does not fit into memory: see with `free -m` on the host what needs so much, and have that stop",
            )
        } else {
            Remedy::again_after("see with `dmesg` on the host why, and repair that")
        })
    }
}
