//! Simulated scenes through the frame's steps.
#![allow(dead_code)] // Each test's file uses the parts that it needs.

use elqui_astrometry::{RefStar, propagate};
use elqui_base::mjd_utc_to_tai;
use elqui_image::VisitInfo;
use elqui_isr::CorrectedInput;
use elqui_matching::RefCatalog;
use elqui_pipeline::Timing;
use elqui_production::{
    FrameInput, ProcessConfig, ProcessError, ProcessOutput, Reference, process_frame,
};
use elqui_simulate::{Scene, SceneFrame};

/// A field of a square arcminute or so with many bright stars.
pub fn scene(side: usize, seed: u64) -> Scene {
    let area = (side as f64 / 1024.0).powi(2);
    Scene {
        width: side,
        height: side,
        stars: (450.0 * area) as usize,
        galaxies: (250.0 * area) as usize,
        star_mag: [15.0, 24.0],
        distortion_px: 0.3,
        pointing_error_arcsec: 5.0,
        seed,
        ..Scene::default()
    }
}

/// AB magnitude of 1 adu of the image, as the truth has it.
pub fn true_zero_point(scene: &Scene) -> f64 {
    scene.zero_point_mag + 2.5 * (scene.exposure_s / scene.gain).log10()
}

pub fn reference_stars(frame: &SceneFrame, scene: &Scene) -> Vec<RefStar> {
    let catalog = RefCatalog::from_table(&frame.reference, &scene.band).unwrap();
    let date = mjd_utc_to_tai(scene.mjd_utc).plus_seconds(0.5 * scene.exposure_s);
    propagate(&catalog.stars, date)
}

/// The frame as it would come from a file: what is known of it is what its header says.
pub fn input(frame: &SceneFrame, scene: &Scene) -> FrameInput {
    let card = |key: &str| frame.header.number(key).unwrap_or(f64::NAN);
    let info = VisitInfo {
        instrument: "SCENE".into(),
        visit: 1,
        band: scene.band.clone(),
        exposure_s: card("EXPTIME"),
        mid_mjd_tai: mjd_utc_to_tai(scene.mjd_utc).plus_seconds(0.5 * scene.exposure_s),
        boresight_ra: card("RA"),
        boresight_dec: card("DEC"),
        pixel_scale_arcsec: card("PIXSCALE"),
        airmass: 1.0,
        ..VisitInfo::default()
    };
    FrameInput::Corrected(Box::new(CorrectedInput {
        image: frame.image.clone(),
        header: frame.header.clone(),
        info,
        gain: card("GAIN"),
        read_noise_e: card("RDNOISE"),
        saturation_adu: card("SATURATE"),
        soft_bias_adu: f64::NAN,
        mask: None,
        weight: None,
        variance: None,
    }))
}

pub fn process_with(
    frame: &SceneFrame,
    scene: &Scene,
    stars: &[RefStar],
    config: &ProcessConfig,
) -> Result<ProcessOutput, ProcessError> {
    let reference = Reference { stars, photometric: true, index: None };
    process_frame(input(frame, scene), Some(reference), config, &mut Timing::none())
}

pub fn process(scene: &Scene, config: &ProcessConfig) -> Result<ProcessOutput, ProcessError> {
    let frame = scene.render().unwrap();
    let stars = reference_stars(&frame, scene);
    process_with(&frame, scene, &stars, config)
}

/// One line of what came of it, for `--nocapture`.
pub fn tell(name: &str, scene: &Scene, result: &Result<ProcessOutput, ProcessError>) {
    match result {
        Err(reason) => println!("{name}: refused: {reason}"),
        Ok(out) => {
            let s = &out.summary;
            let off = s.zero_point_mag.map(|z| 1e3 * (z - true_zero_point(scene)));
            let err = s.zero_point_err_mag.map(|e| 1e3 * e);
            println!(
                "{name}: {:?}, off {off:.1?} +- {err:.1?} mmag, {} stars, psf {}; {:#?}\n{:#?}",
                s.quality.verdict,
                s.n_photometry_matches,
                s.n_psf_stars,
                s.quality.reasons.iter().map(|r| &r.text).collect::<Vec<_>>(),
                s.warnings
            );
        }
    }
}
