//! Aperture fluxes of everything within the radius, blended or not.
//!
//! A light curve wants the same light in every frame: how a blend was split may change from one to
//! the next (with the seeing, or where a frame trailed), a neighbour inside the aperture does not.
//! - input: sky-subtracted image, variance, mask; a table with positions in pixels
//! - output: the table's ap* columns replaced, adu times `scale`; `apFlux_flag` by radii up to 12

use elqui_image::{Image, Mask, MaskPlane, aperture_sums};
use elqui_schema::SourceTable;

/// Radii of the table's apertures, pixels.
const RADII: [f64; 5] = [3.0, 6.0, 9.0, 12.0, 17.0];
/// Part of an aperture's area that may be lost before it is flagged.
const LOSS_MAX: f64 = 1e-3;

/// Measure the apertures of every primary source again on the whole image.
pub fn whole_apertures(
    image: &Image<f32>,
    variance: &Image<f32>,
    mask: &Mask,
    scale: f64,
    table: &mut SourceTable,
) {
    let reject = MaskPlane::Bad.bit() | MaskPlane::Sat.bit() | MaskPlane::NoData.bit();
    for row in 0..table.len() {
        if !table.detect_is_primary[row] {
            continue;
        }
        let center = (table.x[row], table.y[row]);
        let sums = aperture_sums(image, variance, mask, reject, center, RADII);
        let columns = [
            (&mut table.ap03_flux, &mut table.ap03_flux_err),
            (&mut table.ap06_flux, &mut table.ap06_flux_err),
            (&mut table.ap09_flux, &mut table.ap09_flux_err),
            (&mut table.ap12_flux, &mut table.ap12_flux_err),
            (&mut table.ap17_flux, &mut table.ap17_flux_err),
        ];
        for ((flux, err), sum) in columns.into_iter().zip(&sums) {
            flux[row] = scale * sum.flux;
            err[row] = scale * sum.variance.sqrt();
        }
        table.ap_flux_flag[row] = sums
            .iter()
            .zip(RADII)
            .any(|(s, r)| r <= 12.0 && !(s.area_lost <= LOSS_MAX * std::f64::consts::PI * r * r));
    }
}
