//! Astrometric solution: pattern match and distortion fit against a reference catalogue.
//!
//! [`solve`] finds where an image lies from its brightest detections (triangles of stars, checked
//! by the odds of chance), then fits TAN with SIP to all its stars. [`propagate`] brings
//! reference stars to the date of the image. A wrong solution is never an answer: what chance
//! could have given is an [`AstrometryError`]. An image of which nothing is known is found by
//! [`solve_blind`] in a [`BlindIndex`] of the reference catalogue.

mod blind;
mod config;
mod density;
mod error;
mod fit;
mod model;
mod motion;
mod odds;
mod pattern;
mod robust;
mod search;
mod solve;

pub use blind::{BlindConfig, BlindIndex, Pointing, find_pointing, solve_blind};
pub use config::{AstrometryConfig, Detected, Parity, Solution, SolveHint};
pub use elqui_matching::RefStar;
pub use error::AstrometryError;
pub use motion::{earth_position_au, propagate};
pub use solve::solve;
