//! The sky: stars, galaxies, variable stars and transients, at epoch J2016.0.
//!
//! Magnitudes follow log10 N(<m) = slope m + const between the limits. A colour of m(first band) -
//! m(last band) is spread evenly over the bands. Galaxies shrink with faintness; a third are n = 4.

use crate::config::SurveyConfig;
use crate::render::GalaxyShape;
use crate::rng::{Purpose, Stream};
use elqui_base::{MjdTai, UnitVector};
use serde::{Deserialize, Serialize};
use std::f64::consts::{PI, TAU};

/// Epoch of the positions.
pub const EPOCH: f64 = 2016.0;
const MAS_DEG: f64 = 1.0 / 3.6e6;

/// How an object's brightness changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Variation {
    Constant,
    /// Amplitudes are peak to peak, magnitudes; phase in [0, 1).
    Sinusoid {
        period_days: f64,
        amplitude_mag: f64,
        phase: f64,
    },
    /// Rises during `RISE` of the period and falls linearly during the rest.
    Sawtooth {
        period_days: f64,
        amplitude_mag: f64,
        phase: f64,
    },
    /// Nothing before `start`, a linear rise in flux to the peak, then an exponential fall.
    Transient {
        start_mjd: f64,
        rise_days: f64,
        fall_days: f64,
    },
}

/// Part of a sawtooth's period in which it brightens.
const RISE: f64 = 0.15;

impl Variation {
    /// Factor on the object's flux.
    pub fn factor(&self, mjd: f64) -> f64 {
        match *self {
            Self::Constant => 1.0,
            Self::Sinusoid { period_days, amplitude_mag, phase } => {
                let m = 0.5 * amplitude_mag * (TAU * (mjd / period_days + phase)).sin();
                10f64.powf(-0.4 * m)
            }
            Self::Sawtooth { period_days, amplitude_mag, phase } => {
                let p = (mjd / period_days + phase).rem_euclid(1.0);
                let fall = if p < RISE { 1.0 - p / RISE } else { (p - RISE) / (1.0 - RISE) };
                10f64.powf(-0.4 * amplitude_mag * (fall - 0.5))
            }
            Self::Transient { start_mjd, rise_days, fall_days } => {
                let t = mjd - start_mjd;
                match t {
                    t if t <= 0.0 => 0.0,
                    t if t < rise_days => t / rise_days,
                    t => (-(t - rise_days) / fall_days).exp(),
                }
            }
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Sinusoid { .. } => "sinusoid",
            Self::Sawtooth { .. } => "sawtooth",
            Self::Transient { .. } => "transient",
        }
    }

    /// Period (days) and peak-to-peak amplitude (mag); NaN where there is none.
    pub fn period_and_amplitude(&self) -> (f64, f64) {
        match *self {
            Self::Sinusoid { period_days, amplitude_mag, .. }
            | Self::Sawtooth { period_days, amplitude_mag, .. } => (period_days, amplitude_mag),
            _ => (f64::NAN, f64::NAN),
        }
    }
}

/// Light of a galaxy, in arcseconds and with its angle from north through east.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GalaxyTruth {
    pub radius_arcsec: f64,
    pub axis_ratio: f64,
    pub position_angle_deg: f64,
    pub bulge: bool,
}

/// How large and how flat galaxies are.
///
/// log10 of the effective radius along the major axis is normal about
/// log10(`radius_arcsec`) + `radius_slope` (mag - 21); axis ratios are uniform in their ranges. Bulges
/// are de Vaucouleurs (n = 4), the others exponential (n = 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GalaxyLaw {
    /// Median radius at magnitude 21.
    pub radius_arcsec: f64,
    /// Decades a magnitude.
    pub radius_slope: f64,
    pub radius_scatter_dex: f64,
    pub radius_range_arcsec: [f64; 2],
    pub bulge_fraction: f64,
    pub disc_axis_ratio: [f64; 2],
    pub bulge_axis_ratio: [f64; 2],
}

