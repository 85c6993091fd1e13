//! What a correct estate says once it is loaded.

use std::collections::BTreeMap;

use super::super::{Estate, Init, Layer, Node, Origin, Source, Sudo, Value, from_node, parse};
use super::sample::{INVENTORY, sample, sources};
use crate::release::Release;

fn read(text: &str) -> Node {
    parse(&Source::new("x.yml", text, false)).unwrap()
}

fn kinds(text: &str) -> Vec<&'static str> {
    let node = read(text);
    let Value::Sequence(items) = node.value() else {
        panic!("not a list: {node:?}");
    };
    let kind = |item: &Node| match item.value() {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Integer(_) => "integer",
        Value::Float(_) => "float",
        Value::String(_) => "string",
        Value::Filled(_) | Value::Either(..) => "made by a role",
        Value::Sequence(_) => "sequence",
        Value::Mapping(_) => "mapping",
    };
    items.iter().map(kind).collect()
}

#[test]
fn plain_scalars_mean_what_yaml_1_2_says() {
    assert_eq!(
        kinds("[~, null, true, False, 'true']"),
        ["null", "null", "bool", "bool", "string"]
    );
    assert_eq!(
        kinds("[0, -1, +7, 0x1F, 10.0.0.1]"),
        ["integer", "integer", "integer", "integer", "string"]
    );
    assert_eq!(kinds("[1.5, -0.5e3, .5, 1., 1e3]"), ["float"; 5]);
    assert_eq!(
        kinds("[yes, off, 0644, 007, '1', 1_000, 12:30, '-', .nan, .inf, infinity, 1e999]"),
        ["string"; 12]
    );
    assert_eq!(kinds("[[], {}]"), ["sequence", "mapping"]);
    let beyond = "9".repeat(60);
    assert_eq!(
        kinds(&format!("[{beyond}, 18446744073709551615]")),
        ["string", "integer"]
    );
}

#[test]
fn enums_and_nested_structs_are_read() {
    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Shape {
        Point,
        Circle(u8),
        Box { width: u8, height: Option<u8> },
        Pair(u8, u8),
    }
    let node = read("[point, {circle: 3}, {box: {width: 1}}, {pair: [1, 2]}]");
    let shapes: Vec<Shape> = from_node(&node).unwrap();
    let wide = Shape::Box {
        width: 1,
        height: None,
    };
    assert_eq!(
        shapes,
        [Shape::Point, Shape::Circle(3), wide, Shape::Pair(1, 2)]
    );
    let message = |text| from_node::<Shape>(&read(text)).unwrap_err().to_string();
    assert_eq!(message("circel"), "x.yml:1:1: unknown value 'circel'");
    assert_eq!(message("{circel: 1}"), "x.yml:1:2: unknown value 'circel'");
    assert_eq!(
        message("{circle: -1}"),
        "x.yml:1:10: expected a number from 0 to 255, found number -1"
    );
    assert_eq!(message("{box: {}}"), "x.yml:1:7: missing field 'width'");
    assert_eq!(
        message("{a: 1, b: 2}"),
        "x.yml:1:1: expected a mapping with one entry, found a mapping"
    );
    assert_eq!(message("5"), "x.yml:1:1: expected a string, found number 5");
}

#[test]
fn nothing_that_can_be_printed_shows_a_value() {
    let estate = sample(&[
        ("groups/all.yml", "password: hunter2\n"),
        ("estate.private.yml", "connection: {password: hunter2}\n"),
    ]);
    let host = &estate.hosts()[0];
    assert!(!format!("{estate:?} {host:?} {:?}", estate.vars(host)).contains("hunter2"));
    assert_eq!(
        host.connection().password.as_ref().unwrap().expose(),
        "hunter2"
    );
}

#[test]
fn hosts_know_their_groups_services_and_roles() {
    let estate = sample(&[]);
    let host = estate.host("dns-internal").unwrap();
    assert_eq!(host.groups(), ["internal", "servers"]);
    assert_eq!(host.services(), ["dns"]);
    assert_eq!(host.roles(), ["mta", "dns"]);
    assert_eq!(host.release(), Release::Trixie);
    assert_eq!(
        estate.host("dns-external").unwrap().release(),
        Release::Bookworm
    );
    assert_eq!(estate.host("dns-external").unwrap().roles(), ["mta", "dns"]);
    assert_eq!(estate.host("mail-internal").unwrap().roles(), ["mta"]);
    assert!(estate.host("dns").is_none());
}

#[test]
fn names_stand_for_their_members() {
    let estate = sample(&[]);
    let members = |name: &str| {
        let members = estate.members(name)?;
        Some(members.iter().map(|host| host.name()).collect::<Vec<_>>())
    };
    assert_eq!(members("all").unwrap().len(), 3);
    assert_eq!(members("dns").unwrap(), ["dns-internal", "dns-external"]);
    assert_eq!(
        members("internal").unwrap(),
        ["dns-internal", "mail-internal"]
    );
    assert_eq!(members("mail-internal").unwrap(), ["mail-internal"]);
    assert_eq!(members("nobody"), None);
    assert_eq!(estate.hosts_with_role("dns").len(), 2);
    assert_eq!(
        estate.groups().collect::<Vec<_>>(),
        ["internal", "external", "servers"]
    );
}

