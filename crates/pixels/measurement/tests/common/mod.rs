//! A small maker of scenes for the tests of this room: Gaussian-noise images of known sources.
//! It shares nothing with the code it tests.
#![allow(dead_code)]

use elqui_image::{Exposure, Footprint, Header, Image, MaskPlane, Peak, PsfModel, Span, VisitInfo};

/// Numbers that look random: splitmix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// Uniform in (0, 1).
    pub fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }
    /// Standard normal (Box-Muller).
    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// A Gaussian source: sigma along x and y before a rotation by `angle`.
#[derive(Clone, Copy)]
pub struct Gaussian {
    pub x: f64,
    pub y: f64,
    pub flux: f64,
    pub ixx: f64,
    pub iyy: f64,
    pub ixy: f64,
}

pub fn star(x: f64, y: f64, flux: f64, sigma: f64) -> Gaussian {
    Gaussian { x, y, flux, ixx: sigma * sigma, iyy: sigma * sigma, ixy: 0.0 }
}

pub fn add(image: &mut Image<f32>, g: &Gaussian) {
    let det = g.ixx * g.iyy - g.ixy * g.ixy;
    let reach = 7.0 * g.ixx.max(g.iyy).sqrt();
    let peak = g.flux / (std::f64::consts::TAU * det.sqrt());
    let range = |c: f64, n: usize| {
        let a = (c - reach).ceil().clamp(0.0, n as f64) as usize;
        let b = ((c + reach).floor() + 1.0).clamp(0.0, n as f64) as usize;
        a..b
    };
    for j in range(g.y, image.height()) {
        for i in range(g.x, image.width()) {
            let (dx, dy) = (i as f64 - g.x, j as f64 - g.y);
            let q = (g.iyy * dx * dx - 2.0 * g.ixy * dx * dy + g.ixx * dy * dy) / det;
            let v = image.at(i, j) + (peak * (-0.5 * q).exp()) as f32;
            image.set(i, j, v);
        }
    }
}

pub fn gaussian_psf(sigma: f64) -> PsfModel {
    PsfModel::from_profile(61, 0.5, 2.3548 * sigma, |dx, dy| {
        (-0.5 * (dx * dx + dy * dy) / (sigma * sigma)).exp()
    })
}

/// A noiseless scene with the variance of its sky and photons (`gain` electrons per adu).
pub fn exposure(image: Image<f32>, sky_sigma: f64, gain: f64, psf: PsfModel) -> Exposure {
    let (w, h) = (image.width(), image.height());
    let variance = image.map(|v| (sky_sigma * sky_sigma + f64::from(v).max(0.0) / gain) as f32);
    let mask = Image::filled(w, h, 0u32);
    let mut e =
        Exposure::new(image, mask, variance, Header::default(), VisitInfo::default()).unwrap();
    e.gain = gain;
    e.psf = Some(psf);
    e
}

/// Add noise of the exposure's variance.
pub fn with_noise(e: &Exposure, rng: &mut Rng) -> Exposure {
    let mut out = e.clone();
    for (v, s) in out.image.data_mut().iter_mut().zip(e.variance.data()) {
        *v += (rng.normal() * f64::from(*s).sqrt()) as f32;
    }
    out
}

/// A round footprint about the first position with peaks at all of them.
pub fn disc(peaks: &[(f64, f64)], radius: f64) -> Footprint {
    let (x, y) = peaks[0];
    let n = peaks.len() as f64;
    let (mx, my) = peaks.iter().fold((0.0, 0.0), |a, p| (a.0 + p.0 / n, a.1 + p.1 / n));
    let (mx, my) = if peaks.len() > 1 { (mx, my) } else { (x, y) };
    let mut spans = Vec::new();
    for j in (my - radius).ceil() as i32..=(my + radius).floor() as i32 {
        let half = (radius * radius - (f64::from(j) - my).powi(2)).max(0.0).sqrt();
        let (x0, x1) = ((mx - half).ceil() as i32, (mx + half).floor() as i32);
        if x0 <= x1 {
            spans.push(Span { y: j, x0, x1 });
        }
    }
    let peaks =
        peaks.iter().map(|p| Peak { x: p.0.round() as f32, y: p.1.round() as f32, snr: 50.0 });
    Footprint { spans, peaks: peaks.collect() }
}

