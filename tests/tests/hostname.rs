//! A host calls itself what the estate calls it, where the estate says so.

use end_to_end::Estate;

#[test]
fn a_host_gets_its_name_only_where_the_estate_says_so() {
    let estate = Estate::new(&["one"]);
    estate.inventory("roles: {dns_client: [one]}\n");
    let variables = format!(
        "home_domain: home.test\ndns_resolvers: [{}]\n",
        estate.address("one")
    );
    estate.write("groups/all.yml", &variables);
    estate.deploy();
    for command in ["apply", "test", "complete"] {
        estate.prov([command]).run().exits(0);
    }
    let complete = || estate.prov(["--output", "json", "complete"]).run();
    estate.on("one", "echo vps4711 >/etc/hostname");
    complete().unchanged("one");
    estate.write(
        "groups/all.yml",
        &format!("{variables}hostname_managed: true\n"),
    );
    complete().exits(0).changed("one", &["file /etc/hostname"]);
    assert_eq!(
        estate.on("one", "cat /etc/hostname; hostname"),
        "one\none\n"
    );
    complete().unchanged("one");
}

#[test]
fn a_server_that_was_rented_under_another_name_is_noticed() {
    let estate = Estate::deployed(&["one"]);
    let servers = estate.as_servers(&estate.connection(), "");
    servers.write_home(".ssh/known_hosts", &estate.known_host("one"));
    let diff = servers.prov(["diff"]).run();
    diff.exits(0).never_says("calls itself");
    let file = servers.path("estate/estate.yml");
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{error}"));
    servers.write("estate.yml", &text.replace("  one: ", "  cloud: "));
    let diff = servers.prov(["diff"]).run();
    diff.exits(0)
        .says("the host calls itself one")
        .says("hostnamectl hostname cloud");
    let diff = servers.prov(["--output", "json", "diff"]).run();
    let note = diff.host("cloud")["notes"][0].to_string();
    assert!(note.contains("calls itself one"), "{note}");
}
