//! `docs/reference.md`, made from the code: commands, resources, roles and their variables.

use std::fmt::Write as _;

use serde_json::Value;
use tasks::domain::role::DOMAIN_ROLES;
use tasks::resource::KINDS;
use tasks::role::ROLES;

/// Writes the reference.
pub(super) fn text() -> String {
    let mut text = String::from(
        "# Reference\n\nThis page is made from the code by `prov reference`; `./check` fails if it is not current.\n\n## Commands\n\n",
    );
    let mut command = super::arguments::command().term_width(100);
    command.build();
    // Writing to a string cannot fail, so the results of `write!` are not looked at here.
    let _ = writeln!(text, "```text\n{}```\n", command.clone().render_long_help());
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let name = sub.get_name().to_owned();
        let mut sub = sub.clone().bin_name(format!("prov {name}"));
        let _ = writeln!(
            text,
            "### prov {}\n\n```text\n{}```\n",
            name,
            sub.render_help()
        );
    }
    text.push_str("## Resources\n\n");
    for kind in KINDS {
        schema(
            &mut text,
            &format!("### {}", kind.name),
            &(kind.schema)().to_value(),
        );
    }
    text.push_str("## Roles\n\n");
    for role in ROLES {
        let _ = writeln!(text, "### {}\n\n{}\n", role.name, role.summary);
        fields(&mut text, &(role.variables)().to_value(), "Variable");
    }
    text.push_str("## Domains\n\nThe file of a domain, `domains/NAME/domain.yml`, and `domain.private.yml` beside it.\n\n");
    fields(
        &mut text,
        &tasks::domain::settings_schema().to_value(),
        "Setting",
    );
    text.push_str("## Domain roles\n\nTheir variables can be set for hosts and, above that, in the file of a domain.\n\n");
    for role in DOMAIN_ROLES {
        let tags: Vec<_> = role.tags.iter().map(|tag| tag.as_str()).collect();
        let _ = writeln!(
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

fn schema(text: &mut String, title: &str, schema: &Value) {
    let _ = writeln!(text, "{title}\n");
    if let Some(description) = schema["description"].as_str() {
        let _ = writeln!(text, "{description}\n");
    }
    fields(text, schema, "Field");
}

fn fields(text: &mut String, schema: &Value, what: &str) {
    let Some(fields) = schema["properties"].as_object() else {
        return;
    };
    let required: Vec<_> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let _ = writeln!(
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
        let _ = writeln!(
            text,
            "| `{name}` | {} | {default} | {} |",
            kind(field, schema),
            meaning.replace('|', "\\|")
        );
    }
    text.push('\n');
}

/// Names a field's type: its format where it has one, the words of an enumeration, or the JSON type.
fn kind(field: &Value, root: &Value) -> String {
    if let Some(reference) = field["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return kind(&root["$defs"][name], root);
    }
    if let Some(one_of) = field["oneOf"].as_array() {
        let words: Vec<_> = one_of
            .iter()
            .filter_map(|word| word["const"].as_str())
            .collect();
        if !words.is_empty() {
            return words
                .iter()
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(", ");
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
        return words
            .iter()
            .map(|word| format!("`{}`", word.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(", ");
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
    if plain == "array" {
        return format!("list of {}", kind(&field["items"], root));
    }
    if plain == "object" {
        return "map".to_owned();
    }
    plain
}
