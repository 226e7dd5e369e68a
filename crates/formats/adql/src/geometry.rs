//! Geometry with constant arguments: numbers folded, shapes made into regions of the sphere.
//!
//! - angles in degrees, ICRS; shapes and their arguments: ADQL 2.1, section 4.2
//! - REGION: the part of STC-S that services share: `POSITION`, `CIRCLE`, `BOX` and
//!   `POLYGON`, with or without a frame; and MOCs in ASCII (`MOC 4/12 5/3-7`)
//! - differs from the recommendation: BOX is the polygon of its corners (centre +- half the sizes in
//!   right ascension and declination), as the services of CADC and GAVO have it

use crate::error::{AdqlError, At};
use crate::tree::*;
use crate::types::Type;
use elqui_base::distance_deg;
use elqui_sphere::{Coverage, SkyRegion};

/// A shape without columns.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Point { ra: f64, dec: f64 },
    Region(SkyRegion),
    Moc(Coverage),
}

/// A constant number.
pub(crate) fn number(e: &Expr) -> Option<f64> {
    let value = match &e.kind {
        Kind::Number(text) => text.parse().ok()?,
        Kind::Hex(n) => *n as f64,
        Kind::Minus(x) => -number(x)?,
        Kind::Cast { expr, target, .. } if target.is_number() && !target.is_integer() => {
            number(expr)?
        }
        Kind::Binary { op, left, right } => {
            // Whole numbers divide differently in each engine.
            let whole = |e: &Expr| matches!(&e.kind, Kind::Number(t) if t.parse::<i64>().is_ok());
            let exact = !(whole(left) && whole(right));
            let (a, b) = (number(left)?, number(right)?);
            match op {
                Op::Add => a + b,
                Op::Subtract => a - b,
                Op::Multiply => a * b,
                Op::Divide if exact => a / b,
                _ => return None,
            }
        }
        Kind::Call(c) => match (c.name.as_str(), c.args.as_slice()) {
            ("pi", []) => std::f64::consts::PI,
            ("radians", [x]) => number(x)?.to_radians(),
            ("degrees", [x]) => number(x)?.to_degrees(),
            ("sqrt", [x]) => number(x)?.sqrt(),
            ("cos", [x]) => number(x)?.cos(),
            ("sin", [x]) => number(x)?.sin(),
            _ => return None,
        },
        _ => return None,
    };
    value.is_finite().then_some(value)
}

/// Where a point, given by an expression or two, is.
pub(crate) fn constant_point(e: &Expr) -> Option<(f64, f64)> {
    let Kind::Call(c) = &e.kind else { return None };
    match (c.name.as_str(), c.args.as_slice()) {
        ("point", [ra, dec]) => Some((number(ra)?, number(dec)?)),
        ("centroid", [g]) => match shape(g)? {
            Shape::Point { ra, dec } => Some((ra, dec)),
            Shape::Region(region) => region.centroid().ok(),
            Shape::Moc(cells) => cells.centroid(),
        },
        _ => None,
    }
}

/// The shape of an expression, when it is constant.
pub fn shape(e: &Expr) -> Option<Shape> {
    let Kind::Call(c) = &e.kind else { return None };
    let args = c.args.as_slice();
    let center = |args: &[Expr]| match args.first() {
        Some(p) if constant_point(p).is_some() => constant_point(p).map(|p| (p, 1)),
        _ => Some(((number(args.first()?)?, number(args.get(1)?)?), 2)),
    };
    match c.name.as_str() {
        "point" | "centroid" => constant_point(e).map(|(ra, dec)| Shape::Point { ra, dec }),
        "circle" => {
            let ((ra, dec), used) = center(args)?;
            let radius = number(args.get(used)?)?;
            Some(Shape::Region(SkyRegion::Circle { ra, dec, radius }))
        }
        "box" => {
            let ((ra, dec), used) = center(args)?;
            let (width, height) = (number(args.get(used)?)?, number(args.get(used + 1)?)?);
            Some(Shape::Region(SkyRegion::Box { ra, dec, width, height }))
        }
        "polygon" => {
            let vertices = if constant_point(args.first()?).is_some() {
                args.iter().map(constant_point).collect::<Option<Vec<_>>>()?
            } else {
                let numbers = args.iter().map(number).collect::<Option<Vec<_>>>()?;
                numbers.chunks_exact(2).map(|p| (p[0], p[1])).collect()
            };
            Some(Shape::Region(SkyRegion::Polygon { vertices }))
        }
        "region" => match &args.first()?.kind {
            Kind::Text(text) => stc_s(text).ok(),
            _ => None,
        },
        "moc" => match args {
            [Expr { kind: Kind::Text(text), .. }] => {
                Coverage::from_ascii(text).ok().map(Shape::Moc)
            }
            [order, geometry] => {
                let order = number(order).filter(|o| (0.0..=29.0).contains(o))? as u8;
                match shape(geometry)? {
                    Shape::Region(r) if order <= 16 => Coverage::of(&r, order).ok().map(Shape::Moc),
                    _ => None,
                }
            }
            _ => None,
        },
        _ => None,
    }
}

