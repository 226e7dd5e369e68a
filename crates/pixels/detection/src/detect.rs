//! Detection from end to end: filter, threshold, components, peaks, growth.
//!
//! - input: sky-subtracted image (adu), variance (adu^2), mask, PSF sigma (pixels)
//! - output: footprints by their first pixel (y, then x), each with its peaks, brightest first
//! - source: Bosch et al. 2018, PASJ 70, S5, sec. 4.1
//! - differs from the LSST pipelines: peaks are culled by how far they stand above the saddle, and a
//!   saturated star is one peak at the middle of its saturated core

use crate::bits::{Bits, grow};
use crate::config::{DetectionConfig, DetectionError};
use crate::filter::{reach, signal_to_noise};
use crate::{peaks, runs, saturated};
use elqui_base::mad_sigma;
use elqui_image::{Footprint, Image, Mask, MaskPlane, Peak, Span};

/// What [`detect`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Detections {
    /// Sorted by their first span.
    pub footprints: Vec<Footprint>,
    /// Signal-to-noise ratio above which a pixel is detected.
    pub threshold: f64,
    /// By how much the noise of the filtered image was found larger than predicted (1 unless
    /// `rescale_noise`).
    pub noise_scale: f64,
    /// Width of the ring along the border where the kernel is cut, pixels.
    pub edge_pixels: usize,
}

/// Find sources.
pub fn detect(
    image: &Image<f32>,
    variance: &Image<f32>,
    mask: &Mask,
    kernel_sigma_pixels: f64,
    config: &DetectionConfig,
) -> Result<Detections, DetectionError> {
    check(image, variance, mask, kernel_sigma_pixels, config)?;
    let mut snr = signal_to_noise(image, variance, mask, config.exclude, kernel_sigma_pixels);
    let mut noise_scale = 1.0;
    if config.rescale_noise {
        noise_scale = scatter(&snr);
        let inverse = (1.0 / noise_scale) as f32;
        snr.data_mut().iter_mut().for_each(|v| *v *= inverse);
    }
    let threshold = config.threshold_sigma as f32;
    let (spans, sat_spans, usable) = above_threshold(&snr, mask, config.exclude, threshold);
    if !usable && !any_usable(image, variance, mask, config.exclude) {
        return Err(DetectionError::NothingUsable);
    }
    let mut found: Vec<(Vec<Span>, Vec<Peak>)> = Vec::new();
    let mut scratch = peaks::Scratch::default();
    let contrast = (config.peak_contrast_sigma, config.peak_contrast_fraction);
    for spans in runs::components(&spans) {
        let area: usize = spans.iter().map(|s| (s.x1 - s.x0 + 1) as usize).sum();
        if area >= config.min_area_pixels {
            let peaks = peaks::find(&spans, &snr, contrast, &mut scratch);
            found.push((spans, peaks));
        }
    }
    one_peak_a_saturated_star(&mut found, &sat_spans, &snr, threshold);
    let radius = config.grow_sigma * kernel_sigma_pixels;
    Ok(Detections {
        footprints: grown(found, radius, image.width(), image.height()),
        threshold: config.threshold_sigma,
        noise_scale,
        edge_pixels: reach(kernel_sigma_pixels),
    })
}

fn check(
    image: &Image<f32>,
    variance: &Image<f32>,
    mask: &Mask,
    sigma_pixels: f64,
    config: &DetectionConfig,
) -> Result<(), DetectionError> {
    let size = (image.width(), image.height());
    if size.0 == 0 || size.1 == 0 {
        return Err(DetectionError::Empty { width: size.0, height: size.1 });
    }
    for (what, got) in [
        ("the variance", (variance.width(), variance.height())),
        ("the mask", (mask.width(), mask.height())),
    ] {
        if got != size {
            return Err(DetectionError::Shape { what, got, image: size });
        }
    }
    if !(0.1..=50.0).contains(&sigma_pixels) {
        return Err(DetectionError::Kernel { sigma_pixels });
    }
    if !(config.threshold_sigma > 0.0) {
        return Err(DetectionError::Threshold { threshold: config.threshold_sigma });
    }
    Ok(())
}

/// Whether there is a pixel to look at; asked only when nothing at all rose above zero.
fn any_usable(image: &Image<f32>, variance: &Image<f32>, mask: &Mask, exclude: u32) -> bool {
    let planes = image.data().iter().zip(variance.data()).zip(mask.data());
    planes
        .into_iter()
        .any(|((i, v), m)| m & exclude == 0 && i.is_finite() && *v > 0.0 && v.is_finite())
}

/// Scatter of the filtered image, from a sample of its pixels.
fn scatter(snr: &Image<f32>) -> f64 {
    // A stride that is no divisor of usual widths, so that all columns take part.
    let stride = (snr.data().len() / 100_003).max(1) | 1;
    let mut sample: Vec<f64> =
        snr.data().iter().step_by(stride).filter(|v| **v != 0.0).map(|&v| f64::from(v)).collect();
    let (_, sigma) = mad_sigma(&mut sample);
    if sigma > 0.0 && sigma.is_finite() { sigma } else { 1.0 }
}

