//! JSON Schemas (draft 2020-12) of the files that people write, for editors: made of the same types by which they are read.

use schemars::Schema;
use serde_json::{Map, Value, json};

use crate::domain;
use crate::domain::role::DOMAIN_ROLES;
use crate::estate::inventory_schema;
use crate::promise::check::CHECK_KINDS;
use crate::resource::KINDS;
use crate::role::{BESIDE, BESIDE_CHECK, Catalogue, from_folder};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of `estate.yml`.
#[must_use]
pub fn estate() -> Value {
    or_from_store(inventory_schema().to_value())
}

/// The schema of `domains/NAME/domain.yml`.
#[must_use]
pub fn domain(roles: &Catalogue) -> Value {
    let mut schema = or_from_store(domain::settings_schema().to_value());
    let mut gathered = Gathered::default();
    let own = roles.iter().filter(|role| role.is_of_domains());
    let fields = gathered.variables(own.map(|role| (role.name().to_owned(), role.variables())));
    let more = gathered.variables(of_domains());
    for (part, more) in [
        ("properties", more.into_iter().chain(fields).collect()),
        ("$defs", gathered.definitions),
    ] {
        for (name, field) in more {
            let here = &mut schema[part][name];
            if here.is_null() {
                *here = field;
            }
        }
    }
    schema["additionalProperties"] = json!(false);
    schema
}

/// Lists what domain roles of prov read, by names that no role of hosts has.
fn of_domains() -> impl Iterator<Item = (String, Value)> {
    DOMAIN_ROLES.iter().map(|role| {
        let name = format!("domain.{}", role.name);
        (name, (role.variables)().to_value())
    })
}

/// The schema of files with variables, `groups/NAME.yml` and `hosts/NAME.yml`: what any of the roles reads, and what may stand
/// beside.
#[must_use]
pub fn variables(roles: &Catalogue) -> Value {
    let mut gathered = Gathered::default();
    let of_hosts = roles
        .iter()
        .map(|role| (role.name().to_owned(), role.variables()));
    // What domain roles read can be set for hosts, too.
    let mut fields = gathered.variables(of_hosts.chain(of_domains()));
    fields.insert("handlers".to_owned(), handlers());
    fields.insert("resources".to_owned(), gathered.resources());
    fields.insert("checks".to_owned(), gathered.checks());
    json!({
        "$schema": DRAFT,
        "title": "Variables of hosts",
        "type": "object",
        "properties": fields,
        "additionalProperties": false,
        "$defs": gathered.definitions,
    })
}

/// The schema of `roles/NAME/role.yml`.
#[must_use]
pub fn role() -> Value {
    let mut gathered = Gathered::default();
    let texts = json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] });
    let variable = json!({ "anyOf": [
        { "type": "string", "description": "The variable's type." },
        {
            "type": "object",
            "properties": {
                "type": { "type": "string", "description": "What it accepts: text, line, word, number, bool, domain, address, network, path, account, port, duration, time, secret, list of TYPE, map of TYPE, one of WORD or WORD." },
                "default": { "description": "What it is where nobody sets it; `~` where it may be left out." },
                "about": { "type": "string", "description": "What it means, for the reference." },
            },
            "required": ["type"],
            "additionalProperties": false,
        },
    ] });
    let (resources, checks) = (gathered.resources(), gathered.checks());
    json!({
        "$schema": DRAFT,
        "title": "A role",
        "type": "object",
        "properties": {
            "summary": { "type": "string", "description": "What the role does, in a sentence." },
            "after": { "description": "The roles that come before it on a host.", "anyOf": texts["anyOf"] },
            "domains_on": { "description": "The roles on whose hosts it works, where domains have it and not hosts.", "anyOf": texts["anyOf"] },
            "replaces_builtin": { "type": "boolean", "description": "Whether it takes the place of prov's own role of that name." },
            "variables": { "type": "object", "additionalProperties": variable, "description": "What hosts, groups and `--set` can set." },
            "handlers": handlers(),
            "resources": resources,
            "checks": checks,
            "backup": { "type": "array", "items": { "type": "string" }, "description": "Files and folders that are worth a backup." },
        },
        "required": ["summary"],
        "additionalProperties": false,
        "$defs": gathered.definitions,
    })
}

fn handlers() -> Value {
    let command = json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 });
    json!({
        "type": "object",
        "description": "What is done once after something changed.",
        "additionalProperties": {
            "type": "object",
            "properties": {
                "restart": { "type": "string", "description": "The service that is restarted." },
                "reload": { "type": "string", "description": "The service that is told to read its configuration again." },
                "run": command,
                "validate": command,
            },
            "additionalProperties": false,
        },
    })
}

