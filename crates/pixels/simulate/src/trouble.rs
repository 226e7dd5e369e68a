//! Frames that went wrong: what each kind of trouble does to a scene.
//!
//! - light, before the photons are counted: electrons a pixel, sky included
//! - read-out, after: adu
//! - header: what the frame then says of itself
//!
//! The truth tables stay those of the untroubled scene. Severities are those of frames that are thrown
//! away, or used with care, at a telescope; all scale with the frame's size.

use crate::rng::{Purpose, Stream};
use elqui_image::{Header, Image, Value};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// One kind of trouble; in a scene's file as `trouble: half_saturated`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Stray light saturates the lower half.
    HalfSaturated,
    /// Eight satellites in a row cross the frame.
    SatelliteTrain,
    /// A star of magnitude 0 near the middle: a saturated disc, bleeding columns, and a halo over everything.
    BrightStar,
    /// Donuts of 24 pixels with a hole of 10.
    OutOfFocus,
    /// Moonlight: the sky is five times as bright in one corner as in the other.
    MoonGradient,
    /// Patchy cloud: 0.1 to 1.1 mag of extinction; the sky is as bright as before.
    Cloud,
    /// One amplifier of 4 x 2 was not read: zeros.
    AmpFailure,
    /// One amplifier of 4 x 2 has its level off, no light, and 60 times the read noise.
    AmpNoise,
    /// The whole detector has one value.
    DeadDetector,
    /// Twilight: 40 times the sky.
    Twilight,
    /// The guiding was lost: trails of 40 pixels with a knot at one end.
    Trailed,
    /// The header's gain is twice the true one.
    WrongGain,
}

impl Trouble {
    pub const ALL: [Self; 12] = [
        Self::HalfSaturated,
        Self::SatelliteTrain,
        Self::BrightStar,
        Self::OutOfFocus,
        Self::MoonGradient,
        Self::Cloud,
        Self::AmpFailure,
        Self::AmpNoise,
        Self::DeadDetector,
        Self::Twilight,
        Self::Trailed,
        Self::WrongGain,
    ];

    /// Magnitudes that the cloud takes at (u, v) in 0..1 of the frame's width and height.
    pub fn extinction_mag(self, u: f64, v: f64, seed: u64) -> f64 {
        if self != Self::Cloud {
            return 0.0;
        }
        let mut s = Stream::new(seed, Purpose::Trouble, 1, 0);
        let mut sum = 0.0;
        for _ in 0..4 {
            let (fx, fy, phase) = (s.range(-0.9, 0.9), s.range(-0.9, 0.9), s.uniform());
            sum += 0.5 * (TAU * (fx * u + fy * v + phase)).sin();
        }
        0.6 + 0.5 * sum.clamp(-1.0, 1.0)
    }

    /// What it does to the mean light. `sky_e` is the sky in it, `full_e` what saturates a pixel.
    pub(crate) fn light(self, image: &mut Image<f32>, sky_e: f64, full_e: f64, seed: u64) {
        let (w, h) = (image.width() as f64, image.height() as f64);
        match self {
            Self::HalfSaturated => {
                each(image, |_, y, e| if y < 0.5 * h { e + 2.0 * full_e } else { e })
            }
            Self::SatelliteTrain => {
                let mut s = Stream::new(seed, Purpose::Trouble, 0, 0);
                let (slope, gap) = (s.range(0.3, 0.6), 0.08 * h);
                let start = s.range(-0.1, 0.1) * h;
                let across = (1.0 + slope * slope).sqrt();
                each(image, |x, y, e| {
                    let from = (y - start - slope * x) / gap;
                    let nearest = from.round().clamp(0.0, 7.0);
                    let distance = (from - nearest) * gap / across;
                    let bright = sky_e.sqrt() * (4.0 + 3.0 * nearest);
                    e + bright * (-0.5 * (distance / 1.8).powi(2)).exp()
                });
            }
            Self::BrightStar => {
                let (x0, y0) = (0.45 * w, 0.55 * h);
                let core = 0.08 * w.min(h);
                each(image, |x, y, e| {
                    let rr = (x - x0).powi(2) + (y - y0).powi(2);
                    let halo = full_e * core * core / rr.max(1.0);
                    let bleeding = (x - x0).abs() < 0.1 * core && (y - y0).abs() < 0.35 * h;
                    e + halo + if bleeding { 2.0 * full_e } else { 0.0 }
                });
            }
            Self::OutOfFocus => smear(image, sky_e, &ring(12, 5)),
            Self::MoonGradient => each(image, |x, y, e| {
                let t = 0.7 * x / w + 0.3 * y / h;
                e + sky_e * (2.5 * t + 1.5 * t * t)
            }),
            Self::Cloud => {
                each(image, |x, y, e| {
                    let mag = self.extinction_mag((x + 0.5) / w, (y + 0.5) / h, seed);
                    sky_e + (e - sky_e) * 10f64.powf(-0.4 * mag)
                });
            }
            Self::Twilight => each(image, |x, _, e| e + 39.0 * sky_e * (0.98 + 0.04 * x / w)),
            Self::Trailed => smear(image, sky_e, &trail()),
            Self::AmpFailure | Self::AmpNoise | Self::DeadDetector | Self::WrongGain => {}
        }
    }

