//! The template of each peak: the PSF, or a symmetric profile when its light is wider.
//!
//! - source of the symmetric profile: Lupton et al. 2001, ASP Conf. 238, 269 (the smaller of a pixel
//!   and its partner across the peak)
//! - differs from it: only what the peak's own point does not explain is made symmetric, and only
//!   where the light left by all points is seen to be wider than the PSF

use crate::blend::{Blend, Template};
use crate::config::DeblendConfig;
use crate::fit::{Point, Scratch};
use elqui_image::{Peak, PsfSampler};

/// Below this peak S/N the PSF's wings are lost in the noise: the template is as narrow as the fit.
const WINGS_SNR_MIN: f32 = 40.0;

/// A point's template: the PSF times its flux; that of the last fit serves where it is wide enough.
pub fn point_template(
    blend: &Blend,
    (k, point, peak): (usize, &Point, &Peak),
    sampler: &PsfSampler,
    scratch: &mut Scratch,
) -> Template {
    let (x, y) = (point.x + f64::from(blend.bbox.x0), point.y + f64::from(blend.bbox.y0));
    let fitted = scratch.locals.get(k).filter(|l| peak.snr < WINGS_SNR_MIN && l.covers(x, y));
    let local = match fitted {
        Some(local) => local,
        None => {
            sampler.localise(x, y, &mut scratch.local);
            &scratch.local
        }
    };
    let mut drawn = Vec::new();
    local.draw(x, y, &mut drawn);
    let half = local.half_width();
    let (mx, my) = local.middle();
    let middle = (mx - blend.bbox.x0, my - blend.bbox.y0);
    let (mut t, skip_x, skip_y) =
        Template::window(middle, half, blend.bbox.width, blend.bbox.height);
    // A peak whose fit found nothing keeps a trace, so that it still owns its own pixels.
    let peak = drawn.iter().copied().fold(0.0f32, f32::max);
    let (i, j) = (point.x.round().max(0.0) as usize, point.y.round().max(0.0) as usize);
    let here = blend.pixels.get(i as i32, j as i32).unwrap_or(0.0).max(0.0);
    let trace = if peak > 0.0 { 5e-3 * here / peak } else { 0.0 };
    let flux = (point.flux as f32).max(trace).max(f32::MIN_POSITIVE);
    for j in 0..t.height {
        let from = (skip_y + j) * (2 * half + 1) + skip_x;
        t.values.extend(drawn[from..from + t.width].iter().map(|p| flux * p.max(0.0)));
    }
    t
}

/// Symmetric residual about the peak, clipped at zero: what the PSF does not explain but the
/// peak's symmetry allows. `None` when the peak is a point.
fn symmetric_excess(
    blend: &Blend,
    residual: &[f32],
    (point, core): (&Point, &Template),
    fwhm: f64,
    config: &DeblendConfig,
) -> Option<Template> {
    let (w, h) = (blend.bbox.width as i32, blend.bbox.height as i32);
    let middle = (point.x.round() as i32, point.y.round() as i32);
    // Twice the centre, in whole pixels: the partner of p is twice - p.
    let (tx, ty) = ((2.0 * point.x).round() as i32, (2.0 * point.y).round() as i32);
    let at = |i: i32, j: i32| -> f32 {
        let (k, l) = (tx - i, ty - j);
        if k < 0 || l < 0 || k >= w || l >= h {
            return 0.0;
        }
        residual[(j * w + i) as usize].min(residual[(l * w + k) as usize])
    };
    let reach = (2.0 * fwhm).ceil() as usize;
    let (ring, ..) = Template::window(middle, reach, w as usize, h as usize);
    let mut excess = 0.0f64;
    for j in ring.y0..ring.y0 + ring.height {
        for i in ring.columns() {
            let r2 = (i as f64 - point.x).powi(2) + (j as f64 - point.y).powi(2);
            if r2 > (0.6 * fwhm).powi(2) && r2 < (2.0 * fwhm).powi(2) {
                excess += f64::from(at(i as i32, j as i32));
            }
        }
    }
    if !(excess > config.extended_excess * point.flux) {
        return None;
    }
    let half = config.extended_pixels_max;
    let (mut t, ..) = Template::window(middle, half, w as usize, h as usize);
    // The parent's light less this peak's own point. The others stay in: across the peak there is
    // nothing of them, so the smaller of the two pixels is free of them, while their points, fitted
    // before this profile is known, would take some of it away.
    let mut own: Vec<f32> = (t.y0..t.y0 + t.height)
        .flat_map(|j| blend.pixels.row(j)[t.columns()].iter().copied())
        .collect();
    for (row, values) in core.rows() {
        for (x, v) in core.columns().zip(values) {
            if let Some(k) = t.index(x, row) {
                own[k] -= v;
            }
        }
    }
    let (x0, y0) = (t.x0 as i32, t.y0 as i32);
    let (x1, y1) = (x0 + t.width as i32, y0 + t.height as i32);
    // The smaller of each pixel and its partner; nothing where the partner is not in the window.
    let width = t.width;
    let mut smaller = vec![0.0f32; own.len()];
    let (low, high) = ((tx - x1 + 1).clamp(x0, x1), (tx - x0 + 1).clamp(x0, x1));
    for j in y0.max(ty - y1 + 1)..y1.min(ty - y0 + 1) {
        if low >= high {
            break;
        }
        let here = (j - y0) as usize * width;
        let there = (ty - j - y0) as usize * width;
        let columns = (low - x0) as usize..(high - x0) as usize;
        // The partners' columns run the other way.
        let partners = (tx - high + 1 - x0) as usize..(tx - low + 1 - x0) as usize;
        let to = &mut smaller[here + columns.start..here + columns.end];
        let from = &own[here + columns.start..here + columns.end];
        let across = &own[there + partners.start..there + partners.end];
        for ((to, a), b) in to.iter_mut().zip(from).zip(across.iter().rev()) {
            *to = a.min(*b);
        }
    }
    // Smoothed over 3 x 3 pixels, so that noise is not a template; beyond the window there is nothing,
    // beyond the blend there are no pixels.
    let mut along = vec![0.0f32; own.len()];
    for (to, row) in along.chunks_exact_mut(width.max(1)).zip(smaller.chunks_exact(width.max(1))) {
        to.copy_from_slice(row);
        to[1..].iter_mut().zip(row).for_each(|(to, v)| *to += v);
        to.iter_mut().zip(&row[1..]).for_each(|(to, v)| *to += v);
    }
    let pixels = |v: i32, n: i32| ((v + 1).min(n - 1) - (v - 1).max(0) + 1) as f32;
    let wide: Vec<f32> = (x0..x1).map(|x| pixels(x, w)).collect();
    let mut values = vec![0.0f32; own.len()];
    for (j, to) in values.chunks_exact_mut(width.max(1)).enumerate() {
        for l in j.saturating_sub(1)..(j + 2).min(t.height) {
            let row = &along[l * width..(l + 1) * width];
            to.iter_mut().zip(row).for_each(|(to, v)| *to += v);
        }
        let high = pixels(y0 + j as i32, h);
        for (to, wide) in to.iter_mut().zip(&wide) {
            *to = (*to / (high * wide)).max(0.0);
        }
    }
    t.values = values;
    Some(t)
}

