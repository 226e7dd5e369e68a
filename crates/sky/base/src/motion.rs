//! Where a star is at another epoch: linear motion of the star and of the Sun in space.
//!
//! - input: position (deg), parallax (mas), proper motion (mas/yr; that of right ascension times cos
//!   dec), radial velocity (km/s), at one epoch; years to the other (Julian)
//! - output: the same six at the other epoch
//! - source: Lindegren's rigorous treatment (Hipparcos Catalogue, ESA SP-1200, vol. 1, section 1.5.5),
//!   as the IVOA's catalogue of user-defined functions asks for `ivo_epoch_prop_pos`: no light time,
//!   no relativity
//! - NaN (NULL) as parallax, motion or velocity counts as 0; without a parallax (0, NaN or negative)
//!   the star is infinitely far and its velocity changes nothing

use crate::vector::UnitVector;

/// Astronomical unit times year over second, km: a velocity of 1 au/yr in km/s.
const AU_PER_YEAR_KM_S: f64 = 4.740_470_446;
const MAS_PER_RAD: f64 = 648_000_000.0 / std::f64::consts::PI;

/// Position and motion at one epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StarMotion {
    /// Degrees.
    pub ra: f64,
    pub dec: f64,
    pub parallax_mas: f64,
    /// Times cos dec.
    pub pm_ra_mas_yr: f64,
    pub pm_dec_mas_yr: f64,
    pub radial_velocity_km_s: f64,
}

impl StarMotion {
    /// The same star some Julian years later (or earlier, where negative).
    /// A position that is NaN stays NaN.
    pub fn after(&self, years: f64) -> Self {
        let or_zero = |x: f64| if x.is_finite() { x } else { 0.0 };
        let parallax = or_zero(self.parallax_mas).max(0.0);
        let r = UnitVector::from_ra_dec_deg(self.ra, self.dec);
        let (east, north) = r.tangent_basis();
        let (pm_ra, pm_dec) = (or_zero(self.pm_ra_mas_yr), or_zero(self.pm_dec_mas_yr));
        let (mu_ra, mu_dec) = (pm_ra / MAS_PER_RAD, pm_dec / MAS_PER_RAD);
        let mu: [f64; 3] = std::array::from_fn(|k| east[k] * mu_ra + north[k] * mu_dec);
        // Radial motion over distance, 1/yr.
        let velocity = or_zero(self.radial_velocity_km_s);
        let zeta = velocity * parallax / MAS_PER_RAD / AU_PER_YEAR_KM_S;
        let mu2 = mu_ra * mu_ra + mu_dec * mu_dec;
        let nearer = 1.0 + zeta * years;
        // Distance now over distance then.
        let f = 1.0 / (nearer * nearer + mu2 * years * years).sqrt();
        let u = UnitVector(std::array::from_fn(|k| (r.0[k] * nearer + mu[k] * years) * f));
        let (ra, dec) = u.to_ra_dec_deg();
        let f3 = f * f * f;
        let motion: [f64; 3] =
            std::array::from_fn(|k| (mu[k] * nearer - r.0[k] * mu2 * years) * f3);
        let (east, north) = u.tangent_basis();
        let along = |axis: [f64; 3]| UnitVector(axis).dot(UnitVector(motion)) * MAS_PER_RAD;
        let zeta_then = (zeta + (mu2 + zeta * zeta) * years) * f * f;
        let parallax_then = parallax * f;
        Self {
            ra,
            dec,
            parallax_mas: if parallax > 0.0 { parallax_then } else { self.parallax_mas },
            pm_ra_mas_yr: along(east),
            pm_dec_mas_yr: along(north),
            radial_velocity_km_s: if parallax > 0.0 {
                zeta_then * AU_PER_YEAR_KM_S * MAS_PER_RAD / parallax_then
            } else {
                velocity
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn star(parallax: f64, pm_dec: f64, velocity: f64) -> StarMotion {
        StarMotion {
            ra: 7.606083572,
            dec: 11.79044105,
            parallax_mas: parallax,
            pm_ra_mas_yr: 300.0,
            pm_dec_mas_yr: pm_dec,
            radial_velocity_km_s: velocity,
        }
    }

    /// The examples of the catalogue of user-defined functions (1.2), `ivo_epoch_prop_pos`.
    #[test]
    fn the_examples_of_the_standard() {
        let nan = f64::NAN;
        for (at, to, ra, dec) in [
            (star(125.0, -428.8, 52.51), 1992.25, 7.604061404627978, 11.7932703828279),
            (star(125.0, -428.8, 52.51), 1875.0, 7.594068213694308, 11.807251375203935),
            (star(125.0, -428.8, nan), 1875.0, 7.594079587029898, 11.807235464326332),
            (star(125.0, nan, nan), 1875.0, 7.594080321498365, 11.790440798509207),
            // There the parallax is a small one.
            (star(nan, -428.8, 52.51), 1875.0, 7.594079587020846, 11.807235464339055),
        ] {
            let then = at.after(to - 2016.0);
            assert!((then.ra - ra).abs() < 5e-11, "{} is not {ra}", then.ra);
            assert!((then.dec - dec).abs() < 5e-11, "{} is not {dec}", then.dec);
        }
        assert!(StarMotion { ra: nan, ..star(1.0, 1.0, 1.0) }.after(1.0).ra.is_nan());
    }

    #[test]
    fn there_and_back_and_straight_on() {
        let barnard = StarMotion {
            ra: 269.4520769586187,
            dec: 4.693364966576667,
            parallax_mas: 546.9759,
            pm_ra_mas_yr: -801.551,
            pm_dec_mas_yr: 10362.394,
            radial_velocity_km_s: -110.11,
        };
        let near = |a: &StarMotion, b: &StarMotion| {
            let pairs = [
                (a.ra, b.ra, 1e-11),
                (a.dec, b.dec, 1e-11),
                (a.parallax_mas, b.parallax_mas, 1e-9),
                (a.pm_ra_mas_yr, b.pm_ra_mas_yr, 1e-7),
                (a.pm_dec_mas_yr, b.pm_dec_mas_yr, 1e-7),
                (a.radial_velocity_km_s, b.radial_velocity_km_s, 1e-8),
            ];
            pairs.iter().all(|(x, y, least)| (x - y).abs() < *least)
        };
        assert!(near(&barnard.after(5000.0).after(-5000.0), &barnard));
        assert!(near(&barnard.after(700.0).after(300.0), &barnard.after(1000.0)));
        assert!(near(&barnard.after(0.0), &barnard));
        // It comes nearer: brighter parallax, faster motion.
        let later = barnard.after(1000.0);
        assert!(later.parallax_mas > 547.0 && later.pm_dec_mas_yr > 10_362.4);
        // At the pole, and without a parallax.
        let polar = StarMotion { dec: 90.0, ..barnard }.after(100.0);
        assert!((polar.dec - (90.0 - 100.0 * 10.393 / 3600.0)).abs() < 0.01);
        let far = StarMotion { parallax_mas: f64::NAN, ..barnard }.after(10.0);
        assert!(far.parallax_mas.is_nan() && far.radial_velocity_km_s == -110.11);
    }
}
