//! Plans: what would change on a host, in order, each step seeing what the ones before it will have done.
//!
//! A plan is data. Making one does no I/O: facts come in, changes come out.

mod accounts;
mod altered;
mod change;
mod diff;
mod ground;
mod guard;
pub mod handlers;
mod host;
pub mod lockout;
mod phase;
mod remedy;
pub mod rollout;
mod waiting;

pub use altered::{altered, queries};
pub use change::{Action, Change, Planned, Reason};
pub use diff::{Diff, HIDDEN};
pub use guard::decide;
pub use host::{HostPlan, Item, plan_one, preview, private_texts, without_input};
pub use lockout::{Lockout, lockout};
pub use phase::Phase;
pub use remedy::{Remedy, after_failed_step, is_locked};
pub use waiting::{Awaited, Deferral};
