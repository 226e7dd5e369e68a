//! Fluxes to one scale (aperture corrections) and to nJy (zero point).

use crate::astrometry::Sky;
use crate::config::ProcessConfig;
use crate::frame::Reference;
use elqui_base::mag_ab_to_njy;
use elqui_image::{Exposure, PhotoCalib};
use elqui_measurement as measurement;
use elqui_photometry as photometry;
use elqui_schema::SourceTable;

/// Fluxes of models, which are to be total fluxes on the scale of the calibration aperture.
const CORRECTED: [&str; 2] = ["psfFlux", "kronFlux"];

/// What the zero point rests on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Zero {
    pub matches: usize,
    pub scatter_mag: Option<f64>,
}

/// Bring PSF and Kron fluxes to the scale of the calibration aperture, as the PSF's stars tell.
pub fn correct_apertures(
    exposure: &mut Exposure,
    sources: &mut SourceTable,
    config: &ProcessConfig,
    warnings: &mut Vec<String>,
) {
    let stars: Vec<usize> = (0..sources.len())
        .filter(|&r| sources.calib_psf_used[r] || sources.calib_psf_reserved[r])
        .collect();
    match measurement::aperture_corrections(exposure, sources, &stars, &config.aperture_corrections)
    {
        Ok(mut map) => {
            // Aperture fluxes stay what they say: the light within that radius.
            map.0.retain(|name, _| CORRECTED.contains(&name.as_str()));
            measurement::apply_aperture_corrections(sources, &map);
            exposure.ap_corr = map;
        }
        Err(reason) => warnings.push(format!("no aperture correction: {reason}")),
    }
    measurement::classify(sources);
}

/// Zero point from the stars that the astrometry matched; scales all fluxes to nJy.
pub fn zero_point(
    exposure: &mut Exposure,
    sources: &mut SourceTable,
    reference: Option<Reference<'_>>,
    sky: &Sky,
    config: &ProcessConfig,
    warnings: &mut Vec<String>,
) -> Zero {
    let Some(reference) = reference else { return Zero::default() };
    if !reference.photometric {
        warnings.push(
            "the reference catalogue has no magnitude for this band: fluxes stay in adu".into(),
        );
        return Zero::default();
    }
    let pairs: Vec<(usize, usize)> = sky
        .matches
        .iter()
        .copied()
        .filter(|&(r, s)| {
            reference.stars[s].mag.is_finite()
                && sources.psf_flux[r] > 0.0
                && !sources.pixel_flags_saturated[r]
                && !sources.psf_flux_flag[r]
        })
        .collect();
    // Stars only, when enough of the matches look like stars.
    let stars: Vec<(usize, usize)> =
        pairs.iter().copied().filter(|&(r, _)| sources.extendedness[r] == 0.0).collect();
    let pairs = if stars.len() >= 10 { stars } else { pairs };
    let column = |f: &dyn Fn(&(usize, usize)) -> f64| pairs.iter().map(f).collect::<Vec<f64>>();
    let fit = photometry::zero_point(
        &column(&|p| sources.psf_flux[p.0]),
        &column(&|p| sources.psf_flux_err[p.0]),
        &column(&|p| reference.stars[p.1].mag),
        &column(&|p| reference.stars[p.1].mag_err),
        &config.photometry,
    );
    match fit {
        Ok(zero) => {
            for &k in &zero.used {
                sources.calib_photometry_used[pairs[k].0] = true;
            }
            let njy_per_adu = mag_ab_to_njy(zero.mag);
            sources.scale_fluxes(njy_per_adu, "nJy");
            exposure.photo_calib = Some(PhotoCalib {
                njy_per_adu,
                njy_per_adu_err: njy_per_adu * zero.err_mag * 0.4 * std::f64::consts::LN_10,
                zero_point_mag: zero.mag,
                zero_point_err_mag: zero.err_mag,
            });
            Zero { matches: zero.used.len(), scatter_mag: Some(zero.scatter_mag) }
        }
        Err(reason) => {
            warnings.push(format!("no zero point, fluxes stay in adu: {reason}"));
            Zero { matches: pairs.len(), scatter_mag: None }
        }
    }
}
