//! Tables of the host's firewall.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::manage::InTurn;
use super::{File, Former, Manage, Resource, Service, State, Unit};
use crate::content::Content;
use crate::plan::{Action, Change, Diff, Planned, Reason, Remedy};
use crate::probe::{
    self, Becomes, Effect, Facts, NftAccess, NftTableFact, NotAsked, PathFact, PathQuestion, Query,
    Read, ServiceManager,
};
use crate::step::{Run, Step};
use crate::value::{HostPath, NftTable};

/// Manages a table of the host's firewall (nft(8)): its rules now, and those that it has from boot on.
///
/// Reads the table as `nft list table` tells it, and the table's own file in `/etc/nftables.d`. The kernel is asked first: rules that
/// nft does not understand or the kernel does not take are neither loaded nor kept. A table is exchanged as a whole and at once; other
/// tables, such as those of Docker and fail2ban, are never touched, nor is `/etc/nftables.conf`. Rules that somebody else has added to the table or
/// taken from it are put back; what rules gather in sets with `flags dynamic` or `timeout` stays as long as the table does. A service
/// `nftables-FAMILY-NAME` loads it at boot, before the network is there, and again when the service `nftables` is restarted or reloaded, which flushes everything. When absent, table,
/// file and service go.
///
/// A table that is there and that prov has not made is refused. In an estate's containers without systemd the rules are kept for the next
/// boot and not loaded; a host under systemd whose rules may not be changed is refused. What may lock prov out is guarded.
///
/// ```yaml
/// nftables:
///   table: inet office
///   content: |
///     chain input {
///       type filter hook input priority filter; policy drop;
///       ct state established,related accept
///       iifname lo accept
///       tcp dport { 22, 80, 443 } accept
///     }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Nftables {
    /// Family and name, for instance `inet office`.
    pub table: NftTable,
    /// What stands between the braces of the table: chains, sets, maps, `define`. Needed when present.
    #[serde(default)]
    pub content: Option<Content>,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(Nftables);

impl Nftables {
    /// Gives the text of the file; loading it exchanges the table, whether or not there is one.
    fn text(&self) -> Content {
        let table = &self.table;
        let rules = self.content.clone().unwrap_or_default();
        let rules = rules.expose();
        let end = if rules.ends_with('\n') { "" } else { "\n" };
        Content::plain(format!(
            "#!/usr/sbin/nft -f\n# Managed by prov.\ntable {table}\ndelete table {table}\ntable {table} {{\n{rules}{end}}}\n"
        ))
    }

    /// Gives what stands between the braces of such a text.
    fn inside_of(&self, text: &str) -> Option<String> {
        let table = &self.table;
        let begin = format!(
            "#!/usr/sbin/nft -f\n# Managed by prov.\ntable {table}\ndelete table {table}\ntable {table} {{\n"
        );
        let inside = text.strip_prefix(&begin)?.strip_suffix("}\n")?;
        Some(inside.to_owned())
    }

    fn file(&self) -> File {
        let path = HostPath::nft_table(&self.table);
        match self.state {
            State::Present => File::new(path, self.text()),
            State::Absent => File::gone(path),
        }
    }

    /// Describes the service that loads the table. It goes with `nftables` where that flushes everything.
    fn unit(&self) -> Unit {
        let (table, file) = (&self.table, HostPath::nft_table(&self.table));
        let folder = format!("nftables-{}", table.file_name());
        let record = probe::nft_record(table);
        let load = format!("/usr/sbin/nft -f {file}");
        let note = format!(
            "/bin/sh -c 'umask 077; {{ sha256sum <{file} && nft -s list table {table}; }} >{record}'"
        );
        let text = format!(
            "# Managed by prov.\n[Unit]\nDescription=Table {table} of the firewall\nDocumentation=man:nft(8)\nDefaultDependencies=no\n\
             Wants=network-pre.target\nBefore=network-pre.target\nAfter=local-fs.target nftables.service\n\
             PartOf=nftables.service\nReloadPropagatedFrom=nftables.service\n\
             [Service]\nType=oneshot\nRemainAfterExit=yes\nRuntimeDirectory={folder}\nRuntimeDirectoryMode=0700\n\
             ExecStart={load}\nExecStartPost={note}\nExecReload={load}\nExecReload={note}\nExecStop=-/usr/sbin/nft delete table {table}\n\
             [Install]\nWantedBy=sysinit.target nftables.service\n"
        );
        Unit {
            name: table.unit(),
            drop_in: None,
            content: (self.state == State::Present).then(|| Content::plain(text)),
            state: self.state,
        }
    }

