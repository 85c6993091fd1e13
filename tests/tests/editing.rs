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
