//! What frames came to, source by source; several frames add up.

/// A star that is not saturated and not at the edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StarSample {
    /// Its place in the list of true sources.
    pub index: usize,
    pub x: f64,
    pub y: f64,
    /// Flux over its Cramer-Rao error.
    pub snr: f64,
    /// Cramer-Rao errors: flux relative to the flux, x and y in pixels.
    pub bound_flux: f64,
    pub bound_x: f64,
    pub bound_y: f64,
    pub isolated: bool,
    pub detected: bool,
    /// Measured less true, pixels; NaN where not detected, as all that follows but the forced ones.
    pub dx: f64,
    pub dy: f64,
    /// Measured flux over the true one, less 1 and less what the neighbours add.
    pub flux: f64,
    /// Residuals over the errors that the catalogue reports.
    pub pull_x: f64,
    pub pull_y: f64,
    pub pull_flux: f64,
    /// Forced at the true place: as `flux`, and its pull.
    pub forced: f64,
    pub forced_pull: f64,
    pub extendedness: f64,
    /// `spreadModel`, its error, and the size excess by adaptive moments.
    pub spread: [f64; 3],
}

/// A galaxy, not at the edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GalaxySample {
    pub x: f64,
    pub y: f64,
    pub snr: f64,
    pub isolated: bool,
    pub detected: bool,
    /// Measured over true flux, less 1.
    pub cmodel: f64,
    pub kron: f64,
    pub gaap: f64,
    /// Its distance from the best-fitting star, sigma.
    pub distance: f64,
    pub extendedness: f64,
    /// `spreadModel`, its error, and the size excess by adaptive moments.
    pub spread: [f64; 3],
    /// Effective radius, pixels.
    pub radius_px: f64,
    /// Background that was subtracted at its centre less the true sky, in sky noise of a pixel.
    pub background: f64,
}

/// Two stars within two FWHM.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairSample {
    /// Distance, FWHM.
    pub separation: f64,
    /// Both were found.
    pub resolved: bool,
    /// Residuals of the fluxes over the joint bound, and over the reported errors.
    pub residual: [f64; 2],
    pub pull: [f64; 2],
}

/// A frame as a whole.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FrameSample {
    /// Root mean square difference to the true WCS, mas, east and north; NaN when not solved.
    pub wcs_rms_mas: [f64; 2],
    /// sqrt(p / sum 1/sigma^2), mas, and p, the free parameters of the fit for each axis.
    pub wcs_bound_mas: f64,
    pub wcs_parameters: f64,
    /// Zero point less what this frame's own photometry of noiseless stars needs, and less that of all
    /// light; with the reported error. Magnitudes.
    pub zero_point: f64,
    pub zero_point_total: f64,
    pub zero_point_err: f64,
    /// PSF model against the truth on a grid: relative size, two ellipticities, centroid (pixels).
    pub psf_size: Vec<f64>,
    pub psf_e1: Vec<f64>,
    pub psf_e2: Vec<f64>,
    pub psf_shift: Vec<f64>,
    pub detections: usize,
    /// Detections without a true source: x, y, and PSF flux over its error.
    pub spurious: Vec<[f64; 3]>,
    /// Background less true sky in sky noise of a pixel: mean and scatter over the frame.
    pub background_mean: f64,
    pub background_rms: f64,
    /// CPU seconds of the steps, in their order.
    pub steps: Vec<(String, f64)>,
    pub peak_memory_bytes: Option<u64>,
    /// CPU microseconds a source of the expensive fits, by name.
    pub fits_us: Vec<(String, f64)>,
}

/// Everything that several frames showed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Samples {
    pub stars: Vec<StarSample>,
    pub galaxies: Vec<GalaxySample>,
    pub pairs: Vec<PairSample>,
    pub frames: Vec<FrameSample>,
    /// Stars added to find the limit of the detection: S/N, and whether they were found.
    pub faint: Vec<(f64, bool)>,
}

impl Samples {
    pub fn extend(&mut self, other: Self) {
        self.stars.extend(other.stars);
        self.galaxies.extend(other.galaxies);
        self.pairs.extend(other.pairs);
        self.frames.extend(other.frames);
        self.faint.extend(other.faint);
    }
}
