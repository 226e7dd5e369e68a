//! One amplifier: trimmed, its overscan subtracted, put in its place of the detector.
//!
//! Overscan level: the median of each overscan row (column, for a parallel overscan); rows that
//! differ from the running median of their neighbours by `reject_sigma` (contaminated by charge
//! that trails, a cosmic ray, a corrupt row) are left out; the rest is averaged over
//! `smooth_rows`, with windows that shrink towards the ends so that a slope stays unbiased.
//! - input: raw image of an HDU, adu
//! - output: the data section, adu, in the order of readout (before any flip)
//! - when an amplifier has a parallel overscan only, that one is used
//! - differs from the usual spline fits: no function is assumed, and a contaminated row cannot leak

use crate::config::OverscanConfig;
use crate::error::IsrError;
use elqui_base::{SIGMA_PER_MAD, median, median_f32};
use elqui_image::{Amplifier, Bbox, Detector, Image};

/// The data section of an amplifier, checked.
pub(crate) fn data_section(raw: &Image<f32>, amp: &Amplifier) -> Result<Image<f32>, IsrError> {
    check(raw, amp, "data", &amp.raw_data)?;
    Ok(raw.crop(&amp.raw_data))
}

fn check(
    raw: &Image<f32>,
    amp: &Amplifier,
    section: &'static str,
    bbox: &Bbox,
) -> Result<(), IsrError> {
    if bbox.is_empty() {
        return Err(IsrError::EmptySection { amplifier: amp.name.clone(), section });
    }
    if raw.bbox().intersect(bbox) != *bbox {
        let range =
            |from: i32, n: usize| format!("{}:{}", i64::from(from) + 1, i64::from(from) + n as i64);
        return Err(IsrError::SectionOutside {
            amplifier: amp.name.clone(),
            section,
            bbox: format!("[{},{}]", range(bbox.x0, bbox.width), range(bbox.y0, bbox.height)),
            width: raw.width(),
            height: raw.height(),
        });
    }
    Ok(())
}

/// Overscan levels of an amplifier, adu: one a row of the data section, and one a column. An
/// empty vector says that there is no such overscan or that it is not used.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OverscanLevels {
    pub rows: Vec<f32>,
    pub columns: Vec<f32>,
    /// Rows and columns that were found contaminated.
    pub rejected: usize,
}

/// Levels of both overscans (see the file's card).
pub fn overscan_levels(
    raw: &Image<f32>,
    amp: &Amplifier,
    config: &OverscanConfig,
) -> Result<OverscanLevels, IsrError> {
    let data = &amp.raw_data;
    let mut out = OverscanLevels::default();
    let serial = &amp.raw_serial_overscan;
    if !serial.is_empty() {
        check(raw, amp, "serial overscan", serial)?;
        let skip = if serial.width > 2 * config.skip_columns + 2 { config.skip_columns } else { 0 };
        let columns = serial.x0 as usize + skip..serial.x1() as usize - skip;
        let levels: Vec<f32> = (serial.y0..serial.y1())
            .map(|y| median_f32(&mut raw.row(y as usize)[columns.clone()].to_vec()))
            .collect();
        let (smooth, rejected) = smooth(&levels, config);
        out.rows = stretch(&smooth, serial.y0, data.y0, data.height);
        out.rejected += rejected;
    }
    let parallel = &amp.raw_parallel_overscan;
    if !parallel.is_empty() && (config.parallel || serial.is_empty()) {
        check(raw, amp, "parallel overscan", parallel)?;
        let skip = if parallel.height > 2 * config.skip_rows + 2 { config.skip_rows } else { 0 };
        // What the serial overscan of these rows says is taken off first: their mean level.
        let rows = parallel.y0 as usize + skip..parallel.y1() as usize - skip;
        let mut offset = 0.0;
        if let (false, Some(last)) = (serial.is_empty(), out.rows.last()) {
            let own = rows.clone().filter(|y| serial.y0 <= *y as i32 && (*y as i32) < serial.y1());
            let mut levels: Vec<f32> = own
                .map(|y| {
                    median_f32(&mut raw.row(y)[serial.x0 as usize..serial.x1() as usize].to_vec())
                })
                .collect();
            offset = if levels.is_empty() { *last } else { median_f32(&mut levels) };
        }
        let levels: Vec<f32> = (parallel.x0..parallel.x1())
            .map(|x| {
                let mut column: Vec<f32> = rows.clone().map(|y| raw.at(x as usize, y)).collect();
                median_f32(&mut column) - offset
            })
            .collect();
        let (smooth, rejected) = smooth(&levels, config);
        out.columns = stretch(&smooth, parallel.x0, data.x0, data.width);
        out.rejected += rejected;
    }
    Ok(out)
}

