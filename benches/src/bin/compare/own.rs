//! The same resources of the same host, declared by a role of prov's and by one that is described by files.

use std::path::Path;

use benches::estate::{self, Estate};
use benches::sample::Samples;
use benches::table::Row;
use benches::{Result, ensure, wanted};
use serde_json::{Value, json};
use tasks::pushln;
use tasks::resource::{Declared, Resource};

use crate::arguments::Arguments;

/// The role of prov's.
const BUILT_IN: &str = "dns";

/// The role that is made after it.
const OWN: &str = "own_dns";

pub(crate) fn run(arguments: &Arguments) -> Result<Vec<Row>> {
    let estate = Estate::of_one(&arguments.prov, BUILT_IN)?;
    for command in [&["deploy"][..], &["apply"], &["test"], &["complete"]] {
        estate.prov(command)?;
    }
    let folder = estate.folder();
    let declared = wanted::of_host(&folder, estate::ONE)?;
    let count = declared.len();
    write(&folder.join("roles").join(OWN), &declared)?;
    let inventory = folder.join("estate.yml");
    let built_in = std::fs::read_to_string(&inventory)?;
    let own = built_in.replace(&format!("{BUILT_IN}: all"), &format!("{OWN}: all"));
    let variables = folder.join("groups/all.yml");
    let of_built_in = std::fs::read_to_string(&variables)?;
    // Each must see one change where there is one, by its own role.
    let spoilt = ["run", "--", "sh", "-c", "echo >>/etc/dnsmasq.d/estate.conf"];
    estate.prov(&spoilt)?;
    let preview = ["diff", "--output", "json"];
    let (mut by_own, mut by_built_in) = <(Samples, Samples)>::default();
    for turn in 0..=arguments.runs {
        for (inventory_text, variables_text, role, samples) in [
            (&own, "{}\n", OWN, &mut by_own),
            (&built_in, of_built_in.as_str(), BUILT_IN, &mut by_built_in),
        ] {
            std::fs::write(&inventory, inventory_text)?;
            std::fs::write(&variables, variables_text)?;
            let ran = estate.prov(&preview)?;
            let outcome = estate::outcome(&ran, 1, u64::from(turn == 0))?;
            if turn == 0 {
                let named = outcome
                    .to_string()
                    .contains(&format!("\"role\":\"{role}\""));
                ensure(named, || {
                    format!("{role} did not see what was spoilt: {outcome}")
                })?;
            } else {
                samples.push(ran.seconds);
            }
        }
        if turn == 0 {
            estate.prov(&["apply"])?;
        }
    }
    let what =
        format!("`diff`, one converged host, {count} resources by a role of the estate's own");
    let other = format!("by `{BUILT_IN}`:");
    let row = Row::ratio(&what, &by_own, Some((other.as_str(), &by_built_in)));
    Ok(vec![row.at_most(1.05)])
}

/// Writes a role that declares the same.
fn write(folder: &Path, declared: &[Declared]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut text = String::from("summary: What the built-in role declares.\nresources:\n");
    for (number, one) in declared.iter().enumerate() {
        let mut value = serde_json::to_value(&one.resource)?;
        for fields in value
            .as_object_mut()
            .into_iter()
            .flat_map(|it| it.values_mut())
        {
            let Some(fields) = fields.as_object_mut() else {
                continue;
            };
            fields.retain(|_, field| !field.is_null());
            if let Resource::File(file) = &one.resource
                && let Some(content) = &file.content
            {
                let name = format!("file{number}");
                std::fs::write(folder.join(&name), content.bytes())?;
                fields.remove("content");
                fields.insert("source".to_owned(), json!(name));
            }
        }
        let value: Value = value;
        pushln!(text, "  - {value}");
    }
    Ok(std::fs::write(folder.join("role.yml"), text)?)
}
