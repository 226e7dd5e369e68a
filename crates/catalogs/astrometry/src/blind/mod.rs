//! Placing an image of which nothing is known: an index of quads, and the search in it.

mod bytes;
mod cells;
mod find;
mod index;
mod quads;

pub use find::{Pointing, find_pointing, solve_blind};
pub use index::{BlindConfig, BlindIndex};
