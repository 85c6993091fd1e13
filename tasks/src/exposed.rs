//! Secrets that stand in public files: values of fields that are made for secrets, and private keys.
//!
//! Owns nothing but the search. What is made for secrets is what the schemas of the files say, so built-in roles, roles of an
//! estate, domains and resources are searched alike. Files with mistakes are searched as far as they can be read.

use serde_json::Value as Json;

use crate::Place;
use crate::estate::sealed::is_private;
use crate::estate::{LOCAL_SECTIONS, Node, Sources, Value, parse_bytes};
use crate::role::Catalogue;
use crate::schema;

/// A secret in a public file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exposed {
    /// Where it stands, without what stands there.
    pub place: Place,
    /// The keys that lead to it, joined by dots; nothing where a private key stands in a text.
    pub keys: String,
    /// Where it belongs.
    pub belongs: Belongs,
}

/// Where a secret belongs that stands in a public file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Belongs {
    /// Into the private sibling of a file: its path in the folder, without `.yml`.
    Sibling(String),
    /// Into a variable of a role.
    Variable,
    /// Nowhere in the folder.
    Elsewhere,
}

/// What a folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// An estate.
    Estate,
    /// Domains.
    Domains,
    /// Roles that estates share.
    Roles,
}

/// Finds the secrets that stand in the public files of a folder, in the order of their places.
#[must_use]
pub fn exposed(folder: Folder, sources: &Sources, roles: &Catalogue) -> Vec<Exposed> {
    let variables = schema::variables(roles);
    let schemas = |path: &str| match folder {
        Folder::Estate if path == "estate.yml" => vec![schema::estate()],
        Folder::Estate if path.starts_with("groups/") || path.starts_with("hosts/") => {
            vec![variables.clone()]
        }
        Folder::Estate if path.starts_with("roles/") => vec![schema::role()],
        Folder::Roles => vec![schema::role()],
        Folder::Domains => vec![schema::domain(roles)],
        Folder::Estate => Vec::new(),
    };
    let mut found = Vec::new();
    for (path, bytes) in sources.files() {
        if is_private(path) || is_age(path) {
            continue;
        }
        let name = sources.file(path);
        keys_in(&name, bytes, &mut found);
        let Some(own) = path.strip_suffix(".yml") else {
            continue;
        };
        let Ok(node) = parse_bytes(&name, bytes, false) else {
            continue;
        };
        for schema in schemas(path) {
            let mut search = Search {
                root: &schema,
                own,
                is_role: path.ends_with("/role.yml"),
                keys: Vec::new(),
                found: &mut found,
            };
            search.node(&node, &schema);
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Tells whether a file is encrypted as a whole.
fn is_age(path: &str) -> bool {
    path.rsplit('.').next() == Some("age")
}

/// Finds private keys of SSH, TLS and age in a text.
fn keys_in(name: &str, bytes: &[u8], found: &mut Vec<Exposed>) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        let is_begin = line.starts_with("-----BEGIN ") && line.ends_with("PRIVATE KEY-----");
        // What only speaks of keys, or is to be filled with one, is none.
        let is_key = is_begin && lines.peek().is_some_and(|(_, next)| is_base64(next.trim()))
            || line
                .strip_prefix("AGE-SECRET-KEY-1")
                .is_some_and(|rest| rest.len() > 40 && is_base64(rest));
        if is_key {
            found.push(Exposed {
                place: Place {
                    file: name.to_owned(),
                    line: number + 1,
                    column: 1,
                    text: None,
                },
                keys: String::new(),
                belongs: Belongs::Elsewhere,
            });
        }
    }
}

fn is_base64(line: &str) -> bool {
    let is = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    line.len() > 40 && line.chars().all(is)
}

struct Search<'s> {
    root: &'s Json,
    /// The file's path without its ending.
    own: &'s str,
    is_role: bool,
    keys: Vec<String>,
    found: &'s mut Vec<Exposed>,
}

