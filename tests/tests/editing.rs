//! Files of others that are edited: their encodings, marks and line ends, and what is no text.

use end_to_end::Estate;

/// Gives the bytes of a file of the host `one` as hexadecimal digits.
fn bytes(estate: &Estate, path: &str) -> String {
    estate.on("one", &format!("od -An -v -tx1 {path} | tr -d ' \\n'"))
}

fn hexadecimal(bytes: &[u8]) -> String {
    tasks::hex(bytes)
}

/// Edits a file of these bytes, twice.
fn edits(estate: &Estate, before: &str, arguments: &[&str], after: &[u8]) {
    estate.on("one", &format!("printf '{before}' >/srv/x"));
    let task = |more: &[&str]| {
        let all = [&arguments[..1], &["path=/srv/x"], &arguments[1..], more].concat();
        estate.task(all).run()
    };
    let preview = task(&["--diff"]);
    assert_eq!(preview.changes("one").len(), 1, "{}", preview.told());
    task(&[]).exits(0);
    assert_eq!(bytes(estate, "/srv/x"), hexadecimal(after), "{arguments:?}");
    task(&[]).unchanged("one");
}

#[test]
fn encodings_marks_and_line_ends_stay_as_they_are() {
    let estate = Estate::deployed(&["one"]);
    let key9 = ["line", "regexp=^key=", "line=key=9"];
    edits(
        &estate,
        r"\357\273\277key=1\nother=2\n",
        &key9,
        b"\xef\xbb\xbfkey=9\nother=2\n",
    );
    edits(
        &estate,
        r"na\357ve=\377\r\nkey=1\r\nlast \351",
        &key9,
        b"na\xefve=\xff\r\nkey=9\r\nlast \xe9",
    );
    edits(&estate, r"a\r\nb", &["line", "line=c"], b"a\r\nb\r\nc\r\n");
    edits(
        &estate,
        r"\303\251 \351\r\n",
        &["block", "block=a\nb", "marker=# {mark}"],
        b"\xc3\xa9 \xe9\r\n# BEGIN\r\na\r\nb\r\n# END\r\n",
    );
    edits(
        &estate,
        r"\357\273\277\351=1 \364\217\276\200\n",
        &["replace", "regexp=^(.)=1", r"replace=\1=2"],
        b"\xef\xbb\xbf\xe9=2 \xf4\x8f\xbe\x80\n",
    );
    // What is seen of it is text.
    estate.on("one", r"printf 'b\351\nk=1\n' >/srv/x");
    let line = [
        "task",
        "line",
        "path=/srv/x",
        "regexp=^k=",
        "line=k=2",
        "--diff",
    ];
    estate.prov(line).run().exits(0).says(r"b\xe9");
    // Keys of a user, though somebody has written his name in another encoding.
    estate.on(
        "one",
        r"useradd -m anna; mkdir -m 700 ~anna/.ssh; printf '# Ren\351\r\n' >~anna/.ssh/authorized_keys; chown -R anna: ~anna/.ssh; chmod 600 ~anna/.ssh/*",
    );
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4cGAVQAxQV0HcKyYdU6+YFJ5Y9nPJkhBJvlXvJ3s6C a";
    estate
        .task(["authorized_key", "user=anna", &format!("key={key}")])
        .run()
        .exits(0);
    assert_eq!(
        bytes(&estate, "~anna/.ssh/authorized_keys"),
        hexadecimal(
            format!("# Ren\u{e9}\r\n{key}\r\n")
                .replace('\u{e9}', "?")
                .as_bytes()
        )
        .replacen("3f", "e9", 1)
    );
}

#[test]
fn what_cannot_be_edited_by_lines_is_refused_and_left_alone() {
    let estate = Estate::deployed(&["one"]);
    for (before, words) in [
        (r"\377\376a\0\n\0", ["is in UTF-16", "iconv -f UTF-16"]),
        (r"\376\377\0a\0\n", ["is in UTF-16", "iconv -f UTF-16"]),
        (r"a\0b\n", ["NUL byte in line 1", "manage the whole file"]),
        (r"a=1\rb=2\r", ["carriage return", "perl -pi"]),
        (r"x\na=1\rb=2\n", ["in line 2", "perl -pi"]),
    ] {
        estate.on("one", &format!("printf '{before}' >/srv/x"));
        let old = bytes(&estate, "/srv/x");
        for arguments in [
            &["line", "regexp=^a=", "line=a=9"][..],
            &["line", "line=a", "state=absent"],
            &["block", "block=a"],
            &["replace", "regexp=a", "replace=b"],
        ] {
            let all = [&arguments[..1], &["path=/srv/x"], &arguments[1..]].concat();
            estate.task(all).run().exits(1).failed("one", &words);
            assert_eq!(bytes(&estate, "/srv/x"), old);
        }
    }
    // The remedy does what it says.
    estate.on(
        "one",
        r"printf 'a=1\rb=2\r\nc\n' >/srv/x; perl -pi -e 's/\r\n?/\n/g' /srv/x",
    );
    assert_eq!(estate.on("one", "cat /srv/x"), "a=1\nb=2\nc\n");
}

