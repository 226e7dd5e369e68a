//! One detector's electronics: from the mean light of each pixel to the raw amplifiers.
//!
//! electrons: photon noise, cosmic rays, full wells that bleed along the columns; then for each
//! amplifier adu = electrons / true gain + crosstalk + level + fixed pattern + drift of the row
//! + read noise, rounded and clipped to 0..saturation. Overscan has all but the light.

use crate::config::CameraConfig;
use crate::cosmic;
use crate::error::SimulateError;
use crate::rng::{Purpose, Stream};
use elqui_image::{Amplifier, Bbox, Detector, Image};
use rayon::prelude::*;

/// A full well is this much more than what saturates the converter, so that cores are flat.
const WELL_MARGIN: f64 = 1.05;

/// What is fixed about one amplifier.
struct AmpPattern {
    true_gain: f64,
    level_adu: f64,
    columns: Vec<f32>,
    rows: Vec<f32>,
}

pub struct Camera {
    pub detector: Detector,
    config: CameraConfig,
    seed: u64,
    amps: Vec<AmpPattern>,
    /// Relative response of each pixel to light.
    pub response: Image<f32>,
    /// Dark current, electrons a second.
    pub dark: Image<f32>,
}

/// Where a detector lies in the focal plane: its centre from the axis, and the half diagonal, pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    pub center_x: f64,
    pub half_diagonal: f64,
}

impl Place {
    /// Focal-plane position of a pixel in half diagonals.
    pub fn normalized(&self, detector: &Detector, x: f64, y: f64) -> (f64, f64) {
        (
            (x - (detector.width as f64 - 1.0) / 2.0 + self.center_x) / self.half_diagonal,
            (y - (detector.height as f64 - 1.0) / 2.0) / self.half_diagonal,
        )
    }
}

pub fn check(detector: &Detector) -> Result<(), SimulateError> {
    let wrong = |why| Err(SimulateError::Detector { detector: detector.id, why });
    if detector.width == 0 || detector.height == 0 || detector.amplifiers.is_empty() {
        return wrong("it has no pixels or no amplifiers");
    }
    if !(detector.pixel_scale_arcsec > 0.0) {
        return wrong("its pixel scale must be above zero");
    }
    let n = detector.amplifiers.len();
    if !detector.crosstalk.is_empty() && detector.crosstalk.len() != n * n {
        return wrong("its crosstalk is not a square of its amplifiers");
    }
    for a in &detector.amplifiers {
        if (a.raw_data.width, a.raw_data.height) != (a.bbox.width, a.bbox.height) {
            return wrong("an amplifier's raw data and its place differ in size");
        }
        let whole = Bbox::new(0, 0, detector.width, detector.height);
        if whole.intersect(&a.bbox) != a.bbox {
            return wrong("an amplifier lies outside");
        }
        let boxes = [a.raw_data, a.raw_serial_overscan, a.raw_parallel_overscan];
        if boxes.iter().any(|b| !b.is_empty() && (b.x0 < 0 || b.y0 < 0)) {
            return wrong("a raw section begins below zero");
        }
        if !(a.gain > 0.0) || !(a.read_noise >= 0.0) {
            return wrong("an amplifier has no gain, or a negative read noise");
        }
        if !(a.saturation_adu > 0.0 && a.saturation_adu <= 65_535.0) {
            return wrong("an amplifier saturates outside 16 bits");
        }
    }
    Ok(())
}

