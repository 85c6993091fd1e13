//! Which of several programs a name stands for: chosen, registered, put back, and left to the others afterwards.

use end_to_end::Estate;

const ROLE: &str = "
summary: Which programs stand behind a name.
resources:
  - directory: {path: /opt/own}
  - file: {path: /opt/own/pager, content: \"#!/bin/sh\\nexec cat\\n\", mode: '0755'}
  - alternatives: {name: pager, path: /opt/own/pager, link: /usr/bin/pager, priority: 5}
  - alternatives: {name: own-tool, path: /opt/own/pager, link: /usr/local/bin/own-tool, priority: 10, selected: false}
  - alternatives: {name: awk}
";

const PAGER: &str = "alternatives pager";
const TOOL: &str = "alternatives own-tool /opt/own/pager";

#[test]
fn a_name_stands_for_the_program_that_is_declared_and_for_another_one_afterwards() {
    let estate = Estate::deployed(&["one"]);
    estate.inventory("roles: {names: [one]}\n");
    estate.write("roles/names/role.yml", ROLE);
    let apply = || estate.prov(["--output", "json", "apply"]).run();
    let on = |script: &str| estate.on("one", script);
    let all = "update-alternatives --get-selections | sed 's/  */ /g'";
    let before = on(all);
    let applied = apply();
    let expected = ["directory /opt/own", "file /opt/own/pager", PAGER, TOOL];
    applied.changed("one", &expected);
    apply().exits(0).unchanged("one");
    assert_eq!(
        on("readlink -f /usr/bin/pager /usr/local/bin/own-tool"),
        "/opt/own/pager\n/opt/own/pager\n"
    );

    for (broken, repaired) in [
        (
            "update-alternatives --quiet --set pager $(update-alternatives --list pager | grep -v own | head -n 1)",
            PAGER,
        ),
        ("update-alternatives --auto pager", PAGER),
        ("update-alternatives --remove pager /opt/own/pager", PAGER),
        ("rm /usr/bin/pager", PAGER),
        ("ln -sf /bin/false /etc/alternatives/pager", PAGER),
        ("ln -sf /bin/false /usr/local/bin/own-tool", TOOL),
        (
            "update-alternatives --install /usr/local/bin/own-tool own-tool /opt/own/pager 11",
            TOOL,
        ),
        (
            "update-alternatives --set awk $(update-alternatives --list awk | head -n 1)",
            "alternatives awk",
        ),
    ] {
        on(broken);
        apply().changed("one", &[repaired]);
        apply().exits(0).unchanged("one");
    }
    // A program in place of the link is not touched.
    on("echo own >/root/own; mv -f -T /root/own /usr/bin/pager");
    apply()
        .exits(1)
        .failed("one", &["/usr/bin/pager is no link"]);
    assert_eq!(on("cat /usr/bin/pager; rm /usr/bin/pager"), "own\n");
    let elsewhere = ROLE.replace("{name: awk}", "{name: awk, path: /opt/own/pager}");
    estate.write("roles/names/role.yml", &elsewhere);
    apply().exits(1).failed(
        "one",
        &["/opt/own/pager is not registered for awk", "/usr/bin/mawk"],
    );
    estate.write("roles/names/role.yml", ROLE);
    apply().exits(0);
    apply().exits(0).unchanged("one");

    estate.inventory("");
    apply().exits(0);
    assert_eq!(on(all), before);
    assert!(estate.holds(
        "one",
        "! ls /etc/alternatives/own-tool /usr/local/bin/own-tool"
    ));
    apply().exits(0).unchanged("one");
}
