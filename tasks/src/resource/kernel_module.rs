//! Modules of the kernel.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::manage::InTurn;
use super::{File, Former, Manage, Resource};
use crate::content::Content;
use crate::plan::{Action, Change, Planned, Reason, Remedy};
use crate::probe::{Becomes, Effect, Facts, NotAsked, Query};
use crate::step::Run;
use crate::value::{HostPath, ModuleName};

/// Manages a module of the kernel: that it is loaded, now and at boot, with which options, or that nothing loads it.
///
/// Reads `/sys/module`, what `modprobe` knows, and the module's own files `prov-NAME.conf` in `/etc/modules-load.d` (modules-load.d(5)) and
/// `/etc/modprobe.d` (modprobe.d(5)). The kernel is asked first: a module that it does not take is kept nowhere. Options count when the
/// module is loaded: one that is loaded keeps those that it has. `blacklisted` unloads it, and keeps everything from loading it; for what
/// the initial RAM disk loads, notify `update-initramfs -u`. When absent, the files go, and the module stays until the next boot. In an
/// estate's containers, which have the kernel of their machine, a module is only kept for the next boot; another host under systemd that may
/// not load any is refused.
///
/// ```yaml
/// kernel_module: {name: nbd, options: max_part=8}
/// kernel_module: {name: pcspkr, state: blacklisted}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct KernelModule {
    /// Name, for instance `br_netfilter`; `-` and `_` are the same.
    pub name: ModuleName,
    /// Options with which it is loaded, with blanks between them: `max_part=8 nbds_max=4`.
    #[serde(default)]
    pub options: String,
    /// Whether it should be there.
    #[serde(default)]
    pub state: ModuleState,
}

/// Whether the kernel has a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModuleState {
    /// It is loaded, now and at boot.
    #[default]
    Present,
    /// It is not loaded, and nothing loads it.
    Blacklisted,
    /// Nothing is said of it.
    Absent,
}

super::checked!(KernelModule);

impl KernelModule {
    fn at_boot(&self) -> File {
        let path = HostPath::modules_load(&self.name);
        let text = format!("# Managed by prov.\n{}\n", self.name);
        match self.state {
            ModuleState::Present => File::new(path, Content::plain(text)),
            ModuleState::Blacklisted | ModuleState::Absent => File::gone(path),
        }
    }

    fn how(&self) -> File {
        let (path, name) = (HostPath::modprobe(&self.name), &self.name);
        let text = match self.state {
            ModuleState::Present if !self.options.is_empty() => {
                format!("options {name} {}\n", self.options)
            }
            // A blacklist alone keeps only devices from asking for it.
            ModuleState::Blacklisted => format!("blacklist {name}\ninstall {name} /bin/false\n"),
            ModuleState::Present | ModuleState::Absent => return File::gone(path),
        };
        File::new(path, Content::plain(format!("# Managed by prov.\n{text}")))
    }

    /// Decides what is asked of the kernel.
    fn now(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let fact = facts.kernel_module(&self.name)?;
        let name = self.name.as_str();
        let wanted = match self.state {
            ModuleState::Absent => return Ok(Planned::Unchanged),
            ModuleState::Present => true,
            ModuleState::Blacklisted => false,
        };
        if fact.loaded == wanted || !facts.has_own_kernel() {
            return Ok(Planned::Unchanged);
        }
        if !fact.allowed {
            return Ok(Planned::refused(
                format!(
                    "this host may not load or unload modules of the kernel, as in a container; {name} is {}loaded",
                    if wanted { "not " } else { "" }
                ),
                "do it on the machine that runs the container, or where modules were switched off (`sysctl kernel.modules_disabled`) start the host again",
            ));
        }
        if wanted && !fact.known {
            return Ok(if facts.coming.is_empty() {
                Planned::Impossible {
                    cause: format!("the host has no module {name} for its kernel"),
                    hint: "correct its name, or declare what brings it (and the package kmod) before it; after the kernel was upgraded, start the host again".to_owned(),
                }
            } else {
                super::packages::waiting(facts)
            });
        }
        let (reason, mut run) = if wanted {
            (Reason::NotLoaded, Run::new(["modprobe", "--", name]))
        } else {
            (Reason::Loaded, Run::new(["modprobe", "-r", "--", name]))
        };
        if wanted {
            let options = self.options.split(' ').filter(|option| !option.is_empty());
            run.argv.extend(options.map(str::to_owned));
        }
        let mut fact = fact.clone();
        fact.loaded = wanted;
        let run = run.effect(Effect::KernelModule(Becomes(self.name.clone(), fact)));
        Ok(Change::new(Action::Update, vec![reason], vec![run.into()]).into())
    }
}

