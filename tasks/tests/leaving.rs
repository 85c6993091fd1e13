//! What a host remembers of what was declared for it, and what of that goes once nothing declares it any more.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use tasks::Secret;
use tasks::content::Content;
use tasks::leaving::{Leaving, Memory, Reliance, Remembered, Scope, Trace};
use tasks::plan::{Planned, decide};
use tasks::probe::{AptFact, Facts, PackageFact, PathQuestion, Query, QuerySet, Read, ServiceFact};
use tasks::resource::{
    Block, Declared, Directory, File, Handler, Leaves, Line, MariaDbUser, Packages, Resource,
    Service, State, User,
};
use tasks::step::Step;
use tasks::value::{AccountName, HostPath, PackageName, ServiceName};

fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap()
}

fn package(name: &str) -> PackageName {
    PackageName::new(name).unwrap()
}

fn file(text: &str) -> Resource {
    Resource::File(File::new(path(text), Content::plain("x")))
}

/// What a role of a small daemon declares.
fn daemon() -> Vec<Declared> {
    let service = ServiceName::new("svc").unwrap();
    let packages = Packages::new([package("svc"), package("tool")]);
    let mut settings = Declared::new("svc", file("/etc/svc.conf"));
    settings.notify.push(Handler::restart(service.clone()));
    let mut needed = Declared::new("svc", file("/etc/needed"));
    needed.leaves = Leaves::Stays;
    vec![
        Declared::new("svc, other", Resource::Packages(packages)),
        settings,
        needed,
        Declared::new(
            "svc",
            Resource::Directory(Directory::new(path("/var/lib/svc"))),
        ),
        Declared::new("svc", Resource::Service(Service::new(service))),
    ]
}

fn memory(declared: &[Declared], scope: Scope) -> Memory {
    Memory {
        file: path("/var/lib/prov/declared/e"),
        roles: BTreeSet::from(["other".to_owned()]),
        domains: BTreeSet::from(["here.test".to_owned()]),
        declared: Some(Trace::of_roles(declared)),
        brings: Trace::of_roles(declared),
        takes: BTreeSet::new(),
        scope,
        relied: BTreeMap::new(),
    }
}

fn of_roles() -> Scope {
    Scope {
        roles: true,
        ..Scope::default()
    }
}

/// What a host remembers on which the daemon was installed, `tool` having been there before.
fn remembered(declared: &[Declared]) -> Remembered {
    let mut facts = Facts::default();
    facts.packages.insert(package("svc"), PackageFact::Absent);
    let tool = PackageFact::Installed("1".to_owned());
    facts.packages.insert(package("tool"), tool);
    let before = memory(declared, of_roles()).before(&Remembered::default(), &facts);
    // As it comes back from the host.
    Remembered::read(&before.text())
}

fn names(leaving: &Leaving) -> Vec<String> {
    let (gone, _) = leaving.declared(&BTreeSet::new(), &[]);
    gone.iter().map(Declared::name).collect()
}

fn kept(memory: &Memory, leaving: &Leaving) -> Vec<String> {
    let told = memory.told(leaving);
    told.into_iter().flat_map(|left| left.keeps).collect()
}

#[test]
fn a_role_that_leaves_stops_its_service_first_and_keeps_data_and_what_was_there_before() {
    let (host, memory) = (remembered(&daemon()), memory(&[], of_roles()));
    let leaving = memory.leaving(&host);
    let gone = ["service svc", "file /etc/svc.conf", "packages svc"];
    assert_eq!(names(&leaving), gone);
    assert_eq!(kept(&memory, &leaving), ["directory /var/lib/svc"]);
    let told = memory.told(&leaving);
    assert_eq!((told.len(), told[0].name.as_str()), (1, "svc"));
    // Handlers are for what is left, and nothing is.
    let (declared, _) = leaving.declared(&memory.roles, &[]);
    assert!(declared.iter().all(|one| one.notify.is_empty()));
    let after = memory.after(&host, &leaving);
    let later = memory.leaving(&after);
    assert!(later.is_empty());
    assert_eq!(
        kept(&memory, &later),
        [
            "directory /var/lib/svc",
            "packages svc (removed, and not purged)"
        ]
    );
}

