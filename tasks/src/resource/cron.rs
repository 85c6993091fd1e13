//! Jobs that cron runs.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{File, Former, Manage, Resource, State};
use crate::content::Content;
use crate::plan::Planned;
use crate::probe::{Facts, NotAsked, Query, UserQuestion};
use crate::value::{AccountName, HostPath};

/// Manages a job that cron runs, as a file of its own in `/etc/cron.d`.
///
/// Reads that file and the account. Fields of time are those of crontab(5). Other tools edit the crontab of the user
/// and find their job by a comment in it; a whole file needs neither, can be removed without a trace, and is where an
/// administrator looks for what is not a user's own. Each `%` of the job is escaped, so that it reaches the shell as
/// it is written here.
///
/// ```yaml
/// cron: {name: backup-check, minute: "17", hour: "3", job: "/usr/local/sbin/backup-check --quiet"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Cron {
    /// Name of the file in `/etc/cron.d`: letters, digits, `_` and `-`, as cron ignores any other.
    pub name: String,
    /// The account that the job runs as.
    #[serde(default = "root")]
    pub user: AccountName,
    /// The command line, which cron gives to a shell. Needed when present.
    #[serde(default)]
    pub job: String,
    /// Minute, 0 to 59.
    #[serde(default)]
    pub minute: TimeField,
    /// Hour, 0 to 23.
    #[serde(default)]
    pub hour: TimeField,
    /// Day of the month, 1 to 31.
    #[serde(default)]
    pub day: TimeField,
    /// Month, 1 to 12 or `jan` to `dec`, also in ranges.
    #[serde(default)]
    pub month: TimeField,
    /// Day of the week, 0 to 7 (both ends are Sunday) or `sun` to `sat`, also in ranges: `mon-fri`.
    #[serde(default)]
    pub weekday: TimeField,
    /// A time with a name, instead of the five fields, for instance `daily` or `reboot`.
    #[serde(default)]
    pub special: Option<Special>,
    /// Variables set for the job, for instance `MAILTO`; not secret.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether the job is kept as a comment and not run.
    #[serde(default)]
    pub disabled: bool,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(Cron);

fn root() -> AccountName {
    AccountName::root()
}

/// One field of time in a crontab: `*`, a number, a range, a list, each with a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct TimeField(String);

impl TimeField {
    /// Takes over a field, which is checked with the job that it is part of.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl Default for TimeField {
    fn default() -> Self {
        Self("*".to_owned())
    }
}

impl<'de> Deserialize<'de> for TimeField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u8),
            Text(String),
        }
        Either::deserialize(deserializer).map(|field| match field {
            Either::Number(number) => Self(number.to_string()),
            Either::Text(text) => Self(text),
        })
    }
}

/// A time with a name (crontab(5), EXTENSIONS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Special {
    /// Once, at startup.
    #[serde(alias = "@reboot")]
    Reboot,
    /// `0 * * * *`.
    #[serde(alias = "@hourly")]
    Hourly,
    /// `0 0 * * *`.
    #[serde(alias = "@daily", alias = "midnight", alias = "@midnight")]
    Daily,
    /// `0 0 * * 0`.
    #[serde(alias = "@weekly")]
    Weekly,
    /// `0 0 1 * *`.
    #[serde(alias = "@monthly")]
    Monthly,
    /// `0 0 1 1 *`.
    #[serde(alias = "@yearly", alias = "annually", alias = "@annually")]
    Yearly,
}

