//! The checks of one service that can be made where this run stands, and the count of those that cannot.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};

use super::{Check, Client, NotChecked, Results, Seat, Testbed, TestbedError};

/// Checks that were chosen, and not begun yet.
pub(super) struct Round<'b> {
    service: &'b str,
    testbed: &'b Testbed,
    chosen: Vec<BoxFuture<'b, Result<Vec<Check>, TestbedError>>>,
    /// How many are left out, by the reason.
    without: BTreeMap<String, usize>,
}

impl<'b> Round<'b> {
    pub(super) const fn new(service: &'b str, testbed: &'b Testbed) -> Self {
        Self {
            service,
            testbed,
            chosen: Vec::new(),
            without: BTreeMap::new(),
        }
    }

    /// Chooses checks that need nobody but the hosts.
    pub(super) fn add(
        &mut self,
        checks: impl Future<Output = Result<Vec<Check>, TestbedError>> + Send + 'b,
    ) {
        self.chosen.push(checks.boxed());
    }

    /// Chooses a check of a client; it is left out where nobody stands at its side.
    pub(super) fn ask<F>(&mut self, client: Client, check: impl FnOnce(&'b Seat) -> F)
    where
        F: Future<Output = Result<Check, TestbedError>> + Send + 'b,
    {
        match self.testbed.find(client) {
            Some(seat) => {
                let check = check(seat);
                self.add(async move { Ok(vec![check.await?]) });
            }
            None => self.leave(TestbedError::NoVantage(client.location).to_string(), 1),
        }
    }

    /// Leaves checks out.
    pub(super) fn leave(&mut self, why: impl Into<String>, count: usize) {
        *self.without.entry(why.into()).or_default() += count;
    }

    /// Makes what was chosen, so many at once, in the order in which it was chosen. What of it could not be asked of a server
    /// is one check that failed, and the others are made.
    pub(super) async fn make(self, at_once: usize) -> Result<Results, TestbedError> {
        let made = futures_util::stream::iter(self.chosen).buffered(at_once);
        let made: Vec<_> = made.collect().await;
        let mut checks = Vec::new();
        for made in made {
            match made {
                Ok(made) => checks.extend(made),
                Err(error @ (TestbedError::Server { .. } | TestbedError::NoVantage(_))) => {
                    let failed = Check::not_made(self.service, error.to_string());
                    let known = |check: &Check| check.came == failed.came && !check.passed;
                    if !checks.iter().any(known) {
                        checks.push(failed);
                    }
                }
                Err(error @ TestbedError::Docker(_)) => return Err(error),
            }
        }
        let without = self.without.into_iter();
        let not_checked = without.map(|(why, count)| NotChecked {
            service: self.service.to_owned(),
            checks: Some(count),
            why,
        });
        Ok(Results {
            checks,
            not_checked: not_checked.collect(),
        })
    }
}
