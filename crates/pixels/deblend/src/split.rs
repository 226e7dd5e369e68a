//! The split itself: one parent, or all of a frame's.

use crate::blend::Blend;
use crate::config::DeblendConfig;
use crate::fit::{Point, Scratch, fit_points};
use crate::template::{scale_templates, templates};
use crate::twins::{self, Excess, PsfMoments, Spot, Window};
use elqui_image::{Footprint, HeavyFootprint, Image, Mask, MaskPlane, Peak, PsfModel, PsfSampler};
use rayon::prelude::*;

/// Points that a fit brings closer than this are one, PSF FWHM.
const SEPARATION_MIN: f64 = 0.5;

/// The children of one parent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Deblended {
    /// One a peak, in the order of the parent's peaks, then what was found to be a second star under one
    /// of them; empty when the parent is a single source.
    pub children: Vec<HeavyFootprint>,
    /// The blend was too large and a cheaper method split it: points only, at their peaks.
    pub simplified: bool,
    /// Peaks of the parent, second stars counted.
    pub n_peaks: usize,
    /// For each child, the part of the light about its centre that is its neighbours': 0 alone, near 1
    /// under a much brighter one.
    pub blendedness: Vec<f32>,
}

/// Split one parent.
pub fn deblend(
    image: &Image<f32>,
    mask: &Mask,
    footprint: &Footprint,
    psf: &PsfModel,
    config: &DeblendConfig,
) -> Deblended {
    let tools = Tools::new(psf, image, mask, config);
    tools.split(footprint, &mut Memory::default())
}

/// Split every parent of a frame, in order.
pub fn deblend_all(
    image: &Image<f32>,
    mask: &Mask,
    footprints: &[Footprint],
    psf: &PsfModel,
    config: &DeblendConfig,
) -> Vec<Deblended> {
    let tools = Tools::new(psf, image, mask, config);
    footprints
        .par_iter()
        .with_min_len(16)
        .map_init(Memory::default, |memory, f| tools.split(f, memory))
        .collect()
}

/// What one thread keeps from parent to parent.
#[derive(Default)]
struct Memory {
    fit: Scratch,
    twins: twins::Scratch,
}

/// What all parents of a frame share: the PSF tabulated narrowly for the fits and widely for the
/// templates.
struct Tools<'a> {
    image: &'a Image<f32>,
    mask: &'a Mask,
    config: &'a DeblendConfig,
    fit: PsfSampler,
    template: PsfSampler,
    moments: PsfMoments,
}

impl<'a> Tools<'a> {
    fn new(
        psf: &PsfModel,
        image: &'a Image<f32>,
        mask: &'a Mask,
        config: &'a DeblendConfig,
    ) -> Self {
        let half = |fwhms: f64| {
            let h = (fwhms * psf.fwhm_pixels).ceil();
            if h.is_finite() { h.clamp(3.0, 60.0) as usize } else { 6 }
        };
        let template = PsfSampler::new(psf, half(config.template_fwhm));
        let moments = PsfMoments::new(&template, image.width(), image.height());
        let fit = PsfSampler::new(psf, half(config.fit_fwhm));
        Self { image, mask, config, fit, template, moments }
    }

