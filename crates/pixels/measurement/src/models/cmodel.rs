//! Composite model flux of a galaxy: an exponential and a de Vaucouleurs profile, each convolved with
//! the PSF and fitted alone, then the non-negative combination of the two that fits best.
//!
//! - source: Abazajian et al. 2004, AJ 128, 502, sec. 4.2.1 (cmodel); Bosch et al. 2018, PASJ 70, S5, sec. 4.9.9
//! - input: a sky-subtracted view, the PSF; output: fluxes of the profiles out to infinity, in the image's unit
//! - error: of the sum of both fluxes with the common change of shape free, propagated from each pixel's
//!   variance; and the difference of the profiles' fluxes by the odds that the other one is right
//! - both profiles at once only when that lowers chi squared clearly: the non-negative second profile would
//!   otherwise add its wings to every disc (+0.5 sigma)
//! - differs from both: the PSF and the profiles are exact (no sums of Gaussians), the fit is in Fourier
//!   space with equal weights, centres are free, a point source is an inner point of the parameters

use super::fit::{Scratch, State, fit};
use super::galaxy::{Galaxy, axes, matrix};
use super::linear::{amplitude_error, fill, product};
use super::modes::{Grid, Modes};
use super::patch::View;
use super::profile::{DE_VAUCOULEURS, EXPONENTIAL, Profile};
use super::psf_modes::ModelPsf;
use super::sketch::Sketch;

/// Where a fit of a galaxy starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    pub x: f64,
    pub y: f64,
    /// A rough flux; NaN when there is none.
    pub flux: f64,
    /// Second moments of the source as observed (xx, xy, yy), pixels^2.
    pub moments: [f64; 3],
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CModel {
    pub flux: f64,
    pub flux_err: f64,
    pub frac_dev: f64,
    /// Fluxes of each profile alone.
    pub exp_flux: f64,
    pub dev_flux: f64,
    /// Of the profile that has more of the flux: semi-axis of the half-light ellipse along its major axis,
    /// pixels; minor to major axis; angle from +x towards +y, degrees.
    pub radius: f64,
    pub axis_ratio: f64,
    pub angle_deg: f64,
    pub x: f64,
    pub y: f64,
    /// Chi squared a degree of freedom.
    pub chi2: f64,
    pub flag: bool,
}

impl CModel {
    pub const FAILED: Self = Self {
        flux: f64::NAN,
        flux_err: f64::NAN,
        frac_dev: f64::NAN,
        exp_flux: f64::NAN,
        dev_flux: f64::NAN,
        radius: f64::NAN,
        axis_ratio: f64::NAN,
        angle_deg: f64::NAN,
        x: f64::NAN,
        y: f64::NAN,
        chi2: f64::NAN,
        flag: true,
    };
}

/// The patch reaches so many observed sigmas from the centre, and PSF sigmas.
const REACH_SIGMA: f64 = 6.0;
const REACH_PSF_SIGMA: f64 = 7.0;
/// A centre may move so many pixels.
const SHIFT_MAX: f64 = 2.0;
/// Where the de Vaucouleurs fit starts, in ellipses (Q) of the exponential fit.
const DEV_START: f64 = 2.0;
/// A squared semi-axis may be this far below 0, squared PSF sigmas.
const NEGATIVE_MAX: f64 = 0.5;
/// The de Vaucouleurs profile must be better by this in chi squared: most galaxies are discs.
const EXP_ODDS_CHI2: f64 = 2.0;
/// Two profiles at once must lower chi squared by this.
const BOTH_CHI2_MIN: f64 = 4.0;
/// Half-light radii are up to this part of the patch's half-width.
const RADIUS_PART_MAX: f64 = 0.5;
/// A fit of which missing cells hold more than this part is flagged.
const HIDDEN_MAX: f64 = 0.3;
/// Fits are repeated so often at most while missing cells are filled.
const FILLS_MAX: usize = 4;

/// Half-width of the view that the fit can use, pixels.
pub fn reach(psf: &ModelPsf, moments: [f64; 3]) -> f64 {
    let (major, _, _) = axes(moments);
    (REACH_SIGMA * if major.is_finite() { major } else { 0.0 }).max(REACH_PSF_SIGMA * psf.sigma)
}

/// Fit the composite model.
pub fn cmodel(view: &View<'_>, psf: &ModelPsf, start: &Start, scratch: &mut Scratch) -> CModel {
    cmodel_after(view, psf, start, None, scratch)
}

