//! One source, measured: a row of the table.

use crate::config::MeasurementConfig;
use crate::extra::{Extra, Known};
use crate::joint::Member;
use crate::kron::{self, Shape};
use crate::psf_fit::{Scratch, fit_position, flux_at};
use crate::psf_shape::{PsfShape, PsfShapes};
use crate::spread::spread;
use crate::stamp::{DETECTED, EMPTY, Scene, Stamp, UNUSABLE};
use elqui_image::{
    Footprint, HeavyFootprint, MaskPlane, PsfSampler, adaptive_moments, aperture_sums,
};

/// Radii of the apertures, pixels; the columns' names carry them.
const RADII: [f64; 5] = [3.0, 6.0, 9.0, 12.0, 17.0];
/// The apertures' flag is of those up to the calibration's.
const RADIUS_FLAGGED_MAX: f64 = 12.0;

/// A centroid may move this far while the moments adapt, pixels.
const MOMENTS_SHIFT_MAX: f64 = 2.0;
/// Part of the PSF's light that may be lost before the flux is flagged.
const PSF_LOSS_MAX: f64 = 0.1;

/// What all sources of a frame share.
pub struct Tools<'a> {
    pub scene: Scene<'a>,
    pub config: &'a MeasurementConfig,
    pub sampler: Option<&'a PsfSampler>,
    /// A wider one, for sources that are fitted together.
    pub wide: Option<&'a PsfSampler>,
    pub shapes: Option<&'a PsfShapes>,
    pub gain: f64,
}

/// One source to measure.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub parent: usize,
    pub footprint: &'a Footprint,
    pub child: Option<&'a HeavyFootprint>,
}

/// What was measured of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) x_err: f64,
    pub(crate) y_err: f64,
    pub(crate) centroid_flag: bool,
    pub(crate) psf_flux: [f64; 2],
    pub(crate) psf_flag: bool,
    pub(crate) spread: [f64; 2],
    pub(crate) apertures: [[f64; 2]; 5],
    pub(crate) aperture_flag: bool,
    pub(crate) kron: [f64; 2],
    pub(crate) kron_radius: f64,
    pub(crate) kron_flag: bool,
    pub(crate) shape: Option<Shape>,
    pub(crate) shape_psf: Option<Shape>,
    pub(crate) sky: [f64; 2],
    pub(crate) snr: f32,
    pub(crate) bits: u32,
    pub(crate) bits_center: u32,
    pub(crate) at_border: bool,
    pub(crate) off_image: bool,
    /// Windowed centroid, errors of the moments, model fits.
    pub extra: Extra,
}

impl Row {
    fn failed(x: f64, y: f64, snr: f32) -> Self {
        Self {
            x,
            y,
            x_err: f64::NAN,
            y_err: f64::NAN,
            centroid_flag: true,
            psf_flux: [f64::NAN; 2],
            psf_flag: true,
            spread: [f64::NAN; 2],
            apertures: [[f64::NAN; 2]; 5],
            aperture_flag: true,
            kron: [f64::NAN; 2],
            kron_radius: f64::NAN,
            kron_flag: true,
            shape: None,
            shape_psf: None,
            sky: [f64::NAN; 2],
            snr,
            bits: 0,
            bits_center: 0,
            at_border: false,
            off_image: true,
            extra: Extra::NONE,
        }
    }

    /// Where a fit together with its neighbours starts; `None` when it is no source to fit.
    pub fn member(&self) -> Option<Member> {
        let [flux, flux_err] = self.psf_flux;
        let good = !self.off_image
            && self.x.is_finite()
            && self.y.is_finite()
            && flux.is_finite()
            && flux_err > 0.0
            && self.bits_center & MaskPlane::Sat.bit() == 0;
        let (x_err, y_err) = (self.x_err, self.y_err);
        good.then_some(Member { x: self.x, y: self.y, flux, x_err, y_err, flux_err })
    }

    /// Whether the light is seen to be wider than the PSF.
    pub fn is_wide(&self) -> bool {
        let [spread, err] = self.spread;
        spread > 0.1 && spread > 3.0 * err
    }

    /// Take over what the fit together with the neighbours found.
    pub fn set_member(&mut self, m: &Member) {
        (self.x, self.y, self.x_err, self.y_err) = (m.x, m.y, m.x_err, m.y_err);
        self.psf_flux = [m.flux, m.flux_err];
        self.centroid_flag = false;
    }

    /// What the model fits start from; `None` off the image.
    pub fn known(&self) -> Option<Known> {
        let moments = |s: Option<Shape>| s.map(|s| [s.ixx, s.iyy, s.ixy]);
        (!self.off_image).then_some(Known {
            x: self.x,
            y: self.y,
            psf_flux: self.psf_flux[0],
            moments: moments(self.shape),
            psf_moments: moments(self.shape_psf),
        })
    }
}

