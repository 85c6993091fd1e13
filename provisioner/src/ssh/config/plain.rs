//! The configuration without OpenSSH's help: what takes no guess is read, the rest is refused by file and line.

use std::path::Path;

use super::Question;
use super::entry::{Entry, Pending};
use super::files::{Files, Setting};
use super::tokens;

/// Keywords of which each one counts, not the first alone.
const EACH: [&str; 2] = ["identityfile", "certificatefile"];

/// Keywords that are understood without help.
const UNDERSTOOD: &[&str] = &[
    "addressfamily",
    "bindaddress",
    "certificatefile",
    "ciphers",
    "globalknownhostsfile",
    "hostkeyalgorithms",
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityagent",
    "identityfile",
    "kbdinteractiveauthentication",
    "kexalgorithms",
    "knownhostscommand",
    "macs",
    "passwordauthentication",
    "port",
    "preferredauthentications",
    "proxycommand",
    "proxyjump",
    "proxyusefdpass",
    "pubkeyauthentication",
    "revokedhostkeys",
    "user",
    "userknownhostsfile",
];

/// Reads what the files say about a name.
pub(super) fn read(files: &Files, question: &Question, home: &Path) -> Result<Entry, String> {
    let mut entry = Entry::new(home);
    let mut pending = Pending::default();
    let mut seen: Vec<&str> = Vec::new();
    for setting in files.concerning(&question.name) {
        let refused = |reason: &str| {
            format!(
                "{}: {reason}; install OpenSSH's client, which prov asks (on Debian: `apt install openssh-client`)",
                setting.place
            )
        };
        if let Some((text, place)) = setting.unjudged() {
            return Err(format!(
                "{place}: whether `Match {text}` holds, only OpenSSH's client can tell; install it (on Debian: `apt install openssh-client`)"
            ));
        }
        let keyword = setting.keyword.as_str();
        // Of what goes through another host and of what goes through a program the first one counts.
        let group = if keyword == "proxycommand" {
            "proxyjump"
        } else {
            keyword
        };
        if seen.contains(&group) && !EACH.contains(&keyword) {
            continue;
        }
        seen.push(group);
        let value = value(setting, question, home).map_err(|reason| refused(&reason))?;
        if let Some(value) = value {
            let set = entry.set(keyword, &value, question, &mut pending);
            set.map_err(|reason| refused(&reason))?;
        }
    }
    if let Some(user) = &question.user {
        entry.user = Some(user.clone());
    }
    if let Some(port) = question.port {
        entry.port = Some(port);
    }
    entry.finish(pending, question)
}

/// Gives the value in the form in which `ssh -G` would print it; `None` if it says nothing.
fn value(setting: &Setting, question: &Question, home: &Path) -> Result<Option<String>, String> {
    let words = setting.words();
    let keyword = setting.keyword.as_str();
    let one = || match words.as_slice() {
        [word] => Ok(word.clone()),
        _ => Err(format!("behind `{keyword}` stands one word")),
    };
    Ok(Some(match keyword {
        "canonicalizehostname" if one()?.eq_ignore_ascii_case("no") => return Ok(None),
        // They count only where names are made canonical.
        "canonicaldomains" | "canonicalizepermittedcnames" => return Ok(None),
        _ if !UNDERSTOOD.contains(&keyword) => {
            return Err(format!(
                "`{keyword}` is nothing that prov understands by itself"
            ));
        }
        "hostname" => tokens::simple(&one()?, question)?,
        "proxycommand" | "knownhostscommand" => setting.text.clone(),
        "userknownhostsfile" | "globalknownhostsfile" => {
            let expand = |word: &String| match word.strip_prefix("~/") {
                Some(rest) => Ok(home.join(rest).display().to_string()),
                None if word.contains(['%', '$', '~']) => {
                    Err(format!("'{word}' takes more than prov does by itself"))
                }
                None => Ok(word.clone()),
            };
            words
                .iter()
                .map(expand)
                .collect::<Result<Vec<_>, _>>()?
                .join(" ")
        }
        "ciphers" | "kexalgorithms" | "macs" | "hostkeyalgorithms"
            if one()?.starts_with(['+', '-', '^']) =>
        {
            return Err(
                "what is added to OpenSSH's own lists or taken from them, prov does not know"
                    .to_owned(),
            );
        }
        _ => one()?,
    }))
}
