//! Least squares of a point-symmetric model in Fourier space.
//!
//! The data's modes are turned to the model's centre and by the PSF's phase: then the model is real,
//! F |P(k)| m(k), its shape is fitted to the real parts and its centre to the imaginary parts alone.
//! - flux: linear, solved at every shape; shape: Levenberg-Marquardt (Marquardt 1963, J. SIAM 11, 431) with
//!   analytic derivatives of the flux-projected residual (Kaufman 1975, BIT 15, 49)
//! - weights: equal. They depend on no pixel's noise, so fluxes are not biased by it; errors are
//!   propagated from each pixel's variance
//! - source: fits of convolved models in Fourier space: Bernstein & Armstrong 2014, MNRAS 438, 1880

use super::fft::Buffer;
use super::modes::{LANES, Modes, Spectrum};
use super::patch::Patch;
use super::psf_modes::ModelPsf;
use super::small::solve;

const ITERATIONS_MAX: usize = 30;
/// The fit ends when chi squared falls by less than this and the flux changes by less than that part.
const CHI2_FALL_MIN: f64 = 1e-2;
const FLUX_CHANGE_MIN: f64 = 3e-4;
/// A centre that moves by less stays, pixels.
const SHIFT_MIN: f64 = 3e-3;

/// A model with N numbers for its shape.
pub trait Shape<const N: usize> {
    /// m of each mode, and the factor that makes the derivatives of the `basis`.
    fn evaluate(&self, modes: &Modes, q: &[f64; N], m: &mut [f32], slope: &mut [f32]);
    /// The derivative of m by q[j] is `slope` times this list.
    fn basis<'a>(&self, modes: &'a Modes) -> [&'a [f32]; N];
    /// The nearest allowed shape.
    fn allowed(&self, q: [f64; N]) -> [f64; N];
    /// Penalty on chi squared, half its gradient and half its curvature.
    fn prior(&self, q: &[f64; N]) -> (f64, [f64; N], [[f64; N]; N]);
}

/// Memory that fits reuse.
#[derive(Default)]
pub struct Scratch {
    pub patch: Patch,
    pub fft: [Buffer; 2],
    pub data: Spectrum,
    /// |P| and conj(P) / |P|.
    pub power: Vec<f32>,
    pub turn: Spectrum,
    pub waves: Spectrum,
    /// The data turned to the centre and by the PSF.
    pub turned: Spectrum,
    pub m: Vec<f32>,
    pub slope: Vec<f32>,
    pub spectrum: Spectrum,
    pub image: Vec<f32>,
}

impl Scratch {
    /// Take the PSF's modes at a place of the detector.
    pub fn set_psf(&mut self, psf: &ModelPsf, size: usize, x: f64, y: f64) -> bool {
        if !psf.at(size, x, y, &mut self.turn) {
            return false;
        }
        self.power.clear();
        for (re, im) in self.turn.re.iter_mut().zip(&mut self.turn.im) {
            let p = (*re * *re + *im * *im).sqrt();
            self.power.push(p);
            let inverse = if p > 0.0 { 1.0 / p } else { 0.0 };
            (*re, *im) = (*re * inverse, -*im * inverse);
        }
        true
    }

    /// Transform the patch as it is filled now.
    pub fn transform(&mut self, modes: &Modes) {
        modes.forward(&self.patch.data, &mut self.fft, &mut self.data);
    }

    /// Turn the data to a centre.
    pub fn center(&mut self, modes: &Modes, x: f64, y: f64) {
        modes.waves(x - self.patch.x, y - self.patch.y, &mut self.waves);
        self.turned.resize(modes.len());
        let n = modes.len();
        let (tr, ti) = (&mut self.turned.re[..n], &mut self.turned.im[..n]);
        let (wr, wi) = (&self.waves.re[..n], &self.waves.im[..n]);
        let (ur, ui) = (&self.turn.re[..n], &self.turn.im[..n]);
        let (dr, di) = (&self.data.re[..n], &self.data.im[..n]);
        for k in 0..n {
            let (c, s) = (wr[k] * ur[k] - wi[k] * ui[k], wr[k] * ui[k] + wi[k] * ur[k]);
            tr[k] = dr[k] * c - di[k] * s;
            ti[k] = dr[k] * s + di[k] * c;
        }
    }