/// Fit the composite model to a view from which a sketch of this source (and of its neighbours) was taken.
pub fn cmodel_after(
    view: &View<'_>,
    psf: &ModelPsf,
    start: &Start,
    sketch: Option<&Sketch>,
    scratch: &mut Scratch,
) -> CModel {
    if !(start.x.abs() < 1e9 && start.y.abs() < 1e9) {
        return CModel::FAILED;
    }
    let size = sketch.map_or_else(|| Grid::holding(reach(psf, start.moments)), |s| s.size);
    let grid = Grid::ALL[size];
    let modes = &psf.sized(size).modes;
    let at = sketch.map_or((start.x, start.y), |s| (s.state.x, s.state.y));
    if !scratch.patch.cut(view, at, grid) {
        return CModel::FAILED;
    }
    if let Some(sketch) = sketch {
        sketch.draw(psf, size, at, scratch);
        let Scratch { patch, image, .. } = &mut *scratch;
        patch.add(image);
    }
    if !scratch.set_psf(psf, size, at.0, at.1) {
        return CModel::FAILED;
    }
    scratch.transform(modes);
    let begin = sketch.map_or_else(|| begin(psf, start), |s| s.state);
    let shape = |profile| galaxy_shape(profile, psf, grid);
    let exp = filled_fit(&shape(&EXPONENTIAL), modes, scratch, begin, FILLS_MAX, 1.0);
    let mut begin = if exp.converged && exp.flux > 0.0 { exp } else { begin };
    // The steeper profile takes a larger ellipse for the same light.
    begin.q = begin.q.map(|q| DEV_START * q);
    let dev = filled_fit(&shape(&DE_VAUCOULEURS), modes, scratch, begin, FILLS_MAX, 1.0);
    combine(modes, scratch, &exp, &dev, &shape(&EXPONENTIAL), &shape(&DE_VAUCOULEURS))
}

/// The shape of a profile in a patch.
pub fn galaxy_shape<'a>(profile: &'a Profile, psf: &ModelPsf, grid: Grid) -> Galaxy<'a> {
    Galaxy {
        profile,
        most: RADIUS_PART_MAX * grid.half_pixels() as f64,
        negative_max: NEGATIVE_MAX * psf.sigma * psf.sigma,
        softening: psf.sigma * psf.sigma,
    }
}

/// Where the first fit begins.
pub fn begin(psf: &ModelPsf, start: &Start) -> State<3> {
    let s2 = psf.sigma * psf.sigma;
    let m = start.moments;
    // A profile's half-light radius squared is about the moment that it adds.
    let (major, minor, angle) = axes([m[0] - s2, m[1], m[2] - s2]);
    let q = matrix(major.max(0.3 * psf.sigma).powi(2), minor.max(0.2 * psf.sigma).powi(2), angle);
    State { x: start.x, y: start.y, q, flux: start.flux, chi2: f64::NAN, converged: false }
}

/// Fit, put the model into the missing cells, and again until the flux stays.
pub fn filled_fit(
    shape: &Galaxy<'_>,
    modes: &Modes,
    scratch: &mut Scratch,
    mut state: State<3>,
    fills: usize,
    rough: f64,
) -> State<3> {
    let begin = (state.x, state.y);
    for _ in 0..fills.max(1) {
        let before = state.flux;
        state = fit(shape, modes, scratch, state, SHIFT_MAX, rough);
        let left = (state.x - begin.0).hypot(state.y - begin.1) > SHIFT_MAX;
        if scratch.patch.missing.is_empty() || !(state.flux > 0.0) || left {
            break;
        }
        let m: Vec<f32> = scratch.m.iter().zip(&scratch.power).map(|(m, p)| m * p).collect();
        let hidden = fill(modes, scratch, &[(state.flux, &m)]);
        if (state.flux / before - 1.0).abs() < 3e-3 || hidden < 1e-3 {
            break;
        }
    }
    state
}

