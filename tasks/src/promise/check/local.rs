//! What only the host itself can tell: a command's end, a file, a service.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Ask, Prove, Reply, Verdict, found, tells, yes};
use crate::pattern::TextPattern;
use crate::promise::Server;
use crate::value::{AccountName, HostPath, ServiceName};

/// Says whether a path is there and, where that is asked, what the file holds.
const LOOK: &str = r#"[ -e "$1" ] || [ -L "$1" ] || exit 44
[ "$2" = reads ] || exit 0
[ -f "$1" ] || { echo "it is no file" >&2; exit 1; }
exec cat -- "$1""#;

/// Asks the service manager that runs: systemd, or runit in a container in test mode.
const RUNS: &str = r#"if [ -d /run/systemd/system ]; then
    exec systemctl is-active -- "$1"
elif [ -d "/run/service/$1" ]; then
    exec sv status "/run/service/$1"
elif [ -d /run/service ]; then
    echo "test mode does not run it"
    exit 3
else
    echo "no service manager runs"
fi
exit 44"#;

/// How a path ends that is not there.
const NOT_THERE: i64 = 44;

/// Proves how a command ends on the host, and what it prints. It must change nothing.
///
/// ```yaml
/// - command: {argv: [ntpq, -p], stdout: '^\*'}
/// - command: {argv: [psql, -tAc, 'select 1', shop], user: shop, stdout: '^1$'}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments.
    argv: Vec<String>,
    /// The exit code.
    #[serde(default)]
    exit: u8,
    /// Regular expression that must be found in standard output.
    #[serde(default)]
    stdout: Option<TextPattern>,
    /// Regular expression that must be found in standard error.
    #[serde(default)]
    stderr: Option<TextPattern>,
    /// The account as which it runs.
    #[serde(default = "AccountName::root")]
    user: AccountName,
}

impl Prove for Command {
    fn check(&self) -> Result<(), String> {
        if self.argv.first().is_none_or(String::is_empty) {
            return Err("'argv' names no program\nwrite the program and its arguments: [systemctl, status, cron]".to_owned());
        }
        if self.argv.iter().any(|word| word.contains('\0')) {
            return Err("a command has no NUL in it\nleave it out".to_owned());
        }
        tells(self.stdout.as_ref())?;
        tells(self.stderr.as_ref())
    }

    fn is_local(&self) -> bool {
        true
    }

    fn shows(&self, of: &Server) -> String {
        format!("{} does on {} what it should", self.argv[0], of.name)
    }

    fn expected(&self) -> String {
        let mut all = vec![format!("exit code {}", self.exit)];
        let patterns = [("output", &self.stdout), ("errors", &self.stderr)];
        all.extend(patterns.iter().filter_map(|(what, pattern)| {
            let pattern = pattern.as_ref()?;
            Some(format!("{what} like '{}'", pattern.as_str()))
        }));
        all.join(", ")
    }

    fn ask(&self, _: &Server) -> Ask {
        let typed = crate::quote::sh_all(self.argv.iter().map(String::as_str));
        let argv = self.argv.iter().map(String::as_str);
        if self.user == AccountName::root() {
            Ask::new(typed, argv)
        } else {
            let becomes = ["runuser", "-u", self.user.as_str(), "--"];
            Ask::new(typed, becomes.into_iter().chain(argv)).of(&self.argv[0])
        }
    }

    fn judge(&self, reply: &Reply) -> Verdict {
        let outputs = [
            ("the output", &reply.stdout, &self.stdout),
            ("the errors", &reply.stderr, &self.stderr),
        ];
        if reply.code != i64::from(self.exit) {
            let said = reply.said();
            return Verdict::new(format!("exit code {}: {said}", reply.code), false);
        }
        for (what, text, pattern) in outputs {
            if let Err(lacking) = found(what, text, pattern.as_ref()) {
                return Verdict::new(lacking, false);
            }
        }
        let shown = self
            .stdout
            .as_ref()
            .and_then(|pattern| pattern.regex().find(&reply.stdout));
        let shown = shown
            .map(|found| found.as_str().trim())
            .filter(|text| !text.is_empty());
        match shown {
            Some(shown) => Verdict::new(shown, true),
            None => Verdict::new(format!("exit code {}", reply.code), true),
        }
    }
}

