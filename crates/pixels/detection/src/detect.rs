//! Detection from end to end: filter, threshold, components, peaks, growth.
//!
//! - input: sky-subtracted image (adu), variance (adu^2), mask, PSF or the kernel's sigma (pixels)
//! - output: footprints by their first pixel (y, then x), each with its peaks, brightest first; the
//!   same of what is below the sky, with negative S/N
//! - a star is detected when the square of the S/N image's height at its peak, between the pixels, is above
//!   `threshold_sigma^2 + 2`: a maximum over two coordinates stands higher than the star's own S/N by one
//!   unit of chi^2 for each. So half of the stars are found whose flux is `threshold_sigma` times its
//!   Cramer-Rao error (`tests/completeness.rs`); footprints are what is above `threshold_sigma` itself
//! - source: Bosch et al. 2018, PASJ 70, S5, sec. 4.1
//! - differs from the LSST pipelines: peaks are culled by how far they stand above the saddle, and a
//!   saturated star is one peak at the middle of its saturated core

use crate::bits::{Bits, grow};
use crate::config::{DetectionConfig, DetectionError};
use crate::filter::{kernel_sigma, reach, signal_to_noise};
use crate::{peaks, runs, saturated, second};
use elqui_base::{FWHM_PER_SIGMA, mad_sigma};
use elqui_image::wide::widest;
use elqui_image::{Footprint, Image, Mask, MaskPlane, Peak, PsfModel, Span};

/// What [`detect`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Detections {
    /// Sorted by their first span.
    pub footprints: Vec<Footprint>,
    /// What is as far below the sky, likewise (none unless `negative`); its peaks' S/N is negative.
    pub negative: Vec<Footprint>,
    /// Sigma of the Gaussian kernel, pixels.
    pub kernel_sigma_pixels: f64,
    /// Signal-to-noise ratio above which a pixel is detected.
    pub threshold: f64,
    /// By how much the noise of the filtered image was found larger than predicted (1 unless
    /// `rescale_noise`).
    pub noise_scale: f64,
    /// Width of the ring along the border where the kernel is cut, pixels.
    pub edge_pixels: usize,
}

/// Find sources, the kernel being the Gaussian that fits the PSF best.
pub fn detect_with_psf(
    image: &Image<f32>,
    variance: &Image<f32>,
    mask: &Mask,
    psf: &PsfModel,
    config: &DetectionConfig,
) -> Result<Detections, DetectionError> {
    let middle = (0.5 * image.width() as f64, 0.5 * image.height() as f64);
    let sigma = kernel_sigma(psf, middle);
    let grow_pixels = config.grow_sigma * psf.fwhm_pixels / FWHM_PER_SIGMA;
    find(image, variance, mask, (sigma, grow_pixels), config)
}

/// Find sources with a Gaussian kernel.
pub fn detect(
    image: &Image<f32>,
    variance: &Image<f32>,
    mask: &Mask,
    kernel_sigma_pixels: f64,
    config: &DetectionConfig,
) -> Result<Detections, DetectionError> {
    let grow_pixels = config.grow_sigma * kernel_sigma_pixels;
    find(image, variance, mask, (kernel_sigma_pixels, grow_pixels), config)
}

fn find(
    image: &Image<f32>,
    variance: &Image<f32>,
    mask: &Mask,
    (kernel_sigma_pixels, grow_pixels): (f64, f64),
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
    let Above { spans, below, saturated, usable } =
        above_threshold(&snr, mask, config.exclude, threshold, config.negative);
    if !usable && !any_usable(image, variance, mask, config.exclude) {
        return Err(DetectionError::NothingUsable);
    }
    let mut found = with_peaks(&spans, &snr, 1.0, mask, config);
    let lost = with_peaks(&below, &snr, -1.0, mask, config);
    one_peak_a_saturated_star(&mut found, &saturated, &snr, threshold);
    let mut footprints = grown(found, grow_pixels, image.width(), image.height());
    second::look(&mut footprints, &snr, mask, kernel_sigma_pixels * FWHM_PER_SIGMA, config);
    Ok(Detections {
        footprints,
        negative: grown(lost, grow_pixels, image.width(), image.height()),
        kernel_sigma_pixels,
        threshold: config.threshold_sigma,
        noise_scale,
        edge_pixels: reach(kernel_sigma_pixels),
    })
}