impl Manage for KernelModule {
    fn kind(&self) -> &'static str {
        "kernel_module"
    }

    fn id(&self) -> String {
        self.name.loaded_as()
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: &str| Err(format!("kernel_module {}: {problem}", self.name));
        if self
            .options
            .contains(|c: char| c.is_control() || c == '\\' || c == '#')
        {
            return refuse("`options` are of one line, without `\\` and `#`");
        }
        if !self.options.is_empty() && self.state == ModuleState::Blacklisted {
            return refuse("a module that nothing loads needs no `options`");
        }
        if self
            .options
            .split(' ')
            .any(|option| option.starts_with('-'))
        {
            return refuse("`options` begin with a name, as in max_part=8");
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        let mut queries = self.at_boot().probe();
        queries.extend(self.how().probe());
        queries.push(Query::KernelModule(self.name.clone()));
        queries
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let mut parts = InTurn::new(facts);
        parts.then(|facts| self.now(facts))?;
        let asked = parts.changes();
        parts.then(|facts| self.how().plan_with_folder(facts))?;
        parts.then(|facts| self.at_boot().plan_with_folder(facts))?;
        let mut planned = parts.planned();
        let loaded = facts.kernel_module(&self.name)?.loaded;
        if let Planned::Change(change) = &mut planned {
            let note = match self.state {
                ModuleState::Present if !loaded && !asked => {
                    "for the next boot: this container has the kernel of its machine"
                }
                ModuleState::Present if !asked && !self.options.is_empty() => {
                    "its options count when it is loaded next"
                }
                ModuleState::Absent if loaded => "the kernel has it until the next boot",
                ModuleState::Present | ModuleState::Blacklisted | ModuleState::Absent => "",
            };
            note.clone_into(&mut change.detail);
        }
        Ok(planned)
    }

    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let name = &self.name;
        let loaded = |facts: &Facts| facts.kernel_module(name).map(|fact| fact.loaded);
        Ok(match (loaded(before)?, loaded(after)?) {
            (false, true) => Former::stays(format!(
                "the kernel keeps the module {name} until the host is started again; `modprobe -r {name}` on the host unloads it"
            )),
            (true, false) => Former::stays(format!(
                "the module {name} is not loaded again; `modprobe {name}` on the host does that"
            )),
            (true, true) | (false, false) => Former::files(),
        })
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::KernelModule(Self {
            name: self.name.clone(),
            options: String::new(),
            state: ModuleState::Absent,
        }))
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        let said = |words| output.contains(words);
        Some(if said("in use") {
            Remedy::again_after(format!(
                "see with `lsmod` on the host what uses {}, and have that stop",
                self.name
            ))
        } else if said("Invalid argument") || said("Unknown parameter") || said("Unknown symbol") {
            Remedy::from(
                "give options that the module takes (`modinfo -p` on the host lists them, `dmesg` says why); nothing was kept",
            )
        } else {
            Remedy::again_after(
                "see with `dmesg` on the host why the kernel did not take it, and repair that",
            )
        })
    }

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "modprobe went well and the kernel has it otherwise: see `modprobe --showconfig` on the host",
        )
    }
}