impl Camera {
    pub fn new(detector: Detector, place: Place, config: &CameraConfig, seed: u64) -> Self {
        let id = u64::from(detector.id);
        let amps = detector
            .amplifiers
            .iter()
            .enumerate()
            .map(|(k, amp)| {
                AmpPattern::draw(amp, config, Stream::new(seed, Purpose::AmpPattern, id, k as u64))
            })
            .collect();
        let (w, h) = (detector.width, detector.height);
        let mut response = Image::filled(w, h, 0.0f32);
        let mut dark = Image::filled(w, h, 0.0f32);
        let rows = response.data_mut().par_chunks_mut(w).zip(dark.data_mut().par_chunks_mut(w));
        rows.enumerate().for_each(|(y, (response, dark))| {
            let mut s = Stream::new(seed, Purpose::PixelPattern, id, y as u64);
            for x in 0..w {
                let (u, v) = place.normalized(&detector, x as f64, y as f64);
                let vignetting = 1.0 - config.vignetting * (u * u + v * v);
                response[x] = (vignetting * (1.0 + config.pixel_response * s.normal())) as f32;
                // Warmer towards the upper edge.
                let warm = 0.7 + 0.6 * y as f64 / h as f64;
                let hot = if s.uniform() < config.hot_pixel_fraction {
                    config.hot_pixel_e_s * s.range(0.2, 1.8)
                } else {
                    0.0
                };
                dark[x] = (config.dark_e_s * warm + hot) as f32;
            }
        });
        Self { detector, config: config.clone(), seed, amps, response, dark }
    }

    /// Electrons above which a pixel at this place is saturated.
    pub fn saturation_e(&self, x: f64, y: f64) -> f64 {
        let (x, y) = (x.round() as i32, y.round() as i32);
        self.detector
            .amplifiers
            .iter()
            .zip(&self.amps)
            .find(|(a, _)| a.bbox.contains(x, y))
            .map_or(f64::INFINITY, |(a, p)| (a.saturation_adu - p.level_adu) * p.true_gain)
    }

    pub fn mean_gain(&self) -> f64 {
        let n = self.detector.amplifiers.len() as f64;
        self.detector.amplifiers.iter().map(|a| a.gain).sum::<f64>() / n
    }

    pub fn mean_read_noise_e(&self) -> f64 {
        let n = self.detector.amplifiers.len() as f64;
        self.detector.amplifiers.iter().map(|a| a.read_noise).sum::<f64>() / n
    }

    /// Expose and read: `light` is the mean number of electrons of each pixel, without dark current.
    pub fn expose(
        &self,
        light: Image<f32>,
        exposure_s: f64,
        frame: u64,
    ) -> Vec<(usize, Image<f32>)> {
        let mut electrons = light;
        let w = electrons.width();
        electrons.data_mut().par_chunks_mut(w).enumerate().for_each(|(y, row)| {
            let mut s = Stream::new(self.seed, Purpose::Photons, frame, y as u64);
            for (v, dark) in row.iter_mut().zip(self.dark.row(y)) {
                *v = s.poisson(f64::from(*v) + f64::from(*dark) * exposure_s) as f32;
            }
        });
        let mut s = Stream::new(self.seed, Purpose::Cosmic, frame, 0);
        let count = s.poisson(self.config.cosmic_rays_s * exposure_s) as usize;
        cosmic::add(&mut electrons, count, self.config.cosmic_ray_e, &mut s);
        self.bleed(&mut electrons);
        self.read_out(&electrons, frame)
    }

    /// Charge above the full well runs along the column, half of it either way, within the amplifier.
    fn bleed(&self, electrons: &mut Image<f32>) {
        for (amp, pattern) in self.detector.amplifiers.iter().zip(&self.amps) {
            let well =
                (WELL_MARGIN * (amp.saturation_adu - pattern.level_adu) * pattern.true_gain) as f32;
            let b = amp.bbox;
            let mut overflows = vec![false; b.width];
            for y in b.y0..b.y1() {
                let row = &electrons.row(y as usize)[b.x0 as usize..b.x1() as usize];
                overflows.iter_mut().zip(row).for_each(|(o, v)| *o |= *v > well);
            }
            for x in (0..b.width).filter(|x| overflows[*x]) {
                let x = b.x0 as usize + x;
                let mut column: Vec<f32> =
                    (b.y0..b.y1()).map(|y| electrons.at(x, y as usize)).collect();
                bleed_column(&mut column, well);
                for (k, v) in column.into_iter().enumerate() {
                    electrons.set(x, b.y0 as usize + k, v);
                }
            }
        }
    }

