//! Sources of many visits to objects, by position alone.
//!
//! - input: source tables with sky positions, one a visit and detector; a radius
//! - output: objects (mean positions) and which object each source belongs to
//! - method: visits in the order of time; in each, pairs of object and source within the radius are
//!   taken nearest first, each once; what is left over becomes new objects, brightest first. An
//!   object's position is the running mean of its sources, weighted by their errors
//! - parents that were split (deblend_nChild > 0) and sources without a position belong to none
//! - differs from friends of friends: chains of close sources do not grow into one object

use elqui_base::UnitVector;
use elqui_matching::SkyTree;
use elqui_schema::SourceTable;
use serde::{Deserialize, Serialize};

/// Sources of one detector of one visit, fluxes in one unit over all visits (nJy).
#[derive(Debug, Clone, Copy)]
pub struct VisitSources<'a> {
    pub sources: &'a SourceTable,
    pub band: &'a str,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AssociationConfig {
    pub radius_arcsec: f64,
    /// Error of a position that has none, arcsec.
    pub default_error_arcsec: f64,
}

impl Default for AssociationConfig {
    fn default() -> Self {
        Self { radius_arcsec: 0.5, default_error_arcsec: 0.1 }
    }
}

/// What the sources were tied to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Objects {
    pub object_id: Vec<i64>,
    /// Mean positions, degrees.
    pub ra: Vec<f64>,
    pub dec: Vec<f64>,
    /// `source_object[visit][row]`: the object of each source.
    pub source_object: Vec<Vec<Option<usize>>>,
    /// `members[object]`: its sources as (visit, row), in the order of time.
    pub members: Vec<Vec<(usize, usize)>>,
}

impl Objects {
    pub fn len(&self) -> usize {
        self.object_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.object_id.is_empty()
    }

    /// The object nearest to a position, within the radius.
    pub fn nearest(&self, ra: f64, dec: f64, radius_arcsec: f64) -> Option<usize> {
        SkyTree::new(&self.ra, &self.dec).nearest(ra, dec, radius_arcsec).map(|f| f.0)
    }
}

/// A position that grows: the weighted sum of directions.
struct Mean {
    sum: [f64; 3],
}

impl Mean {
    fn add(&mut self, v: UnitVector, weight: f64) {
        for k in 0..3 {
            self.sum[k] += weight * v.0[k];
        }
    }
}

pub fn associate(visits: &[VisitSources<'_>], config: &AssociationConfig) -> Objects {
    let mut order: Vec<usize> = (0..visits.len()).collect();
    let time = |v: usize| {
        visits[v].sources.mid_mjd_tai.first().copied().filter(|t| t.is_finite()).unwrap_or(0.0)
    };
    order.sort_by(|&a, &b| time(a).total_cmp(&time(b)).then(a.cmp(&b)));

    let mut out = Objects {
        source_object: visits.iter().map(|v| vec![None; v.sources.len()]).collect(),
        ..Objects::default()
    };
    let mut means: Vec<Mean> = Vec::new();
    for visit in order {
        let sources = visits[visit].sources;
        let rows = usable(sources);
        for (object, row) in pairs(&out, sources, &rows, config.radius_arcsec) {
            out.source_object[visit][row] = Some(object);
            out.members[object].push((visit, row));
        }
        let mut new: Vec<usize> =
            rows.iter().copied().filter(|&r| out.source_object[visit][r].is_none()).collect();
        let flux = |r: usize| {
            if sources.psf_flux[r].is_finite() { sources.psf_flux[r] } else { f64::NEG_INFINITY }
        };
        new.sort_by(|&a, &b| flux(b).total_cmp(&flux(a)).then(a.cmp(&b)));
        for row in new {
            out.source_object[visit][row] = Some(out.members.len());
            out.members.push(vec![(visit, row)]);
            out.ra.push(sources.ra[row]);
            out.dec.push(sources.dec[row]);
            means.push(Mean { sum: [0.0; 3] });
        }
        for &row in &rows {
            if let Some(object) = out.source_object[visit][row] {
                let v = UnitVector::from_ra_dec_deg(sources.ra[row], sources.dec[row]);
                means[object].add(v, weight(sources, row, config));
                (out.ra[object], out.dec[object]) =
                    UnitVector::normalized(means[object].sum).to_ra_dec_deg();
            }
        }
    }
    out.object_id = ids(visits, &out);
    out
}

fn usable(sources: &SourceTable) -> Vec<usize> {
    (0..sources.len())
        .filter(|&r| {
            sources.ra[r].is_finite()
                && sources.dec[r].abs() <= 90.0
                && sources.deblend_n_child[r] <= 0
        })
        .collect()
}

fn weight(sources: &SourceTable, row: usize, config: &AssociationConfig) -> f64 {
    let err = f64::from(sources.ra_err[row]).hypot(f64::from(sources.dec_err[row])) * 3600.0;
    let err = if err.is_finite() && err > 0.0 { err } else { config.default_error_arcsec };
    1.0 / (err * err).max(1e-12)
}

/// Pairs of object and source, nearest first, each at most once.
fn pairs(
    objects: &Objects,
    sources: &SourceTable,
    rows: &[usize],
    radius: f64,
) -> Vec<(usize, usize)> {
    let tree = SkyTree::new(&objects.ra, &objects.dec);
    let mut all: Vec<(f64, usize, usize)> = rows
        .iter()
        .flat_map(|&row| {
            tree.within(sources.ra[row], sources.dec[row], radius)
                .into_iter()
                .map(move |(object, separation)| (separation, object, row))
        })
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut taken_object = vec![false; objects.ra.len()];
    let mut taken_row = vec![false; sources.len()];
    all.retain(|&(_, object, row)| {
        let free = !(taken_object[object] || taken_row[row]);
        if free {
            (taken_object[object], taken_row[row]) = (true, true);
        }
        free
    });
    all.into_iter().map(|(_, object, row)| (object, row)).collect()
}

/// An object bears the id of the source that founded it; running numbers where those are not unique.
fn ids(visits: &[VisitSources<'_>], objects: &Objects) -> Vec<i64> {
    let founders: Vec<i64> =
        objects.members.iter().map(|m| visits[m[0].0].sources.source_id[m[0].1]).collect();
    let mut sorted = founders.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() == founders.len() && sorted.first().is_none_or(|&id| id > 0) {
        return founders;
    }
    (1..=founders.len() as i64).collect()
}
