//! Tests of the estate as a whole: what may be written, what is a mistake, and what holds for any text.

mod behaviour;
mod mistakes;
mod properties;
pub(super) mod sample;
