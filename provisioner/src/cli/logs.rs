//! `prov logs`: what services print and write to files, on containers and servers alike.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt as _;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::json;
use tasks::estate::Host;
use tasks::logs::{self, Line, Since, Wanted};
use tasks::role::{HostContext, Served, served};
use tasks::value::ServiceName;
use tokio::sync::mpsc;

use super::app::App;
use super::arguments::{Logs, Names};
use super::signals;
use crate::docker::{EstateContainers, HostState, Mode};
use crate::engine::{self, CommandSession, Failure};
use crate::report::print::{self, err, jsonln, outln};
use crate::report::problem::{Problem, exit};
use crate::report::style::{self, paint};
use crate::report::text::printable;
use crate::ssh::Target;

/// Lines of each log that are shown where nothing else is said.
const USUAL: usize = 100;

/// How long new lines are waited for: as long as somebody looks.
const FOLLOWED: Duration = Duration::from_secs(30 * 86_400);

/// Bytes of a line that does not end.
const MOST_LINE: usize = 64 * 1024;

/// A host, and those of its services that were chosen; all of them where none is.
struct Chosen<'a> {
    host: &'a Host,
    services: BTreeSet<ServiceName>,
    /// Whether all that the host says is meant.
    all: bool,
}

/// What one host has to say.
enum Said {
    Line(Line),
    Ended(Option<Failure>),
}

pub(super) async fn run(app: &App, options: &Logs) -> Result<u8, Problem> {
    let since = options.since.as_deref().map(Since::new).transpose();
    let since = since.map_err(|mistake| {
        Problem::usage(
            mistake,
            "write a length of time such as 30min, 2h or 3d, or a time such as '2026-01-31 17:45'",
        )
    })?;
    let usual = since.is_none().then_some(USUAL);
    let wanted = Wanted {
        follow: options.follow,
        tail: options.tail.or(usual),
        since,
    };
    let (chosen, stand_ins) = choose(app, &options.names)?;
    let width = chosen.iter().map(|one| one.host.name());
    let width = width
        .chain(stand_ins.iter().map(String::as_str))
        .map(str::len);
    let width = width.max().unwrap_or(0);
    let shown = |host: &str, line: &Line| show(app.json(), width, host, line);
    if app.estate.networks().is_none() {
        let hosts: Vec<_> = chosen.iter().map(|one| one.host).collect();
        let targets = app.targets(&hosts).await?;
        let targets = targets.into_iter().map(|(_, target)| target);
        return Ok(of_hosts(app, &chosen, targets.collect(), &wanted, shown).await);
    }
    of_containers(app, options, &chosen, stand_ins, &wanted, shown).await
}

/// Finds out whose logs are meant. A name is that of hosts, of a role, or of a service as systemd calls it.
fn choose<'a>(app: &'a App, names: &[String]) -> Result<(Vec<Chosen<'a>>, Vec<String>), Problem> {
    let mut known = Vec::new();
    for host in app.limited()? {
        let context = HostContext::new(&app.estate, host, &app.inputs, &app.templates);
        known.push((host, served(&context)?));
    }
    let stand_ins = app.estate.stand_ins().iter().map(|it| it.name().to_owned());
    if names.is_empty() {
        let stand_ins = stand_ins.filter(|_| app.global.limit.is_none());
        let all = known
            .iter()
            .map(|(host, services)| everything(host, services));
        return Ok((all.collect(), stand_ins.collect()));
    }
    let stand_ins: Vec<_> = stand_ins.filter(|name| names.contains(name)).collect();
    let mut found: BTreeMap<&str, (BTreeSet<ServiceName>, bool)> = BTreeMap::new();
    let mut rest = Vec::new();
    for name in names.iter().filter(|name| !stand_ins.contains(name)) {
        let meant = meant(app, name);
        let service = name.strip_suffix(".service").unwrap_or(name);
        let mut any = false;
        for (host, services) in &known {
            let of_name = services.iter().filter(|(unit, roles)| match meant {
                Meant::Role(role) => roles.contains(role),
                Meant::Service => unit.as_str() == service,
                Meant::Hosts => false,
            });
            let of_name: BTreeSet<_> = of_name.map(|(unit, _)| unit.clone()).collect();
            if !of_name.is_empty() {
                found.entry(host.name()).or_default().0.extend(of_name);
                any = true;
            }
        }
        if !any {
            rest.push(name.clone());
        }
    }
    if !rest.is_empty() {
        for host in app.named(&Names { names: rest })? {
            found.entry(host.name()).or_default().1 = true;
        }
    }
    let chosen = known.iter().filter_map(|(host, services)| {
        let (some, all) = found.remove(host.name())?;
        Some(if all {
            everything(host, services)
        } else {
            Chosen {
                host,
                services: some,
                all,
            }
        })
    });
    Ok((chosen.collect(), stand_ins))
}

fn everything<'a>(host: &'a Host, services: &Served) -> Chosen<'a> {
    Chosen {
        host,
        services: services.keys().cloned().collect(),
        all: true,
    }
}

