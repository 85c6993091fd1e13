//! Words that mean something in Ansible's playbooks: whoever writes one here is told the word of this place.

mod advice;
mod variables;

use advice::{ADVICE, NAMES, OPTIONS, PLAYS, VALUES};
use variables::{Now, VARIABLES};

/// Modules of Ansible, without their collection, and the resource that does the same.
const MODULES: [(&str, &str); 41] = [
    ("apache2_module", "apache_module"),
    ("apt", "packages"),
    ("apt_key", "apt_repository"),
    ("blockinfile", "block"),
    ("copy", "file"),
    ("cronvar", "cron"),
    ("deb822_repository", "apt_repository"),
    ("dpkg_selections", "packages"),
    ("get_url", "download"),
    ("iptables", "nftables"),
    ("lineinfile", "line"),
    ("locale_gen", "locale"),
    ("modprobe", "kernel_module"),
    ("mysql_db", "mariadb_database"),
    ("mysql_user", "mariadb_user"),
    ("openssl_privatekey", "tls_key"),
    ("package", "packages"),
    ("postgresql_db", "postgresql_database"),
    ("postgresql_privs", "postgresql_user"),
    ("raw", "command"),
    ("script", "command"),
    ("shell", "command"),
    ("synchronize", "tree"),
    ("systemd", "service"),
    ("systemd_service", "service"),
    ("sysvinit", "service"),
    ("template", "file"),
    ("ufw", "nftables"),
    ("unarchive", "archive"),
    ("x509_certificate", "tls_certificate"),
    // Of pyinfra, Salt and Puppet.
    ("exec", "command"),
    ("cmd", "command"),
    ("pkg", "packages"),
    ("link", "symlink"),
    ("put", "file"),
    ("folder", "directory"),
    ("dir", "directory"),
    ("users", "user"),
    ("groups", "group"),
    ("crontab", "cron"),
    ("services", "service"),
];

/// Fields by the names that they have there, each with the ones that they may have here.
const FIELDS: [(&str, &[&str]); 22] = [
    ("args", &["argv"]),
    ("checksum", &["sha256"]),
    ("cmd", &["argv"]),
    ("database", &["name"]),
    ("dest", &["path"]),
    ("destination", &["path"]),
    ("enable", &["enabled"]),
    ("ensure", &["state"]),
    ("force", &["discard_changes"]),
    ("insertafter", &["insert_after"]),
    ("insertbefore", &["insert_before"]),
    ("key_file", &["key"]),
    ("name", &["names", "path"]),
    ("opts", &["options"]),
    ("password", &["password_hash"]),
    ("pkg", &["names"]),
    ("regex", &["regexp"]),
    ("repo", &["url", "uris"]),
    ("run", &["argv"]),
    ("src", &["source", "target", "content", "url"]),
    ("started", &["running"]),
    ("state", &["running"]),
];

/// Words that stand in the place of others here: beside resources, and for the sections of a role.
const WORDS: [(&str, &str); 9] = [
    ("defaults", "variables"),
    ("if", "when"),
    ("loop", "each"),
    ("roles", "after"),
    ("tasks", "resources"),
    ("vars", "variables"),
    ("with_dict", "each"),
    ("with_items", "each"),
    ("with_list", "each"),
];

/// Finds the word that takes the place of another tool's.
#[must_use]
pub fn word<'k>(theirs: &str, known: &[&'k str]) -> Option<&'k str> {
    let ours = WORDS.iter().find(|(word, _)| *word == theirs);
    let ours = ours.map_or_else(|| resource(theirs), |(_, ours)| *ours);
    known.iter().copied().find(|known| *known == ours)
}

/// Says what is written in the place of another tool's word, whether one word does or not.
#[must_use]
pub fn hint(theirs: &str, known: &[&str]) -> Option<String> {
    match word(theirs, known) {
        Some(ours) => Some(format!("did you mean '{ours}'?")),
        None => told(ADVICE, without_collection(theirs))
            .or_else(|| play(theirs))
            .or_else(|| is_of_collection(theirs).then_some(COMMAND))
            .map(str::to_owned),
    }
}

/// Says what is written in the place of a word of a play or an inventory.
#[must_use]
pub fn play(theirs: &str) -> Option<&'static str> {
    told(PLAYS, theirs)
}

/// Says what is written in the place of a value that a field has in Ansible.
#[must_use]
pub fn value(theirs: &str) -> Option<&'static str> {
    told(VALUES, theirs)
}

