//! The estate on the page: its picture with what came of the checks of each host, and the same as a table.

use std::time::Duration;

use maud::{Markup, html};
use tasks::graph::Graph;

use super::About;
use crate::report::graph::{Marks, Standing, embedded};
use crate::report::page::said;
use crate::report::text::seconds;
use crate::verify::Check;

/// What came of the checks of a host.
struct Host<'a> {
    name: &'a str,
    passed: usize,
    failed: usize,
    elapsed: Duration,
}

impl Host<'_> {
    /// Says how the host is; a host of which nothing was checked is neither.
    fn standing(&self) -> Option<Standing> {
        match (self.passed, self.failed) {
            (0, 0) => None,
            (_, 0) => Some(Standing::Good),
            (_, 1..) => Some(Standing::Bad),
        }
    }
}

/// Renders picture and table, and gives the style that the page must have for them; nothing where there is no estate to draw.
pub(super) fn picture(about: &About<'_>, checks: &[Check]) -> (Markup, String) {
    let Some(graph) = about.graph else {
        return (html! {}, String::new());
    };
    let hosts = hosts(about, graph, checks);
    let standing = hosts
        .iter()
        .filter_map(|host| Some((host.name.to_owned(), host.standing()?)));
    let marks = Marks {
        standing: standing.collect(),
        host_base: Some("#host-".to_owned()),
        role_base: None,
    };
    let (picture, style) = embedded(graph, &marks);
    let markup = html! {
        section {
            h2 { "The estate" }
            p.faint { "✓ every check that a host has a part in passed, ✗ one or more failed. A check of a whole service counts for all of its hosts. Arrows lead to what a host relies on; a click on a host shows its checks alone." }
            div.picture tabindex="0" { (picture) }
            (table(&hosts))
        }
    };
    (markup, style)
}

fn hosts<'a>(about: &About<'_>, graph: &'a Graph, checks: &[Check]) -> Vec<Host<'a>> {
    let of = |name: &'a str| {
        let its = checks
            .iter()
            .filter(|check| about.hosts(check).iter().any(|host| host == name));
        let mut host = Host {
            name,
            passed: 0,
            failed: 0,
            elapsed: Duration::ZERO,
        };
        for check in its {
            host.passed += usize::from(check.passed);
            host.failed += usize::from(!check.passed);
            host.elapsed += check.elapsed;
        }
        host
    };
    graph.hosts.iter().map(|host| of(&host.name)).collect()
}

fn table(hosts: &[Host<'_>]) -> Markup {
    html! {
        table.overview {
            caption { "Hosts" }
            thead { tr {
                th scope="col" { "Host" }
                th scope="col" { "State" }
                th.number scope="col" { "Passed" }
                th.number scope="col" { "Failed" }
                th.number scope="col" { "Time" }
            } }
            tbody {
                @for host in hosts {
                    tr id={ "host-" (said(host.name)) } {
                        th scope="row" { (said(host.name)) }
                        @match host.standing() {
                            Some(Standing::Good) => td.good { "well" },
                            Some(Standing::Bad) => td.bad { "not well" },
                            None => td.none { "not checked" },
                        }
                        td.number { (host.passed) }
                        td.number { (host.failed) }
                        td.number { (seconds(host.elapsed)) }
                    }
                }
            }
        }
    }
}