#[test]
fn what_is_remembered_is_the_same_whichever_command_came_last() {
    let of_a_domain: Vec<_> = ["/srv/b", "/srv/a"]
        .map(|path| {
            // The host gives it back without saying that it holds nothing secret.
            let gone = File::new(self::path(path), Content::plain(""));
            Declared::new("web", Resource::File(gone))
        })
        .to_vec();
    let both = [daemon(), of_a_domain.clone()].concat();
    let host = remembered(&both);
    let again = |brings: &[Declared]| {
        let memory = Memory {
            brings: Trace::of_roles(brings),
            ..memory(&both, of_roles())
        };
        memory.before(&host, &Facts::default())
    };
    assert_eq!(again(&daemon()), host);
    assert_eq!(again(&of_a_domain), host);
    let other_way_round: Vec<_> = of_a_domain.into_iter().rev().collect();
    assert_ne!(again(&other_way_round), host);
}

#[test]
fn data_goes_when_that_is_asked_for_and_packages_are_purged_then() {
    let host = remembered(&daemon());
    let scope = Scope {
        purge: true,
        ..of_roles()
    };
    let memory = memory(&[], scope);
    let leaving = memory.leaving(&host);
    assert!(names(&leaving).contains(&"directory /var/lib/svc".to_owned()));
    let (gone, _) = leaving.declared(&BTreeSet::new(), &[]);
    let Resource::Packages(packages) = &gone.last().unwrap().resource else {
        panic!("{gone:?}");
    };
    assert!(packages.purge);
    assert_eq!(memory.after(&host, &leaving), Remembered::default());
}

#[test]
fn an_account_that_leaves_goes_alone_where_its_home_is_not_its_own() {
    let user = User::new(AccountName::new("svc").unwrap());
    let mut declared = vec![Declared::new("svc", Resource::User(user))];
    declared[0].leaves = Leaves::Data;
    // What a host has written down says no more than that the home goes, too.
    let remembered = Remembered::read(&remembered(&declared).text());
    let purge = Scope {
        purge: true,
        ..of_roles()
    };
    let leaving = memory(&[], purge).leaving(&remembered);
    let (gone, _) = leaving.declared(&BTreeSet::new(), &[]);
    let planned = |home: &str, gone: &Resource| {
        let facts: Facts = serde_yaml::from_str(&format!(
            "{{users: {{svc: {{uid: 1500, group: svc, home: /var/lib/svc, shell: /bin/sh}}}}, groups: {{svc: {{gid: 1500}}}},
              numbers: {{users: {{svc: {{uid: 1500, gid: 1500, home: /var/lib/svc}}}}, groups: {{svc: 1500}}}}, homes: {{svc: {home}}}}}"
        ))
        .unwrap();
        let Planned::Change(change) = decide(gone.manage(), &facts).unwrap() else {
            panic!("it does not go");
        };
        let Step::Run(run) = &change.steps[0] else {
            panic!("no command takes it away");
        };
        (run.argv.join(" "), change.detail)
    };
    let roots = "{folder: {place: /var/lib/svc, uid: 0}}";
    let (command, detail) = planned(roots, &gone[0].resource);
    assert_eq!(command, "userdel -- svc");
    assert!(
        detail.contains("/var/lib/svc, the home of svc, belongs to another account"),
        "{detail}"
    );
    let own = "{folder: {place: /var/lib/svc, uid: 1500}}";
    assert_eq!(planned(own, &gone[0].resource).0, "userdel --remove -- svc");
}

#[test]
fn what_is_declared_in_another_way_or_lies_above_it_does_not_go() {
    let host = remembered(&daemon());
    let scope = Scope {
        purge: true,
        ..of_roles()
    };
    let line = Line::new(path("/var/lib/svc/x"), Content::plain("x"));
    let download = serde_json::json!({ "url": "https://a.test/x", "path": "/etc/svc.conf", "sha256": "0".repeat(64) });
    let declared = [
        Declared::new("other", Resource::Line(line)),
        Declared::new(
            "other",
            Resource::Download(serde_json::from_value(download).unwrap()),
        ),
    ];
    let leaving = memory(&declared, scope).leaving(&host);
    assert_eq!(names(&leaving), ["service svc", "packages svc"]);
}

#[test]
fn what_a_role_declares_to_be_gone_is_no_remnant() {
    let host = remembered(&daemon());
    let mut packages = Packages::new([package("svc"), package("tool"), package("new")]);
    packages.state = State::Absent;
    let mut gone = File::new(path("/etc/svc.conf"), Content::plain("x"));
    gone.state = State::Absent;
    let declared = [
        Declared::new("svc", Resource::Packages(packages)),
        Declared::new("svc", Resource::File(gone)),
    ];
    let mut memory = memory(&declared, of_roles());
    memory.takes = Trace::taken(&declared);
    let leaving = memory.leaving(&host);
    assert_eq!(names(&leaving), ["service svc"]);
    assert_eq!(kept(&memory, &leaving), ["directory /var/lib/svc"]);
}

