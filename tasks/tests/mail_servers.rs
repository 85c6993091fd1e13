//! What mail roles bring of Exim's settings, what an estate may overrule, and what it may not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use tasks::content::Content;
use tasks::domain::Domains;
use tasks::estate::{Estate, Sources};
use tasks::resource::Resource;
use tasks::role::{self, HostContext, Inputs};
use tasks::template::Templates;

const INVENTORY: &str = "\
name: sample
connection: {user: admin}
hosts:
  office: {address: 10.0.0.1, location: internal}
  customers: {address: 10.0.0.2, location: external}
  world: {address: 10.0.0.3, location: external}
  web: {address: 10.0.0.4, location: external}
roles:
  mta: all
  mail: [office, customers]
  mail_internal: [office]
  mail_external: [customers]
  mail_gateway: [world]
";

const ALL: &str = "\
home_domain: home.test
home_domain_admin_user: admin
office_subnet: 10.0.0.0/24
mta_smarthost: {hostname: gateway.test}
";

fn sources(inventory: &str, files: &[(&str, &str)]) -> Sources {
    let usual = [
        ("estate.yml", inventory),
        ("groups/all.yml", ALL),
        ("hosts/world.yml", "mta_mailname: world.test\n"),
    ];
    let all = usual.iter().chain(files);
    all.fold(Sources::new("e"), |sources, (path, text)| {
        sources.with(*path, *text)
    })
}

/// Gives the settings of a host's Exim that mail roles decide, without quotes.
fn settings(host: &str, files: &[(&str, &str)]) -> Vec<String> {
    let sources = sources(INVENTORY, files);
    let estate = Estate::load(&sources, &[]).unwrap();
    let templates = Templates::load(&sources).unwrap();
    let inputs = Inputs::default();
    let context = HostContext::new(&estate, estate.host(host).unwrap(), &inputs, &templates);
    let declared = role::resources(&context).unwrap();
    let text = declared.iter().find_map(|declared| {
        if let Resource::File(file) = &declared.resource
            && file.path.as_str().ends_with("update-exim4.conf.conf")
        {
            return file.content.as_ref().map(Content::expose);
        }
        None
    });
    let decided = [
        "eximconfig_configtype",
        "other_hostnames",
        "local_interfaces",
        "relay_nets",
        "use_split_config",
        "localdelivery",
    ];
    let text = text.unwrap().replace('\'', "");
    let lines = text.lines().filter_map(|line| line.strip_prefix("dc_"));
    let lines = lines.filter(|line| decided.contains(&line.split('=').next().unwrap()));
    lines
        .map(|line| line.split_once('=').unwrap().1.to_owned())
        .collect()
}

fn refused(inventory: &str, files: &[(&str, &str)]) -> String {
    let sources = sources(inventory, files);
    let estate = Estate::load(&sources, &[]).unwrap();
    let templates = Templates::load(&sources).unwrap();
    let inputs = Inputs::default();
    let mistakes = role::check(&estate, &Domains::default(), &templates, &inputs);
    let told = mistakes.iter().map(|mistake| {
        let hint = mistake.hint.as_deref().unwrap_or_default();
        format!("{mistake}\nhint: {hint}")
    });
    told.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_mail_role_brings_what_it_needs() {
    let of = |host| settings(host, &[]);
    assert_eq!(
        of("office"),
        [
            "smarthost",
            "home.test",
            "",
            "10.0.0.0/24",
            "false",
            "maildir_home"
        ]
    );
    assert_eq!(
        of("customers"),
        ["smarthost", "home.test", "", "", "true", "maildir_home"]
    );
    assert_eq!(
        of("world"),
        ["internet", "world.test", "", "", "true", "mail_spool"]
    );
    assert_eq!(
        of("web"),
        ["satellite", "", "127.0.0.1", "", "false", "mail_spool"]
    );
}

#[test]
fn what_the_estate_says_comes_before_what_a_role_brings() {
    let said = "\
mta_configtype: internet
mta_other_hostnames: [more.test, home.test]
mta_local_interfaces: [10.0.0.1]
mta_relay_nets: []
mta_use_split_config: true
";
    assert_eq!(
        settings("office", &[("hosts/office.yml", said)]),
        [
            "internet",
            "more.test:home.test",
            "10.0.0.1",
            "",
            "true",
            "maildir_home"
        ]
    );
    let said = "mta_localdelivery: maildir_home\nmta_other_hostnames: [home.test]\n";
    assert_eq!(
        settings("web", &[("hosts/web.yml", said)]),
        [
            "satellite",
            "home.test",
            "127.0.0.1",
            "",
            "false",
            "maildir_home"
        ]
    );
}

#[test]
fn what_a_mail_role_cannot_work_with_is_refused_where_it_stands() {
    let said = "\
mta_configtype: satellite
mta_other_hostnames: [more.test]
mta_use_split_config: false
mta_localdelivery: mail_spool
";
    insta::assert_snapshot!(refused(INVENTORY, &[("groups/external.yml", said)]));
    let said = "mta_configtype: satellite\n";
    insta::assert_snapshot!(refused(INVENTORY, &[("groups/internal.yml", said)]));
}

#[test]
fn mail_roles_that_need_different_things_are_not_on_one_host() {
    let both = INVENTORY.replace(
        "[customers]\n  mail_gateway: [world]",
        "[customers]\n  mail_gateway: [customers]",
    );
    // A gateway works as a client of another one.
    assert!(!refused(&both, &[]).contains("different kinds"));
    let alone = INVENTORY.replace("mail: [office, customers]", "mail: [customers]");
    insta::assert_snapshot!(refused(&alone, &[]));
}
