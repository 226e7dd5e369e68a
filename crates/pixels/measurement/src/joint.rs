//! Close point sources measured together: position and flux of all of them in one fit.
//!
//! - who: children of one parent that are points and stand within a few PSF widths of each other; the
//!   light that the deblender gave to others is taken out first
//! - model: sum of F P(x, y), Gauss-Newton in all (F, x, y) at once, fluxes alone in the first step;
//!   weights 1 / (sky + sum F P / gain), the model's own photon noise, constant without a gain
//! - output: pixels and adu; errors from the joint matrix, A^-1 V A^-1 with V from each pixel's
//!   variance: what neighbours cost each other is in them
//! - why: shares of the light by templates have the neighbours' light right but not the noise, so that a
//!   source measured on its share alone is up to twice as uncertain as it need be, and does not say so
//! - source: Stetson 1987, PASP 99, 191, sec. III.D (groups of stars fitted together)

use crate::stamp::{EMPTY, OTHER, Stamp, UNUSABLE};
use elqui_base::{cholesky_solve, invert_spd};
use elqui_image::{LocalPsf, PsfSampler};

/// Sources of one fit at most.
pub const MEMBERS_MAX: usize = 8;
const ITERATIONS_MAX: usize = 10;
/// A step below this ends the iteration, pixels.
const STEP_MIN: f64 = 3e-3;
const STEP_MAX: f64 = 0.7;
/// Closer than this two points are one, PSF FWHM.
const APART_MIN: f64 = 0.5;

/// One source of a group.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Member {
    pub x: f64,
    pub y: f64,
    pub flux: f64,
    pub x_err: f64,
    pub y_err: f64,
    pub flux_err: f64,
}

/// Memory that fits reuse.
#[derive(Default)]
pub struct Scratch {
    locals: Vec<LocalPsf>,
    drawn: Vec<[Vec<f32>; 3]>,
    columns: Vec<f32>,
    model: Vec<f32>,
    used: Vec<f32>,
}

impl Scratch {
    /// Chi square of the last fit, and its pixels.
    pub fn chi2(&self, stamp: &Stamp) -> (f64, f64) {
        let (image, variance) = (stamp.image.data(), stamp.variance.data());
        let mut out = (0.0, 0.0);
        for (k, &used) in self.used.iter().enumerate() {
            if used > 0.0 && variance[k] > 0.0 {
                out.0 += f64::from(image[k] - self.model[k]).powi(2) / f64::from(variance[k]);
                out.1 += 1.0;
            }
        }
        out
    }
}

