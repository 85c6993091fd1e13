//! Undoing runs: what comes back, what stays, and what is refused.

use super::*;
use crate::history::read;
use crate::plan::{Phase, Planned, plan_one};
use crate::probe::{Attributes, FileFact};
use crate::step::Step;
use crate::value::Mode;

fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap()
}

fn facts(text: &str) -> Facts {
    let root = Attributes::new("root", "root", Mode::new(0o644));
    let mut facts = Facts::default();
    let mut file = FileFact::of(root, text.as_bytes());
    file.body = Some(text.as_bytes().to_vec().into());
    facts.paths.insert(path("/etc/own"), PathFact::File(file));
    facts
}

fn writes(number: usize, before: &str, after: &str) -> Record {
    let file = File::new(path("/etc/own"), Content::plain(after));
    let declared = Declared::new("r", Resource::File(file));
    let facts = facts(before);
    let item = plan_one(&declared, 0, &facts, Phase::Completion).unwrap();
    let Planned::Change(change) = &item.outcome else {
        panic!("{item:?}");
    };
    Record::of(number, &item, &declared, change, &facts, &[])
}

fn kept(texts: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let digest = |text: &str| Content::plain(text).sha256();
    let texts = texts.iter();
    texts
        .map(|text| (digest(text), text.as_bytes().to_vec()))
        .collect()
}

#[test]
fn what_two_changes_did_to_one_file_goes_back_to_what_was_there_first() {
    let records = [writes(1, "a\n", "b\n"), writes(2, "b\n", "c\n")];
    let kept = kept(&["a\n", "b\n", "c\n"]);
    assert_eq!(needed(&records), kept.keys().cloned().collect());
    let undoing = undo("20260101-000000-abcd", &records, &[], &kept, false);
    let [declared] = undoing.declared.as_slice() else {
        panic!("{undoing:?}");
    };
    let planned = plan_one(declared, 0, &facts("c\n"), Phase::Completion).unwrap();
    let Planned::Change(change) = planned.outcome else {
        panic!("{planned:?}");
    };
    assert_eq!(change.steps[0].content().unwrap().expose(), "a\n");
    let done = plan_one(declared, 0, &facts("a\n"), Phase::Completion).unwrap();
    assert_eq!(done.outcome, Planned::Unchanged);
}

#[test]
fn what_somebody_has_changed_since_is_refused_with_the_difference() {
    let records = [writes(1, "a\n", "b\n")];
    let undoing = undo(
        "20260101-000000-abcd",
        &records,
        &[],
        &kept(&["a\n", "b\n"]),
        false,
    );
    let planned = plan_one(
        &undoing.declared[0],
        0,
        &facts("b\nmine\n"),
        Phase::Completion,
    );
    let Planned::Refused { cause, diff, .. } = planned.unwrap().outcome else {
        panic!("it is not refused");
    };
    assert!(cause.contains("/etc/own is not as run"), "{cause}");
    assert!(diff.to_string().contains("+mine"), "{diff}");
}

