//! ADQL's geometry (ADQL 2.1, section 4.2) on columns. Constant regions do not come here: they are
//! `adql_in_region`.

use super::regions::region_test;
use super::sky_function::{coordinates, function, numbers, point_type, points, texts};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, StringArray,
};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ScalarUDF;
use elqui_adql::{Shape, stc_s};
use elqui_base::distance_deg;
use elqui_sphere::{Coverage, RegionTest};
use std::fmt::Write as _;
use std::sync::Arc;

/// `adql_near(ra, dec, ra, dec, radius_deg, inclusive)`: what the language makes of DISTANCE and its kin.
pub const NEAR: &str = "adql_near";

pub fn all() -> Vec<ScalarUDF> {
    use DataType::{Boolean, Float64, Int32, Utf8};
    vec![
        function(NEAR, Boolean, near),
        function("adql_point", point_type(), |a| points(numbers(&a[0])?, numbers(&a[1])?)),
        function("adql_circle", Utf8, |a| written("CIRCLE", a)),
        function("adql_box", Utf8, |a| written("BOX", a)),
        function("adql_polygon", Utf8, |a| written("POLYGON", a)),
        function("adql_region", Utf8, region),
        function("adql_moc", Utf8, region),
        function("adql_contains", Int32, |a| compare(a, contains)),
        function("adql_intersects", Int32, |a| compare(a, shapes_meet)),
        function("adql_distance", Float64, distance),
        function("adql_area", Float64, area),
        function("adql_centroid", point_type(), centroid),
        function("adql_coord1", Float64, |a| {
            Ok(Arc::new(Float64Array::from(coordinates(&a[0])?.0)))
        }),
        function("adql_coord2", Float64, |a| {
            Ok(Arc::new(Float64Array::from(coordinates(&a[0])?.1)))
        }),
        function("coordsys", Utf8, |a| {
            Ok(Arc::new(StringArray::from_iter_values((0..a[0].len()).map(|_| "ICRS"))))
        }),
    ]
}

fn near(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [ra1, dec1, ra2, dec2, radius, inclusive] = args else {
        return exec_err!("{NEAR} takes six arguments");
    };
    let n = [numbers(ra1)?, numbers(dec1)?, numbers(ra2)?, numbers(dec2)?, numbers(radius)?];
    let inclusive = inclusive.as_boolean();
    let out: Vec<bool> = (0..n[0].len())
        .map(|k| {
            let d = distance_deg(n[0][k], n[1][k], n[2][k], n[3][k]);
            d < n[4][k] || (d == n[4][k] && inclusive.value(k))
        })
        .collect();
    Ok(Arc::new(BooleanArray::from(out)))
}

fn distance(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [a, b, c, d] = match args {
        [p, q] => {
            let ((a, b), (c, d)) = (coordinates(p)?, coordinates(q)?);
            [a, b, c, d]
        }
        [a, b, c, d] => [numbers(a)?, numbers(b)?, numbers(c)?, numbers(d)?],
        _ => return exec_err!("DISTANCE takes two points, or four numbers"),
    };
    let out: Vec<f64> = (0..a.len()).map(|k| distance_deg(a[k], b[k], c[k], d[k])).collect();
    Ok(Arc::new(Float64Array::from(out)))
}

/// A shape in STC-S from its numbers and points.
fn written(kind: &str, args: &[ArrayRef]) -> Result<ArrayRef> {
    let mut columns = Vec::new();
    for a in args {
        if a.as_struct_opt().is_some() {
            let (ra, dec) = coordinates(a)?;
            columns.extend([ra, dec]);
        } else {
            columns.push(numbers(a)?);
        }
    }
    let rows = args.first().map_or(0, |a| a.len());
    let mut text = String::new();
    let out = StringArray::from_iter((0..rows).map(|r| {
        text.clear();
        text.push_str(kind);
        for c in &columns {
            if !c[r].is_finite() {
                return None;
            }
            let _ = write!(text, " {}", c[r]);
        }
        Some(text.clone())
    }));
    Ok(Arc::new(out))
}

