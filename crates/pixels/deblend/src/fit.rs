//! Fluxes and positions of all peaks together, as points.
//!
//! The joint least-squares problem is solved by sweeps: each peak in turn is fitted to what the
//! others leave (Gauss-Seidel on the normal equations, with a Gauss-Newton step in position). At
//! the separations of real blends it converges by a factor of ten a sweep, and it costs
//! the same per peak however many there are.

use crate::blend::{Blend, Template};
use crate::config::DeblendConfig;
use elqui_image::{LocalPsf, Peak, PsfSampler};

/// One peak as a point, in the blend's frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub flux: f64,
    /// The peak is finite and on the blend's frame.
    pub valid: bool,
    /// Where it started.
    start: (f64, f64),
}

/// Memory of a fit.
#[derive(Default)]
pub struct Scratch {
    pub local: LocalPsf,
    /// The PSF at each point of the last fit (one for all where only fluxes were fitted).
    pub locals: Vec<LocalPsf>,
    drawn: [Vec<f32>; 3],
}

impl Point {
    pub fn new(blend: &Blend, peak: &Peak) -> Self {
        let (x, y) = (
            f64::from(peak.x) - f64::from(blend.bbox.x0),
            f64::from(peak.y) - f64::from(blend.bbox.y0),
        );
        let (w, h) = (blend.bbox.width as f64, blend.bbox.height as f64);
        let valid = x > -0.5 && y > -0.5 && x < w - 0.5 && y < h - 0.5;
        Self { x, y, flux: 0.0, valid, start: (x, y) }
    }
}

/// Fit every point of a blend; returns the residual. Without `positions` only fluxes are fitted.
pub fn fit_points(
    blend: &Blend,
    points: &mut [Point],
    sampler: &PsfSampler,
    config: &DeblendConfig,
    (sweeps, positions): (usize, bool),
    scratch: &mut Scratch,
) -> Vec<f32> {
    let mut residual = blend.pixels.data().to_vec();
    // Each point keeps its tabulated PSF from sweep to sweep. A blend that is only fitted for fluxes
    // may have very many points and few sweeps: there one is shared, for its memory.
    let shared = !positions;
    let mut locals = std::mem::take(&mut scratch.locals);
    let wanted = if shared { 1 } else { points.len() };
    locals.resize_with(wanted.max(locals.len()), LocalPsf::default);
    // What is left of another blend may be of another place with the same shifts; it is the same PSF.
    let mut quiet = vec![false; points.len()];
    for sweep in 0..sweeps {
        let mut moved = 0.0f64;
        for (k, p) in points.iter_mut().enumerate().filter(|(_, p)| p.valid) {
            if quiet[k] {
                continue;
            }
            let local = &mut locals[if shared { 0 } else { k }];
            // The PSF's place on the detector is the blend's frame plus its corner.
            let (cx, cy) = (f64::from(blend.bbox.x0), f64::from(blend.bbox.y0));
            if !local.covers(p.x + cx, p.y + cy) {
                sampler.localise(p.x + cx, p.y + cy, local);
            }
            // The first sweep's fluxes have all of the neighbours' light in them: no steps yet.
            let may_step = positions && sweep > 0;
            if may_step {
                local.draw_with_gradient(p.x + cx, p.y + cy, &mut scratch.drawn);
            } else {
                local.draw(p.x + cx, p.y + cy, &mut scratch.drawn[0]);
            }
            let (mx, my) = local.middle();
            let middle = (mx - blend.bbox.x0, my - blend.bbox.y0);
            let before = *p;
            let half = local.half_width();
            let s = if may_step {
                sums(blend, &residual, p.flux, &scratch.drawn, middle, half)
            } else {
                flux_sums(blend, &residual, p.flux, &scratch.drawn[0], middle, half)
            };
            match if may_step { s.step() } else { None } {
                Some((flux, dx, dy)) if flux > 0.0 => {
                    let shrink = (0.5 / dx.hypot(dy)).min(1.0);
                    let (nx, ny) = (p.x + shrink * dx, p.y + shrink * dy);
                    if (nx - p.start.0).hypot(ny - p.start.1) <= config.shift_pixels_max {
                        (p.x, p.y) = (nx, ny);
                        moved = moved.max(shrink * dx.hypot(dy));
                    }
                    p.flux = flux;
                }
                _ => p.flux = s.flux().max(0.0),
            }
            if !p.flux.is_finite() {
                p.flux = 0.0;
            }
            // A point that has come to rest stays: in large blends one slow pair moves the longest.
            quiet[k] = may_step
                && sweep > 1
                && (p.x - before.x).hypot(p.y - before.y) < 0.002
                && (p.flux - before.flux).abs() < 1e-4 * p.flux;
            // The residual follows: what was drawn moves by its gradient; redrawn exactly next time.
            redraw(blend, &mut residual, (&before, p), local, sampler, scratch);
        }
        if positions && sweep > 1 && moved < 0.005 {
            break;
        }
    }
    scratch.locals = locals;
    residual
}

struct Sums {
    a: [f64; 6],
    b: [f64; 3],
}

impl Sums {
    fn flux(&self) -> f64 {
        if self.a[0] > 0.0 { self.b[0] / self.a[0] } else { 0.0 }
    }

