//! The table of a frame's sources.
//!
//! Rows: each parent, then its children, in the order given, numbered from 1. A single peak's
//! parent is its own only row. Parents are measured in parallel; the order does not depend on it.

use crate::config::{MeasurementConfig, ModelFit};
use crate::extra::Fits;
use crate::group::fit_groups;
use crate::models::ModelScratch;
use crate::neighbours::fit_beside_neighbours;
use crate::psf_fit::Scratch;
use crate::psf_shape::PsfShapes;
use crate::row::{Row, Target, Tools};
use crate::stamp::{Scene, owners};
use elqui_image::{Exposure, Footprint, HeavyFootprint, PsfSampler};
use elqui_schema::SourceTable;
use rayon::prelude::*;

/// Rows that are written at a time.
const BLOCK_ROWS: usize = 32;

/// A detection and what the deblender made of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parent {
    pub footprint: Footprint,
    /// Empty when it has a single peak.
    pub children: Vec<HeavyFootprint>,
    /// Split by the deblender's cheaper method.
    pub simplified: bool,
    /// Peaks that the deblender worked on.
    pub n_peaks: usize,
    /// For each child, the part of the light at its place that is its neighbours'.
    pub blendedness: Vec<f32>,
}

/// Measure every parent and its children on a sky-subtracted exposure. Without a PSF the PSF's
/// columns stay NaN and flagged. [`classify`](crate::classify) tells stars from galaxies afterwards, once
/// the aperture corrections are done.
pub fn measure(exposure: &Exposure, parents: &[Parent], config: &MeasurementConfig) -> SourceTable {
    let (width, height) = (exposure.width(), exposure.height());
    let owners = owners(width, height, parents.iter().map(|p| &p.footprint));
    let scene = Scene { exposure, owners: &owners, reject: config.reject_bits() };
    let psf = exposure.psf.as_ref();
    let sampler = psf.map(|p| PsfSampler::new(p, fit_half(p.fwhm_pixels, config)));
    let wide = psf
        .filter(|_| parents.iter().any(|p| !p.children.is_empty()))
        .map(|p| PsfSampler::new(p, wide_half(p.fwhm_pixels, config)));
    let shapes = psf.map(|p| PsfShapes::new(p, width, height, config.kron_extent_sigma));
    let tools = Tools {
        scene,
        config,
        sampler: sampler.as_ref(),
        wide: wide.as_ref(),
        shapes: shapes.as_ref(),
        gain: exposure.gain,
    };
    let fits = Fits::new(psf, config);
    let order = order_by_strips(parents);
    let measured: Vec<Vec<Row>> = order
        .par_iter()
        .with_min_len(64)
        .map_init(Default::default, |scratch, &k| {
            measure_parent(&tools, fits.as_ref(), k, &parents[k], scratch)
        })
        .collect();
    let mut rows = vec![Vec::new(); parents.len()];
    for (&k, group) in order.iter().zip(measured) {
        rows[k] = group;
    }
    if let Some(fits) = fits.as_ref().filter(|f| f.asked(ModelFit::CModel)) {
        fit_beside_neighbours(exposure, parents, &mut rows, fits, config.reject_bits());
    }
    let mut table = SourceTable::with_rows(rows.iter().map(Vec::len).sum());
    table.flux_unit = "adu".into();
    let flat: Vec<&Row> = rows.iter().flatten().collect();
    for (block, rows) in flat.chunks(BLOCK_ROWS).enumerate() {
        Row::write(rows, &mut table, block * BLOCK_ROWS);
    }
    let mut at = 0;
    for (parent, group) in parents.iter().zip(&rows) {
        let family = at..at + group.len();
        at = family.end;
        let parent_id = family.start as i64 + 1;
        for (k, at) in family.enumerate() {
            table.source_id[at] = at as i64 + 1;
            table.parent_source_id[at] = if k == 0 { 0 } else { parent_id };
            table.deblend_n_child[at] = if k == 0 { parent.children.len() as i32 } else { 0 };
            table.detect_is_primary[at] = k > 0 || parent.children.is_empty();
            table.deblend_flag[at] = parent.simplified;
            let peaks = parent.n_peaks.max(parent.children.len()).max(1);
            table.deblend_n_peaks[at] = if k == 0 { peaks as i32 } else { 1 };
            let neighbours = k.checked_sub(1).map(|child| parent.blendedness.get(child).copied());
            table.deblend_blendedness[at] = match neighbours {
                Some(part) => part.unwrap_or(f32::NAN),
                None if parent.children.is_empty() => 0.0,
                None => f32::NAN,
            };
        }
    }
    table.visit.fill(exposure.info.visit as i64);
    table.detector.fill(exposure.info.detector as i32);
    table.mid_mjd_tai.fill(exposure.info.mid_mjd_tai.0);
    table
}

/// The parents in the order in which they are measured: down strips of columns so narrow that the rows
/// about a source stay in the processor's cache until the next source needs them.
fn order_by_strips(parents: &[Parent]) -> Vec<usize> {
    const STRIP_PIXELS: i32 = 512;
    let mut order: Vec<usize> = (0..parents.len()).collect();
    order.sort_by_cached_key(|&k| {
        parents[k].footprint.spans.first().map_or((0, 0), |s| (s.x0.div_euclid(STRIP_PIXELS), s.y))
    });
    order
}

/// Half-width of the PSF fit's stamps, pixels.
pub fn fit_half(fwhm_pixels: f64, config: &MeasurementConfig) -> usize {
    let half = (config.psf_fit_fwhm * fwhm_pixels).ceil();
    if half.is_finite() { half.clamp(3.0, 60.0) as usize } else { 10 }
}

/// Half-width of the PSF where sources are fitted together: each one's light over its neighbour's fit.
fn wide_half(fwhm_pixels: f64, config: &MeasurementConfig) -> usize {
    let more = (fwhm_pixels * 1.1).ceil();
    fit_half(fwhm_pixels, config)
        + if more.is_finite() { more.clamp(0.0, 40.0) as usize } else { 0 }
}

fn measure_parent(
    tools: &Tools<'_>,
    fits: Option<&Fits<'_>>,
    index: usize,
    parent: &Parent,
    (scratch, models): &mut (Scratch, ModelScratch),
) -> Vec<Row> {
    let whole = Target { parent: index, footprint: &parent.footprint, child: None };
    let children = parent.children.iter().map(|child| Target {
        parent: index,
        footprint: &child.footprint,
        child: Some(child),
    });
    let mut rows: Vec<Row> = std::iter::once(whole)
        .chain(children.clone())
        .map(|target| tools.measure(&target, scratch))
        .collect();
    if let [_, children @ ..] = rows.as_mut_slice() {
        fit_groups(tools, index, parent, children, &mut scratch.joint);
    }
    let Some(fits) = fits else { return rows };
    for (k, (target, row)) in std::iter::once(whole).chain(children).zip(&mut rows).enumerate() {
        // Models are of one source: a blend as a whole has none.
        let primary = k > 0 || parent.children.is_empty();
        if let (true, Some(known)) = (primary, row.known()) {
            fits.run(&tools.scene, &target, &known, &mut row.extra, models);
        }
    }
    rows
}
