//! What is measured of a source beside its position and plain fluxes: windowed centroid, errors of the
//! moments, and the model fits that the configuration asks for.

use crate::columns::fill;
use crate::config::{MeasurementConfig, ModelFit};
use crate::models::{
    CModel, Gaap, ModelPsf, ModelScratch, Sketch, Start, Trail, View, cmodel, cmodel_after,
    cmodel_reach, gaap, gaap_reach, gaap_total_sigma, sketch, trail, trail_reach,
};
use crate::row::{Row, Target};
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

    /// Put those of rows into the table, from row `at` on.
    pub fn write(rows: &[&Row], t: &mut SourceTable, at: usize) {
        macro_rules! columns {
            ($($column:ident: $value:expr;)*) => { $(fill(&mut t.$column, at, rows, $value);)* };
        }
        columns! {
            x_win: |r| r.extra.win.x;
            y_win: |r| r.extra.win.y;
            x_win_err: |r| r.extra.win.x_err as f32;
            y_win_err: |r| r.extra.win.y_err as f32;
            x_win_flag: |r| r.extra.win.flag;
            ixx_err: |r| r.extra.shape_err[0] as f32;
            iyy_err: |r| r.extra.shape_err[1] as f32;
            ixy_err: |r| r.extra.shape_err[2] as f32;
            gaap1p0_flux: |r| r.extra.gaap[0].flux;
            gaap1p0_flux_err: |r| r.extra.gaap[0].flux_err;
            gaap1p5_flux: |r| r.extra.gaap[1].flux;
            gaap1p5_flux_err: |r| r.extra.gaap[1].flux_err;
            gaap2p5_flux: |r| r.extra.gaap[2].flux;
            gaap2p5_flux_err: |r| r.extra.gaap[2].flux_err;
            gaap_flux_flag: |r| r.extra.gaap.iter().any(|g| g.flag);
            cmodel_flux: |r| r.extra.cmodel.flux;
            cmodel_flux_err: |r| r.extra.cmodel.flux_err;
            cmodel_frac_dev: |r| r.extra.cmodel.frac_dev as f32;
            cmodel_radius: |r| r.extra.cmodel.radius as f32;
            cmodel_axis_ratio: |r| r.extra.cmodel.axis_ratio as f32;
            cmodel_angle: |r| r.extra.cmodel.angle_deg as f32;
            cmodel_chi2: |r| r.extra.cmodel.chi2 as f32;
            cmodel_flux_flag: |r| r.extra.cmodel.flag;
            trail_x: |r| r.extra.trail.x;
            trail_y: |r| r.extra.trail.y;
            trail_flux: |r| r.extra.trail.flux;
            trail_flux_err: |r| r.extra.trail.flux_err;
            trail_length: |r| r.extra.trail.length as f32;
            trail_length_err: |r| r.extra.trail.length_err as f32;
            trail_angle: |r| r.extra.trail.angle_deg as f32;
            trail_chi2: |r| r.extra.trail.chi2 as f32;
            trail_flag: |r| r.extra.trail.flag;
        }
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
