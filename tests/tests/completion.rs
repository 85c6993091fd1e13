//! Completion in a real shell: names of the estate that the command is about, and nothing where it cannot be read.

use std::process::Command;

use end_to_end::{Folder, binary};

const ESTATE: &str = "\
name: sample
hosts:
  web-one: {address: 192.0.2.1, location: internal}
  web-two: {address: 192.0.2.2, location: external}
services: {web: [web-one, web-two], backup: [web-one]}
roles: {dns: [web-one], mta: all}
";

/// Gives what bash offers for the last of these words, as if Tab were pressed after it.
fn offered(folder: &Folder, line: &str) -> Vec<String> {
    let words: Vec<_> = line.split(' ').collect();
    let last = words.last().copied().unwrap_or_default();
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "PATH=$1:$PATH; source <(prov completions bash); COMP_WORDS=({}); COMP_CWORD={}; \
         _clap_complete_prov prov '{last}' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words.len() - 1,
    );
    let folder_of_binary = binary().parent();
    let output = Command::new("bash")
        .args(["-c", &script, "bash"])
        .args(folder_of_binary)
        .current_dir(folder.path("estate"))
        .env("HOME", folder.path("home"))
        .env_remove("PROV_ESTATE")
        .env_remove("PROV_DOMAINS")
        .output();
    let output = output.unwrap_or_else(|error| panic!("bash: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.is_empty(), "{line}: {said}");
    let text = String::from_utf8_lossy(&output.stdout);
    let words = text.lines().map(str::to_owned);
    // Options are the same for every estate.
    words
        .filter(|word| !word.is_empty() && !word.starts_with("--"))
        .collect()
}

#[test]
fn what_the_estate_has_is_completed() {
    let folder = Folder::new();
    folder.write("estate.yml", ESTATE);
    folder.write("domains/first.test/domain.yml", "organisation: First\n");
    for (line, expected) in [
        ("prov dif", &["diff"][..]),
        ("prov diff web", &["web", "web-one", "web-two"]),
        ("prov diff ex", &["external"]),
        ("prov apply m", &["mta"]),
        ("prov apply --limit all,!web-t", &["all,!web-two"]),
        ("prov --limit ba", &["backup"]),
        ("prov verify ", &["backup", "web"]),
        (
            "prov ssh ",
            &[
                "backup", "dns", "external", "internal", "web-one", "web-two",
            ],
        ),
        ("prov domain ", &["first.test"]),
        ("prov apply --forget firs", &["first.test"]),
        ("prov task symb", &[]),
        ("prov task sym", &["symlink"]),
        ("prov task symlink ta", &["target="]),
        ("prov task symlink target=/", &[]),
        ("prov diff --set dns_up", &["dns_upstream_nameservers="]),
        ("prov template show dns/e", &["dns/estate.conf"]),
    ] {
        assert_eq!(offered(&folder, line), expected, "{line}");
    }
    // The estate that is named counts, not that of the folder.
    let other = Folder::new();
    let text = ESTATE.replace("web-", "other-");
    other.write("estate.yml", &text);
    let line = format!("prov --estate {} diff ot", other.path_text("estate"));
    assert_eq!(offered(&folder, &line), ["other-one", "other-two"]);
    // One with mistakes has no names, and says nothing.
    folder.write("estate.yml", &format!("{ESTATE}nonsense: here\n"));
    assert_eq!(offered(&folder, "prov diff web"), Vec::<String>::new());
    assert_eq!(offered(&folder, "prov task sym"), ["symlink"]);
}
