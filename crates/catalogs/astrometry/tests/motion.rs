//! Stars in motion.

use elqui_astrometry::{RefStar, earth_position_au, propagate};
use elqui_base::{MjdTai, separation};

const J2016: MjdTai = MjdTai(57_388.5);

#[test]
fn barnards_star_moves_ten_arcsec_a_year() {
    let star = RefStar {
        ra: 269.4485,
        dec: 4.7394,
        pm_ra_cosdec_mas_yr: -801.551,
        pm_dec_mas_yr: 10_362.394,
        epoch_jyear: J2016.julian_epoch(),
        ..RefStar::default()
    };
    let later = propagate(&[star], MjdTai(J2016.0 + 3652.5))[0];
    assert!(((later.dec - star.dec) * 3600.0 - 103.62).abs() < 0.01);
    let east = (later.ra - star.ra) * 3600.0 * star.dec.to_radians().cos();
    assert!((east + 8.0155).abs() < 0.02, "{east}");
}

#[test]
fn a_parallax_is_an_ellipse_of_its_size() {
    // At the ecliptic's pole the ellipse is a circle.
    let star = RefStar {
        ra: 270.0,
        dec: 66.5607,
        parallax_mas: 100.0,
        epoch_jyear: 2016.0,
        ..RefStar::default()
    };
    for day in 0..12 {
        let moved = propagate(&[star], MjdTai(57_388.5 + 30.4 * f64::from(day)))[0];
        let off = separation(star.ra, star.dec, moved.ra, moved.dec).mas();
        assert!((off - 100.0).abs() < 3.0, "day {day}: {off}");
    }
    let e = earth_position_au(J2016);
    let r = (e[0] * e[0] + e[1] * e[1] + e[2] * e[2]).sqrt();
    assert!((0.97..1.03).contains(&r), "{r}");
}

#[test]
fn a_star_without_motion_stays() {
    let star = RefStar { ra: 10.0, dec: -5.0, ..RefStar::default() };
    let moved = propagate(&[star], J2016)[0];
    assert_eq!((moved.ra, moved.dec), (10.0, -5.0));
    let pole =
        RefStar { ra: 0.0, dec: 90.0, pm_ra_cosdec_mas_yr: 100.0, epoch_jyear: 2006.0, ..star };
    let moved = propagate(&[pole], J2016)[0];
    assert!((separation(0.0, 90.0, moved.ra, moved.dec).mas() - 1000.0).abs() < 1.0);
}

#[test]
fn the_error_of_a_motion_grows_with_the_years() {
    let star = RefStar {
        ra: 10.0,
        dec: -5.0,
        ra_err_mas: 0.3,
        pm_ra_cosdec_mas_yr: 3.0,
        pm_ra_cosdec_err_mas_yr: 0.04,
        epoch_jyear: J2016.julian_epoch() - 10.0,
        ..RefStar::default()
    };
    let moved = propagate(&[star], J2016)[0];
    assert!((moved.ra_err_mas - 0.5).abs() < 1e-4 && moved.dec_err_mas.is_nan());
}

#[test]
fn the_same_as_sofa() {
    for (k, (ra, dec)) in
        [(10.0, 20.0), (200.0, -75.0), (300.0, 89.5), (0.0, 0.0)].into_iter().enumerate()
    {
        let date = MjdTai(60_000.0 + 77.7 * k as f64);
        let star = RefStar {
            ra,
            dec,
            pm_ra_cosdec_mas_yr: -3000.0 + 900.0 * k as f64,
            pm_dec_mas_yr: 5000.0,
            parallax_mas: 300.0,
            epoch_jyear: 2016.0,
            ..RefStar::default()
        };
        let moved = propagate(&[star], date)[0];
        let mas = (1e-3f64 / 3600.0).to_radians();
        let expected = sofars::astro::pmpx(
            ra.to_radians(),
            dec.to_radians(),
            star.pm_ra_cosdec_mas_yr * mas / dec.to_radians().cos(),
            star.pm_dec_mas_yr * mas,
            0.3,
            0.0,
            date.julian_epoch() - 2016.0,
            earth_position_au(date),
        );
        let (a, d) = elqui_base::UnitVector::normalized(expected).to_ra_dec_deg();
        let off = separation(moved.ra, moved.dec, a, d).mas();
        assert!(off < 0.001, "{ra} {dec}: {off} mas");
    }
}
