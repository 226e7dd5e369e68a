//! Deblending: parents split into children that conserve flux.
//!
//! One band, one pass: a template for each peak (the PSF for a point, a symmetric profile for an
//! extended source), amplitudes by least squares, and the flux of each pixel shared in proportion.
//! [`deblend_all`] is the quick way for a frame: it tabulates the PSF once and uses every thread;
//! [`deblend`] tabulates it for its one parent.

mod blend;
mod config;
mod fit;
mod share;
mod split;
mod template;

pub use config::DeblendConfig;
pub use split::{Deblended, deblend, deblend_all};