impl Special {
    const fn text(self) -> &'static str {
        match self {
            Self::Reboot => "@reboot",
            Self::Hourly => "@hourly",
            Self::Daily => "@daily",
            Self::Weekly => "@weekly",
            Self::Monthly => "@monthly",
            Self::Yearly => "@yearly",
        }
    }
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Cron {
    /// Describes a job of root that runs every minute, to be narrowed.
    pub fn new(name: impl Into<String>, job: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            user: root(),
            job: job.into(),
            minute: TimeField::default(),
            hour: TimeField::default(),
            day: TimeField::default(),
            month: TimeField::default(),
            weekday: TimeField::default(),
            special: None,
            env: BTreeMap::new(),
            disabled: false,
            state: State::Present,
        }
    }

    fn fields(&self) -> [(&'static str, &TimeField, u8, u8, &'static [&'static str]); 5] {
        [
            ("minute", &self.minute, 0, 59, &[]),
            ("hour", &self.hour, 0, 23, &[]),
            ("day", &self.day, 1, 31, &[]),
            ("month", &self.month, 1, 12, &MONTHS),
            ("weekday", &self.weekday, 0, 7, &WEEKDAYS),
        ]
    }

    fn path(&self) -> Result<HostPath, String> {
        HostPath::new(format!("/etc/cron.d/{}", self.name))
    }

    fn text(&self) -> String {
        let mut text = "# Managed by prov.\n".to_owned();
        for (name, value) in &self.env {
            text.extend([name, "=\"", value, "\"\n"]);
        }
        let time = self.special.map_or_else(
            || {
                self.fields()
                    .map(|(_, field, .., names)| numbered(&field.0, names))
                    .join(" ")
            },
            |special| special.text().to_owned(),
        );
        let mark = if self.disabled { "#" } else { "" };
        let job = escaped(self.job.trim()).unwrap_or_default();
        text + &format!("{mark}{time} {} {job}\n", self.user)
    }

    fn file(&self) -> Result<File, String> {
        self.check()?;
        let mut file = File::new(self.path()?, Content::plain(self.text()));
        file.state = self.state;
        Ok(file)
    }
}

/// Longest command or line of a variable that Debian's cron reads whole (`MAX_COMMAND` and `MAX_ENVSTR` in its source).
const LONGEST: usize = 998;

/// Writes ranges of names by their numbers, as crontab(5) allows no names there. A range that ends with Sunday has it as 7.
fn numbered(text: &str, names: &[&str]) -> String {
    let first = usize::from(names.len() == MONTHS.len());
    let number = |name: &str| {
        let is = |known: &&str| known.eq_ignore_ascii_case(name);
        names.iter().position(is).map(|at| at + first)
    };
    let item = |item: &str| {
        let (range, step) = item.split_at(item.find('/').unwrap_or(item.len()));
        let (from, to) = range.split_once('-')?;
        let is_name = |end: &str| number(end).is_some();
        if !is_name(from) && !is_name(to) {
            return None;
        }
        let digits = |end: &str| number(end).map_or_else(|| end.to_owned(), |it| it.to_string());
        let (from, mut to) = (digits(from), digits(to));
        if to == "0" && from != "0" {
            "7".clone_into(&mut to);
        }
        Some(format!("{from}-{to}{step}"))
    };
    let items = text.split(',');
    let items: Vec<_> = items
        .map(|one| item(one).unwrap_or_else(|| one.to_owned()))
        .collect();
    items.join(",")
}

/// Tells whether a field of time is valid.
fn is_time(text: &str, low: u8, high: u8, names: &[&str]) -> bool {
    let number = |text: &str| {
        let digits = text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits)?;
        (low..=high).contains(&number).then_some(number)
    };
    text.split(',').all(|item| {
        if names.contains(&item.to_ascii_lowercase().as_str()) {
            return true;
        }
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let step_is_valid = step.is_none_or(|step| {
            step.bytes().all(|b| b.is_ascii_digit())
                && step
                    .parse::<u8>()
                    .is_ok_and(|step| step > 0 && step <= high.max(1))
        });
        let range_is_valid = match range.split_once('-') {
            _ if range == "*" => true,
            Some((from, to)) => {
                matches!((number(from), number(to)), (Some(from), Some(to)) if from <= to)
            }
            None => number(range).is_some() && step.is_none(),
        };
        step_is_valid && range_is_valid
    })
}

