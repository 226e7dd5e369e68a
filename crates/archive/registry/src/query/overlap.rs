//! Whether two regions of the sky have a point in common.
//!
//! - circles: the separation of the centres against the sum of the radii
//! - polygons: a corner of one in the other, or two sides that cross
//! - circle and polygon: the centre inside, or a side nearer than the radius
//!
//! Touching counts. Sides are great circles. Regions that are not valid overlap nothing.

use elqui_base::UnitVector;
use elqui_sphere::SkyRegion;

/// Positions that are this near are the same, rad (0.2 mas).
const TOUCH_RAD: f64 = 1e-9;

pub(crate) fn overlap(a: &SkyRegion, b: &SkyRegion) -> bool {
    if a.check().is_err() || b.check().is_err() {
        return false;
    }
    match (a, b) {
        (
            SkyRegion::Circle { ra, dec, radius },
            SkyRegion::Circle { ra: rb, dec: db, radius: sb },
        ) => {
            let (p, q) =
                (UnitVector::from_ra_dec_deg(*ra, *dec), UnitVector::from_ra_dec_deg(*rb, *db));
            p.separation(q).rad() <= (radius + sb).to_radians() + TOUCH_RAD
        }
        (SkyRegion::Circle { ra, dec, radius }, other)
        | (other, SkyRegion::Circle { ra, dec, radius }) => {
            let center = UnitVector::from_ra_dec_deg(*ra, *dec);
            other.contains(*ra, *dec)
                || sides(other)
                    .iter()
                    .any(|(p, q)| distance_rad(*p, *q, center) <= radius.to_radians() + TOUCH_RAD)
        }
        _ => {
            let inside = |a: &SkyRegion, b: &SkyRegion| {
                b.vertices().iter().any(|&(ra, dec)| a.contains(ra, dec))
            };
            inside(a, b)
                || inside(b, a)
                || sides(a).iter().any(|s| sides(b).iter().any(|t| cross(*s, *t)))
        }
    }
}

type Side = (UnitVector, UnitVector);

fn sides(region: &SkyRegion) -> Vec<Side> {
    let corners: Vec<UnitVector> =
        region.vertices().iter().map(|&(ra, dec)| UnitVector::from_ra_dec_deg(ra, dec)).collect();
    (0..corners.len()).map(|k| (corners[k], corners[(k + 1) % corners.len()])).collect()
}

fn triple(a: UnitVector, b: UnitVector, p: UnitVector) -> f64 {
    UnitVector(a.cross(b)).dot(p)
}

/// Two arcs shorter than half a circle meet when each one's ends lie on both sides of the other,
/// and not on opposite sides of the globe.
fn cross((a, b): Side, (c, d): Side) -> bool {
    let (abc, abd) = (triple(a, b, c), triple(a, b, d));
    let (cda, cdb) = (triple(c, d, a), triple(c, d, b));
    let near = a.dot(c) > 0.0 || a.dot(d) > 0.0 || b.dot(c) > 0.0 || b.dot(d) > 0.0;
    near && abc * abd <= 0.0 && cda * cdb <= 0.0
}

fn distance_rad(a: UnitVector, b: UnitVector, p: UnitVector) -> f64 {
    let ends = a.separation(p).rad().min(b.separation(p).rad());
    let pole = a.cross(b);
    let length = pole.iter().map(|v| v * v).sum::<f64>().sqrt();
    if length < 1e-15 {
        return ends;
    }
    let pole = UnitVector(pole.map(|v| v / length));
    let beside = triple(pole, a, p) >= 0.0 && triple(pole, b, p) <= 0.0;
    if beside { pole.dot(p).clamp(-1.0, 1.0).asin().abs() } else { ends }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_boxes_and_polygons() {
        let c = |ra, dec, radius| SkyRegion::Circle { ra, dec, radius };
        let b = |ra, dec, size| SkyRegion::Box { ra, dec, width: size, height: size };
        for (one, two, yes) in [
            (c(10.0, 0.0, 1.0), c(12.0, 0.0, 1.0), true),
            (c(10.0, 0.0, 1.0), c(12.1, 0.0, 1.0), false),
            (c(359.9, 0.0, 0.2), c(0.1, 0.0, 0.1), true),
            (b(10.0, 0.0, 2.0), c(11.5, 0.0, 0.6), true),
            (b(10.0, 0.0, 2.0), c(11.5, 0.0, 0.4), false),
            (b(10.0, 0.0, 2.0), c(10.0, 0.0, 0.01), true),
            (c(10.0, 0.0, 5.0), b(10.0, 0.0, 2.0), true),
            (b(10.0, 0.0, 2.0), b(11.5, 1.5, 2.0), true),
            (b(10.0, 0.0, 2.0), b(13.0, 0.0, 2.0), false),
            (b(10.0, 0.0, 2.0), b(190.0, 0.0, 2.0), false),
            // A cross: no corner of either lies in the other.
            (
                SkyRegion::Box { ra: 10.0, dec: 0.0, width: 4.0, height: 0.5 },
                SkyRegion::Box { ra: 10.0, dec: 0.0, width: 0.5, height: 4.0 },
                true,
            ),
        ] {
            assert_eq!(overlap(&one, &two), yes, "{one:?} {two:?}");
            assert_eq!(overlap(&two, &one), yes, "{two:?} {one:?}");
        }
    }
}