/// Trimmed data of an amplifier in the order of readout, its overscan subtracted.
pub fn subtract_overscan(
    raw: &Image<f32>,
    amp: &Amplifier,
    config: &OverscanConfig,
) -> Result<Image<f32>, IsrError> {
    let mut data = data_section(raw, amp)?;
    let levels = overscan_levels(raw, amp, config)?;
    for y in 0..data.height() {
        let level = levels.rows.get(y).copied().unwrap_or(0.0);
        let row = data.row_mut(y);
        row.iter_mut().for_each(|v| *v -= level);
        for (v, c) in row.iter_mut().zip(&levels.columns) {
            *v -= c;
        }
    }
    Ok(data)
}

/// Put the amplifiers' trimmed data, in the detector's order, into their places, flipped as the
/// detector says. `fill` is the value of pixels that no amplifier covers.
pub fn assemble<T: Copy>(
    detector: &Detector,
    parts: Vec<Image<T>>,
    fill: T,
) -> Result<Image<T>, IsrError> {
    if detector.amplifiers.is_empty() || parts.len() != detector.amplifiers.len() {
        return Err(IsrError::NoAmplifiers { detector: detector.name.clone() });
    }
    let mut out = Image::filled(detector.width, detector.height, fill);
    for (amp, part) in detector.amplifiers.iter().zip(parts) {
        let (got, expected) = ((part.width(), part.height()), (amp.bbox.width, amp.bbox.height));
        if got != expected {
            return Err(IsrError::PlaceSize { amplifier: amp.name.clone(), got, expected });
        }
        let part = if amp.flip_x { part.flipped_x() } else { part };
        let part = if amp.flip_y { part.flipped_y() } else { part };
        out.paste(&part, amp.bbox.x0, amp.bbox.y0);
    }
    Ok(out)
}

/// Smoothed levels, and how many were rejected.
fn smooth(levels: &[f32], config: &OverscanConfig) -> (Vec<f32>, usize) {
    let n = levels.len();
    if config.smooth_rows == 0 || n < 8 {
        return (levels.to_vec(), 0);
    }
    let half = (config.smooth_rows / 2).clamp(2, n / 2);
    let running: Vec<f64> = (0..n)
        .map(|y| {
            let window = &levels[y.saturating_sub(half)..(y + half + 1).min(n)];
            median(
                &mut window
                    .iter()
                    .filter(|v| v.is_finite())
                    .map(|&v| f64::from(v))
                    .collect::<Vec<_>>(),
            )
        })
        .collect();
    let mut away: Vec<f64> = levels
        .iter()
        .zip(&running)
        .map(|(l, r)| (f64::from(*l) - r).abs())
        .filter(|v| v.is_finite())
        .collect();
    // Integers make the MAD of a quiet overscan zero; half an adu is the least that is meant.
    let sigma = (SIGMA_PER_MAD * median(&mut away)).max(0.3);
    let good: Vec<bool> = levels
        .iter()
        .zip(&running)
        .map(|(l, r)| (f64::from(*l) - r).abs() <= config.reject_sigma * sigma)
        .collect();
    let least = (half / 5).max(1);
    let smooth = (0..n)
        .map(|y| {
            let reach = half.min(y).min(n - 1 - y).max(least);
            let range = y.saturating_sub(reach)..(y + reach + 1).min(n);
            let (mut sum, mut count) = (0.0, 0usize);
            for k in range {
                if good[k] {
                    sum += f64::from(levels[k]);
                    count += 1;
                }
            }
            if count > 0 { (sum / count as f64) as f32 } else { running[y] as f32 }
        })
        .collect();
    (smooth, good.iter().filter(|g| !**g).count())
}

