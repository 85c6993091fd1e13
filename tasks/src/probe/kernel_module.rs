//! Modules of the kernel, as `/sys/module` and modprobe(8) know them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::Secret;
use crate::quote;
use crate::value::ModuleName;

/// What is known of a module.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModuleFact {
    /// Whether the kernel has it: it is loaded, or a part of the kernel itself.
    pub loaded: bool,
    /// Whether the host has a file of it.
    pub known: bool,
    /// Whether root can load modules here: not so in most containers.
    pub allowed: bool,
}

impl Facts {
    /// Tells what is known of a module of the kernel.
    pub fn kernel_module(&self, name: &ModuleName) -> Result<&ModuleFact, NotAsked> {
        self.kernel_modules
            .get(name)
            .ok_or_else(|| NotAsked(format!("kernel module {name}")))
    }
}

/// The kind of this module.
pub struct Modules;

impl Kind for Modules {
    type Question = ModuleName;
    type Known = BTreeMap<ModuleName, ModuleFact>;

    fn key(name: &ModuleName) -> ModuleName {
        name.clone()
    }

    /// The right to load modules is the 16th of capabilities(7). The kernel can be told to take no more of them. What is a part of
    /// it and has no parameters is nowhere but in modprobe's list.
    fn script(names: &[ModuleName]) -> String {
        let names = quote::sh_all(names.iter().map(ModuleName::as_str));
        format!(
            "prov_answer kernel_modules; ( rights=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status) || exit\n\
             closed=$(cat /proc/sys/kernel/modules_disabled 2>/dev/null || echo 0)\n\
             [ \"$((0x$rights >> 16 & 1)) $closed\" != '1 0' ] || printf 'allowed\\n'\n\
             for name in {names}; do [ ! -d \"/sys/module/$(printf %s \"$name\" | tr - _)\" ] || printf 'loaded %s\\n' \"$name\"\n\
             ! found=$(modprobe --show-depends -- \"$name\" 2>/dev/null) || printf 'known %s\\n' \"$name\"\n\
             case $found in (builtin*) printf 'loaded %s\\n' \"$name\";; esac; done; prov_complete )\n"
        )
    }

    fn read(names: &[ModuleName], answers: &Answers) -> Result<Self::Known, Broken> {
        let text = String::from_utf8_lossy(answers.bytes("kernel_modules")?).into_owned();
        let says = |line: &str| text.lines().any(|said| said == line);
        let fact = |name: &ModuleName| ModuleFact {
            loaded: says(&format!("loaded {name}")),
            known: says(&format!("known {name}")),
            allowed: says("allowed"),
        };
        Ok(names
            .iter()
            .map(|name| (name.clone(), fact(name)))
            .collect())
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<ModuleName> {
        ModuleName::new("br-netfilter").into_iter().collect()
    }
}