/// The fit of all members from where they are; `false`, and nothing changed, when it fails.
///
/// - `reach`: pixels within so many pixels of a member, along each axis, take part
/// - `shift_max`: no member may move by more, pixels
pub fn fit(
    stamp: &Stamp,
    sampler: &PsfSampler,
    members: &mut [Member],
    (reach, shift_max, gain): (usize, f64, f64),
    scratch: &mut Scratch,
) -> bool {
    let count = members.len();
    let (w, h) = (stamp.image.width(), stamp.image.height());
    if count == 0 || count > MEMBERS_MAX || w == 0 || h == 0 {
        return false;
    }
    let start = members.to_vec();
    let mut now = start.clone();
    scratch.locals.resize_with(count.max(scratch.locals.len()), LocalPsf::default);
    scratch.drawn.resize_with(count.max(scratch.drawn.len()), Default::default);
    let Some(sky) = choose_pixels(stamp, &start, reach, scratch) else { return false };
    let photons =
        if gain > 0.0 && gain.is_finite() && sky > 0.0 { 1.0 / (gain * sky) } else { 0.0 };
    let n = 3 * count;
    for iteration in 0..ITERATIONS_MAX {
        draw(stamp, sampler, &now, scratch);
        let positions = iteration > 0;
        let (a, b, _) = normal(stamp, &now, photons as f32, false, scratch);
        let mut largest = 0.0f64;
        if positions {
            let Ok(step) = cholesky_solve(&a, &b) else { return false };
            for (m, s) in now.iter_mut().zip(step.chunks_exact(3)) {
                // b is of what is left, so that all are steps.
                m.flux += s[0];
                let (dx, dy) = (s[1], s[2]);
                let length = dx.hypot(dy);
                if !(length.is_finite() && m.flux > 0.0) {
                    return false;
                }
                let shrink = (STEP_MAX / length).min(1.0);
                (m.x, m.y) = (m.x + shrink * dx, m.y + shrink * dy);
                largest = largest.max(length);
            }
        } else {
            let few: Vec<f64> =
                (0..count * count).map(|k| a[3 * (k / count) * n + 3 * (k % count)]).collect();
            let right: Vec<f64> = (0..count).map(|k| b[3 * k]).collect();
            let Ok(step) = cholesky_solve(&few, &right) else { return false };
            // A start without light would have no slope to follow.
            let total: f64 = now.iter().zip(&step).map(|(m, s)| m.flux + s).sum();
            now.iter_mut().zip(step).for_each(|(m, s)| m.flux = (m.flux + s).max(0.02 * total));
        }
        let fwhm = sampler.fwhm_pixels();
        for (k, m) in now.iter().enumerate() {
            let moved = (m.x - start[k].x).hypot(m.y - start[k].y);
            let apart = |o: &Member| (m.x - o.x).hypot(m.y - o.y) > APART_MIN * fwhm;
            if !(moved <= shift_max && m.flux > 0.0 && now[..k].iter().all(apart)) {
                return false;
            }
        }
        if positions && iteration > 1 && largest < STEP_MIN {
            let (a, _, v) = normal(stamp, &now, photons as f32, true, scratch);
            let Ok(inverse) = invert_spd(&a, n) else { return false };
            for (k, m) in now.iter_mut().enumerate() {
                let error = |p: usize| {
                    let r = &inverse[p * n..(p + 1) * n];
                    let sum: f64 = (0..n)
                        .map(|i| r[i] * (0..n).map(|j| v[i * n + j] * r[j]).sum::<f64>())
                        .sum();
                    sum.max(0.0).sqrt()
                };
                m.flux_err = error(3 * k);
                (m.x_err, m.y_err) = (error(3 * k + 1), error(3 * k + 2));
            }
            members.copy_from_slice(&now);
            return true;
        }
    }
    false
}

/// Mark the pixels that take part; the least variance among them, which is the sky's.
fn choose_pixels(stamp: &Stamp, members: &[Member], reach: usize, s: &mut Scratch) -> Option<f64> {
    let (w, h) = (stamp.image.width() as i32, stamp.image.height() as i32);
    s.used.clear();
    s.used.resize((w * h) as usize, 0.0);
    let mut sample = Vec::new();
    let reach = reach as i32;
    for m in members {
        if !(m.x.is_finite() && m.y.is_finite()) {
            return None;
        }
        let (i, j) = (m.x.round() as i32 - stamp.x0, m.y.round() as i32 - stamp.y0);
        for y in (j - reach).max(0)..=(j + reach).min(h - 1) {
            for x in (i - reach).max(0)..=(i + reach).min(w - 1) {
                let k = (y * w + x) as usize;
                if stamp.mask.data()[k] & (UNUSABLE | EMPTY | OTHER) == 0 {
                    s.used[k] = 1.0;
                    if (x - i).abs() == reach || (y - j).abs() == reach {
                        sample.push(stamp.variance.data()[k]);
                    }
                }
            }
        }
    }
    (sample.len() >= 4).then(|| f64::from(elqui_base::median_f32(&mut sample)))
}

