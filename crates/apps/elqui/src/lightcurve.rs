//! `elqui lightcurve`: one star over many processed frames, against comparison stars.

use crate::error::CliError;
use crate::frames::{FrameSources, read_frames, take_whole_apertures, typical_scale, with_flux};
use crate::outputs;
use crate::plot::{Series as PlotSeries, points_svg};
use elqui_association::{
    AssociationConfig, Objects, Series, SeriesConfig, VisitSources, associate, series,
};
use elqui_photometry::{Ensemble, EnsembleConfig, Flux, FrameState, ensemble};
use elqui_schema::{Column, ColumnData, SourceTable, Table};
use serde::Serialize;
use std::path::PathBuf;

/// The light curve of a target over processed frames, relative to comparison stars.
///
/// Example: elqui lightcurve results/ --target 31.0427,46.6878 --out lc/
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Folders of processed frames, or their *.sources.parquet files.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Position of the target: RA,DEC in degrees (ICRS).
    #[arg(long, value_name = "RA,DEC", value_parser = position, allow_hyphen_values = true)]
    pub target: (f64, f64),
    /// Folder for the results.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// A comparison star: RA,DEC in degrees (default: chosen among the steady stars nearby).
    #[arg(long = "comparison", value_name = "RA,DEC", value_parser = position, allow_hyphen_values = true)]
    pub comparisons: Vec<(f64, f64)>,
    /// Flux to use: psf, or an aperture radius in pixels (3, 6, 9, 12, 17); default: the steadiest.
    #[arg(long, value_name = "NAME")]
    pub aperture: Option<String>,
    /// Only frames of this band.
    #[arg(long, value_name = "BAND", default_value = "")]
    pub band: String,
    /// How far a source may be from the target's position, arcsec (default: 2 pixels).
    #[arg(long, value_name = "ARCSEC", value_parser = positive)]
    pub radius: Option<f64>,
}

/// The fluxes to choose from.
const FLUXES: [&str; 6] = ["psf", "3", "6", "9", "12", "17"];

fn position(text: &str) -> Result<(f64, f64), String> {
    let wrong = || format!("`{text}` is not RA,DEC in degrees");
    let (ra, dec) = text.split_once(',').ok_or_else(wrong)?;
    let (ra, dec): (f64, f64) =
        (ra.trim().parse().map_err(|_| wrong())?, dec.trim().parse().map_err(|_| wrong())?);
    if !ra.is_finite() || !(-90.0..=90.0).contains(&dec) {
        return Err(wrong());
    }
    Ok((ra.rem_euclid(360.0), dec))
}