/// Two files of one change, of which somebody has changed one since.
#[test]
fn what_was_written_together_is_undone_together() {
    let mut record = writes(1, "a\n", "b\n");
    let Altered::Path(mut at) = record.altered[0].clone() else {
        panic!("{record:?}");
    };
    at.path = path("/etc/other");
    record.altered.push(Altered::Path(at));
    let records = [record];
    let undoing = undo("r", &records, &[], &kept(&["a\n", "b\n"]), false);
    let planned = |own: &str, other: &str| {
        let mut facts = facts(own);
        let fact = self::facts(other).paths.remove(&path("/etc/own")).unwrap();
        facts.paths.insert(path("/etc/other"), fact);
        let each = undoing.declared.iter();
        let each = each.map(|one| plan_one(one, 0, &facts, Phase::Completion).unwrap());
        each.map(|item| match item.outcome {
            Planned::Change(_) => "undone".to_owned(),
            Planned::Unchanged => "as before".to_owned(),
            Planned::Refused { cause, .. } => cause,
            Planned::Unknown(_) | Planned::Deferred(_) | Planned::Impossible { .. } => {
                panic!("it is neither undone nor refused")
            }
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(planned("b\n", "b\n"), ["undone", "undone"]);
    // Once the first is undone, the second still may be.
    assert_eq!(planned("b\n", "a\n"), ["as before", "undone"]);
    let changed = "/etc/own is not as run r left it: it was changed since";
    assert_eq!(planned("mine\n", "b\n"), [changed, changed]);
    assert_eq!(planned("mine\n", "a\n"), ["as before", changed]);
}

#[test]
fn a_later_run_that_has_left_it_so_is_named() {
    let records = [writes(1, "a\n", "b\n")];
    let later = [("later".to_owned(), vec![writes(1, "b\n", "c\n")])];
    let undoing = undo("r", &records, &later, &kept(&["a\n", "b\n"]), false);
    let said = |text: &str| {
        let planned = plan_one(&undoing.declared[0], 0, &facts(text), Phase::Completion);
        let Planned::Refused { cause, hint, .. } = planned.unwrap().outcome else {
            panic!("it is not refused");
        };
        (cause, hint)
    };
    let (cause, hint) = said("c\n");
    assert_eq!(
        cause,
        "/etc/own is not as run r left it: run later changed it since"
    );
    assert!(hint.contains("`prov undo later`"), "{hint}");
    let (cause, _) = said("mine\n");
    assert!(cause.ends_with(": it was changed since"), "{cause}");
}

#[test]
fn a_later_run_of_which_no_digest_is_known_is_not_named() {
    let records = [writes(1, "a\n", "b\n")];
    let mut later = writes(1, "b\n", "c\n");
    for altered in &mut later.altered {
        if let Altered::Path(at) = altered
            && let Was::File { sha256, .. } = &mut at.after
        {
            *sha256 = None;
        }
    }
    let later = [("later".to_owned(), vec![later])];
    let undoing = undo("r", &records, &later, &kept(&["a\n", "b\n"]), false);
    let item = plan_one(&undoing.declared[0], 0, &facts("mine\n"), Phase::Completion);
    let Planned::Refused { cause, .. } = item.unwrap().outcome else {
        panic!("it is not refused");
    };
    assert!(cause.ends_with(": it was changed since"), "{cause}");
}

/// The run wrote a file together with another one, which a later change of the same run has changed again.
#[test]
fn what_the_run_itself_changed_again_is_no_change_since() {
    let mut first = writes(1, "a\n", "b\n");
    let Altered::Path(mut at) = first.altered[0].clone() else {
        panic!("{first:?}");
    };
    at.path = path("/etc/other");
    first.altered.push(Altered::Path(at));
    let records = [first, writes(2, "b\n", "c\n")];
    let undoing = undo("r", &records, &[], &kept(&["a\n", "b\n", "c\n"]), false);
    let mut now = facts("c\n");
    let other = facts("b\n").paths.remove(&path("/etc/own")).unwrap();
    now.paths.insert(path("/etc/other"), other);
    let names: Vec<_> = undoing.declared.iter().map(Declared::name).collect();
    assert_eq!(names, ["file /etc/other", "file /etc/own"]);
    for declared in &undoing.declared {
        let item = plan_one(declared, 0, &now, Phase::Completion).unwrap();
        assert!(matches!(item.outcome, Planned::Change(_)), "{item:?}");
    }
    // Cut short, the run has left what was there on the way.
    let cut = facts("b\n");
    let item = plan_one(
        &undoing.declared[1],
        0,
        &{
            let mut cut = cut;
            cut.paths
                .insert(path("/etc/other"), now.paths[&path("/etc/other")].clone());
            cut
        },
        Phase::Completion,
    );
    assert!(matches!(item.unwrap().outcome, Planned::Change(_)));
}

#[test]
fn packages_are_held_as_they_were() {
    let name = PackageName::new("nginx").unwrap();
    let mut record = writes(1, "a\n", "b\n");
    let of = |record: &Record, with_packages| {
        let records = std::slice::from_ref(record);
        let undoing = undo("r", records, &[], &BTreeMap::new(), with_packages);
        serde_json::to_value(
            undoing
                .declared
                .iter()
                .map(|it| &it.resource)
                .collect::<Vec<_>>(),
        )
        .unwrap()
    };
    let held = Altered::Held([(name.clone(), false)].into());
    record.altered = vec![Altered::Installed([name.clone()].into()), held.clone()];
    let item = |value: &serde_json::Value| {
        (
            value[0]["packages"]["state"].clone(),
            value[0]["packages"]["names"][0]["hold"].clone(),
            value.as_array().unwrap().len(),
        )
    };
    assert_eq!(
        item(&of(&record, false)),
        ("present".into(), false.into(), 1)
    );
    assert_eq!(item(&of(&record, true)), ("absent".into(), false.into(), 1));
    // What was held and was removed is held again once it is there.
    let held = Altered::Held([(name.clone(), true)].into());
    record.altered = vec![Altered::Removed([name].into()), held];
    assert_eq!(of(&record, false), serde_json::json!([]));
    assert_eq!(item(&of(&record, true)), ("present".into(), true.into(), 1));
}

/// Adds the account to a group and gives it another shell.
fn amends() -> (Record, String) {
    let facts = account_facts("/bin/bash", "[\"users\"]");
    let user: Resource = serde_json::from_str(
        r#"{"user": {"name": "eve", "groups": ["adm"], "shell": "/bin/zsh", "password_hash": "$y$new"}}"#,
    )
    .unwrap();
    let declared = Declared::new("r", user);
    let item = plan_one(&declared, 0, &facts, Phase::Completion).unwrap();
    let Planned::Change(change) = &item.outcome else {
        panic!("{item:?}");
    };
    let record = Record::of(1, &item, &declared, change, &facts, &[]);
    let text = serde_json::to_string(&record).unwrap();
    (record, text)
}

fn account_facts(shell: &str, groups: &str) -> Facts {
    let users = format!(
        r#"{{"eve": {{"uid": 1000, "group": "eve", "comment": "Eve", "home": "/home/eve", "shell": "{shell}", "groups": {groups}, "password": "$y$old"}}}}"#
    );
    let group = r#"{"eve": {"gid": 1000}, "adm": {"gid": 4}, "users": {"gid": 100}}"#;
    packages(&format!(r#"{{"users": {users}, "groups": {group}}}"#))
}

#[test]
fn an_account_that_somebody_has_changed_since_is_refused_with_the_difference() {
    let (record, text) = amends();
    assert!(
        text.contains("\"account\"") && !text.contains("$y$"),
        "{text}"
    );
    let undoing = undo("r", &[record], &[], &BTreeMap::new(), false);
    let [declared] = undoing.declared.as_slice() else {
        panic!("{undoing:?}");
    };
    let planned = |facts: &Facts| {
        let item = plan_one(declared, 0, facts, Phase::Completion).unwrap();
        match item.outcome {
            Planned::Change(_) => String::new(),
            Planned::Refused { cause, diff, .. } => format!("{cause}\n{diff}"),
            other @ (Planned::Unchanged
            | Planned::Unknown(_)
            | Planned::Deferred(_)
            | Planned::Impossible { .. }) => panic!("{other:?}"),
        }
    };
    let left = r#"["adm", "users"]"#;
    assert_eq!(planned(&account_facts("/bin/zsh", left)), "");
    // A run that was cut short, or whose undoing was, has left a field as it was.
    assert_eq!(planned(&account_facts("/bin/bash", left)), "");
    let regrouped = planned(&account_facts("/bin/zsh", r#"["adm", "sudo", "users"]"#));
    assert!(
        regrouped.starts_with("the account eve is not as run r left it: it was changed since"),
        "{regrouped}"
    );
    assert!(regrouped.contains("+groups: adm,sudo,users"), "{regrouped}");
    let other = planned(&account_facts("/bin/fish", left));
    assert!(
        other.contains("-shell: /bin/zsh\n+shell: /bin/fish"),
        "{other}"
    );
    // What the run did not change is nobody's business.
    let mut renamed = account_facts("/bin/zsh", left);
    let account = renamed.users.values_mut().flatten().next().unwrap();
    "Eve Smith".clone_into(&mut account.comment);
    assert_eq!(planned(&renamed), "");
    let mut gone = account_facts("/bin/zsh", left);
    gone.users.values_mut().for_each(|fact| *fact = None);
    assert!(planned(&gone).contains("no such account any more"));
}

fn packages(facts: &str) -> Facts {
    serde_json::from_str(facts).unwrap()
}

/// Gives the commands of undoing what a change altered.
fn commands(altered: Vec<Altered>, with_packages: bool, facts: &Facts) -> Vec<String> {
    let mut record = writes(1, "a\n", "b\n");
    record.altered = altered;
    let undoing = undo("r", &[record], &[], &BTreeMap::new(), with_packages);
    let planned = undoing.declared.iter().map(|declared| {
        let item = plan_one(declared, 0, facts, Phase::Completion).unwrap();
        match item.outcome {
            Planned::Change(change) => {
                let runs = change.steps.iter().map(|step| {
                    let Step::Run(run) = step else {
                        panic!("{step:?}");
                    };
                    run.argv.join(" ")
                });
                runs.collect()
            }
            Planned::Unchanged => Vec::new(),
            other @ (Planned::Unknown(_)
            | Planned::Deferred(_)
            | Planned::Refused { .. }
            | Planned::Impossible { .. }) => panic!("{other:?}"),
        }
    });
    planned.collect::<Vec<Vec<String>>>().concat()
}

#[test]
fn a_hold_is_taken_back_only_of_what_is_installed() {
    let name = PackageName::new("nginx").unwrap();
    let held = || vec![Altered::Held([(name.clone(), false)].into())];
    let facts = |fact: &str| {
        packages(&format!(
            r#"{{"packages": {{"nginx": {fact}}}, "held": {{"nginx": true}}}}"#
        ))
    };
    let installed = facts(r#"{"automatic": "1"}"#);
    assert_eq!(
        commands(held(), false, &installed),
        ["apt-mark -qq unhold -- nginx"]
    );
    for gone in [r#""absent""#, r#""residue""#, r#""broken""#] {
        assert_eq!(commands(held(), false, &facts(gone)), [""; 0]);
    }
}

#[test]
fn what_was_held_in_the_place_of_another_package_is_let_go_first() {
    let (new, old) = ("postfix", "exim4-daemon-light");
    let name = |text: &str| PackageName::new(text).unwrap();
    let altered = vec![
        Altered::Installed([name(new)].into()),
        Altered::Removed([name(old)].into()),
        Altered::Held([(name(new), false)].into()),
    ];
    let facts = packages(
        r#"{"packages": {"postfix": {"installed": "3"}, "exim4-daemon-light": "residue"},
            "apt_lists": {"age": 10}, "package_names": {"exim4-daemon-light": {"real": true}}, "held": {"postfix": true}}"#,
    );
    let commands = commands(altered, true, &facts);
    assert_eq!(commands[0], "apt-mark -qq unhold -- postfix");
    let last = commands.last().unwrap();
    assert!(
        last.ends_with("-- exim4-daemon-light postfix-"),
        "{commands:?}"
    );
}

/// Undoing both lets it go before it is removed, though both are of one package.
#[test]
fn what_was_held_by_a_later_change_is_let_go_before_it_is_removed() {
    let name = PackageName::new("nginx").unwrap();
    let mut records = [writes(1, "a\n", "b\n"), writes(2, "a\n", "b\n")];
    records[0].altered = vec![Altered::Installed([name.clone()].into())];
    records[1].altered = vec![Altered::Held([(name, false)].into())];
    let undoing = undo("r", &records, &[], &BTreeMap::new(), true);
    let names: Vec<_> = undoing.declared.iter().map(Declared::name).collect();
    assert_eq!(names, ["packages nginx (hold)", "packages nginx"]);
    let removal = serde_json::to_value(&undoing.declared[1].resource).unwrap();
    assert_eq!(removal["packages"]["names"][0]["hold"], false);
}

#[test]
fn what_was_not_kept_stays_and_a_line_cut_short_is_no_record() {
    let record = writes(1, "a\n", "b\n");
    let undoing = undo(
        "r",
        std::slice::from_ref(&record),
        &[],
        &BTreeMap::new(),
        false,
    );
    assert!(undoing.declared.is_empty() && undoing.stays.len() == 1);
    let line = serde_json::to_string(&record).unwrap();
    let text = format!("{line}\n{{\"done\":1}}\n{}", &line[..line.len() / 2]);
    let changes = read(&text);
    assert_eq!(changes.records, [record]);
    assert!(changes.done.contains(&1) && !changes.put_back);
}