/// Gives the numbers that a valid field stands for.
fn numbers(text: &str, low: u8, high: u8, names: &[&str]) -> BTreeSet<u8> {
    let number = |text: &str| {
        let is = |name: &&str| name.eq_ignore_ascii_case(text);
        let at = names.iter().position(is).map(|at| at + usize::from(low));
        let at = at.and_then(|at| u8::try_from(at).ok());
        at.or_else(|| text.parse().ok()).unwrap_or(low)
    };
    let text = numbered(text, names);
    let of_item = |item: &str| {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (number(from), number(to)),
            None if range == "*" => (low, high),
            None => (number(range), number(range)),
        };
        (from..=to).step_by(step.parse().unwrap_or(1).max(1))
    };
    text.split(',').flat_map(of_item).collect()
}

/// Tells whether none of these months has one of these days.
fn never_comes(days: &BTreeSet<u8>, months: &BTreeSet<u8>) -> bool {
    let longest = |month: &u8| match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let first = days.first().copied().unwrap_or(1);
    months.iter().map(longest).all(|last| first > last)
}

/// Escapes each `%` with a backslash; `None` where a backslash stands before it, which no crontab can express.
fn escaped(job: &str) -> Option<String> {
    let mut text = String::with_capacity(job.len());
    let mut after_backslash = false;
    for c in job.chars() {
        if c == '%' {
            if after_backslash {
                return None;
            }
            text.push('\\');
        }
        text.push(c);
        after_backslash = c == '\\' && !after_backslash;
    }
    Some(text)
}