fn draw(stamp: &Stamp, sampler: &PsfSampler, members: &[Member], s: &mut Scratch) {
    for ((m, local), drawn) in members.iter().zip(&mut s.locals).zip(&mut s.drawn) {
        if !local.covers(m.x, m.y) {
            sampler.localise(m.x, m.y, local);
        }
        local.draw_with_gradient(m.x, m.y, drawn);
    }
    // The model of all.
    s.model.clear();
    s.model.resize(stamp.image.data().len(), 0.0);
    for ((m, local), drawn) in members.iter().zip(&s.locals).zip(&s.drawn) {
        let f = m.flux as f32;
        for (at, from, n) in crate::psf_fit::overlap(stamp, local) {
            let target = s.model[at..at + n].iter_mut();
            target.zip(&drawn[0][from..from + n]).for_each(|(t, p)| *t += f * p);
        }
    }
}

/// Normal matrix of all (F, x, y), its right side from what the model leaves, and with `errors` the
/// matrix with the weights squared times the variance.
fn normal(
    stamp: &Stamp,
    members: &[Member],
    photons: f32,
    errors: bool,
    s: &mut Scratch,
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let n = 3 * members.len();
    let w = stamp.image.width();
    let (mut a, mut b) = (vec![0.0f64; n * n], vec![0.0f64; n]);
    let mut v = vec![0.0f64; if errors { n * n } else { 0 }];
    let (image, variance) = (stamp.image.data(), stamp.variance.data());
    let windows: Vec<(i32, i32, usize)> = s
        .locals
        .iter()
        .take(members.len())
        .map(|l| {
            let half = l.half_width() as i32;
            let (mx, my) = l.middle();
            (mx - half - stamp.x0, my - half - stamp.y0, 2 * half as usize + 1)
        })
        .collect();
    for y in 0..stamp.image.height() {
        let at = y * w;
        if s.used[at..at + w].iter().all(|u| *u == 0.0) {
            continue;
        }
        // The row of each parameter's column.
        s.columns.clear();
        s.columns.resize(n * w, 0.0);
        let mut present = [(usize::MAX, 0usize); MEMBERS_MAX];
        for (k, &(px, py, side)) in windows.iter().enumerate() {
            let j = y as i32 - py;
            if j < 0 || j >= side as i32 {
                continue;
            }
            let (i0, i1) = (px.max(0), (px + side as i32).min(w as i32));
            if i0 >= i1 {
                continue;
            }
            let from = j as usize * side + (i0 - px) as usize;
            let length = (i1 - i0) as usize;
            present[k] = (i0 as usize, i1 as usize);
            for (c, drawn) in s.drawn[k].iter().enumerate() {
                let scale = if c == 0 { 1.0 } else { members[k].flux as f32 };
                let to = &mut s.columns[(3 * k + c) * w + i0 as usize..][..length];
                to.iter_mut().zip(&drawn[from..]).for_each(|(t, p)| *t = scale * p);
            }
        }
        let used = &mut s.used[at..at + w];
        let model = &s.model[at..at + w];
        let weight = |i: usize| used[i] / (1.0 + photons * model[i].max(0.0));
        let weights: Vec<f32> = (0..w).map(weight).collect();
        for p in 0..n {
            let (p0, p1) = present[p / 3];
            if p0 == usize::MAX {
                continue;
            }
            let cp = &s.columns[p * w..(p + 1) * w];
            let right: f32 =
                (p0..p1).map(|i| weights[i] * cp[i] * (image[at + i] - model[i])).sum();
            b[p] += f64::from(right);
            for q in 0..=p {
                let (q0, q1) = present[q / 3];
                if q0 == usize::MAX {
                    continue;
                }
                let (from, to) = (p0.max(q0), p1.min(q1));
                if from >= to {
                    continue;
                }
                let cq = &s.columns[q * w..(q + 1) * w];
                let terms = weights[from..to].iter().zip(&cp[from..to]).zip(&cq[from..to]);
                let (mut sum, mut var) = (0.0f32, 0.0f32);
                if errors {
                    for (((wt, x), y), s2) in terms.zip(&variance[at + from..at + to]) {
                        let t = wt * x * y;
                        sum += t;
                        var += t * wt * s2;
                    }
                    v[p * n + q] += f64::from(var);
                    if p != q {
                        v[q * n + p] += f64::from(var);
                    }
                } else {
                    sum = terms.map(|((wt, x), y)| wt * x * y).sum();
                }
                a[p * n + q] += f64::from(sum);
                if p != q {
                    a[q * n + p] += f64::from(sum);
                }
            }
        }
    }
    (a, b, v)
}

