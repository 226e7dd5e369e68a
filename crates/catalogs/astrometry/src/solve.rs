//! An image's place on the sky: search, then fit.
//!
//! - input: detections (pixels, 0-based), reference stars at the image's date, the image's size, what is known
//!   beforehand
//! - output: [`Solution`]; indices of its matches are those of the input lists
//! - with a first WCS its neighbourhood is searched first (any rotation, either parity); then,
//!   and without a WCS, all the region that the hint names

use crate::config::{AstrometryConfig, Detected, Parity, Solution, SolveHint};
use crate::error::AstrometryError;
use crate::fit::{Fitted, Problem, fit};
use crate::model::InstrumentPlane;
use crate::pattern::Point;
use crate::search::{Affine, Field, Found, Search};
use elqui_base::{ARCSEC_PER_RAD, UnitVector};
use elqui_matching::RefStar;
use elqui_wcs::Wcs;

const DETECTIONS_MIN: usize = 4;
/// Optics have distortions of this order.
const ORDER_USUAL: usize = 3;

/// One way to look: from where, how far, and what the detections' plane is.
struct Attempt<'a> {
    center: (f64, f64),
    radius_arcsec: f64,
    wcs: Option<&'a Wcs>,
    pixel: f64,
    scale_tolerance: f64,
}

pub fn solve(
    detected: &[Detected],
    refs: &[RefStar],
    width: usize,
    height: usize,
    hint: &SolveHint,
    config: &AstrometryConfig,
) -> Result<Solution, AstrometryError> {
    let order = by_brightness(detected);
    if order.len() < DETECTIONS_MIN.max(config.matches_min) {
        let needed = DETECTIONS_MIN.max(config.matches_min);
        return Err(AstrometryError::FewDetections { count: order.len(), needed });
    }
    let sorted: Vec<Detected> = order.iter().map(|&k| detected[k]).collect();
    let size = [width as f64, height as f64];
    let instrument = hint.distortion.as_ref().or(hint.wcs.as_ref());
    let base = instrument.and_then(|w| InstrumentPlane::new(w, size));
    let mut failure = None;
    for attempt in attempts(size, hint, config)? {
        match attempt.run(&sorted, refs, size, base.as_ref(), hint, config) {
            Ok(mut solution) => {
                solution.matches.iter_mut().for_each(|m| m.0 = order[m.0]);
                solution.matches.sort_unstable();
                return Ok(solution);
            }
            Err(e) => failure = Some(e),
        }
    }
    Err(failure.unwrap_or(AstrometryError::NoPosition))
}

/// Detections with a place, brightest first.
pub fn by_brightness(detected: &[Detected]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..detected.len())
        .filter(|&k| detected[k].x.is_finite() && detected[k].y.is_finite())
        .collect();
    let rank = |v: f64| if v.is_finite() { v } else { f64::NEG_INFINITY };
    order.sort_by(|&a, &b| rank(detected[b].flux).total_cmp(&rank(detected[a].flux)));
    order
}

fn attempts<'a>(
    size: [f64; 2],
    hint: &'a SolveHint,
    config: &AstrometryConfig,
) -> Result<Vec<Attempt<'a>>, AstrometryError> {
    let (cx, cy) = (0.5 * (size[0] - 1.0), 0.5 * (size[1] - 1.0));
    let mut out = Vec::new();
    let mut position = (hint.ra, hint.dec);
    let mut scale = hint.scale_arcsec.filter(|s| *s > 0.0 && s.is_finite());
    if let Some(wcs) = &hint.wcs {
        let center = wcs.pixel_to_sky(cx, cy);
        let pixel = wcs.pixel_scale_arcsec(cx, cy);
        if center.0.is_finite() && pixel.is_finite() && pixel > 0.0 {
            let quarter = 0.25 * size[0].hypot(size[1]) * pixel;
            out.push(Attempt {
                center,
                radius_arcsec: config.wcs_offset_arcsec.max(quarter),
                wcs: Some(wcs),
                pixel,
                scale_tolerance: hint.scale_tolerance.min(0.03),
            });
            if !(position.0.is_finite() && position.1.is_finite()) {
                position = center;
            }
            scale = scale.or(Some(pixel));
        }
    }
    if position.0.is_finite() && position.1.abs() <= 90.0 {
        match scale {
            Some(pixel) => out.push(Attempt {
                center: position,
                radius_arcsec: hint.radius_deg.clamp(0.0, 20.0) * 3600.0,
                wcs: None,
                pixel,
                scale_tolerance: hint.scale_tolerance.clamp(0.001, 0.5),
            }),
            None if out.is_empty() => return Err(AstrometryError::NoScale),
            None => {}
        }
    }
    if out.is_empty() { Err(AstrometryError::NoPosition) } else { Ok(out) }
}

