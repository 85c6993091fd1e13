//! What keeps checks from being made.

use tasks::estate::Location;

use super::client::VANTAGE;
use crate::docker::DockerError;
use crate::engine::Failure;

/// Why a program of checks could not be run.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    /// The container engine, or something in it, failed.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// A server could not be asked.
    #[error("{host}: {}; {}", failure.cause, failure.remedy)]
    Server {
        /// The server.
        host: String,
        /// What happened.
        failure: Box<Failure>,
    },
    /// No server is there to ask from.
    #[error("{}", no_vantage(*.0))]
    NoVantage(Location),
}

impl TestbedError {
    /// Tells whether the host of which something was asked does not run.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        matches!(
            self,
            Self::Docker(DockerError::NotRunning { .. } | DockerError::NoContainer { .. })
                | Self::Server { .. }
        )
    }
}

/// Says why nothing can be asked from a side.
pub(super) fn no_vantage(location: Location) -> String {
    let place = match location {
        Location::Internal => "inside",
        Location::External => "outside",
    };
    format!("no vantage point {place}: no host there has the role {VANTAGE}")
}
