//! `docs/reference.md`, made from the code: commands, the files of an estate, resources, roles and their variables.

use serde_json::Value;
use tasks::domain::role::DOMAIN_ROLES;
use tasks::promise::check::CHECK_KINDS;
use tasks::pushln;
use tasks::resource::KINDS;
use tasks::role::{Catalogue, Entry};
use tasks::template::Original;

/// What no schema says about the files of an estate.
const ESTATE: &str = include_str!("reference/estate.md");

/// What checks of all kinds have in common.
const CHECKS: &str = "## Checks\n\nWhat a [role of an estate's own](roles.md#checks) has proved. A check is made of the host \
    that has the role, and asks its own address unless it says otherwise.\n\n";

/// Writes the reference.
pub(super) fn text() -> String {
    let mut text = String::from(
        "# Reference\n\nThis page is made from the code by `prov reference`; `./check` fails if it is not current.\n\n## Commands\n\n",
    );
    let mut command = super::arguments::command().term_width(100);
    command.build();
    pushln!(text, "```text\n{}```\n", command.clone().render_long_help());
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let name = sub.get_name().to_owned();
        let mut sub = sub.clone().bin_name(format!("prov {name}"));
        pushln!(
            text,
            "### prov {}\n\n```text\n{}```\n",
            name,
            sub.render_help()
        );
    }
    text.push_str(ESTATE);
    text.push_str("### estate.yml\n\n");
    fields(
        &mut text,
        &tasks::estate::inventory_schema().to_value(),
        "Section",
    );
    text.push_str("## Resources\n\n");
    for kind in KINDS {
        schema(
            &mut text,
            &format!("### {}", kind.name),
            &(kind.schema)().to_value(),
        );
    }
    text.push_str(CHECKS);
    for kind in CHECK_KINDS {
        // Names of resources are headings, too.
        schema(
            &mut text,
            &format!("### {} check", kind.name),
            &(kind.schema)().to_value(),
        );
    }
    text.push_str("## Roles\n\n");
    for role in Catalogue::default().iter() {
        of_role(&mut text, role);
    }
    text.push_str("## Templates\n\nA file of the same name below an estate's `templates/` takes the place of one; `prov template show NAME` shows it. It may use the variables that the original uses.\n\n| template | variables |\n| --- | --- |\n");
    for it in Original::all() {
        let variables: Vec<_> = it.variables().into_iter().collect();
        pushln!(text, "| `{}` | {} |", it.name, variables.join(", "));
    }
    text.push_str("\n## Domains\n\nThe file of a domain, `domains/NAME/domain.yml`, and `domain.private.yml` beside it.\n\n");
    fields(
        &mut text,
        &tasks::domain::settings_schema().to_value(),
        "Setting",
    );
    text.push_str("## Domain roles\n\nTheir variables can be set for hosts and, above that, in the file of a domain.\n\n");
    for role in DOMAIN_ROLES {
        let tags: Vec<_> = role.tags.iter().map(|tag| tag.as_str()).collect();
        pushln!(
            text,
            "### {}\n\n{} On hosts with the role `{}`; tags: {}.\n",
            role.name,
            role.summary,
            role.on.join("` or `"),
            tags.join(", ")
        );
        fields(&mut text, &(role.variables)().to_value(), "Variable");
    }
    text
}

/// Writes the part of the reference that describes the roles of an estate's own.
pub(super) fn of_own_roles(roles: &Catalogue) -> String {
    let mut text = String::from("# Roles of the estate's own\n\n");
    let own =
        |role: &&Entry| matches!(role, Entry::Own(role) if role.is_named() && !role.is_shipped());
    for role in roles.iter().filter(own) {
        of_role(&mut text, role);
    }
    text
}

fn of_role(text: &mut String, role: &Entry) {
    pushln!(text, "### {}\n\n{}", role.name(), role.summary());
    if let Some(on) = role.domains_on() {
        let on = on.join("` or `");
        pushln!(
            text,
            "For domains that have it, on hosts with the role `{on}`."
        );
    }
    text.push('\n');
    let schema = role.variables();
    let names = schema["properties"].as_object();
    if names.is_some_and(|names| !names.is_empty()) {
        fields(text, &schema, "Variable");
    }
}

fn schema(text: &mut String, title: &str, schema: &Value) {
    pushln!(text, "{title}\n");
    if let Some(description) = schema["description"].as_str() {
        pushln!(text, "{description}\n");
    }
    fields(text, schema, "Field");
}