#[test]
fn expressions_that_tell_nothing_or_do_not_exist_are_refused_when_they_are_typed() {
    let estate = Estate::new(&["one"]);
    for regexp in ["", "^", "$", "x*", ".*"] {
        let regexp = format!("regexp={regexp}");
        estate
            .prov(["task", "line", "path=/srv/x", &regexp, "line=three"])
            .run()
            .exits(64)
            .says("is found in every line")
            .says("hint: write what only the line that is meant has");
    }
    let replace = ["task", "replace", "path=/srv/x", "regexp=^", "replace=# "];
    let ran = estate.prov(replace).run();
    ran.exits(64)
        .says("finds emptiness")
        .says(r"`^(.+)$` with `x\1`");
    for (regexp, remedy) in [
        ("a(?=b)", "as a group"),
        (r"(a)\1", "write out"),
        (r"a\Z", r"`\z`"),
        ("a[", "docs.rs/regex"),
    ] {
        let regexp = format!("regexp={regexp}");
        let line = ["task", "line", "path=/srv/x", &regexp, "line=x"];
        estate
            .prov(line)
            .run()
            .exits(64)
            .says("is not valid")
            .says(remedy);
    }
}

#[test]
fn content_may_be_any_bytes_and_is_shown_by_size_and_digest() {
    let estate = Estate::deployed(&["one"]);
    let binary: Vec<u8> = (0..=255).cycle().take(3000).collect();
    let place = estate.path("binary");
    std::fs::write(&place, &binary).unwrap();
    let content = format!("content=@{}", place.display());
    let file = ["file", "path=/srv/binary", &content];
    let preview = ["task", "file", "path=/srv/binary", &content, "--diff"];
    let sum = |bytes: &[u8]| tasks::content::Content::plain(tasks::raw::text(bytes)).sha256();
    let ran = estate.prov(preview).run();
    ran.exits(0)
        .says(&format!("+<3000 bytes, SHA-256 {}>", sum(&binary)));
    estate
        .task(file)
        .run()
        .changed("one", &["file /srv/binary"]);
    assert_eq!(bytes(&estate, "/srv/binary"), hexadecimal(&binary));
    estate.task(file).run().unchanged("one");
    estate.on("one", "printf x >>/srv/binary");
    let ran = estate.prov(preview).run();
    ran.exits(0).says("-<3001 bytes, SHA-256 ");
    // What not everybody may read is not to be guessed by its digest.
    let private = [
        "task",
        "file",
        "path=/srv/p",
        &content,
        "mode=0600",
        "--diff",
    ];
    estate
        .prov(private)
        .run()
        .exits(0)
        .says("+<3000 bytes hidden: may hold a secret>");
    // Another encoding than UTF-8 is text all the same, and a single line of it can be one of a file.
    std::fs::write(&place, b"caf\xe9").unwrap();
    let line = format!("line=@{}", place.display());
    estate.on("one", "printf 'a\\n' >/srv/x");
    estate.task(["line", "path=/srv/x", &line]).run().exits(0);
    assert_eq!(bytes(&estate, "/srv/x"), hexadecimal(b"a\ncaf\xe9\n"));
    let field = format!("owner=@{}", place.display());
    estate
        .prov(["task", "file", "path=/srv/x", &field])
        .run()
        .exits(64)
        .says("holds no text in UTF-8");
}

#[test]
fn a_text_that_begins_with_an_at_sign_is_written_with_two() {
    let estate = Estate::deployed(&["one"]);
    estate.on("one", "printf 'a\\n' >/srv/x");
    let at = "line=@reboot root /usr/bin/x";
    let ran = estate.prov(["task", "line", "path=/srv/x", at]).run();
    ran.exits(64)
        .says("line line: cannot read 'reboot root /usr/bin/x'")
        .says("hint: after @ comes the path of a file")
        .says("line=@@reboot root /usr/bin/x");
    for (typed, line) in [
        ("@@reboot x", "@reboot x"),
        ("@@@home", "@@home"),
        ("@@", "@"),
    ] {
        let typed = format!("line={typed}");
        estate.task(["line", "path=/srv/x", &typed]).run().exits(0);
        assert!(estate.on("one", "tail -1 /srv/x") == format!("{line}\n"));
    }
    let account = ["task", "mariadb_user", "account=@localhost", "password=x"];
    estate
        .prov(account)
        .run()
        .exits(64)
        .says("account=@@localhost");
    for place in ["/no/such/file", "/", ""] {
        let content = format!("content=@{place}");
        estate
            .prov(["task", "file", "path=/srv/y", &content])
            .run()
            .exits(64)
            .says("cannot read");
    }
    // Nothing comes by standard input here.
    let empty = ["file", "path=/srv/empty", "content=@-"];
    estate
        .task(empty)
        .run()
        .changed("one", &["file /srv/empty"]);
    assert!(estate.holds("one", "[ -f /srv/empty ] && [ ! -s /srv/empty ]"));
}

