//! The configuration files themselves, read as far as it takes to know what they could say about a name.
//!
//! Owns lines, `Host` and `Match` blocks and `Include`. It decides nothing that takes a guess: what OpenSSH alone can
//! tell is marked as such, with its file and line.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pattern::in_list;

/// How deep files may include each other (`readconf.c` has the same number).
const DEPTH: usize = 16;

/// Keywords that change nothing about how prov reaches a host or proves who is there.
const OF_NO_CONCERN: &[&str] = &[
    "addkeystoagent",
    "batchmode",
    "canonicalizefallbacklocal",
    "canonicalizemaxdots",
    "channeltimeout",
    "checkhostip",
    "clearallforwardings",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "dynamicforward",
    "enableescapecommandline",
    "escapechar",
    "exitonforwardfailure",
    "fingerprinthash",
    "forkafterauthentication",
    "forwardagent",
    "forwardx11",
    "forwardx11timeout",
    "forwardx11trusted",
    "gatewayports",
    "gssapiauthentication",
    "gssapiclientidentity",
    "gssapidelegatecredentials",
    "gssapikeyexchange",
    "gssapirenewalforcesrekey",
    "gssapiserveridentity",
    "gssapitrustdns",
    "hashknownhosts",
    "hostbasedacceptedalgorithms",
    "hostbasedauthentication",
    "ipqos",
    "localcommand",
    "localforward",
    "loglevel",
    "logverbose",
    "numberofpasswordprompts",
    "obscurekeystroketiming",
    "permitlocalcommand",
    "permitremoteopen",
    "rekeylimit",
    "remotecommand",
    "remoteforward",
    "requesttty",
    "sendenv",
    "serveralivecountmax",
    "serveraliveinterval",
    "sessiontype",
    "setenv",
    "stdinnull",
    "streamlocalbindmask",
    "streamlocalbindunlink",
    "stricthostkeychecking",
    "syslogfacility",
    "tag",
    "tcpkeepalive",
    "tunnel",
    "tunneldevice",
    "updatehostkeys",
    "versionaddendum",
    "visualhostkey",
    "xauthlocation",
];

/// A file and a line in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: Arc<PathBuf>,
    pub(super) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// What a block asks of a connection before it says anything about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// `Host`, with its patterns.
    Host(Vec<String>),
    /// `Match all`.
    All,
    /// Any other `Match`, with what it says and where.
    Match(String, Place),
}

/// One line that sets something.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// In lower case.
    pub(super) keyword: String,
    /// What follows the keyword, as it is written.
    pub(super) text: String,
    pub(super) place: Place,
    /// All of them must hold: that of the block, and those of the blocks that include its file.
    conditions: Vec<Arc<Condition>>,
}

/// The settings of the user's and the system's files that concern prov, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    pub(super) settings: Vec<Setting>,
}

impl Files {
    /// Reads the user's file and then the system's; those that are not there say nothing.
    pub(super) fn read(user: &Path, system: &Path, home: &Path) -> Result<Self, String> {
        let mut files = Self::default();
        for (path, folder) in [
            (user, home.join(".ssh")),
            (system, PathBuf::from("/etc/ssh")),
        ] {
            let reader = Reader {
                home,
                folder: &folder,
            };
            if let Some(text) = text(path)? {
                reader.file(path, &text, &[], 0, &mut files.settings)?;
            }
        }
        Ok(files)
    }

    /// Gives the settings that hold for a name or may hold for it, as only OpenSSH could tell.
    pub(super) fn concerning<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Setting> {
        let may_hold = |condition: &Arc<Condition>, name: &str| match &**condition {
            Condition::Host(patterns) => in_list(patterns, name),
            Condition::All | Condition::Match(..) => true,
        };
        self.settings
            .iter()
            .filter(move |setting| setting.conditions.iter().all(|one| may_hold(one, name)))
    }