/// What a name stands for.
enum Meant<'n> {
    /// A role.
    Role(&'n str),
    /// Hosts, by whatever the estate calls them.
    Hosts,
    /// Nothing that the estate knows but for a service.
    Service,
}

fn meant<'n>(app: &App, name: &'n str) -> Meant<'n> {
    let is_role = |name: &str| app.inputs.roles.iter().any(|role| role.name() == name);
    if let Some(role) = name.strip_prefix("role=") {
        return Meant::Role(role);
    }
    let estate = &app.estate;
    let is_named = estate.host(name).is_some()
        || estate
            .groups()
            .chain(estate.services())
            .any(|known| known == name);
    match is_named {
        true => Meant::Hosts,
        false if is_role(name) => Meant::Role(name),
        false => Meant::Service,
    }
}

fn show(json: bool, width: usize, host: &str, line: &Line) {
    let Line { file, text } = line;
    if json {
        jsonln!("{}", json!({ "host": host, "file": file, "line": text }));
        return;
    }
    let name = paint(style::FAINT, &format!("{host:<width$}"));
    let file = file.as_ref().map(|file| format!("{}: ", printable(file)));
    outln!(
        "{name} {}{}",
        paint(style::FAINT, &file.unwrap_or_default()),
        printable(text)
    );
}

