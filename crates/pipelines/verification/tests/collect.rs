//! A perfect measurement is found perfect, and a wrong one wrong by as much as it is.

use elqui_image::{Exposure, Header, Image, PhotoCalib, PsfModel, VisitInfo};
use elqui_measurement::MeasurementConfig;
use elqui_schema::SourceTable;
use elqui_simulate::{Scene, SceneFrame, SceneSource};
use elqui_verification::{Facts, Light, Samples, TrueSource, Truth, Verdict, collect, table};

const SIZE: usize = 700;

fn scene() -> Scene {
    Scene {
        width: SIZE,
        height: SIZE,
        stars: 60,
        galaxies: 40,
        star_mag: [18.0, 24.0],
        galaxy_mag: [20.0, 22.0],
        fwhm_growth: 0.0,
        ellipticity: 0.0,
        ..Scene::default()
    }
}

struct SceneLight<'a>(&'a Scene, &'a [SceneSource]);

impl Light for SceneLight<'_> {
    fn psf(&self, middle: [i32; 2], x: f64, y: f64, half: usize) -> Image<f32> {
        self.0.psf_stamp_about(middle, x, y, half)
    }
    fn source(&self, index: usize, middle: [i32; 2], x: f64, y: f64, half: usize) -> Image<f32> {
        let moved = SceneSource { x, y, ..self.1[index] };
        self.0.source_stamp_about(middle, &moved, half)
    }
}

/// The exposure as a perfect reduction would leave it, of a noiseless frame.
fn exposure(scene: &Scene, frame: &SceneFrame, expectation: &Image<f32>) -> Exposure {
    let gain = scene.gain as f32;
    let sky = scene.sky_e() as f32;
    let image = expectation.map(|e| (e - sky) / gain);
    let read2 = (scene.read_noise_e * scene.read_noise_e) as f32;
    let variance = expectation.map(|e| (e + read2) / (gain * gain));
    let mask = Image::filled(SIZE, SIZE, 0u32);
    let mut out =
        Exposure::new(image, mask, variance, Header::default(), VisitInfo::default()).unwrap();
    out.gain = scene.gain;
    out.wcs = Some(frame.wcs.clone());
    let alpha = 2.0 / (2f64.powf(1.0 / 3.0) - 1.0).sqrt();
    let profile = |x: f64, y: f64| (1.0 + (x * x + y * y) / (alpha * alpha)).powi(-3);
    out.psf = Some(PsfModel::from_profile(101, 0.5, 4.0, profile));
    let zero = scene.zero_point_mag + 2.5 * (scene.exposure_s / scene.gain).log10();
    out.photo_calib = Some(PhotoCalib {
        njy_per_adu: elqui_base::mag_ab_to_njy(zero),
        njy_per_adu_err: 0.0,
        zero_point_mag: zero,
        zero_point_err_mag: 1e-3,
        zero_point_map: None,
    });
    out
}

/// The true sources as a catalogue.
fn catalogue(sources: &[SceneSource]) -> SourceTable {
    let mut t = SourceTable::with_rows(sources.len());
    for (k, s) in sources.iter().enumerate() {
        (t.x[k], t.y[k], t.x_err[k], t.y_err[k]) = (s.x, s.y, 0.01, 0.01);
        (t.psf_flux[k], t.psf_flux_err[k]) = (s.flux_e / 1.5, 100.0);
        t.kron_flux[k] = 0.9 * s.flux_e / 1.5;
        t.extendedness[k] = f32::from(u8::from(s.galaxy.is_some()));
        t.detect_is_primary[k] = true;
    }
    t
}

fn run(change: impl Fn(&mut Exposure, &mut SourceTable)) -> Samples {
    let scene = scene();
    let mut frame = scene.render().unwrap();
    let n = frame.truth.rows();
    let expectation = scene.expectation(&frame.sources);
    frame.image = expectation.map(|e| e / scene.gain as f32);
    let light = SceneLight(&scene, &frame.sources);
    let sources = &frame.sources[..n];
    let truth = Truth {
        facts: Facts {
            sky_e: scene.sky_e(),
            read_noise_e: scene.read_noise_e,
            gain: scene.gain,
            exposure_s: scene.exposure_s,
            zero_point_mag: scene.zero_point_mag,
            pixel_scale_arcsec: scene.pixel_scale_arcsec,
            fwhm_px: scene.fwhm_arcsec / scene.pixel_scale_arcsec,
            wcs: frame.wcs.clone(),
        },
        sources: sources
            .iter()
            .map(|s| TrueSource {
                x: s.x,
                y: s.y,
                flux_e: s.flux_e,
                is_star: s.galaxy.is_none(),
                saturated: false,
                radius_px: s.galaxy.map_or(0.0, |g| g.radius_px),
                reference_err_mas: 0.0,
            })
            .collect(),
        outside: frame.sources[n..].iter().map(|s| [s.x, s.y, s.flux_e]).collect(),
        light: &light,
        expectation: expectation.clone(),
        image: &frame.image,
    };
    let mut exposure = exposure(&scene, &frame, &expectation);
    let mut sources = catalogue(sources);
    change(&mut exposure, &mut sources);
    collect(&truth, &exposure, &sources, &MeasurementConfig::default())
}

fn ok(samples: &Samples, key: &str) -> (f64, Verdict) {
    let rows = table(samples, true);
    let row = rows.iter().find(|r| r.key == key).unwrap();
    (row.value, row.ok)
}

