//! A star that may serve for the PSF.

/// Positions in pixels, fluxes in adu.
#[derive(Debug, Clone, PartialEq)]
pub struct StarCandidate {
    pub x: f64,
    pub y: f64,
    /// Signal-to-noise ratio at the peak of the detection image.
    pub snr: f32,
    /// Flux of the matched Gaussian.
    pub flux: f64,
    /// `det(moments)^(1/4)`, pixels.
    pub sigma_pixels: f64,
    /// Distortions `(ixx - iyy) / (ixx + iyy)` and `2 ixy / (ixx + iyy)`.
    pub e1: f64,
    pub e2: f64,
    /// Light of its neighbours in its own core, over its own.
    pub contamination: f64,
    /// Area of the footprint that it lies in, pixels.
    pub footprint_area: usize,
    /// Other peaks within the reach of a stamp: position and brightness relative to this star.
    pub neighbours: Vec<Neighbour>,
}

/// Another peak near a star.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    pub x: f32,
    pub y: f32,
    pub relative_flux: f32,
}