    /// Tells whether the files say anything about a name that OpenSSH must be asked about.
    pub(super) fn concern(&self, name: &str) -> bool {
        self.concerning(name).next().is_some()
    }

    /// Tells whether a keyword is set for a name, or may be.
    pub(super) fn mention(&self, name: &str, keyword: &str) -> bool {
        self.concerning(name)
            .any(|setting| setting.keyword == keyword)
    }
}

impl Setting {
    /// Gives the first condition that takes more than the name to judge.
    pub(super) fn unjudged(&self) -> Option<(&str, &Place)> {
        self.conditions.iter().find_map(|one| match &**one {
            Condition::Match(text, place) => Some((text.as_str(), place)),
            Condition::Host(_) | Condition::All => None,
        })
    }

    /// Splits what follows the keyword into words.
    pub(super) fn words(&self) -> Vec<String> {
        words(&self.text)
    }
}

/// Reads a file as text; bytes that are not UTF-8 can only stand in comments and names that are not asked for.
fn text(path: &Path) -> Result<Option<String>, String> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

struct Reader<'r> {
    home: &'r Path,
    /// Where names of included files begin that are not absolute.
    folder: &'r Path,
}

impl Reader<'_> {
    fn file(
        &self,
        path: &Path,
        text: &str,
        outer: &[Arc<Condition>],
        depth: usize,
        settings: &mut Vec<Setting>,
    ) -> Result<(), String> {
        let file = Arc::new(path.to_owned());
        let mut block: Option<Arc<Condition>> = None;
        for (number, line) in text.lines().enumerate() {
            let place = Place {
                file: Arc::clone(&file),
                line: number + 1,
            };
            let Some((keyword, rest)) = keyword(line) else {
                continue;
            };
            let conditions = || outer.iter().chain(&block).cloned().collect::<Vec<_>>();
            match keyword.as_str() {
                "host" => block = Some(Arc::new(Condition::Host(words(rest)))),
                "match" => block = Some(Arc::new(matched(rest, place))),
                "include" => {
                    if depth == DEPTH {
                        return Err(format!("{place}: files include each other without end"));
                    }
                    let Some(paths) = self.included(rest) else {
                        settings.push(Setting {
                            keyword,
                            text: rest.to_owned(),
                            place,
                            conditions: conditions(),
                        });
                        continue;
                    };
                    for path in paths {
                        if let Some(text) = self::text(&path)? {
                            self.file(&path, &text, &conditions(), depth + 1, settings)?;
                        }
                    }
                }
                word if OF_NO_CONCERN.contains(&word) => {}
                _ => settings.push(Setting {
                    keyword,
                    text: rest.to_owned(),
                    place,
                    conditions: conditions(),
                }),
            }
        }
        Ok(())
    }

    /// Gives the files that `Include` names; `None` if that depends on more than the file system.
    fn included(&self, rest: &str) -> Option<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for word in words(rest) {
            let pattern = place(&word, self.home, self.folder)?;
            let found = glob::glob(pattern.to_str()?).ok()?;
            paths.extend(found.filter_map(Result::ok));
        }
        Some(paths)
    }
}

/// Gives the path, or the pattern of paths, that an included file's name stands for; `None` if that depends on more than
/// the home directory.
pub(super) fn place(word: &str, home: &Path, folder: &Path) -> Option<PathBuf> {
    if word.contains(['%', '$']) {
        return None;
    }
    match word.strip_prefix('~') {
        Some(rest) => rest.strip_prefix('/').map(|rest| home.join(rest)),
        None => Some(folder.join(word)),
    }
}

/// Splits a line into its keyword, in lower case, and the rest; `None` for an empty line or a comment.
pub(super) fn keyword(line: &str) -> Option<(String, &str)> {
    let is_blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\x0c');
    let line = line.trim_matches(is_blank);
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|c| is_blank(c) || c == '=').unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    let keyword = keyword.trim_matches('"').to_ascii_lowercase();
    Some((keyword, rest.trim_start_matches(is_blank)))
}

