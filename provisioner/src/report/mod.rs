//! Reports: everything a person or a program reads about a run is rendered here.

mod board;
pub mod changes;
pub mod checks;
mod columns;
pub mod graph;
pub mod health;
pub mod json;
mod page;
pub mod print;
pub mod problem;
pub mod progress;
mod screen;
pub mod style;
#[cfg(test)]
mod tests;
pub mod text;
pub mod timings;
pub mod verification;