/// The templates of all points; extended ones where the residual asks for them.
pub fn templates(
    blend: &Blend,
    residual: &[f32],
    (points, peaks): (&[Point], &[Peak]),
    sampler: &PsfSampler,
    config: &DeblendConfig,
    allow_extended: bool,
    scratch: &mut Scratch,
) -> (Vec<Template>, bool) {
    let mut any_extended = false;
    let out = points
        .iter()
        .zip(peaks)
        .enumerate()
        .map(|(k, (p, peak))| {
            if !p.valid {
                return Template::default();
            }
            let point = point_template(blend, (k, p, peak), sampler, scratch);
            let extended = allow_extended
                .then(|| {
                    symmetric_excess(blend, residual, (p, &point), sampler.fwhm_pixels(), config)
                })
                .flatten();
            let Some(mut t) = extended else { return point };
            any_extended = true;
            // The extended window is centred on the same pixel; add the point where both are.
            for (row, values) in point.rows() {
                for (x, v) in point.columns().zip(values) {
                    if let Some(k) = t.index(x, row) {
                        t.values[k] += v;
                    }
                }
            }
            t
        })
        .collect();
    (out, any_extended)
}

/// Amplitudes of the templates by least squares (sweeps, never negative), applied to them.
pub fn scale_templates(blend: &Blend, templates: &mut [Template], sweeps: usize) {
    let w = blend.bbox.width;
    let mut residual = blend.pixels.data().to_vec();
    let subtract = |residual: &mut [f32], t: &Template, a: f32| {
        for (row, values) in t.rows() {
            let at = row * w + t.x0;
            for (r, v) in residual[at..at + t.width].iter_mut().zip(values) {
                *r -= a * v;
            }
        }
    };
    for t in templates.iter() {
        subtract(&mut residual, t, 1.0);
    }
    let mut amplitudes = vec![1.0f32; templates.len()];
    for _ in 0..sweeps {
        for (t, a) in templates.iter().zip(&mut amplitudes) {
            let (mut tt, mut tr) = (0.0f64, 0.0f64);
            for (row, values) in t.rows() {
                let at = row * w + t.x0;
                let data = residual[at..at + t.width].iter().zip(&blend.weight.data()[at..]);
                for ((&r, &weight), &v) in data.zip(values) {
                    let wv = f64::from(weight * v);
                    tt += wv * f64::from(v);
                    tr += wv * f64::from(r);
                }
            }
            let change = if tt > 0.0 { (tr / tt) as f32 } else { 0.0 };
            let new = (*a + change).max(1e-3);
            if new.is_finite() {
                subtract(&mut residual, t, new - *a);
                *a = new;
            }
        }
    }
    for (t, a) in templates.iter_mut().zip(amplitudes) {
        t.values.iter_mut().for_each(|v| *v *= a);
    }
}