    fn service(&self) -> Service {
        Service::new(self.table.service())
    }

    fn becomes(&self, rules: Option<String>) -> Effect {
        let digest = self.file().content.map(|content| content.sha256());
        let record = rules
            .as_ref()
            .map(|rules| format!("{}  -\n{rules}", digest.unwrap_or_default()));
        let fact = NftTableFact {
            access: NftAccess::Allowed,
            rules,
            record,
        };
        Effect::NftTable(Becomes(self.table.clone(), fact))
    }

    /// Gives the rules that were loaded last, if that was from this text.
    fn loaded<'f>(&self, fact: &'f NftTableFact) -> Option<&'f str> {
        let (first, rules) = fact.record.as_deref()?.split_once('\n')?;
        let digest = self.text().sha256();
        (first.split(' ').next() == Some(&digest)).then_some(rules)
    }

    /// Tells whether the host has a file or a unit for the table, or remembers that prov has loaded it: its files may be gone while the kernel
    /// has it still.
    fn is_known(&self, facts: &Facts) -> Result<bool, NotAsked> {
        if facts.nft_table(&self.table)?.record.is_some() {
            return Ok(true);
        }
        for path in [self.file().path, self.unit_path()] {
            if *facts.path(&path)? != PathFact::Missing {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn unit_path(&self) -> HostPath {
        HostPath::unit(&self.table.unit(), None)
    }

    fn refusal(&self, facts: &Facts, fact: &NftTableFact) -> Result<Option<Planned>, NotAsked> {
        let table = &self.table;
        let is_server = facts.manager == ServiceManager::Systemd;
        Ok(match fact.access {
            NftAccess::NotInstalled if facts.coming.is_empty() => Some(Planned::Impossible {
                cause: "the host has no program nft".to_owned(),
                hint: "declare the package nftables before it".to_owned(),
            }),
            NftAccess::NotAllowed if is_server => Some(Planned::refused(
                "the rules of this host may not be changed: nft is not permitted to, as in a container",
                "let the container have the capability NET_ADMIN, or leave the firewall to the machine that runs it",
            )),
            NftAccess::Allowed if fact.rules.is_some() && !self.is_known(facts)? => {
                Some(Planned::Impossible {
                    cause: format!("the host has a table {table} that prov has not made"),
                    hint: format!(
                        "choose another name, as all tables count; or see with `nft list table {table}` on the host what it is for, and take it away"
                    ),
                })
            }
            NftAccess::NotInstalled | NftAccess::NotAllowed | NftAccess::Allowed => None,
        })
    }

    fn plan_present(&self, facts: &Facts, fact: &NftTableFact) -> Result<Planned, NotAsked> {
        if let Some(refused) = self.refusal(facts, fact)? {
            return Ok(refused);
        }
        let file = self.file();
        let mut parts = InTurn::new(facts);
        if facts.manager != ServiceManager::Systemd {
            parts.then(|facts| file.plan_with_folder(facts))?;
            parts.then(|facts| self.unit().plan(facts))?;
            let mut planned = parts.planned();
            if let Planned::Change(change) = &mut planned {
                "for the next boot: there is no systemd that would load it"
                    .clone_into(&mut change.detail);
            }
            return Ok(planned);
        }
        let text = self.text();
        let have = file.plan_with_folder(facts)?;
        let loaded = self.loaded(fact);
        let is_as_loaded = loaded.is_some() && loaded == fact.rules.as_deref();
        if have != Planned::Unchanged || !is_as_loaded {
            let run = Run::new(["nft", "-f", "-"]).stdin(text.clone());
            let run = run.effect(self.becomes(Some(text.expose())));
            let mut change = Change::new(Action::Update, Vec::new(), vec![run.into()]);
            if have == Planned::Unchanged {
                let (reason, diff) = match (&fact.rules, loaded) {
                    (Some(rules), Some(loaded)) => {
                        (Reason::ContentDiffers, Diff::plain(rules, loaded))
                    }
                    (Some(_), None) => (Reason::NotRead, Diff::default()),
                    (None, _) => (Reason::NotRunning, Diff::default()),
                };
                change.reasons.push(reason);
                change = change.diff(diff);
            }
            parts.then(|_| Ok(change.into()))?;
        }
        let loads = parts.changes();
        let runs = facts.service(&self.service().name)?.running;
        parts.then(|facts| file.plan_with_folder(facts))?;
        parts.then(|facts| self.unit().plan(facts))?;
        parts.then(|facts| self.service().plan(facts))?;
        if loads && runs {
            let unit = self.table.unit();
            let run = Run::new(["systemctl", "reload", "--", unit.as_str()]);
            let run = run.effect(self.becomes(Some(text.expose())));
            parts.then(|_| Ok(Change::new(Action::Update, Vec::new(), vec![run.into()]).into()))?;
        }
        let mut planned = parts.planned();
        if let Planned::Change(change) = &mut planned {
            // Its files are nobody's choice.
            change.detail.clear();
            if !self.is_known(facts)? {
                change.action = Action::Create;
                change.reasons = vec![Reason::Missing];
            }
        }
        Ok(planned)
    }

    fn plan_absent(&self, facts: &Facts, fact: &NftTableFact) -> Result<Planned, NotAsked> {
        if !self.is_known(facts)? {
            return Ok(Planned::Unchanged);
        }
        let mut parts = InTurn::new(facts);
        parts.then(|facts| self.unit().plan(facts))?;
        if fact.rules.is_some() {
            let table = &self.table;
            let text = format!("table {table}\ndelete table {table}\n");
            let run = Run::new(["nft", "-f", "-"]).stdin(Content::plain(text));
            let run = run.effect(self.becomes(None));
            let gone = Change::new(Action::Remove, vec![Reason::Present], vec![run.into()]);
            parts.then(|_| Ok(gone.into()))?;
        }
        parts.then(|facts| self.file().plan(facts))?;
        let mut planned = parts.planned();
        if let Planned::Change(change) = &mut planned {
            let folder = self.file().path.parent();
            let tidy = Run::new(["rmdir", "--ignore-fail-on-non-empty", "--", folder.as_str()]);
            // Whether it goes depends on what else is in it.
            if change
                .steps
                .iter()
                .any(|step| matches!(step, Step::Remove { path } if path.parent() == folder))
            {
                change.steps.push(tidy.into());
            }
        }
        Ok(planned)
    }
}

impl Manage for Nftables {
    fn kind(&self) -> &'static str {
        "nftables"
    }

    fn id(&self) -> String {
        self.table.to_string()
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: &str| Err(format!("nftables {}: {problem}", self.table));
        match (&self.content, self.state) {
            (None, State::Present) => refuse("`content` is needed"),
            (Some(content), _) if content.has_secrets() => {
                refuse("rules hold no secrets: their file can be read by everybody")
            }
            (Some(content), State::Present) => {
                if let Err(problem) = inside(&content.expose()) {
                    return refuse(&problem);
                }
                Ok(())
            }
            (Some(_) | None, State::Absent) => Ok(()),
        }
    }

    fn probe(&self) -> Vec<Query> {
        let mut queries = self.file().probe();
        if self.state == State::Absent {
            // What goes can be brought back.
            let (path, read) = (self.file().path, Read::Body);
            queries.push(Query::Path(PathQuestion { path, read }));
        }
        queries.extend(self.unit().probe());
        queries.extend(self.service().probe());
        queries.push(Query::NftTable(self.table.clone()));
        queries
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let fact = facts.nft_table(&self.table)?;
        match self.state {
            State::Present => self.plan_present(facts, fact),
            State::Absent => self.plan_absent(facts, fact),
        }
    }

    fn former(&self, before: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        let file = self.file();
        let table = &self.table;
        let former = match before.path(&file.path)? {
            PathFact::Missing if before.nft_table(table)?.rules.is_none() => self.absent(),
            PathFact::File(file) => {
                let text = file.body.as_ref().and_then(|body| body.text());
                let content = text.and_then(|text| self.inside_of(text));
                content.map(|content| {
                    Resource::Nftables(Self {
                        content: Some(Content::plain(content)),
                        state: State::Present,
                        table: table.clone(),
                    })
                })
            }
            PathFact::Missing
            | PathFact::Directory(_)
            | PathFact::Link { .. }
            | PathFact::Other => None,
        };
        let folder = file.path.parent();
        let made = before
            .path(&folder)
            .is_ok_and(|fact| *fact == PathFact::Missing);
        let otherwise = match self.state {
            State::Present => format!("the table {table} stays loaded with the rules of the run"),
            State::Absent => format!("the table {table} is not loaded again"),
        };
        let fact = before.nft_table(table)?;
        let recorded = fact.record.as_ref();
        let recorded = recorded.and_then(|record| Some(record.split_once('\n')?.1));
        let is_other = former.is_some() && fact.rules.as_deref() != recorded;
        let mut former = Former::back(former)
            .otherwise(otherwise)
            .covering(made.then_some(folder));
        if is_other && fact.rules.is_none() {
            former.stays.push(format!(
                "the table {table}, which was not loaded, stays loaded"
            ));
        } else if is_other {
            former.stays.push(format!(
                "what the table {table} was loaded with beside its file is not kept"
            ));
        }
        Ok(former)
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::Nftables(Self {
            content: None,
            state: State::Absent,
            ..self.clone()
        }))
    }

    fn contents(&self) -> Vec<&Content> {
        self.content.iter().collect()
    }

    fn contents_mut(&mut self) -> Vec<&mut Content> {
        self.content.iter_mut().collect()
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        let said = |words| output.contains(words);
        Some(if said("Error: syntax error") || said("/dev/stdin:") {
            Remedy::from(
                "correct the rules as nft says (nft(8)); nothing of them was loaded or kept",
            )
        } else if said("Failed to") || said("Job for") {
            Remedy::ServiceLog
        } else {
            Remedy::again_after("see what nft says of it, repair that")
        })
    }

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "the table was loaded and is another one by now: something else on the host changes it; see with `nft list table` and `nft monitor`",
        )
    }
}

