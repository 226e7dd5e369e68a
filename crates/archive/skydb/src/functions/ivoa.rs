//! Functions of the IVOA's catalogue of user-defined functions, GAVO's that users rely on, and the shapes of
//! sciSQL and Qserv that are not ADQL's. What they mean is in `elqui_adql::udf` and the sky's rooms.

use super::regions::region_test;
use super::sky_function::{coordinates, function, lenient, numbers, point_type, points, texts};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;
use elqui_adql::{Shape, udf};
use elqui_base::{StarMotion, transform_position};
use elqui_sphere::{SkyRegion, healpix_center, healpix_index, in_ellipse, in_lon_lat_box};
use std::sync::Arc;

pub fn all() -> Vec<ScalarUDF> {
    use DataType::{Float64, Int32, Int64, Utf8};
    let mjd: fn(&[ArrayRef]) -> Result<ArrayRef> = |a| days(a, 40_587.0);
    let jd: fn(&[ArrayRef]) -> Result<ArrayRef> = |a| days(a, 2_440_587.5);
    vec![
        function("ivo_healpix_index", Int64, index),
        function("ivo_healpix_center", point_type(), center),
        function("ivo_hasword", Int32, |a| pairs(a, udf::hasword)),
        function("ivo_hashlist_has", Int32, |a| pairs(a, udf::hashlist_has)),
        function("ivo_interval_overlaps", Int32, intervals),
        function("ivo_hms_to_degrees", Float64, |a| angle(a, udf::hms_to_degrees)),
        function("ivo_dms_to_degrees", Float64, |a| angle(a, udf::dms_to_degrees)),
        lenient("ivo_epoch_prop_pos", point_type(), moved),
        lenient("ivo_apply_pm", point_type(), shifted),
        lenient("gavo_apply_pm", point_type(), shifted),
        function("ivo_geom_transform", Utf8, transformed),
        function("gavo_transform", Utf8, transformed),
        function("ivo_to_mjd", Float64, mjd),
        function("gavo_to_mjd", Float64, mjd),
        function("ivo_to_jd", Float64, jd),
        function("gavo_to_jd", Float64, jd),
        function("scisql_s2ptinbox", Int32, in_box),
        function("scisql_s2ptinellipse", Int32, ellipse),
        function("scisql_s2ptincircle", Int32, in_circle),
        function("scisql_s2ptincpoly", Int32, in_polygon),
    ]
}

/// `(order, ra, dec)`, `(order, point)`, and the older `(ra, dec, order)`, `(point, order)`.
fn index(args: &[ArrayRef]) -> Result<ArrayRef> {
    let whole = |a: &ArrayRef| a.data_type().is_integer();
    let (order, (ra, dec)) = match args {
        [order, point] if whole(order) => (numbers(order)?, coordinates(point)?),
        [point, order] => (numbers(order)?, coordinates(point)?),
        [order, ra, dec] if whole(order) => (numbers(order)?, (numbers(ra)?, numbers(dec)?)),
        [ra, dec, order] => (numbers(order)?, (numbers(ra)?, numbers(dec)?)),
        _ => return exec_err!("ivo_healpix_index takes an order and a position"),
    };
    let mut out = Vec::with_capacity(ra.len());
    for k in 0..ra.len() {
        if !(0.0..=29.0).contains(&order[k]) {
            return exec_err!("a HEALPix order of 0 to 29 was expected, not {}", order[k]);
        }
        let cell = healpix_index(order[k] as u8, ra[k], dec[k]);
        out.push(i64::try_from(cell).ok().filter(|c| *c < i64::MAX));
    }
    Ok(Arc::new(Int64Array::from(out)))
}

fn center(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [order, cell] = args else { return exec_err!("ivo_healpix_center takes order and index") };
    let (order, cell) = (numbers(order)?, cast(cell, &DataType::Int64)?);
    let cells = cell.as_primitive::<Int64Type>().values().iter();
    let (ra, dec) = order
        .iter()
        .zip(cells)
        .map(|(o, c)| match u64::try_from(*c) {
            Ok(c) if (0.0..=29.0).contains(o) => healpix_center(*o as u8, c),
            _ => (f64::NAN, f64::NAN),
        })
        .unzip();
    points(ra, dec)
}