/// Light of both profiles at the centre of the better fit.
fn combine(
    modes: &Modes,
    scratch: &mut Scratch,
    exp: &State<3>,
    dev: &State<3>,
    exp_shape: &Galaxy<'_>,
    dev_shape: &Galaxy<'_>,
) -> CModel {
    use super::fit::Shape;
    let good = |s: &State<3>| s.flux.is_finite() && s.chi2.is_finite();
    if !good(exp) || !good(dev) {
        return CModel::FAILED;
    }
    let dev_better = dev.chi2 + EXP_ODDS_CHI2 < exp.chi2;
    let better = if dev_better { dev } else { exp };
    let n = modes.len();
    let mut lists = [const { Vec::new() }; 4];
    lists.iter_mut().for_each(|l| l.resize(n, 0.0f32));
    let [me, se, md, sd] = &mut lists;
    exp_shape.evaluate(modes, &exp.q, me, se);
    dev_shape.evaluate(modes, &dev.q, md, sd);
    for list in [me, se, md, sd] {
        list.iter_mut().zip(&scratch.power).for_each(|(m, p)| *m *= p);
    }
    let [me, se, md, sd] = &lists;
    // Missing cells hold the better model before the two are compared, so that only data speak for both.
    scratch.center(modes, better.x, better.y);
    let mut light = if dev_better { [0.0, dev.flux] } else { [exp.flux, 0.0] };
    let mut hidden = 0.0;
    if !scratch.patch.missing.is_empty() {
        hidden = fill(modes, scratch, &[(light[0], me), (light[1], md)]);
        scratch.center(modes, better.x, better.y);
    }
    light = two_fluxes(modes, scratch, me, md, dev_better);
    if !scratch.patch.missing.is_empty() && light[0] * light[1] > 0.0 {
        hidden = fill(modes, scratch, &[(light[0], me), (light[1], md)]);
        scratch.center(modes, better.x, better.y);
        light = two_fluxes(modes, scratch, me, md, dev_better);
    }
    let flux = light[0] + light[1];
    // The common change of shape: that of the larger profile's ellipse, the other's in proportion.
    let trace = |s: &State<3>| s.q[0] + s.q[2];
    let (te, td) = (trace(exp), trace(dev));
    let ratio =
        |part: f64, whole: f64| if whole > 0.0 { (part / whole).clamp(0.0, 10.0) } else { 0.0 };
    let (re, rd) = if light[0] >= light[1] { (1.0, ratio(td, te)) } else { (ratio(te, td), 1.0) };
    let (fe, fd) = ((light[0] * re) as f32, (light[1] * rd) as f32);
    let slope: Vec<f32> = se.iter().zip(sd).map(|(e, d)| fe * e + fd * d).collect();
    let shape: [Vec<f32>; 3] =
        modes.kk.each_ref().map(|k| k.iter().zip(&slope).map(|(k, s)| k * s).collect());
    let [a, b, c] = &shape;
    let main_q = if light[0] >= light[1] { exp.q } else { dev.q };
    let prior = exp_shape.prior(&main_q).2;
    let flux_err = match (light[0] > 0.0, light[1] > 0.0) {
        (true, true) => {
            amplitude_error(modes, scratch, [me, md, a, b, c], &[1.0, 1.0, 0.0, 0.0, 0.0], &prior)
        }
        (_, false) => amplitude_error(modes, scratch, [me, a, b, c], &[1.0, 0.0, 0.0, 0.0], &prior),
        (false, true) => {
            amplitude_error(modes, scratch, [md, a, b, c], &[1.0, 0.0, 0.0, 0.0], &prior)
        }
    };
    let flux_err = flux_err / (1.0 - hidden).max(1e-3);
    // Where the data hardly tell the profiles apart, the choice between them is an error too.
    let flux_err = if light[0] * light[1] > 0.0 {
        flux_err
    } else {
        let p = 1.0 / (1.0 + (0.5 * (dev.chi2 + EXP_ODDS_CHI2 - exp.chi2)).exp());
        flux_err.hypot((p * (1.0 - p)).sqrt() * (dev.flux - exp.flux))
    };
    let chi2 = scratch.chi2(modes, &[(light[0], me), (light[1], md)], 7.0);
    let (major, minor, angle) = axes(main_q);
    let at_bound = major > 0.999 * exp_shape.most;
    CModel {
        flux,
        flux_err,
        frac_dev: if flux > 0.0 { light[1] / flux } else { f64::NAN },
        exp_flux: exp.flux,
        dev_flux: dev.flux,
        radius: major,
        axis_ratio: if major > 0.0 { minor / major } else { 1.0 },
        angle_deg: angle.to_degrees(),
        x: better.x,
        y: better.y,
        chi2,
        flag: !better.converged
            || !(flux.is_finite() && flux_err.is_finite())
            || at_bound
            || hidden > HIDDEN_MAX,
    }
}

/// Fluxes of two models at once, neither negative unless a single one is (then the better single one).
fn two_fluxes(
    modes: &Modes,
    scratch: &Scratch,
    e: &[f32],
    d: &[f32],
    dev_better: bool,
) -> [f64; 2] {
    let (w, z) = (&modes.weight, &scratch.turned.re);
    let (ee, ed, dd) = (product(w, e, e), product(w, e, d), product(w, d, d));
    let (ez, dz) = (product(w, e, z), product(w, d, z));
    let det = ee * dd - ed * ed;
    if det > 1e-5 * ee * dd {
        let both = [(dd * ez - ed * dz) / det, (ee * dz - ed * ez) / det];
        let alone = (ez * ez / ee).max(dz * dz / dd);
        let gain = (both[0] * ez + both[1] * dz - alone) / scratch.patch.noise;
        if both[0] >= 0.0 && both[1] >= 0.0 && gain > BOTH_CHI2_MIN {
            return both;
        }
    }
    if dev_better { [0.0, dz / dd] } else { [ez / ee, 0.0] }
}