fn positive(text: &str) -> Result<f64, String> {
    let value = text.trim().parse().ok().filter(|v: &f64| v.is_finite() && *v > 0.0);
    value.ok_or_else(|| format!("`{text}` is not a number above zero"))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    target_ra: f64,
    target_dec: f64,
    flux: String,
    frames: usize,
    frames_with_target: usize,
    /// Robust scatter of neighbouring points (from their differences), relative.
    point_scatter: f64,
    comparison_stars: Vec<Star>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Star {
    ra: f64,
    dec: f64,
    scatter_mag: f64,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let mut frames = read_frames(&args.inputs)?;
    outputs::make_folder(&args.out)?;
    if args.aperture.as_deref() != Some("psf") {
        take_whole_apertures(&mut frames)?;
    }
    let radius = args.radius.unwrap_or_else(|| 2.0 * typical_scale(&frames));
    let visits: Vec<VisitSources> =
        frames.iter().map(|f| VisitSources { sources: &f.sources, band: &f.band }).collect();
    let config = AssociationConfig { radius_arcsec: radius, ..AssociationConfig::default() };
    let objects = associate(&visits, &config);

    let choices: Vec<&str> = match &args.aperture {
        Some(one) => vec![*FLUXES.iter().find(|f| *f == one).ok_or_else(|| {
            CliError::words(format!("--aperture {one}: it is one of {}", FLUXES.join(", ")))
        })?],
        None => FLUXES.to_vec(),
    };
    let mut best: Option<(f64, &str, Series, Ensemble)> = None;
    let mut last_error = None;
    for flux in choices {
        match measure(args, &frames, &objects, radius, flux) {
            Ok((series, curve)) => {
                let scatter = point_scatter(&curve.relative_flux);
                if scatter.is_finite() && best.as_ref().is_none_or(|b| scatter < b.0) {
                    best = Some((scatter, flux, series, curve));
                }
            }
            Err(reason) => last_error = Some(reason),
        }
    }
    let Some((scatter, flux, series, curve)) = best else {
        return Err(last_error.unwrap_or_else(|| CliError::work("the target is in too few frames")));
    };
    write(args, &frames, &objects, &series, &curve, flux, scatter)
}

/// Light curve in one kind of flux.
fn measure(
    args: &Args,
    frames: &[FrameSources],
    objects: &Objects,
    radius: f64,
    flux: &str,
) -> Result<(Series, Ensemble), CliError> {
    // The flux asked for takes the place of psfFlux, which is what the series reads.
    let tables: Vec<SourceTable> = frames.iter().map(|f| with_flux(&f.sources, flux)).collect();
    let visits: Vec<VisitSources> = tables
        .iter()
        .zip(frames)
        .map(|(sources, f)| VisitSources { sources, band: &f.band })
        .collect();
    let mut config =
        SeriesConfig { radius_arcsec: radius, band: args.band.clone(), ..SeriesConfig::default() };
    config.comparisons_max = config.comparisons_max.max(30);
    let mut series =
        series(&visits, objects, args.target.0, args.target.1, &config).map_err(CliError::work)?;
    if !args.comparisons.is_empty() {
        series = only_given(args, &visits, objects, series, radius)?;
    }
    let fluxes: Vec<Vec<Flux>> = series
        .flux
        .iter()
        .map(|row| row.iter().map(|&(flux, err)| Flux { flux, err }).collect())
        .collect();
    let states: Vec<FrameState> =
        series.frames.iter().map(|f| FrameState { airmass: f64::NAN, x: f.x, y: f.y }).collect();
    let curve =
        ensemble(&fluxes, 0, &states, &EnsembleConfig::default()).map_err(CliError::work)?;
    Ok((series, curve))
}

/// Keep the target and the comparison stars that were given, looked up as objects.
fn only_given(
    args: &Args,
    visits: &[VisitSources],
    objects: &Objects,
    mut series: Series,
    radius: f64,
) -> Result<Series, CliError> {
    let mut columns = vec![series.objects[0]];
    for &(ra, dec) in &args.comparisons {
        let object = objects.nearest(ra, dec, radius).ok_or_else(|| {
            CliError::work(format!(
                "no star within {radius:.1} arcsec of the comparison {ra},{dec}"
            ))
        })?;
        if object == columns[0] {
            return Err(CliError::words(format!("--comparison {ra},{dec} is the target itself")));
        }
        if !columns.contains(&object) {
            columns.push(object);
        }
    }
    for (frame, row) in series.frames.iter().zip(&mut series.flux) {
        let target = row[0];
        *row = columns
            .iter()
            .map(|&o| {
                let s = visits[frame.index].sources;
                let usable = |&&(v, r): &&(usize, usize)| {
                    v == frame.index && !s.psf_flux_flag[r] && !s.pixel_flags_saturated_center[r]
                };
                let member = objects.members[o].iter().find(usable);
                member.map_or((f64::NAN, f64::NAN), |&(_, r)| (s.psf_flux[r], s.psf_flux_err[r]))
            })
            .collect();
        row[0] = target;
    }
    series.objects = columns;
    Ok(series)
}

/// Scatter of a point about the mean of its neighbours, so that a slow change does not count.
fn point_scatter(flux: &[f64]) -> f64 {
    let good: Vec<f64> = flux.iter().copied().filter(|f| f.is_finite()).collect();
    if good.len() < 5 {
        return f64::NAN;
    }
    let mut second: Vec<f64> =
        good.windows(3).map(|w| (w[1] - 0.5 * (w[0] + w[2])) / 1.5f64.sqrt()).collect();
    elqui_base::mad_sigma(&mut second).1
}

#[allow(clippy::too_many_arguments)]
fn write(
    args: &Args,
    frames: &[FrameSources],
    objects: &Objects,
    series: &Series,
    curve: &Ensemble,
    flux: &str,
    scatter: f64,
) -> Result<(), CliError> {
    let mut table = Table::new("LightCurve");
    let mut add = |name: &str, unit: &str, description: &str, data: ColumnData| {
        let mut column = Column::new(name, data);
        column.unit = unit.into();
        column.description = description.into();
        table.columns.push(column);
    };
    let f = &series.frames;
    let mjd: Vec<f64> = f.iter().map(|f| f.mid_mjd_tai).collect();
    add("midpointMjdTai", "d", "Middle of the exposure, TAI", ColumnData::F64(mjd.clone()));
    add("band", "", "Band", ColumnData::Str(f.iter().map(|f| f.band.clone()).collect()));
    add(
        "relativeFlux",
        "",
        "Flux over the ensemble's, median 1",
        ColumnData::F64(curve.relative_flux.clone()),
    );
    add("relativeFluxErr", "", "Its error", ColumnData::F64(curve.relative_flux_err.clone()));
    add(
        "flux",
        &frames[0].sources.flux_unit,
        "The target's own flux",
        ColumnData::F64(series.flux.iter().map(|r| r[0].0).collect()),
    );
    add(
        "fluxErr",
        &frames[0].sources.flux_unit,
        "Its error",
        ColumnData::F64(series.flux.iter().map(|r| r[0].1).collect()),
    );
    add("outlier", "", "Far off its neighbours", ColumnData::Bool(curve.outlier.clone()));
    add("x", "pixel", "Column of the target", ColumnData::F64(f.iter().map(|f| f.x).collect()));
    add("y", "pixel", "Row of the target", ColumnData::F64(f.iter().map(|f| f.y).collect()));
    add(
        "frame",
        "",
        "Stem of the frame",
        ColumnData::Str(f.iter().map(|f| frames[f.index].name.clone()).collect()),
    );
    let path = args.out.join("lightcurve.parquet");
    elqui_tables::write_parquet(&table, &path).map_err(|e| CliError::on(&path, e))?;

    let start = mjd.first().copied().unwrap_or(0.0).floor();
    let plot = PlotSeries {
        label: "target".into(),
        x: mjd.iter().map(|t| t - start).collect(),
        y: curve.relative_flux.clone(),
        y_err: curve.relative_flux_err.clone(),
    };
    let title = format!("RA {:.4} Dec {:+.4}", args.target.0, args.target.1);
    let svg =
        points_svg(&title, &format!("MJD (TAI) - {start:.0}, days"), "relative flux", &[plot])
            .map_err(CliError::work)?;
    outputs::put(&args.out.join("lightcurve.svg"), svg.as_bytes())?;
    let target = series.objects[0];
    let report = Report {
        target_ra: objects.ra[target],
        target_dec: objects.dec[target],
        flux: if flux == "psf" { "psfFlux".into() } else { format!("ap{flux:0>2}Flux") },
        frames: frames.len(),
        frames_with_target: curve.relative_flux.iter().filter(|v| v.is_finite()).count(),
        point_scatter: scatter,
        comparison_stars: curve
            .used
            .iter()
            .enumerate()
            .map(|(k, &c)| Star {
                ra: objects.ra[series.objects[c]],
                dec: objects.dec[series.objects[c]],
                scatter_mag: curve.comparison_scatter_mag.get(k).copied().unwrap_or(f64::NAN),
            })
            .collect(),
    };
    outputs::put_json(&args.out.join("lightcurve.json"), &report)?;
    outputs::say(&format!(
        "{}: {} of {} frames, {} comparison stars, {}, point-to-point scatter {:.2}%",
        path.display(),
        report.frames_with_target,
        report.frames,
        report.comparison_stars.len(),
        report.flux,
        100.0 * scatter
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_and_checked() {
        assert_eq!(position("-10.5, 3").unwrap(), (349.5, 3.0));
        for bad in ["", "1", "1,91", "a,b", "nan,0"] {
            assert!(position(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_slope_is_no_scatter() {
        let line: Vec<f64> = (0..20).map(|k| 1.0 + 0.01 * f64::from(k)).collect();
        assert!(point_scatter(&line) < 1e-12);
    }
}
