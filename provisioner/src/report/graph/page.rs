//! The picture on a page, with a list of what it shows: a host after the other, and what their roles do.

use maud::{Markup, html};
use tasks::graph::{Graph, GraphHost};
use tasks::promise::{Need, Needed};

use super::{Marks, embedded};
use crate::report::page::{self, said};
use crate::report::text::counted;

/// Makes the page. `reference` is where the reference of roles is, if somebody has said so: the page's links to roles lead to its own list.
#[must_use]
pub fn page(graph: &Graph, reference: Option<&str>) -> String {
    let marks = Marks {
        host_base: Some("#host-".to_owned()),
        role_base: Some("#role-".to_owned()),
        ..Marks::default()
    };
    let (picture, style) = embedded(graph, &marks);
    let body = html! {
        header {
            h1 { "The estate " (said(&graph.estate)) }
            p { (counted(graph.hosts.len(), "host", "hosts")) ", " (counted(graph.needs.len(), "need", "needs")) ". An arrow leads from a host to the one that it relies on; point at a host to see its own. Needs that many hosts share are in the box of the host that serves them." }
        }
        main {
            div.picture tabindex="0" { (picture) }
            (page::tools("host, role, what is needed"))
            section data-name="hosts" {
                h2 { "Hosts" }
                @for host in &graph.hosts { (self::host(graph, host)) }
            }
            section {
                h2 { "Roles" }
                dl { @for (name, summary) in &graph.roles {
                    dt id={ "role-" (said(name)) } {
                        @match reference {
                            Some(base) => a href={ (said(base)) "#" (said(name)) } { (said(name)) },
                            None => (said(name)),
                        }
                    }
                    dd { (said(summary)) }
                } }
                p.faint { code { "prov reference" } " describes the variables of each, " code { "prov reference --own-roles" } " those of the estate's own." }
            }
        }
    };
    page::page_with(&format!("The estate {}", graph.estate), &body, &style)
}

fn host(graph: &Graph, host: &GraphHost) -> Markup {
    let relies: Vec<_> = graph
        .needs
        .iter()
        .filter(|need| need.host == host.name)
        .collect();
    let serves: Vec<_> = graph
        .needs
        .iter()
        .filter(|need| matches!(&need.of, Needed::Host(name) if *name == host.name))
        .collect();
    html! {
        details.item id={ "host-" (said(&host.name)) } {
            summary {
                b { (said(&host.name)) } " "
                small { (host.location.as_str()) ", " (said(&host.address)) ", Debian " (said(&host.release)) }
            }
            p { "Roles: " @for (number, role) in host.roles.iter().enumerate() {
                @if number > 0 { ", " }
                a href={ "#role-" (said(role)) } { (said(role)) }
            } }
            (list("Relies on", &relies, |need| match &need.of { Needed::Host(name) | Needed::Outside(name) => name }))
            (list("Is relied on by", &serves, |need| &need.host))
        }
    }
}

fn list(heading: &str, needs: &[&Need], who: fn(&Need) -> &str) -> Markup {
    html! {
        @if !needs.is_empty() {
            p { (heading) }
            ul { @for need in needs {
                li { (said(who(need))) ": " (need.kind.as_str()) " " small { "(" (said(&need.detail)) ")" } }
            } }
        }
    }
}
