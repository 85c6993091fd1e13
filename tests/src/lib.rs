//! Support for the end-to-end tests: estates of their own in temporary folders, the built binary, and what happens in
//! their containers behind prov's back.
//!
//! Every estate has a number: its name is `e2e-NUMBER`, its network 10.97.NUMBER.0/24. A locked file keeps two tests
//! from taking the same number, also in different processes. An estate is taken down before it is used and when its
//! test ends, however it ends; nothing that carries another estate's label is touched. Nothing is sent anywhere but
//! to its containers and to this machine itself. Without Docker the tests fail; none skips itself.
#![expect(
    clippy::must_use_candidate,
    reason = "helpers that assert, or do something to a host, are called for that alone"
)]
#![expect(
    clippy::missing_panics_doc,
    reason = "every helper fails its test by a panic that says what did not hold"
)]

mod docker;
mod estate;
mod prov;
mod sampled;
mod sender;
mod server;
mod token;

pub use docker::{docker, docker_fails, resolve, secret};
pub use estate::{Estate, Folder};
pub use prov::{Prov, Ran, Running, binary};
pub use sampled::Sampled;
pub use sender::{Sender, Sent};
pub use server::{Killed, Server};
pub use token::{Token, Touch};

use std::time::{Duration, Instant};

/// Gives the release of Debian on which the estates of the tests are made: what `PROV_TEST_RELEASE` names, or the newest.
pub fn release() -> String {
    std::env::var("PROV_TEST_RELEASE").unwrap_or_else(|_| "trixie".to_owned())
}

/// Waits until something holds; fails the test after a minute.
pub fn until(what: &str, holds: impl FnMut() -> bool) {
    until_within(Duration::from_secs(60), what, holds);
}

/// Waits until something holds; fails the test after this time.
pub fn until_within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Gives the value, or fails the test with what was being done.
pub(crate) fn must<T, E: std::fmt::Display>(result: Result<T, E>, doing: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{doing}: {error}"),
    }
}