#[test]
fn a_package_that_others_need_stays() {
    let (host, memory) = (remembered(&daemon()), memory(&[], of_roles()));
    let mut leaving = memory.leaving(&host);
    let mut facts = Facts::default();
    let fact = |names: &[&str]| AptFact {
        remove: names.iter().map(|name| (*name).to_owned()).collect(),
        ..AptFact::default()
    };
    facts.apt.insert("remove svc".to_owned(), fact(&["svc"]));
    leaving.keep_what_others_need(&facts);
    assert!(names(&leaving).contains(&"packages svc".to_owned()));
    facts
        .apt
        .insert("remove svc".to_owned(), fact(&["svc", "mine"]));
    leaving.keep_what_others_need(&facts);
    assert!(!names(&leaving).contains(&"packages svc".to_owned()));
    let kept = kept(&memory, &leaving);
    assert!(
        kept.contains(&"packages svc (others need it)".to_owned()),
        "{kept:?}"
    );
}

#[test]
fn a_role_that_other_hosts_rely_on_does_not_leave() {
    let host = remembered(&daemon());
    let relied = |role| {
        let mut memory = memory(&[], of_roles());
        let hosts = BTreeSet::from(["mail".to_owned(), "www".to_owned()]);
        let reliance = Reliance {
            hosts,
            does: "resolves names for",
            variable: "dns_resolvers",
        };
        memory.relied = BTreeMap::from([(role, reliance)]);
        memory.held(&memory.leaving(&host))
    };
    let (cause, hint) = relied("svc").unwrap();
    assert_eq!(
        cause,
        "the role svc would leave this host, which still resolves names for mail, www"
    );
    assert!(
        hint.starts_with("name another host in `dns_resolvers` first"),
        "{hint}"
    );
    // It has not left, or nobody has anything of what has.
    assert_eq!(relied("other"), None);
    assert_eq!(relied("dns"), None);
}

#[test]
fn nothing_is_left_over_while_it_is_not_known_what_is_declared() {
    let mut memory = memory(&[], of_roles());
    memory.declared = None;
    let leaving = memory.leaving(&remembered(&daemon()));
    assert_eq!(leaving, Leaving::default());
}

#[test]
fn what_is_forgotten_stays_and_is_not_spoken_of_again() {
    let host = remembered(&daemon());
    let scope = Scope {
        forget: BTreeSet::from(["svc".to_owned(), "other".to_owned()]),
        ..of_roles()
    };
    let memory = memory(&[], scope);
    let leaving = memory.leaving(&host);
    assert!(leaving.is_empty());
    assert!(memory.told(&leaving).iter().all(|left| left.forgotten));
    assert_eq!(memory.after(&host, &leaving), Remembered::default());
}

#[test]
fn a_service_that_was_there_before_is_left_as_it_was_found() {
    let declared = daemon();
    let service = ServiceName::new("svc").unwrap();
    let left = |running, enabled, remembered: &Remembered| {
        let mut facts = Facts::default();
        let fact = ServiceFact {
            known: true,
            running,
            enabled,
            ..ServiceFact::default()
        };
        facts.services.insert(service.clone(), fact);
        let before = memory(&declared, of_roles()).before(remembered, &facts);
        let leaving = memory(&[], of_roles()).leaving(&before);
        let (gone, _) = leaving.declared(&BTreeSet::new(), &[]);
        gone.into_iter().find_map(|one| {
            if let Resource::Service(service) = one.resource {
                Some((service.running, service.enabled))
            } else {
                None
            }
        })
    };
    let nothing = Remembered::default();
    let mut host = nothing.clone();
    assert_eq!(left(true, true, &nothing), None);
    assert_eq!(left(false, true, &nothing), Some((false, true)));
    assert_eq!(left(true, false, &nothing), Some((true, false)));
    // What prov has started runs by now, and is still prov's to stop.
    let started = remembered(&declared);
    assert_eq!(left(true, true, &started), Some((false, false)));
    // Somebody stops what ran before, and prov starts it again: it is still as it was found, and then forgotten.
    let mut facts = Facts::default();
    for running in [true, false] {
        let fact = ServiceFact {
            known: true,
            running,
            enabled: true,
            ..ServiceFact::default()
        };
        facts.services.insert(service.clone(), fact);
        let found = memory(&declared, of_roles()).before(&host, &facts);
        host = Remembered::read(&found.text());
    }
    let gone = memory(&[], of_roles());
    let leaving = gone.leaving(&host);
    assert_eq!(kept(&gone, &leaving)[0], "service svc (ran before)");
    let after = gone.after(&host, &leaving);
    assert!(!after.text().contains("\"service\""), "{}", after.text());
}