/// Proves that a file, folder or link is on the host, what the file holds, or that nothing is there.
///
/// ```yaml
/// - file: {path: /var/lib/shop/ready, contains: '^version 3'}
/// - file: {path: /etc/nginx/sites-enabled/default, exists: false}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileThere {
    /// The path.
    path: HostPath,
    /// Regular expression that must be found in the file.
    #[serde(default)]
    contains: Option<TextPattern>,
    /// Whether it must be there.
    #[serde(default = "yes")]
    exists: bool,
}

impl Prove for FileThere {
    fn check(&self) -> Result<(), String> {
        if !self.exists && self.contains.is_some() {
            return Err("what must not be there contains nothing\nleave `contains` out".to_owned());
        }
        tells(self.contains.as_ref())
    }

    fn is_local(&self) -> bool {
        true
    }

    fn shows(&self, of: &Server) -> String {
        let what = if self.exists { "is" } else { "is not" };
        format!("{} {what} on {}", self.path, of.name)
    }

    fn expected(&self) -> String {
        match &self.contains {
            Some(pattern) => format!("a file with '{}'", pattern.as_str()),
            None if self.exists => "it is there".to_owned(),
            None => "nothing is there".to_owned(),
        }
    }

    fn ask(&self, _: &Server) -> Ask {
        let path = self.path.as_str();
        let (program, reads) = match self.contains {
            Some(_) => ("cat", "reads"),
            None => ("ls -d", ""),
        };
        Ask::script(
            format!("{program} {}", crate::quote::sh(path)),
            LOOK,
            &[path, reads],
        )
    }

    fn judge(&self, reply: &Reply) -> Verdict {
        match reply.code {
            NOT_THERE => Verdict::new("nothing is there", !self.exists),
            0 if !self.exists => Verdict::new("it is there", false),
            0 => match found("the file", &reply.stdout, self.contains.as_ref()) {
                Ok(()) => Verdict::new("it is there", true),
                // What it holds instead may be nobody's business.
                Err(_) => Verdict::new("it is there, and that is not in it", false),
            },
            _ => Verdict::new(reply.said(), false),
        }
    }

    fn may_be_shown(&self) -> bool {
        false
    }
}

/// Proves that a service runs, or that it does not: asks systemd where that runs, and otherwise runit, in containers in test mode.
///
/// ```yaml
/// - service: {name: nginx}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceRuns {
    /// Name of the systemd unit, without its suffix if that is `.service`, and of the runit service directory.
    name: ServiceName,
    /// Whether it must run.
    #[serde(default = "yes")]
    running: bool,
}

impl Prove for ServiceRuns {
    fn is_local(&self) -> bool {
        true
    }

    fn shows(&self, of: &Server) -> String {
        let what = if self.running { "runs" } else { "does not run" };
        format!("{} {what} on {}", self.name, of.name)
    }

    fn expected(&self) -> String {
        let what = if self.running {
            "it runs"
        } else {
            "it does not run"
        };
        what.to_owned()
    }

    fn ask(&self, _: &Server) -> Ask {
        let name = self.name.as_str();
        let name = name.strip_suffix(".service").unwrap_or(name);
        Ask::script(format!("systemctl is-active {name}"), RUNS, &[name])
    }

    fn judge(&self, reply: &Reply) -> Verdict {
        let said = reply.said();
        let runs = reply.code == 0 && (said == "active" || said.starts_with("run: "));
        // A service manager must have said so: where none runs, nothing is proved.
        let known = reply.code != NOT_THERE && !said.is_empty();
        let came = if runs { "it runs" } else { said };
        Verdict::new(came, known && runs == self.running)
    }
}
