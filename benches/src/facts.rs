//! The facts that a run on a converged host needs, read with as few programs as possible and no framing.
//!
//! What is read is what prov asks for the same host, so it follows the estate. It is written down as JSON for the
//! floor, which knows nothing of estates; nothing secret is in it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tasks::probe::{MariaDbQuestion, PathQuestion, Query, QuerySet, Read, UserQuestion};
use tasks::resource::{Debconf, Declared, Resource, State};
use tasks::{push, pushln};

use crate::Result;

/// What is read from one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Packages that are to be installed.
    pub packages: Vec<String>,
    /// Files that are compared by digest.
    pub files: Vec<String>,
    /// Files that are read whole, because a role owns part of them or because of what they say: certificates.
    pub edited: Vec<String>,
    /// Other paths of which only the attributes count: folders, links, keys.
    pub stats: Vec<String>,
    /// Services that are to run.
    pub services: Vec<String>,
    /// Users and groups.
    pub accounts: Vec<String>,
    /// Users whose password's hash is compared.
    pub shadows: Vec<String>,
    /// Private keys, of which the public one is read.
    pub keys: Vec<String>,
    /// Databases of the host's MariaDB server.
    pub databases: Vec<String>,
    /// Accounts of the host's MariaDB server, `NAME@HOST`.
    pub database_accounts: Vec<String>,
    /// Addresses of calendars.
    pub calendars: Vec<String>,
    /// Commands that say whether others are needed.
    pub guards: Vec<Vec<String>>,
    /// Answers to questions of packages.
    pub debconf: Vec<Answer>,
}

/// An answer to a question that a package asks when it is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The question.
    pub question: String,
    /// A line for `debconf-set-selections(1)`.
    pub selection: String,
}

/// The facts of every host, by its name.
pub type AllFacts = BTreeMap<String, HostFacts>;

/// Writes what the floor reads of each host.
pub fn write(path: &Path, facts: &AllFacts) -> Result<()> {
    Ok(std::fs::write(path, serde_json::to_vec(facts)?)?)
}

/// Reads what [`write()`] wrote.
pub fn read(path: &Path) -> Result<AllFacts> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

