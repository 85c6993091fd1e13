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
    folder: tempfile::TempDir,
    identity: Identity,
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Folder {
    fn new() -> Self {
        let folder = Self {
            folder: tempfile::tempdir().unwrap(),
            identity: Identity::generate(),
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
        self.folder.path().join(name)
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
        command.args(words).current_dir(self.folder.path());
        command
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path(".state"));
        command
            .env("EDITOR", editor)
            .env_remove("VISUAL")
            .env_remove("PROV_IDENTITY");
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
    let git = |words: &[&str]| {
        let all = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let mut command = Command::new("git");
        let done = command
            .args(all)
            .args(words)
            .current_dir(folder.folder.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    folder.write(
        "recipients.txt",
        &format!("{}\n{}\n", folder.identity.to_public(), other.to_public()),
    );
    git(&["init", "-q"]);
    folder.write("hosts/web1.private.yml", "r_port: 9\n");
    let said = folder.prov(&["secrets", "check"]);
    assert!(said.out.contains("`git add` would take it"), "{}", said.out);
    git(&["add", "-A"]);
    let said = folder.prov(&["secrets", "check"]);
    assert!(
        said.out.contains("in version control in the clear"),
        "{}",
        said.out
    );
    git(&["commit", "-qm", "x"]);
    git(&["rm", "-q", "--cached", "hosts/web1.private.yml"]);
    folder.write(".gitignore", "*.private.yml\n");
    // It is in the last commit still.
    assert_eq!(folder.prov(&["secrets", "check"]).code, 1);
    git(&["commit", "-qm", "y"]);
    let said = folder.prov(&["secrets", "check"]);
    assert_eq!(said.code, 0, "{}", said.out);
}
