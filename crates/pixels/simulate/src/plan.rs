//! The plan of visits: where, when and through what air.

use crate::config::SurveyConfig;
use crate::frame::{FrameKind, first_visit, key};
use crate::population::Field;
use crate::psf_field::PsfField;
use crate::rng::{Purpose, Stream};
use elqui_base::{MjdTai, UnitVector, mjd_utc_to_tai};

pub const ARCSEC: f64 = std::f64::consts::PI / 648_000.0;

/// One visit as it really was.
#[derive(Debug, Clone, PartialEq)]
pub struct VisitPlan {
    pub visit: u64,
    /// Index of the band.
    pub band: usize,
    pub start_mjd_utc: f64,
    pub mid_mjd_tai: MjdTai,
    pub exposure_s: f64,
    /// True pointing of the axis, and rotation of the camera (from north through east).
    pub ra: f64,
    pub dec: f64,
    pub rotation_deg: f64,
    pub fwhm_arcsec: f64,
    pub airmass: f64,
    pub extinction_mag: f64,
    pub(crate) psf: PsfField,
    pub(crate) gradient: [f64; 2],
    /// Errors of the header: position on the tangent plane (radians) and rotation.
    pub(crate) pointing_error: (f64, f64),
    pub(crate) rotation_error_deg: f64,
}

/// The visit with this index; bands take turns.
pub fn plan(config: &SurveyConfig, i: usize, scale: f64, field: &Field, seed: u64) -> VisitPlan {
    let p = &config.pointing;
    let mut s = Stream::new(seed, Purpose::Visit, key(FrameKind::Science, i, 0), 0);
    let band = i % config.bands.len();
    let b = &config.bands[band];
    let start_mjd_utc = p.first_mjd_utc + p.cadence_days * (i as f64 + s.range(-0.1, 0.1));
    let dither = || p.dither_arcsec * ARCSEC;
    let (dx, dy) = (dither() * s.range(-1.0, 1.0), dither() * s.range(-1.0, 1.0));
    let (ra, dec) = UnitVector::from_tangent(field.center, dx, dy).to_ra_dec_deg();
    // Each band gets both orientations in turn.
    let turned = p.flip && (i / config.bands.len()) % 2 == 1;
    let rotation_deg = s.range(-p.rotation_deg, p.rotation_deg) + if turned { 180.0 } else { 0.0 };
    let airmass = 1.0 + 0.6 * s.uniform().powi(2);
    let fwhm_arcsec =
        b.seeing_arcsec * airmass.powf(0.6) * (config.psf.seeing_scatter * s.normal()).exp();
    let extinction = b.extinction_mag * airmass + b.extinction_scatter_mag * s.normal();
    let psf = PsfField::draw(fwhm_arcsec / scale, &config.psf, &mut s);
    let angle = s.range(0.0, std::f64::consts::TAU);
    let pointing_error = s.in_circle(p.pointing_error_arcsec * ARCSEC);
    VisitPlan {
        visit: first_visit(FrameKind::Science) + i as u64,
        band,
        start_mjd_utc,
        mid_mjd_tai: mjd_utc_to_tai(start_mjd_utc).plus_seconds(0.5 * p.exposure_s),
        exposure_s: p.exposure_s,
        ra,
        dec,
        rotation_deg,
        fwhm_arcsec,
        airmass,
        extinction_mag: extinction.max(0.0),
        psf,
        gradient: [config.sky.gradient * angle.cos(), config.sky.gradient * angle.sin()],
        pointing_error,
        rotation_error_deg: s.range(-p.rotation_error_deg, p.rotation_error_deg),
    }
}
