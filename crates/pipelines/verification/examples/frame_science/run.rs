//! One case of the table: its frames rendered, processed and compared.

use crate::clock;
use crate::external;
use crate::options::Options;
use crate::scene_truth::{Frame, SceneLight, truth};
use elqui_astrometry::propagate;
use elqui_base::mjd_utc_to_tai;
use elqui_image::VisitInfo;
use elqui_isr::CorrectedInput;
use elqui_matching::{PlaneGrid, RefCatalog, RefStar};
use elqui_pipeline::Timing;
use elqui_production::{FrameInput, ProcessConfig, Reference, process_frame};
use elqui_simulate::{Effects, Scene, SceneSource};
use elqui_verification::{Samples, collect};
use std::collections::HashMap;

/// A scene, or a frame drawn elsewhere, with a title.
pub struct Case {
    pub title: String,
    /// Only the rows with bars.
    pub short: bool,
    dither: bool,
    what: What,
}

enum What {
    Scene(Box<Scene>),
    /// Folders, separated by commas.
    External(String),
}

pub fn cases(options: &Options) -> Result<Vec<Case>, String> {
    let mut out = Vec::new();
    let mut scenes: Vec<(String, Scene)> = Vec::new();
    for path in &options.scenes {
        let scene: Scene =
            serde_yaml_ng::from_str(&crate::read(path)?).map_err(|e| format!("{path}: {e}"))?;
        let stem = std::path::Path::new(path).file_stem().unwrap_or_default();
        scenes.push((stem.to_string_lossy().into_owned(), scene));
    }
    if scenes.is_empty() && options.external.is_empty() {
        scenes.push(("default".into(), Scene::default()));
    }
    for (name, scene) in scenes {
        let scene = sized(scene, options.size);
        let arcmin = scene.pixel_scale_arcsec / 60.0;
        let area = scene.width as f64 * scene.height as f64 * arcmin * arcmin;
        let title = |more: &str, scene: &Scene| {
            format!(
                "{name}{more}: {} x {} px, {:.0} sources a square arcmin, {:.2}\" FWHM, {} frame(s)",
                scene.width,
                scene.height,
                (scene.stars + scene.galaxies) as f64 / area,
                scene.fwhm_arcsec,
                options.seeds,
            )
        };
        let case = |title: String, short: bool, dither: bool, scene: Scene| Case {
            title,
            short,
            dither,
            what: What::Scene(Box::new(scene)),
        };
        out.push(case(title("", &scene), false, false, scene.clone()));
        if !options.variants {
            continue;
        }
        for fwhm_arcsec in [0.6, 1.0, 1.5] {
            let what = format!(" at {fwhm_arcsec:.1}\"");
            let seeing = Scene { fwhm_arcsec, ..scene.clone() };
            out.push(case(title(&what, &seeing), true, false, seeing));
        }
        let turned = Scene { rotation_deg: 37.0, ..scene.clone() };
        out.push(case(title(" rotated by 37 degrees and dithered", &turned), true, true, turned));
        let effects = Effects { brighter_fatter_px: 0.02, tree_rings_px: 0.05, flat_error: 0.005 };
        let what =
            " with brighter-fatter (0.02 px at 1e5 e), tree rings (0.05 px), flat error (0.5%)";
        out.push(case(title(what, &scene), true, false, Scene { effects, ..scene.clone() }));
    }
    for path in &options.external {
        let what = What::External(path.clone());
        out.push(Case { title: format!("external: {path}"), short: false, dither: false, what });
    }
    Ok(out)
}

/// The scene on fewer pixels, at the same densities; the distortion at a place stays as it is.
fn sized(scene: Scene, size: Option<usize>) -> Scene {
    let Some(size) = size else { return scene };
    let part = (size * size) as f64 / (scene.width * scene.height) as f64;
    let count = |n: usize| (n as f64 * part).round() as usize;
    let shrink =
        ((size * size * 2) as f64).sqrt() / (scene.width as f64).hypot(scene.height as f64);
    Scene {
        width: size,
        height: size,
        stars: count(scene.stars),
        galaxies: count(scene.galaxies),
        distortion_px: scene.distortion_px * shrink.powi(3),
        ..scene
    }
}

pub fn run(case: &Case, options: &Options, config: &ProcessConfig) -> Result<Samples, String> {
    let mut all = Samples::default();
    match &case.what {
        What::External(paths) => {
            for path in paths.split(',') {
                all.extend(one(&external::read(path)?, options, config)?);
            }
        }
        What::Scene(scene) => {
            for k in 0..options.seeds {
                let mut scene = Scene { seed: scene.seed + k, ..(**scene).clone() };
                if case.dither {
                    scene.ra_deg += 0.013 * k as f64;
                    scene.dec_deg -= 0.009 * k as f64;
                }
                all.extend(one(&rendered(scene)?, options, config)?);
            }
        }
    }
    Ok(all)
}