/// Levels known from `from` on, at `n` places from `start` on; the ends repeat.
fn stretch(levels: &[f32], from: i32, start: i32, n: usize) -> Vec<f32> {
    let last = levels.len() as i32 - 1;
    (0..n as i32).map(|k| levels[(start + k - from).clamp(0, last) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amp() -> Amplifier {
        Amplifier {
            name: "A".into(),
            raw_hdu: 0,
            raw_data: Bbox::new(0, 0, 20, 200),
            raw_serial_overscan: Bbox::new(20, 0, 12, 200),
            raw_parallel_overscan: Bbox::default(),
            bbox: Bbox::new(0, 0, 20, 200),
            flip_x: false,
            flip_y: false,
            gain: 1.0,
            read_noise: 1.0,
            saturation_adu: 6e4,
        }
    }

    /// Slope 0.05 adu a row, signal 100; rows 50..60 have charge in their overscan.
    fn raw() -> Image<f32> {
        Image::from_fn(32, 200, |x, y| {
            let noise = ((x * 7 + y * 13) % 11) as f32 * 0.2 - 1.0;
            let level = 1000.0 + 0.05 * y as f32 + noise;
            let trail = if (50..60).contains(&y) && x >= 20 { 300.0 } else { 0.0 };
            level + trail + if x < 20 { 100.0 } else { 0.0 }
        })
    }

    #[test]
    fn contaminated_rows_do_not_leak() {
        let config = OverscanConfig::default();
        let levels = overscan_levels(&raw(), &amp(), &config).unwrap();
        assert!((10..14).contains(&levels.rejected), "{}", levels.rejected);
        let data = subtract_overscan(&raw(), &amp(), &config).unwrap();
        for y in 0..200 {
            let mean: f32 = data.row(y).iter().sum::<f32>() / 20.0;
            assert!((mean - 100.0).abs() < 1.2, "row {y}: {mean}");
        }
    }

    #[test]
    fn sections_are_checked() {
        let config = OverscanConfig::default();
        let mut bad = amp();
        bad.raw_data = Bbox::new(0, 0, 0, 200);
        let error = subtract_overscan(&raw(), &bad, &config).unwrap_err();
        assert_eq!(error.to_string(), "data section of amplifier `A` has no pixels");
        let mut outside = amp();
        outside.raw_serial_overscan = Bbox::new(20, 0, 12, 201);
        let error = subtract_overscan(&raw(), &outside, &config).unwrap_err().to_string();
        assert_eq!(
            error,
            "serial overscan section [21:32,1:201] of amplifier `A` is outside of its image of 32 x 200 pixels"
        );
    }

    #[test]
    fn amplifiers_go_to_their_places() {
        let mut left = amp();
        (left.raw_data, left.bbox) = (Bbox::new(0, 0, 2, 2), Bbox::new(0, 0, 2, 2));
        let mut right = left.clone();
        (right.bbox, right.flip_x, right.flip_y) = (Bbox::new(2, 0, 2, 2), true, true);
        let detector = Detector {
            id: 0,
            name: "D".into(),
            width: 5,
            height: 2,
            amplifiers: vec![left, right],
            pixel_scale_arcsec: 1.0,
            crosstalk: vec![],
        };
        let part = Image::from_vec(2, 2, vec![1.0, 2.0, 3.0, 4.0]);
        let out = assemble(&detector, vec![part.clone(), part], -1.0).unwrap();
        assert_eq!(out.data(), &[1.0, 2.0, 4.0, 3.0, -1.0, 3.0, 4.0, 2.0, 1.0, -1.0]);
    }
}
