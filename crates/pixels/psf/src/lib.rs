//! Point-spread function: star selection and a pixel model that varies over the detector.
//!
//! [`select_stars`] finds the stars on the size locus, [`fit_psf`] makes the model from them,
//! [`guess_fwhm`] gives a first width, and [`gaussian`] is the fall-back when there are no stars.

// `!(a > b)` is meant: a NaN must not pass.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

mod between;
mod config;
mod departure;
mod fit;
mod locus;
mod model;
mod neighbours;
mod normal;
mod profile;
mod rounds;
mod select;
mod sky;
mod stamp;
mod star;
mod star_fit;
mod validate;
mod variation;
mod width;

pub use config::{PsfConfig, PsfError, PsfKind, SelectionConfig};
pub use fit::{PsfFit, fit_psf};
pub use select::{guess_fwhm, select_stars};
pub use star::{Neighbour, StarCandidate};
pub use validate::PsfValidation;
pub use width::{effective_fwhm, half_maximum_width};

use elqui_base::FWHM_PER_SIGMA;
use elqui_image::PsfModel;

/// A round Gaussian PSF of this width (at least 0.5 pixels), the same everywhere.
pub fn gaussian(fwhm_pixels: f64) -> PsfModel {
    let fwhm = if fwhm_pixels.is_finite() { fwhm_pixels.clamp(0.5, 50.0) } else { 3.0 };
    let step = stamp::step_for(fwhm);
    let grid = stamp::grid_for(stamp::half_width_for(fwhm), step);
    let sigma = fwhm / FWHM_PER_SIGMA;
    PsfModel::from_profile(grid, step, fwhm, |dx, dy| {
        (-0.5 * (dx * dx + dy * dy) / (sigma * sigma)).exp()
    })
}
