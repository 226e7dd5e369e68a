//! Reference stars at the date of the image.
//!
//! - input: positions at their epochs, proper motions (mas a year, that in RA with cos dec),
//!   parallaxes (mas); what is NaN counts as zero, an unknown epoch as the date itself
//! - output: the same stars, ICRS directions as seen from the Earth's centre at the date (without
//!   aberration and light bending, which an image's own fit takes up)
//! - source: the space motion as a straight line (ESA 1997, Hipparcos catalogue, vol. 1, 1.5.5) without radial
//!   velocity, the time being that at the barycentre (Explanatory Supplement 2013, 7.2; SOFA's pmpx); the Earth
//!   by IAU SOFA's epv00
//! - errors: those of the positions and of the proper motions over the years, in quadrature
//! - differs from rigorous propagation: their correlations are not known and count as zero

use elqui_base::{MjdTai, UnitVector};
use elqui_matching::RefStar;

/// Radians in a milliarcsecond.
const MAS: f64 = std::f64::consts::PI / (180.0 * 3.6e6);

/// Time of light over an au, Julian years.
const LIGHT_YEARS_PER_AU: f64 = 499.004_782 / (86_400.0 * 365.25);

/// Barycentric position of the Earth, ICRS, au.
pub fn earth_position_au(date: MjdTai) -> [f64; 3] {
    // TT = TAI + 32.184 s; TDB is within 2 ms of TT.
    let tt = date.0 + 32.184 / 86_400.0;
    sofars::eph::epv00(2_400_000.5, tt).map_or([0.0; 3], |(_, barycentric)| barycentric[0])
}

/// Move every star to `date`. The epoch of the results is the date's.
pub fn propagate(stars: &[RefStar], date: MjdTai) -> Vec<RefStar> {
    if !date.0.is_finite() {
        return stars.to_vec();
    }
    let (year, earth) = (date.julian_epoch(), earth_position_au(date));
    stars.iter().map(|star| moved(star, year, &earth)).collect()
}

fn moved(star: &RefStar, year: f64, earth: &[f64; 3]) -> RefStar {
    let or_zero = |v: f64| if v.is_finite() { v } else { 0.0 };
    let from = UnitVector::from_ra_dec_deg(star.ra, star.dec);
    // The star's light reaches the Earth before or after the barycentre.
    let roemer = from.dot(UnitVector(*earth)) * LIGHT_YEARS_PER_AU;
    let years = or_zero(year + roemer - star.epoch_jyear);
    let grown = |place: f64, motion: f64| {
        let more = or_zero(motion) * years;
        if more == 0.0 { place } else { or_zero(place).hypot(more) }
    };
    let motion = [star.pm_ra_cosdec_mas_yr, star.pm_dec_mas_yr].map(|v| or_zero(v) * MAS * years);
    let parallax = or_zero(star.parallax_mas).max(0.0) * MAS;
    let mut out = RefStar {
        epoch_jyear: year,
        ra_err_mas: grown(star.ra_err_mas, star.pm_ra_cosdec_err_mas_yr),
        dec_err_mas: grown(star.dec_err_mas, star.pm_dec_err_mas_yr),
        ..*star
    };
    if !(star.ra.is_finite() && star.dec.is_finite()) || (motion == [0.0; 2] && parallax == 0.0) {
        return out;
    }
    let (east, north) = tangent(star.ra, star.dec);
    let v = std::array::from_fn(|k| {
        from.0[k] + motion[0] * east[k] + motion[1] * north[k] - parallax * earth[k]
    });
    (out.ra, out.dec) = UnitVector::normalized(v).to_ra_dec_deg();
    out
}

/// East and north from the angles, so that they keep their meaning at a pole.
fn tangent(ra: f64, dec: f64) -> ([f64; 3], [f64; 3]) {
    let (sin_ra, cos_ra) = ra.to_radians().sin_cos();
    let (sin_dec, cos_dec) = dec.to_radians().sin_cos();
    ([-sin_ra, cos_ra, 0.0], [-sin_dec * cos_ra, -sin_dec * sin_ra, cos_dec])
}
