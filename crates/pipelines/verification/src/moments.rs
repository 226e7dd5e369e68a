//! Adaptive moments of a noiseless stamp, to the last digit.
//!
//! As `image::adaptive_moments` (Bernstein & Jarvis 2002, AJ 123, 583, sec. 3), but iterated until
//! nothing moves: residuals of 1e-4 in size are told apart here, which is what that one stops at.

use elqui_image::Image;

/// Size T = Ixx + Iyy (pixels^2) and the two ellipticities (Ixx - Iyy) / T, 2 Ixy / T.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StampMoments {
    pub t: f64,
    pub e1: f64,
    pub e2: f64,
    /// Centroid from the stamp's middle pixel.
    pub dx: f64,
    pub dy: f64,
}

/// Moments of the light about the stamp's middle; `None` when they do not converge.
pub fn stamp_moments(stamp: &Image<f32>) -> Option<StampMoments> {
    let (mx, my) = ((stamp.width() / 2) as f64, (stamp.height() / 2) as f64);
    let (mut xx, mut xy, mut yy, mut cx, mut cy) = (4.0, 0.0, 4.0, mx, my);
    for _ in 0..500 {
        let det: f64 = xx * yy - xy * xy;
        if !(det > 1e-6) {
            return None;
        }
        let mut s = [0.0f64; 6];
        for j in 0..stamp.height() {
            let dy = j as f64 - cy;
            for (i, v) in stamp.row(j).iter().enumerate() {
                let dx = i as f64 - cx;
                let q = (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / det;
                if q > 60.0 {
                    continue;
                }
                let w = f64::from(*v) * (-0.5 * q).exp();
                for (s, t) in s.iter_mut().zip([1.0, dx, dy, dx * dx, dx * dy, dy * dy]) {
                    *s += w * t;
                }
            }
        }
        if !(s[0] > 0.0) {
            return None;
        }
        let (dx, dy) = (s[1] / s[0], s[2] / s[0]);
        let (a, b, c) = (s[3] / s[0] - dx * dx, s[4] / s[0] - dx * dy, s[5] / s[0] - dy * dy);
        let wdet = a * c - b * b;
        let (ia, ib, ic) = (c / wdet - yy / det, -b / wdet + xy / det, a / wdet - xx / det);
        let idet = ia * ic - ib * ib;
        if !(wdet > 0.0 && idet > 0.0 && ia > 0.0) {
            return None;
        }
        let (nxx, nxy, nyy) = (ic / idet, -ib / idet, ia / idet);
        let change = (nxx - xx).abs() + (nxy - xy).abs() + (nyy - yy).abs() + dx.hypot(dy);
        (xx, xy, yy) = (nxx, nxy, nyy);
        (cx, cy) = (cx + 2.0 * dx, cy + 2.0 * dy);
        if change < 1e-10 * (xx + yy) {
            let t = xx + yy;
            return Some(StampMoments {
                t,
                e1: (xx - yy) / t,
                e2: 2.0 * xy / t,
                dx: cx - mx,
                dy: cy - my,
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gaussian_has_its_own_moments() {
        let (sx, sy) = (2.0f64, 1.6f64);
        let stamp = Image::from_fn(51, 51, |i, j| {
            let (dx, dy) = (i as f64 - 25.3, j as f64 - 24.8);
            (1e3 * (-0.5 * (dx * dx / (sx * sx) + dy * dy / (sy * sy))).exp()) as f32
        });
        let m = stamp_moments(&stamp).unwrap();
        let t = sx * sx + sy * sy;
        assert!((m.t / t - 1.0).abs() < 1e-6 && (m.e1 - (sx * sx - sy * sy) / t).abs() < 1e-6);
        assert!((m.dx - 0.3).abs() < 1e-6 && (m.dy + 0.2).abs() < 1e-6 && m.e2.abs() < 1e-6);
        assert!(stamp_moments(&Image::filled(9, 9, 0.0)).is_none());
        assert!(stamp_moments(&Image::filled(9, 9, f32::NAN)).is_none());
    }
}
