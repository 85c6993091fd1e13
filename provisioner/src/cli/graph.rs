//! `prov graph`: draws the estate, from the inventory alone.

use clap::{Args, ValueEnum};
use tasks::graph::Graph;
use tasks::promise::Needed;
use tasks::role::Inputs;

use super::app;
use super::arguments::{Global, Output};
use crate::report::graph::{self, Marks};
use crate::report::print::{self, errln, jsonln};
use crate::report::problem::{Problem, exit};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Draw in this form
    #[arg(long, value_enum, default_value_t = Format::Svg, value_name = "FORMAT")]
    format: Format,
    /// Let roles be links to their sections of the reference at this address
    #[arg(long, value_name = "URL")]
    reference: Option<String>,
}

/// Form of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A drawing that every browser shows, light or dark as the reader's system is
    Svg,
    /// Text for Graphviz and other programs that lay graphs out
    Dot,
    /// A page with the drawing, and lists of hosts, needs and roles to search
    Html,
}

pub(super) fn run(global: &Global, options: &Options) -> Result<u8, Problem> {
    let loaded = app::load(global)?;
    let inputs = Inputs {
        roles: loaded.roles.clone(),
        authority: None,
        container_host_resolvers: Vec::new(),
    };
    let (mut graph, mut mistakes) =
        Graph::of(&loaded.estate, &loaded.domains, &loaded.templates, &inputs);
    // What cannot be decrypted is seldom what says who relies on whom.
    let all = mistakes.len();
    mistakes.retain(|mistake| !loaded.is_unseen(mistake));
    if !mistakes.is_empty() {
        return Err(mistakes.into());
    }
    if all > 0 {
        errln!(
            "note: some needs may be missing, because values are not known here: {}",
            app::unseen_in(&loaded.unseen)
        );
    }
    if let Some(limit) = &global.limit {
        let chosen = loaded
            .estate
            .limit(&super::limit::expanded(limit)?)
            .map_err(Problem::Usage)?;
        limited(&mut graph, |name| {
            chosen.iter().any(|host| host.name() == name)
        });
    }
    if global.output == Output::Json {
        jsonln!("{:#}", serde_json::json!(graph));
        return Ok(exit::DONE);
    }
    let marks = Marks {
        role_base: options.reference.as_ref().map(|base| format!("{base}#")),
        ..Marks::default()
    };
    let text = match options.format {
        Format::Svg => graph::svg(&graph, &marks),
        Format::Dot => graph::dot(&graph, &marks),
        Format::Html => graph::page(&graph, options.reference.as_deref()),
    };
    // Everything in it is escaped by the rules of its format.
    print::raw(format_args!("{text}"));
    Ok(exit::DONE)
}

/// Keeps some hosts, and those on whom they rely.
fn limited(graph: &mut Graph, chosen: impl Fn(&str) -> bool) {
    graph.needs.retain(|need| chosen(&need.host));
    let needs = &graph.needs;
    let is_needed = |name: &str| {
        needs
            .iter()
            .any(|need| matches!(&need.of, Needed::Host(of) if of == name))
    };
    graph
        .hosts
        .retain(|host| chosen(&host.name) || is_needed(&host.name));
    let hosts = &graph.hosts;
    graph
        .roles
        .retain(|(role, _)| hosts.iter().any(|host| host.roles.contains(role)));
}