/// Runs above the threshold (SAT pixels count as such), runs of SAT, and whether any pixel rises
/// above zero or is SAT.
fn above_threshold(
    snr: &Image<f32>,
    mask: &Mask,
    exclude: u32,
    threshold: f32,
) -> (Vec<Span>, Vec<Span>, bool) {
    let (width, height) = (snr.width(), snr.height());
    let sat = MaskPlane::Sat.bit();
    let mut spans = Vec::new();
    let mut sat_bits: Option<Bits> = None;
    let mut usable = false;
    for y in 0..height {
        let (row, bits) = (snr.row(y), mask.row(y));
        let mut open: Option<usize> = None;
        for (block, (values, flags)) in row.chunks(64).zip(bits.chunks(64)).enumerate() {
            // Most blocks are empty sky: decide that with one vectorised pass.
            let top = values.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
            let any = flags.iter().fold(0, |a, b| a | b);
            usable |= top > 0.0 || any & sat != 0;
            if top < threshold && any & sat == 0 {
                if let Some(x0) = open.take() {
                    spans.push(Span { y: y as i32, x0: x0 as i32, x1: (block * 64) as i32 - 1 });
                }
                continue;
            }
            for (k, (&v, &flag)) in values.iter().zip(flags).enumerate() {
                let x = block * 64 + k;
                let is_sat = flag & sat != 0 && flag & exclude == 0;
                let on = (v >= threshold && flag & exclude == 0) || is_sat;
                if is_sat {
                    let bits = sat_bits.get_or_insert_with(|| Bits::new(width, height));
                    bits.set(y as i32, x as i32, x as i32);
                }
                match (on, open) {
                    (true, None) => open = Some(x),
                    (false, Some(x0)) => {
                        spans.push(Span { y: y as i32, x0: x0 as i32, x1: x as i32 - 1 });
                        open = None;
                    }
                    _ => {}
                }
            }
        }
        if let Some(x0) = open {
            spans.push(Span { y: y as i32, x0: x0 as i32, x1: width as i32 - 1 });
        }
    }
    (spans, sat_bits.map(|b| b.spans()).unwrap_or_default(), usable)
}

/// Replace the peaks in and beside each group of SAT pixels by one.
fn one_peak_a_saturated_star(
    found: &mut [(Vec<Span>, Vec<Peak>)],
    sat_spans: &[Span],
    snr: &Image<f32>,
    threshold: f32,
) {
    if sat_spans.is_empty() {
        return;
    }
    let table = lookup(found.iter().map(|(spans, _)| spans.as_slice()));
    for spans in runs::components(sat_spans) {
        let first = spans[0];
        let Some(owner) = owner_of(&table, first.y, first.x0) else { continue };
        let center = saturated::center(&spans);
        let top = snr.get(center.0.round() as i32, center.1.round() as i32).unwrap_or(threshold);
        let group = Footprint { spans, peaks: Vec::new() };
        peaks::merge_saturated(&mut found[owner].1, &group, center, top.max(threshold));
    }
}

/// All spans with the index of what they belong to, sorted by y, then x.
fn lookup<'a>(groups: impl Iterator<Item = &'a [Span]>) -> Vec<(Span, usize)> {
    let mut table: Vec<(Span, usize)> =
        groups.enumerate().flat_map(|(k, spans)| spans.iter().map(move |s| (*s, k))).collect();
    table.sort_unstable_by_key(|(s, _)| (s.y, s.x0));
    table
}

fn owner_of(table: &[(Span, usize)], y: i32, x: i32) -> Option<usize> {
    let k = table.partition_point(|(s, _)| (s.y, s.x0) <= (y, x));
    let (span, owner) = table.get(k.checked_sub(1)?)?;
    (span.y == y && x <= span.x1).then_some(*owner)
}

/// Footprints grown by `radius` pixels; those that come to touch become one.
fn grown(
    found: Vec<(Vec<Span>, Vec<Peak>)>,
    radius: f64,
    width: usize,
    height: usize,
) -> Vec<Footprint> {
    if radius < 1.0 {
        return found.into_iter().map(|(spans, peaks)| Footprint { spans, peaks }).collect();
    }
    let all: Vec<Span> = found.iter().flat_map(|(spans, _)| spans.iter().copied()).collect();
    let grown = grow(&all, radius, width, height);
    let (labels, count) = runs::label(&grown);
    let mut out = vec![Footprint::default(); count];
    for (span, &l) in grown.iter().zip(&labels) {
        out[l as usize].spans.push(*span);
    }
    for (spans, peaks) in found {
        let first = spans[0];
        let k = grown.partition_point(|s| (s.y, s.x0) <= (first.y, first.x0)) - 1;
        out[labels[k] as usize].peaks.extend(peaks);
    }
    for f in &mut out {
        f.peaks.sort_by(|a, b| b.snr.total_cmp(&a.snr));
    }
    out
}
