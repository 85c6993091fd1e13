//! The sample estate in `estate/docker` is valid and says what its documentation says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use tasks::content::Content;
use tasks::domain::Domains;
use tasks::estate::{Estate, Host, Sources, Sudo};
use tasks::resource::Resource;
use tasks::role::{self, HostContext, Inputs};
use tasks::template::Templates;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../estate/docker")
}

#[expect(
    clippy::disallowed_methods,
    reason = "here the test is the shell that hands texts to the core"
)]
fn sources(folder: &Path) -> Sources {
    let mut sources = Sources::new("");
    let mut pending = vec![folder.to_owned()];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            sources.insert(name, fs::read(&path).unwrap());
        }
    }
    sources
}

fn docker() -> Estate {
    Estate::load(&sources(&folder()), &[]).unwrap()
}

fn domains() -> Domains {
    Domains::load(&sources(&folder().join("../../domains"))).unwrap()
}

#[test]
fn every_host_service_and_group_is_there() {
    let estate = docker();
    let names: Vec<&str> = estate.hosts().iter().map(Host::name).collect();
    assert_eq!(names.len(), 14);
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(names, sorted);
    for (index, host) in estate.hosts().iter().enumerate() {
        assert_eq!(
            host.address().to_string(),
            format!("10.0.0.{}", 101 + index)
        );
        let connection = host.connection();
        assert_eq!(connection.user.as_deref(), Some("user1fname"));
        assert_eq!(connection.sudo, Sudo::Password);
    }
    let size = |name: &str| estate.members(name).unwrap().len();
    let services: Vec<(&str, usize)> = estate.services().map(|name| (name, size(name))).collect();
    assert_eq!(
        services,
        [
            ("backup", 4),
            ("calendar", 3),
            ("dns", 2),
            ("dynamic_dns", 4),
            ("mail", 6),
            ("web", 6)
        ]
    );
    let groups: Vec<(&str, usize)> = estate.groups().map(|name| (name, size(name))).collect();
    assert_eq!(
        groups,
        [
            ("internal", 8),
            ("external", 6),
            ("database", 3),
            ("reverse_proxy", 2),
            ("wordpress", 2)
        ]
    );
}

#[test]
fn the_estate_has_no_mistakes() {
    let templates = Templates::load(&Sources::new("estate/docker")).unwrap_or_else(|_| panic!());
    let inputs = Inputs {
        roles: tasks::role::Catalogue::default(),
        container_host_resolvers: vec![[192, 0, 2, 53].into()],
        authority: None,
    };
    assert_eq!(role::check(&docker(), &domains(), &templates, &inputs), []);
}

#[test]
fn every_host_has_backup_passwords_of_its_own() {
    let estate = docker();
    let mut passwords: Vec<String> = estate
        .hosts()
        .iter()
        .flat_map(|host| {
            let vars = estate.vars(host);
            [
                "backup_client_director_password",
                "backup_client_monitor_password",
            ]
            .map(|name| vars.value::<String>(name).unwrap().unwrap())
        })
        .collect();
    passwords.sort_unstable();
    passwords.dedup();
    assert_eq!(passwords.len(), 28);
    assert!(passwords.iter().all(|password| password.len() == 32));
}

#[test]
fn mail_leaves_by_way_of_the_gateway() {
    let estate = docker();
    let templates = Templates::load(&Sources::new("estate/docker")).unwrap_or_else(|_| panic!());
    let inputs = Inputs {
        container_host_resolvers: vec![[192, 0, 2, 53].into()],
        ..Inputs::default()
    };
    let next = |host: &str| {
        let context = HostContext::new(&estate, estate.host(host).unwrap(), &inputs, &templates);
        let declared = role::resources(&context).unwrap();
        let settings = declared.iter().find_map(|declared| {
            if let Resource::File(file) = &declared.resource
                && file.path.as_str().ends_with("update-exim4.conf.conf")
            {
                return file.content.as_ref().map(Content::expose);
            }
            None
        });
        let settings = settings.unwrap();
        let setting = |name: &str| {
            let value = settings.lines().find_map(|line| line.strip_prefix(name));
            value.unwrap().trim_matches('\'').to_owned()
        };
        let kind = setting("dc_eximconfig_configtype=");
        let smarthost = setting("dc_smarthost=");
        let hands_on = ["satellite", "smarthost"].contains(&kind.as_str());
        hands_on.then(|| smarthost.split(':').next().unwrap().to_owned())
    };
    for host in estate.hosts() {
        let (mut at, mut hops) = (host.name().to_owned(), 0);
        while let Some(hop) = next(&at) {
            (at, hops) = (hop, hops + 1);
            assert!(hops < 4, "mail of {} goes around in circles", host.name());
        }
        assert_eq!(at, "mail-other");
    }
    assert_eq!(next("caldav").as_deref(), Some("mail-internal"));
    assert_eq!(next("wordpress-external").as_deref(), Some("mail-external"));
}

#[test]
fn names_are_resolved_by_the_server_of_the_location() {
    let estate = docker();
    for host in estate.hosts() {
        let server = estate.host(&format!("dns-{}", host.location())).unwrap();
        let resolvers = estate
            .vars(host)
            .value::<Vec<String>>("dns_resolvers")
            .unwrap();
        assert_eq!(resolvers.unwrap(), [server.address().to_string()]);
    }
    let upstream = |host: &str| {
        let vars = estate.vars(estate.host(host).unwrap());
        vars.value::<Vec<String>>("dns_upstream_nameservers")
            .unwrap()
            .unwrap()
    };
    assert_eq!(upstream("dns-internal"), ["10.0.0.105"]);
    assert_eq!(upstream("dns-external"), ["container-host"]);
}
