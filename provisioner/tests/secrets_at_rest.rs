//! Private files that are encrypted, as a user would have them: through the program, with files and keys of their own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;

/// What must be seen nowhere but where it is asked for.
const CANARY: &str = "can\"ary 'ü: #1";

struct Folder {
    root: tempfile::TempDir,
    identity: Identity,
    /// What the environment has besides.
    env: Vec<(&'static str, PathBuf)>,
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Folder {
    fn new() -> Self {
        let folder = Self {
            root: tempfile::tempdir().unwrap(),
            identity: Identity::generate(),
            env: Vec::new(),
        };
        folder.write("estate.yml", "name: e\nhosts: {web1: {address: 192.0.2.1, location: external}}\nroles: {r: [web1]}\n");
        folder.write(
            "roles/r/role.yml",
            "summary: A file.\nvariables:\n  r_key: {type: secret, about: A key.}\n  r_port: {type: number, default: 1, about: A port.}\nresources:\n  - file: {path: /etc/r, content: 'k={{ r_key }} {{ r_port }}', mode: '0600'}\n",
        );
        folder.write(
            "recipients.txt",
            &format!("# me\n{}\n", folder.identity.to_public()),
        );
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn run(&self, with_key: bool, words: &[&str], input: &str, editor: &str) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_prov"));
        command.args(words).current_dir(self.root.path());
        command
            .env("HOME", self.path(".home"))
            .env("XDG_STATE_HOME", self.path(".state"));
        command
            .env("EDITOR", editor)
            .env_remove("VISUAL")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("PROV_IDENTITY")
            .envs(self.env.iter().cloned());
        if with_key {
            command.env(
                "PROV_IDENTITY_KEY",
                self.identity.to_string().expose_secret(),
            );
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that reads nothing may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn prov(&self, words: &[&str]) -> Said {
        self.run(true, words, "", "false")
    }

    fn without_key(&self, words: &[&str]) -> Said {
        self.run(false, words, "", "false")
    }

    fn git(&self, words: &[&str]) {
        let all = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let mut command = Command::new("git");
        let done = command
            .args(all)
            .args(words)
            .current_dir(self.root.path())
            .envs(self.env.iter().cloned())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    /// Gives what `prov secrets check` finds: `FILE[:LINE]: PROBLEM; HINT`.
    fn findings(&self, with_key: bool) -> Vec<String> {
        let said = self.run(with_key, &["secrets", "check", "--output", "json"], "", "");
        let found: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        let lines = found["findings"].as_array().unwrap().iter().map(|it| {
            let text = |key: &str| it[key].as_str().unwrap();
            format!(
                "{}:{}: {}; {}",
                text("file"),
                it["line"],
                text("problem"),
                text("hint")
            )
        });
        let lines: Vec<_> = lines.collect();
        assert_eq!(said.code, i32::from(!lines.is_empty()));
        for shown in [
            &said.out,
            &said.err,
            &self.run(with_key, &["secrets", "check", "-v"], "", "").out,
        ] {
            assert!(!shown.contains("ary"), "{shown}");
        }
        lines
    }

    fn encrypted() -> Self {
        let folder = Self::new();
        let text = format!(
            "# old: {CANARY}\nr_key: {}\nr_port: 7\n",
            serde_json::to_string(CANARY).unwrap()
        );
        folder.write("groups/all.private.yml", &text);
        let said = folder.prov(&["secrets", "encrypt"]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        folder
    }
}

const FILE: &str = "groups/all.private.yml.age";

#[test]
fn what_was_encrypted_is_used_and_seen_nowhere() {
    let folder = Folder::encrypted();
    assert!(!folder.path("groups/all.private.yml").exists());
    let text = folder.read(FILE);
    assert!(
        text.contains("\nr_key: age:") && !text.contains("ary"),
        "{text}"
    );
    let mode = fs::metadata(folder.path(FILE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        folder.prov(&["secrets", "show", "all", "r_key"]).out,
        format!("{CANARY}\n")
    );
    for words in [
        &["check", "-vvv"][..],
        &["check", "--output", "json"],
        &["secrets", "check", "-vvv"],
        &["secrets", "rekey", "-vvv"],
        &["secrets", "show", "all", "r_kex"],
        &["diff", "-vvv", "--timeout", "1", "--limit", "nobody"],
    ] {
        let said = folder.prov(words);
        for shown in [said.out, said.err] {
            assert!(!shown.contains("ary"), "{words:?}: {shown}");
        }
    }
    let checked = folder.prov(&["check"]);
    assert_eq!((checked.code, checked.err.as_str()), (0, ""));
}

#[test]
fn without_a_key_what_needs_none_works_and_the_rest_says_whose_is_needed() {
    let folder = Folder::encrypted();
    let checked = folder.without_key(&["check"]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert!(
        checked
            .err
            .contains("2 values in groups/all.private.yml.age"),
        "{}",
        checked.err
    );
    let diff = folder.without_key(&["diff"]);
    assert_eq!(diff.code, 1);
    assert!(
        diff.err.contains("age1") && diff.err.contains("--identity"),
        "{}",
        diff.err
    );
    // Setting needs none.
    let set = folder.run(false, &["secrets", "set", "all", "r_key"], "new\n", "false");
    assert_eq!(set.code, 0, "{}", set.err);
    assert_eq!(
        folder.prov(&["secrets", "show", "all", "r_key"]).out,
        "new\n"
    );
}

#[test]
fn a_value_that_was_moved_is_damaged_or_in_the_clear_is_refused() {
    let folder = Folder::encrypted();
    let good = folder.read(FILE);
    let value = |key: &str| {
        let line = good.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    };
    let (key, port) = (value("r_key"), value("r_port"));
    for (bad, said) in [
        (good.replace(&port, &key), "another place"),
        (good.replace(&key, &key[..key.len() - 8]), "damaged"),
        (good.replace(&key, "age:%%"), "damaged"),
        (good.replace(&key, "plain"), "not encrypted"),
    ] {
        folder.write(FILE, &bad);
        let checked = folder.prov(&["check"]);
        assert_eq!(checked.code, 64, "{said}");
        assert!(checked.err.contains(said), "{said}: {}", checked.err);
        assert_eq!(folder.prov(&["secrets", "check"]).code, 1, "{said}");
    }
    // In another file it is another place, too.
    folder.write(FILE, "");
    folder.write("hosts/web1.private.yml.age", &good);
    assert!(folder.prov(&["check"]).err.contains("another place"));
}

#[test]
fn editing_encrypts_what_was_changed_and_leaves_nothing_behind() {
    let folder = Folder::encrypted();
    let before = folder.read(FILE);
    let edit = |editor: &str| folder.run(true, &["secrets", "edit", "all"], "", editor);
    assert_eq!(edit("true").code, 0);
    assert_eq!(edit("false").code, 1);
    assert_eq!(edit("sh -c 'echo {x >>$0'").code, 64);
    assert_eq!(folder.read(FILE), before);
    let said = edit("sed -i 's/^r_port: 7/r_port: 8/'");
    assert_eq!(said.code, 0, "{}", said.err);
    let after = folder.read(FILE);
    let changed: Vec<_> = before
        .lines()
        .zip(after.lines())
        .filter(|(a, b)| a != b)
        .collect();
    assert_eq!(changed.len(), 1);
    assert!(changed[0].1.starts_with("r_port: age:"));
    assert_eq!(
        folder.prov(&["secrets", "show", "all", "r_port"]).out,
        "8\n"
    );
    // A signal ends the editor, and the clear text is gone.
    let seen = folder.path("seen");
    let editor = format!(
        "sh -c 'echo $0 >{}; kill -TERM $PPID; exec sleep 20'",
        seen.display()
    );
    assert_eq!(edit(&editor).code, 1);
    let place = PathBuf::from(fs::read_to_string(&seen).unwrap().trim());
    assert!(!place.exists() && !place.parent().unwrap().exists());
}

#[test]
fn whatever_lies_in_the_clear_is_found_with_what_to_do_about_it() {
    let folder = Folder::encrypted();
    assert_eq!(folder.findings(true), [""; 0]);
    folder.git(&["init", "-q"]);
    folder.write(".gitignore", "*.private.yml*\n*.private.pem*\n!*.age\n");
    folder.git(&["add", "-A"]);
    folder.git(&["commit", "-qm", "x"]);
    assert_eq!(folder.findings(true), [""; 0]);

    // A private file that others may read.
    folder.write("hosts/web1.private.yml", "r_port: 9\n");
    let mode = |mode| {
        let path = folder.path("hosts/web1.private.yml");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o640);
    assert_eq!(
        folder.findings(true),
        [
            "hosts/web1.private.yml:0: others may read this private file (mode 0640); run `chmod 600 ./hosts/web1.private.yml`"
        ]
    );
    mode(0o600);

    // Copies of editors, which the usual patterns do not ignore.
    folder.write(".gitignore", "*.private.yml\n");
    folder.write("hosts/.web1.private.yml.swp", "x");
    let found = folder.findings(true);
    assert!(
        found.len() == 1
            && found[0]
                .starts_with("hosts/.web1.private.yml.swp:0: is in the clear, and `git add`"),
        "{found:?}"
    );
    folder.git(&["add", "hosts/.web1.private.yml.swp"]);
    let found = folder.findings(true);
    assert!(
        found[0].contains("is in version control in the clear"),
        "{found:?}"
    );
    folder.git(&["rm", "-qf", "hosts/.web1.private.yml.swp"]);

    // Secrets by the types of variables, in files that anybody may read.
    folder.write("groups/all.yml", "r_port: 3\nr_key: canary\n");
    folder.write(
        "estate.yml",
        &folder
            .read("estate.yml")
            .replace("name: e\n", "name: e\nconnection: {password: canary}\n"),
    );
    let found = folder.findings(true);
    assert_eq!(
        found,
        [
            "estate.yml:2: connection.password: a secret stands in a public file; move it into estate.private.yml.age with `prov secrets edit estate`; then change it, because the history of version control keeps it",
            "groups/all.yml:2: r_key: a secret stands in a public file; move it into groups/all.private.yml.age with `prov secrets edit groups/all`",
        ]
    );
    folder.git(&["checkout", "-q", "estate.yml"]);
    fs::remove_file(folder.path("groups/all.yml")).unwrap();

    // A private key in a file that anybody may read.
    let key = format!(
        "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n",
        "canary".repeat(11)
    );
    folder.write("templates/key", &key);
    let found = folder.findings(true);
    assert!(
        found.len() == 1 && found[0].starts_with("templates/key:1: a private key stands here"),
        "{found:?}"
    );
    fs::remove_file(folder.path("templates/key")).unwrap();
    assert_eq!(folder.findings(true), [""; 0]);
}

#[test]
fn the_clear_file_beside_the_encrypted_one_is_compared_and_never_put_in_its_place() {
    let folder = Folder::encrypted();
    let sealed = folder.read(FILE);
    let clear = "groups/all.private.yml";
    let same = format!(
        "r_key: {}\nr_port: 7\n",
        serde_json::to_string(CANARY).unwrap()
    );
    folder.write(clear, &same);
    assert_eq!(
        folder.findings(true),
        [
            "groups/all.private.yml:0: holds in the clear what groups/all.private.yml.age holds, too; remove the clear one"
        ]
    );
    folder.write(clear, &same.replace('7', "8"));
    assert_eq!(
        folder.findings(true),
        [
            "groups/all.private.yml:0: is in the clear, and differs from groups/all.private.yml.age beside it in r_port; put what is right of it into the encrypted one with `prov secrets edit groups/all`, and remove the clear one"
        ]
    );
    let found = folder.findings(false);
    assert!(
        found.len() == 1 && found[0].contains("have who has a key compare them"),
        "{found:?}"
    );
    for words in [&["secrets", "encrypt"][..], &["secrets", "encrypt", "all"]] {
        let said = folder.prov(words);
        assert_eq!(said.code, 64, "{}", said.out);
        assert!(said.err.contains("would be lost"), "{}", said.err);
    }
    assert_eq!(
        (folder.read(FILE), folder.read(clear)),
        (sealed, same.replace('7', "8"))
    );
}

#[test]
fn an_authority_in_the_clear_among_encrypted_secrets_is_found() {
    let folder = Folder::encrypted();
    folder.write("authority.private.pem", "x");
    let found = folder.findings(true);
    assert!(
        found.len() == 1
            && found[0].starts_with(
                "authority.private.pem:0: the authority's key is in the clear, though"
            )
            && found[0].ends_with("`prov secrets encrypt authority`"),
        "{found:?}"
    );
    folder.write("authority.private.pem.age", "x");
    let found = folder.findings(true);
    assert!(
        found
            .iter()
            .any(|it| it.contains("authority.private.pem.age is beside it")),
        "{found:?}"
    );
    // Where nothing is encrypted, it is as clear as the rest.
    let folder = Folder::new();
    folder.write("groups/all.private.yml", "r_port: 7\n");
    folder.write("authority.private.pem", "x");
    assert_eq!(folder.findings(true), [""; 0]);
}

#[test]
fn other_recipients_get_the_values_by_rekeying_and_version_control_is_looked_at() {
    let folder = Folder::encrypted();
    assert_eq!(folder.prov(&["secrets", "check"]).code, 0);
    let other = Identity::generate();
    folder.write(
        "recipients.txt",
        &format!("{}\n{}\n", folder.identity.to_public(), other.to_public()),
    );
    assert_eq!(folder.prov(&["secrets", "check"]).code, 1);
    assert_eq!(folder.without_key(&["secrets", "check"]).code, 1);
    assert_eq!(folder.prov(&["secrets", "rekey"]).code, 0);
    let once = folder.read(FILE);
    assert_eq!(folder.prov(&["secrets", "rekey"]).code, 0);
    assert_eq!(folder.read(FILE), once);
    assert_eq!(folder.prov(&["secrets", "check"]).code, 0);
    // Nobody locks himself out.
    folder.write("recipients.txt", &format!("{}\n", other.to_public()));
    assert_eq!(folder.prov(&["secrets", "rekey"]).code, 1);
    folder.write(
        "recipients.txt",
        &format!("{}\n{}\n", folder.identity.to_public(), other.to_public()),
    );
    folder.git(&["init", "-q"]);
    folder.write("hosts/web1.private.yml", "r_port: 9\n");
    let said = folder.prov(&["secrets", "check"]);
    assert!(said.out.contains("`git add` would take it"), "{}", said.out);
    folder.git(&["add", "-A"]);
    let said = folder.prov(&["secrets", "check"]);
    assert!(
        said.out.contains("in version control in the clear"),
        "{}",
        said.out
    );
    folder.git(&["commit", "-qm", "x"]);
    folder.git(&["rm", "-q", "--cached", "hosts/web1.private.yml"]);
    folder.write(".gitignore", "*.private.yml\n");
    // It is in the last commit still.
    assert_eq!(folder.prov(&["secrets", "check"]).code, 1);
    folder.git(&["commit", "-qm", "y"]);
    let said = folder.prov(&["secrets", "check"]);
    assert_eq!(said.code, 0, "{}", said.out);
}

/// A stand-in for `pass` that notes what it is asked for.
const PASS: &str = "#!/bin/sh
echo \"$# $*\" >>\"$HOME/asked\"
[ -z \"$PROV_IDENTITY_KEY\" ] || echo 'it has a key' >>\"$HOME/asked\"
case $2 in
firm/web) printf '%s\\n' 'can\"ary '\\''ü: #1';;
*) echo 'Error:' >&2; echo \"$2 is not in the password store.\" >&2; exit 1;;
esac
";

#[test]
fn a_program_gives_secrets_only_where_its_user_allows_it_and_they_are_needed() {
    let folder = Folder::new();
    folder.write(
        "groups/all.yml",
        "r_key: {secret_from: pass, name: web}\nr_port: 3\n",
    );
    folder.write(
        "estate.private.yml",
        "connection: {password: {secret_from: pass, name: web}}\n",
    );
    let pass = folder.path(".home/pass");
    folder.write(".home/pass", PASS);
    fs::set_permissions(&pass, fs::Permissions::from_mode(0o700)).unwrap();
    let asked = || fs::read_to_string(folder.path(".home/asked")).unwrap_or_default();
    let allow = |estate: &str| {
        let words = format!("[{}, show, 'firm/{{name}}']", pass.display());
        folder.write(
            ".home/.config/prov/secrets.yml",
            &format!("{estate}: {{pass: {words}}}\n"),
        );
    };
    // It is loaded with what it needs before there turns out to be nobody.
    let needing = ["diff", "-vvv", "--limit", "nobody"];

    let checked = folder.prov(&["check"]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert!(
        checked.err.contains("comes from programs") && checked.err.contains("2 values in"),
        "{}",
        checked.err
    );
    assert_eq!(folder.findings(true), [""; 0]);
    // Nobody has allowed anything, or only for another estate.
    for estate in ["", "/srv/other"] {
        if !estate.is_empty() {
            allow(estate);
        }
        let said = folder.prov(&needing);
        assert_eq!(said.code, 1);
        for part in [
            "you have allowed it no such command",
            "groups/all.yml:1: r_key wants 'web'",
            "estate.private.yml:1: connection.password wants 'web'",
            ".home/.config/prov/secrets.yml",
        ] {
            assert!(said.err.contains(part), "{part}: {}", said.err);
        }
    }
    assert_eq!(asked(), "");

    allow(&folder.root.path().display().to_string());
    let said = folder.prov(&needing);
    assert_eq!(said.code, 64, "{}", said.err);
    assert!(said.err.contains("nobody"), "{}", said.err);
    assert!(!format!("{}{}", said.out, said.err).contains("ary"));
    // Once for a run, whoever needs it.
    assert_eq!(asked(), "2 show firm/web\n");
    assert_eq!(folder.prov(&["check"]).code, 0);
    assert_eq!(asked(), "2 show firm/web\n");

    // Not of an estate that has mistakes.
    folder.write("groups/all.yml", "r_key: {secret_from: pass, nam: web}\n");
    let said = folder.prov(&needing);
    assert_eq!(said.code, 64);
    assert!(said.err.contains("unknown field 'nam'"), "{}", said.err);
    assert_eq!(asked(), "2 show firm/web\n");

    folder.write("groups/all.yml", "r_key: {secret_from: pass, name: db}\n");
    let said = folder.prov(&needing);
    assert_eq!(said.code, 1);
    let pass = pass.display();
    for part in [
        "cannot get 1 value".to_owned(),
        format!(
            "groups/all.yml:1: r_key: `{pass} show firm/db` ended with 1: firm/db is not in the password store."
        ),
    ] {
        assert!(said.err.contains(&part), "{part}: {}", said.err);
    }

    // What a store gives may stand only where secrets may.
    folder.write(
        "groups/all.yml",
        "r_key: x\nr_port: {secret_from: pass, name: web}\n",
    );
    let said = folder.prov(&["check"]);
    assert_eq!(said.code, 64, "{}", said.err);
    let says = ["groups/all.yml:2", "found a text with a secret"];
    assert!(
        says.iter().all(|part| said.err.contains(part)),
        "{}",
        said.err
    );
}

#[test]
fn git_is_asked_about_the_repository_that_a_folder_is_in_whoever_asks() {
    let clear = |name: &str| format!("{name}:0: is in version control in the clear");
    let finds = |folder: &Folder, expected: &[String]| {
        let found = folder.findings(true);
        let same = found.len() == expected.len()
            && expected.iter().zip(&found).all(|(a, b)| b.starts_with(a));
        assert!(same, "{found:?}");
    };
    let mut folder = Folder::encrypted();
    // Neither a bare repository nor git's own folder has files in version control.
    folder.git(&["init", "-q", "--bare", ".git"]);
    finds(&folder, &[]);
    fs::remove_dir_all(folder.path(".git")).unwrap();

    folder.git(&["init", "-q"]);
    folder.write(".gitignore", "*.private.yml*\n!*.age\n.other\n");
    folder.git(&["add", "-A"]);
    folder.git(&["commit", "-qm", "x"]);
    folder.write("hosts/web1.private.yml", "r_port: 9\n");
    folder.git(&["add", "-f", "hosts/web1.private.yml"]);
    let first = clear("hosts/web1.private.yml");
    finds(&folder, std::slice::from_ref(&first));
    // A hook of another repository says that another one is meant.
    folder.git(&["init", "-q", "--bare", ".other"]);
    folder.env = vec![("GIT_DIR", folder.path(".other"))];
    finds(&folder, std::slice::from_ref(&first));
    folder.env = vec![
        ("GIT_DIR", folder.path(".other")),
        ("GIT_INDEX_FILE", folder.path(".other/index")),
    ];
    finds(&folder, std::slice::from_ref(&first));
    // A hook of this one looks at what will be committed.
    folder.env.clear();
    folder.git(&["rm", "-q", "--cached", "hosts/web1.private.yml"]);
    finds(&folder, &[]);
    folder.env = vec![("GIT_INDEX_FILE", folder.path(".git/next-index"))];
    folder.git(&["add", "-f", "hosts/web1.private.yml"]);
    finds(&folder, &[first]);
    folder.env.clear();

    // A repository within, as a submodule is.
    folder.write("inner/.a.private.yml.swp", "x");
    folder.git(&["init", "-q", "inner"]);
    folder.git(&["-C", "inner", "add", ".a.private.yml.swp"]);
    finds(&folder, &[clear("inner/.a.private.yml.swp")]);
}

#[test]
fn without_git_a_folder_in_no_repository_is_checked_all_the_same() {
    let mut folder = Folder::encrypted();
    folder.env = vec![("PATH", PathBuf::from("/nonexistent"))];
    assert_eq!(folder.findings(true), [""; 0]);
    fs::create_dir(folder.path(".git")).unwrap();
    let said = folder.prov(&["secrets", "check"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("install git"), "{}", said.err);
}
