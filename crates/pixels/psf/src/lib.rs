//! Point-spread function: star selection and a pixel model that varies over the detector.
//!
//! [`select_stars`] finds the stars on the size locus, [`fit_psf`] makes the model from them,
//! [`guess_fwhm`] gives a first width, and [`gaussian`] is the fall-back when there are no stars.

mod config;
mod fit;
mod locus;
mod select;
mod stack;
mod star;
mod width;

pub use config::{PsfConfig, PsfError, SelectionConfig};
pub use fit::{PsfFit, fit_psf};
pub use select::{guess_fwhm, select_stars};
pub use star::{Neighbour, StarCandidate};
pub use width::{effective_fwhm, half_maximum_width};

use elqui_image::PsfModel;

/// Full width at half maximum of a Gaussian of unit sigma.
pub const FWHM_PER_SIGMA: f64 = 2.354_820_045_030_949;

/// A round Gaussian PSF of this width (at least 0.5 pixels), the same everywhere.
pub fn gaussian(fwhm_pixels: f64) -> PsfModel {
    let fwhm = if fwhm_pixels.is_finite() { fwhm_pixels.clamp(0.5, 50.0) } else { 3.0 };
    let step = stack::step_for(fwhm);
    let grid = stack::grid_for(stack::half_width_for(fwhm), step);
    let sigma = fwhm / FWHM_PER_SIGMA;
    PsfModel::from_profile(grid, step, fwhm, |dx, dy| {
        (-0.5 * (dx * dx + dy * dy) / (sigma * sigma)).exp()
    })
}
