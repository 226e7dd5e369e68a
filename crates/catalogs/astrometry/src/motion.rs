//! Reference stars at the date of the image.
//!
//! - input: positions at their epochs, proper motions (mas a year, that in RA with cos dec),
//!   parallaxes (mas); what is NaN counts as zero, an unknown epoch as the date itself
//! - output: the same stars, ICRS directions as seen from the Earth's centre at the date (without
//!   aberration and light bending, which an image's own fit takes up)
//! - source: the space motion as a straight line (ESA 1997, Hipparcos catalogue, vol. 1, 1.5.5) without radial
//!   velocity; the Earth by IAU SOFA's epv00
//! - differs from rigorous propagation: errors of proper motions are not added to those of positions

use elqui_base::{MjdTai, UnitVector};
use elqui_matching::RefStar;

/// Radians in a milliarcsecond.
const MAS: f64 = std::f64::consts::PI / (180.0 * 3.6e6);

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
    let years = or_zero(year - star.epoch_jyear);
    let motion = [star.pm_ra_cosdec_mas_yr, star.pm_dec_mas_yr].map(|v| or_zero(v) * MAS * years);
    let parallax = or_zero(star.parallax_mas).max(0.0) * MAS;
    let mut out = RefStar { epoch_jyear: year, ..*star };
    if !(star.ra.is_finite() && star.dec.is_finite()) || (motion == [0.0; 2] && parallax == 0.0) {
        return out;
    }
    let from = UnitVector::from_ra_dec_deg(star.ra, star.dec);
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