impl Search<'_> {
    fn node(&mut self, node: &Node, field: &Json) {
        if let Some(name) = field["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap_or_default();
            let root = self.root;
            return self.node(node, &root["$defs"][name]);
        }
        for choices in ["anyOf", "oneOf", "allOf"] {
            for choice in field[choices].as_array().into_iter().flatten() {
                self.node(node, choice);
            }
        }
        if field["format"] == "secret" {
            self.value(node);
        }
        if let Value::Sequence(items) = node.value() {
            for item in items {
                self.keys.push("[]".to_owned());
                self.node(item, &field["items"]);
                self.keys.pop();
            }
        } else if let Value::Mapping(entries) = node.value() {
            for (key, node) in entries {
                let named = &field["properties"][key.text()];
                let inside = if named.is_null() {
                    &field["additionalProperties"]
                } else {
                    named
                };
                self.keys.push(key.text().to_owned());
                self.node(node, inside);
                self.keys.pop();
            }
        }
    }

    /// Takes a value that stands where secrets do.
    fn value(&mut self, node: &Node) {
        let is_text = match node.value() {
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) => true,
            Value::String(text) => !text.is_empty(),
            Value::Null
            | Value::Sequence(_)
            | Value::Mapping(_)
            | Value::Filled(_)
            | Value::Either(..) => false,
        };
        let is_local = self
            .keys
            .first()
            .is_some_and(|key| LOCAL_SECTIONS.contains(&key.as_str()));
        // What is filled in has its secrets from elsewhere.
        let is_filled = is_local && node.as_str().is_some_and(|text| text.contains("{{"));
        if is_text && !is_filled {
            self.found.push(Exposed {
                place: node.mark().masked(),
                keys: self.keys.join("."),
                belongs: if self.is_role || is_local {
                    Belongs::Variable
                } else {
                    Belongs::Sibling(self.own.to_owned())
                },
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(folder: Folder, sources: &Sources) -> String {
        let roles = Catalogue::load(sources, &[]).unwrap();
        let found = exposed(folder, sources, &roles);
        let lines = found.iter().map(|one| {
            let place = &one.place;
            format!(
                "{}:{} {} {:?} {:?}",
                place.file, place.line, one.keys, one.belongs, place.text
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn whatever_is_made_for_secrets_is_found_in_public_files_and_nothing_else_is() {
        let key = "A".repeat(64);
        let sources = Sources::new("e")
            .with("estate.yml", "name: e\nconnection: {user: me, password: hunter2}\nhosts:\n  a: {address: 192.0.2.1, location: external, connection: {password: hunter2}}\nroles: {r: [a]}\n")
            .with("estate.private.yml", "connection: {password: hunter2}\n")
            .with("groups/all.yml", "backup_database_password: hunter2\nr_key: 12345\nr_list: [hunter2, hunter3]\nr_map: {a: hunter2}\nr_port: 7\nr_empty: ~\nhome_domain: a.example\nmta_smarthost: {hostname: a.example, username: me, userpass: hunter2}\n")
            .with("groups/all.private.yml.age", "r_key: age:AAAA\n")
            .with("hosts/a.yml", "resources:\n  - user: {name: a, password_hash: $6$hunter2}\n")
            .with("roles/r/role.yml", "summary: A.\nvariables:\n  r_key: secret\n  r_empty: {type: secret, default: ~}\n  r_list: list of secret\n  r_map: map of secret\n  r_port: number\nresources:\n  - mariadb_user: {account: x@localhost, password: hunter2}\n  - mariadb_user: {account: y@localhost, password: '{{ r_key }}'}\n")
            .with("roles/r/key.pem", format!("a\n-----BEGIN PRIVATE KEY-----\n{key}\n"))
            .with("roles/r/key.tmpl", "-----BEGIN PRIVATE KEY-----\n{{ r_key }}\n")
            .with("templates/dns/x", format!("AGE-SECRET-KEY-1{key}\n"));
        insta::assert_snapshot!(found(Folder::Estate, &sources));
        let domains = Sources::new("domains")
            .with("a.example/domain.yml", "organisation: A\nuser_passwords: {anna: hunter2}\nwordpress_admin_password: hunter2\n")
            .with("a.example/domain.private.yml", "mail_gateway_password: hunter2\n");
        insta::assert_snapshot!(found(Folder::Domains, &domains));
    }
}
