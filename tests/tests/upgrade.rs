//! Pending updates, group by group.

use end_to_end::Estate;

#[test]
fn a_group_that_fails_its_checks_is_the_last_one() {
    let estate = Estate::name_servers();
    // All checks pass only where names of the world are known, too.
    let own = estate.address("dns-external");
    estate.write(
        "hosts/dns-external.yml",
        &format!(
            "dns_group: external\ndns_upstream_nameservers: [container-host]\ndns_resolvers: [{own}]\n\
             dns_local_domains: [home.test]\n"
        ),
    );
    estate.deploy();
    for command in ["apply", "test", "complete"] {
        estate.prov([command]).run().exits(0);
    }
    let upgrade = |more: &[&str]| estate.prov(["upgrade"]).args(more).run();
    upgrade(&[]).exits(0).says("2 hosts in");
    // It runs, and answers wrongly.
    estate.on(
        "dns-internal",
        "sed -i 's/ desk/ chair/' /etc/dnsmasq-hosts.d/*; sv restart dnsmasq >&2",
    );
    let stopped = upgrade(&[]);
    stopped
        .exits(1)
        .says("checks fail after the upgrade")
        .says("not upgraded, or not to the end: dns-internal, dns-external")
        .says("desk");
    upgrade(&["--without-checks"]).exits(0);
    estate.prov(["complete"]).run().exits(0);
    upgrade(&[]).exits(0);
}
