//! Settings of the kernel, as files below `/proc/sys`: `proc_sys(5)`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::Secret;
use crate::quote;
use crate::value::SysctlKey;

/// A setting that the kernel has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SysctlFact {
    /// Its value, each run of blanks as one; `None` where it cannot be read.
    pub value: Option<String>,
    /// Whether root can set it here: not so in most containers.
    pub settable: bool,
    /// Whether nobody can set it, as it only tells something.
    pub fixed: bool,
}

impl Facts {
    /// Tells what is known of a setting of the kernel; `None` where the kernel has none of that name.
    pub fn sysctl(&self, key: &SysctlKey) -> Result<Option<&SysctlFact>, NotAsked> {
        self.sysctls
            .get(key)
            .map(Option::as_ref)
            .ok_or_else(|| NotAsked(format!("sysctl {key}")))
    }
}

/// Where the settings are.
const FOLDER: &str = "/proc/sys/";

/// The kind of this module.
pub struct Settings;

impl Kind for Settings {
    type Question = SysctlKey;
    type Known = BTreeMap<SysctlKey, Option<SysctlFact>>;

    fn key(key: &SysctlKey) -> SysctlKey {
        key.clone()
    }

    /// One program reads them all: the shell would read them by single bytes, of which the kernel gives only the first. Both end
    /// with other codes than 0 where one of the files is missing or cannot be read.
    fn script(keys: &[SysctlKey]) -> String {
        let paths: Vec<_> = keys.iter().map(file).collect();
        let paths = quote::sh_all(paths.iter().map(String::as_str));
        format!(
            "prov_answer sysctls; ( for path in {paths}; do [ ! -w \"$path\" ] || printf 'settable %s\\n' \"$path\"; done\n\
             stat -c 'mode %a %n' -- {paths} 2>/dev/null; [ $? -le 1 ] || exit\n\
             grep -s -H '' -- {paths}; [ $? -gt 2 ] || prov_complete )\n"
        )
    }

    fn read(keys: &[SysctlKey], answers: &Answers) -> Result<Self::Known, Broken> {
        let text = String::from_utf8_lossy(answers.bytes("sysctls")?).into_owned();
        let fact = |key: &SysctlKey| {
            let file = file(key);
            let mode = text.lines().find_map(|line| {
                let (mode, path) = line.strip_prefix("mode ")?.split_once(' ')?;
                (path == file).then(|| u32::from_str_radix(mode, 8).unwrap_or_default())
            })?;
            let is_settable = |line: &str| line.strip_prefix("settable ") == Some(&file);
            let values = text
                .lines()
                .filter_map(|line| line.strip_prefix(&file)?.strip_prefix(':'));
            let words: Vec<_> = values.clone().flat_map(str::split_whitespace).collect();
            Some(SysctlFact {
                value: values.clone().next().map(|_| words.join(" ")),
                settable: text.lines().any(is_settable),
                fixed: mode & OWNER_WRITES == 0,
            })
        };
        Ok(keys.iter().map(|key| (key.clone(), fact(key))).collect())
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<SysctlKey> {
        let keys = ["vm.swappiness", "net/ipv4/conf/eth0.1/forwarding"];
        keys.into_iter()
            .filter_map(|key| SysctlKey::new(key).ok())
            .collect()
    }
}

/// Permission bit by which the owner may write.
const OWNER_WRITES: u32 = 0o200;

fn file(key: &SysctlKey) -> String {
    format!("{FOLDER}{}", key.slashed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_with_single_blanks_and_with_who_may_set_them() {
        let keys = [
            "kernel.printk",
            "kernel.ostype",
            "vm.compact_memory",
            "no.such",
        ];
        let keys = keys.map(|key| SysctlKey::new(key).unwrap());
        let text = "settable /proc/sys/kernel/printk\nmode 644 /proc/sys/kernel/printk\n\
                    mode 444 /proc/sys/kernel/ostype\nmode 200 /proc/sys/vm/compact_memory\n\
                    /proc/sys/kernel/printk:7\t4  1\t7\n/proc/sys/kernel/ostype:Linux\n";
        let mut answers = Answers::default();
        answers.insert("sysctls".to_owned(), text.into(), true);
        let known = Settings::read(&keys, &answers).unwrap();
        let fact = |key: &str| known[&SysctlKey::new(key).unwrap()].clone();
        let told = |value: Option<&str>, settable, fixed| {
            Some(SysctlFact {
                value: value.map(str::to_owned),
                settable,
                fixed,
            })
        };
        assert_eq!(fact("kernel.printk"), told(Some("7 4 1 7"), true, false));
        assert_eq!(fact("kernel.ostype"), told(Some("Linux"), false, true));
        assert_eq!(fact("vm.compact_memory"), told(None, false, false));
        assert_eq!(fact("no.such"), None);
    }
}
