//! Whether positions lie within a distance of one: cheap tests that decide as [`distance_deg`] does.
//!
//! - the square of half the chord, h = sin2(ddec / 2) + cos(dec) cos(dec') sin2(dra / 2), is made
//!   without trigonometry of the other position where the circle is small: by series about its
//!   centre, whose relative error stays below 1e-9 up to [`SERIES_DEG`]
//! - positions whose h is off the edge by more than a guard are decided by it, the rest by the distance

use crate::vector::distance_deg;

/// Up to this radius (deg) the series are good to 1e-9.
const SERIES_DEG: f64 = 0.25;
/// Relative guard about the edge, in h. Far above the error of series and haversine.
const GUARD: f64 = 1e-7;
/// Slack of windows, deg: far above the rounding of right ascensions, 6e-14 deg.
const SLACK_DEG: f64 = 1e-11;
/// Right ascensions beyond this (deg) have lost the digits that the tests rely on.
const RA_MAX_DEG: f64 = 10_000.0;

/// A radius, prepared. One that is NaN or negative holds nothing.
#[derive(Debug, Clone, Copy)]
pub struct CapRadius {
    radius: f64,
    inclusive: bool,
    sin_radius: f64,
    /// No position within has a larger difference in declination, deg.
    reach: f64,
    /// Below `sure` a position is inside, above `never` it is outside.
    sure: f64,
    never: f64,
}

impl CapRadius {
    /// `inclusive`: a position at exactly the radius (deg) counts.
    pub fn new(radius: f64, inclusive: bool) -> Self {
        let half = |deg: f64| (deg.min(180.0).to_radians() / 2.0).sin().powi(2);
        let whole = radius >= 180.0;
        Self {
            radius,
            inclusive,
            sin_radius: if radius < 90.0 { radius.to_radians().sin() } else { 1.0 },
            // The haversine is coarse near the antipode.
            reach: if radius < 90.0 { radius + SLACK_DEG } else { 180.0 },
            sure: half((radius - SLACK_DEG).max(0.0)) * (1.0 - GUARD) - 1e-30,
            never: if whole { f64::INFINITY } else { half(radius + SLACK_DEG) * (1.0 + GUARD) },
        }
    }

    /// Whether a separation (deg) is within the radius.
    #[inline]
    pub fn holds(&self, separation: f64) -> bool {
        if self.inclusive { separation <= self.radius } else { separation < self.radius }
    }
}

/// A circle on the sky, prepared to be asked for many positions.
#[derive(Debug, Clone, Copy)]
pub struct Cap {
    edge: CapRadius,
    ra_given: f64,
    dec: f64,
    ra: f64,
    sin_dec: f64,
    cos_dec: f64,
    width: f64,
    series: bool,
}

impl Cap {
    /// `None` where nothing can be within: the centre is no position, or the radius is NaN or negative.
    #[inline]
    pub fn new(ra: f64, dec: f64, edge: &CapRadius) -> Option<Self> {
        let radius = edge.radius;
        // Not a negation: NaN is refused too.
        let valid = radius >= 0.0 && ra.is_finite() && dec.abs() <= 90.0;
        if !valid {
            return None;
        }
        let (sin_dec, cos_dec) = dec.to_radians().sin_cos();
        // The parallels of a circle that holds no pole reach to asin(sin r / cos dec).
        let reach = edge.sin_radius / cos_dec;
        let polar = dec.abs() + radius >= 89.999_999 || reach >= 1.0 - 1e-9;
        let width = if polar {
            360.0
        } else if reach < 1e-3 {
            // asin x < x (1 + x2 / 5)
            (reach * (1.0 + 0.2 * reach * reach)).to_degrees() * (1.0 + 1e-12) + SLACK_DEG
        } else {
            reach.asin().to_degrees() * (1.0 + 1e-9) + 1e-9
        };
        let series = radius <= SERIES_DEG && width <= SERIES_DEG;
        let ra_given = ra;
        Some(Self { edge: *edge, ra_given, dec, ra: turn_deg(ra), sin_dec, cos_dec, width, series })
    }

    /// Right ascension of the centre in `[0, 360)`, deg.
    #[inline]
    pub fn ra(&self) -> f64 {
        self.ra
    }

    #[inline]
    pub fn dec(&self) -> f64 {
        self.dec
    }

    /// No position within differs by more in right ascension (deg); 360 where it holds a pole.
    #[inline]
    pub fn width(&self) -> f64 {
        self.width
    }

    /// No position within differs by more in declination (deg).
    #[inline]
    pub fn reach(&self) -> f64 {
        self.edge.reach
    }

    /// Great-circle distance of a position from the centre, deg.
    #[inline]
    pub fn distance(&self, ra: f64, dec: f64) -> f64 {
        distance_deg(self.ra_given, self.dec, ra, dec)
    }

