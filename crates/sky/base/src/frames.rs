//! Rotations between frames of the sky: `ivo_geom_transform(from, to, shape)`.
//!
//! - names are those of the IVOA's vocabulary of reference frames: ICRS, FK5 (J2000), GALACTIC,
//!   SUPER_GALACTIC, ECLIPTIC (J2000); capitals matter
//! - ICRS and FK5 are taken as one: they differ by 23 mas
//! - source: ESA SP-1200, vol. 1, eq. 1.5.11 (galactic); de Vaucouleurs et al. 1976 (supergalactic: north
//!   pole at l 47.37, b 6.32, zero at l 137.37, b 0); IAU 2006 obliquity of 84381.406 arcsec
//! - not here: FK4, whose relation to the others is more than a rotation

use crate::vector::{Rotation, UnitVector};

/// ICRS to galactic.
const GALACTIC: Rotation = Rotation([
    [-0.054_875_560_416_215_37, -0.873_437_090_234_885, -0.483_835_015_548_713_2],
    [0.494_109_427_875_583_65, -0.444_829_629_960_011_2, 0.746_982_244_497_219],
    [-0.867_666_149_019_004_7, -0.198_076_373_431_201_52, 0.455_983_776_175_066_9],
]);

const OBLIQUITY_DEG: f64 = 84_381.406 / 3600.0;

/// ICRS to a frame; `None` for a name that is not known.
fn from_icrs(frame: &str) -> Option<Rotation> {
    Some(match frame {
        "ICRS" | "FK5" => Rotation([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        "GALACTIC" => GALACTIC,
        "SUPER_GALACTIC" => {
            let (pole, zero) = (
                UnitVector::from_ra_dec_deg(47.37, 6.32),
                UnitVector::from_ra_dec_deg(137.37, 0.0),
            );
            product(&Rotation([zero.0, pole.cross(zero), pole.0]), &GALACTIC)
        }
        "ECLIPTIC" => {
            let (sin, cos) = OBLIQUITY_DEG.to_radians().sin_cos();
            Rotation([[1.0, 0.0, 0.0], [0.0, cos, sin], [0.0, -sin, cos]])
        }
        _ => return None,
    })
}

fn product(a: &Rotation, b: &Rotation) -> Rotation {
    let entry = |i: usize, j: usize| (0..3).map(|k| a.0[i][k] * b.0[k][j]).sum();
    Rotation(std::array::from_fn(|i| std::array::from_fn(|j| entry(i, j))))
}

/// The rotation of directions from one frame to another.
pub fn frame_rotation(from: &str, to: &str) -> Option<Rotation> {
    Some(product(&from_icrs(to)?, &from_icrs(from)?.transpose()))
}

/// A position (deg) of one frame in another.
pub fn transform_position(from: &str, to: &str, lon: f64, lat: f64) -> Option<(f64, f64)> {
    let rotation = frame_rotation(from, to)?;
    Some(rotation.apply(UnitVector::from_ra_dec_deg(lon, lat)).to_ra_dec_deg())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(from: &str, to: &str, (lon, lat): (f64, f64), (x, y): (f64, f64), least: f64) {
        let (a, b) = transform_position(from, to, lon, lat).unwrap();
        assert!((a - x).abs() < least && (b - y).abs() < least, "{from} {to}: {a} {b}");
    }

    /// The examples of the catalogue of user-defined functions (1.2): rotations of FK5, so 23 mas off
    /// (6.4e-6 deg). And pyerfa 2.0.1.5, icrs2g.
    #[test]
    fn the_examples_of_the_standard() {
        near("ICRS", "GALACTIC", (120.0, -23.0), (241.121831182, 3.62785788087), 1e-5);
        near("ICRS", "GALACTIC", (120.0, -23.0), (241.1218247761672, 3.6278573705406645), 1e-11);
        let polygon = [(5.0, 3.0), (4.0, 4.0), (4.5, 2.0)];
        let there = [(266.44721, -23.107310), (264.95088, -23.434037), (267.09936, -24.051919)];
        for (from, to) in polygon.into_iter().zip(there) {
            near("GALACTIC", "FK5", from, to, 2e-5);
        }
    }

    /// astropy 8.0.2: SkyCoord(83.8, -5.4, unit="deg").transform_to(Supergalactic())
    /// and .barycentricmeanecliptic (equinox J2000); its galactic poles
    /// are of FK5, its ecliptic has the frame bias: 23 mas.
    #[test]
    fn as_astropy() {
        near("ICRS", "SUPER_GALACTIC", (83.8, -5.4), SUPERGALACTIC_OF_ASTROPY, 1e-5);
        near("ICRS", "ECLIPTIC", (83.8, -5.4), ECLIPTIC_OF_ASTROPY, 2e-5);
    }

    const SUPERGALACTIC_OF_ASTROPY: (f64, f64) = (322.0491634523808, -67.86860049778097);
    const ECLIPTIC_OF_ASTROPY: (f64, f64) = (82.95983324233065, -28.687888542960675);

    #[test]
    fn there_and_back() {
        let frames = ["ICRS", "FK5", "GALACTIC", "SUPER_GALACTIC", "ECLIPTIC"];
        for from in frames {
            for to in frames {
                let (lon, lat) = transform_position(from, to, 123.0, -45.0).unwrap();
                near(to, from, (lon, lat), (123.0, -45.0), 1e-10);
            }
        }
        assert_eq!(frame_rotation("ICRS", "FK4"), None);
        assert_eq!(frame_rotation("icrs", "GALACTIC"), None);
    }
}
