//! The Docker side of an estate: images, networks and what is between them, containers in deploy mode and in test mode, clients.
//!
//! Everything made here carries the label `io.prov.role`, and what belongs to an estate `io.prov.estate` as well;
//! nothing without the label is ever changed or removed. Nothing is printed here (but for what a client in the
//! foreground writes): progress goes to a callback, results and errors are values. The definitions of images and
//! services live in the folder `docker/` of the repository and are embedded in the binary.
//!
//! Deploy mode runs an SSH server and nothing else; test mode runs a host's services under a supervisor, prov's own or systemd, in an image
//! committed from the container of deploy mode.

mod archive;
mod assets;
mod bootstrap;
mod browser;
mod choice;
mod client;
mod container;
mod deploy;
mod down;
mod engine;
mod error;
mod exec;
mod image;
mod interactive;
mod network;
mod readiness;
mod reading;
mod resolvers;
mod rights;
mod router;
mod stand_in;
mod status;
mod systemd;
mod test_mode;

pub use archive::archive_host;
pub use browser::{BROWSER, Page};
pub use client::{AUTHORITY, ClientFile, ClientScope, ClientSession, NOBODY, client_program};
pub use container::{HostSpec, Mode};
pub use deploy::{DeployOptions, Deployed};
pub use down::{DownOptions, Removed};
pub use engine::{DONE, Engine, EstateContainers, Progress};
pub use error::{DockerError, start_again};
pub use exec::ExecOutput;
pub use image::BASE_IMAGE;
pub use resolvers::host_resolvers;
pub use stand_in::StandInSpec;
pub use status::{HostState, HostStatus, LogLine, ServiceState, ServiceStatus};
pub use test_mode::TestOptions;