/// Looks whether a text can stand between the braces of a table, and does not leave it.
fn inside(text: &str) -> Result<(), String> {
    let mut depth = 0_usize;
    let mut word = String::new();
    // Whether a statement of the table itself may begin here.
    let mut begins = true;
    let mut chars = text.chars().chain(['\n']);
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() {
            word.push(c);
            continue;
        }
        if begins && depth == 0 && !word.is_empty() {
            match word.as_str() {
                "table" => return Err("`content` is what stands inside of the table: leave out the line `table … {` and its `}`".to_owned()),
                "flush" | "add" | "delete" | "destroy" | "insert" => {
                    return Err(format!("`{word}` is a command; write chains, sets and maps as `nft list table` shows them"));
                }
                "include" => return Err("`include` brings rules that prov does not see: put them here".to_owned()),
                _ => begins = false,
            }
        }
        word.clear();
        match c {
            '"' if !chars.any(|c| c == '"') => {
                return Err("`content` has a quote without its end".to_owned());
            }
            '#' => {
                chars.find(|c| *c == '\n');
                begins = true;
            }
            '{' => depth += 1,
            '}' => {
                depth = depth.checked_sub(1).ok_or("`content` has a `}` too many")?;
                begins = true;
            }
            '\n' | ';' => begins = true,
            _ => {}
        }
    }
    if depth > 0 {
        return Err("`content` has a `{` without its `}`".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn a_text_that_leaves_its_table_is_refused() {
        for good in [
            "chain input { type filter hook input priority 0; policy drop;\n}\n",
            "# table x {\ndefine net = { 10.0.0.0/8, 192.168.0.0/16 }\nchain c {\n  tcp dport 22 accept comment \"a } b\"\n}",
            "set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }\n}",
        ] {
            assert_eq!(inside(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("chain c {\n", "without its"),
            ("}\ntable ip nat {", "too many"),
            ("table inet office {\n}", "leave out"),
            ("chain c {\n}\nflush ruleset\n", "command"),
            ("include \"/etc/x\"\n", "include"),
            ("chain c { comment \"x\n }", "quote"),
        ] {
            let refused = inside(bad).unwrap_err();
            assert!(refused.contains(why), "{bad}: {refused}");
        }
    }
}
