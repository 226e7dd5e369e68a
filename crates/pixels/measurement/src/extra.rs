//! What is measured of a source beside its position and plain fluxes: windowed centroid, errors of the
//! moments, and the model fits that the configuration asks for.

use crate::config::{MeasurementConfig, ModelFit};
use crate::models::{
    CModel, Gaap, ModelPsf, ModelScratch, Sketch, Start, Trail, View, cmodel, cmodel_after,
    cmodel_reach, gaap, gaap_reach, gaap_total_sigma, sketch, trail, trail_reach,
};
use crate::row::Target;
use crate::stamp::{EMPTY, OTHER, Scene, Stamp, UNUSABLE};
use crate::windowed::{Planes, Windowed, moment_errors, windowed_centroid};
use elqui_image::{Footprint, PsfModel};
use elqui_schema::SourceTable;

/// A windowed centroid may leave the fitted one by this much, pixels.
const WINDOW_SHIFT_MAX: f64 = 2.0;
/// Aperture sigmas, PSF sigmas: the columns' names carry them.
const GAAP_FACTORS: [f64; 3] = [1.0, 1.5, 2.5];

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extra {
    win: Windowed,
    shape_err: [f64; 3],
    gaap: [Gaap; 3],
    cmodel: CModel,
    trail: Trail,
    /// It is measured as a source of its own, and its sketch if that could be made.
    pub is_primary: bool,
    pub sketch: Option<Sketch>,
}

impl Extra {
    pub const NONE: Self = Self {
        win: Windowed::FAILED,
        shape_err: [f64::NAN; 3],
        gaap: [Gaap::FAILED; 3],
        cmodel: CModel::FAILED,
        trail: Trail::FAILED,
        is_primary: false,
        sketch: None,
    };

    /// Windowed centroid and errors of the moments (xx, yy, xy) on the stamp the source is measured on.
    pub fn cheap(&mut self, stamp: &Stamp, at: (f64, f64), moments: Option<[f64; 3]>, sigma: f64) {
        let planes = Planes {
            image: &stamp.image,
            variance: &stamp.variance,
            mask: &stamp.mask,
            reject: EMPTY,
        };
        let (x0, y0) = (f64::from(stamp.x0), f64::from(stamp.y0));
        let start = (at.0 - x0, at.1 - y0);
        let mut sigma = sigma;
        if let Some(m) = moments {
            self.shape_err = moment_errors(&planes, start, m);
            sigma = (m[0] * m[1] - m[2] * m[2]).max(0.0).powf(0.25).max(sigma);
        }
        let w = windowed_centroid(&planes, start, sigma, WINDOW_SHIFT_MAX);
        self.win = Windowed { x: w.x + x0, y: w.y + y0, ..w };
    }

    /// Put it into the table.
    pub fn write(&self, t: &mut SourceTable, k: usize) {
        (t.x_win[k], t.y_win[k]) = (self.win.x, self.win.y);
        (t.x_win_err[k], t.y_win_err[k]) = (self.win.x_err as f32, self.win.y_err as f32);
        t.x_win_flag[k] = self.win.flag;
        [t.ixx_err[k], t.iyy_err[k], t.ixy_err[k]] = self.shape_err.map(|e| e as f32);
        let [a, b, c] = &self.gaap;
        (t.gaap1p0_flux[k], t.gaap1p0_flux_err[k]) = (a.flux, a.flux_err);
        (t.gaap1p5_flux[k], t.gaap1p5_flux_err[k]) = (b.flux, b.flux_err);
        (t.gaap2p5_flux[k], t.gaap2p5_flux_err[k]) = (c.flux, c.flux_err);
        t.gaap_flux_flag[k] = self.gaap.iter().any(|g| g.flag);
        let c = &self.cmodel;
        (t.cmodel_flux[k], t.cmodel_flux_err[k]) = (c.flux, c.flux_err);
        t.cmodel_frac_dev[k] = c.frac_dev as f32;
        t.cmodel_radius[k] = c.radius as f32;
        t.cmodel_axis_ratio[k] = c.axis_ratio as f32;
        t.cmodel_angle[k] = c.angle_deg as f32;
        t.cmodel_chi2[k] = c.chi2 as f32;
        t.cmodel_flux_flag[k] = c.flag;
        let r = &self.trail;
        (t.trail_x[k], t.trail_y[k]) = (r.x, r.y);
        (t.trail_flux[k], t.trail_flux_err[k]) = (r.flux, r.flux_err);
        (t.trail_length[k], t.trail_length_err[k]) = (r.length as f32, r.length_err as f32);
        t.trail_angle[k] = r.angle_deg as f32;
        t.trail_chi2[k] = r.chi2 as f32;
        t.trail_flag[k] = r.flag;
    }
}

/// What is known of a source before its models are fitted.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub x: f64,
    pub y: f64,
    pub psf_flux: f64,
    /// Adaptive moments (xx, yy, xy) of the source and of the PSF, when there are any.
    pub moments: Option<[f64; 3]>,
    pub psf_moments: Option<[f64; 3]>,
}

/// The model fits of a frame.
pub struct Fits<'a> {
    config: &'a MeasurementConfig,
    psf: ModelPsf,
    gaap_sigmas: [f64; 3],
}

impl<'a> Fits<'a> {
    /// `None` when no fit is asked for or there is no PSF.
    pub fn new(psf: Option<&PsfModel>, config: &'a MeasurementConfig) -> Option<Self> {
        if config.fits.is_empty() {
            return None;
        }
        let psf = ModelPsf::new(psf?);
        let relative = GAAP_FACTORS.map(|f| gaap_total_sigma(psf.sigma, f));
        let gaap_sigmas = config.gaap_sigma_pixels.unwrap_or(relative);
        Some(Self { config, psf, gaap_sigmas })
    }

