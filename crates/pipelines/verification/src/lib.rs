//! How good a processed frame is, against the truth of a simulated scene and the photon limit.
//!
//! [`collect`] compares an exposure and its sources with a [`Truth`]; what it finds in several frames
//! adds up in [`Samples`], and [`table`] says it as rows with their bars. The bounds are those of
//! Cramer and Rao ([`point_bound`], [`pair_bounds`]) and of the likelihood ratio ([`best_separation`]).
//! Pure numbers: no files, no clock, no simulator (that is a test's business, see the example).

// `!(x > 0.0)` is said where NaN has to be refused with the rest.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

mod collect;
mod detections;
mod fisher;
mod frame;
mod likelihood;
mod markdown;
mod moments;
mod rows;
mod samples;
mod stats;
mod table;
mod truth;

pub use collect::collect;
pub use fisher::{Bound, Profile, pair_bounds, point_bound};
pub use likelihood::{Separation, best_separation, distance_to_star};
pub use markdown::markdown;
pub use moments::{StampMoments, stamp_moments};
pub use rows::{Row, Verdict};
pub use samples::{FrameSample, GalaxySample, PairSample, Samples, StarSample};
pub use stats::{Interval, half_point, normal_cdf, weighted_mean, width};
pub use table::table;
pub use truth::{Facts, Light, TrueSource, Truth};