    fn split(&self, footprint: &Footprint, memory: &mut Memory) -> Deblended {
        let config = self.config;
        let n_peaks = footprint.peaks.len();
        if n_peaks == 0 || (n_peaks == 1 && !self.is_long(footprint, memory)) {
            return Deblended { n_peaks, ..Deblended::default() };
        }
        let simplified = n_peaks > config.peaks_max || footprint.area() > config.area_pixels_max;
        let Some(blend) = Blend::cut(self.image, self.mask, footprint) else {
            let children = footprint.peaks.iter().map(|&p| empty(p)).collect();
            let blendedness = vec![f32::NAN; n_peaks];
            return Deblended { children, simplified, n_peaks, blendedness };
        };
        let mut peaks = footprint.peaks.clone();
        let mut points: Vec<Point> = peaks.iter().map(|p| Point::new(&blend, p)).collect();
        let effort = if simplified { (4, false) } else { (config.sweeps, true) };
        let mut residual = Vec::new();
        if n_peaks > 1 {
            residual = fit_points(&blend, &mut points, &self.fit, config, effort, &mut memory.fit);
        }
        if !simplified && self.find_twins(&blend, &residual, &mut points, &mut peaks, memory) {
            residual = fit_points(&blend, &mut points, &self.fit, config, effort, &mut memory.fit);
            if self.merge_twins(n_peaks, &mut points, &mut peaks) {
                let fit = &mut memory.fit;
                residual = fit_points(&blend, &mut points, &self.fit, config, effort, fit);
            }
        }
        let n_peaks = peaks.len();
        if n_peaks == 1 {
            return Deblended { n_peaks, ..Deblended::default() };
        }
        let (mut profiles, any_extended) = templates(
            &blend,
            &residual,
            (&points, &peaks),
            &self.template,
            config,
            !simplified,
            &mut memory.fit,
        );
        if any_extended {
            scale_templates(&blend, &mut profiles, 3);
        }
        for (peak, p) in peaks.iter_mut().zip(&points).filter(|(_, p)| p.valid) {
            peak.x = (p.x + f64::from(blend.bbox.x0)) as f32;
            peak.y = (p.y + f64::from(blend.bbox.y0)) as f32;
        }
        let children = crate::share::share(&blend, &profiles, &peaks);
        let blendedness = crate::blendedness::blendedness(&blend, &profiles);
        Deblended { children, simplified, n_peaks, blendedness }
    }

    /// Whether a single peak's light is longer than the PSF: seen on the frame itself, as most are not.
    fn is_long(&self, footprint: &Footprint, memory: &mut Memory) -> bool {
        let peak = footprint.peaks[0];
        if !(f64::from(peak.snr) >= self.config.twins_snr_min) {
            return false;
        }
        let window = &mut memory.twins.window;
        let half = twins::window_half(self.template.fwhm_pixels()) as i32;
        window.side = (2 * half + 1) as usize;
        (window.x0, window.y0) = (peak.x.round() as i32 - half, peak.y.round() as i32 - half);
        window.data.clear();
        window.weight.clear();
        for y in window.y0..=window.y0 + 2 * half {
            for x in window.x0..=window.x0 + 2 * half {
                let v = self.image.get(x, y).unwrap_or(f32::NAN);
                let bits = self.mask.get(x, y).unwrap_or(u32::MAX);
                let good = v.is_finite() && bits & MaskPlane::unusable() == 0;
                window.data.push(if good { v } else { 0.0 });
                window.weight.push(if good { 1.0 } else { 0.0 });
            }
        }
        self.elongation(peak, &memory.twins.window).is_some()
    }

    fn elongation(&self, peak: Peak, window: &Window) -> Option<Excess> {
        let at = (f64::from(peak.x), f64::from(peak.y));
        let psf = self.moments.at(at.0, at.1);
        // A hole in the middle (saturation) says nothing about two stars.
        let (i, j) = (peak.x.round() as i32 - window.x0, peak.y.round() as i32 - window.y0);
        let side = window.side as i32;
        let whole = (-2..=2).all(|k| {
            (-2..=2).all(|l| {
                let (x, y) = (i + k, j + l);
                let inside = x >= 0 && y >= 0 && x < side && y < side;
                inside && window.weight[(y * side + x) as usize] > 0.0
            })
        });
        let place = (at.0 - f64::from(window.x0), at.1 - f64::from(window.y0));
        let fwhm = self.template.fwhm_pixels();
        whole.then(|| twins::elongation(window, place, f64::from(peak.snr), fwhm, psf)).flatten()
    }

    /// Take back second stars (those from index `first` on) that the fit brought so near to another point
    /// that the two are one; whether there was one.
    fn merge_twins(&self, first: usize, points: &mut Vec<Point>, peaks: &mut Vec<Peak>) -> bool {
        let least = SEPARATION_MIN * self.fit.fwhm_pixels();
        let before = points.len();
        for k in (first..before).rev() {
            let p = points[k];
            let same =
                |(j, o): (usize, &Point)| j != k && o.valid && (p.x - o.x).hypot(p.y - o.y) < least;
            if let Some(j) = points.iter().enumerate().position(same) {
                // The brighter place is the better start for what is now one.
                if points[k].flux > points[j].flux {
                    (points[j], peaks[j]) = (points[k], peaks[k]);
                }
                peaks[j].snr = peaks[j].snr.max(peaks[k].snr);
                points.remove(k);
                peaks.remove(k);
            }
        }
        points.len() < before
    }