fn rendered(scene: Scene) -> Result<Frame, String> {
    let drawn = scene.render().map_err(|e| e.to_string())?;
    let numbers = |name: &str| drawn.truth.numbers(name).map_err(|e| e.to_string());
    let ids = numbers("id")?.into_iter().map(|v| v as i64).collect();
    let positions_deg = numbers("ra")?.into_iter().zip(numbers("dec")?).collect();
    Ok(Frame {
        scene,
        image: drawn.image,
        header: drawn.header,
        wcs: drawn.wcs,
        sources: drawn.sources,
        ids,
        positions_deg,
        reference: drawn.reference,
        can_be_redrawn: true,
        psf: None,
    })
}

/// Reference stars, and the error (mas) of each by its id.
fn reference(frame: &Frame, exact: bool) -> Result<(Vec<RefStar>, HashMap<i64, f64>), String> {
    let catalog =
        RefCatalog::from_table(&frame.reference, &frame.scene.band).map_err(|e| e.to_string())?;
    let ids = frame.reference.numbers("id").map_err(|e| e.to_string())?;
    let known: HashMap<i64, (f64, f64)> =
        frame.ids.iter().copied().zip(frame.positions_deg.iter().copied()).collect();
    let date = mjd_utc_to_tai(frame.scene.mjd_utc).plus_seconds(0.5 * frame.scene.exposure_s);
    let epoch = date.julian_epoch();
    let (mut stars, mut errors) = (Vec::new(), HashMap::new());
    for (star, &row) in catalog.stars.iter().zip(&catalog.rows) {
        let id = ids[row] as i64;
        if !exact {
            // The proper motion's error over the years since the catalogue's epoch counts too.
            let years = epoch - star.epoch_jyear;
            errors.insert(id, star.ra_err_mas * (1.0 + years * years).sqrt());
            stars.extend(propagate(&[*star], date));
        } else if let Some(&(ra, dec)) = known.get(&id) {
            errors.insert(id, 0.0);
            let (pm_ra_cosdec_mas_yr, pm_dec_mas_yr) = (0.0, 0.0);
            let (ra_err_mas, dec_err_mas) = (0.0, 0.0);
            stars.push(RefStar {
                ra,
                dec,
                ra_err_mas,
                dec_err_mas,
                pm_ra_cosdec_mas_yr,
                pm_dec_mas_yr,
                epoch_jyear: epoch,
                ..*star
            });
        }
    }
    Ok((stars, errors))
}

/// Process a frame and compare it with its truth.
fn one(frame: &Frame, options: &Options, config: &ProcessConfig) -> Result<Samples, String> {
    let exact = options.exact_reference;
    let mut samples = measured(frame, exact, config)?;
    if !options.fits.is_empty() {
        samples = with_fits(frame, samples, options, config)?;
    }
    let wanted = options.only.is_empty()
        || options.only.iter().any(|o| "half_complete".contains(o.as_str()) || o.contains("found"));
    if wanted && !options.no_faint && frame.can_be_redrawn {
        let (more, added) = with_faint_stars(frame);
        let again = measured(&more, exact, config)?;
        let new = again.stars.iter().filter(|s| s.isolated && added.contains(&s.index));
        samples.faint = new.map(|s| (s.snr, s.detected)).collect();
    }
    Ok(samples)
}

/// The samples with the expensive fits. The steps' costs stay those without them; what each fit costs
/// comes from a run of its own.
fn with_fits(
    frame: &Frame,
    plain: Samples,
    options: &Options,
    config: &ProcessConfig,
) -> Result<Samples, String> {
    let mut fits = Vec::new();
    for name in &options.fits {
        let value = serde_yaml_ng::Value::String(name.clone());
        fits.push(serde_yaml_ng::from_value(value).map_err(|e| format!("--fits {name}: {e}"))?);
    }
    let with = |fits: Vec<_>| {
        let mut config = config.clone();
        config.measurement.fits = fits;
        measured(frame, options.exact_reference, &config)
    };
    let step = |s: &Samples| {
        let steps = s.frames.first().map_or(&[][..], |f| f.steps.as_slice());
        steps.iter().filter(|(n, _)| n == "measurement").map(|(_, s)| s).sum::<f64>()
    };
    let mut out = with(fits.clone())?;
    let mut costs = Vec::new();
    for (name, fit) in options.fits.iter().zip(fits) {
        let alone = with(vec![fit])?;
        let sources = alone.frames.first().map_or(0, |f| f.detections).max(1);
        costs.push((name.clone(), 1e6 * (step(&alone) - step(&plain)) / sources as f64));
    }
    for (frame, plain) in out.frames.iter_mut().zip(plain.frames) {
        frame.steps = plain.steps;
        frame.peak_memory_bytes = plain.peak_memory_bytes;
        frame.fits_us.clone_from(&costs);
    }
    Ok(out)
}

