//! Sky joins: rows whose positions are near each other, or whose shapes meet, without a cross product.

mod candidates;
mod exec;
mod kernel;
mod near;
mod rule;
mod tiles;

pub use rule::SkyJoinRule;
