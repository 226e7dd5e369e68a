//! Tables of what is really there.

use crate::error::SimulateError;
use crate::population::{EPOCH, SkyObject};
use crate::render::GalaxyShape;
use crate::rng::{Purpose, Stream};
use elqui_schema::{Column, ColumnData, Table};

/// One object on one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameTruth {
    pub id: i64,
    pub x: f64,
    pub y: f64,
    pub ra: f64,
    pub dec: f64,
    pub flux_e: f64,
    pub flux_adu: f64,
    pub mag: f64,
    pub is_star: bool,
    pub snr: f64,
    pub saturated: bool,
    pub variable: bool,
}

fn column(name: &str, unit: &str, ucd: &str, description: &str, data: ColumnData) -> Column {
    Column {
        name: name.into(),
        unit: unit.into(),
        ucd: ucd.into(),
        description: description.into(),
        data,
    }
}

fn table(name: &str, columns: Vec<Column>) -> Result<Table, SimulateError> {
    let mut out = Table::new(name);
    for c in columns {
        out.push(c)?;
    }
    Ok(out)
}

pub fn frame_table(rows: &[FrameTruth]) -> Result<Table, SimulateError> {
    let f = |get: fn(&FrameTruth) -> f64| ColumnData::F64(rows.iter().map(get).collect());
    let b = |get: fn(&FrameTruth) -> bool| ColumnData::Bool(rows.iter().map(get).collect());
    let ids = ColumnData::I64(rows.iter().map(|r| r.id).collect());
    table(
        "Truth",
        vec![
            column("id", "", "meta.id", "Object of the simulated sky", ids),
            column("x", "pixel", "pos.cartesian.x", "0-based column of its centre", f(|r| r.x)),
            column("y", "pixel", "pos.cartesian.y", "0-based row of its centre", f(|r| r.y)),
            column("ra", "deg", "pos.eq.ra", "ICRS, at the time of the frame", f(|r| r.ra)),
            column("dec", "deg", "pos.eq.dec", "ICRS, at the time of the frame", f(|r| r.dec)),
            column("flux_e", "electron", "phot.count", "Detected, whole exposure", f(|r| r.flux_e)),
            column(
                "flux_adu",
                "adu",
                "phot.count",
                "The same by the stated gain",
                f(|r| r.flux_adu),
            ),
            column("mag", "mag", "phot.mag", "AB, above the atmosphere", f(|r| r.mag)),
            column("is_star", "", "meta.code", "A point source", b(|r| r.is_star)),
            column("snr", "", "stat.snr", "Of a matched filter, as if a point", f(|r| r.snr)),
            column("saturated", "", "meta.code", "Its peak is saturated", b(|r| r.saturated)),
            column("variable", "", "meta.code", "Its brightness changes", b(|r| r.variable)),
        ],
    )
}

/// Shapes of galaxies as columns of a frame's truth; NaN for stars. The angle is that on the image.
pub fn add_shapes(table: &mut Table, shapes: &[Option<GalaxyShape>]) -> Result<(), SimulateError> {
    let f = |get: fn(&GalaxyShape) -> f64| {
        ColumnData::F64(shapes.iter().map(|s| s.as_ref().map_or(f64::NAN, get)).collect())
    };
    for c in [
        column(
            "radius_px",
            "pixel",
            "phys.angSize",
            "Effective radius, major axis",
            f(|g| g.radius_px),
        ),
        column("axis_ratio", "", "phys.size.axisRatio", "Minor to major", f(|g| g.axis_ratio)),
        column(
            "angle",
            "deg",
            "pos.posAng",
            "Major axis, from +x to +y",
            f(|g| g.angle.to_degrees()),
        ),
        column("sersic_n", "", "", "", f(|g| if g.bulge { 4.0 } else { 1.0 })),
    ] {
        table.push(c)?;
    }
    Ok(())
}

