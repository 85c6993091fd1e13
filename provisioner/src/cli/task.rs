//! `prov task`: one resource that no role declares.

use serde_json::{Map, Value};
use tasks::Diagnostic;
use tasks::resource::{Declared, KINDS, Kind};

use super::app::App;
use super::arguments::Task;
use super::jobs::{self, Jobs, Show};
use super::work::Work;
use crate::report::problem::Problem;
use crate::report::text::Tense;

pub(super) async fn run(app: &App, options: &Task) -> Result<u8, Problem> {
    let Some(kind) = KINDS.iter().find(|kind| kind.name == options.resource) else {
        let names = KINDS.iter().map(|kind| kind.name);
        let hint = tasks::nearest(&options.resource, names.clone()).map_or_else(
            || format!("there are {}", names.collect::<Vec<_>>().join(", ")),
            |nearest| format!("did you mean '{nearest}'?"),
        );
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
    let resource = (kind.build)(Value::Object(fields)).map_err(|error| {
        let found = Diagnostic::of_check(&error.to_string());
        let hint = found.hint.unwrap_or_else(|| usage(kind));
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
        let names = known
            .into_iter()
            .flat_map(|known| known.keys().map(String::as_str));
        let hint = tasks::nearest(name, names).map_or_else(
            || usage(kind),
            |nearest| format!("did you mean '{nearest}'?"),
        );
        return Err(Problem::usage(
            format!("{} has no field '{name}'", kind.name),
            hint,
        ));
    };
    let text = match value.strip_prefix('@') {
        Some(path) => {
            let path = std::path::Path::new(path);
            std::fs::read_to_string(path)
                .map_err(|error| Problem::file("read", path, &error, "name a text file after @"))?
        }
        None => value.to_owned(),
    };
    // A field of text takes what was typed as it is; anything else is read as YAML.
    let of_text = ["string", "null"].iter().any(|kind| *kind == field["type"])
        || field["type"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind == "string"));
    let structured = value.starts_with(['[', '{']);
    if of_text || (is_reference(field) && !structured) {
        return Ok((name.to_owned(), Value::String(text)));
    }
    serde_yaml::from_str(&text)
        .map(|value| (name.to_owned(), value))
        .map_err(|error| {
            let error = error.to_string();
            let first = error.lines().next().unwrap_or_default().to_owned();
            Problem::usage(format!("{} {name}: {first}", kind.name), usage(kind))
        })
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
