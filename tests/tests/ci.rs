//! A job of a CI: no terminal, host keys from the estate itself, a plan and a page as artefacts, approval by applying that plan.

use end_to_end::{Estate, secret};

const ROLE: &str = r"
summary: A file with a password.
variables: {door_password: {type: secret, about: Opens the door.}}
resources:
  - file: {path: /etc/door, content: 'open with {{ door_password }}'}
  - directory: {path: /srv/door}
";

#[test]
fn a_job_plans_somebody_reviews_and_the_plan_is_applied() {
    let estate = Estate::deployed(&["one"]);
    let servers = estate.as_servers(&estate.connection(), "roles: {door: [one]}\n");
    let password = secret();
    servers.write("roles/door/role.yml", ROLE);
    servers.write(
        "groups/all.private.yml",
        &format!("door_password: {password}\n"),
    );
    let (plan, page) = (servers.path_text("plan"), servers.path_text("page.html"));
    let diff = ["diff", "--out", &plan, "--html", &page, "--exit-code"];

    // Only the estate's own file knows the host.
    let unknown = servers.prov(diff).run();
    unknown.exits(1).says("is not known");
    servers.write("known_hosts", &estate.known_host("one"));
    servers.prov(diff).run().exits(2);
    assert!(
        !servers.path("home/.ssh").exists(),
        "nothing is written there"
    );
    let shown = std::fs::read_to_string(&page).unwrap_or_default();
    for words in [
        "/etc/door",
        "/srv/door",
        "2 to add, 0 to change",
        "role door",
    ] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    assert!(!shown.contains(&password), "{shown}");

    let done = servers.path_text("done.html");
    let apply = ["apply", "--plan", &plan, "--html", &done];
    servers.prov(apply).run().exits(0);
    let shown = std::fs::read_to_string(&done).unwrap_or_default();
    assert!(
        shown.contains("2 added") && !shown.contains(&password),
        "{shown}"
    );
    servers.prov(apply).run().exits(1).says("applied already");
    servers.prov(["diff", "--exit-code"]).run().exits(0);

    // A page that cannot be written is refused before anything is done.
    estate.on("one", "rm /etc/door");
    let refused = servers.prov(["apply", "--html", "/nowhere/page"]).run();
    refused
        .exits(1)
        .says("cannot write /nowhere/page: ")
        .says("--html")
        .never_says(".prov-");
    assert!(!estate.holds("one", "[ -e /etc/door ]"));
}