    fn read_out(&self, electrons: &Image<f32>, frame: u64) -> Vec<(usize, Image<f32>)> {
        // Each amplifier's signal in the order it is read, adu.
        let signals: Vec<Image<f32>> = self
            .detector
            .amplifiers
            .iter()
            .zip(&self.amps)
            .map(|(amp, pattern)| {
                let mut part = electrons.crop(&amp.bbox);
                part = if amp.flip_x { part.flipped_x() } else { part };
                part = if amp.flip_y { part.flipped_y() } else { part };
                let scale = (1.0 / pattern.true_gain) as f32;
                part.data_mut().iter_mut().for_each(|v| *v *= scale);
                part
            })
            .collect();
        let pieces: Vec<Vec<(Bbox, Image<f32>)>> =
            (0..signals.len()).into_par_iter().map(|k| self.read_amp(k, &signals, frame)).collect();
        let mut hdus: Vec<(usize, Image<f32>)> = Vec::new();
        for (amp, pieces) in self.detector.amplifiers.iter().zip(pieces) {
            let at = hdus.iter().position(|(hdu, _)| *hdu == amp.raw_hdu).unwrap_or_else(|| {
                let (w, h) = self.raw_size(amp.raw_hdu);
                hdus.push((amp.raw_hdu, Image::filled(w, h, 0.0)));
                hdus.len() - 1
            });
            for (b, piece) in pieces {
                hdus[at].1.paste(&piece, b.x0, b.y0);
            }
        }
        hdus
    }

    fn raw_size(&self, hdu: usize) -> (usize, usize) {
        let amps = self.detector.amplifiers.iter().filter(|a| a.raw_hdu == hdu);
        amps.flat_map(|a| [a.raw_data, a.raw_serial_overscan, a.raw_parallel_overscan])
            .filter(|b| !b.is_empty())
            .fold((0, 0), |(w, h), b| (w.max(b.x1() as usize), h.max(b.y1() as usize)))
    }

    /// The sections of one amplifier: data, serial overscan, parallel overscan.
    fn read_amp(&self, k: usize, signals: &[Image<f32>], frame: u64) -> Vec<(Bbox, Image<f32>)> {
        let (amp, pattern) = (&self.detector.amplifiers[k], &self.amps[k]);
        let boxes = [amp.raw_data, amp.raw_serial_overscan, amp.raw_parallel_overscan];
        let rows = boxes.iter().filter(|b| !b.is_empty()).map(|b| b.y1()).max().unwrap_or(0);
        let drift = self.drift(rows as usize, frame, k as u64);
        let noise = amp.read_noise / pattern.true_gain;
        let n = signals.len();
        let talkers: Vec<(f32, &Image<f32>)> = (0..n)
            .map(|j| {
                (self.detector.crosstalk.get(k * n + j).map_or(0.0, |c| *c as f32), &signals[j])
            })
            .filter(|(c, s)| *c != 0.0 && s.bbox() == signals[k].bbox())
            .collect();
        let mut out = Vec::with_capacity(3);
        for (part, b) in boxes.into_iter().enumerate().filter(|(_, b)| !b.is_empty()) {
            let mut image = Image::filled(b.width, b.height, 0.0f32);
            for r in 0..b.height {
                let y = b.y0 as usize + r;
                let key = ((k as u64) << 40) | ((part as u64) << 32) | y as u64;
                let mut s = Stream::new(self.seed, Purpose::ReadNoise, frame, key);
                let base = pattern.level_adu
                    + drift[y]
                    + f64::from(pattern.rows.get(y).copied().unwrap_or(0.0));
                for (c, v) in image.row_mut(r).iter_mut().enumerate() {
                    let column = pattern.columns.get(b.x0 as usize + c).copied().unwrap_or(0.0);
                    let mut light = 0.0;
                    if part == 0 {
                        light = signals[k].at(c, r);
                        light += talkers.iter().map(|(f, t)| f * t.at(c, r)).sum::<f32>();
                    }
                    let adu = base + f64::from(column) + f64::from(light) + noise * s.normal();
                    *v = adu.round().clamp(0.0, amp.saturation_adu) as f32;
                }
            }
            out.push((b, image));
        }
        out
    }

