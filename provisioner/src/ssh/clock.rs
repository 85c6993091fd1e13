//! A time limit that stands still while a person is waited for: a security token wants to be touched, or an agent asks whether
//! its key may be used.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

/// How long a person is waited for. Security tokens give up after half of that.
pub(super) const PERSON: Duration = Duration::from_secs(60);

/// The clock of one attempt to connect.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<Stood>);

/// How long it has stood still.
#[derive(Debug, Default)]
struct Stood {
    before: Duration,
    since: Option<Instant>,
}

impl Stood {
    fn so_far(&self) -> Duration {
        self.before + self.since.map(|since| since.elapsed()).unwrap_or_default()
    }
}

impl Clock {
    fn stood(&self) -> MutexGuard<'_, Stood> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something that may take this long; `None` if that was not enough.
    pub(super) async fn within<F: Future>(&self, limit: Duration, doing: F) -> Option<F::Output> {
        let began = Instant::now();
        let mut doing = pin!(doing);
        let mut stood = Duration::ZERO;
        loop {
            if let Ok(done) = timeout_at(began + limit + stood, &mut doing).await {
                return Some(done);
            }
            let so_far = self.stood().so_far();
            if so_far == stood {
                return None;
            }
            stood = so_far;
        }
    }

    /// Does something that may need a person; `None` if nobody came.
    pub(super) async fn with_person<F: Future>(&self, doing: F) -> Option<F::Output> {
        self.at_most(PERSON, doing).await
    }

    async fn at_most<F: Future>(&self, limit: Duration, doing: F) -> Option<F::Output> {
        self.stood().since = Some(Instant::now());
        let done = timeout(limit, doing).await;
        let mut stood = self.stood();
        stood.before = stood.so_far();
        stood.since = None;
        done.ok()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_person_may_take_longer_than_a_host() {
        let clock = Clock::default();
        let touched = clock.with_person(sleep(2 * LIMIT));
        assert_eq!(clock.within(LIMIT, touched).await, Some(Some(())));
    }

    #[tokio::test]
    async fn the_host_has_no_more_time_for_that() {
        let clock = Clock::default();
        let slow = async {
            clock.with_person(sleep(LIMIT / 2)).await;
            std::future::pending::<()>().await;
        };
        assert_eq!(clock.within(LIMIT, slow).await, None);
        assert_eq!(
            clock.within(LIMIT, std::future::pending::<()>()).await,
            None
        );
    }

    #[tokio::test]
    async fn nobody_is_waited_for_without_end() {
        let clock = Clock::default();
        let never = clock.at_most(LIMIT, std::future::pending::<()>());
        assert_eq!(clock.within(LIMIT / 2, never).await, Some(None));
    }
}
