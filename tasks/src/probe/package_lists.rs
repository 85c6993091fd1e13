//! How old apt's lists of packages are, and whether their sources have changed since: sources.list(5).

use serde::{Deserialize, Serialize};

use super::{Answers, Broken, Kind, Written};
use crate::Secret;

/// What changes when lists are fetched.
const FETCHED: [&str; 2] = ["/var/lib/apt/lists", "/var/cache/apt/pkgcache.bin"];

/// Apt's lists of packages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListsFact {
    /// Seconds since they were fetched; `None` where there are none.
    pub age: Option<u64>,
    /// The file or folder of sources or of their keys that is newer, if one is.
    pub newer: Option<String>,
    /// The files that name sources.
    pub sources: Vec<String>,
}

/// The kind of this module.
pub struct Lists;

impl Kind for Lists {
    type Question = ();
    type Known = Option<ListsFact>;

    const LASTS: bool = false;

    fn key((): &()) {}

    /// A source that was taken away leaves its folder newer than the lists.
    fn script(_: &[()]) -> String {
        let fetched = FETCHED.join(" ");
        format!(
            r#"prov_answer package_lists; set -- /var/lib/apt/lists/*Packages*
if [ -e "$1" ]; then printf 'now %s\n' "${{prov_now:=$(date +%s)}}"; set -- {fetched}; else set --; fi
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do [ ! -f "$file" ] || {{ printf 'source %s\n' "$file"; set -- "$@" "$file"; }}; done
for file in /etc/apt/sources.list.d /etc/apt/keyrings /etc/apt/trusted.gpg.d /etc/apt/keyrings/* /etc/apt/trusted.gpg.d/*; do [ ! -e "$file" ] || set -- "$@" "$file"; done
[ $# = 0 ] || stat -L -c 'changed %Y %n' -- "$@" 2>/dev/null; prov_complete
"#
        )
    }

    fn read(_: &[()], answers: &Answers) -> Result<Option<ListsFact>, Broken> {
        // A file may have any name.
        let text = String::from_utf8_lossy(answers.bytes("package_lists")?);
        let values = |word: &'static str| {
            let lines = text.lines().filter_map(move |line| line.strip_prefix(word));
            lines.map(str::trim)
        };
        let number = |text: &str| text.parse::<u64>().ok();
        let now = values("now ").find_map(number);
        let changed = values("changed ").filter_map(|line| {
            let (time, path) = line.split_once(' ')?;
            Some((number(time)?, path.to_owned()))
        });
        let (lists, sources): (Vec<_>, Vec<_>) =
            changed.partition(|(_, path)| FETCHED.contains(&path.as_str()));
        let fetched = lists.into_iter().map(|(time, _)| time).max();
        let newest = sources.into_iter().max_by_key(|(time, _)| *time);
        Ok(Some(ListsFact {
            age: now
                .zip(fetched)
                .map(|(now, fetched)| now.saturating_sub(fetched)),
            newer: newest
                .filter(|(time, _)| fetched.is_some_and(|fetched| *time > fetched))
                .map(|(_, path)| path),
            sources: values("source ").map(str::to_owned).collect(),
        }))
    }

    fn secrets(_: &Option<ListsFact>) -> Vec<&Secret> {
        Vec::new()
    }

    fn follows((): &(), written: &Written<'_>) -> bool {
        written
            .paths
            .iter()
            .any(|path| path.as_str().starts_with("/etc/apt/"))
    }

    fn samples() -> Vec<()> {
        vec![()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ListsFact {
        let mut answers = Answers::default();
        answers.insert("package_lists".to_owned(), text.as_bytes().to_vec(), true);
        Lists::read(&[()], &answers).unwrap().unwrap()
    }

    #[test]
    fn a_source_that_is_newer_than_the_lists_is_named() {
        let lists = "now 1000\nchanged 900 /var/lib/apt/lists\nchanged 890 /var/cache/apt/pkgcache.bin\nsource /etc/apt/sources.list.d/a b.sources\n";
        let fact = read(&format!(
            "{lists}changed 901 /etc/apt/sources.list.d/a b.sources\n"
        ));
        assert_eq!(fact.age, Some(100));
        assert_eq!(
            fact.newer.as_deref(),
            Some("/etc/apt/sources.list.d/a b.sources")
        );
        assert_eq!(fact.sources, ["/etc/apt/sources.list.d/a b.sources"]);
        assert_eq!(
            read(&format!("{lists}changed 900 /etc/apt/keyrings\n")).newer,
            None
        );
        assert_eq!(read("").age, None);
    }
}
