//! Sources of packages are rewritten for the next release by a shell, as a host's would do it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use tasks::probe::{Query, QuerySet, UpgradeQuestion};
use tasks::release::Release;

/// Runs the function that rewrites a file, without the question that it serves.
fn rewritten(name: &str, text: &str) -> String {
    let to = Some(Release::Trixie);
    let query = Query::Upgrade(UpgradeQuestion { to });
    let asked = QuerySet::from_iter([query]).script();
    let (functions, _) = asked.split_once("\nprov_upgrade 0 ").unwrap();
    let script = format!(
        "{functions}\nroom=$(mktemp -d); printf %s \"$2\" >\"$room/$1\"\n\
         prov_next_release \"$room/$1\" trixie 'bookworm|oldstable|stable'; rm -r \"$room\""
    );
    let output = Command::new("sh")
        .args(["-c", &script, "sh", name, text])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn sources_in_both_forms_and_preferences_name_the_next_release_and_nothing_else_changes() {
    let lines = "# deb http://a.test/debian bookworm main\ndeb http://a.test/bookworm bookworm main bookworm\n\
        deb [arch=amd64 signed-by=/usr/share/keyrings/stable.gpg] https://b.test/debian-security stable-security main\n\
        deb-src\thttp://a.test/debian\toldstable-updates\tmain\ndeb https://c.test/apt ./\n\
        deb https://d.test/apt bookworm/ \ndeb https://e.test/apt bullseye main\n";
    let new = "# deb http://a.test/debian bookworm main\ndeb http://a.test/bookworm trixie main bookworm\n\
        deb [arch=amd64 signed-by=/usr/share/keyrings/stable.gpg] https://b.test/debian-security trixie-security main\n\
        deb-src\thttp://a.test/debian\ttrixie-updates\tmain\ndeb https://c.test/apt ./\n\
        deb https://d.test/apt trixie/ \ndeb https://e.test/apt bullseye main\n";
    assert_eq!(rewritten("sources.list", lines), new);
    let stanzas = "Types: deb\nURIs: http://a.test/stable\nSuites: bookworm bookworm-updates\n  bookworm-backports\n# bookworm\n\
        Components: main stable\n\nTypes: deb\nsuites:stable\nComponents: stable\n";
    let new = "Types: deb\nURIs: http://a.test/stable\nSuites: trixie trixie-updates\n  trixie-backports\n# bookworm\n\
        Components: main stable\n\nTypes: deb\nsuites:trixie\nComponents: stable\n";
    assert_eq!(rewritten("debian.sources", stanzas), new);
    let pins = "Package: *\nPin: release n=bookworm-backports, o=Debian\nPin-Priority: 100\n";
    let new = "Package: *\nPin: release n=trixie-backports, o=Debian\nPin-Priority: 100\n";
    assert_eq!(rewritten("preferences", pins), new);
}