/// Shows what hosts say: as it comes where it is followed, host by host otherwise.
async fn of_hosts(
    app: &App,
    chosen: &[Chosen<'_>],
    targets: Vec<Result<Target, Failure>>,
    wanted: &Wanted,
    shown: impl Fn(&str, &Line),
) -> u8 {
    let (sender, mut said) = mpsc::channel::<(usize, Said)>(256);
    let work = targets.into_iter().zip(chosen).enumerate();
    let work =
        work.map(|(index, (target, one))| (index, target, logs::script(&one.services, wanted)));
    let all = engine::on_all(
        work.collect(),
        app.global.forks,
        move |(index, target, script)| {
            let sender = sender.clone();
            async move {
                let ended = match target {
                    Ok(target) => on_host(index, &target, &script, &sender).await,
                    Err(failure) => Err(failure),
                };
                // Nobody is left to tell once the user has asked to stop.
                let _ = sender.send((index, Said::Ended(ended.err()))).await;
            }
        },
    );
    let mut failures = Vec::new();
    let mut waiting: Vec<Vec<Line>> = chosen.iter().map(|_| Vec::new()).collect();
    let mut ended = vec![false; chosen.len()];
    let mut next = 0;
    let take = async {
        while let Some((index, said)) = said.recv().await {
            match said {
                Said::Line(line) if wanted.follow || index == next => {
                    shown(chosen[index].host.name(), &line);
                }
                Said::Line(line) => waiting[index].push(line),
                Said::Ended(failure) => {
                    ended[index] = true;
                    failures.extend(failure.map(|it| it.of(chosen[index].host.name())));
                    while ended.get(next) == Some(&true) {
                        next += 1;
                        for line in waiting
                            .get_mut(next)
                            .map(std::mem::take)
                            .unwrap_or_default()
                        {
                            shown(chosen[next].host.name(), &line);
                        }
                    }
                }
            }
            if print::closed() {
                break;
            }
        }
    };
    tokio::select! {
        _ = async { tokio::join!(all, take) } => {}
        () = signals::asked_to_stop() => {}
    }
    for failure in &failures {
        err(format_args!("{}", Problem::Failed(failure.clone()).text()));
    }
    match failures.as_slice() {
        [] => exit::DONE,
        some if some.iter().all(|failure| failure.unreachable) => exit::UNREACHABLE,
        _ => exit::FAILED,
    }
}

/// Has one host show its logs, and sends each line that has ended.
async fn on_host(
    index: usize,
    target: &Target,
    script: &str,
    sender: &mpsc::Sender<(usize, Said)>,
) -> Result<(), Failure> {
    let session = CommandSession::open(target).await?;
    let rest = std::sync::Mutex::new(Vec::<u8>::new());
    let lines = |bytes: &[u8]| {
        let mut rest = rest
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        rest.extend(bytes);
        let end = rest
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map(|end| end + 1);
        let end = end.or((rest.len() > MOST_LINE).then_some(rest.len()));
        let ended: Vec<u8> = rest.drain(..end.unwrap_or(0)).collect();
        let text = tasks::raw::text(&ended).into_owned();
        text.lines().map(logs::line).collect::<Vec<_>>()
    };
    let printed = |bytes: Vec<u8>| {
        let lines = lines(&bytes);
        async move {
            for line in lines {
                // Nobody is left to tell once the user has asked to stop.
                let _ = sender.send((index, Said::Line(line))).await;
            }
        }
    };
    session.script(script, FOLLOWED, printed).await?;
    Ok(())
}

/// Gives from when on what each container prints is shown, in seconds since 1970. A time is one of the host's own clock, so the host
/// is asked, or its time zone is read where it does not run.
async fn begin(
    containers: &EstateContainers,
    hosts: &[String],
    since: Option<&Since>,
) -> HashMap<String, u64> {
    let Some(since) = since else {
        return HashMap::new();
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let in_utc = since.in_utc(now.map_or(0, |now| now.as_secs()));
    let of_host = async |host: &String| {
        let Since::At(time) = since else {
            return in_utc;
        };
        let asked = containers
            .exec(host, &["date", "-d", time, "+%s"], b"")
            .await;
        let said = asked.ok().and_then(|said| said.text().trim().parse().ok());
        if let Some(said) = said {
            return said;
        }
        let zone = containers.time_zone(host).await.ok().flatten();
        zone.and_then(|zone| in_zone(time, &zone)).unwrap_or(in_utc)
    };
    let mut begin = HashMap::new();
    for host in hosts {
        begin.insert(host.clone(), of_host(host).await);
    }
    begin
}

/// Gives a time of a clock in seconds since 1970, by the bytes of its time zone.
fn in_zone(time: &str, zone: &[u8]) -> Option<u64> {
    let zone = TimeZone::tzif("", zone).ok()?;
    let time: DateTime = time.parse().ok()?;
    let time = time.to_zoned(zone).ok()?.timestamp();
    u64::try_from(time.as_second()).ok()
}

/// Shows what containers print, and the files of those whose services run.
async fn of_containers(
    app: &App,
    options: &Logs,
    chosen: &[Chosen<'_>],
    stand_ins: Vec<String>,
    wanted: &Wanted,
    shown: impl Fn(&str, &Line),
) -> Result<u8, Problem> {
    let containers = app.containers().await?;
    let all = containers.list().await?;
    let has_container = |name: &str| all.iter().any(|status| status.host == name);
    // Whoever names nobody means what there is.
    let is_meant =
        |name: &str| !options.names.is_empty() || app.global.limit.is_some() || has_container(name);
    let hosts = chosen.iter().map(|one| one.host.name().to_owned());
    let hosts: Vec<_> = hosts
        .chain(stand_ins)
        .filter(|name| is_meant(name))
        .collect();
    let runs = |name: &str| {
        all.iter().any(|status| {
            status.host == name && status.state == HostState::Running && status.mode == Mode::Test
        })
    };
    let running: Vec<_> = chosen.iter().filter(|one| runs(one.host.name())).collect();
    let running: Vec<_> = running
        .into_iter()
        .map(|one| Chosen {
            host: one.host,
            services: one.services.clone(),
            all: one.all,
        })
        .collect();
    let of_running: Vec<_> = running.iter().map(|one| one.host).collect();
    let targets = app.targets(&of_running).await?;
    let targets = targets.into_iter().map(|(_, target)| target).collect();
    let is_chosen = |host: &str, line: &str| {
        let one = chosen.iter().find(|one| one.host.name() == host);
        one.is_none_or(|one| {
            // The supervisor of containers begins each line with the name of the service.
            let service = line.split_once(": ").map_or("", |(service, _)| service);
            one.all || one.services.iter().any(|name| name.as_str() == service)
        })
    };
    let printed = async {
        if hosts.is_empty() {
            return Ok::<_, Problem>(());
        }
        let since = begin(&containers, &hosts, wanted.since.as_ref()).await;
        let lines = containers.logs(&hosts, wanted.follow, wanted.tail, &since);
        let mut lines = Box::pin(lines.await?);
        while let Some(line) = lines.next().await {
            if print::closed() {
                break;
            }
            let line = line?;
            if is_chosen(&line.host, &line.line) {
                let (file, text) = (None, line.line);
                shown(&line.host, &Line { file, text });
            }
        }
        Ok(())
    };
    let printed = async {
        tokio::select! {
            printed = printed => printed,
            () = signals::asked_to_stop() => Ok(()),
        }
    };
    let written = of_hosts(app, &running, targets, wanted, &shown);
    if wanted.follow {
        let (printed, code) = tokio::join!(printed, written);
        printed?;
        return Ok(code);
    }
    printed.await?;
    Ok(written.await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_of_the_clock_that_shows_it() {
        // A zone ten hours before UTC, as tzfile(5) has it, with its rule at the end.
        let mut zone = Vec::new();
        for version in [b"TZif2", b"TZif2"] {
            zone.extend(version);
            zone.extend([0; 15]);
            for count in [0_u32, 0, 0, 0, 1, 4] {
                zone.extend(count.to_be_bytes());
            }
            zone.extend(36_000_i32.to_be_bytes());
            zone.extend([0, 0]);
            zone.extend(b"AAA\0");
        }
        zone.extend(b"\nAAA-10\n");
        assert_eq!(in_zone("2026-01-31 17:45:10", &zone), Some(1_769_845_510));
        assert_eq!(in_zone("2026-01-31 17:45:10", b"no zone"), None);
    }
}
