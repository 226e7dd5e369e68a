//! Drawing stars and galaxies into an image, electrons.
//!
//! An object is drawn where it matters: a star out to where its light is below a fiftieth of the sky's
//! noise or 2e-5 of it remain, a Gaussian of a galaxy likewise; what is drawn is scaled so that its
//! sum is the whole flux (so a star's core is too bright by 0.02 mmag at most). Bands of rows are drawn side by side, each with its objects in the order
//! given, so the sums are the same on any number of threads.

use crate::profile::{DE_VAUCOULEURS, EXPONENTIAL, Moffat, Shape};
use elqui_image::Image;
use rayon::prelude::*;

/// Rows of a band.
const BAND_ROWS: usize = 64;
/// Squared-alpha distance, plus one, that a star is drawn to at least: 1 / t^2 of it lies beyond.
const STAR_T_MIN: f64 = 230.0;
/// Longest reach of a star, pixels.
const REACH_MAX_PX: f64 = 600.0;
/// ln(peak / edge) of a Gaussian at most: 1e-4 of it lies beyond.
const GAUSSIAN_DEPTH_MAX: f64 = 9.2;

/// A galaxy as it would look without the atmosphere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GalaxyShape {
    pub radius_px: f64,
    pub axis_ratio: f64,
    /// From the x axis, radians.
    pub angle: f64,
    /// de Vaucouleurs (n = 4) instead of exponential (n = 1).
    pub bulge: bool,
}

struct Gaussian {
    peak: f64,
    inverse: Shape,
    depth: f64,
}

enum Light {
    Star { peak: f64, inverse: Shape, reach_u: f64 },
    Galaxy(Vec<Gaussian>),
}

/// An object made ready to be drawn.
pub struct Stamp {
    x: f64,
    y: f64,
    reach_y: f64,
    light: Light,
}

impl Stamp {
    /// `noise_e` is the sky's noise of one pixel.
    pub fn star(x: f64, y: f64, flux_e: f64, psf: &Moffat, noise_e: f64) -> Self {
        let peak = flux_e * psf.peak();
        let t_faint = (peak / (0.02 * noise_e).max(1e-6)).cbrt();
        let largest = psf.alpha2.xx.max(psf.alpha2.yy);
        let t_max = 1.0 + REACH_MAX_PX * REACH_MAX_PX / largest;
        let t = t_faint.max(STAR_T_MIN).min(t_max);
        let reach_u = t - 1.0;
        Self {
            x,
            y,
            reach_y: (reach_u * psf.alpha2.yy).sqrt(),
            light: Light::Star {
                peak: peak / (1.0 - 1.0 / (t * t)),
                inverse: psf.alpha2.inverse(),
                reach_u,
            },
        }
    }

    pub fn galaxy(
        x: f64,
        y: f64,
        flux_e: f64,
        shape: &GalaxyShape,
        psf: &Moffat,
        noise_e: f64,
    ) -> Self {
        let edge = (0.02 * noise_e).max(1e-6);
        let list: &[(f64, f64)] = if shape.bulge { &DE_VAUCOULEURS } else { &EXPONENTIAL };
        let blur = Moffat::gaussians();
        let unit = Shape::ellipse(1.0, shape.axis_ratio, shape.angle);
        let alpha = psf.alpha2.determinant().powf(0.25);
        let (mut parts, mut kept) = (Vec::new(), 0.0);
        for &(width, fraction) in list {
            let sigma = width * shape.radius_px;
            // A wide component is blurred by the PSF's second moment alone.
            let wide = sigma * shape.axis_ratio > 3.0 * alpha;
            let single = [(0.5, 1.0)];
            for &(m, w) in if wide { &single[..] } else { &blur[..] } {
                let moments = unit.scaled(sigma * sigma).plus(psf.alpha2.scaled(m));
                let flux = flux_e * fraction * w;
                let peak = flux / (std::f64::consts::TAU * moments.determinant().sqrt());
                let depth = (peak / edge).ln().min(GAUSSIAN_DEPTH_MAX);
                if depth < 0.7 {
                    continue;
                }
                kept += fraction * w;
                parts.push((peak / (1.0 - (-depth).exp()), moments, depth));
            }
        }
        if kept < 0.5 {
            // Too faint to be seen at all: keep its light, as a point.
            return Self::star(x, y, flux_e, psf, noise_e);
        }
        let reach_y = parts.iter().map(|(_, s, d)| (2.0 * d * s.yy).sqrt()).fold(0.0, f64::max);
        let gaussians = parts
            .into_iter()
            .map(|(peak, moments, depth)| Gaussian {
                peak: peak / kept,
                inverse: moments.inverse(),
                depth,
            })
            .collect();
        Self { x, y, reach_y, light: Light::Galaxy(gaussians) }
    }

    fn draw_row(&self, row: &mut [f32], y: usize) {
        let dy = y as f64 - self.y;
        match &self.light {
            Light::Star { peak, inverse, reach_u } => {
                let Some((from, to)) = self.span(inverse, *reach_u, dy, row.len()) else { return };
                let (a, b) = (inverse.xx as f32, (2.0 * inverse.xy * dy) as f32);
                let c = (1.0 + inverse.yy * dy * dy) as f32;
                let (start, peak) = ((from as f64 - self.x) as f32, *peak as f32);
                for (i, v) in row[from..to].iter_mut().enumerate() {
                    let dx = start + i as f32;
                    let t = c + dx * (a * dx + b);
                    *v += peak / (t * t * t);
                }
            }
            Light::Galaxy(parts) => {
                for part in parts {
                    self.draw_gaussian_row(part, row, dy);
                }
            }
        }
    }

