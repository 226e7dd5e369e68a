use super::*;
use elqui_image::{Header, VisitInfo};

/// Noise of width `sigma` about 100, without a library.
fn noise(width: usize, height: usize, sigma: f32) -> Image<f32> {
    let mut state = 7u64;
    let mut uniform = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    Image::from_vec(
        width,
        height,
        (0..width * height)
            .map(|_| 100.0 + sigma * ((0..4).map(|_| uniform()).sum::<f32>() - 2.0) * 1.732)
            .collect(),
    )
}

fn clean(image: &Image<f32>) -> Mask {
    Image::filled(image.width(), image.height(), 0)
}

/// Multiply the noise within a box, about a level.
fn spoil(image: &mut Image<f32>, b: Bbox, factor: f32, level: f32) {
    for (x, y) in pixels_of(&b, image.width(), image.height()) {
        let v = image.at(x, y);
        image.row_mut(y)[x] = level + factor * (v - 100.0);
    }
}

#[test]
fn a_good_detector_has_no_dead_part() {
    let mut image = noise(300, 260, 5.0);
    // A bright gradient and a source are no failure.
    for y in 0..260 {
        for (x, v) in image.row_mut(y).iter_mut().enumerate() {
            let rr = (x as f32 - 150.0).powi(2) + (y as f32 - 130.0).powi(2);
            *v += 0.3 * x as f32 + 30_000.0 / (1.0 + rr / 20.0);
        }
    }
    assert_eq!(find_dead_regions(&image, &clean(&image), &[]), DeadReport::default());
}

#[test]
fn each_kind_of_failure_is_found_with_and_without_amplifiers() {
    let amps: Vec<Bbox> =
        (0..8).map(|k| Bbox::new(100 * (k % 4), 150 * (k / 4), 100, 150)).collect();
    for (factor, level, kind) in [
        (0.0, 0.0, DeadKind::Constant),
        (0.1, 3.0, DeadKind::Quiet),
        (20.0, 900.0, DeadKind::Noisy),
    ] {
        let mut image = noise(400, 300, 5.0);
        spoil(&mut image, amps[6], factor, level);
        let known = find_dead_regions(&image, &clean(&image), &amps);
        assert_eq!(known.regions, [DeadRegion { bbox: amps[6], kind }]);
        assert!((known.fraction - 0.125).abs() < 1e-9 && !known.whole);
        let found = find_dead_regions(&image, &clean(&image), &[]);
        assert_eq!(found.regions.len(), 1, "{kind:?}");
        let b = found.regions[0].bbox;
        assert_eq!(b.intersect(&amps[6]), amps[6], "{kind:?}: {b:?}");
        assert!(found.fraction < 0.25, "{kind:?}: {}", found.fraction);
    }
}

#[test]
fn failed_parts_are_masked_and_hidden() {
    let mut image = noise(256, 256, 5.0);
    spoil(&mut image, Bbox::new(0, 0, 64, 256), 0.0, 9999.0);
    let report = find_dead_regions(&image, &clean(&image), &[]);
    let (mask, variance) = (clean(&image), Image::filled(256, 256, 25.0));
    let mut e =
        Exposure::new(image, mask, variance, Header::default(), VisitInfo::default()).unwrap();
    mask_dead_regions(&mut e, &report);
    let bits = MaskPlane::Bad.bit() | MaskPlane::NoData.bit();
    assert_eq!(e.mask.at(10, 10), bits);
    assert!((e.image.at(10, 10) - 100.0).abs() < 2.0 && e.variance.at(10, 10).is_infinite());
    assert!(e.mask.at(200, 200) == 0 && e.variance.at(200, 200) == 25.0);
}

#[test]
fn a_detector_of_one_value_is_dead_as_a_whole() {
    for value in [0.0, 312.0] {
        let image = Image::filled(200, 200, value);
        assert!(find_dead_regions(&image, &clean(&image), &[]).whole);
    }
}

#[test]
fn what_is_masked_says_nothing() {
    // Saturated half, one value: it is in the mask already.
    let mut image = noise(256, 256, 5.0);
    spoil(&mut image, Bbox::new(0, 0, 256, 128), 0.0, 65_000.0);
    let mask = Image::from_fn(256, 256, |_, y| if y < 128 { MaskPlane::Sat.bit() } else { 0 });
    assert!(find_dead_regions(&image, &mask, &[]).regions.is_empty());
    for (w, h) in [(1, 1), (2, 1), (1, 40)] {
        let tiny = Image::filled(w, h, f32::NAN);
        let report = find_dead_regions(&tiny, &clean(&tiny), &[]);
        assert!(report.regions.is_empty() && !report.whole);
    }
}