    /// The image of real model modes at the centre that the data were turned to.
    pub fn draw(&mut self, modes: &Modes, model: &[f32]) {
        self.spectrum.resize(modes.len());
        for (k, &m) in model.iter().enumerate() {
            let (wr, wi, ur, ui) =
                (self.waves.re[k], self.waves.im[k], self.turn.re[k], self.turn.im[k]);
            self.spectrum.re[k] = m * (wr * ur - wi * ui);
            self.spectrum.im[k] = -m * (wr * ui + wi * ur);
        }
        modes.backward(&self.spectrum, &mut self.fft, &mut self.image);
    }
}

/// Where a fit stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State<const N: usize> {
    pub x: f64,
    pub y: f64,
    pub q: [f64; N],
    pub flux: f64,
    pub chi2: f64,
    pub converged: bool,
}

/// Sums over modes at one shape.
struct Sums<const N: usize> {
    flux: f64,
    chi2: f64,
    prior: f64,
    gradient: [f64; N],
    curvature: [[f64; N]; N],
}

/// Fit from `start`; the centre may move by `shift_max` pixels. It ends `rough` times earlier than it could.
pub fn fit<const N: usize, S: Shape<N>>(
    shape: &S,
    modes: &Modes,
    scratch: &mut Scratch,
    start: State<N>,
    shift_max: f64,
    rough: f64,
) -> State<N> {
    let origin = (start.x, start.y);
    let mut now = State { q: shape.allowed(start.q), converged: false, ..start };
    scratch.center(modes, now.x, now.y);
    let mut sums = evaluate(shape, modes, scratch, &now.q, now.flux);
    let (mut lambda, mut move_it) = (1e-3, true);
    for _ in 0..ITERATIONS_MAX {
        if move_it && sums.flux > 0.0 {
            let (dx, dy) = offset(modes, scratch, sums.flux, shift_max);
            let inside = (now.x + dx - origin.0).hypot(now.y + dy - origin.1) <= shift_max;
            move_it = inside && dx.hypot(dy) > SHIFT_MIN;
            if move_it {
                (now.x, now.y) = (now.x + dx, now.y + dy);
                scratch.center(modes, now.x, now.y);
                sums = evaluate(shape, modes, scratch, &now.q, sums.flux);
            }
        }
        let mut a = sums.curvature;
        (0..N).for_each(|j| a[j][j] *= 1.0 + lambda);
        let step = solve(&a, &sums.gradient).unwrap_or([0.0; N]);
        let q = shape.allowed(std::array::from_fn(|j| now.q[j] + step[j]));
        if q == now.q {
            now.converged = true;
            break;
        }
        let tried = evaluate(shape, modes, scratch, &q, sums.flux);
        let fall = (sums.chi2 + sums.prior) - (tried.chi2 + tried.prior);
        if fall >= 0.0 {
            let change = (tried.flux / sums.flux - 1.0).abs();
            (now.q, sums) = (q, tried);
            lambda = (lambda * 0.1).max(1e-6);
            let still = fall < rough * CHI2_FALL_MIN && change < rough * FLUX_CHANGE_MIN;
            if still && !move_it {
                now.converged = true;
                break;
            }
        } else {
            lambda = (lambda * 10.0).max(1e-2);
            if lambda > 1e7 || fall > -1e-6 * CHI2_FALL_MIN {
                now.converged = true;
                break;
            }
        }
    }
    (now.flux, now.chi2) = (sums.flux, sums.chi2);
    now.converged &= now.flux.is_finite() && now.chi2.is_finite();
    now
}