impl Manage for Cron {
    fn kind(&self) -> &'static str {
        "cron"
    }

    fn id(&self) -> String {
        self.name.clone()
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: String| Err(format!("cron {:?}: {problem}", self.name));
        if self.name.is_empty()
            || !self
                .name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        {
            return refuse(
                "a name has only letters, digits, '_' and '-'; cron ignores others".into(),
            );
        }
        if self.state == State::Present && self.job.trim().is_empty() {
            return refuse("`job` is needed".into());
        }
        if self.job.chars().any(|c| c.is_control() && c != '\t') {
            return refuse("`job` is one line; put more into a script".into());
        }
        if escaped(&self.job).is_none() {
            return refuse("write '%' without a backslash; it is escaped as cron needs it".into());
        }
        for (name, field, low, high, names) in self.fields() {
            let text = &field.0;
            if self.special.is_some() && text != "*" {
                return refuse(format!("`special` and `{name}` exclude each other"));
            }
            if !is_time(&numbered(text, names), low, high, names) {
                let by_name = match (names.first(), names.last()) {
                    (Some(first), Some(last)) => format!(" (or {first} to {last})"),
                    (_, _) => String::new(),
                };
                return refuse(format!(
                    "'{text}' is no {name}; write '*', {low} to {high}{by_name}, ranges upwards like {low}-{high}, steps like */5 or {low}-{high}/5, or lists of these"
                ));
            }
        }
        let (days, months) = (&self.day.0, &self.month.0);
        // Of a day and a weekday, one is enough (crontab(5)).
        if self.weekday.0.starts_with('*')
            && never_comes(&numbers(days, 1, 31, &[]), &numbers(months, 1, 12, &MONTHS))
        {
            return refuse(format!(
                "no month '{months}' has a day '{days}': the job would never run"
            ));
        }
        if escaped(self.job.trim()).is_some_and(|job| job.len() > LONGEST) {
            return refuse(format!(
                "cron cuts a command line off after {LONGEST} bytes (each '%' counts as two); put it into a script"
            ));
        }
        for (name, value) in &self.env {
            if name == "LOGNAME" || name == "USER" {
                return refuse(format!(
                    "cron sets {name} itself; give the job another `user`"
                ));
            }
            if name == "CRON_TZ" {
                return refuse(
                    "Debian's cron knows no CRON_TZ: a job runs at the host's own time; set that with `timezone`, or `TZ` for what the job itself prints"
                        .into(),
                );
            }
            if name.len() + value.len() + 3 > LONGEST {
                return refuse(format!(
                    "the variable {name} is longer than the {LONGEST} bytes that cron takes"
                ));
            }
            if !super::is_variable(name)
                || value.contains('"')
                || value.chars().any(char::is_control)
            {
                return refuse(format!(
                    "the variable {name:?} has a name or a value that a crontab cannot hold"
                ));
            }
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        let mut queries = self.file().map(|file| file.probe()).unwrap_or_default();
        queries.push(Query::User(UserQuestion {
            name: self.user.clone(),
            password: false,
        }));
        queries
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let file = match self.file() {
            Ok(file) => file,
            Err(cause) => return Ok(super::invalid(&cause)),
        };
        let user = facts.user(&self.user)?;
        if user.is_none() && self.state == State::Present && facts.coming.is_empty() {
            return Ok(Planned::Impossible {
                cause: format!("the user {} does not exist", self.user),
                hint: format!("declare a user {} before the job", self.user),
            });
        }
        file.plan(facts)
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::files())
    }

    fn absent(&self) -> Option<Resource> {
        let mut gone = Self::new(self.name.clone(), "");
        gone.user = self.user.clone();
        gone.state = State::Absent;
        Some(Resource::Cron(gone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_sign_reaches_the_shell_as_it_is_written() {
        assert_eq!(escaped("date +%F").as_deref(), Some(r"date +\%F"));
        assert_eq!(escaped(r"a\\%").as_deref(), Some(r"a\\\%"));
        assert_eq!(escaped(r"date +\%F"), None);
    }

    #[test]
    fn times_are_those_of_crontab() {
        let minute = |text| is_time(text, 0, 59, &[]);
        for good in ["*", "0", "59", "*/5", "0-30/10", "1,2,5-9", "07"] {
            assert!(minute(good), "{good} was refused");
        }
        for bad in [
            "", "60", "-1", "*/0", "5-1", "1,", "a", "1/5", "*5", "+5", "1-2-3", "*/", "* *",
        ] {
            assert!(!minute(bad), "{bad} was accepted");
        }
        assert!(is_time("MON,fri", 0, 7, &WEEKDAYS));
        for (names, text, numbers) in [
            (&WEEKDAYS[..], "mon-fri", "1-5"),
            (&WEEKDAYS, "Fri-SUN,wed", "5-7,wed"),
            (&WEEKDAYS, "1-fri/2", "1-5/2"),
            (&WEEKDAYS, "sun-tue", "0-2"),
            (&WEEKDAYS, "sun-sun", "0-0"),
            (&MONTHS, "jan-mar", "1-3"),
            (&MONTHS, "jan,oct-dec/2", "jan,10-12/2"),
            (&[], "1-5", "1-5"),
        ] {
            assert_eq!(numbered(text, names), numbers);
        }
        assert!(!is_time(&numbered("sat-mon", &WEEKDAYS), 0, 7, &WEEKDAYS));
        assert!(!is_time("0", 1, 31, &[]));
    }

    #[test]
    fn a_day_that_no_month_has_is_a_mistake() {
        let check = |day: &str, month: &str, weekday: &str| {
            let mut job = Cron::new("x", "true");
            job.day.0 = day.to_owned();
            job.month.0 = month.to_owned();
            job.weekday.0 = weekday.to_owned();
            job.check()
        };
        for (day, month) in [
            ("31", "2"),
            ("30-31", "feb"),
            ("31", "apr,6,Sep-sep,11"),
            ("31", "4-6/2"),
        ] {
            let cause = check(day, month, "*").unwrap_err();
            assert!(cause.contains("would never run"), "{cause}");
            assert_eq!(check(day, month, "mon"), Ok(()));
        }
        for (day, month) in [
            ("29", "2"),
            ("31", "*"),
            ("31", "feb-mar"),
            ("*/30", "2"),
            ("28,31", "feb"),
            ("31", "*/2"),
        ] {
            assert_eq!(check(day, month, "*"), Ok(()), "{day} {month}");
        }
    }
}