fn pairs(args: &[ArrayRef], holds: impl Fn(&str, &str) -> bool) -> Result<ArrayRef> {
    let [a, b] = args else { return exec_err!("two texts were expected") };
    let (a, b) = (texts(a)?, texts(b)?);
    let out: Int32Array =
        a.iter().zip(b.iter()).map(|(a, b)| Some(i32::from(holds(a?, b?)))).collect();
    Ok(Arc::new(out))
}

fn angle(args: &[ArrayRef], read: impl Fn(&str) -> Option<f64>) -> Result<ArrayRef> {
    let Some(given) = args.first() else { return exec_err!("a text was expected") };
    let mut out = Vec::new();
    for t in texts(given)?.iter() {
        out.push(match t {
            None => None,
            Some(t) => match read(t) {
                Some(v) => Some(v),
                None => return exec_err!("`{t}` is no sexagesimal angle"),
            },
        });
    }
    Ok(Arc::new(Float64Array::from(out)))
}

/// 1 or 0 for rows of numbers; `None` is NULL.
fn judged<const N: usize>(
    args: &[ArrayRef],
    holds: impl Fn([f64; N]) -> Option<bool>,
) -> Result<ArrayRef> {
    let columns = args.iter().map(numbers).collect::<Result<Vec<_>>>()?;
    if columns.len() != N {
        return exec_err!("{N} arguments were expected, not {}", columns.len());
    }
    let rows = columns.first().map_or(0, Vec::len);
    let out: Int32Array =
        (0..rows).map(|r| holds(std::array::from_fn(|k| columns[k][r])).map(i32::from)).collect();
    Ok(Arc::new(out))
}

/// 1 when two closed intervals (low, high, low, high) have something in common.
fn intervals(args: &[ArrayRef]) -> Result<ArrayRef> {
    judged(args, |[a, b, c, d]| Some(udf::interval_overlaps(a, b, c, d)))
}

fn in_box(args: &[ArrayRef]) -> Result<ArrayRef> {
    judged(args, |[lon, lat, west, south, east, north]| {
        in_lon_lat_box(lon, lat, (west, south), (east, north))
    })
}

fn ellipse(args: &[ArrayRef]) -> Result<ArrayRef> {
    judged(args, |[lon, lat, a, b, major, minor, angle]| {
        in_ellipse((lon, lat), (a, b), major, minor, angle)
    })
}

fn in_circle(args: &[ArrayRef]) -> Result<ArrayRef> {
    judged(args, |[lon, lat, ra, dec, radius]| {
        Some(elqui_base::distance_deg(lon, lat, ra, dec) <= radius)
    })
}

fn in_polygon(args: &[ArrayRef]) -> Result<ArrayRef> {
    let n = args.iter().map(numbers).collect::<Result<Vec<_>>>()?;
    let [lon, lat, corners @ ..] = n.as_slice() else { return exec_err!("a position is missing") };
    let one = |r: usize| {
        let vertices = corners.chunks_exact(2).map(|c| (c[0][r], c[1][r])).collect();
        let region = Shape::Region(SkyRegion::Polygon { vertices });
        i32::from(region_test(&region, true).contains(lon[r], lat[r]))
    };
    Ok(Arc::new((0..lon.len()).map(|r| Some(one(r))).collect::<Int32Array>()))
}

/// `(ra, dec, parallax, pmra, pmdec, radial velocity, epoch, new epoch)`, or without parallax and velocity;
/// deg, mas, mas/yr (with cos dec), km/s, Julian years. NULL as position or epoch gives NULL.
fn moved(args: &[ArrayRef]) -> Result<ArrayRef> {
    let n = args.iter().map(numbers).collect::<Result<Vec<_>>>()?;
    let zero = vec![0.0; n.first().map_or(0, Vec::len)];
    let (ra, dec, plx, pm_ra, pm_dec, rv, from, to) = match n.as_slice() {
        [a, b, c, d, e, f, g, h] => (a, b, c, d, e, f, g, h),
        [a, b, d, e, g, h] => (a, b, &zero, d, e, &zero, g, h),
        _ => return exec_err!("ivo_epoch_prop_pos takes 6 or 8 numbers"),
    };
    let (mut ras, mut decs) = (Vec::new(), Vec::new());
    for r in 0..ra.len() {
        let star = StarMotion {
            ra: ra[r],
            dec: dec[r],
            parallax_mas: plx[r],
            pm_ra_mas_yr: pm_ra[r],
            pm_dec_mas_yr: pm_dec[r],
            radial_velocity_km_s: rv[r],
        };
        let there = star.after(to[r] - from[r]);
        ras.push(there.ra);
        decs.push(there.dec);
    }
    points(ras, decs)
}

