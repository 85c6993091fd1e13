//! What holds for every text, every estate and every limit pattern.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::super::{
    Estate, Layer, MAX_DEPTH, Node, Origin, Source, Sources, Value, from_node, parse,
};
use super::sample::{sample, sources};

/// Anything that could be in a file, and texts that look like YAML.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let yaml = "([ \t]{0,4}(a|b|- |\\? |\\[|\\]|\\{|\\}|:|: |,|'|\"|&a|\\*a|!t|\\||>|#|~|1|0x|-|%|---|\r?\n)){0,60}";
    prop_oneof![bytes, yaml.prop_map(String::into_bytes)]
}

fn patterns() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "([!&~,:*?()\\[\\]{}\\\\|.+^$ ]|dns|mail|-internal|all|a|é){0,20}",
    ]
}

/// Patterns of which every part matches.
fn part() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "all",
        "dns",
        "mail",
        "servers",
        "internal",
        "external",
        "dns-internal",
        "dns-external",
        "mail-internal",
        "dns-*",
        "*-internal",
        "~(dns|mail)-i",
        "~.*-e",
    ])
}

fn chosen(estate: &Estate, pattern: &str) -> Vec<String> {
    let hosts = estate.limit(pattern).unwrap_or_default();
    hosts.iter().map(|host| host.name().to_owned()).collect()
}

fn depth(node: &Node) -> usize {
    match node.value() {
        Value::Sequence(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Mapping(entries) => {
            1 + entries
                .iter()
                .map(|(_, node)| depth(node))
                .max()
                .unwrap_or(0)
        }
        Value::Null
        | Value::Bool(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::String(_)
        | Value::Filled(_)
        | Value::Either(..) => 0,
    }
}

/// Writes an estate of so many hosts, each with a file of variables.
fn estate_of(hosts: usize, groups: &[Vec<usize>]) -> Sources {
    let mut text = String::from("name: many\nhosts:\n");
    let mut sources = Sources::new("many");
    for index in 0..hosts {
        let location = if index % 3 == 0 {
            "external"
        } else {
            "internal"
        };
        let address = format!("10.{}.{}.{}", index / 65536, index / 256 % 256, index % 256);
        write!(
            text,
            "  host-{index}:\n    address: {address}\n    location: {location}\n"
        )
        .unwrap();
        sources.insert(
            format!("hosts/host-{index}.yml"),
            format!("own: {index}\nwho: host\n"),
        );
    }
    text += "groups:\n";
    for (number, members) in groups
        .iter()
        .enumerate()
        .filter(|(_, members)| !members.is_empty())
    {
        let members: Vec<String> = members
            .iter()
            .map(|index| format!("host-{index}"))
            .collect();
        writeln!(text, "  group-{number}: [{}]", members.join(", ")).unwrap();
        sources.insert(
            format!("groups/group-{number}.yml"),
            format!("who: group\ngroup: {number}\n"),
        );
    }
    text += "roles:\n  role: all\n";
    sources.insert("groups/all.yml", "who: all\nshared: true\n");
    sources.insert("estate.yml", text);
    sources
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in texts()) {
        let sources = sources(&[("estate.yml", super::sample::INVENTORY)]).with("groups/all.yml", bytes.clone());
        let whole = Estate::load(&sources, &[]);
        let as_inventory = Estate::load(&Sources::new("e").with("estate.yml", bytes.clone()), &[]);
        for mistake in whole.err().into_iter().chain(as_inventory.err()).flatten() {
            prop_assert!(mistake.place.is_some(), "{mistake}");
            prop_assert!(!mistake.message.is_empty());
        }
        if let Ok(text) = String::from_utf8(bytes) {
            let _ = Layer::command_line(&[format!("key={text}"), text.clone()]);
            if let Ok(node) = parse(&Source::new("x", text, false)) {
                prop_assert!(depth(&node) <= MAX_DEPTH + 1);
                let _ = from_node::<std::collections::BTreeMap<String, Vec<u16>>>(&node);
            }
        }
    }

    #[test]
    fn quoted_texts_come_back_as_they_were(text in "[ -~é\n]{0,40}") {
        let quoted = serde_json::to_string(&text).unwrap();
        let node = parse(&Source::new("x", quoted, false)).unwrap();
        prop_assert_eq!(from_node::<String>(&node).unwrap(), text);
    }

    #[test]
    fn numbers_come_back_as_they_were(number in any::<i64>(), float in -1.0e9_f64..1.0e9) {
        let node = parse(&Source::new("x", format!("[{number}, {float:?}]"), false)).unwrap();
        let (whole, fraction): (i64, f64) = from_node(&node).unwrap();
        prop_assert_eq!(whole, number);
        prop_assert!((fraction - float).abs() <= f64::EPSILON);
    }

    #[test]
    fn any_limit_is_answered(pattern in patterns()) {
        let estate = sample(&[]);
        match estate.limit(&pattern) {
            Ok(hosts) => prop_assert!(!hosts.is_empty()),
            Err(mistakes) => prop_assert!(!mistakes.is_empty()),
        }
    }

    #[test]
    fn the_order_of_parts_does_not_matter(
        parts in prop::collection::vec((prop::sample::select(vec!["", "!", "&"]), part()), 1..6),
        seed in any::<prop::sample::Index>(),
    ) {
        let estate = sample(&[]);
        let write = |parts: &[(&str, &str)], by: &str| {
            let parts: Vec<String> = parts.iter().map(|(effect, name)| format!("{effect}{name}")).collect();
            parts.join(by)
        };
        let mut turned = parts.clone();
        turned.rotate_left(seed.index(parts.len()));
        prop_assert_eq!(chosen(&estate, &write(&parts, ",")), chosen(&estate, &write(&turned, ":")));
    }

    #[test]
    fn limits_are_set_algebra_in_the_order_of_the_estate(a in part(), b in part()) {
        let estate = sample(&[]);
        let (left, right) = (chosen(&estate, a), chosen(&estate, b));
        let all: Vec<String> = estate.hosts().iter().map(|host| host.name().to_owned()).collect();
        let those = |test: &dyn Fn(&String) -> bool| -> Vec<String> {
            all.iter().filter(|name| test(name)).cloned().collect()
        };
        prop_assert_eq!(
            chosen(&estate, &format!("{a},{b}")),
            those(&|name| left.contains(name) || right.contains(name))
        );
        prop_assert_eq!(
            chosen(&estate, &format!("{a},&{b}")),
            those(&|name| left.contains(name) && right.contains(name))
        );
        prop_assert_eq!(
            chosen(&estate, &format!("{a},!{b}")),
            those(&|name| left.contains(name) && !right.contains(name))
        );
        prop_assert_eq!(chosen(&estate, &format!("!{b}")), those(&|name| !right.contains(name)));
    }

    #[test]
    fn valid_estates_load_and_variables_follow_precedence(
        hosts in 1_usize..40,
        groups in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..6), 0..5),
    ) {
        let groups: Vec<Vec<usize>> = groups
            .iter()
            .map(|members| {
                let members: std::collections::BTreeSet<usize> = members.iter().map(|i| i.index(hosts)).collect();
                members.into_iter().collect()
            })
            .collect();
        let estate = Estate::load(&estate_of(hosts, &groups), &["cli=1".to_owned()]).unwrap();
        prop_assert_eq!(estate.hosts().len(), hosts);
        for (index, host) in estate.hosts().iter().enumerate() {
            let vars = estate.vars(host);
            prop_assert_eq!(vars.value::<usize>("own").unwrap(), Some(index));
            prop_assert_eq!(vars.get("who").unwrap().as_str(), Some("host"));
            let last = groups.iter().rposition(|members| members.contains(&index));
            prop_assert_eq!(vars.value::<usize>("group").unwrap(), last);
            prop_assert_eq!(vars.value::<bool>("shared").unwrap(), Some(true));
            prop_assert_eq!(vars.find("cli").unwrap().0, &Origin::CommandLine);
            for (name, (origin, variable)) in vars.merged() {
                let (winner, found) = vars.find(name).unwrap();
                prop_assert_eq!(origin, winner);
                prop_assert_eq!(variable.mark().to_string(), found.mark().to_string());
            }
        }
    }
}

