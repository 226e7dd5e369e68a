//! The true map between pixels and sky.

use elqui_base::UnitVector;
use elqui_wcs::{Term, Wcs};

/// TAN with a radial cubic: `distortion_px` at `reach_px` from the axis. North is up and east to the
/// left at rotation 0.
pub fn tan_sip(
    crval_deg: [f64; 2],
    crpix0: [f64; 2],
    scale_arcsec: f64,
    rotation_deg: f64,
    distortion_px: f64,
    reach_px: f64,
) -> Wcs {
    let (s, c) = rotation_deg.to_radians().sin_cos();
    let k = scale_arcsec / 3600.0;
    let wcs = Wcs::tan(crval_deg, crpix0, [[-k * c, k * s], [k * s, k * c]]);
    if distortion_px == 0.0 {
        return wcs;
    }
    let d = distortion_px / reach_px.powi(3);
    let a: Vec<Term> = vec![((3, 0), d), ((1, 2), d)];
    let b: Vec<Term> = vec![((2, 1), d), ((0, 3), d)];
    wcs.with_sip(3, a, b)
}

/// Pixels to (east, north) at a point, any common unit.
pub fn wcs_jacobian_tangent(wcs: &Wcs, x: f64, y: f64) -> [[f64; 2]; 2] {
    let (ra, dec) = wcs.pixel_to_sky(x, y);
    let center = UnitVector::from_ra_dec_deg(ra, dec);
    let step = |dx: f64, dy: f64| {
        let (ra, dec) = wcs.pixel_to_sky(x + dx, y + dy);
        UnitVector::from_ra_dec_deg(ra, dec).to_tangent(center).unwrap_or((0.0, 0.0))
    };
    let ((a, d), (b, e)) = (step(1.0, 0.0), step(0.0, 1.0));
    [[a, b], [d, e]]
}