    /// One row by recurrence: g(x + 1) = g(x) r(x), r(x + 1) = r(x) q.
    fn draw_gaussian_row(&self, part: &Gaussian, row: &mut [f32], dy: f64) {
        let s = &part.inverse;
        let Some((from, to)) = self.span(s, 2.0 * part.depth, dy, row.len()) else { return };
        let dx = from as f64 - self.x;
        let mut g =
            part.peak * (-0.5 * (s.xx * dx * dx + 2.0 * s.xy * dx * dy + s.yy * dy * dy)).exp();
        let mut r = (-0.5 * (s.xx * (2.0 * dx + 1.0) + 2.0 * s.xy * dy)).exp();
        let q = (-s.xx).exp();
        for v in &mut row[from..to] {
            *v += g as f32;
            g *= r;
            r *= q;
        }
    }

    /// Columns of this row where the quadratic form is below `limit`.
    fn span(&self, s: &Shape, limit: f64, dy: f64, width: usize) -> Option<(usize, usize)> {
        let rest = limit - (s.yy - s.xy * s.xy / s.xx) * dy * dy;
        if rest <= 0.0 {
            return None;
        }
        let (centre, half) = (self.x - s.xy * dy / s.xx, (rest / s.xx).sqrt());
        let from = (centre - half).ceil().max(0.0);
        let to = ((centre + half).floor() + 1.0).min(width as f64);
        (from < to).then_some((from as usize, to as usize))
    }
}

/// Add the objects to the image.
pub fn draw(image: &mut Image<f32>, stamps: &[Stamp]) {
    let (width, height) = (image.width(), image.height());
    let bands = height.div_ceil(BAND_ROWS);
    let mut lists: Vec<Vec<usize>> = vec![Vec::new(); bands];
    for (k, stamp) in stamps.iter().enumerate() {
        let (low, high) = (stamp.y - stamp.reach_y, stamp.y + stamp.reach_y);
        if high < 0.0 || low > height as f64 - 1.0 || !low.is_finite() {
            continue;
        }
        let first = low.max(0.0) as usize / BAND_ROWS;
        let last = (high as usize).min(height - 1) / BAND_ROWS;
        lists[first..=last].iter_mut().for_each(|list| list.push(k));
    }
    image.data_mut().par_chunks_mut(width * BAND_ROWS).zip(lists).enumerate().for_each(
        |(band, (pixels, list))| {
            let y0 = band * BAND_ROWS;
            for k in list {
                let stamp = &stamps[k];
                let rows = pixels.len() / width;
                let first = ((stamp.y - stamp.reach_y).floor() - y0 as f64).max(0.0) as usize;
                let end = ((stamp.y + stamp.reach_y).ceil() - y0 as f64 + 1.0).max(0.0) as usize;
                for r in first..end.min(rows) {
                    stamp.draw_row(&mut pixels[r * width..(r + 1) * width], y0 + r);
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(stamp: Stamp) -> (f64, f64, f64) {
        let mut image = Image::filled(401, 401, 0.0f32);
        draw(&mut image, &[stamp]);
        let (mut s, mut sx, mut sy) = (0.0, 0.0, 0.0);
        for y in 0..401 {
            for x in 0..401 {
                let v = f64::from(image.at(x, y));
                s += v;
                sx += v * x as f64;
                sy += v * y as f64;
            }
        }
        (s, sx / s, sy / s)
    }

    #[test]
    fn drawn_light_is_the_flux() {
        let psf = Moffat::new(3.2, 0.1, 0.6);
        for flux in [300.0, 1e4, 3e6] {
            let (s, x, y) = sum(Stamp::star(200.3, 199.8, flux, &psf, 20.0));
            assert!((s / flux - 1.0).abs() < 1e-3, "star of {flux}: {s}");
            assert!((x - 200.3).abs() < 2e-3 && (y - 199.8).abs() < 2e-3, "{x} {y}");
            for bulge in [false, true] {
                let shape = GalaxyShape { radius_px: 4.0, axis_ratio: 0.3, angle: 1.1, bulge };
                let (s, x, y) = sum(Stamp::galaxy(200.3, 199.8, flux, &shape, &psf, 20.0));
                assert!((s / flux - 1.0).abs() < 2e-3, "galaxy of {flux}, {bulge}: {s}");
                assert!((x - 200.3).abs() < 0.01 && (y - 199.8).abs() < 0.01, "{x} {y}");
            }
        }
    }

    #[test]
    fn a_point_like_galaxy_is_a_star() {
        let psf = Moffat::new(3.5, 0.0, 0.0);
        let shape = GalaxyShape { radius_px: 0.02, axis_ratio: 1.0, angle: 0.0, bulge: false };
        let mut a = Image::filled(41, 41, 0.0f32);
        let mut b = a.clone();
        draw(&mut a, &[Stamp::star(20.0, 20.0, 1e5, &psf, 1.0)]);
        draw(&mut b, &[Stamp::galaxy(20.0, 20.0, 1e5, &shape, &psf, 1.0)]);
        for (x, y) in [(20, 20), (22, 20), (18, 23)] {
            let ratio = b.at(x, y) / a.at(x, y);
            assert!((ratio - 1.0).abs() < 0.03, "({x}, {y}): {ratio}");
        }
    }
}
