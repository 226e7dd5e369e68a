//! Catalogue views, the k-d tree and positional matching.
//!
//! [`SkyTree`] (unit vectors) and [`PlaneTree`] (pixels) find neighbours, [`SkyIndex`] joins millions; [`match_sky`] and its
//! sisters pair two lists of positions; [`RefCatalog`] reads reference stars out of any table.
//! Positions that are not finite match nothing. Right ascensions may wrap or be negative.

mod error;
mod grid;
mod index;
mod pairs;
mod refcat;
mod tree;

pub use error::MatchError;
pub use grid::PlaneGrid;
pub use index::SkyIndex;
pub use pairs::{Match, PointView, match_plane, match_sky, match_sky_all, match_sky_symmetric};
pub use refcat::{ColumnMap, RefCatalog, RefStar};
pub use tree::{KdTree, PlaneTree, SkyTree};
