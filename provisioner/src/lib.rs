//! The shell of prov: reads and writes hosts over SSH, drives containers, shows what happened.
//!
//! What should be true on a host is decided in the crate `tasks`, never here.

mod authority;
mod browse;
pub mod cli;
pub mod docker;
pub mod engine;
mod files;
mod replacing;
pub mod report;
mod secrets;
pub mod ssh;
mod state;
mod terminal;
pub mod verify;
