//! Debian's package of prov, installed where nothing else is: the program, its manual pages, what a shell completes.

use std::path::Path;
use std::process::Command;

use end_to_end::{Estate, binary, docker};

/// Packs the binary under test; gives the folder and the name of the package.
fn packed(into: &Path) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut package = Command::new("./package");
    package
        .current_dir(root)
        .arg("--binary")
        .arg(binary())
        .arg("--into")
        .arg(into);
    let output = package
        .output()
        .unwrap_or_else(|error| panic!("./package: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let files = std::fs::read_dir(into).unwrap_or_else(|error| panic!("{error}"));
    let names = files
        .flatten()
        .map(|file| file.file_name().to_string_lossy().into_owned());
    let packages: Vec<_> = names.filter(|name| name.starts_with("prov_")).collect();
    let [package] = packages.as_slice() else {
        panic!("not one package: {packages:?}\n{said}");
    };
    package.clone()
}

#[test]
fn the_package_is_installed_on_both_releases() {
    let estate = Estate::new(&["old", "new"]);
    estate.host_has_release("old", "bookworm");
    estate.host_has_release("new", "trixie");
    estate.deploy();
    let folder = estate.path("package");
    let package = packed(&folder);
    for host in ["old", "new"] {
        let on = |script: &str| estate.on(host, script);
        let from = folder.join(&package).display().to_string();
        docker(
            &[
                "cp",
                &from,
                &format!("{}:/tmp/prov.deb", estate.container(host)),
            ],
            "",
        );
        // The containers' base leaves manual pages out, which a server does not.
        on(
            "rm /etc/dpkg/dpkg.cfg.d/prov; apt-get -qq update; export DEBIAN_FRONTEND=noninteractive
            apt-get -qqy install /tmp/prov.deb man-db bash-completion </dev/null >/dev/null 2>&1",
        );
        // What a shell does in a folder of its own.
        let said =
            on("cd /root; prov init shop; cd shop; git init -q . 2>/dev/null || :; prov check");
        assert!(said.contains("no mistakes"), "{host}: {said}");
        assert!(on("prov --version").starts_with("prov 0."), "{host}");
        let page = on("man prov-apply | col -b");
        assert!(
            page.contains("--canary") && page.contains("prov-apply(1)"),
            "{host}: {page}"
        );
        let offered = on("bash -c '. /usr/share/bash-completion/bash_completion; cd /root/shop; _completion_loader prov
            COMP_WORDS=(prov diff we) COMP_CWORD=2; _clap_complete_prov prov we diff; echo \"${COMPREPLY[@]}\"'");
        assert_eq!(offered, "web1\n", "{host}");
        let samples =
            on("cd /usr/share/doc/prov/examples; prov check; prov --estate estate/office check");
        assert!(
            samples.contains("docker 14 hosts") && samples.contains("office"),
            "{host}: {samples}"
        );
        on(
            "DEBIAN_FRONTEND=noninteractive apt-get -qqy purge prov >/dev/null 2>&1; ! command -v prov; ! test -e /usr/share/doc/prov",
        );
    }
}