pub fn object_table(objects: &[SkyObject], bands: &[&str]) -> Result<Table, SimulateError> {
    let f = |get: &dyn Fn(&SkyObject) -> f64| ColumnData::F64(objects.iter().map(get).collect());
    let galaxy = |get: fn(&crate::population::GalaxyTruth) -> f64| {
        ColumnData::F64(objects.iter().map(|o| o.galaxy.as_ref().map_or(f64::NAN, get)).collect())
    };
    let ids = ColumnData::I64(objects.iter().map(|o| o.id).collect());
    let kinds = objects.iter().map(|o| o.variation.name().to_string()).collect();
    let stars = ColumnData::Bool(objects.iter().map(SkyObject::is_star).collect());
    let mut columns = vec![
        column("id", "", "meta.id", "Object of the simulated sky", ids),
        column("ra", "deg", "pos.eq.ra", "ICRS at epoch J2016.0", f(&|o| o.ra)),
        column("dec", "deg", "pos.eq.dec", "ICRS at epoch J2016.0", f(&|o| o.dec)),
        column("pm_ra_cosdec", "mas/yr", "pos.pm;pos.eq.ra", "", f(&|o| o.pm_ra_cosdec_mas_yr)),
        column("pm_dec", "mas/yr", "pos.pm;pos.eq.dec", "", f(&|o| o.pm_dec_mas_yr)),
        column("is_star", "", "meta.code", "A point source", stars),
        column("variation", "", "meta.code", "How it varies", ColumnData::Str(kinds)),
        column("period", "d", "time.period", "", f(&|o| o.variation.period_and_amplitude().0)),
        column(
            "amplitude",
            "mag",
            "phot.mag;arith.diff",
            "Peak to peak",
            f(&|o| o.variation.period_and_amplitude().1),
        ),
        column("radius", "arcsec", "phys.angSize", "Effective radius", galaxy(|g| g.radius_arcsec)),
        column("axis_ratio", "", "phys.size.axisRatio", "Minor to major", galaxy(|g| g.axis_ratio)),
        column("sersic_n", "", "", "", galaxy(|g| if g.bulge { 4.0 } else { 1.0 })),
        column(
            "angle",
            "deg",
            "pos.posAng",
            "From north to east",
            galaxy(|g| g.position_angle_deg),
        ),
    ];
    for (k, band) in bands.iter().enumerate() {
        columns.push(column(
            &format!("{band}_mag"),
            "mag",
            "phot.mag;stat.mean",
            "AB; of a transient at its peak",
            f(&|o| o.mags[k]),
        ));
    }
    table("TruthObject", columns)
}

/// The stars that a reference catalogue holds, with errors like Gaia's: 0.03 mas when bright, 0.5 mas
/// at magnitude 20; photometry of 3 mmag when bright, 20 mmag at 20. Transients are not in it.
pub fn reference_table(
    objects: &[SkyObject],
    bands: &[&str],
    faint_mag: f64,
    seed: u64,
) -> Result<Table, SimulateError> {
    let brightness = |o: &SkyObject| o.mags.iter().sum::<f64>() / o.mags.len() as f64;
    let stars: Vec<&SkyObject> = objects
        .iter()
        .filter(|o| o.is_star() && o.variation.name() != "transient" && brightness(o) < faint_mag)
        .collect();
    let mut columns: Vec<Vec<f64>> = vec![Vec::with_capacity(stars.len()); 8 + 2 * bands.len()];
    for o in &stars {
        let mut s = Stream::new(seed, Purpose::Reference, o.id as u64, 0);
        let m = brightness(o);
        let error_mas = 0.03f64.hypot(0.5 * 10f64.powf(0.25 * (m - 20.0)));
        let error_mag = 0.003f64.hypot(0.02 * 10f64.powf(0.3 * (m - 20.0)));
        let error_pm = error_mas;
        let mas = 1.0 / 3.6e6;
        let mut row = vec![
            o.ra + error_mas * mas * s.normal() / o.dec.to_radians().cos(),
            o.dec + error_mas * mas * s.normal(),
            error_mas,
            error_mas,
            o.pm_ra_cosdec_mas_yr + error_pm * s.normal(),
            o.pm_dec_mas_yr + error_pm * s.normal(),
            error_pm,
            EPOCH,
        ];
        for mag in &o.mags {
            row.push(mag + error_mag * s.normal());
            row.push(error_mag);
        }
        columns.iter_mut().zip(row).for_each(|(c, v)| c.push(v));
    }
    let mut data = columns.into_iter().map(ColumnData::F64);
    let mut next = || data.next().unwrap_or(ColumnData::F64(Vec::new()));
    let ids = ColumnData::I64(stars.iter().map(|o| o.id).collect());
    let mut out = vec![
        column("id", "", "meta.id", "Object of the simulated sky", ids),
        column("ra", "deg", "pos.eq.ra", "ICRS at `epoch`", next()),
        column("dec", "deg", "pos.eq.dec", "ICRS at `epoch`", next()),
        column("ra_error", "mas", "stat.error;pos.eq.ra", "Times cos(dec)", next()),
        column("dec_error", "mas", "stat.error;pos.eq.dec", "", next()),
        column("pm_ra_cosdec", "mas/yr", "pos.pm;pos.eq.ra", "", next()),
        column("pm_dec", "mas/yr", "pos.pm;pos.eq.dec", "", next()),
        column("pm_error", "mas/yr", "stat.error;pos.pm", "On each axis", next()),
        column("epoch", "yr", "time.epoch", "Julian epoch of the position", next()),
    ];
    for band in bands {
        out.push(column(&format!("{band}_mag"), "mag", "phot.mag", "AB", next()));
        out.push(column(&format!("{band}_mag_err"), "mag", "stat.error;phot.mag", "", next()));
    }
    table("Reference", out)
}
