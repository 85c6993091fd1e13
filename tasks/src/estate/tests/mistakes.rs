//! One test for each kind of mistake in the files of an estate: its place, its message, its hint.

use insta::assert_snapshot;

use super::super::{Estate, Location};
use super::sample::{INVENTORY, added, render, replaced, sources, wrong};

#[test]
fn folder_without_inventory_is_no_estate() {
    assert_snapshot!(wrong(&[]), @r#"
    e/estate.yml: this file is missing, so this is no estate
    hint: --estate names the folder of an estate
    "#);
}

#[test]
fn empty_inventory_lacks_name_and_hosts() {
    assert_snapshot!(wrong(&[("estate.yml", "")]), @r#"
    e/estate.yml:1:1: this estate has no hosts
    hint: list them: 'hosts:' and 'NAME: {address: ..., location: ...}'
    e/estate.yml:1:1: this estate has no name
    hint: begin with 'name: NAME'
    "#);
}

#[test]
fn several_mistakes_are_reported_together() {
    let text = "\
name: Sample
release: buster
hots:
  a: {}
hosts:
  web_1: {address: 10.0.0, location: inside, realease: trixie}
  web-2: {location: external, connection: {port: 70000, sudo: maybe}}
  web-3: [1]
";
    assert_snapshot!(wrong(&[("estate.yml", text)]), @r#"
    e/estate.yml:1:7: name of the estate: a name begins with one of a-z
    | name: Sample
    |       ^
    e/estate.yml:2:10: unknown value 'buster'
    | release: buster
    |          ^
    hint: known are: bookworm, trixie
    e/estate.yml:3:1: unknown section 'hots'
    | hots:
    | ^
    hint: did you mean 'hosts'?
    e/estate.yml:6:3: host 'web_1': a host name consists of a-z, 0-9 and '-', not '_'
    |   web_1: {address: 10.0.0, location: inside, realease: trixie}
    |   ^
    e/estate.yml:6:20: invalid IP address syntax: '10.0.0'
    |   web_1: {address: 10.0.0, location: inside, realease: trixie}
    |                    ^
    e/estate.yml:6:38: unknown value 'inside'
    |   web_1: {address: 10.0.0, location: inside, realease: trixie}
    |                                      ^
    hint: known are: internal, external
    e/estate.yml:6:46: unknown field 'realease'
    |   web_1: {address: 10.0.0, location: inside, realease: trixie}
    |                                              ^
    hint: did you mean 'release'?
    e/estate.yml:7:3: missing field 'address'
    |   web-2: {location: external, connection: {port: 70000, sudo: maybe}}
    |   ^
    e/estate.yml:7:50: expected a number from 1 to 65535, found number 70000
    |   web-2: {location: external, connection: {port: 70000, sudo: maybe}}
    |                                                  ^
    e/estate.yml:7:63: expected true, false or password, found string 'maybe'
    |   web-2: {location: external, connection: {port: 70000, sudo: maybe}}
    |                                                               ^
    e/estate.yml:8:10: expected a mapping, found a list
    |   web-3: [1]
    |          ^
    "#);
}

#[test]
fn duplicate_addresses_show_both_places() {
    assert_snapshot!(replaced("10.0.0.110", "10.0.0.106"), @r#"
    e/estate.yml:7:28: address 10.0.0.106 is that of host 'dns-internal' already
    |   mail-internal: {address: 10.0.0.106, location: internal}
    |                            ^
    hint: first used at e/estate.yml:5:27
    "#);
}

#[test]
fn servers_behind_one_address_have_ports_of_their_own() {
    let servers = |first: &str, second: &str| {
        let text = format!(
            "name: tiny\nhosts:\n  a: {{address: 192.0.2.7, location: internal{first}}}\n  b: {{address: 192.0.2.7, location: internal{second}}}\n"
        );
        let loaded = Estate::load(&sources(&[("estate.yml", &text)]), &[]);
        loaded.map_or_else(|mistakes| render(&mistakes), |_| String::new())
    };
    let port = |port: u16| format!(", connection: {{port: {port}}}");
    assert_eq!(servers("", &port(2222)), "");
    assert_eq!(servers(&port(2201), &port(2202)), "");
    for (first, second) in [
        (String::new(), String::new()),
        (String::new(), port(22)),
        (port(2222), port(2222)),
    ] {
        let told = servers(&first, &second);
        assert!(told.contains("is that of host 'a' already"), "{told}");
        assert!(told.contains("`port` of its own"), "{told}");
    }
}

#[test]
fn addresses_outside_of_the_containers_network_are_refused() {
    assert_snapshot!(replaced("10.0.0.110", "10.0.1.110"), @r#"
    e/estate.yml:7:28: 10.0.1.110 is not in the containers' network 10.0.0.0/24
    |   mail-internal: {address: 10.0.1.110, location: internal}
    |                            ^
    "#);
    assert_snapshot!(replaced("10.0.0.110", "10.0.0.1"), @r#"
    e/estate.yml:7:28: 10.0.0.1 is the network's gateway, the machine that runs the containers
    |   mail-internal: {address: 10.0.0.1, location: internal}
    |                            ^
    "#);
    assert_snapshot!(replaced("10.0.0.110", "10.0.0.255"), @r#"
    e/estate.yml:7:28: 10.0.0.255 is the network's broadcast address
    |   mail-internal: {address: 10.0.0.255, location: internal}
    |                            ^
    "#);
    assert_snapshot!(replaced("10.0.0.110", "10.0.0.5"), @r#"
    e/estate.yml:7:28: 10.0.0.5 is in the lowest quarter of the containers' network, 10.0.0.0/26, which is for clients
    |   mail-internal: {address: 10.0.0.5, location: internal}
    |                            ^
    "#);
    assert_snapshot!(replaced("10.0.0.110", "'fd00::1'"), @r#"
    e/estate.yml:7:28: fd00::1 is not in the containers' network 10.0.0.0/24
    |   mail-internal: {address: 'fd00::1', location: internal}
    |                            ^
    "#);
}

#[test]
fn volumes_that_hide_something_are_refused() {
    let volumes = |paths: &str| {
        let host = "mail-internal: {address: 10.0.0.110, location: internal";
        replaced(host, &format!("{host}, volumes: {paths}"))
    };
    assert_snapshot!(volumes("[/var/lib/bacula, /var/lib/bacula/a, /etc]"), @r#"
    e/estate.yml:7:87: the volumes /var/lib/bacula and /var/lib/bacula/a lie in each other
    |   mail-internal: {address: 10.0.0.110, location: internal, volumes: [/var/lib/bacula, /var/lib/bacula/a, /etc]}
    |                                                                                       ^
    hint: keep the upper one only
    e/estate.yml:7:106: /etc belongs to the system and cannot be a volume
    |   mail-internal: {address: 10.0.0.110, location: internal, volumes: [/var/lib/bacula, /var/lib/bacula/a, /etc]}
    |                                                                                                          ^
    hint: name the folder that is to survive, for instance /var/lib/bacula
    "#);
    assert_snapshot!(volumes("[/proc/a, /usr/local, /usr/local/lib/prov/services]"), @r#"
    e/estate.yml:7:70: /proc/a belongs to the system and cannot be a volume
    |   mail-internal: {address: 10.0.0.110, location: internal, volumes: [/proc/a, /usr/local, /usr/local/lib/prov/services]}
    |                                                                      ^
    hint: name the folder that is to survive, for instance /var/lib/bacula
    e/estate.yml:7:79: /usr/local would hide prov's own programs in /usr/local/lib/prov
    |   mail-internal: {address: 10.0.0.110, location: internal, volumes: [/proc/a, /usr/local, /usr/local/lib/prov/services]}
    |                                                                               ^
    hint: name the folder that is to survive, for instance /var/lib/bacula
    e/estate.yml:7:91: /usr/local/lib/prov/services would hide prov's own programs in /usr/local/lib/prov
    |   mail-internal: {address: 10.0.0.110, location: internal, volumes: [/proc/a, /usr/local, /usr/local/lib/prov/services]}
    |                                                                                           ^
    hint: name the folder that is to survive, for instance /var/lib/bacula
    e/estate.yml:7:91: the volumes /usr/local and /usr/local/lib/prov/services lie in each other
    |   mail-internal: {address: 10.0.0.110, location: internal, volumes: [/proc/a, /usr/local, /usr/local/lib/prov/services]}
    |                                                                                           ^
    hint: keep the upper one only
    "#);
    assert_snapshot!(volumes("[srv]"), @r#"
    e/estate.yml:7:70: 'srv' is not an absolute path; write it from '/'
    |   mail-internal: {address: 10.0.0.110, location: internal, volumes: [srv]}
    |                                                                      ^
    "#);
    let real = INVENTORY.replace("containers: {network: 10.0.0.0/24}\n", "");
    let real = real.replace(
        "location: external,",
        "location: external, volumes: [/srv],",
    );
    assert_snapshot!(wrong(&[("estate.yml", &real)]), @r#"
    e/estate.yml:5:68: only containers have volumes
    |   dns-external: {address: 10.0.0.105, location: external, volumes: [/srv], release: bookworm}
    |                                                                    ^
    hint: remove 'volumes', or make the hosts containers: 'containers: {network: ...}'
    "#);
}

#[test]
fn what_looks_after_daemons_is_one_of_two() {
    assert_snapshot!(replaced("10.0.0.0/24}", "10.0.0.0/24, init: systemdd}"), @r#"
    e/estate.yml:3:42: unknown value 'systemdd'
    | containers: {network: 10.0.0.0/24, init: systemdd}
    |                                          ^
    hint: did you mean 'systemd'?
    "#);
}

#[test]
fn stand_ins_have_a_known_name_and_an_address_of_their_own() {
    let with = |stand_ins: &str| {
        let section = format!("10.0.0.0/24, stand_ins: {stand_ins}}}");
        replaced("10.0.0.0/24}", &section)
    };
    assert_snapshot!(with("{linod: 10.0.0.201}"), @r#"
    e/estate.yml:3:48: there is no stand-in 'linod'
    | containers: {network: 10.0.0.0/24, stand_ins: {linod: 10.0.0.201}}
    |                                                ^
    hint: did you mean 'linode'?
    "#);
    assert_snapshot!(with("{linode: 10.0.0.110}"), @r#"
    e/estate.yml:3:56: address 10.0.0.110 is that of host 'mail-internal' already
    | containers: {network: 10.0.0.0/24, stand_ins: {linode: 10.0.0.110}}
    |                                                        ^
    hint: first used at e/estate.yml:7:28
    "#);
    assert_snapshot!(with("{linode: 10.0.1.201}"), @r#"
    e/estate.yml:3:56: 10.0.1.201 is not in the containers' network 10.0.0.0/24
    | containers: {network: 10.0.0.0/24, stand_ins: {linode: 10.0.1.201}}
    |                                                        ^
    "#);
    assert_snapshot!(with("{linode: 10.0.0.9}"), @r#"
    e/estate.yml:3:56: 10.0.0.9 is in the lowest quarter of the containers' network, 10.0.0.0/26, which is for clients
    | containers: {network: 10.0.0.0/24, stand_ins: {linode: 10.0.0.9}}
    |                                                        ^
    "#);
    assert_snapshot!(with("{linode: here}"), @r#"
    e/estate.yml:3:56: invalid IP address syntax: 'here'
    | containers: {network: 10.0.0.0/24, stand_ins: {linode: here}}
    |                                                        ^
    "#);
    assert_snapshot!(with("[linode]"), @r#"
    e/estate.yml:3:47: expected a mapping, found a list
    | containers: {network: 10.0.0.0/24, stand_ins: [linode]}
    |                                               ^
    "#);
    let group = INVENTORY.replace("servers:", "linode:").replace(
        "10.0.0.0/24}",
        "10.0.0.0/24, stand_ins: {linode: 10.0.0.201}}",
    );
    assert_snapshot!(wrong(&[("estate.yml", &group)]), @r#"
    e/estate.yml:3:48: 'linode' is the name of a group already
    | containers: {network: 10.0.0.0/24, stand_ins: {linode: 10.0.0.201}}
    |                                                ^
    hint: first used at e/estate.yml:9:3
    "#);
}

#[test]
fn accounts_that_no_container_could_have_are_refused() {
    assert_snapshot!(replaced("user: admin", "user: 'a b'"), @r#"
    e/estate.yml:2:20: "a b" is not a user or group name; use letters, digits, '_', '.' and '-', at most 32
    | connection: {user: 'a b', port: 2222}
    |                    ^
    "#);
    assert_snapshot!(replaced("user: admin", "password: \"a\\nb\""), @r#"
    e/estate.yml:2:24: the password holds a line break or a NUL
    | connection: {password: "a\nb", port: 2222}
    |                        ^
    hint: use a password of one line
    "#);
    assert_snapshot!(wrong(&[
        ("estate.yml", INVENTORY),
        ("estate.private.yml", "hosts: {dns-internal: {connection: {password: \"a\\nb\"}}}\n"),
    ]), @r#"
    e/estate.private.yml:1:47: the password holds a line break or a NUL
    | hosts: <secret>
    |                                               ^
    hint: use a password of one line
    "#);
}

#[test]
fn malformed_networks_are_refused() {
    assert_snapshot!(replaced("10.0.0.0/24", "10.0.0.96/29"), @r#"
    e/estate.yml:3:23: '10.0.0.96/29' is not between /8 and /28
    | containers: {network: 10.0.0.96/29}
    |                       ^
    "#);
    assert_snapshot!(replaced("10.0.0.0/24", "10.0.0.0/7"), @r#"
    e/estate.yml:3:23: '10.0.0.0/7' is not between /8 and /28
    | containers: {network: 10.0.0.0/7}
    |                       ^
    "#);
    assert_snapshot!(replaced("10.0.0.0/24", "10.0.0.7/24"), @r#"
    e/estate.yml:3:23: '10.0.0.7/24' is an address in a network, the network is 10.0.0.0/24
    | containers: {network: 10.0.0.7/24}
    |                       ^
    "#);
}

#[test]
fn unknown_members_are_refused_with_the_nearest_name() {
    assert_snapshot!(replaced("mail: [mail-internal]", "mail: [mail-intrnal]"), @r#"
    e/estate.yml:12:10: there is no host 'mail-intrnal'
    |   mail: [mail-intrnal]
    |          ^
    hint: did you mean 'mail-internal'?
    "#);
    assert_snapshot!(replaced("[dns-internal, mail-internal]", "[dns-internal, dns]"), @r#"
    e/estate.yml:9:27: there is no host 'dns'
    |   servers: [dns-internal, dns]
    |                           ^
    hint: known are: dns-external, dns-internal, mail-internal
    "#);
    assert_snapshot!(replaced("[dns-internal, external]", "[dns-internal, extrnal]"), @r#"
    e/estate.yml:15:23: there is no host or group 'extrnal'
    |   dns: [dns-internal, extrnal]
    |                       ^
    hint: did you mean 'external'?
    "#);
    assert_snapshot!(replaced("mail: [mail-internal]", "mail: [all]"), @r#"
    e/estate.yml:12:10: there is no host 'all'
    |   mail: [all]
    |          ^
    hint: list the hosts
    "#);
}

#[test]
fn groups_services_and_roles_need_hosts() {
    assert_snapshot!(replaced("[dns-internal, mail-internal]", "[]"), @r#"
    e/estate.yml:9:3: group 'servers' has no hosts
    |   servers: []
    |   ^
    "#);
    assert_snapshot!(replaced("mail: [mail-internal]", "mail:"), @r#"
    e/estate.yml:12:3: service 'mail' has no hosts
    |   mail:
    |   ^
    "#);
    assert_snapshot!(replaced("mta: all", "mta: []"), @r#"
    e/estate.yml:14:3: role 'mta' has no hosts
    |   mta: []
    |   ^
    "#);
}

#[test]
fn roles_of_a_group_without_hosts_are_refused() {
    let text =
        "name: x\nhosts:\n  a: {address: 10.0.0.2, location: internal}\nroles:\n  mta: external\n";
    assert_snapshot!(wrong(&[("estate.yml", text)]), @r#"
    e/estate.yml:5:3: role 'mta' has no hosts
    |   mta: external
    |   ^
    "#);
}

#[test]
fn members_are_listed_once() {
    assert_snapshot!(replaced("[dns-external, dns-internal]", "[dns-external, dns-external]"), @r#"
    e/estate.yml:11:23: 'dns-external' is listed twice in service 'dns'
    |   dns: [dns-external, dns-external]
    |                       ^
    "#);
}

#[test]
fn names_stand_for_one_thing() {
    assert_snapshot!(replaced("  servers:", "  mail:"), @r#"
    e/estate.yml:12:3: 'mail' is the name of a group already
    |   mail: [mail-internal]
    |   ^
    hint: first used at e/estate.yml:9:3
    "#);
    assert_snapshot!(replaced("  mail:", "  dns-internal:"), @r#"
    e/estate.yml:12:3: 'dns-internal' is the name of a host already
    |   dns-internal: [mail-internal]
    |   ^
    hint: first used at e/estate.yml:5:3
    "#);
    assert_snapshot!(replaced("  servers:", "  internal:"), @r#"
    e/estate.yml:9:3: group 'internal' arises from the location of the hosts
    |   internal: [dns-internal, mail-internal]
    |   ^
    hint: set 'location:' of its hosts instead
    "#);
    assert_snapshot!(replaced("  servers:", "  all:"), @r#"
    e/estate.yml:9:3: group 'all': 'all' stands for every host
    |   all: [dns-internal, mail-internal]
    |   ^
    "#);
}

#[test]
fn a_broken_host_is_reported_once() {
    assert_snapshot!(replaced("address: 10.0.0.110", "address: 10"), @r#"
    e/estate.yml:7:28: expected an IP address, found number 10
    |   mail-internal: {address: 10, location: internal}
    |                            ^
    "#);
}

#[test]
fn syntax_errors_carry_their_position() {
    assert_snapshot!(added("groups/all.yml", "a: 1\n\tb: 2\n"), @r#"
    e/groups/all.yml:1:4: not valid YAML: while scanning a plain scalar, found a tab
    | a: 1
    |    ^
    hint: indent with spaces, YAML does not allow tabs
    "#);
    assert_snapshot!(added("groups/all.yml", "a:\n  b: 1\n c: 2\n"), @r#"
    e/groups/all.yml:3:2: not valid YAML: while parsing a block mapping, did not find expected key
    |  c: 2
    |  ^
    hint: check the indentation, the colons and the quotes on this line and the one before
    "#);
    assert_snapshot!(added("groups/all.yml", "a: [1, 2\nb: 3\n"), @r#"
    e/groups/all.yml:2:2: not valid YAML: illegal placement of ':' indicator
    | b: 3
    |  ^
    hint: check the indentation, the colons and the quotes on this line and the one before
    "#);
    assert_snapshot!(added("groups/all.yml", "a: 1\nb: 2\na: 3\n"), @r#"
    e/groups/all.yml:3:1: duplicate key 'a'
    | a: 3
    | ^
    hint: first set at e/groups/all.yml:1:1
    "#);
    assert_snapshot!(added("groups/all.yml", "a: &x 1\nb: *x\n"), @r#"
    e/groups/all.yml:1:7: anchors ('&...') are not supported
    | a: &x 1
    |       ^
    "#);
    assert_snapshot!(added("groups/all.yml", "a: *x\n"), @r#"
    e/groups/all.yml:1:4: aliases ('*...') are not supported
    | a: *x
    |    ^
    hint: a text that begins with '*' needs quotes
    "#);
    assert_snapshot!(added("groups/all.yml", "a: !!binary x\n"), @r#"
    e/groups/all.yml:1:4: tags ('!...') are not supported
    | a: !!binary x
    |    ^
    hint: a text that begins with '!' needs quotes
    "#);
    assert_snapshot!(added("groups/all.yml", "a: 1\n---\nb: 1\n"), @r#"
    e/groups/all.yml:2:1: a file holds one document, found another
    | ---
    | ^
    "#);
    assert_snapshot!(added("groups/all.yml", "a: {{ b }}\n"), @r#"
    e/groups/all.yml:1:5: a key must be a name
    | a: {{ b }}
    |     ^
    hint: a text that begins with '{' or '[' needs quotes
    "#);
    assert_snapshot!(added("groups/all.yml", "<<: {b: 1}\n"), @r#"
    e/groups/all.yml:1:1: merge keys ('<<') are not supported
    | <<: {b: 1}
    | ^
    "#);
    assert_snapshot!(added("groups/all.yml", "- a\n"), @r#"
    e/groups/all.yml:1:1: expected a mapping, found a list
    | - a
    | ^
    "#);
}

#[test]
fn hostile_nesting_is_refused() {
    // Each kind of nesting is within its limit, both together are not.
    let block = (0..20).flat_map(|depth| [" ".repeat(depth), "a:\n".to_owned()]);
    let block: String = block.collect();
    let mixed = format!(
        "{block}{}{}{}",
        " ".repeat(20),
        "[".repeat(20),
        "]".repeat(20)
    );
    assert_snapshot!(added("groups/all.yml", &mixed), @r#"
    e/groups/all.yml:21:34: nested deeper than 32 levels
    |                     [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]
    |                                  ^
    "#);
    let deep = format!("a: {}", "[".repeat(100_000));
    assert_snapshot!(added("groups/all.yml", &deep).lines().next().unwrap(), @"e/groups/all.yml:1:36: not valid YAML: recursion limit exceeded");
}

#[test]
fn what_is_marked_for_checks_must_be_known() {
    let marks = "verify: {backup: [web-9], calendar: [office]}\n";
    assert_snapshot!(wrong(&[("estate.yml", &format!("{INVENTORY}{marks}"))]), @r#"
    e/estate.yml:16:19: there is no host 'web-9'
    | verify: {backup: [web-9], calendar: [office]}
    |                   ^
    hint: known are: dns-internal, dns-external, mail-internal
    e/estate.yml:16:27: unknown field 'calendar'
    | verify: {backup: [web-9], calendar: [office]}
    |                           ^
    hint: did you mean 'calendars'?
    "#);
}

#[test]
fn bytes_that_are_not_text_are_refused() {
    let sources = super::super::Sources::new("e").with("estate.yml", &b"name: x\nb: \xff"[..]);
    assert_snapshot!(render(&Estate::load(&sources, &[]).unwrap_err()), @r#"
    e/estate.yml:2:4: is not UTF-8 here: found byte 0xff
    hint: save the file as UTF-8
    "#);
}

#[test]
fn unknown_files_are_refused() {
    assert_snapshot!(added("groups/all.yaml", ""), @r#"
    e/groups/all.yaml: nothing reads this file
    hint: name it groups/all.yml
    "#);
    assert_snapshot!(added("esate.yml", ""), @r#"
    e/esate.yml: nothing reads this file
    hint: did you mean 'estate.yml'?
    "#);
    assert_snapshot!(added("notes.txt", ""), @r#"
    e/notes.txt: nothing reads this file
    hint: an estate has estate.yml, groups/NAME.yml, hosts/NAME.yml, their .private.yml siblings, templates/ and roles/
    "#);
    assert_snapshot!(added("hosts/dns-intrnal.yml", ""), @r#"
    e/hosts/dns-intrnal.yml: there is no host 'dns-intrnal'
    hint: did you mean 'dns-internal'?
    "#);
    assert_snapshot!(added("groups/dns-internal.yml", ""), @r#"
    e/groups/dns-internal.yml: there is no group 'dns-internal'
    hint: 'dns-internal' is a host, move this to hosts/
    "#);
    assert_snapshot!(added("groups/mail.yml", ""), @r#"
    e/groups/mail.yml: there is no group 'mail'
    hint: variables are set on groups and hosts, not on services
    "#);
    assert_snapshot!(added("groups/extern.private.yml", ""), @r#"
    e/groups/extern.private.yml: there is no group 'extern'
    hint: did you mean 'external'?
    "#);
}

#[test]
fn variables_need_proper_names() {
    assert_snapshot!(added("groups/all.yml", "mta-smarthost: x\nall: 1\n"), @r#"
    e/groups/all.yml:1:1: variable 'mta-smarthost': a variable's name consists of a-z, 0-9 and '_', not '-'
    | mta-smarthost: x
    | ^
    e/groups/all.yml:2:1: variable 'all': 'all' stands for every host
    | all: 1
    | ^
    "#);
}

#[test]
fn a_jump_host_that_could_be_misread_is_refused() {
    let shown = replaced("port: 2222", "jump: 'bastion:abc'");
    for part in [
        "e/estate.yml:2:",
        "behind ':' stands a port",
        ": 'bastion:abc'",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn private_files_are_quoted_by_key_only() {
    let shown = added(
        "estate.private.yml",
        "connection:\n  port: hunter2\n  passwrd: hunter2\n",
    );
    assert_snapshot!(shown, @r#"
    e/estate.private.yml:2:9: expected a number, found a string
    |   port: <secret>
    |         ^
    e/estate.private.yml:3:3: unknown field 'passwrd'
    |   passwrd: <secret>
    |   ^
    hint: did you mean 'password'?
    "#);
    let shown = added("hosts/dns-internal.private.yml", "a: 'hunter2\n");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn private_connections_are_of_known_hosts() {
    let text = "hosts:\n  dns-internl: {connection: {password: x}}\nname: x\n";
    assert_snapshot!(added("estate.private.yml", text), @r#"
    e/estate.private.yml:2:3: there is no host 'dns-internl'
    |   dns-internl: <secret>
    |   ^
    hint: did you mean 'dns-internal'?
    e/estate.private.yml:3:1: unknown section 'name'
    | name: <secret>
    | ^
    hint: known are: connection, hosts
    "#);
}

#[test]
fn settings_on_the_command_line_are_checked() {
    let sources = super::sample::sources(&[("estate.yml", super::sample::INVENTORY)]);
    let settings = ["nothing", "A=1", "a=[1", "fine=1"].map(str::to_owned);
    assert_snapshot!(render(&Estate::load(&sources, &settings).unwrap_err()), @r#"
    --set: expected key=value, found no '='
    hint: for instance --set mta_hide_mailname=false
    --set A: variable 'A': a variable's name begins with one of a-z
    --set a:1:1: not valid YAML: unclosed bracket '['
    | <secret>
    | ^
    hint: check the indentation, the colons and the quotes on this line and the one before
    "#);
}

/// The valid estate with two networks and what `router:` says.
fn two(router: &str) -> String {
    INVENTORY
        .replace(
            "containers: {network: 10.0.0.0/24}",
            &format!("containers:\n  networks: {{internal: 10.0.0.0/24, external: 10.0.1.0/24}}\n  router: {router}"),
        )
        .replace("10.0.0.105", "10.0.1.105")
}

#[test]
fn a_router_forwards_ports_to_hosts_in_the_office() {
    let router =
        "{internal: 10.0.0.100, external: 10.0.1.100, forwards: {mail-internal: [993, 53/udp]}}";
    let estate = Estate::load(&sources(&[("estate.yml", &two(router))]), &[]).unwrap();
    let sides = estate.sides().unwrap();
    assert_eq!(sides.router.external.to_string(), "10.0.1.100");
    let forwards = sides.router.forwards.iter();
    let ports: Vec<_> = forwards
        .map(|it| (it.address.to_string(), it.port.to_string()))
        .collect();
    let host = "10.0.0.110".to_owned();
    assert_eq!(
        ports,
        [
            (host.clone(), "993".to_owned()),
            (host, "53/udp".to_owned())
        ]
    );
    let known = |side| -> Vec<String> {
        let known = estate.known_from(side);
        known
            .map(|(host, address)| format!("{} {address}", host.name()))
            .collect()
    };
    assert_eq!(
        known(Location::External),
        ["dns-external 10.0.1.105", "mail-internal 10.0.1.100"]
    );
    assert_eq!(
        known(Location::Internal),
        [
            "dns-internal 10.0.0.106",
            "dns-external 10.0.1.105",
            "mail-internal 10.0.0.110"
        ]
    );
}

#[test]
fn two_networks_share_nothing_and_have_a_router_between_them() {
    let refused = |inventory: &str| wrong(&[("estate.yml", inventory)]);
    let fine = two("{internal: 10.0.0.100, external: 10.0.1.100}");
    assert!(Estate::load(&sources(&[("estate.yml", &fine)]), &[]).is_ok());
    assert_snapshot!(refused(&fine.replace("  router: {internal: 10.0.0.100, external: 10.0.1.100}\n", "")), @r#"
    e/estate.yml:4:13: nothing is between the two networks
    |   networks: {internal: 10.0.0.0/24, external: 10.0.1.0/24}
    |             ^
    hint: say 'router: {internal: ADDRESS, external: ADDRESS}', with an address of it in each
    "#);
    assert_snapshot!(refused(&fine.replace("external: 10.0.1.0/24", "external: 10.0.0.0/16")), @r#"
    e/estate.yml:4:13: the networks 10.0.0.0/24 and 10.0.0.0/16 have addresses in common
    |   networks: {internal: 10.0.0.0/24, external: 10.0.0.0/16}
    |             ^
    hint: give each side a network of its own
    e/estate.yml:5:44: 10.0.1.100 is in the lowest quarter of the containers' network, 10.0.0.0/18, which is for clients
    |   router: {internal: 10.0.0.100, external: 10.0.1.100}
    |                                            ^
    e/estate.yml:8:27: 10.0.1.105 is in the lowest quarter of the containers' network, 10.0.0.0/18, which is for clients
    |   dns-external: {address: 10.0.1.105, location: external, release: bookworm}
    |                           ^
    hint: it is external, and the containers' networks are 10.0.0.0/24 (internal) and 10.0.0.0/16 (external)
    "#);
    assert_snapshot!(refused(&fine.replace("internal: 10.0.0.0/24", "internal: 10.0.0.96/28")), @r#"
    e/estate.yml:4:24: 10.0.0.96/28 is too small for hosts, clients and a router
    |   networks: {internal: 10.0.0.96/28, external: 10.0.1.0/24}
    |                        ^
    hint: take a network of /27 or larger
    "#);
    assert_snapshot!(refused(&fine.replace("  networks:", "  network: 10.0.2.0/24\n  networks:")), @r#"
    e/estate.yml:4:12: the containers have one network or two, and here are both
    |   network: 10.0.2.0/24
    |            ^
    hint: remove 'network', or remove 'networks' and 'router'
    "#);
    assert_snapshot!(refused(&fine.replace("  networks: {internal: 10.0.0.0/24, external: 10.0.1.0/24}", "  network: 10.0.0.0/16")), @r#"
    e/estate.yml:5:11: a router stands between two networks, and there is one
    |   router: {internal: 10.0.0.100, external: 10.0.1.100}
    |           ^
    hint: say 'networks: {internal: ..., external: ...}' in the place of 'network', or remove 'router'
    e/estate.yml:7:27: 10.0.0.106 is in the lowest quarter of the containers' network, 10.0.0.0/18, which is for clients
    |   dns-internal: {address: 10.0.0.106, location: internal}
    |                           ^
    e/estate.yml:8:27: 10.0.1.105 is in the lowest quarter of the containers' network, 10.0.0.0/18, which is for clients
    |   dns-external: {address: 10.0.1.105, location: external, release: bookworm}
    |                           ^
    e/estate.yml:9:28: 10.0.0.110 is in the lowest quarter of the containers' network, 10.0.0.0/18, which is for clients
    |   mail-internal: {address: 10.0.0.110, location: internal}
    |                            ^
    "#);
    assert_snapshot!(refused(&fine.replace("10.0.1.105", "10.0.0.105")), @r#"
    e/estate.yml:8:27: 10.0.0.105 is not in the containers' network 10.0.1.0/24
    |   dns-external: {address: 10.0.0.105, location: external, release: bookworm}
    |                           ^
    hint: it is external, and the containers' networks are 10.0.0.0/24 (internal) and 10.0.1.0/24 (external)
    "#);
    assert_snapshot!(replaced("{network: 10.0.0.0/24}", "{init: systemd}"), @r#"
    e/estate.yml:3:13: the containers have no network
    | containers: {init: systemd}
    |             ^
    hint: say 'network: 10.0.0.0/24', or 'networks: {internal: ..., external: ...}' with a 'router' between them
    "#);
}

#[test]
fn a_router_has_addresses_of_its_own() {
    let refused = |router: &str| wrong(&[("estate.yml", &two(router))]);
    assert_snapshot!(refused("{internal: 10.0.0.106, external: 10.0.1.100}"), @r#"
    e/estate.yml:5:22: address 10.0.0.106 is that of host 'dns-internal' already
    |   router: {internal: 10.0.0.106, external: 10.0.1.100}
    |                      ^
    hint: first used at e/estate.yml:7:27
    "#);
    assert_snapshot!(refused("{internal: 10.0.0.100, external: 10.0.0.101}"), @r#"
    e/estate.yml:5:44: 10.0.0.101 is not in the containers' network 10.0.1.0/24
    |   router: {internal: 10.0.0.100, external: 10.0.0.101}
    |                                            ^
    "#);
    assert_snapshot!(refused("{internal: 10.0.0.9}"), @r#"
    e/estate.yml:5:11: missing field 'external'
    |   router: {internal: 10.0.0.9}
    |           ^
    "#);
    let named =
        two("{internal: 10.0.0.100, external: 10.0.1.100}").replace("mail-internal", "router");
    assert_snapshot!(wrong(&[("estate.yml", &named)]), @r#"
    e/estate.yml:5:3: 'router' is the name of a host already
    |   router: {internal: 10.0.0.100, external: 10.0.1.100}
    |   ^
    hint: first used at e/estate.yml:9:3
    "#);
}

#[test]
fn forwarded_ports_lead_to_one_host_in_the_office() {
    let refused = |forwards: &str| {
        let router =
            format!("{{internal: 10.0.0.100, external: 10.0.1.100, forwards: {forwards}}}");
        wrong(&[("estate.yml", &two(&router))])
    };
    assert_snapshot!(refused("{mail-intrnal: [25]}"), @r#"
    e/estate.yml:5:67: there is no host 'mail-intrnal'
    |   router: {internal: 10.0.0.100, external: 10.0.1.100, forwards: {mail-intrnal: [25]}}
    |                                                                   ^
    hint: did you mean 'mail-internal'?
    "#);
    assert_snapshot!(refused("{dns-external: [53]}"), @r#"
    e/estate.yml:5:67: host 'dns-external' is outside and needs no router
    |   router: {internal: 10.0.0.100, external: 10.0.1.100, forwards: {dns-external: [53]}}
    |                                                                   ^
    hint: remove it: the router forwards ports to hosts with 'location: internal'
    "#);
    assert_snapshot!(refused("{mail-internal: [53], dns-internal: [53/udp, 53]}"), @r#"
    e/estate.yml:5:102: port 53 leads to host 'mail-internal' already
    |   router: {internal: 10.0.0.100, external: 10.0.1.100, forwards: {mail-internal: [53], dns-internal: [53/udp, 53]}}
    |                                                                                                      ^
    hint: a port of the router's outer address leads to one host
    "#);
    assert_snapshot!(refused("{mail-internal: [0, ssh]}"), @r#"
    e/estate.yml:5:83: '0' is not a port between 1 and 65535, such as 993 or 53/udp
    |   router: {internal: 10.0.0.100, external: 10.0.1.100, forwards: {mail-internal: [0, ssh]}}
    |                                                                                   ^
    "#);
    assert_snapshot!(refused("{mail-internal: imap}"), @r#"
    e/estate.yml:5:82: expected a list, found string 'imap'
    |   router: {internal: 10.0.0.100, external: 10.0.1.100, forwards: {mail-internal: imap}}
    |                                                                                  ^
    hint: write [a, b], or one '- item' on each line
    "#);
}