    pub fn asked(&self, fit: ModelFit) -> bool {
        self.config.fits.contains(&fit)
    }

    pub fn run(
        &self,
        scene: &Scene<'_>,
        target: &Target<'_>,
        known: &Known,
        extra: &mut Extra,
        scratch: &mut ModelScratch,
    ) {
        let s2 = self.psf.sigma * self.psf.sigma;
        let [xx, yy, xy] = known.moments.unwrap_or([s2, s2, 0.0]);
        let moments = [xx, xy, yy];
        let line = footprint_moments(target.footprint);
        let trailed = self.asked(ModelFit::Trail) && self.elongated(known, line);
        let mut half: f64 = 0.0;
        if self.asked(ModelFit::CModel) {
            half = half.max(cmodel_reach(&self.psf, moments));
        }
        if self.asked(ModelFit::Gaap) {
            half = half.max(gaap_reach(&self.gaap_sigmas));
        }
        if trailed {
            half = half.max(trail_reach(&self.psf, line.unwrap_or(moments)));
        }
        if half == 0.0 || !(known.x.abs() < 1e9 && known.y.abs() < 1e9) {
            return;
        }
        let half = crate::models::patch_half(half).min(self.config.model_half_pixels_max) as i32;
        let middle = match (trailed, footprint_middle(target.footprint)) {
            (true, Some((x, y))) => (x.round() as i32, y.round() as i32),
            _ => (known.x.round() as i32, known.y.round() as i32),
        };
        let Some(stamp) = scene.stamp(middle, half, target.parent, target.child) else { return };
        let view = View {
            x0: stamp.x0,
            y0: stamp.y0,
            image: &stamp.image,
            variance: &stamp.variance,
            mask: &stamp.mask,
            reject: UNUSABLE | EMPTY | OTHER,
        };
        let start = Start { x: known.x, y: known.y, flux: known.psf_flux, moments };
        if self.asked(ModelFit::CModel) {
            extra.is_primary = true;
            extra.sketch = sketch(&view, &self.psf, &start, scratch);
            if extra.sketch.is_none() {
                extra.cmodel = cmodel(&view, &self.psf, &start, scratch);
            }
        }
        if self.asked(ModelFit::Gaap) {
            extra.gaap = gaap(&view, &self.psf, (known.x, known.y), self.gaap_sigmas, scratch);
        }
        if trailed {
            // The footprint knows the whole line, where the moments may have settled on a piece.
            let (x, y) = footprint_middle(target.footprint).unwrap_or((known.x, known.y));
            let start = Start { x, y, moments: line.unwrap_or(moments), ..start };
            extra.trail = trail(&view, &self.psf, &start, scratch);
        }
    }

    pub const fn psf(&self) -> &ModelPsf {
        &self.psf
    }

    /// The galaxy model on a view from which all sketches were taken.
    pub fn refit(
        &self,
        view: &View<'_>,
        known: &Known,
        extra: &mut Extra,
        scratch: &mut ModelScratch,
    ) {
        let Some(sketch) = extra.sketch else { return };
        let moments = [0.0; 3];
        let start = Start { x: known.x, y: known.y, flux: known.psf_flux, moments };
        extra.cmodel = cmodel_after(view, &self.psf, &start, Some(&sketch), scratch);
    }

    /// The source is longer than the PSF by the configured factor: its major over its minor axis.
    fn elongated(&self, known: &Known, line: Option<[f64; 3]>) -> bool {
        let least = self.config.trail_elongation_min;
        let ratio = |xx: f64, xy: f64, yy: f64| {
            let (half, diff) = (0.5 * (xx + yy), (0.5 * (xx - yy)).hypot(xy));
            ((half + diff) / (half - diff).max(1e-9)).sqrt()
        };
        let of = |[xx, yy, xy]: [f64; 3]| ratio(xx, xy, yy);
        let source = known.moments.map(of).or(line.map(|[xx, xy, yy]| ratio(xx, xy, yy)));
        source.is_some_and(|r| r >= least * known.psf_moments.map_or(1.0, of)) || least <= 1.0
    }
}

/// Sums over a footprint's pixels: number, x, y, x^2, x y, y^2.
fn footprint_sums(footprint: &Footprint) -> [f64; 6] {
    let mut s = [0.0f64; 6];
    for span in &footprint.spans {
        let (n, y) = (f64::from(span.x1 - span.x0 + 1), f64::from(span.y));
        let mean = 0.5 * (f64::from(span.x0) + f64::from(span.x1));
        // Whole numbers next to each other have the variance (n^2 - 1) / 12.
        let second = mean * mean + (n * n - 1.0) / 12.0;
        let add = [n, n * mean, n * y, n * second, n * mean * y, n * y * y];
        s.iter_mut().zip(add).for_each(|(s, a)| *s += a);
    }
    s
}

fn footprint_middle(footprint: &Footprint) -> Option<(f64, f64)> {
    let s = footprint_sums(footprint);
    (s[0] > 0.0).then(|| (s[1] / s[0], s[2] / s[0]))
}

/// Second moments (xx, xy, yy) of a footprint's area; `None` when it has none.
fn footprint_moments(footprint: &Footprint) -> Option<[f64; 3]> {
    let s = footprint_sums(footprint);
    let (x, y) = footprint_middle(footprint)?;
    Some([s[3] / s[0] - x * x, s[4] / s[0] - x * y, s[5] / s[0] - y * y])
}
