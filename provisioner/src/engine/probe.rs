//! Turns the queries of a host into one read-only script.
//!
//! Things of one kind are asked of one program together, because on a busy host the number of processes is what a
//! probe costs. The answers are read back in [`super::answers`].

use std::fmt::Write as _;

use tasks::query::{AptRequest, AptVerb, CalendarRequest, Query, QuerySet, Read};
use tasks::value::{DatabaseAccount, DatabaseName, HostPath, PackageName};

use super::script::{STATE, quote, quote_all};
use super::{caldav, mariadb};

/// Bytes of a file beyond which its content does not travel.
pub const MOST_BODY: usize = 1024 * 1024;

/// Queries by kind, in the order in which the script asks them.
pub(super) struct Sorted {
    pub(super) paths: Vec<(String, Read)>,
    pub(super) packages: Vec<String>,
    pub(super) apt: Vec<AptRequest>,
    pub(super) users: Vec<(String, bool)>,
    pub(super) groups: Vec<String>,
    pub(super) services: Vec<String>,
    pub(super) debconf: Vec<String>,
    pub(super) public_keys: Vec<HostPath>,
    pub(super) time: bool,
    pub(super) databases: Vec<DatabaseName>,
    pub(super) database_users: Vec<DatabaseAccount>,
    pub(super) calendars: Vec<CalendarRequest>,
    pub(super) guards: Vec<Vec<String>>,
}

impl Sorted {
    pub(super) fn new(queries: &QuerySet) -> Self {
        let mut sorted = Self {
            paths: Vec::new(),
            packages: Vec::new(),
            apt: Vec::new(),
            users: Vec::new(),
            groups: Vec::new(),
            services: Vec::new(),
            debconf: Vec::new(),
            public_keys: Vec::new(),
            time: false,
            databases: Vec::new(),
            database_users: Vec::new(),
            calendars: Vec::new(),
            guards: Vec::new(),
        };
        for query in queries.iter() {
            match query {
                Query::Path { path, read } => sorted.paths.push((path.to_string(), read)),
                Query::Package(name) => sorted.packages.push(name.to_string()),
                Query::Apt(request) => sorted.apt.push(request),
                Query::User { name, password } => sorted.users.push((name.to_string(), password)),
                Query::Group(name) => sorted.groups.push(name.to_string()),
                Query::Service(name) => sorted.services.push(name.to_string()),
                Query::Debconf(question) => sorted.debconf.push(question),
                Query::PublicKey(path) => sorted.public_keys.push(path),
                Query::Time => sorted.time = true,
                Query::MariaDbDatabase(name) => sorted.databases.push(name),
                Query::MariaDbUser(account) => sorted.database_users.push(account),
                Query::Calendar(request) => sorted.calendars.push(request),
                Query::Guard(argv) => sorted.guards.push(argv),
            }
        }
        sorted
    }
}

/// Writes the script that answers these queries.
#[must_use]
pub fn compile(queries: &QuerySet) -> String {
    let sorted = Sorted::new(queries);
    let mut script =
        String::from("{ cat /proc/1/comm; [ ! -d /run/service ] || echo runit; } | f init\n");
    // Writing to a string cannot fail, so the results of `write!` are not looked at here.
    let _ = writeln!(
        script,
        "[ -s {STATE}/pending ] && f pending <{STATE}/pending"
    );
    paths(&mut script, &sorted.paths);
    packages(&mut script, &sorted);
    accounts(&mut script, &sorted);
    services(&mut script, &sorted.services);
    if !sorted.debconf.is_empty() {
        script.push_str("sed -n");
        for question in &sorted.debconf {
            let pattern = format!("/^Name: {}$/,/^$/p", sed_literal(question));
            let _ = write!(script, " -e {}", quote(&pattern));
        }
        script.push_str(
            " /var/cache/debconf/config.dat /var/cache/debconf/passwords.dat 2>/dev/null | f debconf\n",
        );
    }
    if sorted.time {
        script.push_str("date +%s | f time\n");
    }
    for (index, path) in sorted.public_keys.iter().enumerate() {
        let path = quote(path.as_str());
        let _ = writeln!(
            script,
            "[ ! -f {path} ] || openssl pkey -in {path} -passin pass: -pubout 2>/dev/null | f key:{index}"
        );
    }
    mariadb::compile(&mut script, &sorted);
    caldav::compile(&mut script, &sorted);
    for (index, argv) in sorted.guards.iter().enumerate() {
        let command = quote_all(argv.iter().map(String::as_str));
        let _ = writeln!(
            script,
            "( {command} ) </dev/null >/dev/null 2>&1 9>&-; printf %s $? | f guard:{index}"
        );
    }
    script
}

