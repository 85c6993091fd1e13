//! Provisions small Debian estates.

pub mod docker;
