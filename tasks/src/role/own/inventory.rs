//! Functions by which an expression asks the inventory: hosts, their addresses, their variables.
//!
//! Owns that no secret goes to another host by accident: what is set in a private file, or is secret to any role, is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use tera::{Error, Kwargs, State, Tera, TeraResult};

use super::toll::spend;
use crate::diagnostic::nearest;
use crate::estate::{Estate, Host, Node, Value};

/// Names of the functions, as they are called.
const CALLS: [&str; 4] = ["hosts(", "address(", "variable(", OPEN_PORTS_CALL];

/// How [`super::ports`] is asked.
pub(super) const OPEN_PORTS_CALL: &str = "open_ports(";

/// What roles may know of the variables of other hosts.
#[derive(Debug, Default)]
pub(in crate::role) struct KnownVariables {
    /// Those that are secret to any role.
    pub(in crate::role) secrets: BTreeSet<String>,
    /// What variables are where nobody sets them, by the roles that have them.
    pub(in crate::role) defaults: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}

/// What the functions ask.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    estate: OnceLock<Estate>,
    variables: OnceLock<Arc<KnownVariables>>,
}

/// Tells whether a text may ask the inventory.
pub(super) fn asks(text: &str) -> bool {
    CALLS.iter().any(|call| calls(text, call))
}

/// Tells whether a text may call a function.
pub(super) fn calls(text: &str, call: &str) -> bool {
    let text: String = text.split_whitespace().collect();
    text.contains(call)
}

impl Inventory {
    /// Learns of the estate; the first one counts.
    pub(super) fn learn(&self, estate: &Estate) {
        self.estate.get_or_init(|| estate.clone());
    }

    /// Learns of the variables of all roles; the first ones count.
    pub(super) fn learn_variables(&self, known: &Arc<KnownVariables>) {
        self.variables.get_or_init(|| Arc::clone(known));
    }

    pub(super) fn estate(&self) -> TeraResult<&Estate> {
        let estate = self.estate.get();
        estate.ok_or_else(|| Error::message("internal error: the inventory is not known here"))
    }

    fn host(&self, arguments: &Kwargs) -> TeraResult<&Host> {
        let name = arguments.must_get::<&str>("host")?;
        let estate = self.estate()?;
        estate.host(name).ok_or_else(|| {
            let names = estate.hosts().iter().map(Host::name);
            unknown("host", name, names)
        })
    }

    fn hosts(&self, arguments: &Kwargs) -> TeraResult<tera::Value> {
        let estate = self.estate()?;
        let role = arguments.get::<&str>("role")?;
        let group = arguments.get::<&str>("group")?;
        let hosts: Vec<&Host> = match (role, group) {
            (Some(role), None) => {
                let hosts = estate.hosts_with_role(role);
                let given = estate.hosts().iter().flat_map(Host::roles);
                let given: BTreeSet<_> = given.map(String::as_str).collect();
                if hosts.is_empty() && nearest(role, given.iter().copied()).is_some() {
                    return Err(unknown("role", role, given));
                }
                hosts
            }
            (None, Some(group)) => {
                let members = estate.members(group);
                members.ok_or_else(|| unknown("group", group, estate.groups()))?
            }
            (None, None) => estate.hosts().iter().collect(),
            (Some(_), Some(_)) => {
                return Err(Error::message("hosts() takes a role or a group, not both"));
            }
        };
        spend(hosts.len())?;
        let names: Vec<&str> = hosts.into_iter().map(Host::name).collect();
        Ok(tera::Value::from_serializable(&names))
    }

    fn variable(&self, arguments: &Kwargs) -> TeraResult<tera::Value> {
        let host = self.host(arguments)?;
        let name = arguments.must_get::<&str>("name")?;
        let vars = self.estate()?.vars(host);
        let known = self.variables.get();
        let is_secret = known.is_some_and(|known| known.secrets.contains(name));
        let secret = || {
            Error::message(format!(
                "the variable '{name}' of {} is secret, or set in a private file: it stays with its host",
                host.name()
            ))
        };
        let Some(node) = vars.get(name) else {
            let defaults = known
                .and_then(|known| known.defaults.get(name))
                .into_iter()
                .flatten();
            let mut of_host = defaults.filter(|(role, _)| host.has_role(role));
            if let Some((_, default)) = of_host.next() {
                return if is_secret {
                    Err(secret())
                } else {
                    Ok(tera::Value::from_serializable(default))
                };
            }
            let names = vars.merged();
            let known = names.keys().copied();
            return Err(match nearest(name, known) {
                Some(_) => unknown("variable", name, names.keys().copied()),
                None => Error::message(format!(
                    "the variable '{name}' is not set for {}",
                    host.name()
                )),
            });
        };
        if is_secret || node.mark().source().is_private() || has_secret(node) {
            return Err(secret());
        }
        Ok(tera::Value::from_serializable(&json(node)))
    }
}

fn unknown<'n>(what: &str, name: &str, known: impl IntoIterator<Item = &'n str>) -> Error {
    let shown = crate::estate::shorten(name);
    Error::message(match nearest(name, known) {
        Some(near) => format!("there is no {what} '{shown}'; did you mean '{near}'?"),
        None => format!("there is no {what} '{shown}'"),
    })
}

/// Tells whether a store has given any of a value.
fn has_secret(node: &Node) -> bool {
    match node.value() {
        Value::Filled(_) => true,
        Value::Sequence(items) => items.iter().any(has_secret),
        Value::Mapping(entries) => entries.iter().any(|(_, node)| has_secret(node)),
        Value::Null
        | Value::Bool(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::String(_)
        | Value::Either(..) => false,
    }
}

fn json(node: &Node) -> serde_json::Value {
    if let Value::Sequence(items) = node.value() {
        items.iter().map(json).collect()
    } else if let Value::Mapping(entries) = node.value() {
        let entries = entries.iter();
        let entries = entries.map(|(key, node)| (key.text().to_owned(), json(node)));
        serde_json::Value::Object(entries.collect())
    } else if let Value::Bool(value) = node.value() {
        (*value).into()
    } else if let Value::Integer(number) = node.value() {
        i64::try_from(*number).unwrap_or(i64::MAX).into()
    } else if let Value::Float(number) = node.value() {
        (*number).into()
    } else {
        node.as_str().map_or(serde_json::Value::Null, Into::into)
    }
}

/// Makes the functions known.
pub(super) fn register(tera: &mut Tera, inventory: &Arc<Inventory>) {
    let asked = Arc::clone(inventory);
    tera.register_function("hosts", move |arguments: Kwargs, _: &State| {
        asked.hosts(&arguments)
    });
    let asked = Arc::clone(inventory);
    tera.register_function("address", move |arguments: Kwargs, _: &State| {
        asked
            .host(&arguments)
            .map(|host| host.address().to_string())
    });
    let asked = Arc::clone(inventory);
    tera.register_function("variable", move |arguments: Kwargs, _: &State| {
        asked.variable(&arguments)
    });
}