impl Default for GalaxyLaw {
    fn default() -> Self {
        Self {
            radius_arcsec: 0.55,
            radius_slope: -0.12,
            radius_scatter_dex: 0.15,
            radius_range_arcsec: [0.08, 4.0],
            bulge_fraction: 0.33,
            disc_axis_ratio: [0.2, 1.0],
            bulge_axis_ratio: [0.55, 1.0],
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct SkyObject {
    pub id: i64,
    pub ra: f64,
    pub dec: f64,
    pub pm_ra_cosdec_mas_yr: f64,
    pub pm_dec_mas_yr: f64,
    /// Mean magnitude in each band (of a transient: at its peak).
    pub mags: Vec<f64>,
    pub galaxy: Option<GalaxyTruth>,
    pub variation: Variation,
}

impl SkyObject {
    pub fn is_star(&self) -> bool {
        self.galaxy.is_none()
    }

    /// Position at a time.
    pub fn position(&self, time: MjdTai) -> (f64, f64) {
        let years = time.julian_epoch() - EPOCH;
        let dec = self.dec + self.pm_dec_mas_yr * years * MAS_DEG;
        let ra = self.ra + self.pm_ra_cosdec_mas_yr * years * MAS_DEG / self.dec.to_radians().cos();
        (ra.rem_euclid(360.0), dec)
    }
}

/// A galaxy's shape in pixels; `jacobian` is d(east, north) / d(x, y) at its place, `scale` arcsec a
/// pixel.
pub fn galaxy_in_pixels(truth: &GalaxyTruth, jacobian: [[f64; 2]; 2], scale: f64) -> GalaxyShape {
    // Direction (east, north) of the major axis, and its image in pixels.
    let (s, c) = truth.position_angle_deg.to_radians().sin_cos();
    let [[a, b], [d, e]] = jacobian;
    let det = a * e - b * d;
    let (x, y) = ((e * s - b * c) / det, (a * c - d * s) / det);
    GalaxyShape {
        radius_px: truth.radius_arcsec / scale,
        axis_ratio: truth.axis_ratio,
        angle: y.atan2(x),
        bulge: truth.bulge,
    }
}

/// A magnitude of the power law between its limits.
fn power_law_mag(slope: f64, bright: f64, faint: f64, stream: &mut Stream) -> f64 {
    let low = 10f64.powf(slope * (bright - faint));
    faint + stream.range(low, 1.0).log10() / slope
}

/// Magnitudes about `mean` so that first - last = colour.
fn spread(mean: f64, colour: f64, bands: usize) -> Vec<f64> {
    let last = (bands.max(2) - 1) as f64;
    (0..bands).map(|k| mean + colour * (0.5 - k as f64 / last)).collect()
}

/// A sky in tangent coordinates about the centre.
pub struct Field {
    pub center: UnitVector,
    pub radius_rad: f64,
    pub bands: usize,
    pub seed: u64,
}

impl Field {
    fn place(&self, stream: &mut Stream) -> (f64, f64) {
        let (xi, eta) = stream.in_circle(self.radius_rad);
        UnitVector::from_tangent(self.center, xi, eta).to_ra_dec_deg()
    }

    fn area_arcmin2(&self) -> f64 {
        let r = self.radius_rad * 180.0 * 60.0 / PI;
        PI * r * r
    }

    pub fn star(&self, id: i64, mag: f64, pm: f64, s: &mut Stream) -> SkyObject {
        let (ra, dec) = self.place(s);
        let colour = 0.3 + 1.1 * s.uniform().powf(1.5);
        SkyObject {
            id,
            ra,
            dec,
            pm_ra_cosdec_mas_yr: pm * s.normal(),
            pm_dec_mas_yr: pm * s.normal(),
            mags: spread(mag, colour, self.bands),
            galaxy: None,
            variation: Variation::Constant,
        }
    }

    pub fn galaxy(&self, id: i64, mag: f64, law: &GalaxyLaw, s: &mut Stream) -> SkyObject {
        let (ra, dec) = self.place(s);
        let exponent = law.radius_slope * (mag - 21.0) + law.radius_scatter_dex * s.normal();
        let radius = law.radius_arcsec * 10f64.powf(exponent);
        let bulge = s.uniform() < law.bulge_fraction;
        let [low, high] = if bulge { law.bulge_axis_ratio } else { law.disc_axis_ratio };
        SkyObject {
            id,
            ra,
            dec,
            pm_ra_cosdec_mas_yr: 0.0,
            pm_dec_mas_yr: 0.0,
            mags: spread(mag, s.range(0.3, 1.2), self.bands),
            galaxy: Some(GalaxyTruth {
                radius_arcsec: radius
                    .min(law.radius_range_arcsec[1])
                    .max(law.radius_range_arcsec[0]),
                axis_ratio: s.range(low, high),
                position_angle_deg: s.range(0.0, 180.0),
                bulge,
            }),
            variation: Variation::Constant,
        }
    }
}

/// Stars and galaxies of given numbers, as a scene wants them.
pub fn counted(
    field: &Field,
    stars: (usize, f64, f64, f64),
    galaxies: (usize, f64, f64, f64),
    law: &GalaxyLaw,
    proper_motion: f64,
) -> Vec<SkyObject> {
    let mut out = Vec::with_capacity(stars.0 + galaxies.0);
    let mut s = Stream::new(field.seed, Purpose::Stars, 0, 0);
    for _ in 0..stars.0 {
        let mag = power_law_mag(stars.1, stars.2, stars.3, &mut s);
        out.push(field.star(out.len() as i64 + 1, mag, proper_motion, &mut s));
    }
    let mut s = Stream::new(field.seed, Purpose::Galaxies, 0, 0);
    for _ in 0..galaxies.0 {
        let mag = power_law_mag(galaxies.1, galaxies.2, galaxies.3, &mut s);
        out.push(field.galaxy(out.len() as i64 + 1, mag, law, &mut s));
    }
    out
}

/// All objects of a survey; variables and transients lie within `core_rad` of the centre, where every
/// visit sees them.
pub fn survey(config: &SurveyConfig, field: &Field, core_rad: f64) -> Vec<SkyObject> {
    let sky = &config.sky;
    let area = field.area_arcmin2();
    let mut out = counted(
        field,
        (
            (sky.stars_per_arcmin2 * area).round() as usize,
            sky.star_slope,
            sky.star_bright_mag,
            sky.star_faint_mag,
        ),
        (
            (sky.galaxies_per_arcmin2 * area).round() as usize,
            sky.galaxy_slope,
            sky.galaxy_bright_mag,
            sky.galaxy_faint_mag,
        ),
        &GalaxyLaw::default(),
        sky.proper_motion_mas_yr,
    );
    let core = Field { radius_rad: core_rad, ..*field };
    let mut s = Stream::new(field.seed, Purpose::Variables, 0, 0);
    for k in 0..sky.variables {
        let mag = s.range(sky.variable_mag[0], sky.variable_mag[1]);
        let mut star = core.star(out.len() as i64 + 1, mag, sky.proper_motion_mas_yr, &mut s);
        let phase = s.uniform();
        star.variation = if k % 2 == 0 {
            let (period_days, amplitude_mag) = (s.range(0.4, 0.8), s.range(0.5, 1.1));
            Variation::Sawtooth { period_days, amplitude_mag, phase }
        } else {
            let (period_days, amplitude_mag) = (s.range(0.3, 3.0), s.range(0.2, 0.6));
            Variation::Sinusoid { period_days, amplitude_mag, phase }
        };
        out.push(star);
    }
    let mut s = Stream::new(field.seed, Purpose::Transients, 0, 0);
    let visits = (config.pointing.visits_per_band * config.bands.len()) as f64;
    let length = visits * config.pointing.cadence_days;
    for _ in 0..sky.transients {
        let mut star = core.star(out.len() as i64 + 1, sky.transient_peak_mag, 0.0, &mut s);
        star.variation = Variation::Transient {
            start_mjd: config.pointing.first_mjd_utc + length * s.range(0.1, 0.5),
            rise_days: 0.1 * length,
            fall_days: 0.5 * length,
        };
        out.push(star);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_follow_the_power_law() {
        let mut s = Stream::new(3, Purpose::Stars, 0, 0);
        let mags: Vec<f64> = (0..100_000).map(|_| power_law_mag(0.3, 15.0, 24.0, &mut s)).collect();
        assert!(mags.iter().all(|m| (15.0..=24.0).contains(m)));
        let below = |m: f64| mags.iter().filter(|v| **v < m).count() as f64;
        let slope = (below(23.0) / below(20.0)).log10() / 3.0;
        assert!((slope - 0.3).abs() < 0.01, "{slope}");
    }

    #[test]
    fn position_angles_run_from_north_to_east() {
        // North up, east left.
        let jacobian = [[-1.0, 0.0], [0.0, 1.0]];
        for (pa, expected) in [(0.0, 90.0), (45.0, 135.0), (90.0, 180.0)] {
            let truth = GalaxyTruth {
                radius_arcsec: 1.0,
                axis_ratio: 0.5,
                position_angle_deg: pa,
                bulge: false,
            };
            let shape = galaxy_in_pixels(&truth, jacobian, 0.2);
            assert!((shape.angle.to_degrees() - expected).abs() < 1e-9, "{pa}");
            assert!((shape.radius_px - 5.0).abs() < 1e-12);
        }
    }

    #[test]
    fn light_curves_have_their_amplitude() {
        let v = Variation::Sawtooth { period_days: 0.5, amplitude_mag: 0.8, phase: 0.2 };
        let mags: Vec<f64> =
            (0..1000).map(|k| -2.5 * v.factor(61_000.0 + k as f64 * 5e-4).log10()).collect();
        let (low, high) = mags.iter().fold((9.0f64, -9.0f64), |(l, h), m| (l.min(*m), h.max(*m)));
        assert!((high - low - 0.8).abs() < 0.01, "{low} {high}");
        let t = Variation::Transient { start_mjd: 10.0, rise_days: 1.0, fall_days: 2.0 };
        assert_eq!((t.factor(9.0), t.factor(11.0)), (0.0, 1.0));
    }
}
