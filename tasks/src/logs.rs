//! Where services leave what they have to say: the journal, and files of their own.
//!
//! Owns which files belong to which service of Debian's, and the script with which a host shows both. Where a service is
//! supervised by something else than systemd there are the files alone.

use std::collections::BTreeSet;

use crate::push;
use crate::quote;
use crate::value::{ServiceName, Timespan};

/// The functions of the script.
const SCRIPT: &str = include_str!("logs.sh");

/// Services of Debian's packages that write files, by the names of their units; the files are patterns for a shell.
const FILES: [(&str, &[&str]); 11] = [
    ("apache2", &["/var/log/apache2/*.log"]),
    ("bacula-director", &["/var/log/bacula/*.log"]),
    ("certbot.timer", &["/var/log/letsencrypt/letsencrypt.log"]),
    (
        "exim4",
        &[
            "/var/log/exim4/mainlog",
            "/var/log/exim4/rejectlog",
            "/var/log/exim4/paniclog",
        ],
    ),
    ("fail2ban", &["/var/log/fail2ban.log"]),
    ("mariadb", &["/var/log/mysql/*.log", "/var/log/mysql/*.err"]),
    ("nginx", &["/var/log/nginx/*.log"]),
    ("postgresql", &["/var/log/postgresql/*.log"]),
    (
        "rsyslog",
        &["/var/log/syslog", "/var/log/mail.log", "/var/log/auth.log"],
    ),
    ("smbd", &["/var/log/samba/log.smbd"]),
    (
        "unattended-upgrades",
        &["/var/log/unattended-upgrades/*.log"],
    ),
];

/// What of logs is shown.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Whether new lines are shown as they come.
    pub follow: bool,
    /// From when on.
    pub since: Option<Since>,
    /// How many lines of each log, the last ones; `None` for all.
    pub tail: Option<usize>,
}

/// A time from which on logs are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// So many seconds ago.
    Ago(u64),
    /// At this time of the host's own clock.
    At(String),
}

impl Since {
    /// Reads a length of time or a time.
    ///
    /// ```
    /// use tasks::logs::Since;
    /// assert_eq!(Since::new("2h"), Ok(Since::Ago(7200)));
    /// assert_eq!(Since::new("2026-01-31 17:45"), Ok(Since::At("2026-01-31 17:45:00".to_owned())));
    /// assert!(Since::new("yesterday").is_err());
    /// ```
    pub fn new(text: &str) -> Result<Self, String> {
        if let Ok(span) = Timespan::new(text) {
            return Ok(Self::Ago(span.duration().as_secs()));
        }
        let shape: String = text
            .chars()
            .map(|c| if c.is_ascii_digit() { '9' } else { c })
            .collect();
        let at = match shape.as_str() {
            "9999-99-99" => format!("{text} 00:00:00"),
            "9999-99-99 99:99" | "9999-99-99T99:99" => format!("{text}:00"),
            "9999-99-99 99:99:99" | "9999-99-99T99:99:99" => text.to_owned(),
            _ => return Err(format!("'{}' is no time", crate::visible(text))),
        };
        let part = |at_byte: usize| {
            at.get(at_byte..at_byte + 2)
                .and_then(|two| two.parse().ok())
        };
        let within = |at_byte: usize, range: std::ops::RangeInclusive<u32>| {
            part(at_byte).is_some_and(|number| range.contains(&number))
        };
        let is_time = within(5, 1..=12)
            && within(8, 1..=31)
            && within(11, 0..=23)
            && within(14, 0..=59)
            && within(17, 0..=59);
        if is_time {
            Ok(Self::At(at.replace('T', " ")))
        } else {
            Err(format!("there is no time {text}"))
        }
    }
}

impl Since {
    /// Gives the time in seconds since 1970, for what keeps times in UTC.
    #[must_use]
    pub fn in_utc(&self, now: u64) -> u64 {
        match self {
            Self::Ago(seconds) => now.saturating_sub(*seconds),
            Self::At(text) => {
                let numbers = text
                    .split([' ', '-', ':'])
                    .map(|part| part.parse().unwrap_or(0));
                let numbers: Vec<u64> = numbers.collect();
                let [year, month, day, hour, minute, second] = numbers[..] else {
                    return 0;
                };
                // Years begin in March, so that the leap day is the last.
                let year = year - u64::from(month < 3);
                let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
                let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year;
                let days = days.saturating_sub(DAYS_BEFORE_1970);
                ((days * 24 + hour) * 60 + minute) * 60 + second
            }
        }
    }
}

