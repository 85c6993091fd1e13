//! What a server has of its machine: its name, modules of its kernel, what is mounted, swap space.

use end_to_end::Server;

const ROLE: &str = "
summary: What the office's server has of its machine.
variables:
  cache_size: {type: text, default: 16M}
resources:
  - hostname: {name: www.office.test}
  - kernel_module: {name: printk}
  - kernel_module: {name: pcspkr, state: blacklisted}
  - mount: {path: /srv/the cache, source: tmpfs, fstype: tmpfs, options: 'nosuid,nodev,size={{ cache_size }},mode=0750'}
  - mount: {path: /srv/mirror, source: /usr/share/doc, fstype: none, options: 'bind,ro'}
";

const NAME: &str = "hostname of the host";
const MODULE: &str = "kernel_module printk";
const BLACKLIST: &str = "kernel_module pcspkr";
const CACHE: &str = "mount /srv/the cache";
const MIRROR: &str = "mount /srv/mirror";

#[test]
fn name_modules_and_file_systems_of_a_server_are_applied_repaired_and_removed() {
    let server = Server::boot("roles: {machine: [one]}\n");
    server.servers.write("roles/machine/role.yml", ROLE);
    let on = |script: &str| server.estate.on("one", script);
    on("printf 'UUID=1 /elsewhere ext4 noauto 0 2\\n' >>/etc/fstab");
    let table = on("cat /etc/fstab");
    let preview = server.servers.prov(["--output", "json", "diff"]).run();
    let applied = server.apply();
    applied.changed("one", &[NAME, MODULE, BLACKLIST, CACHE, MIRROR]);
    assert_eq!(preview.changes("one"), applied.changes("one"));
    server.apply().exits(0).unchanged("one");
    server
        .servers
        .prov(["--output", "json", "diff"])
        .run()
        .exits(0)
        .unchanged("one");
    assert_eq!(
        on("hostname; hostname --fqdn; cat /etc/hostname"),
        "www\nwww.office.test\nwww\n"
    );
    assert_eq!(
        on(
            "findmnt -n -o FSTYPE '/srv/the cache'; stat -c %a '/srv/the cache'; findmnt --verify --tab-file /etc/fstab >/dev/null; grep -c cache /etc/fstab; \
            systemctl show --property=LoadState --value 'srv-the\\x20cache.mount'; ls /srv/mirror | head -n 1 | wc -l"
        ),
        "tmpfs\n750\n1\nloaded\n1\n"
    );

    changed_by_hand(&server);
    refused(&server);

    // The role leaves the host; a host keeps its name.
    let file = server.servers.path("estate/estate.yml");
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{error}"));
    let without = text.replace("roles: {machine: [one]}\n", "");
    server.servers.write("estate.yml", &without);
    server.apply().exits(0);
    assert_eq!(on("cat /etc/fstab"), table);
    let left = "ls /etc/modules-load.d/prov-* /etc/modprobe.d/prov-* 2>/dev/null || :; findmnt -n -r -o TARGET | grep /srv || :";
    assert_eq!(on(left), "");
    assert_eq!(on("hostname"), "www\n");
    server.apply().exits(0).unchanged("one");
}

/// Everything is put back, and nothing else is touched.
fn changed_by_hand(server: &Server) {
    let on = |script: &str| server.estate.on("one", script);
    on("echo kept >'/srv/the cache/file'");
    for (broken, repaired) in [
        ("hostname debian", NAME),
        (
            "echo debian >/etc/hostname; sed 's/^127.0.1.1.*//' /etc/hosts >/run/hosts; cat /run/hosts >/etc/hosts",
            NAME,
        ),
        ("rm /etc/modules-load.d/prov-printk.conf", MODULE),
        ("echo >/etc/modprobe.d/prov-pcspkr.conf", BLACKLIST),
        ("mount -o remount,ro '/srv/the cache'", CACHE),
        ("mount -o remount,size=8M '/srv/the cache'", CACHE),
        ("mount -o remount,exec,suid '/srv/the cache'", CACHE),
        ("mount -o remount,bind,rw /srv/mirror", MIRROR),
        ("umount /srv/mirror", MIRROR),
        ("sed -i '/mirror/d' /etc/fstab", MIRROR),
        ("sed -i '/cache/d' /etc/fstab", CACHE),
        (
            "umount /srv/mirror; mount -t tmpfs other /srv/mirror",
            MIRROR,
        ),
    ] {
        on(broken);
        let applied = server.apply();
        assert_eq!(
            applied.changes("one"),
            [repaired],
            "{broken}\n{}",
            applied.told()
        );
        server.apply().exits(0).unchanged("one");
    }
    // Other options are given to what is mounted, with what is in it.
    server.servers.write("hosts/one.yml", "cache_size: 32M\n");
    server.apply().changed("one", &[CACHE]);
    server.apply().exits(0).unchanged("one");
    assert_eq!(
        on(
            "cat '/srv/the cache/file'; df -m --output=size '/srv/the cache' | tail -n 1 | tr -d ' '"
        ),
        "kept\n32\n"
    );
}

/// What the kernel does not take is kept nowhere, and what is in use is not taken away.
fn refused(server: &Server) {
    let on = |script: &str| server.estate.on("one", script);
    let before =
        on("cat /etc/fstab /proc/self/mounts; ls -A /srv /etc/modules-load.d /etc/modprobe.d /");
    let fails = |more: &str, words: &[&str]| {
        server
            .servers
            .write("roles/machine/role.yml", &format!("{ROLE}{more}"));
        server.apply().exits(1).failed("one", words);
    };
    fails(
        "  - kernel_module: {name: nbd}\n",
        &[
            "this host may not load",
            "on the machine that runs the container",
        ],
    );
    fails(
        "  - swap: {path: /swapfile, size: 4M}\n",
        &["swapon", "may not use swap space"],
    );
    fails(
        "  - mount: {path: /mnt, source: tmpfs, fstype: tmpfs, options: nosuchoption}\n",
        &["correct `fstype` and `options`", "nothing was kept"],
    );
    fails(
        "  - mount: {path: /mnt, source: /dev/nothing, fstype: ext4}\n",
        &["/dev/nothing", "lsblk -f"],
    );
    let after =
        on("cat /etc/fstab /proc/self/mounts; ls -A /srv /etc/modules-load.d /etc/modprobe.d /");
    assert_eq!(after, before);
    // Somebody is at work in it.
    on("cd '/srv/the cache'; setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $! >/run/at-work");
    let role = ROLE.replace(
        "source: tmpfs, fstype: tmpfs",
        "source: /usr/share, fstype: none",
    );
    let role = role.replace("'nosuid,nodev,size={{ cache_size }},mode=0750'", "bind");
    server.servers.write("roles/machine/role.yml", &role);
    server
        .apply()
        .exits(1)
        .failed("one", &["busy", "fuser -vm"]);
    on("kill $(cat /run/at-work)");
    server.servers.write("roles/machine/role.yml", ROLE);
    server.apply().exits(0).unchanged("one");
}