fn matched(rest: &str, place: Place) -> Condition {
    match words(rest).as_slice() {
        [all] if all.eq_ignore_ascii_case("all") => Condition::All,
        _ => Condition::Match(rest.to_owned(), place),
    }
}

/// Splits at blanks, but not within quotes; what follows a `#` is a comment (`argv_split` in OpenSSH's `misc.c`).
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.chars().peekable();
    loop {
        while rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        if matches!(rest.peek(), None | Some('#')) {
            return words;
        }
        let (mut word, mut quote) = (String::new(), None);
        while let Some(&c) = rest.peek() {
            if quote.is_none() && matches!(c, ' ' | '\t') {
                break;
            }
            rest.next();
            match (c, quote) {
                ('\\', _)
                    if rest.peek().is_some_and(|next| {
                        matches!(next, '"' | '\'' | '\\') || (quote.is_none() && *next == ' ')
                    }) =>
                {
                    word.extend(rest.next());
                }
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                (c, _) => word.push(c),
            }
        }
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Files {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config");
        std::fs::write(&path, text).unwrap();
        Files::read(&path, Path::new("/nonexistent"), home.path()).unwrap()
    }

    #[test]
    fn a_name_is_of_concern_where_a_block_may_speak_of_it() {
        let files = read(
            "Host db !web\n  User a\nHost unix/* vsock/*\n  ProxyCommand x\nHost *\n  SendEnv LANG\n  HashKnownHosts yes\n",
        );
        assert!(files.concern("db"));
        assert!(!files.concern("web"));
        assert!(read("Match host db\n  User b\n").concern("web"));
        // A keyword that nobody knows is for OpenSSH to refuse.
        assert!(read("Usr root\n").concern("web"));
        assert!(!read("# Host *\n\n").concern("web"));
    }

    #[test]
    fn lines_are_split_as_openssh_does() {
        let read = |line| keyword(line).map(|(word, rest)| (word, words(rest)));
        let is = |line, word: &str, rest: &[&str]| {
            let rest: Vec<_> = rest.iter().map(|one| (*one).to_owned()).collect();
            assert_eq!(read(line), Some((word.to_owned(), rest)), "{line}");
        };
        is("  User\troot", "user", &["root"]);
        is("User=root", "user", &["root"]);
        is("USER = root # me", "user", &["root"]);
        is("IdentityFile \"~/my key\"\r", "identityfile", &["~/my key"]);
        is("Host a  b", "host", &["a", "b"]);
        assert_eq!(read("  # User root"), None);
        assert_eq!(read(" \t"), None);
    }

    #[test]
    fn an_included_file_speaks_within_the_block_that_includes_it() {
        let home = tempfile::tempdir().unwrap();
        let ssh = home.path().join(".ssh");
        std::fs::create_dir_all(ssh.join("conf.d")).unwrap();
        std::fs::write(ssh.join("config"), "Host db\n  Include conf.d/*\nPort 3\n").unwrap();
        std::fs::write(ssh.join("conf.d/one"), "User x\nHost web\n  User y\n").unwrap();
        let files = Files::read(&ssh.join("config"), Path::new("/nonexistent"), home.path());
        let files = files.unwrap();
        let about = |name| -> Vec<_> {
            let found = files.concerning(name);
            found
                .map(|one| format!("{} {}", one.keyword, one.text))
                .collect()
        };
        assert_eq!(about("db"), ["user x", "port 3"]);
        assert_eq!(about("web"), [""; 0]);
        std::fs::write(ssh.join("conf.d/one"), "Include config\n").unwrap();
        std::fs::write(ssh.join("config"), "Include conf.d/one\n").unwrap();
        let looped = Files::read(&ssh.join("config"), Path::new("/nonexistent"), home.path());
        assert!(looped.is_err_and(|error| error.contains("without end")));
    }
}