/// STC-S, a MOC, or DALI's numbers; a text that is neither is an error with the reason.
fn region(args: &[ArrayRef]) -> Result<ArrayRef> {
    let Some(last) = args.last() else { return exec_err!("REGION takes a text") };
    if last.as_struct_opt().is_some() {
        let (ra, dec) = coordinates(last)?;
        let out = StringArray::from_iter_values(
            ra.iter().zip(dec).map(|(r, d)| format!("POSITION {r} {d}")),
        );
        return Ok(Arc::new(out));
    }
    let given = texts(last)?;
    let read = |t: &str| -> Result<String> {
        let made = named(t);
        shape(&made)?;
        Ok(made)
    };
    let out = given.iter().map(|t| t.map(read).transpose()).collect::<Result<StringArray>>()?;
    Ok(Arc::new(out))
}

/// DALI's bare numbers and MOCs with the word that STC-S puts before them.
fn named(t: &str) -> String {
    let count = t.split_whitespace().map(|w| w.parse::<f64>().ok()).collect::<Option<Vec<_>>>();
    match count.map(|n| n.len()) {
        Some(2) => format!("POSITION {t}"),
        Some(3) => format!("CIRCLE {t}"),
        Some(n) if n >= 6 && n % 2 == 0 => format!("POLYGON {t}"),
        _ if t.starts_with(|c: char| c.is_ascii_digit()) => format!("MOC {t}"),
        _ => t.to_string(),
    }
}

fn shape(text: &str) -> Result<Shape> {
    stc_s(&named(text))
        .map_err(|why| DataFusionError::Execution(format!("`{text}` is no region: {why}")))
}

/// Shapes row by row; a shape that repeats is read once.
struct Shapes<'a> {
    points: Option<(Vec<f64>, Vec<f64>)>,
    texts: Option<&'a StringArray>,
    last: Option<(String, Shape, RegionTest)>,
}

impl<'a> Shapes<'a> {
    fn new(array: &'a ArrayRef) -> Result<Self> {
        let points = array.as_struct_opt().is_some().then(|| coordinates(array)).transpose()?;
        let texts = if points.is_none() { Some(texts(array)?) } else { None };
        Ok(Self { points, texts, last: None })
    }

    fn at(&mut self, row: usize) -> Result<Option<(Shape, Option<&RegionTest>)>> {
        if let Some((ra, dec)) = &self.points {
            let known = ra[row].is_finite() && dec[row].is_finite();
            return Ok(known.then(|| (Shape::Point { ra: ra[row], dec: dec[row] }, None)));
        }
        let Some(texts) = self.texts.filter(|t| t.is_valid(row)) else { return Ok(None) };
        let text = texts.value(row);
        if self.last.as_ref().is_none_or(|(t, ..)| t != text) {
            let read = shape(text)?;
            let test = region_test(&read, true);
            self.last = Some((text.to_string(), read, test));
        }
        Ok(self.last.as_ref().map(|(_, s, t)| (s.clone(), Some(t))))
    }
}

type Compare = fn(&Shape, &Shape, Option<&RegionTest>) -> bool;

/// 1 or 0 for each row of two columns of shapes.
fn compare(args: &[ArrayRef], holds: Compare) -> Result<ArrayRef> {
    let [a, b] = args else { return exec_err!("two shapes are compared") };
    let rows = a.len();
    let (mut a, mut b) = (Shapes::new(a)?, Shapes::new(b)?);
    let mut out = Vec::with_capacity(rows);
    for r in 0..rows {
        let (Some((x, _)), Some((y, test))) = (a.at(r)?, b.at(r)?) else {
            out.push(None);
            continue;
        };
        out.push(Some(i32::from(holds(&x, &y, test))));
    }
    Ok(Arc::new(Int32Array::from(out)))
}

