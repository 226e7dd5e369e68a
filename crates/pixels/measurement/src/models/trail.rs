//! A trailed point source: the PSF spread evenly along a line.
//!
//! - source: Veres et al. 2012, PASP 124, 1197, for any PSF: a line of length and angle (vx, vy) has the
//!   transform sin(k.v/2) / (k.v/2), so the trail is exact and its derivatives are analytic
//! - input: a sky-subtracted view, the PSF, observed moments to start from; output: middle (pixels),
//!   length (pixels), angle (degrees from +x towards +y, -90 to 90), total flux, chi squared a degree of freedom
//! - the brightness along the trail is constant; ends are the PSF's

use super::cmodel::Start;
use super::fit::{Scratch, Shape, State, fit};
use super::galaxy::axes;
use super::linear::{amplitude_error, fill};
use super::modes::{Grid, Modes};
use super::patch::View;
use super::psf_modes::ModelPsf;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trail {
    pub x: f64,
    pub y: f64,
    pub flux: f64,
    pub flux_err: f64,
    pub length: f64,
    pub length_err: f64,
    pub angle_deg: f64,
    pub chi2: f64,
    pub flag: bool,
}

impl Trail {
    pub const FAILED: Self = Self {
        x: f64::NAN,
        y: f64::NAN,
        flux: f64::NAN,
        flux_err: f64::NAN,
        length: f64::NAN,
        length_err: f64::NAN,
        angle_deg: f64::NAN,
        chi2: f64::NAN,
        flag: true,
    };
}

/// Part of the patch's width that a trail may have.
const LENGTH_PART_MAX: f64 = 0.8;
/// The patch reaches beyond the observed sigma by this factor (a line's half-length is 1.73 sigma).
const REACH_SIGMA: f64 = 2.4;
const REACH_PSF_SIGMA: f64 = 7.0;
const HIDDEN_MAX: f64 = 0.3;
const FILLS_MAX: usize = 4;

struct Line {
    most: f64,
    /// Shortest length that has a direction, pixels.
    least: f64,
    least_direction: [f64; 2],
}

/// sin(u) / u and its derivative.
fn sinc(u: f32) -> (f32, f32) {
    if u.abs() < 0.05 {
        let uu = u * u;
        return (1.0 - uu / 6.0, u * (-1.0 / 3.0 + uu / 30.0));
    }
    let (s, c) = u.sin_cos();
    let value = s / u;
    (value, (c - value) / u)
}

impl Shape<2> for Line {
    fn evaluate(&self, modes: &Modes, v: &[f64; 2], m: &mut [f32], slope: &mut [f32]) {
        let (hx, hy) = (0.5 * v[0] as f32, 0.5 * v[1] as f32);
        let k = modes.kx.iter().zip(&modes.ky);
        for ((kx, ky), (m, slope)) in k.zip(m.iter_mut().zip(slope)) {
            let (value, derivative) = sinc(kx * hx + ky * hy);
            (*m, *slope) = (value, 0.5 * derivative);
        }
    }

    fn basis<'a>(&self, modes: &'a Modes) -> [&'a [f32]; 2] {
        [&modes.kx, &modes.ky]
    }

    fn allowed(&self, v: [f64; 2]) -> [f64; 2] {
        let length = v[0].hypot(v[1]);
        if !(length > self.least) {
            // A point has no direction: its derivatives vanish, and the fit would rest there.
            return self.least_direction.map(|d| d * self.least);
        }
        let shrink = (self.most / length).min(1.0);
        v.map(|v| v * shrink)
    }

    fn prior(&self, _: &[f64; 2]) -> (f64, [f64; 2], [[f64; 2]; 2]) {
        (0.0, [0.0; 2], [[0.0; 2]; 2])
    }
}

/// Half-width of the view that the fit can use, pixels.
pub fn reach(psf: &ModelPsf, moments: [f64; 3]) -> f64 {
    let (major, _, _) = axes(moments);
    let major = if major.is_finite() { major } else { 0.0 };
    REACH_SIGMA * major + REACH_PSF_SIGMA * psf.sigma
}