/// Read the shared part of STC-S, or a MOC.
pub fn stc_s(text: &str) -> Result<Shape, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (kind, mut rest) = words.split_first().ok_or("an empty region")?;
    if kind.eq_ignore_ascii_case("moc") {
        let moc = Coverage::from_ascii(&rest.join(" ")).map(Shape::Moc);
        // The reader's own message has several lines.
        return moc.map_err(|_| "a MOC reads order/cells order/cells, as in 4/12 5/3-7".into());
    }
    // Frame, reference position and flavour, each optional, in this order.
    while let Some(word) = rest.first().filter(|w| w.parse::<f64>().is_err()) {
        let known = ["GEOCENTER", "BARYCENTER", "TOPOCENTER", "SPHERICAL2", "UNKNOWNREFPOS"];
        if !frame_is_ours(word) && !known.iter().any(|k| word.eq_ignore_ascii_case(k)) {
            return Err(format!("`{word}` is not read here: positions are ICRS, in degrees"));
        }
        rest = &rest[1..];
    }
    let n: Vec<f64> = rest
        .iter()
        .map(|w| {
            w.parse()
                .ok()
                .filter(|x: &f64| x.is_finite())
                .ok_or_else(|| format!("`{w}` is no number"))
        })
        .collect::<Result<_, _>>()?;
    let region = match (kind.to_ascii_uppercase().as_str(), n.as_slice()) {
        ("POSITION", [ra, dec]) => return Ok(Shape::Point { ra: *ra, dec: *dec }),
        ("CIRCLE", [ra, dec, radius]) => SkyRegion::Circle { ra: *ra, dec: *dec, radius: *radius },
        ("BOX", [ra, dec, width, height]) => {
            SkyRegion::Box { ra: *ra, dec: *dec, width: *width, height: *height }
        }
        ("POLYGON", n) if n.len() >= 6 && n.len() % 2 == 0 => {
            SkyRegion::Polygon { vertices: n.chunks_exact(2).map(|p| (p[0], p[1])).collect() }
        }
        _ => {
            return Err("a region reads POSITION ra dec, CIRCLE ra dec radius, BOX ra dec width \
                        height, POLYGON ra dec ra dec ra dec ..., or MOC order/cells"
                .into());
        }
    };
    region.check().map_err(|e| e.to_string())?;
    Ok(Shape::Region(region))
}

/// Frames that are ICRS to within a few hundredths of an arcsecond, or that say nothing.
fn frame_is_ours(frame: &str) -> bool {
    let first = frame.split_whitespace().next().unwrap_or("");
    ["", "ICRS", "FK5", "J2000", "UNKNOWNFRAME", "UNKNOWN"]
        .iter()
        .any(|f| first.eq_ignore_ascii_case(f))
}

/// A text in DALI's serialisation (numbers, section 4.7.1) as the call that makes the same shape;
/// STC-S where the text starts with a word.
pub(crate) fn from_dali(target: Type, text: &str, at: At) -> Result<Expr, AdqlError> {
    let bad = |why: String| AdqlError::Geometry { at, why };
    let call = |name: &str, args: Vec<Kind>| {
        let args = args.into_iter().map(|kind| Expr { at, kind, ty: Type::Double }).collect();
        let (name, distinct, star, frame) = (name.to_string(), false, false, None);
        Expr { at, kind: Kind::Call(Call { name, args, distinct, star, frame }), ty: target }
    };
    if target == Type::Region || text.trim_start().starts_with(|c: char| c.is_ascii_alphabetic()) {
        stc_s(text).map_err(bad)?;
        return Ok(call("region", vec![Kind::Text(text.to_string())]));
    }
    let numbers: Option<Vec<f64>> =
        text.split_whitespace().map(|w| w.parse().ok().filter(|x: &f64| x.is_finite())).collect();
    let (name, fits) = match (target, numbers.as_ref().map_or(0, Vec::len)) {
        (Type::Point, 2) => ("point", true),
        (Type::Circle, 3) => ("circle", true),
        (_, n) => ("polygon", target == Type::Polygon && n >= 6 && n % 2 == 0),
    };
    match numbers {
        Some(n) if fits => {
            let number = |x: f64| Kind::Number(format!("{:?}", x.abs()));
            let signed = |x: f64| match x.is_sign_negative() {
                true => Kind::Minus(Box::new(Expr { at, kind: number(x), ty: Type::Double })),
                false => number(x),
            };
            let made = call(name, n.into_iter().map(signed).collect());
            if let Kind::Call(c) = &made.kind {
                check_constants(c, at)?;
            }
            Ok(made)
        }
        _ => Err(bad(format!("'{text}' is no {target}: numbers in degrees with spaces between"))),
    }
}

