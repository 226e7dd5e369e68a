//! Deblending: parents split into children that conserve flux.
//!
//! One band, one pass: a template for each peak (the PSF for a point, a symmetric profile for an
//! extended source), amplitudes by least squares, and the flux of each pixel shared in proportion.
//! Two stars under one peak are told from a galaxy and split, too.
//! [`deblend_all`] is the quick way for a frame: it tabulates the PSF once and uses every thread;
//! [`deblend`] tabulates it for its one parent.

// `!(x > 0.0)` is said where NaN has to be refused with the rest.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

mod blend;
mod blendedness;
mod config;
mod fit;
mod points;
mod share;
mod shift;
mod split;
mod template;
mod twins;

pub use config::DeblendConfig;
pub use split::{Deblended, deblend, deblend_all};
