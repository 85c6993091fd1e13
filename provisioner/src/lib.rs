//! The shell of prov: reads and writes hosts over SSH, drives containers, shows what happened.
//!
//! What should be true on a host is decided in the crate `tasks`, never here.

pub mod cli;
pub mod docker;
pub mod engine;
pub mod report;
pub mod ssh;
pub mod verify;
mod files;
mod state;
