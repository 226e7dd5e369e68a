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
use super::modes::{Modes, Spectrum};
use super::patch::Patch;
use super::psf_modes::ModelPsf;
use super::small::solve;
use elqui_image::vectors::{self, Simd, V8, WithSimd, run};

/// Modes that are summed in f32 before f64 takes over.
const CHUNK: usize = 128;

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

/// Lists over the modes, of which the sums of a fit are made.
struct Lists<'a, const N: usize> {
    m: &'a [f32],
    slope: &'a [f32],
    power: &'a [f32],
    z: &'a [f32],
    weight: &'a [f32],
    basis: [&'a [f32]; N],
    guess: f32,
}

impl<const N: usize> WithSimd for Lists<'_, N> {
    /// (r r, r m, m m), r u_j, m u_j and u_i u_j (j <= i).
    type Output = ([f64; 3], [f64; N], [f64; N], [[f64; N]; N]);
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Lists { m, slope, power, z, weight, basis, guess } = self;
        let (zero, guess) = (V8::splat(simd, 0.0), V8::splat(simd, guess));
        let mut out = ([0.0; 3], [0.0; N], [0.0; N], [[0.0; N]; N]);
        for from in (0..m.len()).step_by(CHUNK) {
            let (mut t, mut tru, mut tmu) = ([zero; 3], [zero; N], [zero; N]);
            let mut tuu = [[zero; N]; N];
            for k in (from..(from + CHUNK).min(m.len())).step_by(vectors::LANES) {
                let (w, p) = (V8::load(simd, &weight[k..]), V8::load(simd, &power[k..]));
                let pm = p * V8::load(simd, &m[k..]);
                let r = V8::load(simd, &z[k..]) - guess * pm;
                let (wr, wm) = (w * r, w * pm);
                t[0] += wr * r;
                t[1] += wr * pm;
                t[2] += wm * pm;
                let g = p * V8::load(simd, &slope[k..]);
                let mut u = [zero; N];
                for i in 0..N {
                    u[i] = g * V8::load(simd, &basis[i][k..]);
                    let wu = w * u[i];
                    tru[i] += wr * u[i];
                    tmu[i] += wm * u[i];
                    for j in 0..=i {
                        tuu[i][j] += wu * u[j];
                    }
                }
            }
            for i in 0..3 {
                out.0[i] += t[i].sum();
            }
            for i in 0..N {
                out.1[i] += tru[i].sum();
                out.2[i] += tmu[i].sum();
                for j in 0..=i {
                    out.3[i][j] += tuu[i][j].sum();
                }
            }
        }
        out
    }
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
    let lists = Lists { m, slope, power, z, weight, basis, guess: guess as f32 };
    let ([rr, rm, mm], ru, mu, uu) = run(lists);
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

/// Lists over the modes, of which the offset is made.
struct OffsetSums<'a> {
    power: &'a [f32],
    m: &'a [f32],
    im: &'a [f32],
    weight: &'a [f32],
    k: [&'a [f32]; 2],
}

impl WithSimd for OffsetSums<'_> {
    /// x x, x y, y y, x im, y im.
    type Output = [f64; 5];
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 5] {
        let Self { power, m, im, weight, k: [kx, ky] } = self;
        let mut out = [V8::splat(simd, 0.0); 5];
        for k in (0..m.len()).step_by(vectors::LANES) {
            let g = V8::splat(simd, 0.0) - V8::load(simd, &power[k..]) * V8::load(simd, &m[k..]);
            let (x, y) = (V8::load(simd, &kx[k..]) * g, V8::load(simd, &ky[k..]) * g);
            let (w, im) = (V8::load(simd, &weight[k..]), V8::load(simd, &im[k..]));
            let (wx, wy) = (w * x, w * y);
            out[0] += wx * x;
            out[1] += wx * y;
            out[2] += wy * y;
            out[3] += wx * im;
            out[4] += wy * im;
        }
        vectors::sums(&out)
    }
}

/// How far the centre is off, from the imaginary parts: they are -F |P| m (k . offset).
fn offset(modes: &Modes, scratch: &Scratch, flux: f64, most: f64) -> (f64, f64) {
    let n = modes.len();
    let [xx, xy, yy, x, y] = run(OffsetSums {
        power: &scratch.power[..n],
        m: &scratch.m[..n],
        im: &scratch.turned.im[..n],
        weight: &modes.weight[..n],
        k: [&modes.kx[..n], &modes.ky[..n]],
    });
    let (a, b) = ([[xx, xy], [xy, yy]], [x / flux, y / flux]);
    let [dx, dy] = solve(&a, &b).unwrap_or([0.0; 2]);
    let shrink = (0.5 * most / dx.hypot(dy).max(1e-30)).min(1.0);
    (dx * shrink, dy * shrink)
}
