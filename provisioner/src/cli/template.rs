//! `prov template`: the templates that come with prov, for whoever writes one in the place of another.

use serde_json::json;
use tasks::template::Original;

use super::arguments::{Output, TemplateAction};
use crate::report::print::{jsonln, out, outln};
use crate::report::problem::{Problem, exit};

pub(super) fn run(action: &TemplateAction, output: Output) -> Result<u8, Problem> {
    match action {
        TemplateAction::List { role } => list(role.as_deref(), output),
        TemplateAction::Show { name } => show(name, output),
    }
}

fn list(role: Option<&str>, output: Output) -> Result<u8, Problem> {
    let all = Original::all();
    let chosen: Vec<_> = all
        .filter(|it| role.is_none_or(|role| it.role() == role))
        .collect();
    if let ([], Some(role)) = (chosen.as_slice(), role) {
        let hint = tasks::nearest(role, Original::all().map(|it| it.role()));
        return Err(Problem::usage(
            format!("there are no templates of a role '{role}'"),
            hint.map_or_else(
                || "leave the role out to see all".to_owned(),
                |near| format!("did you mean '{near}'?"),
            ),
        ));
    }
    if output == Output::Json {
        let templates: Vec<_> = chosen
            .iter()
            .map(|it| json!({ "name": it.name, "role": it.role(), "variables": it.variables() }))
            .collect();
        jsonln!("{:#}", json!({ "templates": templates }));
        return Ok(exit::DONE);
    }
    let width = chosen.iter().map(|it| it.name.len()).max().unwrap_or(0);
    for it in chosen {
        let variables: Vec<_> = it.variables().into_iter().collect();
        outln!("{:width$}  {}", it.name, variables.join(", "));
    }
    Ok(exit::DONE)
}

fn show(name: &str, output: Output) -> Result<u8, Problem> {
    let Some(found) = Original::all().find(|it| it.name == name) else {
        let near = tasks::nearest(name, Original::all().map(|it| it.name));
        return Err(Problem::usage(
            format!("there is no template '{name}'"),
            near.map_or_else(
                || "`prov template list` names them all".to_owned(),
                |near| format!("did you mean '{near}'? `prov template list` names them all"),
            ),
        ));
    };
    if output == Output::Json {
        let (role, variables, text) = (found.role(), found.variables(), found.text);
        jsonln!(
            "{:#}",
            json!({ "name": name, "role": role, "variables": variables, "text": text })
        );
    } else {
        out(format_args!("{}", found.text));
    }
    Ok(exit::DONE)
}
