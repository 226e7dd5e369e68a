//! The catalogue of a set of processed frames: Source, Object, ForcedSource, Visit and CcdVisit.

use crate::error::CliError;
use crate::outputs::{note, write_table};
use elqui_association::{
    AssociationConfig, Objects, VisitSources, associate, forced_source_table, object_table,
};
use elqui_base::UnitVector;
use elqui_production::FrameSummary;
use elqui_schema::{Column, ColumnData, SourceTable, Table, felis::describe};
use std::collections::BTreeMap;
use std::path::Path;

/// A frame as it was written.
pub struct ProcessedFrame {
    pub name: String,
    pub summary: FrameSummary,
    pub sources: SourceTable,
}

/// Tie the frames' sources together and write the tables; what they were tied to. Frames that stayed
/// in adu have no part in the objects when others are in nJy: their fluxes cannot be compared.
pub fn write(frames: &[ProcessedFrame], out: &Path) -> Result<Objects, CliError> {
    // Only primary, well placed sources make objects: what the Object table is of.
    let calibrated = |f: &&ProcessedFrame| f.sources.flux_unit == "nJy";
    let mut tied: Vec<&ProcessedFrame> = frames.iter().filter(calibrated).collect();
    if tied.is_empty() {
        tied = frames.iter().collect();
    } else if tied.len() < frames.len() {
        note(&format!(
            "elqui: {} of {} frames have fluxes in adu: their sources are in no Object or ForcedSource",
            frames.len() - tied.len(),
            frames.len()
        ));
    }
    let kept: Vec<SourceTable> = tied
        .iter()
        .map(|f| {
            let s = &f.sources;
            let rows: Vec<usize> = (0..s.len())
                .filter(|&r| {
                    s.detect_is_primary[r] && s.ra[r].is_finite() && !s.pixel_flags_edge[r]
                })
                .collect();
            s.take(&rows)
        })
        .collect();
    let visits: Vec<VisitSources> = kept
        .iter()
        .zip(&tied)
        .map(|(sources, f)| VisitSources { sources, band: &f.summary.band })
        .collect();
    let objects = associate(&visits, &AssociationConfig::default());
    write_table(&object_table(&visits, &objects), &out.join("Object.parquet"))?;
    write_table(&forced_source_table(&visits, &objects), &out.join("ForcedSource.parquet"))?;
    for frame in frames {
        let folder = out.join("Source");
        crate::outputs::make_folder(&folder)?;
        let mut table = frame.sources.to_table();
        let band = vec![frame.summary.band.clone(); frame.sources.len()];
        table.columns.push(Column::new("band", ColumnData::Str(band)));
        write_table(&table, &folder.join(format!("{}.parquet", frame.name)))?;
    }
    write_table(&ccd_visits(frames), &out.join("CcdVisit.parquet"))?;
    write_table(&visit_table(frames), &out.join("Visit.parquet"))?;
    Ok(objects)
}

fn numbers(frames: &[&ProcessedFrame], f: impl Fn(&FrameSummary) -> Option<f64>) -> ColumnData {
    ColumnData::F64(frames.iter().map(|p| f(&p.summary).unwrap_or(f64::NAN)).collect())
}

fn finish(name: &str, columns: Vec<(&str, ColumnData)>) -> Table {
    let mut table = Table::new(name);
    for (column, data) in columns {
        let mut column = Column::new(column, data);
        describe(name, &mut column);
        table.columns.push(column);
    }
    table
}

fn middle(frame: &ProcessedFrame) -> f64 {
    frame.sources.mid_mjd_tai.first().copied().unwrap_or(f64::NAN)
}

/// One row a detector's exposure.
fn ccd_visits(frames: &[ProcessedFrame]) -> Table {
    let all: Vec<&ProcessedFrame> = frames.iter().collect();
    let ints = |f: &dyn Fn(&FrameSummary) -> i64| {
        ColumnData::I64(frames.iter().map(|p| f(&p.summary)).collect())
    };
    finish(
        "CcdVisit",
        vec![
            ("ccdVisitId", ints(&|s| (s.visit as i64) * 1000 + i64::from(s.detector))),
            ("visitId", ints(&|s| s.visit as i64)),
            ("detector", ints(&|s| i64::from(s.detector))),
            ("band", ColumnData::Str(frames.iter().map(|p| p.summary.band.clone()).collect())),
            ("ra", numbers(&all, |s| s.ra_center)),
            ("dec", numbers(&all, |s| s.dec_center)),
            ("expMidptMJD", ColumnData::F64(frames.iter().map(middle).collect())),
            ("seeing", numbers(&all, |s| s.psf_fwhm_arcsec)),
            ("skyBg", numbers(&all, |s| Some(s.sky_level))),
            ("skyNoise", numbers(&all, |s| Some(s.sky_noise))),
            ("zeroPoint", numbers(&all, |s| s.zero_point_mag)),
            ("zeroPointErr", numbers(&all, |s| s.zero_point_err_mag)),
            ("astromOffsetStd", numbers(&all, |s| s.astrometry_rms_mas.map(|v| v / 1e3))),
            ("nSources", ints(&|s| s.n_sources as i64)),
        ],
    )
}

/// Mean direction of frames, degrees; NaN when none of them has one.
fn middle_of(frames: &[&ProcessedFrame]) -> (f64, f64) {
    let mut sum = [0.0; 3];
    for s in frames.iter().map(|f| &f.summary) {
        let (Some(ra), Some(dec)) = (s.ra_center, s.dec_center) else { continue };
        let v = UnitVector::from_ra_dec_deg(ra, dec).0;
        sum.iter_mut().zip(v).for_each(|(s, v)| *s += v);
    }
    if sum == [0.0; 3] {
        return (f64::NAN, f64::NAN);
    }
    UnitVector::normalized(sum).to_ra_dec_deg()
}

/// One row a visit: means over its detectors.
fn visit_table(frames: &[ProcessedFrame]) -> Table {
    let mut groups: BTreeMap<u64, Vec<&ProcessedFrame>> = BTreeMap::new();
    for frame in frames {
        groups.entry(frame.summary.visit).or_default().push(frame);
    }
    let mean = |f: &dyn Fn(&ProcessedFrame) -> Option<f64>| {
        ColumnData::F64(
            groups
                .values()
                .map(|g| {
                    let known: Vec<f64> =
                        g.iter().filter_map(|p| f(p)).filter(|v| v.is_finite()).collect();
                    elqui_base::mean(&known)
                })
                .collect(),
        )
    };
    let (ra, dec): (Vec<f64>, Vec<f64>) = groups.values().map(|g| middle_of(g)).unzip();
    finish(
        "Visit",
        vec![
            ("visit", ColumnData::I64(groups.keys().map(|&v| v as i64).collect())),
            ("band", ColumnData::Str(groups.values().map(|g| g[0].summary.band.clone()).collect())),
            ("ra", ColumnData::F64(ra)),
            ("dec", ColumnData::F64(dec)),
            ("expMidptMJD", mean(&|p| Some(middle(p)))),
            ("seeing", mean(&|p| p.summary.psf_fwhm_arcsec)),
            ("skyBg", mean(&|p| Some(p.summary.sky_level))),
            ("zeroPoint", mean(&|p| p.summary.zero_point_mag)),
            ("nDetectors", ColumnData::I64(groups.values().map(|g| g.len() as i64).collect())),
        ],
    )
}