/// Days from the first of March of the year 0 to the first of January 1970.
const DAYS_BEFORE_1970: u64 = 719_468;

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The file that it stands in; `None` for the journal.
    pub file: Option<String>,
    /// What it says.
    pub text: String,
}

/// Reads a line of what the script prints.
#[must_use]
pub fn line(printed: &str) -> Line {
    let (source, text) = printed.split_once('\t').unwrap_or(("", printed));
    let file = source.strip_prefix("f:");
    Line {
        file: file.map(str::to_owned),
        // What is no line of a log is a word of a program that could not do it.
        text: if file.is_some() || source == "j" {
            text
        } else {
            printed
        }
        .to_owned(),
    }
}

/// Gives the files of services, as patterns for a shell.
fn files<'s>(services: impl Iterator<Item = &'s ServiceName>) -> Vec<&'static str> {
    let of = |name: &ServiceName| {
        let row = FILES.iter().find(|(known, _)| *known == name.as_str());
        row.map_or(&[][..], |(_, files)| *files).iter().copied()
    };
    services.flat_map(of).collect()
}

/// Names the units whose messages are those of a service: what a timer or a socket starts has more to say than itself.
fn units(name: &ServiceName) -> Vec<String> {
    let unit = name.unit();
    let stem = unit
        .rsplit_once('.')
        .map_or(unit.as_str(), |(stem, _)| stem);
    let mut units = vec![unit.clone(), format!("{stem}.service")];
    if !stem.contains('@') {
        // Instances, such as the clusters of PostgreSQL.
        units.push(format!("{stem}@*.service"));
    }
    units.dedup();
    units
}

