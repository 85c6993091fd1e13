//! `prov task`: one resource that no role declares.

use std::io::Read as _;

use serde_json::{Map, Value};
use tasks::resource::{Declared, KINDS, Kind};
use tasks::{Diagnostic, foreign, raw};

use super::app::App;
use super::arguments::Task;
use super::jobs::{self, Jobs, Show};
use super::work::Work;
use crate::report::problem::Problem;
use crate::report::text::Tense;

pub(super) async fn run(app: &App, options: &Task) -> Result<u8, Problem> {
    let Some(kind) = KINDS.iter().find(|kind| kind.name == options.resource) else {
        let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        let hint = foreign::hint(&options.resource, &names).unwrap_or_else(|| {
            tasks::nearest(&options.resource, names.iter().copied()).map_or_else(
                || format!("there are {}", names.join(", ")),
                |nearest| format!("did you mean '{nearest}'?"),
            )
        });
        return Err(Problem::usage(
            format!("there is no resource '{}'", options.resource),
            hint,
        ));
    };
    let mut fields = Map::new();
    for field in &options.fields {
        if !field.contains('=') && app.estate.limit(field).is_ok() {
            return Err(Problem::usage(
                format!("'{field}' is not KEY=VALUE"),
                format!("to work on some hosts only, write --limit {field}"),
            ));
        }
        let (name, value) = self::field(kind, field)?;
        fields.insert(name, value);
    }
    let mut values = fields.values().filter_map(Value::as_str);
    let meant = values.find_map(foreign::value).map(str::to_owned);
    let resource = (kind.build)(Value::Object(fields)).map_err(|error| {
        let found = Diagnostic::of_check(&error.to_string());
        let hint = found.hint.or(meant).unwrap_or_else(|| usage(kind));
        Problem::usage(format!("{}: {}", kind.name, found.message), hint)
    })?;
    let declared = [Declared::new("task", resource)];
    let hosts = app.limited()?;
    let jobs = Jobs::gather(app, &hosts, Work::Resources(&declared)).await?;
    if options.diff {
        let (outcome, _) = jobs::preview(app, jobs, Show::AsTheyCome).await;
        jobs::print(app, &outcome, Tense::Would);
        return Ok(jobs::code(&outcome));
    }
    let outcome = jobs::apply(app, jobs, options.waiting.wait, None, Show::AsTheyCome).await;
    jobs::print(app, &outcome, Tense::Did);
    Ok(jobs::code(&outcome))
}

/// Reads one `KEY=VALUE` by what the kind's field is.
fn field(kind: &Kind, text: &str) -> Result<(String, Value), Problem> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(Problem::usage(
            format!("'{text}' is not KEY=VALUE"),
            usage(kind),
        ));
    };
    let schema = (kind.schema)().to_value();
    let known = schema["properties"].as_object();
    let Some(field) = known.and_then(|known| known.get(name)) else {
        let names = known.into_iter().flat_map(|known| known.keys());
        let names: Vec<_> = names.map(String::as_str).collect();
        let meant = foreign::field(name, &names);
        let hint = meant.or_else(|| tasks::nearest(name, names)).map_or_else(
            || usage(kind),
            |nearest| format!("did you mean '{nearest}'?"),
        );
        return Err(Problem::usage(
            format!("{} has no field '{name}'", kind.name),
            hint,
        ));
    };
    let text = said(kind, name, value, field)?;
    // A field of text takes what was typed as it is; anything else is read as YAML.
    let of_text = ["string", "null"].iter().any(|kind| *kind == field["type"])
        || field["type"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind == "string"));
    let structured = value.starts_with(['[', '{']);
    if of_text || (is_reference(field) && !structured) {
        return Ok((name.to_owned(), Value::String(text)));
    }
    let is_list = field["type"] == "array"
        || field["type"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind == "array"));
    if is_list && !structured && !text.contains('\n') {
        return one(kind, name, text);
    }
    serde_yaml::from_str(&text)
        .map(|value| (name.to_owned(), value))
        .map_err(|error| {
            let error = error.to_string();
            let first = error.lines().next().unwrap_or_default().to_owned();
            Problem::usage(format!("{} {name}: {first}", kind.name), usage(kind))
        })
}

/// Takes one word as a list of one.
fn one(kind: &Kind, name: &str, text: String) -> Result<(String, Value), Problem> {
    let parts = text.split(|c: char| c == ',' || c.is_whitespace());
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    if parts.len() > 1 {
        return Err(Problem::usage(
            format!("{} {name}: '{text}' may be one or several", kind.name),
            format!("write a list: {name}='[{}]'", parts.join(", ")),
        ));
    }
    Ok((name.to_owned(), Value::Array(vec![Value::String(text)])))
}

/// Gives the text of a value: what was typed, or after `@` what is in a file or, for `-`, comes by standard input. A text
/// that begins with `@` itself begins with two.
fn said(kind: &Kind, name: &str, value: &str, field: &Value) -> Result<String, Problem> {
    let Some(place) = value.strip_prefix('@') else {
        return Ok(value.to_owned());
    };
    if place.starts_with('@') {
        return Ok(place.to_owned());
    }
    let refuse = |cause: String| {
        let hint = format!(
            "after @ comes the path of a file of this machine, or - for standard input; for a text that begins with @ write two: {name}=@{value}"
        );
        Problem::usage(format!("{} {name}: {cause}", kind.name), hint)
    };
    let read = if place == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map(|_| bytes)
    } else {
        std::fs::read(place)
    };
    let bytes = read.map_err(|error| refuse(format!("cannot read '{place}': {error}")))?;
    // What goes into a file may be anything.
    if field.get("contentMediaType").is_some() {
        return Ok(raw::text(&bytes).into_owned());
    }
    String::from_utf8(bytes).map_err(|_| refuse(format!("'{place}' holds no text in UTF-8")))
}

/// Tells whether a field's schema is given elsewhere, as it is for enumerations.
fn is_reference(field: &Value) -> bool {
    field.get("$ref").is_some() || field.get("anyOf").is_some() || field.get("allOf").is_some()
}

fn usage(kind: &Kind) -> String {
    let schema = (kind.schema)().to_value();
    let names: Vec<_> = schema["properties"]
        .as_object()
        .map(|fields| fields.keys().cloned().collect())
        .unwrap_or_default();
    format!("the fields of {} are: {}", kind.name, names.join(", "))
}
