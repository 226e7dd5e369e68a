//! The two halves of a frame's way with a file between them, and the pipelines that come along.

mod common;

use common::{input, reference_stars, scene};
use elqui_butler::Universe;
use elqui_fits::FitsFile;
use elqui_pipeline::{Pipeline, Timing};
use elqui_production::files::{post_isr_bytes, post_isr_from};
use elqui_production::{
    Origin, ProcessConfig, Reference, calibrate_image, process_frame, remove_signature, steps,
};
use std::path::Path;

#[test]
fn a_file_between_the_halves_changes_no_number() {
    let scene = scene(512, 4);
    let frame = scene.render().unwrap();
    let stars = reference_stars(&frame, &scene);
    let reference = Some(Reference { stars: &stars, photometric: true, index: None });
    let config = ProcessConfig::default();
    let mut none = Timing::none();
    let whole = process_frame(input(&frame, &scene), reference, &config, &mut none).unwrap();

    let mut image = remove_signature(input(&frame, &scene), &config.isr).unwrap();
    image.warnings.push("said before, in \"quotes\" and with an ü".into());
    image.dead_amplifiers.push("an amplifier".into());
    image.origin = Origin {
        parity: Some(elqui_astrometry::Parity::Mirrored),
        pointings: vec![(0.1 + 0.2, -1.0 / 3.0), (359.999_999_999_999_9, 89.0)],
        half_diagonal_deg: std::f64::consts::PI / 7.0,
    };
    let bytes = post_isr_bytes(&image).unwrap();
    let file = FitsFile::from_bytes(bytes, "between").unwrap();
    let mut back = post_isr_from(&file).unwrap();
    assert_eq!(back.origin, image.origin);
    assert_eq!(back.warnings, image.warnings);
    assert_eq!(back.dead_amplifiers, image.dead_amplifiers);
    assert_eq!(back.exposure.wcs, image.exposure.wcs);
    back.warnings.pop();
    back.dead_amplifiers.clear();
    let halves = calibrate_image(back, reference, &config, &mut none).unwrap();
    assert_eq!(halves.summary, whole.summary);
    // As texts: NaN is not equal to itself.
    let rows = |s: &elqui_schema::SourceTable| format!("{:?}", s.to_table());
    assert!(rows(&halves.sources) == rows(&whole.sources));
    let bytes = |e| elqui_fits::exposure_to_bytes(e).unwrap();
    assert!(bytes(&halves.exposure) == bytes(&whole.exposure));
}

#[test]
fn what_another_program_wrote_counts_as_raw() {
    let scene = scene(128, 5);
    let frame = scene.render().unwrap();
    let image = remove_signature(input(&frame, &scene), &ProcessConfig::default().isr).unwrap();
    let bytes = elqui_fits::exposure_to_bytes(&image.exposure).unwrap();
    let back = post_isr_from(&FitsFile::from_bytes(bytes, "other").unwrap()).unwrap();
    assert!(back.is_raw && back.read_noise_e.is_nan() && back.origin.parity.is_none());
    // A file that is no exposure, or half of one, is an error that says so.
    for bad in [&b"SIMPLE  = nonsense"[..], &[]] {
        assert!(
            FitsFile::from_bytes(bad.to_vec(), "bad")
                .and_then(|f| Ok(post_isr_from(&f).is_err()))
                .unwrap_or(true)
        );
    }
}

#[test]
fn pipelines_that_come_along_pass_all_checks() {
    let tasks = steps::tasks();
    for (name, _) in steps::PIPELINES {
        let pipeline = Pipeline::load(Path::new(name), &tasks, Universe::standard())
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(pipeline.name, name);
        // Written out and read again it is the same.
        let text = pipeline.to_yaml();
        let again = Pipeline::parse(&text, "again.yaml", &tasks, Universe::standard())
            .unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
        assert_eq!(again.to_yaml(), text);
        for step in &pipeline.steps {
            let same = again.step(&step.label).unwrap();
            assert_eq!((same.config(), &same.info), (step.config(), &step.info));
        }
    }
}
