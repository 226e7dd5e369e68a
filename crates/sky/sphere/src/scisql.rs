//! The shapes of sciSQL's and Qserv's functions that are not ADQL's: a range of coordinates, and an
//! ellipse.
//!
//! - `None` (NULL) where an argument is not finite or outside of its domain, as in sciSQL 0.3
//! - differs from sciSQL: the ellipse has no twin on the far side of the globe

use elqui_base::{UnitVector, turn_deg};

/// Semi-major axis of an ellipse, at most, arcsec.
const AXIS_MAX_ARCSEC: f64 = 36_000.0;

fn latitudes<const N: usize>(values: [f64; N]) -> bool {
    values.iter().all(|v| (-90.0..=90.0).contains(v))
}

/// `scisql_s2PtInBox(lon, lat, lonMin, latMin, lonMax, latMax)`, deg. Both longitudes in 0 to 360: the
/// range goes through 0 where the first is larger. Otherwise they must rise, and span the whole
/// circle where they are 360 or more apart.
pub fn in_lon_lat_box(
    lon: f64,
    lat: f64,
    (lon_min, lat_min): (f64, f64),
    (lon_max, lat_max): (f64, f64),
) -> Option<bool> {
    let finite = [lon, lon_min, lon_max].iter().all(|v| v.is_finite());
    if !finite || !latitudes([lat, lat_min, lat_max]) {
        return None;
    }
    let plain = |v| (0.0..=360.0).contains(&v);
    if !(plain(lon_min) && plain(lon_max)) && lon_min > lon_max {
        return None;
    }
    if !(lat_min..=lat_max).contains(&lat) {
        return Some(false);
    }
    if lon_max - lon_min >= 360.0 {
        return Some(true);
    }
    let (lon, low) = (turn_deg(lon), turn_deg(lon_min));
    // 360 as an upper end is not 0.
    let high = if lon_max == 360.0 { 360.0 } else { turn_deg(lon_max) };
    Some(if low <= high { low <= lon && lon <= high } else { low <= lon || lon <= high })
}

/// `scisql_s2PtInEllipse(lon, lat, centerLon, centerLat, semiMajor, semiMinor, positionAngle)`: degrees,
/// axes in arcseconds, the angle east of north; in the orthographic projection about the centre.
pub fn in_ellipse(
    (lon, lat): (f64, f64),
    (center_lon, center_lat): (f64, f64),
    semi_major_arcsec: f64,
    semi_minor_arcsec: f64,
    position_angle_deg: f64,
) -> Option<bool> {
    let finite = [lon, center_lon, position_angle_deg].iter().all(|v| v.is_finite());
    let axes = 0.0 <= semi_minor_arcsec
        && semi_minor_arcsec <= semi_major_arcsec
        && semi_major_arcsec <= AXIS_MAX_ARCSEC;
    if !(finite && axes && latitudes([lat, center_lat])) {
        return None;
    }
    let (p, center) = (
        UnitVector::from_ra_dec_deg(lon, lat),
        UnitVector::from_ra_dec_deg(center_lon, center_lat),
    );
    if p.dot(center) <= 0.0 {
        return Some(false);
    }
    let (east, north) = center.tangent_basis();
    // The differences keep the digits of nearby positions.
    let off = UnitVector(std::array::from_fn(|k| p.0[k] - center.0[k]));
    let (x, y) = (off.dot(UnitVector(north)), off.dot(UnitVector(east)));
    let (sin, cos) = position_angle_deg.to_radians().sin_cos();
    let (along, across) = (cos * x + sin * y, cos * y - sin * x);
    let rad = |arcsec: f64| (arcsec / 3600.0).to_radians();
    let (a, b) = (rad(semi_major_arcsec), rad(semi_minor_arcsec));
    Some((along * b).powi(2) + (across * a).powi(2) <= (a * b).powi(2) && along.abs() <= a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_coordinates() {
        let held = |lon, low, high| in_lon_lat_box(lon, 0.0, (low, -1.0), (high, 1.0));
        assert_eq!(held(355.0, 350.0, 10.0), Some(true));
        assert_eq!(held(-5.0, 350.0, 370.0), Some(true));
        assert_eq!(held(5.0, 350.0, 370.0), Some(true));
        assert_eq!(held(20.0, 350.0, 370.0), Some(false));
        assert_eq!(held(359.0, 340.0, 360.0), Some(true));
        assert_eq!(held(20.0, -500.0, 500.0), Some(true));
        assert_eq!(held(20.0, 0.0, 360.0), Some(true));
        assert_eq!(held(20.0, 400.0, 350.0), None);
        assert_eq!(held(f64::NAN, 0.0, 1.0), None);
        assert_eq!(in_lon_lat_box(0.0, 91.0, (0.0, 0.0), (1.0, 1.0)), None);
        assert_eq!(in_lon_lat_box(0.0, 2.0, (0.0, 0.0), (1.0, 1.0)), Some(false));
    }

    #[test]
    fn ellipses() {
        let at = |lon, lat, angle| in_ellipse((lon, lat), (10.0, 0.0), 3600.0, 360.0, angle);
        // Long axis to the north, then to the east.
        assert_eq!(at(10.0, 0.9, 0.0), Some(true));
        assert_eq!(at(10.9, 0.0, 0.0), Some(false));
        assert_eq!(at(10.9, 0.0, 90.0), Some(true));
        assert_eq!(at(10.5, 0.5, 45.0), Some(true));
        assert_eq!(at(9.5, 0.5, 45.0), Some(false));
        assert_eq!(at(190.0, 0.0, 0.0), Some(false));
        // A circle where the axes are one.
        let circle = |d| in_ellipse((0.0, d), (0.0, 0.0), 10.0, 10.0, 33.0);
        assert_eq!(circle(9.999 / 3600.0), Some(true));
        assert_eq!(circle(10.001 / 3600.0), Some(false));
        for (major, minor) in [(1.0, 2.0), (36_001.0, 1.0), (1.0, -1.0), (f64::NAN, 1.0)] {
            assert_eq!(in_ellipse((0.0, 0.0), (0.0, 0.0), major, minor, 0.0), None);
        }
        assert_eq!(in_ellipse((0.0, 90.5), (0.0, 0.0), 1.0, 1.0, 0.0), None);
        assert_eq!(in_ellipse((5.0, 5.0), (5.0, 5.0), 0.0, 0.0, 0.0), Some(true));
        // A line, through its own rounding.
        assert_eq!(in_ellipse((5.0, 5.1), (5.0, 5.0), 600.0, 1e-6, 0.0), Some(true));
        assert_eq!(in_ellipse((5.0, 5.2), (5.0, 5.0), 600.0, 0.0, 0.0), Some(false));
    }
}