impl Attempt<'_> {
    fn run(
        &self,
        detected: &[Detected],
        refs: &[RefStar],
        size: [f64; 2],
        base: Option<&InstrumentPlane>,
        hint: &SolveHint,
        config: &AstrometryConfig,
    ) -> Result<Solution, AstrometryError> {
        let center = UnitVector::from_ra_dec_deg(self.center.0, self.center.1);
        let diagonal = size[0].hypot(size[1]) * self.pixel;
        let reach = self.radius_arcsec + 0.5 * diagonal * (1.0 + self.scale_tolerance);
        let (rows, stars, places) = near(refs, center, reach);
        let needed = config.matches_min.max(4);
        let radius_deg = reach / 3600.0;
        let (ra, dec) = self.center;
        if rows.len() < needed {
            let count = rows.len();
            return Err(AstrometryError::FewReferences { count, needed, ra, dec, radius_deg });
        }
        let flat = self.flatten(detected, size, base, center);
        let usable: Vec<Point> = flat.iter().copied().filter(|p| p[0].is_finite()).collect();
        let handed = |p: Parity| match self.wcs {
            Some(w) => {
                let cd = w.jacobian(0.5 * size[0], 0.5 * size[1]);
                (cd[0][0] * cd[1][1] - cd[0][1] * cd[1][0] < 0.0) != (p == Parity::Sky)
            }
            // x and y as they are: right-handed planes have a positive determinant.
            None => p == Parity::Sky,
        };
        let field = Field {
            detections: &usable,
            references: &places,
            radius: self.radius_arcsec,
            diagonal,
            short_side: size[0].min(size[1]) * self.pixel,
            pixel: self.pixel,
            scale_tolerance: self.scale_tolerance,
            mirrored: hint.parity.map(handed),
            nearly_there: self.wcs.is_some(),
            matches_min: config.matches_min,
            ln_odds_min: config.ln_odds_min,
        };
        let mut search = Search::new(&field);
        let Some(found) = search.run() else {
            let best = search.best;
            return Err(AstrometryError::NoMatch {
                detections: detected.len(),
                references: rows.len(),
                ra,
                dec,
                radius_deg,
                matches: best.map_or(0, |b| b.matches),
                ln_odds: best.map_or(0.0, |b| b.ln_odds),
            });
        };
        let area = size[0] * size[1] * self.pixel * self.pixel;
        let rough: Vec<Point> = flat.iter().map(|p| found.map.apply(*p)).collect();
        let problem = Problem {
            detected,
            jacobian: self.jacobian(&found.map, size),
            base,
            rough,
            rough_rms: found.rms,
            stars: &stars,
            places,
            center,
            size,
            pixel: self.pixel,
            fraction: area / (std::f64::consts::PI * reach * reach),
        };
        let fitted = fit(problem, config)?;
        if fitted.ln_odds < config.ln_odds_min {
            return Err(AstrometryError::NoMatch {
                detections: detected.len(),
                references: rows.len(),
                ra,
                dec,
                radius_deg,
                matches: fitted.matches.len(),
                ln_odds: fitted.ln_odds,
            });
        }
        Ok(self.solution(fitted, &found, &rows, detected, size, config))
    }

    /// Detections on the plane, arcsec; the image's centre is at the origin.
    fn flatten(
        &self,
        detected: &[Detected],
        size: [f64; 2],
        base: Option<&InstrumentPlane>,
        center: UnitVector,
    ) -> Vec<Point> {
        let (cx, cy) = (0.5 * (size[0] - 1.0), 0.5 * (size[1] - 1.0));
        detected
            .iter()
            .map(|d| match self.wcs {
                Some(wcs) => {
                    let (ra, dec) = wcs.pixel_to_sky(d.x, d.y);
                    UnitVector::from_ra_dec_deg(ra, dec)
                        .to_tangent(center)
                        .map_or([f64::NAN; 2], |(xi, eta)| {
                            [xi * ARCSEC_PER_RAD, eta * ARCSEC_PER_RAD]
                        })
                }
                None => {
                    let [x, y] = base.map_or([d.x, d.y], |b| b.straightened(d.x, d.y));
                    [(x - cx) * self.pixel, (y - cy) * self.pixel]
                }
            })
            .collect()
    }

    /// d(plane, arcsec) / d(pixel) of the rough map.
    fn jacobian(&self, map: &Affine, size: [f64; 2]) -> [[f64; 2]; 2] {
        let inner = match self.wcs {
            Some(w) => w.jacobian(0.5 * size[0], 0.5 * size[1]),
            None => [[self.pixel, 0.0], [0.0, self.pixel]],
        };
        [0, 1].map(|i| [0, 1].map(|j| map.0[i][1] * inner[0][j] + map.0[i][2] * inner[1][j]))
    }

    fn solution(
        &self,
        fitted: Fitted,
        found: &Found,
        rows: &[usize],
        detected: &[Detected],
        size: [f64; 2],
        config: &AstrometryConfig,
    ) -> Solution {
        let mut warnings = Vec::new();
        let n = fitted.matches.len();
        if n < 12 {
            warnings.push(format!("only {n} stars were matched: the fit has little to spare"));
        }
        let usual = config.sip_order.min(ORDER_USUAL);
        if !fitted.on_instrument
            && fitted.order < usual
            && 2 * n < 5 * elqui_base::term_count(usual)
        {
            warnings.push(format!(
                "the distortion's order is {} (not {usual}): {n} stars bear no more",
                fitted.order
            ));
        }
        let spread = |f: &dyn Fn(&Detected) -> f64, length: f64| {
            let values = fitted.matches.iter().map(|m| f(&detected[m.0]));
            let (low, high) =
                values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
            (high - low) / length.max(1.0)
        };
        if spread(&|d| d.x, size[0]) < 0.5 || spread(&|d| d.y, size[1]) < 0.5 {
            warnings.push("the matched stars cover less than half of the image".into());
        }
        Solution {
            wcs: fitted.wcs,
            rms_mas: fitted.rms_mas,
            wcs_err_mas: fitted.wcs_err_mas,
            chi2_dof: fitted.chi2_dof,
            floor_mas: fitted.floor_mas,
            clipped: fitted.clipped,
            on_instrument: fitted.on_instrument,
            matches: fitted.matches.iter().map(|&(d, s)| (d, rows[s])).collect(),
            sip_order: fitted.order,
            ln_odds: found.ln_odds.min(fitted.ln_odds),
            match_radius_arcsec: fitted.radius_arcsec,
            warnings,
        }
    }
}