/// Writes a table of fields, and one for each field that has fields itself.
fn fields(text: &mut String, schema: &Value, what: &str) {
    table(text, schema, schema, what);
    tables_below(text, schema, schema, "", &mut Vec::new());
}

fn tables_below<'s>(
    text: &mut String,
    holder: &'s Value,
    root: &'s Value,
    path: &str,
    shown: &mut Vec<&'s Value>,
) {
    for (name, field) in holder["properties"].as_object().into_iter().flatten() {
        let Some((held, many)) = held(field, root) else {
            continue;
        };
        // What is the same in several places is described in the first one.
        if shown.iter().any(|other| std::ptr::eq(*other, held)) {
            continue;
        }
        shown.push(held);
        let path = format!("{path}{name}");
        let each = if many { "each of " } else { "" };
        pushln!(text, "Fields of {each}`{path}`:\n");
        table(text, held, root, "Field");
        tables_below(text, held, root, &format!("{path}: "), shown);
    }
}

/// Finds what has fields in a field: itself, or each entry of a list or map.
fn held<'s>(field: &'s Value, root: &'s Value) -> Option<(&'s Value, bool)> {
    let field = resolved(field, root);
    if field["properties"].is_object() {
        return Some((field, false));
    }
    [&field["items"], &field["additionalProperties"]]
        .into_iter()
        .filter(|entry| entry.is_object())
        .find_map(|entry| held(entry, root))
        .map(|(held, _)| (held, true))
}

fn table(text: &mut String, schema: &Value, root: &Value, what: &str) {
    let Some(fields) = schema["properties"].as_object() else {
        return;
    };
    let required: Vec<_> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    pushln!(
        text,
        "| {what} | Type | Default | Meaning |\n| --- | --- | --- | --- |"
    );
    for (name, field) in fields {
        let default = if required.iter().any(|required| *required == name) {
            "needed".to_owned()
        } else if field["default"].is_null() {
            "none".to_owned()
        } else {
            format!("`{}`", field["default"])
        };
        let meaning = field["description"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', " ");
        pushln!(
            text,
            "| `{name}` | {} | {default} | {} |",
            kind(field, root),
            meaning.replace('|', "\\|")
        );
    }
    text.push('\n');
}

/// Follows a reference, and looks through what is only there because the value may be missing.
fn resolved<'s>(field: &'s Value, root: &'s Value) -> &'s Value {
    if let Some(reference) = field["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return resolved(&root["$defs"][name], root);
    }
    let choices = field["anyOf"].as_array().into_iter().flatten();
    let mut choices = choices.filter(|choice| choice["type"] != "null");
    match (choices.next(), choices.next()) {
        (Some(only), None) => resolved(only, root),
        (Some(_) | None, _) => field,
    }
}

/// Names a field's type: its format where it has one, the words of an enumeration, or the JSON type.
fn kind(field: &Value, root: &Value) -> String {
    let field = resolved(field, root);
    let listed = |words: Vec<String>| {
        let words = words.iter().map(|word| format!("`{word}`"));
        words.collect::<Vec<_>>().join(", ")
    };
    if let Some(one_of) = field["oneOf"].as_array() {
        let words = one_of.iter().filter_map(|word| word["const"].as_str());
        let words: Vec<_> = words.map(str::to_owned).collect();
        if !words.is_empty() {
            return listed(words);
        }
    }
    if let Some(choices) = field["anyOf"].as_array() {
        let kinds: Vec<_> = choices
            .iter()
            .filter(|choice| choice["type"] != "null")
            .map(|choice| kind(choice, root))
            .collect();
        return kinds.join(" or ");
    }
    if let Some(words) = field["enum"].as_array() {
        let word = |word: &Value| {
            word.as_str()
                .map_or_else(|| word.to_string(), str::to_owned)
        };
        let words = words.iter().filter(|word| !word.is_null());
        return listed(words.map(word).collect());
    }
    if let Some(format) = field["format"].as_str() {
        return format.to_owned();
    }
    let plain = match field["type"].as_array() {
        Some(kinds) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
            .unwrap_or_default()
            .to_owned(),
        None => field["type"].as_str().unwrap_or("any").to_owned(),
    };
    match plain.as_str() {
        "array" => format!("list of {}", kind(&field["items"], root)),
        "object" if field["properties"].is_object() => "fields (see below)".to_owned(),
        "object" if field["additionalProperties"].is_object() => {
            format!("map of {}", kind(&field["additionalProperties"], root))
        }
        "object" => "map".to_owned(),
        _ => plain,
    }
}