/// CONTAINS and INTERSECTS of two constant shapes, and AREA of one, as a number.
pub(crate) fn fold(call: &Call) -> Option<String> {
    use Shape::{Moc, Point, Region};
    let one_or_zero = |holds: bool| i32::from(holds).to_string();
    match (call.name.as_str(), call.args.as_slice()) {
        ("area", [g]) => match shape(g)? {
            Point { .. } => Some("0.0".into()),
            Region(r) => Some(format!("{:?}", r.area_deg2().ok()?)),
            Moc(m) => Some(format!("{:?}", m.area_deg2())),
        },
        ("intersects", [a, b]) => Some(one_or_zero(match (shape(a)?, shape(b)?) {
            (Point { ra: r, dec: d }, Point { ra, dec }) => distance_deg(r, d, ra, dec) == 0.0,
            (Point { ra, dec }, Region(r)) | (Region(r), Point { ra, dec }) => r.contains(ra, dec),
            (Point { ra, dec }, Moc(m)) | (Moc(m), Point { ra, dec }) => m.contains(ra, dec),
            (Region(a), Region(b)) => a.overlaps(&b),
            (Region(r), Moc(m)) | (Moc(m), Region(r)) => m.overlaps(&r),
            (Moc(a), Moc(b)) => a.overlaps_coverage(&b),
        })),
        ("contains", [a, b]) => Some(one_or_zero(match (shape(a)?, shape(b)?) {
            (Point { ra: r, dec: d }, Point { ra, dec }) => distance_deg(r, d, ra, dec) == 0.0,
            (Point { ra, dec }, Region(r)) => r.contains(ra, dec),
            (Point { ra, dec }, Moc(m)) => m.contains(ra, dec),
            (Region(inner), Region(outer)) => outer.holds(&inner),
            (Region(inner), Moc(outer)) => outer.holds(&inner),
            (Moc(inner), Moc(outer)) => !inner.overlaps_coverage(&outer.complement()),
            // More than a point is in no point; cells in a region are left to the engine.
            (_, Point { .. }) => false,
            (Moc(_), Region(_)) => return None,
        })),
        _ => None,
    }
}

/// Take the deprecated frame from a geometry's arguments (section 4.2.5).
pub(crate) fn take_frame(call: &mut Call, at: At) -> Result<(), AdqlError> {
    let framed = matches!(call.name.as_str(), "point" | "circle" | "box" | "polygon");
    if !framed || !call.args.first().is_some_and(|a| a.ty.is_text() && a.ty != Type::Any) {
        return Ok(());
    }
    let first = call.args.remove(0);
    match first.kind {
        Kind::Text(frame) if frame_is_ours(&frame) => {
            call.frame = Some(frame);
            Ok(())
        }
        Kind::Text(frame) => Err(AdqlError::Geometry {
            at: first.at,
            why: format!("positions are not converted from `{frame}`: give ICRS, or no frame"),
        }),
        _ => Err(AdqlError::Geometry { at, why: "the frame of a geometry is a text".into() }),
    }
}

/// Constant shapes must be on the sky.
pub(crate) fn check_constants(call: &Call, at: At) -> Result<(), AdqlError> {
    let bad = |why: String| Err(AdqlError::Geometry { at, why });
    if matches!(call.name.as_str(), "region" | "moc") {
        let text = match (call.name.as_str(), call.args.first().map(|a| &a.kind)) {
            ("region", Some(Kind::Text(text))) => text.clone(),
            ("moc", Some(Kind::Text(text))) => format!("MOC {text}"),
            ("region", _) => return bad("REGION takes one text in quotes".into()),
            _ => return Ok(()),
        };
        return stc_s(&text).map(|_| ()).or_else(bad);
    }
    let expr = Expr { at, kind: Kind::Call(call.clone()), ty: Type::Any };
    match shape(&expr) {
        Some(Shape::Region(region)) => region.check().map_err(|e| e.to_string()).or_else(bad),
        Some(Shape::Point { ra, dec }) => SkyRegion::Circle { ra, dec, radius: 0.0 }
            .check()
            .map_err(|e| e.to_string())
            .or_else(bad),
        _ => Ok(()),
    }
}
