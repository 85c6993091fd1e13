//! What a beginner types first: an estate that is right from the start, roles and hosts added to it, schemas for an editor.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use end_to_end::Folder;

#[test]
fn a_new_estate_is_right_and_so_is_what_is_added_to_it() {
    let folder = Folder::new();
    let at = folder.path_text("estate");
    let made = folder.prov(["init", &at, "--name", "fresh"]).run();
    made.exits(0)
        .says("estate.yml")
        .says("roles/hello/role.yml")
        .says("next: cd");
    folder
        .prov(["check"])
        .run()
        .exits(0)
        .says("1 host, 0 services, 1 role");
    let private = folder.path("estate/estate.private.yml");
    assert_eq!(
        fs::metadata(&private).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // What is there is not replaced.
    let again = folder.prov(["init", &at]).run();
    again
        .exits(64)
        .says("is there already; nothing was written");

    folder
        .prov(["new", "host", "web2"])
        .run()
        .exits(0)
        .says("{address: 10.42.0.102, location: internal}");
    folder
        .prov([
            "new",
            "host",
            "web3",
            "--address",
            "10.42.0.150",
            "--location",
            "external",
        ])
        .run()
        .exits(0);
    folder
        .prov(["new", "role", "file-server"])
        .run()
        .exits(0)
        .says("roles/file-server/role.yml");
    let inventory = fs::read_to_string(folder.path("estate/estate.yml")).unwrap();
    let given = inventory.replace(
        "  hello: [web1]",
        "  hello: [web1, web3]\n  file-server: [web2]",
    );
    assert!(
        given.contains("# The hosts and groups that have a role."),
        "{given}"
    );
    folder.write("estate.yml", &given);
    folder
        .prov(["check"])
        .run()
        .exits(0)
        .says("3 hosts, 0 services, 2 roles");

    for (arguments, words) in [
        (
            ["new", "host", "web1"],
            "has something called 'web1' already",
        ),
        (["new", "host", "Web_9"], "host 'Web_9'"),
        (
            ["new", "role", "file-server"],
            "there is a role 'file-server' already",
        ),
        (["new", "role", "dns"], "there is a role 'dns' already"),
        (["new", "role", "../x"], "role '../x'"),
    ] {
        folder.prov(arguments).run().exits(64).says(words);
    }
    // What is ignored already stays so.
    folder.write("../other/.gitignore", "*.swp");
    let other = folder.path_text("other");
    let begun = folder.prov(["--output", "json", "init", &other]).run();
    begun.exits(0).says("\"changed\"");
    let ignored = fs::read_to_string(folder.path("other/.gitignore")).unwrap();
    assert!(
        ignored.starts_with("*.swp\n#") && ignored.contains("\n*.private.yml*\n"),
        "{ignored}"
    );
    // An address that is taken: nothing is changed.
    let taken = folder
        .prov(["new", "host", "web4", "--address", "10.42.0.101"])
        .run();
    taken.exits(64);
    assert_eq!(
        fs::read_to_string(folder.path("estate/estate.yml")).unwrap(),
        given
    );
    assert!(!folder.path("estate/hosts/web4.yml").exists());
}

#[test]
fn an_init_that_was_ended_is_begun_again() {
    let folder = Folder::new();
    // One that fails leaves nothing.
    folder.write("../third/.gitignore", "*.swp");
    folder.write("../third/roles", "no folder");
    let third = folder.path_text("third");
    let init = || folder.prov(["init", &third, "--name", "third"]).run();
    init().exits(1).says("roles/hello");
    assert!(!folder.path("third/estate.private.yml").exists());
    assert!(!folder.path("third/groups/all.yml").exists());
    fs::remove_file(folder.path("third/roles")).unwrap();
    init().exits(0).says("wrote");
    let private = fs::read_to_string(folder.path("third/estate.private.yml")).unwrap();
    // The password that was made stays.
    for left_out in ["estate.yml", "groups/all.yml"] {
        fs::remove_file(folder.path("third").join(left_out)).unwrap();
    }
    let again = init();
    again
        .exits(0)
        .says("groups/all.yml")
        .says("third/estate.yml");
    assert_eq!(
        fs::read_to_string(folder.path("third/estate.private.yml")).unwrap(),
        private
    );
    fs::remove_file(folder.path("third/estate.yml")).unwrap();
    folder.write("../third/groups/all.yml", "hello_text: mine\n");
    init().exits(64).says("groups/all.yml is there already");
    assert!(!folder.path("third/estate.yml").exists());
}

#[test]
fn a_new_estate_of_servers_is_right() {
    let folder = Folder::new();
    let at = folder.path_text("estate");
    folder
        .prov(["init", "--servers", &at])
        .run()
        .exits(0)
        .says("addresses of your servers");
    folder.prov(["check"]).run().exits(0);
    assert!(!folder.path("estate/estate.private.yml").exists());
    let bare = folder.prov(["new", "host", "web2"]).run();
    bare.exits(64).says("say it with --address");
    folder
        .prov(["new", "host", "web2", "--address", "192.0.2.11"])
        .run()
        .exits(0);
    folder.prov(["check"]).run().exits(0).says("2 hosts");
}

#[test]
fn schemas_know_the_estates_own_roles() {
    let folder = Folder::new();
    let at = folder.path_text("estate");
    folder
        .prov(["schema", "variables"])
        .run()
        .exits(0)
        .says("home_domain")
        .never_says("hello_text");
    folder.prov(["init", &at]).run().exits(0);
    folder
        .prov(["schema", "variables"])
        .run()
        .exits(0)
        .says("hello_text");
    folder
        .prov(["schema", "estate"])
        .run()
        .exits(0)
        .says("\"containers\"");
    folder
        .prov(["schema", "domain"])
        .run()
        .exits(0)
        .says("\"users\"");
    folder
        .prov(["schema", "role"])
        .run()
        .exits(0)
        .says("\"resource.packages\"")
        .says("\"check.http\"");
}