fn packages(script: &mut String, sorted: &Sorted) {
    if sorted.packages.is_empty() {
        return;
    }
    let names = quote_all(sorted.packages.iter().map(String::as_str));
    let _ = writeln!(
        script,
        r#"k=$(dpkg-query -W -f='${{Package}}\t${{db:Status-Abbrev}}\t${{Version}}\n' -- {names} 2>/dev/null); printf '%s\n' "$k" | f packages
set -- /var/lib/apt/lists/*Packages*
if [ -e $1 ]; then {{ date +%s; stat -c %Y /var/lib/apt/lists /var/cache/apt/pkgcache.bin 2>/dev/null; }} | f lists; fi"#
    );
    for (index, request) in sorted.apt.iter().enumerate() {
        let names = quote_all(request.names.iter().map(PackageName::as_str));
        let verb = request.verb.word();
        // A simulation, too, writes its caches and a log of what it planned, unless it is told not to.
        // Apt is asked only where a package is not as it should be; the shell can tell that by itself.
        let wanted = match request.verb {
            AptVerb::Install => 1,
            AptVerb::Remove | AptVerb::Purge => 0,
        };
        let _ = writeln!(
            script,
            r#"y=; t=$(printf '\t'); for p in {names}; do case "
$k" in (*"
$p$t"?i*) i=1;; (*) i=0;; esac; [ $i = {wanted} ] || y=1; done
r={removes} a=; for p in {replaces}; do case "
$k" in (*"
$p$t"?i*) r=true y=1 a="$a $p-";; esac; done
[ -z "$y" ] || TMPDIR=/dev/shm apt-get -s -q -y -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Dir::Log::Planner=/dev/null -o APT::Install-Recommends={recommends} -o APT::Get::Remove=$r {verb} -- {names} $a 2>&1 </dev/null | sed -n '/^\(Inst\|Remv\|Purg\|E:\) /p' | f apt:{index}"#,
            recommends = request.recommends,
            removes = request.verb != AptVerb::Install,
            replaces = quote_all(request.replaces.iter().map(PackageName::as_str)),
        );
    }
}

fn paths(script: &mut String, paths: &[(String, Read)]) {
    if paths.is_empty() {
        return;
    }
    let all = quote_all(paths.iter().map(|(path, _)| path.as_str()));
    let _ = writeln!(
        script,
        r#"set -- {all}
stat --printf '%n\0%f\0%U\0%u\0%G\0%g\0%s\0' -- "$@" 2>/dev/null | f stat
for p do [ -L "$p" ] && {{ printf '%s\0' "$p"; readlink -z -- "$p"; }}; done | f links
b() {{ head -c {limit} -- "$2" | f "body:$1"; }}"#,
        limit = MOST_BODY + 1
    );
    let hashed: Vec<_> = paths
        .iter()
        .filter(|(_, read)| matches!(read, Read::BodyUnless(_) | Read::Digest))
        .map(|(path, _)| path.as_str())
        .collect();
    if !hashed.is_empty() {
        let _ = writeln!(
            script,
            r#"set --; for p in {}; do [ -f "$p" ] && [ ! -L "$p" ] && set -- "$@" "$p"; done
h=; [ $# -gt 0 ] && h=$(sha256sum -- "$@" 2>/dev/null)
printf '%s\n' "$h" | f sha256
printf '%s\n' "$h" | while read -r h p; do case $p in"#,
            quote_all(hashed)
        );
        for (index, (path, read)) in paths.iter().enumerate() {
            if let Read::BodyUnless(digest) = read {
                let (path, digest) = (quote(path), quote(digest));
                let _ = writeln!(script, "({path}) [ $h = {digest} ] || b {index} \"$p\";;");
            }
        }
        script.push_str("esac; done\n");
    }
    for (index, (path, read)) in paths.iter().enumerate() {
        if *read == Read::Body {
            let _ = writeln!(
                script,
                r#"p={}; if [ -L "$p" ]; then p=$(readlink -f -- "$p") && [ -f "$p" ] && {{ stat --printf '%n\0%f\0%U\0%u\0%G\0%g\0%s\0' -- "$p" | f target:{index}; b {index} "$p"; }}
elif [ -f "$p" ]; then b {index} "$p"; fi"#,
                quote(path)
            );
        }
    }
}

fn accounts(script: &mut String, sorted: &Sorted) {
    if sorted.users.is_empty() && sorted.groups.is_empty() {
        return;
    }
    script.push_str("f passwd </etc/passwd; f group </etc/group\n");
    let patterns: Vec<_> = sorted
        .users
        .iter()
        .filter(|(_, password)| *password)
        .map(|(name, _)| format!("{}:*", quote(name)))
        .collect();
    if !patterns.is_empty() {
        let _ = writeln!(
            script,
            r#"while IFS= read -r l; do case $l in ({}) printf '%s\n' "$l";; esac; done </etc/shadow | f shadow"#,
            patterns.join("|")
        );
    }
}

fn services(script: &mut String, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let plain = quote_all(names.iter().map(String::as_str));
    let units: Vec<_> = names.iter().map(|name| format!("{name}.service")).collect();
    let units = quote_all(units.iter().map(String::as_str));
    let _ = writeln!(
        script,
        r"read -r c </proc/1/comm
if [ $c = systemd ]; then systemctl show --property=LoadState,ActiveState,SubState,UnitFileState -- {units} 2>/dev/null | f systemd
elif command -v sv >/dev/null; then sv status {plain} 2>&1 | f runit; fi"
    );
}

/// Escapes a debconf question for a basic regular expression.
fn sed_literal(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let special = "/\\.*[]^$".contains(c);
            special.then_some('\\').into_iter().chain([c])
        })
        .collect()
}
