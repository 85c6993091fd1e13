//! Support for the benchmarks: estates made for them, a bare SSH client as the physical floor, simulated hosts, a slow
//! link, and the samples and tables that results are shown in.
//!
//! It measures `prov` from outside, as a person runs it. Of its code it uses the core alone, to know what the estate wants
//! of each host; the floor is handed that as a list and knows nothing of estates.

pub mod container;
pub mod estate;
pub mod facts;
pub mod peers;
pub mod process;
pub mod relay;
pub mod sample;
pub mod simulated;
pub mod ssh;
pub mod table;
pub mod wanted;

/// A benchmark that could not be run, or whose check failed.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What benchmarks give.
pub type Result<T> = std::result::Result<T, Failure>;

/// Fails with a message unless something is as it must be for the numbers to mean anything.
pub fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(otherwise().into())
    }
}
