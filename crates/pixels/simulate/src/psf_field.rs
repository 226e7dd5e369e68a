//! The PSF over the focal plane of one visit.
//!
//! FWHM grows with the square of the distance to the axis; the ellipticity is one common part (wind,
//! guiding) and one that grows along the radius (optics). Positions are in units of the focal plane's
//! half diagonal, so that every detector shares one field.

use crate::config::PsfConfig;
use crate::profile::Moffat;
use crate::rng::Stream;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PsfField {
    pub fwhm_px: f64,
    growth: f64,
    /// Common part, as the two components of spin 2.
    common: [f64; 2],
    radial: f64,
}

impl PsfField {
    pub fn draw(fwhm_px: f64, config: &PsfConfig, stream: &mut Stream) -> Self {
        let angle = stream.range(0.0, std::f64::consts::TAU);
        let common = config.ellipticity / 3.0 * stream.uniform();
        Self {
            fwhm_px,
            growth: config.fwhm_growth * stream.range(0.7, 1.3),
            common: [common * angle.cos(), common * angle.sin()],
            radial: config.ellipticity * 2.0 / 3.0,
        }
    }

    /// At a point of the focal plane; (0, 0) is the axis and distance 1 the corner.
    pub fn at(&self, u: f64, v: f64) -> Moffat {
        let rr = u * u + v * v;
        let e1 = self.common[0] + self.radial * (u * u - v * v);
        let e2 = self.common[1] + self.radial * 2.0 * u * v;
        let e = e1.hypot(e2).min(0.5);
        Moffat::new(self.fwhm_px * (1.0 + self.growth * rr), e, 0.5 * e2.atan2(e1))
    }
}
