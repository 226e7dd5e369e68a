//! From a rough map to TAN with SIP: match and robust fit in turns.
//!
//! - input: detections (pixels), reference stars on the plane about `center` (arcsec), where
//!   each detection lies roughly on that plane
//! - output: WCS, its error, matches, residuals
//! - differs from SCAMP: one image alone, and the reference's own errors count in full

use crate::config::{AstrometryConfig, Detected};
use crate::density::DensityMap;
use crate::error::AstrometryError;
use crate::model::{InstrumentPlane, Model};
use crate::odds::ln_chance_after_fit;
use crate::pattern::{Point, length};
use crate::robust::{Robust, robust};
use crate::search::one_to_one;
use elqui_base::{ARCSEC_PER_RAD, UnitVector};
use elqui_matching::{PlaneGrid, RefStar};
use elqui_wcs::Wcs;

pub struct Problem<'a> {
    /// Brightest first, as `stars` and all that goes with them.
    pub detected: &'a [Detected],
    pub rough: Vec<Point>,
    /// Scatter of the rough map, arcsec.
    pub rough_rms: f64,
    pub stars: &'a [RefStar],
    pub places: Vec<Point>,
    pub center: UnitVector,
    pub size: [f64; 2],
    /// Arcsec.
    pub pixel: f64,
    /// d(plane, arcsec) / d(pixel), roughly.
    pub jacobian: [[f64; 2]; 2],
    /// The instrument's distortion.
    pub base: Option<&'a InstrumentPlane>,
    /// Reference stars expected on the image over those in `stars`.
    pub fraction: f64,
}

pub struct Fitted {
    pub wcs: Wcs,
    pub rms_mas: [f64; 2],
    pub wcs_err_mas: f64,
    pub chi2_dof: f64,
    pub floor_mas: f64,
    pub clipped: usize,
    pub matches: Vec<(usize, usize)>,
    pub order: usize,
    pub on_instrument: bool,
    pub radius_arcsec: f64,
    /// Odds of the final matches against chance.
    pub ln_odds: f64,
}

/// Detections whose matches are compared with chance: the brightest of so many.
const JUDGED: [usize; 4] = [100, 300, 1000, 5000];
/// A match may be this many of its own sigma off before the fit judges it.
const MATCH_SIGMA: f64 = 4.5;
/// ... and that many pixels, however small its errors.
const MATCH_LEAST_PX: f64 = 0.4;