    /// Flux and the step in x and y.
    fn step(&self) -> Option<(f64, f64, f64)> {
        let [a, b, c, d, e, f] = self.a;
        let (c00, c01, c02) = (d * f - e * e, c * e - b * f, b * e - c * d);
        let (c11, c12, c22) = (a * f - c * c, b * c - a * e, a * d - b * b);
        let det = a * c00 + b * c01 + c * c02;
        if !(det > 1e-6 * (a * d * f).abs()) {
            return None;
        }
        let [u, v, w] = self.b;
        let flux = (c00 * u + c01 * v + c02 * w) / det;
        let x = (c01 * u + c11 * v + c12 * w) / det;
        let y = (c02 * u + c12 * v + c22 * w) / det;
        (flux > 0.0 && (x / flux).is_finite() && (y / flux).is_finite())
            .then(|| (flux, x / flux, y / flux))
    }
}

/// Normal equations for (F, F dx, F dy) of one point against the residual with its own light back.
fn sums(
    blend: &Blend,
    residual: &[f32],
    flux: f64,
    drawn: &[Vec<f32>; 3],
    middle: (i32, i32),
    half: usize,
) -> Sums {
    let w = blend.bbox.width;
    let (window, skip_x, skip_y) = Template::window(middle, half, w, blend.bbox.height);
    let side = 2 * half + 1;
    let flux = flux as f32;
    let mut out = Sums { a: [0.0; 6], b: [0.0; 3] };
    for j in 0..window.height {
        let at = (window.y0 + j) * w + window.x0;
        let from = (skip_y + j) * side + skip_x;
        let n = window.width;
        let mut t = [0.0f32; 9];
        let model = drawn[0][from..from + n]
            .iter()
            .zip(&drawn[1][from..from + n])
            .zip(&drawn[2][from..from + n]);
        let data = residual[at..at + n].iter().zip(&blend.weight.data()[at..at + n]);
        for (((&p, &gx), &gy), (&r, &weight)) in model.zip(data) {
            let d = r + flux * p;
            let (wp, wx, wy) = (weight * p, weight * gx, weight * gy);
            let add = [wp * p, wp * gx, wp * gy, wx * gx, wx * gy, wy * gy, wp * d, wx * d, wy * d];
            for (s, a) in t.iter_mut().zip(add) {
                *s += a;
            }
        }
        out.a.iter_mut().zip(&t[..6]).for_each(|(s, v)| *s += f64::from(*v));
        out.b.iter_mut().zip(&t[6..]).for_each(|(s, v)| *s += f64::from(*v));
    }
    out
}

/// As [`sums`] for the flux alone.
fn flux_sums(
    blend: &Blend,
    residual: &[f32],
    flux: f64,
    drawn: &[f32],
    middle: (i32, i32),
    half: usize,
) -> Sums {
    let w = blend.bbox.width;
    let (window, skip_x, skip_y) = Template::window(middle, half, w, blend.bbox.height);
    let flux = flux as f32;
    let (mut pp, mut pd) = (0.0f64, 0.0f64);
    for j in 0..window.height {
        let at = (window.y0 + j) * w + window.x0;
        let from = (skip_y + j) * (2 * half + 1) + skip_x;
        let data = residual[at..at + window.width].iter().zip(&blend.weight.data()[at..]);
        let (mut a, mut b) = (0.0f32, 0.0f32);
        for (&p, (&r, &weight)) in drawn[from..from + window.width].iter().zip(data) {
            a += weight * p * p;
            b += weight * p * (r + flux * p);
        }
        pp += f64::from(a);
        pd += f64::from(b);
    }
    Sums { a: [pp, 0.0, 0.0, 0.0, 0.0, 0.0], b: [pd, 0.0, 0.0] }
}

/// Put the light of `before` back into the residual and take that of `after` out.
fn redraw(
    blend: &Blend,
    residual: &mut [f32],
    (before, after): (&Point, &Point),
    local: &mut LocalPsf,
    sampler: &PsfSampler,
    scratch: &mut Scratch,
) {
    // What was drawn last is `before`.
    add(blend, residual, &scratch.drawn[0], local, before.flux as f32);
    let (x, y) = (after.x + f64::from(blend.bbox.x0), after.y + f64::from(blend.bbox.y0));
    if (before.x, before.y) != (after.x, after.y) {
        if !local.covers(x, y) {
            sampler.localise(x, y, local);
        }
        local.draw(x, y, &mut scratch.drawn[0]);
    }
    add(blend, residual, &scratch.drawn[0], local, -after.flux as f32);
}

/// Add a drawn PSF times `flux` to the pixels of the parent.
fn add(blend: &Blend, residual: &mut [f32], drawn: &[f32], local: &LocalPsf, flux: f32) {
    let half = local.half_width();
    let (mx, my) = local.middle();
    let middle = (mx - blend.bbox.x0, my - blend.bbox.y0);
    let w = blend.bbox.width;
    let (window, skip_x, skip_y) = Template::window(middle, half, w, blend.bbox.height);
    for j in 0..window.height {
        let at = (window.y0 + j) * w + window.x0;
        let from = (skip_y + j) * (2 * half + 1) + skip_x;
        for (r, p) in
            residual[at..at + window.width].iter_mut().zip(&drawn[from..from + window.width])
        {
            *r += flux * p;
        }
    }
}