#[test]
fn connections_take_what_they_leave_open_from_the_estate() {
    let inventory = INVENTORY.replace(
        "location: internal}\n  dns-ex",
        "location: internal, connection: {user: root, sudo: false}}\n  dns-ex",
    );
    let private =
        "connection: {password: a}\nhosts:\n  dns-internal: {connection: {password: b, port: 1}}\n";
    let files = [
        ("estate.yml", inventory.as_str()),
        ("estate.private.yml", private),
    ];
    let estate = Estate::load(&sources(&files), &[]).unwrap();
    let own = estate.host("dns-internal").unwrap().connection();
    assert_eq!(
        (own.user.as_deref(), own.port, own.sudo),
        (Some("root"), Some(1), Sudo::No)
    );
    assert_eq!(own.password.as_ref().unwrap().expose(), "b");
    let other = estate.host("dns-external").unwrap().connection();
    assert_eq!(
        (other.user.as_deref(), other.port),
        (Some("admin"), Some(2222))
    );
    assert_eq!(other.password.as_ref().unwrap().expose(), "a");
}

#[test]
fn each_level_of_precedence_wins_over_those_below() {
    let levels = [
        ("groups/all.yml", "all"),
        ("groups/all.private.yml", "all, private"),
        ("groups/internal.yml", "location"),
        ("groups/internal.private.yml", "location, private"),
        ("groups/servers.yml", "group"),
        ("groups/servers.private.yml", "group, private"),
        ("hosts/dns-internal.yml", "host"),
        ("hosts/dns-internal.private.yml", "host, private"),
    ];
    for count in 1..=levels.len() {
        let texts: Vec<(&str, String)> = levels[..count]
            .iter()
            .map(|(path, level)| (*path, format!("who: {level}\n")))
            .collect();
        let files: Vec<(&str, &str)> = texts
            .iter()
            .map(|(path, text)| (*path, text.as_str()))
            .collect();
        let estate = sample(&files);
        let vars = estate.vars(estate.host("dns-internal").unwrap());
        assert_eq!(vars.get("who").unwrap().as_str(), Some(levels[count - 1].1));
    }
}

#[test]
fn domains_win_over_hosts_and_the_command_line_over_all() {
    let files = sources(&[
        ("estate.yml", INVENTORY),
        ("hosts/dns-internal.yml", "a: host\nb: host\nc: host\n"),
    ]);
    let estate = Estate::load(&files, &["a=cli".to_owned(), "list=[x, y]".to_owned()]).unwrap();
    let mut domain = Layer::new(Origin::Domain("home.com".to_owned()));
    domain.add(&read("a: domain\nb: domain\n")).unwrap();
    let vars = estate
        .vars(estate.host("dns-internal").unwrap())
        .with_domain(&domain);
    let who = |name: &str| vars.get(name).unwrap().as_str().unwrap();
    assert_eq!((who("a"), who("b"), who("c")), ("cli", "domain", "host"));
    assert_eq!(
        vars.value::<Vec<String>>("list").unwrap().unwrap(),
        ["x", "y"]
    );
    assert_eq!(vars.value::<u8>("unset").unwrap(), None);
}

#[test]
fn roles_read_the_variables_they_have_fields_for() {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Role {
        home_domain: String,
        #[serde(default = "twelve")]
        stride: u8,
        credentials: BTreeMap<String, crate::Secret>,
    }
    fn twelve() -> u8 {
        12
    }
    #[derive(serde::Deserialize)]
    struct Nothing;
    let estate = sample(&[(
        "groups/all.yml",
        "home_domain: home.com\ncredentials: {a: x}\nother: 1\n",
    )]);
    let vars = estate.vars(&estate.hosts()[0]);
    let role: Role = vars.typed("role").unwrap();
    assert_eq!((role.home_domain.as_str(), role.stride), ("home.com", 12));
    assert_eq!(role.credentials["a"].expose(), "x");
    assert!(vars.typed::<Nothing>("nothing").is_ok());
}

#[test]
fn templates_and_hidden_files_are_left_alone() {
    sample(&[
        ("templates/mta/a.conf", "{{ x"),
        (".gitignore", "!"),
        ("hosts/.web.yml.swp", "\0"),
        ("README.md", "# x"),
    ]);
}

#[test]
fn containers_have_the_supervisor_that_runs_everywhere_unless_systemd_is_asked_for() {
    let with = |more: &str| {
        let text = INVENTORY.replace("10.0.0.0/24}", &format!("10.0.0.0/24{more}}}"));
        Estate::load(&sources(&[("estate.yml", &text)]), &[])
    };
    assert_eq!(with("").unwrap().init(), Init::Runit);
    assert_eq!(with(", init: runit").unwrap().init(), Init::Runit);
    assert_eq!(with(", init: systemd").unwrap().init(), Init::Systemd);
    for init in [Init::Runit, Init::Systemd] {
        assert_eq!(Init::parse(init.as_str()), Some(init));
    }
}

#[test]
fn stand_ins_have_the_addresses_that_the_containers_section_gives_them() {
    let text = INVENTORY.replace(
        "10.0.0.0/24}",
        "10.0.0.0/24, stand_ins: {linode: 10.0.0.201}}",
    );
    let estate = Estate::load(&sources(&[("estate.yml", &text)]), &[]).unwrap();
    let found: Vec<_> = estate
        .stand_ins()
        .iter()
        .map(|stand_in| (stand_in.name(), stand_in.address().to_string()))
        .collect();
    assert_eq!(found, [("linode", "10.0.0.201".to_owned())]);
    assert!(estate.host("linode").is_none());
    assert!(sample(&[]).stand_ins().is_empty());
}
