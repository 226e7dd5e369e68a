//! Units, typed ids, time, unit vectors, polynomials, robust statistics and small linear
//! algebra that every room shares. No files, no clock, no threads.

mod cap;
mod constants;
mod field;
mod frames;
mod ids;
mod linalg;
mod motion;
mod newton;
pub mod photometry;
mod poly;
mod stats;
mod time;
mod units;
mod vector;

pub use cap::{Cap, CapRadius, turn_deg};
pub use constants::*;
pub use field::BoundedField;
pub use frames::{frame_rotation, transform_position};
pub use ids::{DetectorId, ObjectId, SourceId, VisitId};
pub use linalg::{LinalgError, cholesky_solve, invert_spd, least_squares};
pub use motion::StarMotion;
pub use newton::newton_2d;
pub use poly::{Polynomial2d, term_count, terms, terms_into};
pub use stats::{
    ClippedStats, clipped_mean, mad_sigma, mean, median, median_f32, percentile, weighted_mean,
};
pub use time::{MjdTai, TimeError, mjd_utc_to_tai, parse_iso_utc};
pub use units::{Angle, FluxNjy, mag_ab_to_njy, njy_to_mag_ab};
pub use vector::{Rotation, UnitVector, distance_deg, separation};
