//! What the made-up skies of these tests share.
#![allow(dead_code)]

use elqui_wcs::Wcs;

/// A small generator, so that the scenes stay the same for ever (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
    pub fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// TAN about the middle of an image, turned, mirrored or not.
pub fn wcs(
    center: (f64, f64),
    scale: f64,
    rotation_deg: f64,
    mirrored: bool,
    size: (usize, usize),
) -> Wcs {
    let (s, c) = rotation_deg.to_radians().sin_cos();
    let (d, flip) = (scale / 3600.0, if mirrored { 1.0 } else { -1.0 });
    Wcs::tan(
        [center.0, center.1],
        [0.5 * (size.0 as f64 - 1.0), 0.5 * (size.1 as f64 - 1.0)],
        [[flip * d * c, -d * s], [flip * d * s, d * c]],
    )
}

/// Radial distortion of this many pixels at the corner, cubic in the radius.
pub fn radial(truth: Wcs, size: (usize, usize), corner_px: f64) -> Wcs {
    let half = 0.5 * (size.0 as f64).hypot(size.1 as f64);
    let k = corner_px / half.powi(3);
    truth.with_sip(3, vec![((3, 0), k), ((1, 2), k)], vec![((2, 1), k), ((0, 3), k)])
}
