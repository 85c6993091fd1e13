//! Many hosts with care: in groups, a canary first, and no further hosts once one has failed.

use end_to_end::Estate;

const ROLE: &str = r"
summary: A file, and proof that it says what it should.
variables: {words: {type: text}}
resources:
  - command: {argv: ['false'], unless: [test, '!', -e, /etc/broken]}
  - file: {path: /etc/words, content: '{{ words }}'}
checks:
  - file: {path: /etc/words, contains: '^good'}
";

fn words(estate: &Estate, words: &str) {
    estate.write("groups/all.yml", &format!("words: {words}\n"));
}

#[test]
fn a_canary_is_verified_and_a_failure_stops_what_is_like_it() {
    let estate = Estate::new(&["one", "two", "far"]);
    estate.inventory("roles: {words: [one, two], others: [far]}\n");
    estate.write("roles/words/role.yml", ROLE);
    estate.write("roles/others/role.yml", ROLE);
    words(&estate, "good");
    estate.deploy();
    let groups = estate.prov(["apply", "--serial", "34%"]).run();
    groups
        .exits(0)
        .says("== one (1 of 3)")
        .says("== far (3 of 3)")
        .says("3 hosts: 3 changed");
    estate.prov(["test"]).run().exits(0);
    estate.prov(["complete"]).run().exits(0);

    // What the canary's checks find keeps it from all others.
    words(&estate, "bad");
    let canary = ["apply", "--canary", "two"];
    let stopped = estate.prov(canary).run();
    stopped
        .exits(1)
        .says("two: not everything works after the change")
        .says("/etc/words")
        .says("2 hosts were not begun: one, far: the canary two failed");
    assert_eq!(estate.on("one", "cat /etc/words"), "good");
    assert_eq!(estate.on("two", "cat /etc/words"), "bad");
    // What was broken elsewhere before is no fault of the canary's, and is mended with the rest.
    words(&estate, "good again");
    estate.on("one", "echo broken >/etc/words");
    estate
        .prov(canary)
        .run()
        .exits(0)
        .says("== two (1 of 3)")
        .says("== one, far (3 of 3)");
    assert_eq!(estate.on("one", "cat /etc/words"), "good again");
    assert_eq!(estate.on("far", "cat /etc/words"), "good again");

    // A host that fails stops what has the same role, not the others.
    words(&estate, "good at last");
    estate.on("one", "touch /etc/broken");
    let serial = estate.prov(["apply", "--serial", "1"]).run();
    serial
        .exits(1)
        .says("1 host was not begun: two: it has the role words, which failed on one");
    assert_eq!(estate.on("two", "cat /etc/words"), "good again");
    assert_eq!(estate.on("far", "cat /etc/words"), "good at last");

    // Unless the user says how many may.
    let none = estate
        .prov(["apply", "--serial", "1", "--max-fail", "0"])
        .run();
    none.exits(1)
        .says("2 hosts were not begun: two, far: 1 failed, and at most 0 may");
    let one = [
        "--output",
        "json",
        "apply",
        "--serial",
        "1",
        "--max-fail",
        "1",
    ];
    let one = estate.prov(one).run();
    one.exits(1);
    assert_eq!(one.json()["not_begun"], serde_json::json!([]));
    assert_eq!(estate.on("two", "cat /etc/words"), "good at last");

    // A saved plan is rolled out in the same way.
    estate.on("one", "rm /etc/broken");
    words(&estate, "good in the end");
    let plan = estate.path_text("plan");
    estate.prov(["diff", "--out", &plan]).run().exits(0);
    estate
        .prov(["apply", "--plan", &plan, "--serial", "2"])
        .run()
        .exits(0)
        .says("== one, two (2 of 3)");
    estate.prov(["diff", "--exit-code"]).run().exits(0);

    for (bad, said) in [
        (["--serial", "0"], "a group has one host or more"),
        (["--max-fail", "200%"], "from 0% to 100%"),
        (["--canary", "nowhere"], "nowhere"),
    ] {
        let refused = estate.prov(["apply"]).args(bad).run();
        refused.exits(64).says(said);
    }
}
