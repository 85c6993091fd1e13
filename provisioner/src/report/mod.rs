//! Reports: everything a person or a program reads about a run is rendered here.

pub mod changes;
pub mod checks;
pub mod graph;
pub mod health;
pub mod json;
mod page;
pub mod print;
pub mod problem;
pub mod progress;
pub mod style;
#[cfg(test)]
mod tests;
pub mod text;
pub mod verification;