    /// A random walk that is drawn back to zero; its scatter is `bias_drift_adu`.
    fn drift(&self, rows: usize, frame: u64, amp: u64) -> Vec<f64> {
        const MEMORY_ROWS: f64 = 150.0;
        let mut s = Stream::new(self.seed, Purpose::Drift, frame, amp);
        let keep = (-1.0 / MEMORY_ROWS).exp();
        let kick = self.config.bias_drift_adu * (1.0 - keep * keep).sqrt();
        let mut level = self.config.bias_drift_adu * s.normal();
        (0..rows)
            .map(|_| {
                level = keep * level + kick * s.normal();
                level
            })
            .collect()
    }
}

impl AmpPattern {
    fn draw(amp: &Amplifier, config: &CameraConfig, mut s: Stream) -> Self {
        let true_gain = amp.gain * (1.0 + config.gain_scatter * s.normal());
        let level_adu = config.bias_level_adu + config.bias_scatter_adu * s.normal();
        let a = config.bias_pattern_adu;
        // Columns are those of the pixels; what goes by rows shows in the serial overscan too.
        let (x1, y1) = (amp.raw_data.x1().max(0) as usize, amp.raw_data.y1().max(0) as usize);
        let columns = (0..x1)
            .map(|x| (a * (2.0 * (-(x as f64) / 60.0).exp() + 0.4 * s.normal())) as f32)
            .collect();
        let rows = (0..y1).map(|y| (a * (-(y as f64) / 200.0).exp()) as f32).collect();
        Self { true_gain, level_adu, columns, rows }
    }
}

fn bleed_column(column: &mut [f32], well: f32) {
    let mut up = 0.0f32;
    let mut excess = vec![0.0f32; column.len()];
    for (v, e) in column.iter_mut().zip(&mut excess) {
        if *v > well {
            *e = 0.5 * (*v - well);
            *v = well;
            up += *e;
        } else if up > 0.0 {
            let take = up.min(well - *v);
            *v += take;
            up -= take;
        }
    }
    let mut down = 0.0f32;
    for (v, e) in column.iter_mut().zip(&excess).rev() {
        down += *e;
        let take = down.min(well - *v).max(0.0);
        *v += take;
        down -= take;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::small_detector;

    #[test]
    fn bleeding_keeps_the_charge() {
        let mut column = vec![10.0f32; 101];
        column[50] = 1000.0;
        column[51] = 500.0;
        let before: f32 = column.iter().sum();
        bleed_column(&mut column, 100.0);
        assert!(column.iter().all(|v| *v <= 100.0));
        assert!((column.iter().sum::<f32>() - before).abs() < 0.1);
        assert!(column[45] == 100.0 && column[56] == 100.0 && column[0] == 10.0);
    }

    #[test]
    fn overscan_tells_the_level_and_noise() {
        let detector = small_detector(0);
        let config = CameraConfig { bias_drift_adu: 0.0, ..CameraConfig::default() };
        let place = Place { center_x: 0.0, half_diagonal: 200.0 };
        let camera = Camera::new(detector.clone(), place, &config, 5);
        let raw = camera.expose(Image::filled(detector.width, detector.height, 800.0), 1.0, 9);
        assert_eq!(raw.len(), detector.amplifiers.len());
        for ((_, image), (amp, pattern)) in
            raw.iter().zip(detector.amplifiers.iter().zip(&camera.amps))
        {
            let over = image.crop(&Bbox { y0: 64, height: 60, ..amp.raw_serial_overscan });
            let n = over.data().len() as f64;
            let mean = over.data().iter().map(|v| f64::from(*v)).sum::<f64>() / n;
            let var = over.data().iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
            let noise = (var - 1.0 / 12.0).sqrt() * pattern.true_gain;
            let glow = f64::from(pattern.rows[90]);
            assert!((mean - pattern.level_adu - glow).abs() < 1.0, "{mean} {}", pattern.level_adu);
            assert!((noise / amp.read_noise - 1.0).abs() < 0.06, "{noise}");
        }
    }
}