/// Says what is written in an expression in the place of a name that Ansible knows.
#[must_use]
pub fn name(theirs: &str) -> Option<&'static str> {
    told(NAMES, theirs)
}

/// Says what takes the place of an option of Ansible's commands.
#[must_use]
pub fn option(theirs: &str) -> Option<&'static str> {
    told(OPTIONS, theirs)
}

/// Says what takes the place of a variable of Ansible's, or of the playbooks that prov came from.
#[must_use]
pub fn variable(theirs: &str) -> Option<String> {
    let (_, now) = VARIABLES.iter().find(|(name, _)| *name == theirs)?;
    Some(match now {
        Now::Variable(ours) => format!("it is called '{ours}' here"),
        Now::Elsewhere(sentence) => (*sentence).to_owned(),
    })
}

/// Says what the part of a role is called here that Ansible has in such a file.
#[must_use]
pub fn file(path: &str) -> Option<&'static str> {
    let is_yaml = |name: &str| {
        let end = name.rsplit_once('.').map(|(_, end)| end);
        end.is_some_and(|end| end == "yml" || end == "yaml")
    };
    if path == "main.yml" || path == "main.yaml" {
        return Some("what a role does stands in its role.yml, under 'resources'");
    }
    let (folder, file) = path.split_once('/').filter(|(_, file)| is_yaml(file))?;
    match folder {
        "tasks" => Some("write what it does under 'resources' of role.yml"),
        "handlers" => Some("write them under 'handlers' of role.yml"),
        "defaults" | "vars" => Some("declare them under 'variables' of role.yml, with their types"),
        "meta" if file.starts_with("main.") => {
            Some("name the roles that come before it in 'after' of role.yml")
        }
        _ => None,
    }
}

/// Says what is called so here that Ansible has in such a file or folder beside an inventory.
#[must_use]
pub fn beside(path: &str) -> Option<String> {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let stem = rest.split(['.', '/']).next().unwrap_or_default();
    Some(match (first, rest) {
        ("host_vars", _) => {
            format!("what hosts have by themselves is in hosts/HOST.yml: name it hosts/{stem}.yml")
        }
        ("group_vars", _) => {
            format!("what groups have is in groups/GROUP.yml: name it groups/{stem}.yml")
        }
        (
            "hosts.ini" | "hosts" | "inventory" | "inventory.ini" | "inventory.yml" | "hosts.yml",
            "",
        ) => "hosts, groups and roles stand in estate.yml".to_owned(),
        ("site.yml" | "playbook.yml" | "main.yml" | "playbooks", _) => {
            "`roles` in estate.yml says which hosts have which roles".to_owned()
        }
        ("ansible.cfg", "") => {
            "`connection` in estate.yml, and ~/.ssh/config, say how hosts are reached".to_owned()
        }
        ("requirements.yml", "") => {
            "--roles DIR names a folder of roles that estates share".to_owned()
        }
        ("library" | "filter_plugins" | "module_utils" | "callback_plugins", _) => {
            COMMAND.to_owned()
        }
        _ => return None,
    })
}

