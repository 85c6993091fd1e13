//! What a file has besides its bytes, and by whose links it is reached: kept, or the change is refused.

use end_to_end::Estate;

#[test]
fn access_lists_capabilities_bits_and_other_names_stay() {
    let estate = Estate::deployed(&["one"]);
    estate
        .task(["packages", "names=[acl, libcap2-bin]"])
        .run()
        .exits(0);
    let seen = "cd /srv; stat -c '%n %U:%G %a %h' listed able linked other bits; getfacl -p listed; getcap able; ls -i linked other | cut -d' ' -f1 | uniq | wc -l";
    estate.on(
        "one",
        "cd /srv; for name in listed able linked bits; do printf 'k=1\\n' >$name; done; ln linked other; chown games:games bits; chmod 6755 bits; \
         setfacl -m u:games:rw,g:adm:r,m::rw listed; chmod 755 able; setcap cap_net_bind_service=ep able",
    );
    let before = estate.on("one", seen);
    assert!(before.contains("user:games:rw-") && before.contains("cap_net_bind_service=ep"));
    for name in ["listed", "able", "linked", "bits"] {
        let path = format!("path=/srv/{name}");
        for arguments in [
            &["line", &path, "regexp=^k=", "line=k=2"][..],
            &["block", &path, "block=b"],
            &["replace", &path, "regexp=k=2", "replace=k=3"],
        ] {
            estate.task(arguments).run().exits(0);
        }
        assert!(
            estate
                .on("one", &format!("cat /srv/{name}"))
                .starts_with("k=3\n")
        );
    }
    assert_eq!(estate.on("one", seen), before);
    assert_eq!(
        estate.on("one", "cmp /srv/linked /srv/other; ls -A /srv"),
        "able\nbits\nlinked\nlisted\nother\n"
    );
}

#[test]
fn an_access_list_stays_with_another_owner_or_keeps_him_from_coming() {
    let estate = Estate::deployed(&["one"]);
    estate.task(["packages", "names=[acl]"]).run().exits(0);
    estate.on(
        "one",
        "cd /srv; for name in bytes owner both; do echo old >$name; setfacl -m u:nobody:r $name; done",
    );
    let write = |name: &str, more: &[&str]| {
        let path = format!("path=/srv/{name}");
        estate.task([&["file", &path][..], more].concat()).run()
    };
    write("bytes", &["content=new", "mode=0640"]).exits(0);
    write("owner", &["owner=games"]).exits(0);
    write("both", &["content=new", "owner=games"]).exits(0);
    let seen = "cd /srv; getfacl -c bytes owner both | grep -c ^user:nobody:r--; cat both";
    assert_eq!(estate.on("one", seen), "3\nnew");
    let ran = write("both", &["content=newer"]);
    ran.exits(1)
        .failed("one", &["/srv/both has an access list"]);
    assert_eq!(estate.on("one", seen), "3\nnew");
}

#[test]
fn a_link_that_another_could_have_made_is_not_followed_wherever_it_is() {
    let estate = Estate::deployed(&["one"]);
    estate.task(["packages", "names=[acl]"]).run().exits(0);
    estate.on(
        "one",
        "useradd -m anna; mkdir -p /root/d /srv/group /srv/listed /srv/roots; printf 'k=1\\n' >/root/d/f; chmod 600 /root/d/f
         chgrp games /srv/group; chmod 775 /srv/group; setfacl -m u:anna:rwx /srv/listed
         for folder in /home/anna /srv/group /srv/listed /srv/roots; do ln -s /root/d $folder/d; ln -s /root/d/f $folder/f; done
         chown -h anna /home/anna/d /home/anna/f",
    );
    let before = "stat -c '%U:%G %a' /root/d /root/d/f; cat /root/d/f";
    let held = estate.on("one", before);
    for folder in ["/home/anna", "/srv/group", "/srv/listed"] {
        for place in ["f", "d/f"] {
            let path = format!("path={folder}/{place}");
            for arguments in [
                &["line", &path, "line=k=2", "owner=anna", "mode=0644"][..],
                &["block", &path, "block=b"],
                &["replace", &path, "regexp=1", "replace=2"],
            ] {
                let ran = estate.task(arguments).run();
                ran.exits(1).failed("one", &["link", folder]);
            }
        }
        let path = format!("path={folder}/d");
        let ran = estate.task(["directory", &path, "owner=anna"]).run();
        ran.exits(1).failed("one", &["link", folder]);
        let path = format!("path={folder}/d/new");
        let ran = estate.task(["file", &path, "content=x"]).run();
        ran.exits(1).failed("one", &["link", folder]);
    }
    assert_eq!(estate.on("one", before), held);
    assert!(estate.holds("one", "[ ! -e /root/d/new ]"));
    // Root's own link is followed, and the preview says where to.
    let line = [
        "task",
        "line",
        "path=/srv/roots/f",
        "regexp=^k=",
        "line=k=2",
        "--diff",
    ];
    estate
        .prov(line)
        .run()
        .exits(0)
        .says("/srv/roots/f → /root/d/f");
}

#[test]
fn a_file_that_is_written_in_place_keeps_its_bytes_where_the_disk_is_full() {
    let estate = Estate::deployed(&["one"]);
    // A file with two names is written in place, as a mount point is.
    estate.on(
        "one",
        "mkdir /dev/shm/d; echo old >/dev/shm/d/f; ln /dev/shm/d/f /dev/shm/d/g; head -c 200M /dev/zero >/dev/shm/full 2>/dev/null || :",
    );
    let content = format!("content={}", "new ".repeat(15_000));
    let write = ["file", "path=/dev/shm/d/f", &content];
    let ran = estate.task(write).run();
    ran.exits(1)
        .failed("one", &["No space left on device", "`df -h /dev/shm/d`"]);
    assert_eq!(
        estate.on("one", "cd /dev/shm/d; cat f g; stat -c %h f; ls -A"),
        "old\nold\n2\nf\ng\n"
    );
    estate.on("one", "rm /dev/shm/full");
    estate
        .task(write)
        .run()
        .changed("one", &["file /dev/shm/d/f"]);
    assert_eq!(
        estate.on("one", "cd /dev/shm/d; cmp f g; stat -c '%h %s' f"),
        "2 60000\n"
    );
}