#[cfg(test)]
mod tests {
    use super::*;
    use elqui_image::{Image, PsfModel};

    const SIGMA: f64 = 1.7;

    fn pair(apart: f64) -> (Stamp, PsfSampler, [Member; 2]) {
        let profile = |x: f64, y: f64| (-0.5 * (x * x + y * y) / (SIGMA * SIGMA)).exp();
        let psf = PsfModel::from_profile(81, 0.5, 2.3548 * SIGMA, profile);
        let stars = [(20.2, 19.7, 5000.0), (20.2 + apart, 20.4, 2000.0)];
        let norm = std::f64::consts::TAU * SIGMA * SIGMA;
        let light = |i: usize, j: usize| -> f64 {
            stars.iter().map(|s| s.2 / norm * profile(i as f64 - s.0, j as f64 - s.1)).sum()
        };
        let stamp = Stamp {
            x0: 0,
            y0: 0,
            image: Image::from_fn(41, 41, |i, j| light(i, j) as f32),
            variance: Image::filled(41, 41, 25.0),
            mask: Image::filled(41, 41, 0),
        };
        // They start from places and fluxes that are off.
        let start = |s: &(f64, f64, f64)| Member {
            x: s.0 + 0.3,
            y: s.1 - 0.2,
            flux: 0.7 * s.2,
            ..Member::default()
        };
        (stamp, PsfSampler::new(&psf, 8), [start(&stars[0]), start(&stars[1])])
    }

    #[test]
    fn two_stars_are_told_apart_and_know_what_it_costs() {
        let mut near_err = 0.0;
        for apart in [4.4, 12.0] {
            let (stamp, sampler, mut members) = pair(apart);
            let settings = (8, 2.0, f64::NAN);
            assert!(fit(&stamp, &sampler, &mut members, settings, &mut Scratch::default()));
            for (m, truth) in members.iter().zip([5000.0, 2000.0]) {
                assert!((m.flux / truth - 1.0).abs() < 2e-3, "{apart}: {m:?}");
                assert!((m.y - if truth > 3000.0 { 19.7 } else { 20.4 }).abs() < 0.01, "{m:?}");
                assert!(m.flux_err > 0.0 && m.x_err > 0.0);
            }
            // Far apart the error is that of one star: 5 adu over the root of the sum of squares.
            let alone = 5.0 * (4.0 * std::f64::consts::PI).sqrt() * SIGMA;
            if apart < 5.0 {
                near_err = members[1].flux_err;
            } else {
                assert!((members[1].flux_err / alone - 1.0).abs() < 0.03, "{:?}", members[1]);
                assert!(near_err > 1.05 * members[1].flux_err, "{near_err}");
            }
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_left_alone() {
        let (mut stamp, sampler, members) = pair(4.4);
        let settings = (8, 2.0, f64::NAN);
        assert!(!fit(&stamp, &sampler, &mut [], settings, &mut Scratch::default()));
        let mut many = vec![members[0]; MEMBERS_MAX + 1];
        assert!(!fit(&stamp, &sampler, &mut many, settings, &mut Scratch::default()));
        stamp.mask = Image::filled(41, 41, UNUSABLE | EMPTY);
        let mut blind = members;
        assert!(!fit(&stamp, &sampler, &mut blind, settings, &mut Scratch::default()));
        assert_eq!(blind, members);
    }
}
