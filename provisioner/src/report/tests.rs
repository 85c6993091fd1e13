//! What people read, held fast.

use std::time::Duration;

use tasks::plan::{Action, Reason};
use tasks::{Diagnostic, Place};

use super::problem::{Problem, exit};
use super::text::{self, Detail, Tense};
use crate::engine::{ChangeOutcome, Failure, HostOutcome, RunOutcome, Waiting};

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn outcome() -> RunOutcome {
    let mut changed = HostOutcome::new("dns-internal");
    changed.changes.push(ChangeOutcome {
        resource: "packages".into(),
        id: "bacula-fd dnsmasq".into(),
        role: "dns".into(),
        action: Action::Create,
        reason: "not installed".into(),
        reasons: vec![Reason::NotInstalled],
        guarded: None,
        paths: Vec::new(),
        detail: "dnsmasq".into(),
        diff: String::new(),
    });
    changed.changes.push(ChangeOutcome {
        resource: "line".into(),
        id: "/etc/aliases '^root:'".into(),
        role: "mta".into(),
        action: Action::Update,
        reason: "content differs".into(),
        reasons: vec![Reason::ContentDiffers],
        guarded: None,
        paths: Vec::new(),
        detail: String::new(),
        diff: "@@ -1 +1 @@\n-root: postmaster\n+root: user1fname\n".into(),
    });
    changed.deferred.push(Waiting {
        resource: "service".into(),
        id: "dnsmasq".into(),
        reason: "no service manager runs here".into(),
        code: "no_service_manager",
    });
    changed.handlers.push("restart dnsmasq".into());
    let mut failed = HostOutcome::new("dns-external");
    failed.failed = Some(
        Failure::new("the step failed with exit code 1", "free space on the host")
            .of("file /etc/x")
            .output("base64: write error: No space left on device\u{1b}[2J\n"),
    );
    RunOutcome {
        hosts: vec![changed, HostOutcome::new("caldav"), failed],
        elapsed: Duration::from_millis(420),
        shown: false,
        other_domains: Vec::new(),
        not_begun: Vec::new(),
    }
}

#[test]
fn a_preview_shows_changes_what_waits_and_why_a_host_failed() {
    insta::assert_snapshot!(plain(&text::run(&outcome(), Tense::Would, Detail::Usual)));
}

#[test]
fn a_host_of_which_only_handlers_are_left_does_not_have_no_changes() {
    let mut host = HostOutcome::new("mx");
    host.handlers.push("restart dnsmasq".into());
    let told = plain(&text::one_host(&host, Tense::Would, Detail::Usual));
    assert!(
        told.contains(" 1 handler\n") && !told.contains("0 changes"),
        "{told}"
    );
}

#[test]
fn domains_that_were_not_looked_at_are_named() {
    let mut run = outcome();
    run.other_domains = vec!["example.com".into(), "example.org".into()];
    let told = |tense| plain(&text::run(&run, tense, Detail::Usual));
    let would = "2 domains were not looked at: example.com, example.org; `prov diff --domains` looks at them, too.\n";
    assert!(
        told(Tense::Would).ends_with(would),
        "{}",
        told(Tense::Would)
    );
    let did =
        "2 domains were not set up: example.com, example.org; `prov domain --all` does that.\n";
    assert!(told(Tense::Did).ends_with(did), "{}", told(Tense::Did));
    run.other_domains.pop();
    let one = "1 domain was not looked at: example.com; `prov diff --domains` looks at it, too.\n";
    let shown = plain(&text::run(&run, Tense::Would, Detail::Usual));
    assert!(shown.ends_with(one), "{shown}");
    assert_eq!(super::json::run(&run)["other_domains"][0], "example.com");
}

#[test]
fn a_recap_follows_what_was_done() {
    insta::assert_snapshot!(plain(&text::summary(&outcome(), Tense::Did, Detail::Usual)));
}

#[test]
fn a_mistake_in_a_file_shows_the_line_and_marks_the_place() {
    let place = Place {
        file: "estate/docker/groups/all.yml".into(),
        line: 12,
        column: 3,
        text: Some("  home_domian: home.com".into()),
    };
    let mistake =
        Diagnostic::at(place, "unknown variable 'home_domian'").hint("did you mean 'home_domain'?");
    let problem = Problem::Estate(vec![mistake]);
    assert_eq!(problem.exit_code(), exit::USAGE);
    insta::assert_snapshot!(plain(&problem.text()));
}

#[test]
fn what_a_program_said_stands_on_lines_of_its_own() {
    let failure = Failure::new(
        "it did not start; its last lines:\none\n\u{1b}[2Jtwo",
        "look",
    )
    .output("three\n");
    let text = plain(&Problem::Failed(failure).text());
    assert_eq!(
        text,
        "error: it did not start; its last lines:\n  | one\n  | \\u{1b}[2Jtwo\n  | three\nhint: look\n"
    );
}

#[test]
fn nothing_that_a_host_says_can_draw_on_the_terminal() {
    let mut host = HostOutcome::new("h");
    host.changes.push(ChangeOutcome {
        resource: "symlink".into(),
        id: "/etc/link".into(),
        role: "r".into(),
        action: Action::Update,
        reason: "target differs".into(),
        reasons: vec![Reason::TargetDiffers],
        guarded: None,
        paths: Vec::new(),
        detail: "\u{1b}[2J → /etc/target".into(),
        diff: String::new(),
    });
    host.handlers.push("restart \u{1b}[2J".into());
    host.failed = Some(Failure::new("the host is locked by \u{1b}[2J", "wait"));
    let run = RunOutcome {
        hosts: vec![host],
        elapsed: Duration::ZERO,
        shown: false,
        other_domains: Vec::new(),
        not_begun: Vec::new(),
    };
    let shown = plain(&text::run(&run, Tense::Did, Detail::Usual));
    assert_eq!(shown.matches("\\u{1b}[2J").count(), 3, "{shown}");
    let problem = Problem::Failed(Failure::new("the host said \u{1b}[2J", ""));
    assert!(problem.text().contains("\\u{1b}[2J"));
}

#[test]
fn a_run_that_is_not_what_was_asked_for_is_one_object_for_programs_too() {
    let failure = Failure::new("some things are still deferred", "start the services");
    let object = super::json::failed_run(&outcome(), &failure);
    assert_eq!(object["failed"]["cause"], "some things are still deferred");
    assert!(object["hosts"].is_array() && object["summary"].is_object());
}

#[test]
fn who_wants_little_reads_what_failed_and_how_it_ended() {
    let told = plain(&text::run(&outcome(), Tense::Did, Detail::Quiet));
    assert!(
        !told.contains("dnsmasq") && !told.contains("caldav"),
        "{told}"
    );
    assert!(told.starts_with("dns-external"), "{told}");
    assert!(
        told.contains("hint: free space on the host\n3 hosts: "),
        "{told}"
    );
}
