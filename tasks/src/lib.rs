//! The core of prov: a pure description of what should be true on each host, and of what must change to make it so.
//!
//! Data flows one way: estate files → typed inventory → roles → resources → probe → facts → plan → steps. Nothing in
//! this crate reads a file, a clock, the environment or the network; `prov` (the `provisioner` folder) does that.

pub mod authority;
pub mod browse;
pub mod client;
pub mod content;
mod diagnostic;
pub mod domain;
pub mod estate;
pub mod exposed;
pub mod foreign;
pub mod graph;
pub mod health;
pub mod history;
mod input;
pub mod leaving;
pub mod logs;
mod model;
pub mod pattern;
pub mod plan;
pub mod probe;
pub mod promise;
mod push;
pub mod quote;
pub mod raw;
pub mod release;
pub mod resource;
pub mod role;
pub mod schema;
mod secret;
pub mod starter;
pub mod step;
pub mod template;
pub mod value;
mod visible;

pub use diagnostic::{Diagnostic, Place, grouped, nearest};
pub use input::{Input, InputTexts};
pub use secret::{MASK, Secret, hex, without_private, without_secrets};
pub use visible::{visible, visible_bytes, visible_lines};