/// Components of the spans that are large and high enough, with their peaks.
fn with_peaks(
    spans: &[Span],
    snr: &Image<f32>,
    sign: f32,
    mask: &Mask,
    config: &DetectionConfig,
) -> Vec<(Vec<Span>, Vec<Peak>)> {
    let mut scratch = peaks::Scratch::default();
    let contrast = (config.peak_contrast_sigma, config.peak_contrast_fraction);
    let area = |spans: &[Span]| spans.iter().map(|s| (s.x1 - s.x0 + 1) as usize).sum::<usize>();
    // The maximum over x and y of a field of unit noise: two degrees of freedom.
    let height = (config.threshold_sigma.powi(2) + 2.0).sqrt() as f32;
    let has_sat = |s: &Span| {
        let row = &mask.row(s.y as usize)[s.x0 as usize..=s.x1 as usize];
        row.iter().any(|m| m & MaskPlane::Sat.bit() != 0)
    };
    runs::components(spans)
        .into_iter()
        .filter(|spans| area(spans) >= config.min_area_pixels)
        .filter_map(|spans| {
            let (peaks, top) = peaks::find(&spans, snr, sign, contrast, &mut scratch);
            (top >= height || spans.iter().any(has_sat)).then_some((spans, peaks))
        })
        .collect()
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

/// What stands out of the S/N image.
struct Above {
    /// Runs above the threshold (SAT pixels count as such).
    spans: Vec<Span>,
    /// Runs below minus the threshold.
    below: Vec<Span>,
    /// Runs of SAT.
    saturated: Vec<Span>,
    /// Any pixel rises above zero or is SAT.
    usable: bool,
}

/// Closes the open run before `x`, or opens one there.
fn turn(open: &mut Option<usize>, on: bool, y: usize, x: usize, spans: &mut Vec<Span>) {
    match (on, *open) {
        (true, None) => *open = Some(x),
        (false, Some(x0)) => {
            spans.push(Span { y: y as i32, x0: x0 as i32, x1: x as i32 - 1 });
            *open = None;
        }
        _ => {}
    }
}

/// Largest and smallest value, and all flags together, in lanes.
#[inline(always)]
fn extremes(values: &[f32], flags: &[u32]) -> (f32, f32, u32) {
    const LANES: usize = 16;
    let mut top = [f32::NEG_INFINITY; LANES];
    let mut bottom = [f32::INFINITY; LANES];
    let mut any = [0u32; LANES];
    for (values, flags) in values.chunks(LANES).zip(flags.chunks(LANES)) {
        for (l, (&v, &flag)) in values.iter().zip(flags).enumerate() {
            top[l] = if v > top[l] { v } else { top[l] };
            bottom[l] = if v < bottom[l] { v } else { bottom[l] };
            any[l] |= flag;
        }
    }
    let (mut high, mut low, mut all) = (top[0], bottom[0], 0);
    for l in 0..LANES {
        high = if top[l] > high { top[l] } else { high };
        low = if bottom[l] < low { bottom[l] } else { low };
        all |= any[l];
    }
    (high, low, all)
}

fn above_threshold(
    snr: &Image<f32>,
    mask: &Mask,
    exclude: u32,
    threshold: f32,
    negative: bool,
) -> Above {
    let (width, height) = (snr.width(), snr.height());
    let sat = MaskPlane::Sat.bit();
    let (mut spans, mut below) = (Vec::new(), Vec::new());
    let mut sat_bits: Option<Bits> = None;
    let mut usable = false;
    let floor = if negative { -threshold } else { f32::NEG_INFINITY };
    for y in 0..height {
        let (row, bits) = (snr.row(y), mask.row(y));
        let (mut open, mut low) = (None, None);
        for (block, (values, flags)) in row.chunks(64).zip(bits.chunks(64)).enumerate() {
            // Most blocks are empty sky: decide that with one vectorised pass.
            let (top, bottom, any) = widest(
                #[inline(always)]
                || extremes(values, flags),
            );
            usable |= top > 0.0 || any & sat != 0;
            if top < threshold && bottom > floor && any & sat == 0 {
                turn(&mut open, false, y, block * 64, &mut spans);
                turn(&mut low, false, y, block * 64, &mut below);
                continue;
            }
            for (k, (&v, &flag)) in values.iter().zip(flags).enumerate() {
                let x = block * 64 + k;
                let is_sat = flag & sat != 0 && flag & exclude == 0;
                if is_sat {
                    let bits = sat_bits.get_or_insert_with(|| Bits::new(width, height));
                    bits.set(y as i32, x as i32, x as i32);
                }
                let free = flag & exclude == 0;
                turn(&mut open, (v >= threshold && free) || is_sat, y, x, &mut spans);
                turn(&mut low, v <= floor && free && !is_sat, y, x, &mut below);
            }
        }
        turn(&mut open, false, y, width, &mut spans);
        turn(&mut low, false, y, width, &mut below);
    }
    let saturated = sat_bits.map(|b| b.spans()).unwrap_or_default();
    Above { spans, below, saturated, usable }
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
        f.peaks.sort_by(|a, b| b.snr.abs().total_cmp(&a.snr.abs()));
    }
    out
}