/// Lets a reference to a store take the place of a secret.
fn or_from_store(mut schema: Value) -> Value {
    if schema["format"] == "secret" {
        let about = schema["description"].clone();
        let text = json!({ "type": "string" });
        let fields = json!({ "secret_from": text, "name": text });
        let mut either = json!({ "anyOf": [schema, {
            "type": "object",
            "properties": fields,
            "required": ["secret_from", "name"],
            "additionalProperties": false,
        }] });
        if about.is_string() {
            either["description"] = about;
        }
        return either;
    }
    match &mut schema {
        Value::Object(fields) => {
            for field in fields.values_mut() {
                *field = or_from_store(field.take());
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = or_from_store(item.take());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    schema
}

/// Definitions of several schemas, each under names of its own.
#[derive(Default)]
struct Gathered {
    definitions: Map<String, Value>,
}

impl Gathered {
    /// Takes a schema in; what it defines is from then on defined here.
    fn of(&mut self, owner: &str, mut schema: Value) -> Value {
        renamed(&mut schema, owner);
        if let Some(Value::Object(definitions)) =
            schema.as_object_mut().and_then(|it| it.remove("$defs"))
        {
            let named = definitions
                .into_iter()
                .map(|(name, it)| (format!("{owner}.{name}"), it));
            self.definitions.extend(named);
        }
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("$schema");
        }
        schema
    }

    /// Takes in what roles read, each variable as the first of them describes it.
    fn variables(&mut self, roles: impl Iterator<Item = (String, Value)>) -> Map<String, Value> {
        let mut fields = Map::new();
        for (role, variables) in roles {
            let schema = self.of(&role, or_from_store(variables));
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                fields.entry(name).or_insert_with(|| field.clone());
            }
        }
        fields
    }

    fn resources(&mut self) -> Value {
        let kinds = KINDS.iter().map(|kind| {
            let more = from_folder(kind.name).map(|(field, _)| field);
            (kind.name, (kind.schema)(), more.collect())
        });
        let kinds: Vec<_> = kinds.collect();
        let about = "What the host needs, in order; packages always come first.";
        self.list("resource", about, kinds, &BESIDE)
    }

    fn checks(&mut self) -> Value {
        let kinds = CHECK_KINDS
            .iter()
            .map(|kind| (kind.name, (kind.schema)(), Vec::new()));
        let kinds: Vec<_> = kinds.collect();
        self.list(
            "check",
            "What must hold once all of it is in place.",
            kinds,
            &BESIDE_CHECK,
        )
    }

    /// A list of which each item names one kind.
    fn list(
        &mut self,
        what: &str,
        about: &str,
        kinds: Vec<(&str, Schema, Vec<&str>)>,
        beside: &[&str],
    ) -> Value {
        let mut fields: Map<String, Value> = beside
            .iter()
            .map(|word| ((*word).to_owned(), json!({})))
            .collect();
        let mut one_of = Vec::new();
        for (name, schema, more) in kinds {
            let owner = format!("{what}.{name}");
            let mut schema = self.of(&owner, schema.to_value());
            if let Some(properties) = schema["properties"].as_object_mut() {
                for field in properties.values_mut() {
                    let written = field.take();
                    *field = filled(written);
                }
                // The estate's own authority is a word.
                if let Some(authority) = properties.get_mut("authority") {
                    *authority = json!({ "anyOf": [authority.take(), { "const": "estate" }] });
                }
                properties.extend(
                    more.iter()
                        .map(|field| ((*field).to_owned(), json!({ "type": "string" }))),
                );
            }
            // Content may come from the role's folder.
            if !more.is_empty()
                && let Some(schema) = schema.as_object_mut()
            {
                schema.remove("required");
            }
            self.definitions.insert(owner.clone(), schema);
            fields.insert(
                name.to_owned(),
                json!({ "$ref": format!("#/$defs/{owner}") }),
            );
            one_of.push(json!({ "required": [name] }));
        }
        json!({
            "type": "array",
            "description": about,
            "items": { "type": "object", "properties": fields, "additionalProperties": false, "oneOf": one_of },
        })
    }
}

/// Lets an expression take the place of a value that is not just any text.
fn filled(mut field: Value) -> Value {
    if field["items"].is_object() {
        field["items"] = filled(field["items"].take());
    }
    let narrow = ["enum", "pattern", "const", "oneOf", "anyOf", "$ref"];
    let is_narrow = narrow.iter().any(|word| field.get(word).is_some());
    if !is_narrow && (field["type"] == "string" || field.get("type").is_none()) {
        return field;
    }
    let about = field["description"].clone();
    let mut either = json!({ "anyOf": [field, { "type": "string", "pattern": "\\{\\{|\\{%" }] });
    if about.is_string() {
        either["description"] = about;
    }
    either
}

/// Has references lead to the definitions under their new names.
fn renamed(value: &mut Value, owner: &str) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let leads = value.as_str().filter(|_| key == "$ref");
                if let Some(name) = leads.and_then(|text| text.strip_prefix("#/$defs/")) {
                    *value = format!("#/$defs/{owner}.{name}").into();
                } else {
                    renamed(value, owner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| renamed(item, owner)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let leads = value.as_str().filter(|_| key == "$ref");
                    found.extend(leads.map(str::to_owned));
                    references(value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_reference_leads_to_a_definition() {
        let roles = Catalogue::default();
        for schema in [estate(), domain(&roles), role(), variables(&roles)] {
            let mut found = Vec::new();
            references(&schema, &mut found);
            assert!(!found.is_empty());
            for reference in found {
                let name = reference
                    .strip_prefix("#/$defs/")
                    .unwrap_or_else(|| panic!("{reference}"));
                assert!(schema["$defs"][name].is_object(), "{reference}");
            }
        }
    }
}
