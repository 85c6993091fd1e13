//! Checkouts of git on a real host: from a remote by HTTP and by SSH, which the test is itself.

use end_to_end::Estate;

/// Makes a repository with a submodule, served by the host itself by HTTP and, to one key, by SSH.
const REMOTE: &str = r"
apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq -y install git busybox openssh-client >/dev/null 2>&1
useradd -m app; useradd -m -s /bin/sh remote; install -d -o remote -g remote /srv/git
runuser -u remote -- sh -eu <<'END'
cd /srv/git; export HOME=/home/remote; git config --global user.name E2E; git config --global user.email e2e@example.org
git init -q -b main work; cd work; echo 1 >page; git add page; git commit -qm one; git tag -am first v1; git branch old
echo 2 >page; echo ignored >.gitignore; git add .; git commit -qm two
cd ..; git clone -q --bare work app.git; git -C app.git update-server-info
END
ssh-keygen -q -t ed25519 -N '' -f /root/deploy; install -d -m 0700 -o remote -g remote /home/remote/.ssh
install -m 0600 -o remote -g remote /root/deploy.pub /home/remote/.ssh/authorized_keys
busybox httpd -p 127.0.0.1:8098 -h /srv/git
";

fn commit(estate: &Estate, version: &str) -> String {
    let script =
        format!("runuser -u remote -- git -C /srv/git/work rev-parse '{version}^{{commit}}'");
    estate.on("one", &script).trim().to_owned()
}

fn at(estate: &Estate) -> String {
    let script = "runuser -u app -- git -C /srv/app/page rev-parse HEAD";
    estate.on("one", script).trim().to_owned()
}

#[test]
fn checkouts_follow_their_remote_and_local_changes_are_not_lost() {
    let estate = Estate::deployed(&["one"]);
    let web = "url=http://127.0.0.1:8098/app.git";
    let checkout = ["git", "path=/srv/app/page", "user=app", web];
    let without = estate.task(checkout).run();
    without
        .exits(1)
        .says("git is not installed")
        .says("names: [git]");
    estate.on("one", REMOTE);
    estate
        .task(checkout)
        .run()
        .exits(1)
        .says("the folder /srv/app does not exist");
    estate.on("one", "mkdir /srv/app");
    let with = |more: &'static str| [&checkout[..], &[more]].concat();
    estate.settles(&with("version=v1"));
    assert_eq!(at(&estate), commit(&estate, "v1"));
    assert_eq!(
        estate.on(
            "one",
            "stat -c '%U:%G' /srv/app/page /srv/app/page/page | sort -u"
        ),
        "app:app\n"
    );
    estate.settles(&with("version=main"));
    assert_eq!(at(&estate), commit(&estate, "main"));
    estate.task(checkout).run().unchanged("one");
    estate.settles(&with("version=old"));

    // The branch moves on.
    estate.on("one", "runuser -u remote -- sh -euc 'export HOME=/home/remote; cd /srv/git/work; echo 3 >page; git commit -qam three; git push -q ../app.git main; git -C ../app.git update-server-info'");
    estate.settles(&with("version=main"));
    assert_eq!(at(&estate), commit(&estate, "main"));
    // A commit that is there needs no remote.
    let exact = format!("version={}", commit(&estate, "main"));
    estate.on("one", "mv /srv/git/app.git /srv/git/away.git");
    estate.task(checkout).args([&exact]).run().unchanged("one");
    estate
        .task(with("version=main"))
        .run()
        .exits(1)
        .says("cannot be asked")
        .says("check the address");
    estate.on("one", "mv /srv/git/away.git /srv/git/app.git");

    estate.on("one", "cd /srv/app/page; echo mine >page; echo mine >'new file'; echo x >ignored; chown -R app: .");
    estate
        .task(with("version=v1"))
        .run()
        .exits(1)
        .says("M page")
        .says("new file")
        .says("discard_changes: true");
    assert_eq!(estate.on("one", "cat /srv/app/page/page"), "mine\n");
    estate.settles(&[&with("version=main")[..], &["discard_changes=true"]].concat());
    assert_eq!(
        estate.on("one", "cd /srv/app/page; cat page; ls -A"),
        "3\n.git\n.gitignore\nignored\npage\n"
    );
    for (version, words) in [
        ("version=none", "no branch and no tag none"),
        ("version=../x", "is a branch, a tag or a commit"),
    ] {
        let refused = estate.task(with(version)).run();
        assert!(refused.told().contains(words), "{}", refused.told());
    }
    by_ssh(&estate);
    estate.on("one", "mkdir /srv/app/other; touch /srv/app/other/x");
    estate
        .task(["git", "path=/srv/app/other", web])
        .run()
        .exits(1)
        .says("is no checkout of git");
    estate.on("one", "chown root /srv/app/page");
    estate
        .task([&with("version=v1")[..], &["discard_changes=true"]].concat())
        .run()
        .exits(1)
        .says("dubious ownership")
        .says("chown -R app: /srv/app/page");
    estate.on("one", "chown app /srv/app/page");
    estate.on("one", "echo mine >/srv/app/page/page");
    let gone = [&checkout[..], &["state=absent"]].concat();
    estate.task(&gone).run().exits(1).says("local changes");
    estate.on(
        "one",
        "cd /srv/app/page && runuser -u app -- git checkout -q -- page",
    );
    estate.settles(&gone);
    assert!(estate.holds("one", "[ ! -e /srv/app/page ] && ! ls -d /run/prov.*/"));
}

fn by_ssh(estate: &Estate) {
    let key = format!("key={}", estate.on("one", "cat /root/deploy"));
    let hosts = format!(
        "known_hosts=127.0.0.1 {}",
        estate.on("one", "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")
    );
    let ssh = [
        "git",
        "path=/srv/app/page",
        "user=app",
        "url=ssh://remote@127.0.0.1/srv/git/app.git",
        "version=main",
    ];
    estate
        .task(ssh)
        .run()
        .exits(64)
        .says("`known_hosts` is needed");
    let stranger = "known_hosts=127.0.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4cGAVQAxQV0HcKyYdU6+YFJ5Y9nPJkhBJvlXvJ3s6C";
    let secret = estate.on("one", "sed -n 2p /root/deploy");
    let refused = estate.task(ssh).args([stranger, &key]).run();
    refused
        .exits(1)
        .says("Host key verification failed")
        .never_says(secret.trim());
    estate
        .task(ssh)
        .args([&hosts])
        .run()
        .exits(1)
        .says("a deploy key");
    let words = [&ssh[..], &[&hosts, &key]].concat();
    let preview = estate.task(&words).args(["--diff"]).run();
    preview
        .changed("one", &["git /srv/app/page"])
        .never_says(secret.trim());
    estate
        .task(&words)
        .run()
        .changed("one", &["git /srv/app/page"])
        .never_says(secret.trim());
    estate.task(&words).run().unchanged("one");
    assert!(estate.holds("one", "! grep -rq PRIVATE /srv/app /run /tmp"));
}
