//! Two runs at once, and runs that end before their work does.

use end_to_end::{Estate, Prov, Running, until};

/// A change that waits on the host until somebody makes /run/go.
const BLOCKED: [&str; 3] = [
    "command",
    "argv=[sh, -c, 'touch /run/started; until [ -e /run/go ]; do sleep 0.1; done; touch /srv/done']",
    "creates=/srv/done",
];

fn quick(estate: &Estate) -> Prov {
    estate.task(["file", "path=/srv/quick", "content=x"])
}

/// Starts the change that waits, and waits until the host is at it.
fn blocked(estate: &Estate) -> Running {
    let running = estate.task(BLOCKED).start();
    estate.until("one", "the command runs on the host", "[ -e /run/started ]");
    running
}

#[test]
fn a_second_run_is_refused_and_told_who_is_at_work() {
    let estate = Estate::deployed(&["one", "two"]);
    let first = estate
        .task(BLOCKED)
        .args(["--limit", "one"])
        .env("USER", "anna")
        .start();
    estate.until("one", "the command runs on the host", "[ -e /run/started ]");
    let second = quick(&estate).run();
    let process = format!("process {}", first.id());
    second
        .exits(1)
        .failed("one", &["locked by anna@", &process, "--wait"]);
    assert_eq!(
        second.changes("two"),
        ["file /srv/quick"],
        "the other host is not locked"
    );
    assert!(estate.holds("one", "[ ! -e /srv/quick ]"));
    let look = estate.prov(["--output", "json", "diff"]).run();
    look.exits(0);
    estate.on("one", "touch /run/go");
    first.wait().exits(0);
    quick(&estate).run().changed("one", &["file /srv/quick"]);
}

#[test]
fn a_second_run_that_waits_has_its_turn() {
    let estate = Estate::deployed(&["one"]);
    let first = blocked(&estate);
    let mut second = quick(&estate).args(["--wait", "60"]).start();
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(!second.has_ended(), "the second run waits");
    estate.on("one", "touch /run/go");
    first.wait().exits(0);
    second.wait().changed("one", &["file /srv/quick"]);
    assert!(estate.holds("one", "[ /srv/quick -nt /srv/done ]"));
}

#[test]
fn a_second_run_waits_no_longer_than_it_was_told() {
    let estate = Estate::deployed(&["one"]);
    let first = blocked(&estate);
    let second = quick(&estate).args(["--wait", "1"]).run();
    second.exits(1).failed("one", &["locked by"]);
    estate.on("one", "touch /run/go");
    first.wait().exits(0);
}

#[test]
fn the_lock_of_a_killed_run_lasts_as_long_as_its_step_and_no_longer() {
    let estate = Estate::deployed(&["one"]);
    blocked(&estate).kill();
    // What runs on the host still changes it.
    quick(&estate).run().exits(1).failed("one", &["locked by"]);
    let patient = quick(&estate).args(["--wait", "60"]).start();
    estate.on("one", "touch /run/go");
    patient.wait().changed("one", &["file /srv/quick"]);
    estate.task(BLOCKED).run().unchanged("one");
}

#[test]
fn the_lock_of_a_killed_run_between_two_steps_is_free() {
    let estate = Estate::deployed(&["one"]);
    let first = blocked(&estate);
    estate.on("one", "touch /run/go");
    first.kill();
    quick(&estate)
        .args(["--wait", "20"])
        .run()
        .changed("one", &["file /srv/quick"]);
}

#[test]
fn a_lock_is_not_inherited_by_what_a_step_leaves_running() {
    let estate = Estate::deployed(&["one"]);
    let daemon = "argv=[sh, -c, 'sleep 300 >/dev/null 2>&1 & touch /srv/daemon']";
    estate
        .task(["command", daemon, "creates=/srv/daemon"])
        .run()
        .exits(0);
    quick(&estate).run().changed("one", &["file /srv/quick"]);
}

#[test]
fn ctrl_c_finishes_the_running_step_and_says_what_was_done() {
    let estate = Estate::name_server();
    let mut run = estate.prov(["--output", "json", "apply"]).start();
    estate.until(
        "one",
        "the packages are at it",
        "pgrep -f 'apt-get.* install'",
    );
    run.interrupt();
    until("prov says that it stops", || {
        run.errors_so_far().contains("stopping after")
    });
    assert!(!run.has_ended(), "the step is not abandoned");
    let ran = run.wait();
    ran.exits(1)
        .failed("one", &["stopped before directory", "after 1 change"]);
    assert!(
        ran.changes("one")[0].starts_with("packages "),
        "{}",
        ran.told()
    );
    assert!(estate.holds(
        "one",
        "[ -x /usr/sbin/dnsmasq ] && [ ! -e /etc/dnsmasq-hosts.d ]"
    ));
    // The lock is free, and the next run goes on.
    let next = estate.prov(["--output", "json", "apply"]).run();
    assert_eq!(
        next.changes("one")[0],
        "directory /etc/dnsmasq-hosts.d",
        "{}",
        next.told()
    );
    estate
        .prov(["--output", "json", "apply"])
        .run()
        .unchanged("one");
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_says_where_work_goes_on() {
    let estate = Estate::deployed(&["one"]);
    let slow = ["command", "argv=[sleep, '8']", "creates=/srv/never"];
    let run = estate.task(slow).start();
    estate.until("one", "the step runs", "pgrep -x sleep");
    run.interrupt();
    until("prov says that it stops", || {
        run.errors_so_far().contains("once more to stop at once")
    });
    run.interrupt();
    run.wait()
        .exits(1)
        .says("what was running goes on on one, locked until it has ended");
    assert!(estate.holds("one", "pgrep -x sleep"));
}

#[test]
fn ctrl_c_ends_the_wait_for_another_installation() {
    let estate = Estate::deployed(&["one"]);
    hold_dpkg(&estate);
    let mut run = estate
        .task(["packages", "names=[sl]", "--output", "json"])
        .start();
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(!run.has_ended(), "prov does not wait");
    run.interrupt();
    run.wait()
        .exits(1)
        .failed("one", &["stopped before packages sl", "after 0 changes"]);
    assert!(!estate.holds("one", "[ -x /usr/games/sl ]"));
}

#[test]
fn packages_wait_for_another_installation_to_end() {
    let estate = Estate::deployed(&["one"]);
    hold_dpkg(&estate);
    let mut run = estate.task(["packages", "names=[sl]"]).start();
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(!run.has_ended(), "the installation waits");
    estate.on("one", "touch /run/go");
    run.wait().changed("one", &["packages sl"]);
}

/// Holds dpkg's lock (fcntl(2)) until somebody makes /run/go.
fn hold_dpkg(estate: &Estate) {
    let perl = "use Fcntl; open(F, '>', '/var/lib/dpkg/lock-frontend') or die; \
                \\$l = pack('s s x4 q q i', F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, \\$l) or die; \
                open(H, '>', '/run/held'); select(undef, undef, undef, 0.1) until -e '/run/go'";
    let script = format!("setsid perl -e \"{perl}\" >/dev/null 2>&1 </dev/null &\n");
    estate.on("one", &script);
    estate.until("one", "dpkg's lock is held", "[ -e /run/held ]");
}
