//! Runs that are killed, or cut off from their host, at random moments: whatever they were doing, the next apply ends it, nothing is
//! lost, and nothing is left behind. `PROV_KILLS` says how many times (six unless told), `PROV_KILLS_FIRST` with which to begin.

use std::time::{Duration, Instant};

use end_to_end::{Killed, Ran, Server};

/// What is killed.
#[derive(Debug, Clone, Copy)]
enum How {
    /// prov alone: its shell on the host sees the connection end.
    Prov,
    /// prov, and all that works for it on the host.
    Both,
    /// The connection: prov goes on, and says that the host is gone.
    Connection,
}

/// What it is doing then.
#[derive(Debug, Clone, Copy)]
enum Doing {
    /// Packages, an account, files of all kinds.
    Apply,
    /// The same, and what could lock prov out.
    Guarded,
    /// Taking the last run back.
    Undo,
}

const HOWS: [How; 3] = [How::Prov, How::Both, How::Connection];
const DOINGS: [Doing; 4] = [Doing::Apply, Doing::Guarded, Doing::Undo, Doing::Guarded];

/// Files of which each must have the word, whole.
const FILES: [&str; 4] = ["/etc/own.conf", "/srv/own/a", "/srv/own/b", "/srv/own/c"];

/// Describes a host by a number, so that each number is another state of everything.
fn role(number: usize, guarded: usize) -> String {
    let odd = number % 2 == 1;
    let (package, shell, mode) = if odd {
        ("present", "/bin/sh", "0750")
    } else {
        ("absent", "/bin/bash", "0755")
    };
    let files = FILES
        .map(|path| format!("  - file: {{path: {path}, content: \"word {number}\\n\"}}\n"))
        .concat();
    format!(
        "summary: Another state each time.\nhandlers:\n  restart: {{restart: ssh}}\nresources:\n\
         \x20 - directory: {{path: /srv/own, mode: '{mode}'}}\n{files}\
         \x20 - packages: {{names: [tree], state: {package}}}\n\
         \x20 - user: {{name: worker, shell: {shell}}}\n\
         \x20 - line: {{path: /srv/own/lines, regexp: '^word', line: word {number}, create: true}}\n\
         \x20 - symlink: {{path: /srv/own/link, target: /nowhere/{number}}}\n\
         \x20 - cron: {{name: own, minute: '{}', job: 'true'}}\n\
         \x20 - file: {{path: /etc/ssh/sshd_config.d/own.conf, content: \"MaxAuthTries {}\\n\"}}\n    notify: restart\n",
        number % 60,
        5 + guarded % 2
    )
}

/// Numbers that look as if there were no rule, the same in each run (Numerical Recipes' generator).
struct Chance(u32);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u64::from(self.0 >> 8) % end.max(1)
    }
}

fn number_of(variable: &str, otherwise: usize) -> usize {
    let text = std::env::var(variable).ok();
    text.map_or(otherwise, |text| {
        let number = text.parse();
        number.unwrap_or_else(|_| panic!("{variable} is no number: {text}"))
    })
}

fn apply(server: &Server) -> Ran {
    let apply = ["--output", "json", "--timeout", "20", "apply"];
    server.servers.prov(apply).run()
}

/// Applies until it is done: as long as the host is putting something back, it refuses.
fn comes_to_its_end(server: &Server, which: &str) {
    let deadline = Instant::now() + Duration::from_secs(150);
    loop {
        let ran = apply(server);
        if ran.status.success() {
            break;
        }
        let told = ran.told();
        let waits = ["guard", "put back", "puts back", "locked", "another run"];
        assert!(
            waits.iter().any(|words| told.contains(words)) && Instant::now() < deadline,
            "{which}: {told}"
        );
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
fn whatever_is_killed_at_any_moment_is_ended_by_the_next_apply() {
    let server = Server::boot("roles: {own: [one]}\n");
    let (servers, estate) = (&server.servers, &server.estate);
    let kills = number_of("PROV_KILLS", 6);
    let first = number_of("PROV_KILLS_FIRST", 0);
    let mut state = 2 * first;
    servers.write("roles/own/role.yml", &role(state, 0));
    apply(&server).exits(0);
    // How long it takes where nothing happens to it.
    let mut takes = Duration::ZERO;
    for guarded in [1, 0] {
        state += 1;
        servers.write("roles/own/role.yml", &role(state, guarded));
        let begun = Instant::now();
        apply(&server).exits(0);
        takes = takes.max(begun.elapsed());
    }
    let mut guarded = 0;
    for number in first..first + kills {
        let mut chance = Chance(
            u32::try_from(number)
                .unwrap_or_default()
                .wrapping_mul(2_654_435_761),
        );
        chance.below(1);
        let doing = DOINGS[number % DOINGS.len()];
        let how = HOWS[usize::try_from(chance.below(3)).unwrap_or_default()];
        let most = u64::try_from(takes.as_millis()).unwrap_or(u64::MAX);
        let after = Duration::from_millis(chance.below(most));
        let which = format!("kill {number}: {how:?} while {doing:?}, after {after:?}");
        println!("{which}");
        let command = match doing {
            Doing::Undo => {
                let listed = servers.prov(["--output", "json", "history"]).run();
                let run = &listed.host("one")["runs"][0]["run"];
                let run = run.as_str().unwrap_or_default().to_owned();
                vec!["undo".to_owned(), run]
            }
            Doing::Apply | Doing::Guarded => {
                state += 1;
                guarded += usize::from(matches!(doing, Doing::Guarded));
                servers.write("roles/own/role.yml", &role(state, guarded));
                vec!["apply".to_owned()]
            }
        };
        let command = command.iter().map(String::as_str);
        let running = servers
            .prov(["--output", "json", "--timeout", "20"])
            .args(command)
            .start();
        std::thread::sleep(after);
        match how {
            How::Prov => running.kill(),
            How::Both => {
                running.kill();
                server.kill_work("one", Killed::Everything);
            }
            How::Connection => {
                estate.on("one", "pkill -KILL -f '^sshd[^ ]*: keeper' || :");
                // It notices, or was done.
                let _ = running.wait();
            }
        }
        comes_to_its_end(&server, &which);
        apply(&server).exits(0).unchanged("one");
        for path in FILES.into_iter().chain(["/srv/own/lines"]) {
            let text = estate.on("one", &format!("cat {path}"));
            assert_eq!(text, format!("word {state}\n"), "{which}: {path}");
        }
        let left = "ls -d /dev/shm/prov.* /run/prov.?????????? /var/tmp/prov.* /tmp/prov.* /var/lib/prov/guard /var/lib/prov/pending \
                    /srv/own/.* /etc/.prov* /etc/.own* 2>/dev/null | grep -v '/\\.\\.\\?$' || :
                    flock -n /run/prov.lock true || echo locked; dpkg --audit; systemctl is-active prov-guard | grep -x active || :";
        assert_eq!(estate.on("one", left), "", "{which}");
    }
}