    /// What it does to the pixels as they are read.
    pub(crate) fn read_out(self, image: &mut Image<f32>, read_noise_adu: f64, seed: u64) {
        let (w, h) = (image.width(), image.height());
        // Amplifier (2, 1) of 4 x 2.
        let inside =
            |x: f64, y: f64| x >= (w / 2) as f64 && x < (3 * w / 4) as f64 && y >= (h / 2) as f64;
        match self {
            Self::AmpFailure => each(image, |x, y, v| if inside(x, y) { 0.0 } else { v }),
            Self::AmpNoise => {
                for y in h / 2..h {
                    let mut s = Stream::new(seed, Purpose::Trouble, 2, y as u64);
                    for v in &mut image.row_mut(y)[w / 2..3 * w / 4] {
                        *v = (2500.0 + 60.0 * read_noise_adu * s.normal()) as f32;
                    }
                }
            }
            Self::DeadDetector => each(image, |_, _, _| 312.0),
            _ => {}
        }
    }

    /// What the header says then.
    pub(crate) fn header(self, header: &mut Header) {
        if self == Self::WrongGain
            && let Some(gain) = header.number("GAIN")
        {
            header.set("GAIN", Value::Float(2.0 * gain), "[electron/adu]");
        }
    }
}

/// Replace each pixel by a function of (x, y, value).
fn each(image: &mut Image<f32>, f: impl Fn(f64, f64, f64) -> f64 + Sync) {
    let width = image.width();
    image.data_mut().par_chunks_mut(width).enumerate().for_each(|(y, row)| {
        for (x, v) in row.iter_mut().enumerate() {
            *v = f(x as f64, y as f64, f64::from(*v)) as f32;
        }
    });
}

/// A kernel of whole pixels: offset and weight, sum 1.
type Taps = Vec<(isize, isize, f32)>;

fn normalised(offsets: Vec<(isize, isize, f32)>) -> Taps {
    let sum: f32 = offsets.iter().map(|t| t.2).sum();
    offsets.into_iter().map(|(x, y, w)| (x, y, w / sum)).collect()
}

/// The pupil of a telescope with a secondary mirror.
fn ring(outer: isize, inner: isize) -> Taps {
    let mut taps = Vec::new();
    for y in -outer..=outer {
        for x in -outer..=outer {
            let rr = x * x + y * y;
            if rr <= outer * outer && rr >= inner * inner {
                taps.push((x, y, 1.0));
            }
        }
    }
    normalised(taps)
}

/// A drift of 40 pixels that began late.
fn trail() -> Taps {
    let step = |k: isize| (k, (0.35 * k as f64).round() as isize, 1.0);
    let mut taps: Vec<_> = (0..=38).map(step).collect();
    taps[0].2 = 10.0;
    // About its centre of light, so that the truth's places stay near.
    normalised(taps.into_iter().map(|(x, y, w)| (x - 15, y - 5, w)).collect())
}

/// Convolve what stands above the sky.
fn smear(image: &mut Image<f32>, sky_e: f64, taps: &Taps) {
    let (w, h, sky) = (image.width() as isize, image.height() as isize, sky_e as f32);
    let source = image.map(|v| v - sky);
    image.data_mut().par_chunks_mut(w as usize).enumerate().for_each(|(y, row)| {
        row.fill(sky);
        for &(dx, dy, weight) in taps {
            let from = y as isize - dy;
            if from < 0 || from >= h {
                continue;
            }
            let line = source.row(from as usize);
            let (start, end) = (dx.clamp(0, w), (w + dx).clamp(0, w));
            for (x, v) in (start..end).zip(&mut row[start as usize..end as usize]) {
                *v += weight * line[(x - dx) as usize];
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smearing_keeps_the_light() {
        for taps in [ring(12, 5), trail()] {
            let mut image = Image::filled(101, 101, 50.0f32);
            image.data_mut()[50 * 101 + 50] = 1050.0;
            smear(&mut image, 50.0, &taps);
            let sum: f64 = image.data().iter().map(|v| f64::from(*v) - 50.0).sum();
            assert!((sum - 1000.0).abs() < 0.5, "{sum}");
            assert!(image.at(50, 50) < 500.0);
        }
    }

    #[test]
    fn clouds_are_patchy_and_within_their_limits() {
        let mags: Vec<f64> = (0..400)
            .map(|k| {
                Trouble::Cloud.extinction_mag((k % 20) as f64 / 19.0, (k / 20) as f64 / 19.0, 5)
            })
            .collect();
        let (low, high) = mags.iter().fold((9.0f64, -9.0f64), |(l, h), m| (l.min(*m), h.max(*m)));
        assert!(low >= 0.099 && high <= 1.101 && high - low > 0.2, "{low} {high}");
        assert_eq!(Trouble::Twilight.extinction_mag(0.5, 0.5, 5), 0.0);
    }
}