/// Fit a trail.
pub fn trail(view: &View<'_>, psf: &ModelPsf, start: &Start, scratch: &mut Scratch) -> Trail {
    if !(start.x.abs() < 1e9 && start.y.abs() < 1e9) {
        return Trail::FAILED;
    }
    let (major, minor, angle) = axes(start.moments);
    // A line's variance is its length squared over 12.
    let first = (12.0 * (major * major - minor * minor)).max(0.0).sqrt();
    let first = if first.is_finite() { first } else { 0.0 }.max(0.5 * psf.sigma);
    let direction = if angle.is_finite() { [angle.cos(), angle.sin()] } else { [1.0, 0.0] };
    let mut state = State {
        x: start.x,
        y: start.y,
        q: direction.map(|d| d * first),
        flux: start.flux,
        chi2: f64::NAN,
        converged: false,
    };
    let mut out = Trail::FAILED;
    for size in Grid::holding(reach(psf, start.moments))..Grid::ALL.len() {
        let half = Grid::ALL[size].half_pixels() as f64;
        out = fit_in(view, psf, size, direction, &mut state, scratch);
        // A trail that fills its patch is given a larger one.
        let end = 0.5 * out.length + REACH_PSF_SIGMA * psf.sigma;
        let reaches = end + (out.x - state.x).hypot(out.y - state.y) > half;
        if !reaches || out.length.is_nan() {
            break;
        }
        (state.x, state.y) = (out.x.round(), out.y.round());
    }
    out
}

/// Fit in a patch of one size from `state`, which is brought to the result.
fn fit_in(
    view: &View<'_>,
    psf: &ModelPsf,
    size: usize,
    direction: [f64; 2],
    state: &mut State<2>,
    scratch: &mut Scratch,
) -> Trail {
    let grid = Grid::ALL[size];
    let modes = &psf.sized(size).modes;
    if !scratch.patch.cut(view, (state.x, state.y), grid)
        || !scratch.set_psf(psf, size, state.x, state.y)
    {
        return Trail::FAILED;
    }
    scratch.transform(modes);
    let line = Line {
        most: LENGTH_PART_MAX * 2.0 * grid.half_pixels() as f64,
        least: 0.05 * psf.sigma,
        least_direction: direction,
    };
    let length = state.q[0].hypot(state.q[1]);
    let shift_max = (0.5 * length + 2.0 * psf.sigma).min(0.5 * grid.half_pixels() as f64);
    let mut hidden = 0.0;
    for _ in 0..FILLS_MAX {
        let before = state.flux;
        *state = fit(&line, modes, scratch, *state, shift_max, 1.0);
        if scratch.patch.missing.is_empty() || !(state.flux > 0.0) {
            break;
        }
        let m: Vec<f32> = scratch.m.iter().zip(&scratch.power).map(|(m, p)| m * p).collect();
        hidden = fill(modes, scratch, &[(state.flux, &m)]);
        if (state.flux / before - 1.0).abs() < 3e-3 || hidden < 1e-3 {
            break;
        }
    }
    finish(&line, modes, scratch, state, hidden)
}

fn finish(line: &Line, modes: &Modes, scratch: &mut Scratch, s: &State<2>, hidden: f64) -> Trail {
    let n = modes.len();
    let length = s.q[0].hypot(s.q[1]);
    if !(s.flux.is_finite() && length > 0.0) {
        return Trail::FAILED;
    }
    scratch.center(modes, s.x, s.y);
    let mut lists = [vec![0.0f32; n], vec![0.0f32; n]];
    let [m, slope] = &mut lists;
    line.evaluate(modes, &s.q, m, slope);
    // Columns: flux, length, and the turn at the middle (all that moves the model along its normal).
    let (c, d) = ((s.q[0] / length) as f32, (s.q[1] / length) as f32);
    let (flux, l) = (s.flux as f32, length as f32);
    let mut columns = [const { Vec::new() }; 3];
    columns.iter_mut().for_each(|v| v.reserve(n));
    for k in 0..n {
        let p = scratch.power[k];
        let (kx, ky) = (modes.kx[k], modes.ky[k]);
        columns[0].push(p * m[k]);
        columns[1].push(p * flux * slope[k] * (c * kx + d * ky));
        columns[2].push(p * flux * slope[k] * l * (c * ky - d * kx));
    }
    let [a, b, turn] = &columns;
    let none = [[0.0; 3]; 3];
    let seen = (1.0 - hidden).max(1e-3);
    let flux_err = amplitude_error(modes, scratch, [a, b, turn], &[1.0, 0.0, 0.0], &none) / seen;
    let length_err = amplitude_error(modes, scratch, [a, b, turn], &[0.0, 1.0, 0.0], &none) / seen;
    let chi2 = scratch.chi2(modes, &[(s.flux, a)], 5.0);
    let mut angle = s.q[1].atan2(s.q[0]).to_degrees();
    if angle > 90.0 {
        angle -= 180.0;
    } else if angle <= -90.0 {
        angle += 180.0;
    }
    Trail {
        x: s.x,
        y: s.y,
        flux: s.flux,
        flux_err,
        length,
        length_err,
        angle_deg: angle,
        chi2,
        flag: !s.converged
            || !(s.flux > 0.0 && flux_err.is_finite())
            || length >= 0.999 * line.most
            || hidden > HIDDEN_MAX,
    }
}
