//! The core of prov.
