//! Masters of frames with noise and cosmic rays.

use super::*;

/// Noise of unit variance from a small generator of its own (seeded, the same everywhere).
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    move || ((0..12).map(|_| uniform()).sum::<f64>() - 6.0) as f32
}

fn frame(seed: u64, level: f32, sigma: f32) -> Image<f32> {
    let mut n = noise(seed);
    let mut image = Image::from_vec(60, 50, (0..3000).map(|_| level + sigma * n()).collect());
    // A cosmic ray in another place of each frame.
    image.set((seed as usize * 7) % 60, (seed as usize * 3) % 50, level + 3000.0);
    image
}

#[test]
fn a_bias_is_the_mean_without_cosmic_rays() {
    let frames: Vec<_> = (1..=7).map(|k| frame(k, 12.0, 4.0)).collect();
    let bias = build_bias(&frames).unwrap();
    let worst = bias.image.data().iter().fold(0.0f32, |w, v| w.max((v - 12.0).abs()));
    assert!(worst < 8.5, "{worst}");
    assert!((bias.rms - 4.0).abs() < 0.15, "{}", bias.rms);
    assert!((7..25).contains(&bias.clipped), "{}", bias.clipped);
    let mean = bias.image.data().iter().sum::<f32>() / 3000.0;
    assert!((mean - 12.0).abs() < 0.1);
}

#[test]
fn a_dark_is_per_second_and_a_flat_has_median_one() {
    let frames: Vec<_> =
        [30.0, 60.0, 120.0].iter().map(|t| (frame(*t as u64, 0.5 * *t as f32, 0.01), *t)).collect();
    let dark = build_dark(&frames).unwrap();
    assert!((median_of(&dark.image) - 0.5).abs() < 1e-3);
    let flats: Vec<_> = (1..=5)
        .map(|k| {
            let mut f = frame(k, 1000.0 * k as f32, 5.0);
            for y in 0..50 {
                f.set(4, y, f.at(4, y) * 0.8);
                f.set(5, y, 1.0);
            }
            f
        })
        .collect();
    let flat = build_flat(&flats).unwrap();
    assert!((median_of(&flat.image) - 1.0).abs() < 1e-3);
    assert!((flat.image.at(4, 40) - 0.8).abs() < 0.02 && flat.image.at(5, 9).is_nan());
}

#[test]
fn the_result_does_not_depend_on_threads() {
    let frames: Vec<_> = (1..=5).map(|k| frame(k, 100.0, 4.0)).collect();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| build_bias(&frames).unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn what_does_not_fit_is_said() {
    let few = build_bias(&[frame(1, 1.0, 1.0)]).unwrap_err().to_string();
    assert_eq!(few, "a master bias needs at least 3 frames, 1 given");
    let mixed = [frame(1, 1.0, 1.0), frame(2, 1.0, 1.0), Image::filled(4, 4, 0.0)];
    let mixed = build_bias(&mixed).unwrap_err().to_string();
    assert_eq!(mixed, "frame 2 of the master bias is (4, 4) pixels where the first is (60, 50)");
    let black = [(); 3].map(|()| Image::filled(4, 4, 0.0f32));
    assert!(matches!(build_flat(&black), Err(CalibrationError::Dark { index: 0, .. })));
    let timeless = [(); 3].map(|()| (Image::filled(4, 4, 0.0f32), 0.0));
    assert!(matches!(build_dark(&timeless), Err(CalibrationError::ExposureTime { .. })));
}