/// `(ra, dec, pmra, pmdec, years)`, proper motions in deg/yr, that of right ascension with cos dec.
fn shifted(args: &[ArrayRef]) -> Result<ArrayRef> {
    const MAS_PER_DEG: f64 = 3.6e6;
    let n = args.iter().map(numbers).collect::<Result<Vec<_>>>()?;
    let [ra, dec, pm_ra, pm_dec, years] = n.as_slice() else {
        return exec_err!("apply_pm takes five numbers");
    };
    let (mut ras, mut decs) = (Vec::new(), Vec::new());
    for r in 0..ra.len() {
        let star = StarMotion {
            ra: ra[r],
            dec: dec[r],
            parallax_mas: 0.0,
            pm_ra_mas_yr: pm_ra[r] * MAS_PER_DEG,
            pm_dec_mas_yr: pm_dec[r] * MAS_PER_DEG,
            radial_velocity_km_s: 0.0,
        };
        let there = star.after(years[r]);
        ras.push(there.ra);
        decs.push(there.dec);
    }
    points(ras, decs)
}

/// `(from, to, geometry)`: a point or a circle, box or polygon in another frame, in STC-S.
fn transformed(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [from, to, what] = args else {
        return exec_err!("two frames and a geometry were expected");
    };
    let (from, to) = (texts(from)?, texts(to)?);
    let place =
        |r: usize, lon: f64, lat: f64| transform_position(from.value(r), to.value(r), lon, lat);
    let mut out = Vec::with_capacity(what.len());
    let given = if what.as_struct_opt().is_some() { None } else { Some(texts(what)?) };
    let at = if given.is_none() { Some(coordinates(what)?) } else { None };
    for r in 0..what.len() {
        let shape = match (&at, given) {
            (Some((ra, dec)), _) => Shape::Point { ra: ra[r], dec: dec[r] },
            (_, Some(t)) if t.is_valid(r) => match elqui_adql::stc_s(t.value(r)) {
                Ok(shape) => shape,
                Err(why) => return exec_err!("`{}` is no region: {why}", t.value(r)),
            },
            _ => {
                out.push(None);
                continue;
            }
        };
        let text = match shape {
            Shape::Point { ra, dec } => place(r, ra, dec).map(|(a, b)| format!("POSITION {a} {b}")),
            Shape::Region(SkyRegion::Circle { ra, dec, radius }) => {
                place(r, ra, dec).map(|(a, b)| format!("CIRCLE {a} {b} {radius}"))
            }
            Shape::Region(region) => region
                .vertices()
                .into_iter()
                .map(|(a, b)| place(r, a, b).map(|(a, b)| format!(" {a} {b}")))
                .collect::<Option<String>>()
                .map(|corners| format!("POLYGON{corners}")),
            Shape::Moc(_) => return exec_err!("a MOC has cells of one frame: it cannot be turned"),
        };
        match text {
            Some(text) => out.push(Some(text)),
            None => return exec_err!("frames are ICRS, FK5, GALACTIC, SUPER_GALACTIC, ECLIPTIC"),
        }
    }
    Ok(Arc::new(StringArray::from(out)))
}

/// Days since an epoch of a timestamp, or of a text that is one.
fn days(args: &[ArrayRef], zero: f64) -> Result<ArrayRef> {
    let Some(given) = args.first() else { return exec_err!("a timestamp was expected") };
    let fine = cast(given, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    let out: Float64Array = fine
        .as_primitive::<TimestampMicrosecondType>()
        .iter()
        .map(|v| v.map(|v| zero + v as f64 / 86_400e6))
        .collect();
    Ok(Arc::new(out))
}
