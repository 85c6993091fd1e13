//! Words that mean something in Ansible's playbooks: whoever writes one here is told the word of this place.

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
    let ours = ours.map(|(_, ours)| *ours).or_else(|| resource(theirs))?;
    known.iter().copied().find(|known| *known == ours)
}

/// Finds the resource that does what a module of another tool does.
fn resource(module: &str) -> Option<&'static str> {
    let name = module.rsplit('.').next().unwrap_or(module);
    let found = MODULES.iter().find(|(theirs, _)| *theirs == name);
    found.map(|(_, ours)| *ours)
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
    use super::*;
    use crate::resource::KINDS;

    #[test]
    fn every_word_of_another_tool_leads_to_one_that_is_there() {
        for (theirs, ours) in MODULES {
            assert!(KINDS.iter().any(|kind| kind.name == ours), "{theirs}");
        }
        assert_eq!(resource("ansible.builtin.apt"), Some("packages"));
        assert_eq!(resource("frobnicate"), None);
        assert_eq!(word("apt", &["line", "packages"]), Some("packages"));
        assert_eq!(word("apt", &["tcp"]), None);
        assert_eq!(word("loop", &["each"]), Some("each"));
        assert_eq!(field("dest", &["mode", "path"]), Some("path"));
        assert_eq!(field("dest", &["names"]), None);
    }
}
