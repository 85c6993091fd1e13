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
