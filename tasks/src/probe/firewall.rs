//! Tables of the host's firewall, as nft(8) lists them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::Secret;
use crate::quote;
use crate::value::NftTable;

/// What root may do with the rules of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NftAccess {
    /// Nothing: the program is not installed.
    #[default]
    NotInstalled,
    /// Nothing: the kernel does not let it, as in most containers.
    NotAllowed,
    /// Everything.
    Allowed,
}

/// A table, as far as the host can have one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NftTableFact {
    /// What root may do with it.
    pub access: NftAccess,
    /// Its rules, without what was counted and what they have gathered themselves; `None` where there is no such table.
    pub rules: Option<String>,
    /// What was there when it was loaded last, after a line with the digest of the file that it was loaded from.
    pub record: Option<String>,
}

impl Facts {
    /// Tells what is known of a table of the firewall.
    pub fn nft_table(&self, table: &NftTable) -> Result<&NftTableFact, NotAsked> {
        self.nft_tables
            .get(table)
            .ok_or_else(|| NotAsked(format!("table {table}")))
    }
}

/// The kind of this module.
pub struct Tables;

impl Kind for Tables {
    type Question = NftTable;
    type Known = BTreeMap<NftTable, NftTableFact>;

    fn key(table: &NftTable) -> NftTable {
        table.clone()
    }

    /// Each line of a table begins with what it is part of; a line of its own says which table follows.
    fn script(tables: &[NftTable]) -> String {
        let each = |table: &NftTable| {
            let line = quote::sh(&format!("table {table}"));
            let record = record(table);
            format!(
                "printf '%s\\n' {line}; if printf '%s\\n' \"$all\" | grep -qxF {line}; then\n\
                 now=$(nft -s list table {table}) || exit; printf '%s\\n' \"$now\" | sed 's/^/now /'; fi\n\
                 if [ -f {record} ]; then was=$(cat {record}) || exit; printf '%s\\n' \"$was\" | sed 's/^/was /'; fi\n"
            )
        };
        let each: Vec<_> = tables.iter().map(each).collect();
        let each = each.concat();
        format!(
            "prov_answer nft_tables; ( if ! command -v nft >/dev/null; then prov_complete\n\
             elif all=$(nft list tables 2>&1); then printf 'allowed\\n'\n{each}prov_complete\n\
             else case $all in (*'not permitted'*) printf 'refused\\n'; prov_complete;; (*) printf '%s\\n' \"$all\";; esac; fi )\n"
        )
    }

    fn read(tables: &[NftTable], answers: &Answers) -> Result<Self::Known, Broken> {
        let text = String::from_utf8_lossy(answers.bytes("nft_tables")?).into_owned();
        let mut lines = text.lines();
        let access = match lines.next() {
            None => NftAccess::NotInstalled,
            Some("refused") => NftAccess::NotAllowed,
            Some("allowed") => NftAccess::Allowed,
            Some(other) => return Err(broken("nft_tables", format!("begins with {other:?}"))),
        };
        let of_one = |table: &NftTable| {
            let header = format!("table {table}");
            let own = text.lines().skip_while(|line| *line != header).skip(1);
            let own: Vec<_> = own.take_while(|line| !line.starts_with("table ")).collect();
            let part = |mark: &str| {
                let lines = own.iter().filter_map(|line| line.strip_prefix(mark));
                let lines: Vec<_> = lines.collect();
                (!lines.is_empty()).then(|| steady(&lines))
            };
            NftTableFact {
                access,
                rules: part("now "),
                record: part("was "),
            }
        };
        let known = tables.iter().map(|table| (table.clone(), of_one(table)));
        Ok(known.collect())
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<NftTable> {
        NftTable::new("inet office").into_iter().collect()
    }
}

/// Gives the file in which the host keeps what it has loaded, until it is switched off.
#[must_use]
pub(crate) fn record(table: &NftTable) -> String {
    format!("/run/nftables-{}/loaded", table.file_name())
}

/// Leaves out what rules have gathered themselves in sets that change by themselves.
fn steady(lines: &[&str]) -> String {
    let mut text = String::new();
    let (mut changes, mut skips) = (false, false);
    for line in lines {
        let words = line.trim_start();
        if *line == "\t}" {
            (changes, skips) = (false, false);
        }
        let is_flag = words.starts_with("flags ")
            && ["dynamic", "timeout"]
                .iter()
                .any(|flag| words.contains(flag));
        changes |= is_flag || words.starts_with("timeout ");
        skips |= changes && words.starts_with("elements = ");
        if !skips {
            text.extend([*line, "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_without_what_they_have_gathered_themselves() {
        let tables = ["inet office", "ip none"].map(|table| NftTable::new(table).unwrap());
        let text = "allowed\ntable inet office\nnow table inet office {\nnow \tset ban {\nnow \t\ttype ipv4_addr\n\
                    now \t\tflags dynamic,timeout\nnow \t\telements = { 192.0.2.1,\nnow \t\t\t     192.0.2.2 }\nnow \t}\nnow \n\
                    now \tset good {\nnow \t\ttype ipv4_addr\nnow \t\telements = { 192.0.2.3 }\nnow \t}\nnow }\n\
                    was 0123\nwas table inet office {\nwas }\ntable ip none\n";
        let mut answers = Answers::default();
        answers.insert("nft_tables".to_owned(), text.into(), true);
        let known = Tables::read(&tables, &answers).unwrap();
        let office = &known[&tables[0]];
        assert_eq!(office.access, NftAccess::Allowed);
        assert_eq!(
            office.rules.as_deref(),
            Some(
                "table inet office {\n\tset ban {\n\t\ttype ipv4_addr\n\t\tflags dynamic,timeout\n\t}\n\n\
                 \tset good {\n\t\ttype ipv4_addr\n\t\telements = { 192.0.2.3 }\n\t}\n}\n"
            )
        );
        assert_eq!(
            office.record.as_deref(),
            Some("0123\ntable inet office {\n}\n")
        );
        assert_eq!(known[&tables[1]].rules, None);

        answers.insert("nft_tables".to_owned(), "refused\n".into(), true);
        let known = Tables::read(&tables, &answers).unwrap();
        assert_eq!(known[&tables[0]].access, NftAccess::NotAllowed);
    }
}