/// Stars within reach (arcsec) of the centre, brightest first: rows, stars, places on the plane.
fn near(
    refs: &[RefStar],
    center: UnitVector,
    reach: f64,
) -> (Vec<usize>, Vec<RefStar>, Vec<Point>) {
    let cos_reach = (reach / ARCSEC_PER_RAD).cos();
    let (dec, reach_deg) = (center.to_ra_dec_deg().1, 1.001 * (reach / 3600.0) + 1e-9);
    let mut all: Vec<(usize, Point)> = refs
        .iter()
        .enumerate()
        // A large catalogue is mostly elsewhere: the declination tells at once.
        .filter(|(_, s)| {
            (s.dec - dec).abs() <= reach_deg && s.ra.is_finite() && s.dec.abs() <= 90.0
        })
        .filter_map(|(row, s)| {
            let v = UnitVector::from_ra_dec_deg(s.ra, s.dec);
            if v.dot(center) < cos_reach {
                return None;
            }
            let (xi, eta) = v.to_tangent(center)?;
            Some((row, [xi * ARCSEC_PER_RAD, eta * ARCSEC_PER_RAD]))
        })
        .collect();
    let rank = |row: usize| if refs[row].mag.is_finite() { refs[row].mag } else { f64::INFINITY };
    all.sort_by(|a, b| rank(a.0).total_cmp(&rank(b.0)));
    let rows: Vec<usize> = all.iter().map(|m| m.0).collect();
    let stars = rows.iter().map(|&r| refs[r]).collect();
    (rows, stars, all.into_iter().map(|m| m.1).collect())
}
