//! Celestial frames, and the rotation from a projection's native sphere to ICRS.
//!
//! - source: Calabretta & Greisen 2002, section 2.4 (eqs. 2, 8-10); precession of IAU 1976
//!   (Lieske 1979); the galactic system as the Hipparcos catalogue defines it on ICRS.
//! - differs from full frame conversions: FK5 J2000 counts as ICRS (they differ by about 20 mas)

use crate::error::WcsError;
use serde::{Deserialize, Serialize};

pub(crate) type Matrix3 = [[f64; 3]; 3];

/// The frame that CRVAL and the axes are given in. Results are always ICRS.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub enum Frame {
    #[default]
    Icrs,
    /// FK5 of an equinox, Julian years. That of 2000.0 is taken as ICRS.
    Fk5 {
        equinox: f64,
    },
    Galactic,
}

const GALACTIC_FROM_ICRS: Matrix3 = [
    [-0.054_875_560_416_215_37, -0.873_437_090_234_885_1, -0.483_835_015_548_713_2],
    [0.494_109_427_875_583_7, -0.444_829_629_960_011_2, 0.746_982_244_497_219],
    [-0.867_666_149_019_004_7, -0.198_076_373_431_201_52, 0.455_983_776_175_066_9],
];

impl Frame {
    /// Rotation from this frame to ICRS; `None` when it is the identity.
    fn to_icrs(self) -> Option<Matrix3> {
        match self {
            Frame::Icrs => None,
            Frame::Fk5 { equinox: 2000.0 } => None,
            Frame::Fk5 { equinox } => Some(transpose(&precession_from_j2000(equinox))),
            Frame::Galactic => Some(transpose(&GALACTIC_FROM_ICRS)),
        }
    }
}

/// J2000 to the mean equator and equinox of `equinox`, by the IAU 1976 angles.
fn precession_from_j2000(equinox: f64) -> Matrix3 {
    let t = (equinox - 2000.0) / 100.0;
    let rad = |arcsec: f64| (arcsec / 3600.0).to_radians();
    let zeta = rad(((0.017998 * t + 0.30188) * t + 2306.2181) * t);
    let z = rad(((0.018203 * t + 1.09468) * t + 2306.2181) * t);
    let theta = rad(((-0.041833 * t - 0.42665) * t + 2004.3109) * t);
    let (sa, ca) = zeta.sin_cos();
    let (sz, cz) = z.sin_cos();
    let (st, ct) = theta.sin_cos();
    [
        [ca * ct * cz - sa * sz, -sa * ct * cz - ca * sz, -st * cz],
        [ca * ct * sz + sa * cz, -sa * ct * sz + ca * cz, -st * sz],
        [ca * st, -sa * st, ct],
    ]
}

pub(crate) fn transpose(m: &Matrix3) -> Matrix3 {
    std::array::from_fn(|i| std::array::from_fn(|j| m[j][i]))
}

fn multiply(a: &Matrix3, b: &Matrix3) -> Matrix3 {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

/// Sine and cosine of degrees, exact at the multiples of 90.
fn sin_cos_deg(deg: f64) -> (f64, f64) {
    let quarter = (deg / 90.0).round();
    let (s, c) = (deg - 90.0 * quarter).to_radians().sin_cos();
    match (quarter as i64).rem_euclid(4) {
        0 => (s, c),
        1 => (c, -s),
        2 => (-s, -c),
        _ => (-c, s),
    }
}

/// Rotation that takes native directions to ICRS.
///
/// - `crval_deg`: celestial longitude and latitude of the fiducial point
/// - `theta0_deg`: native latitude of that point: 90 (zenithal) or 0 (the others); its native
///   longitude is 0
pub(crate) fn native_to_icrs(
    frame: Frame,
    crval_deg: [f64; 2],
    theta0_deg: f64,
    lonpole_deg: f64,
    latpole_deg: f64,
) -> Result<Matrix3, WcsError> {
    let (pole_lon, pole_lat) = if theta0_deg == 90.0 {
        (crval_deg[0], crval_deg[1])
    } else {
        native_pole(crval_deg, lonpole_deg, latpole_deg)?
    };
    let (sa, ca) = sin_cos_deg(pole_lon);
    let (sd, cd) = sin_cos_deg(pole_lat);
    let (sp, cp) = sin_cos_deg(lonpole_deg);
    // Eq. 2 as a matrix: first about the native pole, then the tilt, then to the pole's longitude.
    let tilted = [[-sd * cp, -sd * sp, cd], [sp, -cp, 0.0], [cd * cp, cd * sp, sd]];
    let celestial = multiply(&[[ca, -sa, 0.0], [sa, ca, 0.0], [0.0, 0.0, 1.0]], &tilted);
    Ok(match frame.to_icrs() {
        None => celestial,
        Some(m) => multiply(&m, &celestial),
    })
}

/// Celestial position (deg) of the native pole when the fiducial point is native (0, 0).
fn native_pole(crval: [f64; 2], lonpole: f64, latpole: f64) -> Result<(f64, f64), WcsError> {
    let [lon0, lat0] = crval;
    let (sin_p, cos_p) = sin_cos_deg(lonpole);
    let (sin_lat0, cos_lat0) = sin_cos_deg(lat0);
    let no_pole = WcsError::NoPole { crval2: lat0, lonpole };
    let tolerance = 1e-10;
    let lat = if cos_p.abs() < tolerance {
        if sin_lat0.abs() > tolerance {
            return Err(no_pole);
        }
        latpole.clamp(-90.0, 90.0)
    } else {
        let ratio = sin_lat0 / cos_p.abs();
        if ratio.abs() > 1.0 + tolerance {
            return Err(no_pole);
        }
        // acos(sin lat0) as 90 - |lat0| where that is exact.
        let v = if cos_p.abs() == 1.0 {
            90.0 - lat0
        } else {
            ratio.clamp(-1.0, 1.0).acos().to_degrees()
        };
        let u = if cos_p > 0.0 { 0.0 } else { 180.0 };
        let wrap = |a: f64| if a > 180.0 { a - 360.0 } else { a };
        let candidates = [wrap(u + v), wrap(u - v)];
        let mut best: Option<f64> = None;
        for c in candidates.into_iter().filter(|c| c.abs() <= 90.0 + tolerance) {
            let c = c.clamp(-90.0, 90.0);
            if best.is_none_or(|b| (c - latpole).abs() < (b - latpole).abs()) {
                best = Some(c);
            }
        }
        best.ok_or(no_pole)?
    };
    let (sin_d, cos_d) = sin_cos_deg(lat);
    let lon = if cos_lat0.abs() < tolerance {
        lon0
    } else if cos_d.abs() < tolerance {
        if lat > 0.0 { lon0 + lonpole - 180.0 } else { lon0 - lonpole }
    } else {
        let sin_diff = sin_p / cos_lat0;
        let cos_diff = -sin_d * sin_lat0 / (cos_d * cos_lat0);
        lon0 - sin_diff.atan2(cos_diff).to_degrees()
    };
    Ok((lon, lat))
}