/// Writes the script that shows the logs of services; it ends with the last line, or with the connection where it is to
/// follow.
#[must_use]
pub fn script(services: &BTreeSet<ServiceName>, wanted: &Wanted) -> String {
    let units: Vec<_> = services.iter().flat_map(units).collect();
    let options: Vec<_> = units.iter().map(|unit| format!("--unit={unit}")).collect();
    let journal = format!(
        "prov_journal {}",
        quote::sh_all(options.iter().map(String::as_str))
    );
    let tail = wanted
        .tail
        .map_or_else(|| "all".to_owned(), |tail| tail.to_string());
    let since = match &wanted.since {
        None => String::new(),
        Some(Since::Ago(seconds)) => {
            format!("$(date -d \"@$(($(date +%s) - {seconds}))\" '+%Y-%m-%d %H:%M:%S')")
        }
        Some(Since::At(time)) => time.clone(),
    };
    let files = files(services.iter()).join(" ");
    let follow = if wanted.follow { "yes" } else { "" };
    let mut script = format!("{SCRIPT}follow={follow} tail={tail} since=\"{since}\"\n");
    let each = |how: &str| {
        format!(
            "for file in {files}; do [ ! -f \"$file\" ] || prov_log_file \"$file\"{how}\ndone\n"
        )
    };
    if wanted.follow {
        // The connection is standard input: when it is gone, so is everything that was started.
        push!(
            script,
            "{journal} &\n{}cat >/dev/null\ntrap '' TERM\nkill -TERM 0\n",
            each(" &")
        );
    } else {
        push!(script, "{journal}\n{}", each(""));
    }
    script
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a shell is the one that understands scripts"
)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn services(names: &[&str]) -> BTreeSet<ServiceName> {
        let names = names.iter().map(|name| ServiceName::new(*name).unwrap());
        names.collect()
    }

    #[test]
    fn times_are_read_and_nothing_else() {
        for (text, read) in [
            ("30min", Since::Ago(1800)),
            ("3d", Since::Ago(259_200)),
            ("2026-01-31", Since::At("2026-01-31 00:00:00".to_owned())),
            (
                "2026-01-31T17:45:10",
                Since::At("2026-01-31 17:45:10".to_owned()),
            ),
        ] {
            assert_eq!(Since::new(text), Ok(read), "{text}");
        }
        for bad in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-01-01 25:00",
            "2026-01-01 10:00; reboot",
            "$(reboot)",
            "２026-01-01",
        ] {
            assert!(Since::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_time_of_the_calendar_is_one_since_1970() {
        let unix = |text: &str| Since::new(text).unwrap().in_utc(10_000);
        assert_eq!(unix("1970-01-01"), 0);
        assert_eq!(unix("2000-02-29 12:00"), 951_825_600);
        assert_eq!(unix("2026-01-31 17:45:10"), 1_769_881_510);
        assert_eq!(unix("1h"), 6400);
    }

    #[test]
    fn a_service_has_its_journal_and_its_files() {
        let script = script(&services(&["exim4", "ntpsec"]), &Wanted::default());
        assert!(script.contains("--unit=exim4.service"), "{script}");
        assert!(script.contains("--unit=ntpsec.service"), "{script}");
        assert!(script.contains("/var/log/exim4/mainlog"), "{script}");
        let timer = units(&ServiceName::new("certbot.timer").unwrap());
        assert_eq!(
            timer,
            ["certbot.timer", "certbot.service", "certbot@*.service"]
        );
    }

    #[test]
    fn the_script_is_understood_by_a_posix_shell() {
        for follow in [false, true] {
            let wanted = Wanted {
                follow,
                since: Some(Since::Ago(60)),
                tail: None,
            };
            for services in [services(&[]), services(&["nginx", "a@b"])] {
                let text = script(&services, &wanted);
                let status = std::process::Command::new("sh")
                    .args(["-n", "-c", &text])
                    .status()
                    .unwrap();
                assert!(status.success(), "{text}");
            }
        }
    }

    #[test]
    fn lines_say_where_they_are_from() {
        let of = |printed: &str| {
            let line = line(printed);
            (line.file, line.text)
        };
        assert_eq!(of("j\tx\ty"), (None, "x\ty".to_owned()));
        assert_eq!(
            of("f:/var/log/a\tx"),
            (Some("/var/log/a".to_owned()), "x".to_owned())
        );
        assert_eq!(of("sh: no\tsuch"), (None, "sh: no\tsuch".to_owned()));
    }

    /// Runs the part of the script that selects lines by their times.
    fn from(since: &str, lines: &str) -> String {
        let mut shell = std::process::Command::new("sh")
            .args(["-c", &format!("{SCRIPT}since='{since}'; prov_from")])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        shell
            .stdin
            .take()
            .unwrap()
            .write_all(lines.as_bytes())
            .unwrap();
        let output = shell.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn the_times_of_daemons_are_understood() {
        for (early, late) in [
            // Exim, PostgreSQL.
            ("2026-01-31 17:44:59 a", "2026-01-31 17:45:00 b"),
            // MariaDB.
            (
                "2026-01-31  7:44:59 0 [Note] a",
                "2026-02-01  0:00:00 0 [Note] b",
            ),
            // nginx, what it says and what it serves.
            (
                "2026/01/31 17:44:59 [error] a",
                "2026/01/31 17:45:00 [error] b",
            ),
            (
                "::1 - - [31/Jan/2026:17:44:59 +0000] \"GET / HTTP/1.1\"",
                "::1 - - [01/Feb/2026:00:44:59 +0000] \"GET / HTTP/1.1\"",
            ),
            // Apache.
            (
                "[Sat Jan 31 17:44:59.123456 2026] [core:notice] a",
                "[Sun Feb  1 00:00:00.123456 2026] [core:notice] b",
            ),
        ] {
            let lines = format!("{early}\n  more of it\n{late}\n  more\n");
            let shown = from("2026-01-31 17:45:00", &lines);
            assert_eq!(shown, format!("{late}\n  more\n"));
        }
        // Bacula does not say which year.
        let shown = from("2001-01-01 00:00:00", "01-Jan 00:00 director JobId 1: x\n");
        assert_eq!(shown, "01-Jan 00:00 director JobId 1: x\n");
    }
}
