//! Small detectors for this crate's own tests.

use elqui_image::{Amplifier, Bbox, Detector};

/// 256 x 256 pixels, four amplifiers, serial and parallel overscan, one HDU each.
pub fn small_detector(id: u32) -> Detector {
    let amp = |k: usize| {
        let (right, top) = (k % 2 == 1, k / 2 == 1);
        Amplifier {
            name: format!("A{}{}", k / 2, k % 2),
            raw_hdu: k + 1,
            raw_data: Bbox::new(0, 0, 128, 128),
            raw_serial_overscan: Bbox::new(128, 0, 32, 128),
            raw_parallel_overscan: Bbox::new(0, 128, 128, 8),
            bbox: Bbox::new(128 * i32::from(right), 128 * i32::from(top), 128, 128),
            flip_x: right,
            flip_y: top,
            gain: 1.5,
            read_noise: 8.0,
            saturation_adu: 60_000.0,
        }
    };
    Detector {
        id,
        name: format!("D{id}"),
        width: 256,
        height: 256,
        amplifiers: (0..4).map(amp).collect(),
        pixel_scale_arcsec: 0.2,
        crosstalk: Vec::new(),
    }
}
