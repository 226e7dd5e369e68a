//! The fluxes of one target and its comparison stars, frame by frame.
//!
//! - input: visits, their objects, the target's position
//! - output: a matrix of fluxes ready for differential (ensemble) photometry; a miss is NaN
//! - comparison stars: point sources near the target, in most of its frames, unflagged, of fluxes
//!   most like the target's

use crate::associate::{Objects, VisitSources};
use crate::error::AssociationError;
use elqui_matching::SkyTree;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeriesConfig {
    /// How far the target may lie from the position given.
    pub radius_arcsec: f64,
    /// How far comparison stars may lie from the target.
    pub comparison_radius_deg: f64,
    pub comparisons_max: usize,
    /// Comparison stars are at most this many times brighter or fainter.
    pub flux_ratio_max: f64,
    /// Share of the frames that a comparison star must be in.
    pub coverage_min: f64,
    /// Only frames of this band; empty for all.
    pub band: String,
}

impl Default for SeriesConfig {
    fn default() -> Self {
        Self {
            radius_arcsec: 3.0,
            comparison_radius_deg: 1.0,
            comparisons_max: 20,
            flux_ratio_max: 10.0,
            coverage_min: 0.8,
            band: String::new(),
        }
    }
}

/// One exposure of one detector.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Index of the visit in the input.
    pub index: usize,
    pub visit: i64,
    pub detector: i32,
    pub band: String,
    pub mid_mjd_tai: f64,
    /// Place of the target on the detector, pixels; NaN where it is missed.
    pub x: f64,
    pub y: f64,
}

/// Column 0 is the target, the others are the comparison stars.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// In the order of time.
    pub frames: Vec<Frame>,
    /// Objects of the columns.
    pub objects: Vec<usize>,
    /// `flux[frame][column]`: flux and its error.
    pub flux: Vec<Vec<(f64, f64)>>,
}

pub fn series(
    visits: &[VisitSources<'_>],
    objects: &Objects,
    ra: f64,
    dec: f64,
    config: &SeriesConfig,
) -> Result<Series, AssociationError> {
    if objects.source_object.len() != visits.len() {
        let (expected, got) = (objects.source_object.len(), visits.len());
        return Err(AssociationError::OtherVisits { expected, got });
    }
    let tree = SkyTree::new(&objects.ra, &objects.dec);
    // Of several nearby objects the one seen most often is the star, the others are its debris.
    let target = tree
        .within(ra, dec, config.radius_arcsec)
        .into_iter()
        .reduce(|best, next| {
            if objects.members[next.0].len() > 2 * objects.members[best.0].len() {
                next
            } else {
                best
            }
        })
        .map(|f| f.0)
        .ok_or(AssociationError::NoObject {
            ra,
            dec,
            radius_arcsec: config.radius_arcsec,
            objects: objects.len(),
        })?;
    let wanted = |v: usize| {
        !visits[v].sources.is_empty() && (config.band.is_empty() || visits[v].band == config.band)
    };
    let mut order: Vec<usize> = (0..visits.len()).filter(|&v| wanted(v)).collect();
    let time = |v: usize| visits[v].sources.mid_mjd_tai[0];
    order.sort_by(|&a, &b| time(a).total_cmp(&time(b)).then(a.cmp(&b)));

    let mut columns = vec![target];
    let near =
        tree.within(objects.ra[target], objects.dec[target], config.comparison_radius_deg * 3600.0);
    let level = level(visits, objects, target, config);
    let frames_of_target = clean(visits, objects, target, config).count().max(1);
    let mut candidates: Vec<(f64, usize)> = near
        .into_iter()
        .map(|(o, _)| o)
        .filter(|&o| o != target)
        .filter(|&o| {
            let n = clean(visits, objects, o, config).count();
            n as f64 >= config.coverage_min * frames_of_target as f64
                && !extended(visits, objects, o)
        })
        .map(|o| ((self::level(visits, objects, o, config) / level).ln().abs(), o))
        .filter(|(ratio, _)| *ratio <= config.flux_ratio_max.ln())
        .collect();
    candidates.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    columns.extend(candidates.iter().take(config.comparisons_max).map(|c| c.1));

    let mut flux = vec![vec![(f64::NAN, f64::NAN); columns.len()]; order.len()];
    let mut frames: Vec<Frame> = order
        .iter()
        .map(|&v| Frame {
            index: v,
            visit: visits[v].sources.visit[0],
            detector: visits[v].sources.detector[0],
            band: visits[v].band.to_string(),
            mid_mjd_tai: time(v),
            x: f64::NAN,
            y: f64::NAN,
        })
        .collect();
    let mut frame_of = vec![None; visits.len()];
    for (f, &v) in order.iter().enumerate() {
        frame_of[v] = Some(f);
    }
    for (column, &object) in columns.iter().enumerate() {
        for (v, r) in clean(visits, objects, object, config) {
            let Some(f) = frame_of[v] else { continue };
            let s = visits[v].sources;
            flux[f][column] = (s.psf_flux[r], s.psf_flux_err[r]);
            if column == 0 {
                (frames[f].x, frames[f].y) = (s.x[r], s.y[r]);
            }
        }
    }
    Ok(Series { frames, objects: columns, flux })
}

/// Sources of an object that its light curve may use.
fn clean<'a>(
    visits: &'a [VisitSources<'a>],
    objects: &'a Objects,
    object: usize,
    config: &'a SeriesConfig,
) -> impl Iterator<Item = (usize, usize)> + 'a {
    objects.members[object].iter().copied().filter(move |&(v, r)| {
        let s = visits[v].sources;
        (config.band.is_empty() || visits[v].band == config.band)
            && !s.psf_flux_flag[r]
            && !s.pixel_flags_saturated_center[r]
            && s.psf_flux[r].is_finite()
            && s.psf_flux_err[r] > 0.0
    })
}

/// Median flux.
fn level(
    visits: &[VisitSources<'_>],
    objects: &Objects,
    object: usize,
    config: &SeriesConfig,
) -> f64 {
    let mut all: Vec<f64> = clean(visits, objects, object, config)
        .map(|(v, r)| visits[v].sources.psf_flux[r])
        .collect();
    elqui_base::median(&mut all)
}

fn extended(visits: &[VisitSources<'_>], objects: &Objects, object: usize) -> bool {
    let mut all: Vec<f64> = objects.members[object]
        .iter()
        .map(|&(v, r)| f64::from(visits[v].sources.extendedness[r]))
        .filter(|e| e.is_finite())
        .collect();
    !all.is_empty() && elqui_base::median(&mut all) > 0.5
}