    /// Whether the distance of a position, as [`Cap::distance`] gives it, is within the radius.
    #[inline]
    pub fn holds(&self, separation: f64) -> bool {
        self.edge.holds(separation)
    }

    /// What the cheap test says of a position that is `dra` (deg) east of [`Cap::ra`]: outside
    /// (`None`), inside (`Some(true)`), or to be decided by the distance (`Some(false)`).
    /// `dra` may be off by a multiple of 360 only where the width is 360.
    #[inline]
    pub fn quick(&self, dra: f64, dec: f64) -> Option<bool> {
        let ddec = dec - self.dec;
        let h = if self.series {
            // Half angles, rad.
            let (a, b) = (ddec.to_radians() * 0.5, dra.to_radians() * 0.5);
            let (a2, b2) = (a * a, b * b);
            // cos(dec + 2 a) by its series; sin2 x = x2 (1 - x2 / 3 + ...)
            let cos = self.cos_dec * (1.0 - 2.0 * a2) - self.sin_dec * 2.0 * a * (1.0 - a2 / 1.5);
            a2 * (1.0 - a2 / 3.0) + self.cos_dec * cos * b2 * (1.0 - b2 / 3.0)
        } else {
            let sin2 = |x: f64| (x.to_radians() / 2.0).sin().powi(2);
            sin2(ddec) + self.cos_dec * dec.to_radians().cos() * sin2(dra)
        };
        (h <= self.edge.never).then_some(h < self.edge.sure)
    }

    /// Whether a position can lie within, by the differences of the coordinates alone.
    #[inline]
    pub fn window(&self, ra: f64, dec: f64) -> bool {
        (dec - self.dec).abs() <= self.edge.reach
            && (self.east_of(ra).abs() <= self.width || ra.abs() > RA_MAX_DEG)
    }

    /// How far east of the centre, -180 to 180 deg.
    #[inline]
    fn east_of(&self, ra: f64) -> f64 {
        let dra = ra - self.ra;
        if dra.abs() > 180.0 { dra - 360.0 * (dra / 360.0).round() } else { dra }
    }

    /// Whether a position lies within. False for what is no position.
    #[inline]
    pub fn contains(&self, ra: f64, dec: f64) -> bool {
        if !(self.window(ra, dec) && dec.abs() <= 90.0 && ra.is_finite()) {
            return false;
        }
        let decide = || self.holds(self.distance(ra, dec));
        if ra.abs() > RA_MAX_DEG {
            return decide();
        }
        self.quick(self.east_of(ra), dec).is_some_and(|sure| sure || decide())
    }
}

/// A right ascension in `[0, 360)`, deg.
#[inline]
pub fn turn_deg(ra: f64) -> f64 {
    if (0.0..360.0).contains(&ra) {
        return ra;
    }
    let turned = ra.rem_euclid(360.0);
    if turned < 360.0 { turned } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_are_those_of_the_distance() {
        let mut state = 7_u64;
        let mut unit = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut held = 0;
        for k in 0..40_000 {
            let scale = 10f64.powf(-9.0 + 11.5 * unit()).min(180.0);
            let dec = if k % 4 == 0 { 90.0 - scale * unit() } else { 180.0 * unit() - 90.0 };
            let (ra, dec) = (360.0 * unit(), dec.clamp(-90.0, 90.0));
            let other_dec = (dec + scale * (unit() - 0.5)).clamp(-90.0, 90.0);
            let wide = scale / other_dec.to_radians().cos().max(1e-3);
            let other_ra =
                ra + (wide * (unit() - 0.5)).clamp(-180.0, 180.0) - 360.0 * f64::from(k % 3);
            let s = distance_deg(ra, dec, other_ra, other_dec);
            for radius in [scale * unit(), s, s.next_up(), s.next_down(), s * (1.0 + 1e-8)] {
                for inclusive in [true, false] {
                    let edge = CapRadius::new(radius, inclusive);
                    let Some(cap) = Cap::new(ra, dec, &edge) else { continue };
                    assert_eq!(
                        cap.contains(other_ra, other_dec),
                        edge.holds(s),
                        "({ra}, {dec}) ({other_ra}, {other_dec}) {radius} {inclusive}"
                    );
                    held += usize::from(edge.holds(s));
                }
            }
        }
        assert!(held > 100_000);
        let all = CapRadius::new(180.0, true);
        for (ra, dec) in [(f64::NAN, 0.0), (0.0, f64::NAN), (0.0, 90.1), (f64::INFINITY, 0.0)] {
            assert!(!Cap::new(0.0, 0.0, &all).unwrap().contains(ra, dec));
            assert!(Cap::new(ra, dec, &all).is_none());
        }
        assert!(Cap::new(0.0, 0.0, &CapRadius::new(f64::NAN, true)).is_none());
        assert!(Cap::new(0.0, 0.0, &all).unwrap().contains(180.0, 0.0));
    }
}
