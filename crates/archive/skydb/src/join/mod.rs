//! Sky joins: rows whose positions are near each other, or whose shapes meet, without a cross product.

mod candidates;
mod child;
mod exec;
mod kernel;
mod near;
mod rule;
mod tiles;

pub use child::ChildCellsRule;
pub use rule::SkyJoinRule;
