//! Which services still run programs or libraries that were replaced since they started: `proc_pid_maps(5)`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Answers, Broken, Kind};
use crate::Secret;

/// What runs of that which was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplacedFact {
    /// Services with such a process: names of runit's, or of systemd's units.
    pub services: BTreeSet<String>,
    /// Names of processes that belong to no service, such as those of somebody who is logged in.
    pub processes: BTreeSet<String>,
    /// Whether systemd itself is one.
    pub manager: bool,
}

/// The kind of this module.
pub struct Programs;

impl Kind for Programs {
    type Question = ();
    type Known = Option<ReplacedFact>;

    /// Every restart of a service changes it.
    const LASTS: bool = false;

    fn key((): &()) {}

    /// Code that is mapped from a file without a name any more was replaced. To which service a process belongs is told by
    /// its control group, or by which of its ancestors runit started. In a container root may not look at what processes of other
    /// accounts have mapped: there the program and the C library tell, if they are younger than the process. What ran before an
    /// upgrade to another release, and has not run since, counts as well (`detached.sh`).
    fn script(_: &[()]) -> String {
        r#"prov_service_of() { # pid
  if [ "$init" = systemd ]; then
    sed -n 's|.*:.*/system\.slice/\(.*/\)\{0,1\}\([^/]*\)\.service\(/.*\)\{0,1\}$|\2|p' "/proc/$1/cgroup" 2>/dev/null | head -n 1; return; fi
  at=$1; while [ "${at:-1}" -gt 1 ]; do
    for file in /run/service/*/supervise/pid; do
      if [ "$(cat "$file" 2>/dev/null)" = "$at" ]; then file=${file%/supervise/pid}; echo "${file##*/}"; return; fi; done
    at=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$at/status" 2>/dev/null); done; }
prov_is_replaced() { # pid
  age=$(ps -o etimes= -p "$1") || return
  started=$(($(date +%s) - age))
  for part in "$(tr '\0' '\n' <"/proc/$1/cmdline" | head -n 1)" /lib/*/libc.so.6; do
    case $part in (/*) [ ! -e "$part" ] || [ "$(stat -Lc %Z "$part")" -le "$started" ] || return 0;; esac; done
  return 1; }
prov_answer replaced; for file in /run/service/*/supervise/pid; do
  pid=$(cat "$file" 2>/dev/null); file=${file%/supervise/pid}
  [ -z "$pid" ] || ! prov_is_replaced "$pid" || echo "service ${file##*/}"
done 2>/dev/null; for maps in $(grep -lsE '^[^ ]+ r.x. .* (/usr|/lib|/bin|/sbin|/opt)[^ ]*( [^ ]+)* \(deleted\)$' /proc/[0-9]*/maps); do
  pid=${maps#/proc/}; pid=${pid%/maps}
  if [ "$pid" = 1 ]; then [ "$init" != systemd ] || echo manager; continue; fi
  name=$(prov_service_of "$pid"); if [ "$name" ]; then echo "service $name"; else read -r name <"/proc/$pid/comm" && echo "process $name"; fi
done 2>/dev/null; for unit in $(cat /run/prov-upgrade.ran 2>/dev/null); do
  systemctl is-active --quiet "$unit" || echo "service ${unit%.service}"
done; prov_complete
"#
        .to_owned()
    }

    fn read(_: &[()], answers: &Answers) -> Result<Self::Known, Broken> {
        let text = answers.text("replaced")?;
        let values = |word: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(word));
            lines.map(str::to_owned).collect()
        };
        Ok(Some(ReplacedFact {
            services: values("service "),
            processes: values("process "),
            manager: text.lines().any(|line| line == "manager"),
        }))
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<()> {
        vec![()]
    }
}