/// Where the search for the centroid starts: the brightest peak, else the middle of the spans.
fn start(footprint: &Footprint) -> (f64, f64, f32) {
    if let Some(p) = footprint.peaks.first()
        && p.x.is_finite()
        && p.y.is_finite()
    {
        return (f64::from(p.x), f64::from(p.y), p.snr);
    }
    let snr = footprint.peaks.first().map_or(f32::NAN, |p| p.snr);
    if footprint.spans.is_empty() {
        return (f64::NAN, f64::NAN, snr);
    }
    let b = footprint.bbox();
    let mid = |first: i32, n: usize| f64::from(first) + 0.5 * (n as f64 - 1.0);
    (mid(b.x0, b.width), mid(b.y0, b.height), snr)
}

impl Tools<'_> {
    pub fn measure(&self, target: &Target<'_>, scratch: &mut Scratch) -> Row {
        let (x, y, snr) = start(target.footprint);
        let mut row = Row::failed(x, y, snr);
        let exposure = self.scene.exposure;
        self.footprint_flags(target.footprint, &mut row);
        let (w, h) = (exposure.width() as f64, exposure.height() as f64);
        row.off_image = !(x > -0.5 && y > -0.5 && x < w - 0.5 && y < h - 0.5);
        if row.off_image {
            return row;
        }
        let half = (self.config.sky_outer_pixels.max(RADII[4] + 3.0).ceil() as i32).min(500);
        let middle = (x.round() as i32, y.round() as i32);
        let mut stamp = std::mem::take(&mut scratch.stamp);
        if self.scene.cut(middle, half, target.parent, target.child, &mut stamp) {
            self.measure_on(&mut stamp, half, target, &mut row, scratch);
        }
        scratch.stamp = stamp;
        row
    }

    fn measure_on(
        &self,
        stamp: &mut Stamp,
        half: i32,
        target: &Target<'_>,
        row: &mut Row,
        scratch: &mut Scratch,
    ) {
        let (x, y) = (row.x, row.y);
        let middle = (x.round() as i32, y.round() as i32);
        let psf_shape = self.shapes.map(|s| s.at(x, y));
        row.shape_psf = psf_shape.map(|s| s.shape);
        self.position(stamp, row, scratch);
        self.center_flags(row);
        self.moments(stamp, psf_shape, row);
        let moments = row.shape.map(|s| [s.ixx, s.iyy, s.ixy]);
        let sigma = psf_shape.map_or(1.5, |p| p.shape.sigma());
        row.extra.cheap(stamp, (row.x, row.y), moments, sigma);
        self.psf_flux(stamp, row, scratch);
        self.apertures(stamp, row);
        self.sky(stamp, row, scratch);
        // A source that is larger than the stamp is given a larger one.
        if let Some(shape) = row.shape {
            let reach = (self.config.kron_extent_sigma * shape.sigma_major()).ceil() + 3.0;
            let reach = reach.min(self.config.kron_semi_major_pixels_max) as i32;
            if reach > half {
                self.scene.cut(middle, reach, target.parent, target.child, stamp);
            }
        }
        self.kron(stamp, psf_shape, row);
    }

    fn position(&self, stamp: &Stamp, row: &mut Row, scratch: &mut Scratch) {
        let Some(sampler) = self.sampler else { return };
        let limit = self.config.centroid_shift_pixels_max;
        let fit = fit_position(stamp, sampler, (row.x, row.y), limit, self.gain, scratch);
        let (w, h) = (self.scene.exposure.width() as f64, self.scene.exposure.height() as f64);
        let inside = fit.x > -0.5 && fit.y > -0.5 && fit.x < w - 0.5 && fit.y < h - 0.5;
        if fit.converged && inside {
            (row.x, row.y, row.x_err, row.y_err) = (fit.x, fit.y, fit.x_err, fit.y_err);
            row.centroid_flag = false;
        }
    }

    /// Adaptive moments, which also stand in for a centroid that did not converge (still flagged).
    fn moments(&self, stamp: &Stamp, psf: Option<PsfShape>, row: &mut Row) {
        let sigma = psf.map_or(1.5, |p| p.shape.sigma()).max(0.5);
        let (x0, y0) = (f64::from(stamp.x0), f64::from(stamp.y0));
        let m = adaptive_moments(
            &stamp.image,
            &stamp.mask,
            EMPTY,
            (row.x - x0, row.y - y0),
            sigma,
            MOMENTS_SHIFT_MAX,
            0.5 * stamp.image.width() as f64,
        );
        let shape = Shape { ixx: m.ixx, iyy: m.iyy, ixy: m.ixy };
        if m.failed || !shape.is_valid() {
            return;
        }
        row.shape = Some(shape);
        if row.centroid_flag {
            (row.x, row.y) = (m.x + x0, m.y + y0);
        }
    }

    fn psf_flux(&self, stamp: &Stamp, row: &mut Row, scratch: &mut Scratch) {
        let Some(sampler) = self.sampler else { return };
        let f = flux_at(stamp, sampler, (row.x, row.y), scratch);
        row.psf_flux = [f.flux, f.flux_err];
        row.psf_flag = !(f.flux.is_finite() && f.flux_err.is_finite()) || f.lost > PSF_LOSS_MAX;
        let area = row.shape_psf.map_or(f64::NAN, |s| s.ixx + s.iyy);
        row.spread = spread(&scratch.under, &scratch.drawn[0], area, &mut scratch.spread);
    }

    fn apertures(&self, stamp: &Stamp, row: &mut Row) {
        let center = (row.x - f64::from(stamp.x0), row.y - f64::from(stamp.y0));
        let sums = aperture_sums(&stamp.image, &stamp.variance, &stamp.mask, EMPTY, center, RADII);
        row.aperture_flag = false;
        for ((sum, r), out) in sums.iter().zip(RADII).zip(&mut row.apertures) {
            let total = std::f64::consts::PI * r * r;
            if sum.area > 0.0 {
                *out = [sum.flux, sum.variance.max(0.0).sqrt()];
            }
            let bad = !(sum.area_lost <= self.config.aperture_loss_max * total)
                || !out[0].is_finite()
                || !out[1].is_finite();
            row.aperture_flag |= bad && r <= RADIUS_FLAGGED_MAX;
        }
    }

    /// Median of the pixels about the source that belong to no detection (every second one).
    fn sky(&self, stamp: &Stamp, row: &mut Row, scratch: &mut Scratch) {
        let values = &mut scratch.values;
        values.clear();
        let mut variance = 0.0;
        let (inner, outer) = (self.config.sky_inner_pixels, self.config.sky_outer_pixels);
        let (cx, cy) = (row.x - f64::from(stamp.x0), row.y - f64::from(stamp.y0));
        for j in 0..stamp.image.height() {
            let dy = j as f64 - cy;
            let (image, var, bits) = (stamp.image.row(j), stamp.variance.row(j), stamp.mask.row(j));
            let reach = (outer * outer - dy * dy).max(0.0).sqrt();
            let i0 = (cx - reach).ceil().max(0.0) as usize;
            let i1 = ((cx + reach + 1.0).clamp(0.0, image.len() as f64)) as usize;
            let mut visit = |from: usize, to: usize| {
                for i in (from + (from + j) % 2..to).step_by(2) {
                    let dx = i as f64 - cx;
                    if dx * dx + dy * dy >= inner * inner && bits[i] & (UNUSABLE | DETECTED) == 0 {
                        values.push(image[i]);
                        variance += f64::from(var[i]);
                    }
                }
            };
            // Most rows have a hole in the middle.
            let hole = (inner * inner - dy * dy).max(0.0).sqrt();
            if hole < 2.0 {
                visit(i0, i1);
            } else {
                visit(i0, i1.min((cx - hole + 1.0).max(0.0) as usize));
                visit(i0.max((cx + hole).max(0.0) as usize), i1);
            }
        }
        let n = values.len() as f64;
        if n >= 10.0 {
            // The median's scatter is sqrt(pi / 2) times the mean's.
            row.sky = [f64::from(elqui_base::median_f32(values)), 1.2533 * variance.sqrt() / n];
        }
    }

    fn kron(&self, stamp: &Stamp, psf: Option<PsfShape>, row: &mut Row) {
        let fallback = row.shape.is_none();
        let Some(shape) = row.shape.or(psf.map(|p| p.shape)) else { return };
        if !shape.is_valid() {
            return;
        }
        let center = (row.x, row.y);
        let r = kron::radius(stamp, center, &shape, self.config.kron_extent_sigma);
        let least = psf.map_or(1.2533 * shape.sigma(), |p| p.kron_radius);
        let major = shape.sigma_major() / shape.sigma();
        let most = self.config.kron_semi_major_pixels_max / (self.config.kron_factor * major);
        let no_radius = r.is_nan();
        let r = if no_radius { least } else { r.max(least) };
        let k =
            kron::flux(stamp, center, &shape, self.config.kron_factor * r.min(most), r.min(most));
        row.kron = [k.flux, k.variance.max(0.0).sqrt()];
        row.kron_radius = k.radius;
        // The border's linear coverage makes an area that is right to a percent for small ellipses.
        row.kron_flag = fallback || r > most || !(k.lost < 0.02) || !k.flux.is_finite();
    }

    fn footprint_flags(&self, footprint: &Footprint, row: &mut Row) {
        let mask = &self.scene.exposure.mask;
        let (w, h) = (mask.width() as i32, mask.height() as i32);
        for s in &footprint.spans {
            let (x0, x1) = (s.x0.max(0), s.x1.min(w - 1));
            if s.y < 0 || s.y >= h || x0 > x1 {
                continue;
            }
            let bits = &mask.row(s.y as usize)[x0 as usize..=x1 as usize];
            row.bits |= bits.iter().fold(0, |a, b| a | b);
            row.at_border |= s.y == 0 || s.y == h - 1 || x0 == 0 || x1 == w - 1;
        }
    }

    fn center_flags(&self, row: &mut Row) {
        let (x, y) = (row.x.round() as i32, row.y.round() as i32);
        for j in y - 1..=y + 1 {
            for i in x - 1..=x + 1 {
                row.bits_center |= self.scene.exposure.mask.get(i, j).unwrap_or(0);
            }
        }
    }
}