fn contains(a: &Shape, b: &Shape, test: Option<&RegionTest>) -> bool {
    match (a, test) {
        (Shape::Point { ra, dec }, Some(test)) => test.contains(*ra, *dec),
        (Shape::Point { ra, dec }, None) => {
            matches!(b, Shape::Point { ra: r, dec: d } if distance_deg(*ra, *dec, *r, *d) == 0.0)
        }
        (Shape::Region(a), _) => match b {
            Shape::Region(b) => b.holds(a),
            Shape::Moc(b) => b.holds(a),
            Shape::Point { .. } => false,
        },
        // A set of cells in a set of cells; a region that is to hold cells is made cells itself.
        (Shape::Moc(a), _) => match b {
            Shape::Moc(b) => a.intersection(b) == *a,
            Shape::Region(b) => Coverage::of(b, a.order()).is_ok_and(|b| a.intersection(&b) == *a),
            Shape::Point { .. } => false,
        },
    }
}

fn shapes_meet(a: &Shape, b: &Shape, test: Option<&RegionTest>) -> bool {
    match (a, b) {
        (Shape::Point { .. }, _) => contains(a, b, test),
        (_, Shape::Point { .. }) => contains(b, a, Some(&region_test(a, true))),
        (Shape::Region(a), Shape::Region(b)) => a.overlaps(b),
        (Shape::Moc(a), Shape::Moc(b)) => a.overlaps_coverage(b),
        (Shape::Moc(m), Shape::Region(r)) | (Shape::Region(r), Shape::Moc(m)) => m.overlaps(r),
    }
}

/// Square degrees.
fn area(args: &[ArrayRef]) -> Result<ArrayRef> {
    let mut all = Shapes::new(&args[0])?;
    let one = |s: Shape| match s {
        Shape::Point { .. } => Some(0.0),
        Shape::Region(r) => r.area_deg2().ok(),
        Shape::Moc(m) => Some(m.area_deg2()),
    };
    let out = (0..args[0].len())
        .map(|r| Ok(all.at(r)?.and_then(|(s, _)| one(s))))
        .collect::<Result<Float64Array>>()?;
    Ok(Arc::new(out))
}

fn centroid(args: &[ArrayRef]) -> Result<ArrayRef> {
    let mut all = Shapes::new(&args[0])?;
    let one = |s: Shape| match s {
        Shape::Point { ra, dec } => Some((ra, dec)),
        Shape::Region(r) => r.centroid().ok(),
        Shape::Moc(m) => m.centroid(),
    };
    let (mut ra, mut dec) = (Vec::new(), Vec::new());
    for r in 0..args[0].len() {
        let (x, y) = all.at(r)?.and_then(|(s, _)| one(s)).unwrap_or((f64::NAN, f64::NAN));
        ra.push(x);
        dec.push(y);
    }
    points(ra, dec)
}

/// Centres and radii (deg) of circles that hold the shapes; NaN for NULL.
pub fn bounding_circles(array: &ArrayRef) -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
    let mut all = Shapes::new(array)?;
    let mut out = (Vec::new(), Vec::new(), Vec::new());
    for r in 0..array.len() {
        let circle = match all.at(r)?.map(|(s, _)| s) {
            Some(Shape::Point { ra, dec }) => Some((ra, dec, 0.0)),
            // A region that no circle of one hemisphere holds may be anywhere.
            Some(Shape::Region(region)) => {
                Some(region.bounding_circle().unwrap_or((0.0, 90.0, 180.0)))
            }
            Some(Shape::Moc(_)) => Some((0.0, 90.0, 180.0)),
            None => None,
        };
        let (ra, dec, radius) = circle.unwrap_or((f64::NAN, f64::NAN, f64::NAN));
        out.0.push(ra);
        out.1.push(dec);
        out.2.push(radius);
    }
    Ok(out)
}