#[test]
fn large_files_are_edited_and_larger_ones_told() {
    let estate = Estate::deployed(&["one"]);
    estate.on(
        "one",
        "yes 'some words of a long log' | head -c 20000000 >/srv/large; printf '\\nkey=1\\n' >>/srv/large; yes 'more words' | head -c 5000000 >>/srv/large",
    );
    let expected = estate.on("one", "sed 's/^key=1$/key=2/' /srv/large | sha256sum");
    let line = ["line", "path=/srv/large", "regexp=^key=", "line=key=2"];
    let preview = estate.task(line).args(["--diff"]).run();
    assert!(preview.told().contains("+key=2"), "{}", preview.told());
    estate
        .task(line)
        .run()
        .changed("one", &["line /srv/large '^key='"]);
    assert_eq!(estate.on("one", "sha256sum </srv/large"), expected);
    estate.task(line).run().unchanged("one");
    assert_eq!(
        estate.on("one", "ls -A /var/tmp /srv"),
        "/srv:\nlarge\n\n/var/tmp:\n"
    );
    estate.on("one", "truncate -s 70000000 /srv/large");
    estate.task(line).run().exits(1).failed(
        "one",
        &["70000000 bytes", "up to 64 MiB", "a file of its own"],
    );
    // A whole file may be as large as it likes.
    let large = estate.path("large");
    std::fs::write(&large, vec![b'x'; 5_000_000]).unwrap();
    let content = format!("content=@{}", large.display());
    let file = ["file", "path=/srv/large", &content];
    estate.task(file).run().changed("one", &["file /srv/large"]);
    assert_eq!(estate.on("one", "stat -c %s /srv/large"), "5000000\n");
    estate.task(file).run().unchanged("one");
    // There is no room for what is sent ahead: nothing is changed, and nothing left.
    estate.on("one", "rmdir /var/tmp; mkdir -p /dev/shm/tmp; ln -s /dev/shm/tmp /var/tmp; head -c 200M /dev/zero >/dev/shm/full 2>/dev/null || :; echo old >/srv/large");
    let ran = estate.task(file).run();
    ran.exits(1).failed(
        "one",
        &["No space left on device", "/var/tmp", "free space"],
    );
    assert_eq!(
        estate.on("one", "cat /srv/large; ls -A /dev/shm/tmp /srv"),
        "old\n/dev/shm/tmp:\n\n/srv:\nlarge\n"
    );
}

#[test]
fn a_line_of_a_private_file_is_not_its_name() {
    let estate = Estate::deployed(&["one"]);
    estate.on(
        "one",
        "printf 'a\\n' >/srv/x; chmod 600 /srv/x; printf 'a\\n' >/srv/y",
    );
    let line = "line=password=correct-horse";
    for more in [&["--diff"][..], &[], &[]] {
        let ran = estate.task(["line", "path=/srv/x", line]).args(more).run();
        ran.exits(0).never_says("correct-horse");
    }
    assert_eq!(
        estate.on("one", "tail -1 /srv/x"),
        "password=correct-horse\n"
    );
    let ran = estate.task(["line", "path=/srv/y", "line=loop"]).run();
    ran.changed("one", &["line /srv/y 'loop'"]);
    // Content that is new is no less private, nor is what a program quotes a part of; who wants to see it says so.
    let file = [
        "task",
        "file",
        "path=/srv/z",
        "content=correct-horse",
        "mode=0600",
        "--diff",
    ];
    estate.prov(file).run().exits(0).never_says("correct-horse");
    let ran = estate.prov(file).args(["--show-private"]).run();
    ran.exits(0).says("correct-horse");
    let quoting = "argv=[sh, -c, 'printf \"near %s\" \"\\\"$(head -c 9)\\\"\" >&2; exit 3']";
    let command = ["command", quoting, "creates=/nope", "stdin=correct-horse"];
    let ran = estate.task(command).run();
    ran.exits(1).never_says("correct-h");
}