/// Chi squared, flux and derivatives at a shape; `guess` is near the flux.
fn evaluate<const N: usize, S: Shape<N>>(
    shape: &S,
    modes: &Modes,
    scratch: &mut Scratch,
    q: &[f64; N],
    guess: f64,
) -> Sums<N> {
    let Scratch { m, slope, power, turned, patch, .. } = scratch;
    m.resize(modes.len(), 0.0);
    slope.resize(modes.len(), 0.0);
    shape.evaluate(modes, q, m, slope);
    let guess = if guess.is_finite() { guess } else { 0.0 };
    let basis = shape.basis(modes);
    let n = modes.len();
    let (m, slope, power) = (&m[..n], &slope[..n], &power[..n]);
    let (z, weight) = (&turned.re[..n], &modes.weight[..n]);
    let basis = basis.map(|b| &b[..n]);
    // r r, r m, m m; r u_j, m u_j; u_i u_j, in lanes that are added up now and then in f64.
    let mut total = [0.0f64; 3];
    let (mut ru, mut mu, mut uu) = ([0.0f64; N], [0.0f64; N], [[0.0f64; N]; N]);
    const L: usize = 4;
    const CHUNK: usize = 64;
    let mut at = 0;
    while at < n {
        let end = (at + CHUNK).min(n);
        let mut t = [[0.0f32; L]; 3];
        let (mut tru, mut tmu, mut tuu) =
            ([[0.0f32; L]; N], [[0.0f32; L]; N], [[[0.0f32; L]; N]; N]);
        for k in (at..end).step_by(L) {
            for l in 0..L {
                let k = k + l;
                let w = weight[k];
                let pm = power[k] * m[k];
                let r = z[k] - guess as f32 * pm;
                let (wr, wm) = (w * r, w * pm);
                t[0][l] += wr * r;
                t[1][l] += wr * pm;
                t[2][l] += wm * pm;
                let g = power[k] * slope[k];
                let u: [f32; N] = std::array::from_fn(|j| g * basis[j][k]);
                for i in 0..N {
                    tru[i][l] += wr * u[i];
                    tmu[i][l] += wm * u[i];
                    for j in 0..=i {
                        tuu[i][j][l] += w * u[i] * u[j];
                    }
                }
            }
        }
        let add = |sum: &mut f64, lanes: &[f32; L]| {
            *sum += lanes.iter().map(|&v| f64::from(v)).sum::<f64>();
        };
        total.iter_mut().zip(&t).for_each(|(s, l)| add(s, l));
        for i in 0..N {
            add(&mut ru[i], &tru[i]);
            add(&mut mu[i], &tmu[i]);
            for j in 0..=i {
                add(&mut uu[i][j], &tuu[i][j]);
            }
        }
        at = end;
    }
    let [rr, rm, mm] = total;
    let noise = patch.noise;
    let change = if mm > 0.0 { rm / mm } else { 0.0 };
    let flux = f64::from(guess as f32) + change;
    let (prior, half_gradient, half_curvature) = shape.prior(q);
    let mut out = Sums {
        flux,
        chi2: (rr - rm * change) / noise,
        prior,
        gradient: std::array::from_fn(|j| flux * (ru[j] - change * mu[j]) / noise),
        curvature: [[0.0; N]; N],
    };
    for i in 0..N {
        out.gradient[i] -= half_gradient[i];
        for j in 0..=i {
            let projected = if mm > 0.0 { mu[i] * mu[j] / mm } else { 0.0 };
            let value = flux * flux * (uu[i][j] - projected) / noise + half_curvature[i][j];
            (out.curvature[i][j], out.curvature[j][i]) = (value, value);
        }
    }
    out
}

/// How far the centre is off, from the imaginary parts: they are -F |P| m (k . offset).
fn offset(modes: &Modes, scratch: &Scratch, flux: f64, most: f64) -> (f64, f64) {
    let mut sums = [[0.0f32; 5]; LANES];
    for k in (0..modes.len()).step_by(LANES) {
        for (l, sum) in sums.iter_mut().enumerate() {
            let k = k + l;
            let g = -scratch.power[k] * scratch.m[k];
            let (w, x, y) = (modes.weight[k], modes.kx[k] * g, modes.ky[k] * g);
            let im = scratch.turned.im[k];
            let add = [w * x * x, w * x * y, w * y * y, w * x * im, w * y * im];
            sum.iter_mut().zip(add).for_each(|(s, a)| *s += a);
        }
    }
    let [xx, xy, yy, x, y]: [f64; 5] =
        std::array::from_fn(|j| sums.iter().map(|s| f64::from(s[j])).sum());
    let (a, b) = ([[xx, xy], [xy, yy]], [x / flux, y / flux]);
    let [dx, dy] = solve(&a, &b).unwrap_or([0.0; 2]);
    let shrink = (0.5 * most / dx.hypot(dy).max(1e-30)).min(1.0);
    (dx * shrink, dy * shrink)
}