#[test]
fn an_estate_of_a_thousand_hosts_loads_and_is_limited() {
    let groups: Vec<Vec<usize>> = (0..20)
        .map(|group| (group..1000).step_by(20).collect())
        .collect();
    let sources = estate_of(1000, &groups);
    let variables = ["own", "who", "group", "shared"];
    let catalogue = [super::super::KnownRole {
        name: "role",
        variables: variables.map(str::to_owned).into(),
        releases: &crate::release::Release::EVERY,
        is_of_domains: false,
    }];
    let estate = Estate::load(&sources, &[]).unwrap();
    assert_eq!(estate.check(&catalogue), []);
    let limited = estate.limit("~host-.*,!group-3,&internal").unwrap();
    assert_eq!(limited.len(), 633);
}

#[test]
fn hostile_inventories_are_refused_in_reasonable_time() {
    // With a nearest name for each this would take minutes.
    let many = |prefix: &str| {
        (0..20_000)
            .map(|n| format!("{prefix}{n}"))
            .collect::<Vec<_>>()
    };
    let groups = format!("  g: [{}]\n", many("unknown-host-").join(", "));
    let hosts: Vec<String> = many("known-host-")
        .iter()
        .map(|name| format!("  {name}: {{}}\n"))
        .collect();
    let text = format!("name: x\nhosts:\n{}groups:\n{groups}", hosts.concat());
    let mistakes = Estate::load(&Sources::new("e").with("estate.yml", text), &[]).unwrap_err();
    assert_eq!(mistakes.len(), 60_000);
}