impl HostFacts {
    /// Gathers what must be read for the resources of a host.
    pub fn of(declared: &[Declared]) -> Result<Self> {
        let mut facts = Self::default();
        let resources = declared.iter().map(|declared| &declared.resource);
        let queries: QuerySet = resources
            .clone()
            .flat_map(|resource| resource.manage().probe())
            .collect();
        for query in queries.queries() {
            facts.add(query)?;
        }
        for resource in resources {
            if let Resource::Packages(packages) = resource {
                let names = (packages.state == State::Absent).then_some(&packages.names);
                let gone: Vec<_> = names
                    .into_iter()
                    .flatten()
                    .chain(&packages.replaces)
                    .collect();
                let unwanted = |name: &String| gone.iter().any(|gone| gone.as_str() == name);
                facts.packages.retain(|name| !unwanted(name));
            } else if let Resource::Service(service) = resource
                && !service.running
            {
                facts.services.retain(|name| service.name.as_str() != name);
            } else if let Resource::Debconf(debconf) = resource {
                facts.debconf.push(answer(debconf)?);
            }
        }
        Ok(facts)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a new kind of query need not be known to the floor"
    )]
    fn add(&mut self, query: Query) -> Result<()> {
        match query {
            Query::Path(PathQuestion { path, read }) => match read {
                Read::Attributes => self.stats.push(path.to_string()),
                Read::Digest | Read::BodyUnless(_) => self.files.push(path.to_string()),
                Read::Body => self.edited.push(path.to_string()),
            },
            Query::Package(name) => self.packages.push(name.to_string()),
            Query::User(UserQuestion { name, password }) => {
                self.accounts.push(name.to_string());
                if password {
                    self.shadows.push(name.to_string());
                }
            }
            Query::Group(name) => self.accounts.push(name.to_string()),
            Query::Service(name) => self.services.push(name.to_string()),
            Query::PublicKey(path) => self.keys.push(path.to_string()),
            Query::MariaDb(MariaDbQuestion::Database(name)) => {
                self.databases.push(name.to_string());
            }
            Query::MariaDb(MariaDbQuestion::User(account)) => {
                self.database_accounts.push(account.to_string());
            }
            Query::Calendar(request) => {
                if request.login.is_some() {
                    return Err("the floor asks for calendars in nobody's name".into());
                }
                self.calendars.push(request.url.as_str().to_owned());
            }
            Query::Guard(argv) => self.guards.push(argv),
            // apt is asked only where something is to be installed; the clock is read always; answers to questions
            // come with their resources. A kind that the floor does not know only makes the floor faster.
            _ => {}
        }
        Ok(())
    }

    /// Writes the script of the floor: which supervisor runs, whose the files are and what is in them, which packages
    /// are installed and how old the lists are, accounts, services, keys, databases, calendars, guards.
    #[must_use]
    pub fn script(&self) -> String {
        let (files, edited) = (words(&self.files), words(&self.edited));
        let mut script = format!(
            "export LC_ALL=C.UTF-8\ne=\n\
             cat /proc/1/comm {edited} /etc/passwd /etc/group || e=d\n\
             stat -c '%N %f %U %u %G %g %s' {files} {edited} {} /var/lib/apt/lists 2>/dev/null\n\
             date +%s\n",
            words(&self.stats)
        );
        let mut each = |list: &[String], line: String| {
            if !list.is_empty() {
                script.push_str(&line);
            }
        };
        each(&self.files, format!("sha256sum {files} || e=d\n"));
        let packages = words(&self.packages);
        each(
            &self.packages,
            format!(
                "dpkg-query -W -f='${{Package}} ${{db:Status-Abbrev}} ${{Version}}\\n' {packages}\n"
            ),
        );
        let services = words(&self.services);
        each(&self.services, format!("sv status {services}\n"));
        let shadows: Vec<_> = self
            .shadows
            .iter()
            .map(|name| format!("^{name}:"))
            .collect();
        let pattern = quoted(&shadows.join("\\|"));
        each(&shadows, format!("grep {pattern} /etc/shadow\n"));
        for key in &self.keys {
            let key = quoted(key);
            pushln!(
                script,
                "openssl pkey -in {key} -passin pass: -pubout </dev/null || e=d"
            );
        }
        script.push_str(&self.debconf());
        script.push_str(&self.mariadb());
        script.push_str(&self.curl());
        for (index, argv) in self.guards.iter().enumerate() {
            let argv = words(argv);
            pushln!(
                script,
                "( {argv} ) </dev/null >/dev/null 2>&1; echo guard {index} $?"
            );
        }
        script.push_str("echo complete$e\n");
        script
    }

    fn debconf(&self) -> String {
        if self.debconf.is_empty() {
            return String::new();
        }
        let literal = |question: &str| question.replace('.', "\\.").replace('/', "\\/");
        let pattern = |answer: &Answer| format!("/^Name: {}$/,/^$/p", literal(&answer.question));
        let patterns = self.debconf.iter().map(pattern);
        let patterns: Vec<_> = patterns
            .map(|text| format!("-e {}", quoted(&text)))
            .collect();
        format!(
            "sed -n {} /var/cache/debconf/config.dat\n",
            patterns.join(" ")
        )
    }

    fn mariadb(&self) -> String {
        let mut sql = String::new();
        let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(",");
        if !self.databases.is_empty() {
            let names = list(&mut self.databases.iter().map(|name| format!("'{name}'")));
            push!(
                sql,
                "SELECT 'database', schema_name, default_character_set_name, default_collation_name \
                 FROM information_schema.schemata WHERE schema_name IN ({names});"
            );
        }
        if !self.database_accounts.is_empty() {
            let parts = self.database_accounts.iter();
            let parts = parts.filter_map(|account| account.split_once('@'));
            let accounts = list(
                &mut parts
                    .clone()
                    .map(|(name, host)| format!("('{name}','{host}')")),
            );
            let grantees = list(&mut parts.map(|(name, host)| format!("'''{name}''@''{host}'''")));
            push!(
                sql,
                "SELECT 'account', CONCAT(User, '@', Host), plugin, authentication_string FROM mysql.user \
                 WHERE (User, Host) IN ({accounts});\
                 SELECT grantee, privilege_type FROM information_schema.user_privileges \
                 WHERE grantee IN ({grantees});\
                 SELECT grantee, table_schema, privilege_type FROM information_schema.schema_privileges \
                 WHERE grantee IN ({grantees});"
            );
        }
        if sql.is_empty() {
            return sql;
        }
        format!("mariadb --batch -N -e {} </dev/null\n", quoted(&sql))
    }

    fn curl(&self) -> String {
        if self.calendars.is_empty() {
            return String::new();
        }
        let urls = self.calendars.iter();
        let urls: Vec<_> = urls
            .map(|url| format!("-o /dev/null {}", quoted(url)))
            .collect();
        format!(
            "curl -q -s --noproxy '*' -X PROPFIND -H 'Depth: 0' -w 'calendar %{{url_effective}} %{{http_code}}\\n' {} </dev/null\n",
            urls.join(" ")
        )
    }

    /// Tells what is missing in the answer to [`Self::script`]; nothing if the host is as the estate wants it.
    #[must_use]
    pub fn missing(&self, answer: &str) -> Vec<String> {
        let mut parts = vec!["\ncomplete\n".to_owned()];
        let mut all = |list: &[String], part: &dyn Fn(&str) -> String| {
            parts.extend(list.iter().map(|item| part(item)));
        };
        all(&self.packages, &|name| format!("\n{name} ii "));
        all(&self.services, &|name| format!("\nrun: {name}:"));
        all(&self.files, &|path| format!("  {path}\n"));
        all(&self.files, &|path| format!("\n'{path}' 8"));
        all(&self.edited, &|path| format!("\n'{path}' "));
        all(&self.accounts, &|name| format!("\n{name}:"));
        all(&self.databases, &|name| format!("\ndatabase\t{name}\t"));
        all(&self.database_accounts, &|account| {
            format!("\naccount\t{account}\t")
        });
        all(&self.calendars, &|url| format!("\ncalendar {url} 207\n"));
        parts.extend((0..self.guards.len()).map(|index| format!("\nguard {index} ")));
        let questions = self.debconf.iter().map(|answer| &answer.question);
        parts.extend(questions.map(|question| format!("\nName: {question}\n")));
        parts.retain(|part| !answer.contains(part.as_str()));
        let keys = answer.matches("-----BEGIN PUBLIC KEY-----").count();
        if keys < self.keys.len() {
            parts.push(format!("{} public keys", self.keys.len() - keys));
        }
        parts
    }

    /// Writes the plain installation of everything that the host's roles need; lists older than a day are fetched, as
    /// prov does, and questions answered as the roles answer them.
    #[must_use]
    pub fn installation(&self) -> String {
        let mut script = "DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND\n".to_owned();
        for Answer { selection, .. } in &self.debconf {
            pushln!(
                script,
                "echo {} | debconf-set-selections || exit",
                quoted(selection)
            );
        }
        let packages = words(&self.packages);
        pushln!(
            script,
            "[ \"$(find /var/lib/apt/lists -maxdepth 0 -mmin -1440)\" ] || apt-get update -q </dev/null >/dev/null || exit\n\
             apt-get install -y -q -o Dpkg::Use-Pty=0 {packages} </dev/null >/dev/null || exit"
        );
        script
    }
}

