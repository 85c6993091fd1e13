//! README's walk from `prov init` to a service that is proved, broken, repaired and removed: its files as they stand there, its
//! commands typed, and what it shows compared with what is printed.

use std::fs;
use std::process::Command;

use end_to_end::{Estate, binary};
use regex::Regex;

/// One thing to do, in the order of the page.
enum Part<'r> {
    File { name: &'r str, text: String },
    Command { line: &'r str, shows: Vec<&'r str> },
}

/// Parts the section: a fence after a line that ends with a file's name in backquotes and a colon is that file, and of a console `$ ` begins
/// what is typed.
fn parts(section: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut lines = section.lines();
    let mut named = None;
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            if let Some(name) = named.take() {
                let text = body.join("\n") + "\n";
                parts.push(Part::File { name, text });
            } else if language == "console" {
                for line in body {
                    match (line.strip_prefix("$ "), parts.last_mut()) {
                        (Some(line), _) => parts.push(Part::Command {
                            line,
                            shows: Vec::new(),
                        }),
                        (None, Some(Part::Command { shows, .. })) => shows.push(line),
                        (None, _) => panic!("nothing is typed before '{line}'"),
                    }
                }
            }
        } else if let Some(rest) = line.strip_suffix("`:") {
            named = rest.rsplit('`').next();
        }
    }
    parts
}

/// Makes lines comparable: times differ from run to run, and columns are narrowed on the page.
fn plain(times: &Regex, text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        times.replace_all(&words.join(" "), "TIME").into_owned()
    });
    lines.collect()
}

/// Says which line of the page was not printed after those before it, if any. `…` stands for anything, also within a line.
fn missing<'s>(shows: &'s [String], printed: &[String]) -> Option<&'s str> {
    let mut printed = printed.iter();
    shows.iter().map(String::as_str).find(|line| {
        let (begins, ends) = line.split_once('…').unwrap_or((line, ""));
        let is_whole = !line.contains('…');
        // What waits is shown with the same sign.
        let is_deferred = line.starts_with("… ") && line.len() > "… ".len();
        *line != "…"
            && !printed.any(|it| {
                if is_whole || is_deferred {
                    it == line
                } else {
                    it.starts_with(begins.trim_end()) && it.ends_with(ends.trim_start())
                }
            })
    })
}

#[test]
fn the_walk_of_the_readme_is_what_happens() {
    // Whoever has followed the page on this machine has a `shop` in Docker.
    let estate = Estate::new(&["web1"]);
    let readme = include_str!("../../README.md")
        .replace("prov-shop-web1", &estate.container("web1"))
        .replace("10.42.0.101", &estate.address("web1"))
        .replace("\nshop 1 host", &format!("\n{} 1 host", estate.name()))
        .replace(
            "prov init shop",
            &format!("prov init shop --name {}", estate.name()),
        );
    let mut sections = readme.split("\n## ");
    let section = sections.find(|it| it.starts_with("An estate of your own"));
    let mut at = estate.path("walk");
    fs::create_dir(&at).unwrap();
    let path = format!(
        "{}:{}",
        binary().parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let times = Regex::new(r"\b(\d+ min )?\d+(\.\d+)? s\b").unwrap();
    let (mut files, mut commands) = (0, 0);
    for part in parts(section.unwrap()) {
        match part {
            Part::File { name, text } => {
                let file = at.join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
                files += 1;
            }
            Part::Command { line, .. } if line.starts_with("cd ") => {
                at.push(line.trim_start_matches("cd "));
                let inventory = fs::read_to_string(at.join("estate.yml")).unwrap();
                let inventory = inventory.replace("10.42.0.101", &estate.address("web1"));
                let network = format!("{}0/24", estate.address("web1").trim_end_matches("101"));
                let inventory = inventory.replace("10.42.0.0/24", &network);
                fs::write(at.join("estate.yml"), inventory).unwrap();
            }
            Part::Command { line, shows } => {
                let ran = Command::new("bash")
                    .args(["-c", line])
                    .current_dir(&at)
                    .env("PATH", &path)
                    .env("HOME", estate.path("home"))
                    .env_remove("PROV_ESTATE")
                    .output()
                    .unwrap();
                let printed =
                    [ran.stdout, ran.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
                let printed = printed.concat();
                let shows = plain(&times, &shows.join("\n"));
                let missing = missing(&shows, &plain(&times, &printed));
                assert_eq!(missing, None, "`{line}` printed:\n{printed}");
                commands += 1;
            }
        }
    }
    assert!(
        files >= 4 && commands >= 20,
        "{files} files, {commands} commands"
    );
}
