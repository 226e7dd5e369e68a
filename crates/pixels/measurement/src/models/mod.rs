//! Models of sources that are fitted to their pixels: galaxies, Gaussian apertures, trails.

mod cmodel;
mod fft;
mod fit;
mod gaap;
mod galaxy;
mod linear;
mod modes;
mod patch;
mod profile;
mod psf_modes;
mod sketch;
mod small;
mod trail;

pub use cmodel::{CModel, Start, cmodel, cmodel_after, reach as cmodel_reach};
pub use fit::Scratch as ModelScratch;
pub use gaap::{Gaap, gaap, reach as gaap_reach, total_sigma as gaap_total_sigma};
pub use patch::View;
pub use psf_modes::ModelPsf;
pub use sketch::{Sketch, sketch};
pub use trail::{Trail, reach as trail_reach, trail};

/// Half-width in pixels of the view that a fit reaching `half` pixels uses.
pub fn patch_half(half: f64) -> usize {
    modes::Grid::ALL[modes::Grid::holding(half)].half_pixels()
}