fn answer(debconf: &Debconf) -> Result<Answer> {
    if !debconf.value.secrets().is_empty() {
        return Err("the floor answers no question with a secret".into());
    }
    let kind = serde_json::to_value(debconf.kind)?;
    let kind = kind.as_str().unwrap_or_default();
    let (package, question) = (&debconf.package, &debconf.question);
    Ok(Answer {
        question: question.clone(),
        selection: format!("{package} {question} {kind} {}", debconf.value.expose()),
    })
}

/// Quotes a word for a shell where it needs it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn words(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> HostFacts {
        let list = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect();
        HostFacts {
            packages: list(&["dnsmasq"]),
            files: list(&["/etc/mailname"]),
            services: list(&["dnsmasq"]),
            keys: list(&["/etc/a.key"]),
            databases: list(&["bacula"]),
            database_accounts: list(&["bacula@%"]),
            calendars: list(&["http://127.0.0.1:5232/a/"]),
            guards: vec![list(&["test", "it's"])],
            ..HostFacts::default()
        }
    }

    const WHOLE: &str = "runit\n'/etc/mailname' 81a4 root 0 root 0 9\nabc  /etc/mailname\ndnsmasq ii  2.90\n\
         run: dnsmasq: (pid 1) 2s\n-----BEGIN PUBLIC KEY-----\ndatabase\tbacula\tutf8mb4\tx\naccount\tbacula@%\tx\ty\n\
         calendar http://127.0.0.1:5232/a/ 207\nguard 0 1\ncomplete\n";

    #[test]
    fn an_answer_that_lacks_a_fact_is_noticed() {
        assert!(facts().missing(WHOLE).is_empty());
        for (good, bad) in [
            ("run: dnsmasq", "down: dnsmasq"),
            ("dnsmasq ii", "dnsmasq rc"),
            ("'/etc/mailname' 81a4", "'/etc/mailname' 41ed"),
            ("BEGIN PUBLIC KEY", "BEGIN NOTHING"),
            ("database\tbacula", "database\tother"),
            ("account\tbacula@%", "account\tbacula@other"),
            (" 207\n", " 404\n"),
            ("guard 0", "guard 1"),
            ("complete", "completed"),
        ] {
            let missing = facts().missing(&WHOLE.replace(good, bad));
            assert_eq!(missing.len(), 1, "{bad}: {missing:?}");
        }
    }

    #[test]
    fn a_script_asks_each_program_once_and_quotes() {
        let script = facts().script();
        for program in [
            "cat ",
            "stat ",
            "sha256sum ",
            "dpkg-query ",
            "sv ",
            "mariadb ",
            "curl ",
        ] {
            let lines = script.lines().filter(|line| line.starts_with(program));
            assert_eq!(lines.count(), 1, "{program}: {script}");
        }
        assert!(script.contains(r"( test 'it'\''s' )"), "{script}");
        assert!(!HostFacts::default().script().contains("mariadb"));
    }
}
