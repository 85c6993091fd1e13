//! The one shape of every service's checks: which clients they need, how they are made with them, and what they leave behind.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tasks::estate::{Marks, StandIn};

use super::{Client, Results, Testbed, TestbedError};

/// What checks may know besides the promises.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'e> {
    /// The stand-ins for services of the outside world.
    pub stand_ins: &'e [StandIn],
    /// A name that only upstream name servers know, if one is known here.
    pub upstream_name: Option<&'e str>,
    /// What checks may write to.
    pub writes: Writes<'e>,
}

/// What checks may write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes<'e> {
    /// Everything, because containers are there to be tried.
    Everything,
    /// On servers, what the estate marks for checks.
    Marked(&'e Marks),
    /// On servers nothing, because nobody has named the service.
    Nothing(&'e Marks),
}

/// Why a check that writes is not made on servers where nobody has asked for it.
const UNASKED: &str = "would write: name the service or use --all";

impl Writes<'_> {
    /// Tells why something must not be written to, if so. `marked` gives the field of the section `verify` in which it would stand.
    pub(super) fn refusal(
        self,
        name: &str,
        field: &str,
        marked: impl Fn(&Marks) -> &[String],
    ) -> Option<String> {
        let (marks, asked) = match self {
            Self::Everything => return None,
            Self::Marked(marks) => (marks, true),
            Self::Nothing(marks) => (marks, false),
        };
        if !marked(marks).iter().any(|it| it == name) {
            return Some(format!(
                "would write, and the estate marks nothing there for checks: `verify: {{{field}: […]}}` in estate.yml does"
            ));
        }
        (!asked).then(|| UNASKED.to_owned())
    }

    /// Tells whether something is left as it is new: it is in containers, and where it is there for checks.
    pub(super) fn is_new(self, name: &str, marked: impl Fn(&Marks) -> &[String]) -> bool {
        match self {
            Self::Everything => true,
            Self::Marked(marks) | Self::Nothing(marks) => marked(marks).iter().any(|it| it == name),
        }
    }
}

/// Why there is nothing to check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}; {hint}")]
pub struct Missing {
    /// What is missing.
    pub cause: String,
    /// What to do about it.
    pub hint: String,
    /// Whether nothing is promised that could be broken, such as where no domain has a web site yet. Then it is a failure
    /// only for whoever asks for this service by its name.
    pub nothing_promised: bool,
}

impl Missing {
    /// Says what keeps a service from being checked.
    pub fn new(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            hint: hint.into(),
            nothing_promised: false,
        }
    }

    /// Says that nothing is promised yet.
    pub fn nothing_promised(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            nothing_promised: true,
            ..Self::new(cause, hint)
        }
    }
}

/// The checks of one service, or what is missing for them.
pub type Checks = Result<Box<dyn Acceptance>, Missing>;

/// The checks of one service, ready to be made.
pub trait Acceptance: Send + Sync {
    /// Lists the clients that are needed, in the order in which they are opened.
    fn clients(&self) -> Vec<Client>;

    /// Names the host on which a client stands where hosts are servers, if it stands on no vantage point: there it is root's.
    fn stands_on(&self, _client: Client) -> Option<&str> {
        None
    }

    /// Makes the checks.
    fn make<'b>(&'b self, testbed: &'b Testbed) -> BoxFuture<'b, Result<Results, TestbedError>>;

    /// Takes away what the checks may have left behind; nothing, unless a service says otherwise.
    fn sweep<'b>(
        &'b self,
        _bench: &'b Testbed,
        _why: Sweep,
    ) -> BoxFuture<'b, Result<(), TestbedError>> {
        async { Ok(()) }.boxed()
    }
}

/// Why something may have been left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// Not all checks were made.
    GivenUp,
    /// All were made, and some failed.
    Failed,
}