#[test]
fn a_domain_goes_by_a_command_of_its_own_unless_it_has_only_left_this_host() {
    let removal = [Declared::new(
        "r",
        Resource::File(File::gone(path("/etc/site"))),
    )];
    let mut data = Directory::new(path("/srv/site"));
    data.state = tasks::resource::State::Absent;
    let purge = [
        removal[0].clone(),
        Declared::new("r", Resource::Directory(data)),
    ];
    let host = |domain: &str| {
        let mut memory = memory(&[], Scope::default());
        memory.brings = Trace::of_domain(domain, &removal, &purge);
        memory.before(&Remembered::default(), &Facts::default())
    };
    // It is no longer in the estate: apply says so.
    let (gone, roles) = (host("gone.test"), memory(&[], of_roles()));
    let leaving = roles.leaving(&gone);
    assert!(leaving.is_empty() && roles.told(&leaving)[0].elsewhere);
    let scope = Scope {
        domains: BTreeSet::from(["gone.test".to_owned()]),
        ..Scope::default()
    };
    assert_eq!(
        names(&memory(&[], scope).leaving(&gone)),
        ["file /etc/site"]
    );
    // It is there, and has nothing on this host any more.
    let here = host("here.test");
    assert_eq!(names(&roles.leaving(&here)), ["file /etc/site"]);
    // It has something else here: that is for `prov domain`.
    let mut still = memory(&[], of_roles());
    let other = [Declared::new(
        "r",
        Resource::File(File::gone(path("/etc/other"))),
    )];
    still.declared = Some(Trace::of_domain("here.test", &other, &other));
    assert!(still.leaving(&here).is_empty());
    assert!(still.told(&still.leaving(&here)).is_empty());
}

#[test]
fn a_trace_holds_no_secret() {
    let secret = || Content::secret(Secret::new("hunter2"));
    let line = Line::new(path("/etc/a"), secret());
    let account = serde_json::json!({ "account": "wp@localhost", "password": "hunter2", "grants": { "wp": ["ALL"] } });
    let account: MariaDbUser = serde_json::from_value(account).unwrap();
    let declared = [
        Declared::new("r", Resource::Line(line.clone())),
        Declared::new(
            "r",
            Resource::Line(line.replacing("^x".to_owned().try_into().unwrap())),
        ),
        Declared::new("r", Resource::Block(Block::new(path("/etc/b"), secret()))),
        Declared::new("r", Resource::File(File::new(path("/etc/c"), secret()))),
        Declared::new("r", Resource::MariaDbUser(account)),
    ];
    let memory = memory(&declared, of_roles());
    let text = memory
        .before(&Remembered::default(), &Facts::default())
        .text();
    assert!(
        !text.contains("hunter2") && !text.contains("secret"),
        "{text}"
    );
    // A line of which nothing but the secret is known is not remembered.
    assert_eq!(text.lines().count(), 4, "{text}");
}

#[test]
fn lines_of_a_later_form_are_kept() {
    let text = "{\"role\":\"r\",\"gone\":{\"quantum\":{}}}\n";
    assert_eq!(Remembered::read(text).text(), text);
}

#[test]
fn what_is_asked_for_what_goes_is_asked_as_fully_as_for_what_stays() {
    let question = |read| {
        let path = path("/etc/svc.conf");
        Query::Path(PathQuestion { path, read })
    };
    let set = |read| QuerySet::from_iter([question(read)]);
    let narrow = set(Read::Attributes);
    assert_eq!(narrow.clone().as_wide_as(&set(Read::Body)), set(Read::Body));
    assert_eq!(narrow.clone().as_wide_as(&QuerySet::default()), narrow);
}

#[test]
fn what_something_else_replaces_goes_after_it() {
    let mut replaced = Declared::new("svc", file("/etc/replaced"));
    replaced.goes_last = true;
    let all = [Declared::new("svc", file("/etc/first")), replaced];
    // As it comes back from the host.
    let remembered = Remembered::read(&remembered(&all).text());
    let leaving = memory(&[], of_roles()).leaving(&remembered);
    let (first, last) = leaving.declared(&BTreeSet::new(), &[]);
    let names = |declared: &[Declared]| declared.iter().map(Declared::name).collect::<Vec<_>>();
    assert_eq!(names(&first), ["file /etc/first"]);
    assert_eq!(names(&last), ["file /etc/replaced"]);
}