/// Faint stars a million pixels, and their S/N.
const FAINT_STARS: f64 = 120.0;
const FAINT_SNR: [f64; 2] = [2.0, 8.0];

/// The frame with faint stars where there is room, and their places in the list of sources.
fn with_faint_stars(frame: &Frame) -> (Frame, std::ops::Range<usize>) {
    let scene = &frame.scene;
    let (w, h) = (scene.width as f64, scene.height as f64);
    let room = 3.0 * scene.fwhm_arcsec / scene.pixel_scale_arcsec;
    let places: Vec<[f64; 2]> = frame.sources.iter().map(|s| [s.x, s.y]).collect();
    let grid = PlaneGrid::new(&places, room);
    let noise = (scene.sky_e() + scene.read_noise_e.powi(2)).sqrt();
    let mut added: Vec<SceneSource> = Vec::new();
    let count = (FAINT_STARS * w * h * 1e-6) as usize;
    for k in 1..20 * count {
        // A sequence without clumps, and a third number that has nothing to do with the place.
        let part = |step: f64| (step * k as f64).fract();
        let (x, y) = (w * part(0.754_877_666_246_7), h * part(0.569_840_290_998_1));
        let alone = added.iter().all(|s| (s.x - x).hypot(s.y - y) > room);
        if !alone || grid.nearest(x, y).is_some() {
            continue;
        }
        let psf = scene.psf_stamp(x, y, 25);
        let squares: f64 = psf.data().iter().map(|p| f64::from(*p).powi(2)).sum();
        let snr = FAINT_SNR[0] + (FAINT_SNR[1] - FAINT_SNR[0]) * part(0.618_033_988_749_9);
        added.push(SceneSource { x, y, flux_e: snr * noise / squares.sqrt(), galaxy: None });
        if added.len() == count {
            break;
        }
    }
    let on = frame.ids.len();
    let range = on..on + added.len();
    let mut sources = frame.sources.clone();
    sources.splice(on..on, added);
    let mut out = Frame { image: scene.render_sources(&sources), sources, ..frame.clone() };
    out.ids.extend(range.clone().map(|k| -(k as i64)));
    out.positions_deg.extend(range.clone().map(|_| (f64::NAN, f64::NAN)));
    (out, range)
}

fn measured(frame: &Frame, exact: bool, config: &ProcessConfig) -> Result<Samples, String> {
    let scene = &frame.scene;
    let (stars, errors) = reference(frame, exact)?;
    let card = |name: &str| frame.header.number(name).unwrap_or(f64::NAN);
    let input = CorrectedInput {
        image: frame.image.clone(),
        header: frame.header.clone(),
        info: VisitInfo {
            instrument: "scene".into(),
            visit: 1,
            band: scene.band.clone(),
            exposure_s: scene.exposure_s,
            mid_mjd_tai: mjd_utc_to_tai(scene.mjd_utc).plus_seconds(0.5 * scene.exposure_s),
            boresight_ra: card("RA"),
            boresight_dec: card("DEC"),
            pixel_scale_arcsec: scene.pixel_scale_arcsec,
            airmass: f64::NAN,
            ..VisitInfo::default()
        },
        gain: scene.gain,
        read_noise_e: scene.read_noise_e,
        saturation_adu: scene.saturation_adu,
        soft_bias_adu: f64::NAN,
        mask: None,
        weight: None,
        variance: None,
    };
    let mut timing = Timing::new(clock::wall_s, clock::cpu_s);
    let before = clock::reset_peak();
    let image_bytes = 4 * frame.image.data().len() as u64;
    let view = Reference { stars: &stars, photometric: true, index: None };
    let input = FrameInput::Corrected(Box::new(input));
    let output =
        process_frame(input, Some(view), config, &mut timing).map_err(|e| e.to_string())?;
    let peak = clock::peak();
    for warning in &output.summary.warnings {
        eprintln!("seed {}: warning: {warning}", scene.seed);
    }
    let sources = &frame.sources[..frame.ids.len()];
    let light = SceneLight { scene, sources, psf: frame.psf.as_ref() };
    let truth = truth(frame, &light, &|id| errors.get(&id).copied().unwrap_or(f64::NAN));
    let mut samples = collect(&truth, &output.exposure, &output.sources, &config.measurement);
    for sample in &mut samples.frames {
        sample.steps = timing.steps.iter().map(|s| (s.step.clone(), s.cpu_s)).collect();
        // The scene's own memory is not the frame's; the image that was handed over is.
        sample.peak_memory_bytes = peak.zip(before).map(|(p, b)| p.saturating_sub(b) + image_bytes);
    }
    eprintln!(
        "seed {}: {} true sources, {} rows, {:.1} CPU s",
        scene.seed,
        frame.ids.len(),
        output.sources.len(),
        timing.steps.iter().map(|s| s.cpu_s).sum::<f64>(),
    );
    Ok(samples)
}