/// A plain detection: connected pixels above `threshold` sigma of the smoothed image, peaks at
/// local maxima of it.
pub fn detect(e: &Exposure, sigma: f64, threshold: f64) -> Vec<Footprint> {
    let (w, h) = (e.width(), e.height());
    let reach = (3.0 * sigma).ceil() as i32;
    let kernel: Vec<f64> =
        (-reach..=reach).map(|k| (-0.5 * (f64::from(k) / sigma).powi(2)).exp()).collect();
    let sum: f64 = kernel.iter().sum();
    let norm: f64 = kernel.iter().map(|k| (k / sum) * (k / sum)).sum();
    let smooth = |image: &Image<f32>, along_x: bool| {
        let mut out = Image::filled(w, h, 0.0f32);
        for j in 0..h {
            for (k, weight) in kernel.iter().enumerate() {
                let d = k as i32 - reach;
                let wgt = (weight / sum) as f32;
                if along_x {
                    let (from, to) = ((-d).max(0) as usize, (w as i32 - d).min(w as i32) as usize);
                    for i in from..to {
                        let v = out.at(i, j) + wgt * image.at((i as i32 + d) as usize, j);
                        out.set(i, j, v);
                    }
                } else if j as i32 + d >= 0 && j as i32 + d < h as i32 {
                    let row = image.row((j as i32 + d) as usize).to_vec();
                    for (o, v) in out.row_mut(j).iter_mut().zip(row) {
                        *o += wgt * v;
                    }
                }
            }
        }
        out
    };
    let smoothed = smooth(&smooth(&e.image, true), false);
    let snr = Image::from_fn(w, h, |i, j| {
        f64::from(smoothed.at(i, j)) / (f64::from(e.variance.at(i, j)).sqrt() * norm)
    });
    let reject = MaskPlane::NoData.bit();
    let above = |i: usize, j: usize| snr.at(i, j) > threshold && e.mask.at(i, j) & reject == 0;
    let mut label = vec![0u32; w * h];
    let mut found = Vec::new();
    for start in 0..w * h {
        if label[start] != 0 || !above(start % w, start / w) {
            continue;
        }
        let id = found.len() as u32 + 1;
        let mut stack = vec![start];
        let mut pixels = Vec::new();
        label[start] = id;
        while let Some(p) = stack.pop() {
            pixels.push(p);
            let (x, y) = ((p % w) as i32, (p / w) as i32);
            for (dx, dy) in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
                let (a, b) = (x + dx, y + dy);
                if a >= 0 && b >= 0 && a < w as i32 && b < h as i32 {
                    let q = b as usize * w + a as usize;
                    if label[q] == 0 && above(a as usize, b as usize) {
                        label[q] = id;
                        stack.push(q);
                    }
                }
            }
        }
        pixels.sort_unstable();
        let mut f = Footprint::default();
        for &p in &pixels {
            let (x, y) = ((p % w) as i32, (p / w) as i32);
            match f.spans.last_mut() {
                Some(s) if s.y == y && s.x1 + 1 == x => s.x1 = x,
                _ => f.spans.push(Span { y, x0: x, x1: x }),
            }
            if x == 0 || y == 0 || x + 1 == w as i32 || y + 1 == h as i32 {
                continue;
            }
            let here = snr.at(x as usize, y as usize);
            let highest = (-1..=1).all(|dy: i32| {
                (-1..=1).all(|dx: i32| {
                    let v = snr.at((x + dx) as usize, (y + dy) as usize);
                    (dx, dy) == (0, 0) || v < here || (v == here && (dy, dx) < (0, 0))
                })
            });
            if highest {
                f.peaks.push(Peak { x: x as f32, y: y as f32, snr: here as f32 });
            }
        }
        f.peaks.sort_by(|a, b| b.snr.total_cmp(&a.snr));
        if !f.peaks.is_empty() {
            found.push(f);
        }
    }
    found
}
