//! What must be read again after a change.

use super::Change;
use crate::probe::{Facts, Query, QuerySet, Written};
use crate::resource::Declared;
use crate::step::Step;

/// Gathers what must be read to plan these resources.
#[must_use]
pub fn queries(resources: &[Declared]) -> QuerySet {
    resources
        .iter()
        .flat_map(|declared| {
            let since = declared.since.iter();
            let since = since.flat_map(crate::history::Since::queries);
            let own = declared.resource.manage().probe();
            own.into_iter().chain(since)
        })
        .collect()
}

/// Selects what a change may have altered: what its own resource looks at, and of what those after it look at whatever
/// follows from the paths that it writes. A command may have altered anything.
#[must_use]
pub fn altered(change: &Change, changed: &Declared, later: &[Declared], facts: &Facts) -> QuerySet {
    let own = changed.resource.manage().probe();
    let mut altered: QuerySet = own.iter().cloned().collect();
    let later = queries(later).queries();
    if change.steps.iter().any(|step| matches!(step, Step::Run(_))) {
        altered.extend(later);
        return altered;
    }
    let looked_at = own.iter().filter_map(|query| {
        if let Query::Path(question) = query {
            Some(&question.path)
        } else {
            None
        }
    });
    let written = Written {
        paths: looked_at
            .chain(change.steps.iter().filter_map(Step::path))
            .collect(),
        facts,
    };
    altered.extend(later.into_iter().filter(|query| query.follows(&written)));
    altered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::plan::{Action, Reason};
    use crate::probe::{Attributes, FileFact, PathFact};
    use crate::resource::{Command, Directory, File, Resource, Service};
    use crate::step::Run;
    use crate::value::{HostPath, Mode, ServiceName};

    fn path(text: &str) -> HostPath {
        HostPath::new(text).unwrap()
    }

    fn file(text: &str) -> Declared {
        let file = File::new(path(text), Content::plain("x"));
        Declared::new("r", Resource::File(file))
    }

    fn directory() -> (Declared, Change, Attributes) {
        let directory = Directory::new(path("/srv/a/b"));
        let attributes = Attributes::of_parents();
        let make = Step::MakeDirectory {
            path: path("/srv/a/b"),
            attributes: attributes.clone(),
        };
        let change = Change::new(Action::Create, vec![Reason::Missing], vec![make]);
        let declared = Declared::new("r", Resource::Directory(directory));
        (declared, change, attributes)
    }

    fn paths(altered: &QuerySet) -> Vec<String> {
        let queries = altered.queries();
        let mut paths = Vec::new();
        for query in queries {
            if let Query::Path(question) = query {
                paths.push(question.path.to_string());
            }
        }
        paths
    }

    #[test]
    fn what_a_change_reaches_by_parents_or_links_is_read_again() {
        let (changed, change, attributes) = directory();
        let later = [file("/srv/a/file"), file("/etc/link"), file("/var/other")];
        let mut facts = Facts::default();
        let target = FileFact::of(
            Attributes {
                mode: Mode::new(0o644),
                ..attributes
            },
            b"old",
        );
        let link = PathFact::Link {
            target: "/srv/a/b/target".to_owned(),
            file: Some(Box::new((path("/srv/a/b/target"), target))),
        };
        facts.paths.insert(path("/etc/link"), link);
        let altered = altered(&change, &changed, &later, &facts);
        assert_eq!(paths(&altered), ["/etc/link", "/srv/a", "/srv/a/b"]);
    }

    #[test]
    fn after_a_file_commands_that_look_are_run_again_and_services_are_left_alone() {
        let (changed, change, _) = directory();
        let service = Service::new(ServiceName::new("svc").unwrap());
        let command = serde_json::json!({ "argv": ["true"], "unless": ["test"] });
        let command: Command = serde_json::from_value(command).unwrap();
        let later = [
            Declared::new("r", Resource::Service(service)),
            Declared::new("r", Resource::Command(command)),
        ];
        let altered = altered(&change, &changed, &later, &Facts::default());
        let queries = altered.queries();
        let guard = Query::Guard(vec!["test".to_owned()]);
        assert!(queries.contains(&guard), "{queries:?}");
        assert!(
            !queries
                .iter()
                .any(|query| matches!(query, Query::Service(_)))
        );
    }

    #[test]
    fn after_a_command_everything_still_to_come_is_read_again() {
        let (changed, _, _) = directory();
        let run = Step::Run(Run::new(["true"]));
        let change = Change::new(Action::Run, vec![Reason::NotDone], vec![run]);
        let altered = altered(&change, &changed, &[file("/var/other")], &Facts::default());
        assert!(paths(&altered).contains(&"/var/other".to_owned()));
    }
}