    /// Replace points that are two stars by two; whether there was one.
    fn find_twins(
        &self,
        blend: &Blend,
        residual: &[f32],
        points: &mut Vec<Point>,
        peaks: &mut Vec<Peak>,
        memory: &mut Memory,
    ) -> bool {
        let mut any = false;
        for k in 0..points.len() {
            let (point, peak) = (points[k], peaks[k]);
            let snr = f64::from(peak.snr);
            if !point.valid || !(snr >= self.config.twins_snr_min) {
                continue;
            }
            let single = points.len() == 1;
            let data = if single { blend.pixels.data() } else { residual };
            let window = &mut memory.twins.window;
            let half = twins::window_half(self.template.fwhm_pixels());
            fill(window, blend, data, (point.x, point.y), half);
            if !single {
                add_point(window, blend, &point, &self.fit, &mut memory.fit);
            }
            let here = Peak {
                x: (point.x + f64::from(blend.bbox.x0)) as f32,
                y: (point.y + f64::from(blend.bbox.y0)) as f32,
                ..peak
            };
            let Some(excess) = self.elongation(here, &memory.twins.window) else { continue };
            let twins = twins::split_in_two(&excess, snr, &self.template, &mut memory.twins);
            let Some([mut a, mut b]) = twins else { continue };
            if b.flux > a.flux {
                std::mem::swap(&mut a, &mut b);
            }
            let window = &memory.twins.window;
            let whole = a.flux + b.flux;
            let place = |s: Spot| Peak {
                x: (s.x + f64::from(window.x0)) as f32,
                y: (s.y + f64::from(window.y0)) as f32,
                snr: (snr * s.flux / whole) as f32,
            };
            (peaks[k], any) = (place(a), true);
            points[k] = Point::new(blend, &peaks[k]);
            peaks.push(place(b));
            points.push(Point::new(blend, &place(b)));
        }
        any
    }
}

/// The window about (x, y) of the blend's frame.
fn fill(window: &mut Window, blend: &Blend, data: &[f32], (x, y): (f64, f64), half: usize) {
    let half = half as i32;
    let (w, h) = (blend.bbox.width as i32, blend.bbox.height as i32);
    let (x0, y0) = (x.round() as i32 - half, y.round() as i32 - half);
    window.side = (2 * half + 1) as usize;
    (window.x0, window.y0) = (x0 + blend.bbox.x0, y0 + blend.bbox.y0);
    window.data.clear();
    window.weight.clear();
    for j in y0..=y0 + 2 * half {
        for i in x0..=x0 + 2 * half {
            let inside = i >= 0 && j >= 0 && i < w && j < h;
            let k = (j.max(0) * w + i.max(0)) as usize;
            window.data.push(if inside { data[k] } else { 0.0 });
            window.weight.push(if inside { blend.weight.data()[k] } else { 0.0 });
        }
    }
}

/// Put a fitted point's own light back into the window.
fn add_point(
    window: &mut Window,
    blend: &Blend,
    point: &Point,
    sampler: &PsfSampler,
    scratch: &mut Scratch,
) {
    let (x, y) = (point.x + f64::from(blend.bbox.x0), point.y + f64::from(blend.bbox.y0));
    sampler.localise(x, y, &mut scratch.local);
    let mut drawn = Vec::new();
    scratch.local.draw(x, y, &mut drawn);
    let half = scratch.local.half_width() as i32;
    let (mx, my) = scratch.local.middle();
    let side = 2 * half + 1;
    for (k, p) in drawn.iter().enumerate() {
        let (i, j) = (k as i32 % side + mx - half, k as i32 / side + my - half);
        let (i, j) = (i - window.x0, j - window.y0);
        if i >= 0 && j >= 0 && i < window.side as i32 && j < window.side as i32 {
            window.data[j as usize * window.side + i as usize] += point.flux as f32 * p;
        }
    }
}

/// A child whose parent misses the image.
fn empty(peak: Peak) -> HeavyFootprint {
    HeavyFootprint {
        footprint: Footprint { spans: Vec::new(), peaks: vec![peak] },
        bbox: elqui_image::Bbox::default(),
        pixels: Image::filled(0, 0, 0.0),
    }
}
