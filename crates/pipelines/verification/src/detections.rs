//! Detections, their true sources, and those that have none.
//!
//! Spurious: a primary detection with no true source of S/N > 2 within 1 arcsec whose flux fits. A true
//! source stands for one detection only (the nearest first). A flux fits when it lies between 0.2
//! times what a PSF-matched flux sees of the source, or of all within 1 arcsec, and 3 times its true
//! flux, or within five of its errors of the first.

use crate::collect::Limit;
use crate::truth::Truth;
use elqui_image::Exposure;
use elqui_matching::{PlaneTree, match_plane};
use elqui_schema::SourceTable;

pub(crate) struct Detections {
    /// Rows of the primary detections.
    pub rows: Vec<usize>,
    /// For each true source its row.
    pub of: Vec<Option<usize>>,
    /// Electrons of a unit of the table's fluxes.
    pub scale: f64,
    /// Electrons of one adu (when the fluxes are calibrated: of the nJy it is taken for), and where that
    /// varies, the zero point at each place.
    adu_e: f64,
    njy_e: Option<f64>,
    zero: Option<elqui_base::BoundedField>,
    correction: Option<elqui_base::BoundedField>,
}

impl Detections {
    pub fn new(truth: &Truth<'_>, exposure: &Exposure, sources: &SourceTable) -> Self {
        let rows: Vec<usize> =
            (0..sources.len()).filter(|&r| sources.detect_is_primary[r]).collect();
        let places: Vec<[f64; 2]> = rows.iter().map(|&r| [sources.x[r], sources.y[r]]).collect();
        let true_places: Vec<[f64; 2]> = truth.sources.iter().map(|s| [s.x, s.y]).collect();
        let mut of = vec![None; true_places.len()];
        for m in match_plane(&true_places, &places, truth.facts.fwhm_px) {
            of[m.a] = Some(rows[m.b]);
        }
        // Electrons of one nJy by the true zero point.
        let njy = 1.0 / elqui_base::mag_ab_to_njy(truth.facts.magnitude(1.0));
        let calibrated = exposure.photo_calib.as_ref().filter(|_| sources.flux_unit == "nJy");
        let scale = if calibrated.is_some() { njy } else { truth.facts.gain };
        let adu_e = calibrated.map_or(truth.facts.gain, |c| c.njy_per_adu * njy);
        let njy_e = calibrated.map(|_| njy);
        let zero = calibrated.and_then(|c| c.zero_point_map.clone());
        let correction = exposure.ap_corr.0.get("psfFlux").cloned();
        Self { rows, of, scale, adu_e, njy_e, zero, correction }
    }

    /// Electrons of one adu of a forced PSF flux at this place, by the frame's own calibration.
    pub fn scale_forced(&self, x: f64, y: f64) -> f64 {
        let unit = match (&self.zero, self.njy_e) {
            (Some(zero), Some(njy_e)) => njy_e * elqui_base::mag_ab_to_njy(zero.eval(x, y)),
            _ => self.adu_e,
        };
        unit * self.correction.as_ref().map_or(1.0, |c| c.eval(x, y))
    }
}

pub(crate) fn spurious(
    truth: &Truth<'_>,
    sources: &SourceTable,
    limits: &[Limit],
    found: &Detections,
) -> Vec<[f64; 3]> {
    let arcsec = 1.0 / truth.facts.pixel_scale_arcsec;
    // Place, PSF-matched and total flux, and whether the flux may be anything.
    let on = truth.sources.iter().zip(limits).filter(|(_, l)| l.snr > 2.0);
    let real: Vec<([f64; 2], [f64; 2], bool)> = on
        .map(|(s, l)| ([s.x, s.y], [l.matched_e, s.flux_e], s.saturated))
        .chain(truth.outside.iter().map(|s| ([s[0], s[1]], [s[2]; 2], true)))
        .collect();
    let places: Vec<[f64; 2]> = real.iter().map(|r| r.0).collect();
    let tree = PlaneTree::new(&places);
    let mut wishes: Vec<(f64, usize, usize)> = Vec::new();
    let mut light = vec![[0.0; 2]; sources.len()];
    for &row in &found.rows {
        for (k, distance) in tree.within(sources.x[row], sources.y[row], arcsec) {
            wishes.push((distance, row, k));
            light[row] = [light[row][0] + real[k].1[0], light[row][1] + real[k].1[1]];
        }
    }
    wishes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut served, mut taken) = (vec![false; sources.len()], vec![false; real.len()]);
    for (_, row, k) in wishes {
        if served[row] || taken[k] {
            continue;
        }
        let flux = sources.psf_flux[row] * found.scale;
        let err = sources.psf_flux_err[row] * found.scale;
        let fits = |[matched, total]: [f64; 2]| {
            (0.2 * matched..=3.0 * total).contains(&flux) || (flux - matched).abs() < 5.0 * err
        };
        // The PSF flux of what is saturated or cut by the edge says nothing.
        if fits(light[row]) || fits(real[k].1) || real[k].2 || flux.is_nan() {
            served[row] = true;
            taken[k] = true;
        }
    }
    let alone = found.rows.iter().copied().filter(|&row| !served[row]);
    alone
        .map(|r| [sources.x[r], sources.y[r], sources.psf_flux[r] / sources.psf_flux_err[r]])
        .collect()
}