fn told(table: &[(&str, &'static str)], theirs: &str) -> Option<&'static str> {
    let found = table.iter().find(|(word, _)| *word == theirs);
    found.map(|(_, sentence)| *sentence)
}

/// Tells whether this is the whole name of a module, such as `community.general.timezone`.
fn is_of_collection(theirs: &str) -> bool {
    theirs.split('.').filter(|part| !part.is_empty()).count() == 3
}

/// What is written in the place of a module that nothing here is like.
const COMMAND: &str = "no resource does that; write a `command` with 'creates', 'removes', 'unless' or 'only_if', which say when there is something to do";

/// Gives the name of a module without that of its collection.
fn without_collection(module: &str) -> &str {
    module.rsplit('.').next().unwrap_or(module)
}

/// Names the resource that does what a module of another tool does; many have the same name.
fn resource(module: &str) -> &str {
    let name = without_collection(module);
    let found = MODULES.iter().find(|(theirs, _)| *theirs == name);
    found.map_or(name, |(_, ours)| *ours)
}

/// Says what is written in the place of a field that another tool has.
#[must_use]
pub fn field_hint(name: &str, known: &[&str]) -> Option<String> {
    let ours = field(name, known)?;
    Some(if (name, ours) == ("state", "running") {
        "write `running: true` or `running: false`; what restarts or reloads it is a handler, which 'notify' calls".to_owned()
    } else {
        format!("did you mean '{ours}'?")
    })
}

/// Finds the field of a resource that another tool calls so.
#[must_use]
pub fn field<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let (_, ours) = FIELDS.iter().find(|(theirs, _)| *theirs == name)?;
    let mut ours = ours.iter();
    ours.find_map(|ours| known.iter().copied().find(|known| known == ours))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::resource::KINDS;

    #[test]
    fn every_word_of_another_tool_leads_to_one_that_is_there() {
        for (theirs, ours) in MODULES {
            assert!(KINDS.iter().any(|kind| kind.name == ours), "{theirs}");
        }
        assert_eq!(resource("ansible.builtin.apt"), "packages");
        assert_eq!(resource("ansible.posix.authorized_key"), "authorized_key");
        assert_eq!(word("apt", &["line", "packages"]), Some("packages"));
        assert_eq!(word("apt", &["tcp"]), None);
        assert_eq!(word("loop", &["each"]), Some("each"));
        assert_eq!(field("dest", &["mode", "path"]), Some("path"));
        assert_eq!(field("dest", &["names"]), None);
        let names = ["packages", "user"];
        let meant = |theirs: &str| hint(theirs, &names).unwrap();
        assert_eq!(meant("ansible.builtin.user"), "did you mean 'user'?");
        assert!(meant("ansible.builtin.wait_for").contains("- tcp: {port: 80}"));
        assert_eq!(hint("frobnicate", &names), None);
    }

    #[test]
    fn files_of_an_inventory_and_of_a_role_have_their_places() {
        let told = |path: &str| beside(path).unwrap();
        assert!(told("host_vars/web1.yml").ends_with("hosts/web1.yml"));
        assert!(told("group_vars/web/main.yml").ends_with("groups/web.yml"));
        assert_eq!(beside("notes.txt"), None);
        assert!(file("tasks/web.yml").is_some());
        for ours in [
            "tasks/list.txt",
            "meta/data.yml",
            "site.yml",
            "www/tasks/main.yml",
        ] {
            assert_eq!(file(ours), None, "{ours}");
        }
    }

    #[test]
    fn no_word_is_in_a_table_twice_or_has_a_place_of_its_own() {
        for table in [ADVICE, PLAYS, VALUES, NAMES, OPTIONS] {
            for (index, (word, _)) in table.iter().enumerate() {
                assert!(
                    !table[..index].iter().any(|(other, _)| other == word),
                    "{word}"
                );
            }
        }
        for (word, _) in ADVICE {
            assert!(!KINDS.iter().any(|kind| kind.name == *word), "{word}");
            assert!(!MODULES.iter().any(|(theirs, _)| theirs == word), "{word}");
        }
    }

    /// The variables in the tables of the document, and those that are answered here, are the same.
    #[test]
    fn variables_have_the_places_that_the_document_says() {
        let document = include_str!("../../../docs/from-ansible.md");
        let (_, tables) = document
            .split_once("\n## The variables of the playbooks")
            .unwrap();
        let known: BTreeSet<String> = variable_names();
        for (theirs, now) in VARIABLES {
            let short = theirs.replace("email_exim_", "…_");
            // Those of Ansible itself are more than the playbooks had.
            assert!(
                theirs.starts_with("ansible_")
                    || tables.contains(&format!("`{theirs}`"))
                    || tables.contains(&format!("`{short}`")),
                "{theirs} is not in the document"
            );
            if let Now::Variable(ours) = now {
                assert!(known.contains(*ours), "no role has {ours}, for {theirs}");
                assert!(!known.contains(*theirs), "{theirs}");
            }
        }
        let rows = tables.lines().filter(|line| line.starts_with("| `"));
        for row in rows {
            let theirs = row.split('|').nth(1).unwrap();
            for name in theirs.split('`').skip(1).step_by(2) {
                let is_name = !name.is_empty()
                    && name
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                let is_answered = known.contains(name) || variable(name).is_some();
                // What is no variable, or is called so here, too, is told in words.
                let is_told = ["calendar", "name", "organisation", "webhosts", "users"];
                assert!(!is_name || is_answered || is_told.contains(&name), "{name}");
            }
        }
    }

    fn variable_names() -> BTreeSet<String> {
        let catalogue = crate::role::Catalogue::default();
        let roles = catalogue.iter();
        let all = roles.flat_map(|role| {
            let schema = role.variables();
            let fields = schema
                .get("properties")
                .and_then(|it| it.as_object().cloned());
            fields.into_iter().flatten().map(|(name, _)| name)
        });
        let of_domains = crate::domain::variables();
        let of_domains = of_domains
            .iter()
            .flat_map(|(_, names)| names.iter().cloned());
        all.chain(of_domains).collect()
    }
}
