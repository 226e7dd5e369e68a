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

/// Every n-th star in order of brightness is kept out, when there are enough: never the brightest
/// few, on which the model rests.
pub(crate) fn reserve(
    good: &[usize],
    stars: &[StarCandidate],
    fraction: f64,
) -> (Vec<usize>, Vec<usize>) {
    if good.len() < 10 || !(fraction > 0.0) {
        return (Vec::new(), good.to_vec());
    }
    let every = ((1.0 / fraction).round() as usize).clamp(2, good.len() / 2);
    let mut order = good.to_vec();
    order.sort_by(|&a, &b| stars[b].flux.total_cmp(&stars[a].flux).then(a.cmp(&b)));
    let mut reserved: Vec<usize> = order.iter().skip(every - 1).step_by(every).copied().collect();
    reserved.sort_unstable();
    let used = good.iter().filter(|k| reserved.binary_search(k).is_err()).copied().collect();
    (reserved, used)
}