#[test]
fn perfect_is_perfect() {
    let s = run(|_, _| {});
    assert!(s.stars.len() > 30 && s.galaxies.len() > 20);
    assert!(s.stars.iter().filter(|s| s.isolated).count() > 15);
    for star in s.stars.iter().filter(|s| s.isolated) {
        assert!(star.detected && star.dx.abs() < 1e-9 && star.pull_y.abs() < 1e-6);
        // Of the neighbours' light 0.1 sigma at most is taken out.
        assert!(star.flux.abs() <= 0.1 * star.bound_flux);
        // Forced: noiseless, so exact but for the PSF's samples and what the neighbours' wings add.
        assert!(star.forced.abs() < 2e-3 + 0.02 * star.bound_flux, "{star:?}");
        // Under the sky's noise alone, a Moffat function of exponent 3 has sigma_x S/N = alpha sqrt(7 / 15).
        let alpha = 2.0 / (2f64.powf(1.0 / 3.0) - 1.0).sqrt();
        let ratio = star.snr * star.bound_x / (alpha * (7.0f64 / 15.0).sqrt());
        assert!(star.snr > 12.0 || (ratio - 1.0).abs() < 0.03, "{ratio}");
    }
    let frame = &s.frames[0];
    assert!(frame.spurious.is_empty(), "{:?}", frame.spurious);
    assert!(frame.wcs_rms_mas[0] < 1e-6 && frame.background_mean.abs() < 1e-3);
    // What the samples of half a pixel and their interpolation leave.
    assert!(frame.psf_size.iter().all(|t| t.abs() < 2e-4), "{:?}", frame.psf_size);
    assert!(frame.zero_point.abs() < 1e-3 && frame.zero_point_total.abs() < 1e-6);
    // Kron fluxes of 0.9: 114 mmag too faint.
    let (bias, verdict) = ok(&s, "galaxy_bias");
    assert!((bias - 114.4).abs() < 0.1 && verdict == Verdict::No);
}

#[test]
fn errors_are_seen_with_their_size() {
    let s = run(|exposure, sources| {
        sources.x.iter_mut().for_each(|x| *x += 0.02);
        sources.psf_flux.iter_mut().for_each(|f| *f *= 1.01);
        exposure.image.data_mut().iter_mut().for_each(|v| *v -= 2.0);
        let calib = exposure.photo_calib.as_mut().unwrap();
        calib.zero_point_mag += 0.005;
        // A hundredth of a pixel along x: 2 mas, turned by the frame's degree.
        exposure.wcs = exposure.wcs.as_ref().map(|w| w.shifted(0.01, 0.0).unwrap());
    });
    for star in s.stars.iter().filter(|s| s.isolated) {
        assert!((star.dx - 0.02).abs() < 1e-9 && (star.pull_x - 2.0).abs() < 1e-5);
        assert!((star.flux - 0.01).abs() <= 0.1 * star.bound_flux);
    }
    let frame = &s.frames[0];
    // 2 adu of 20.7 adu of sky noise.
    assert!((frame.background_mean - 0.0967).abs() < 2e-3, "{}", frame.background_mean);
    assert!((frame.zero_point - 0.005).abs() < 1e-3);
    let [east, north] = frame.wcs_rms_mas;
    assert!((east - 2.0).abs() < 0.02 && north < 0.05, "{east} {north}");
    assert_eq!(frame.wcs_parameters, 3.5);
    assert_eq!(ok(&s, "background_mean").1, Verdict::No);
}

#[test]
fn nothing_found_passes_nothing() {
    let s = run(|exposure, sources| {
        *sources = SourceTable::default();
        (exposure.psf, exposure.wcs, exposure.photo_calib) = (None, None, None);
        exposure.image.data_mut().iter_mut().for_each(|v| *v = f32::NAN);
    });
    assert!(s.stars.iter().all(|s| !s.detected && s.dx.is_nan() && s.forced.is_nan()));
    for row in table(&s, true) {
        assert_ne!(row.ok, Verdict::Yes, "{row:?}");
    }
    assert!(table(&Samples::default(), false).iter().all(|r| r.ok != Verdict::Yes));
}

#[test]
fn detections_without_a_source_are_spurious() {
    let s = run(|_, sources| {
        // A fragment beside the first source, and one in the middle of nowhere with any flux.
        let (x, y) = (sources.x[0] + 2.0, sources.y[0]);
        let mut more = SourceTable::with_rows(2);
        (more.x, more.y) = (vec![x, 3000.0], vec![y, 3000.0]);
        (more.psf_flux, more.psf_flux_err) = (vec![sources.psf_flux[0], 500.0], vec![10.0; 2]);
        more.detect_is_primary = vec![true; 2];
        let rows = [sources.clone(), more];
        let mut all = SourceTable::with_rows(rows[0].len() + 2);
        let mut at = 0;
        for part in &rows {
            for k in 0..part.len() {
                (all.x[at], all.y[at]) = (part.x[k], part.y[k]);
                (all.psf_flux[at], all.psf_flux_err[at]) = (part.psf_flux[k], part.psf_flux_err[k]);
                all.detect_is_primary[at] = true;
                at += 1;
            }
        }
        *sources = all;
    });
    assert_eq!(s.frames[0].spurious.len(), 2, "{:?}", s.frames[0].spurious);
}