pub fn fit(mut problem: Problem<'_>, config: &AstrometryConfig) -> Result<Fitted, AstrometryError> {
    let few = |n: usize| AstrometryError::Fit {
        reason: format!("only {n} matches are left, {} are needed", config.matches_min),
    };
    let total = problem.detected.len();
    let (mut rough, mut rms) = (problem.rough.clone(), problem.rough_rms);
    let most = config.match_radius_px * problem.pixel;
    let mut state: Option<(Robust<'_>, f64)> = None;
    // Few bright stars first, while the map is rough; all of them once it is good.
    let stages = [(100, 1), (200, 2), (600, 3), (2000, 3), (usize::MAX, 3), (usize::MAX, 9)];
    let mut last = 0;
    for (stage, &(count, order_limit)) in stages.iter().enumerate() {
        let count = count.min(total);
        if stage > 0 && count == last && count == total && stage < 4 {
            continue;
        }
        last = count;
        let settled = stage >= 3;
        let radius = (MATCH_SIGMA * rms).max(MATCH_LEAST_PX * problem.pixel);
        let radius = if settled { radius.min(most) } else { radius };
        let stars = ((3 * count) as f64 / problem.fraction.clamp(1e-6, 1.0)) as usize;
        let stars = stars.clamp(1, problem.places.len());
        // Faint stars are further off than the typical one.
        let widest = if settled { most.max(radius) } else { radius };
        let allowed = |d: usize| {
            let det = &problem.detected[d];
            let own = MATCH_SIGMA * det.x_err.max(det.y_err) * problem.pixel;
            if settled && own.is_finite() { radius.max(own) } else { radius }
        };
        let grid = PlaneGrid::new(&problem.places[..stars], widest);
        let pairs = one_to_one(rough[..count].iter().enumerate().filter_map(|(d, p)| {
            grid.nearest(p[0], p[1]).filter(|n| n.1 <= allowed(d)).map(|(s, r)| (d, s, r))
        }));
        if pairs.len() < config.matches_min.max(4) {
            return Err(few(pairs.len()));
        }
        let found = robust(&problem, &pairs, order_limit, config, stage >= 5)?;
        if found.kept.len() < config.matches_min.max(4) {
            return Err(few(found.kept.len()));
        }
        rough = problem.detected.iter().map(|d| found.model.apply(d)).collect();
        rms = found.scatter;
        if stage < 5 {
            let [x, y] = found.model.shape.scaling.middle;
            let middle = found.model.apply(&Detected { x, y, ..Detected::default() });
            recenter(&mut problem, &mut rough, middle);
        }
        state = Some((found, radius));
    }
    let (found, radius_arcsec) = state.ok_or_else(|| few(0))?;
    finish(&problem, found, radius_arcsec)
}

/// Move the plane's origin to where the image's middle lies: about another point even a plain TAN is bent.
fn recenter(problem: &mut Problem<'_>, rough: &mut [Point], middle: Point) {
    let far = middle[0].hypot(middle[1]);
    if far < problem.pixel || far.is_nan() || far > 1e5 {
        return;
    }
    let from = |center: UnitVector, p: Point| {
        UnitVector::from_tangent(center, p[0] / ARCSEC_PER_RAD, p[1] / ARCSEC_PER_RAD)
    };
    let to = |center: UnitVector, v: UnitVector| {
        v.to_tangent(center).map_or([f64::NAN; 2], |p| [p.0 * ARCSEC_PER_RAD, p.1 * ARCSEC_PER_RAD])
    };
    let (old, new) = (problem.center, from(problem.center, middle));
    for (place, star) in problem.places.iter_mut().zip(problem.stars) {
        *place = to(new, UnitVector::from_ra_dec_deg(star.ra, star.dec));
    }
    rough.iter_mut().for_each(|p| *p = to(new, from(old, *p)));
    problem.center = new;
}

/// Move the tangent point to the image's middle, fit once more and write the WCS.
fn finish(
    problem: &Problem<'_>,
    found: Robust<'_>,
    radius_arcsec: f64,
) -> Result<Fitted, AstrometryError> {
    let failed = |reason: String| AstrometryError::Fit { reason };
    let (matches, shape) = (found.kept, found.model.shape);
    let directions: Vec<UnitVector> = matches
        .iter()
        .map(|&(_, s)| UnitVector::from_ra_dec_deg(problem.stars[s].ra, problem.stars[s].dec))
        .collect();
    let mut center = problem.center;
    let mut result = None;
    for _ in 0..4 {
        let targets: Option<Vec<Point>> = directions
            .iter()
            .map(|v| v.to_tangent(center).map(|p| [p.0 * ARCSEC_PER_RAD, p.1 * ARCSEC_PER_RAD]))
            .collect();
        let targets = targets.ok_or_else(|| failed("a star lies behind the plane".into()))?;
        let data = matches
            .iter()
            .zip(&targets)
            .zip(&found.sigmas)
            .map(|((&(d, _), target), sigma)| (problem.detected[d], *target, *sigma));
        let model = Model::fit(shape, data, problem.pixel)?;
        let [x, y] = shape.scaling.middle;
        let shift = model.apply(&Detected { x, y, ..Detected::default() });
        result = Some((model, targets, center));
        if shift[0].hypot(shift[1]) < 1e-7 {
            break;
        }
        center =
            UnitVector::from_tangent(center, shift[0] / ARCSEC_PER_RAD, shift[1] / ARCSEC_PER_RAD);
    }
    let (model, targets, center) = result.ok_or_else(|| failed("no fit".into()))?;
    let wcs = model.to_wcs(center, problem.size)?;
    let (mut sums, mut chi2) = ([0.0; 2], 0.0);
    for ((&(d, _), target), sigma) in matches.iter().zip(&targets).zip(&found.sigmas) {
        let p = model.apply(&problem.detected[d]);
        for k in 0..2 {
            let square = (p[k] - target[k]).powi(2);
            sums[k] += square;
            chi2 += square / (sigma[k] * sigma[k]);
        }
    }
    // Faint stars may match further out, but that is no evidence.
    let near: Vec<usize> = matches
        .iter()
        .zip(&targets)
        .filter(|((d, _), t)| length(model.apply(&problem.detected[*d]), **t) <= radius_arcsec)
        .map(|((d, _), _)| *d)
        .collect();
    let ln_odds = judge(problem, &near, &model, radius_arcsec);
    let left = 2.0 * (matches.len() as f64 - shape.terms() as f64);
    Ok(Fitted {
        wcs,
        rms_mas: sums.map(|s| 1000.0 * (s / matches.len() as f64).sqrt()),
        wcs_err_mas: 1000.0 * model.mean_error(problem.size).hypot(found.radial_variance.sqrt()),
        chi2_dof: if left > 0.0 { chi2 / left } else { f64::NAN },
        floor_mas: 1000.0 * found.floor,
        clipped: found.clipped,
        matches,
        order: if shape.radial != 0.0 { shape.order.max(3) } else { shape.order },
        on_instrument: shape.base.is_some(),
        radius_arcsec,
        ln_odds,
    })
}

/// Odds of the matches against those that the stars' number would give anywhere, after the map's parameters.
fn judge(problem: &Problem<'_>, matched: &[usize], model: &Model<'_>, radius: f64) -> f64 {
    let cell = 0.1 * problem.size[0].hypot(problem.size[1]) * problem.pixel;
    let map = DensityMap::new(&problem.places, cell);
    let most = problem.detected.len().min(JUDGED[JUDGED.len() - 1]);
    let places: Vec<Point> = problem.detected[..most].iter().map(|d| model.apply(d)).collect();
    let area = std::f64::consts::PI * radius * radius;
    let odds = JUDGED.iter().map(|&count| {
        let tried = count.min(most);
        let hits = matched.iter().filter(|d| **d < tried).count();
        let p = 1.5 * area * map.mean(places[..tried].iter().copied());
        -ln_chance_after_fit(hits, tried, p, model.shape.terms())
    });
    // The best of four counts.
    odds.fold(0.0, f64::max) - (JUDGED.len() as f64).ln()
}
