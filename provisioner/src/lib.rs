//! Provisions small Debian estates.
