//! What the tests of the binary share: running it, and small frames made by hand.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Run the binary; panics only when it cannot be started.
pub fn elqui(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_elqui")).args(args).output().expect("the binary runs")
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// A stream of numbers in [0, 1), the same every time (splitmix64).
pub struct Stream(pub u64);

impl Stream {
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}

/// A star of the test field: pixel position and flux (adu).
#[derive(Clone, Copy)]
pub struct Star {
    pub x: f64,
    pub y: f64,
    pub flux: f64,
}

/// Side of the test frame, pixels, its scale, and where it points.
pub const SIDE: usize = 400;
pub const SCALE_DEG: f64 = 0.4 / 3600.0;
pub const CENTER: (f64, f64) = (150.0, 2.0);
/// Zero point of the test frame: magnitude of 1 adu.
pub const ZERO_POINT: f64 = 30.0;

pub fn field(seed: u64) -> Vec<Star> {
    let mut s = Stream(seed);
    (0..120)
        .map(|_| Star {
            x: 12.0 + s.uniform() * (SIDE as f64 - 24.0),
            y: 12.0 + s.uniform() * (SIDE as f64 - 24.0),
            flux: 10f64.powf(3.4 + 1.8 * s.uniform()),
        })
        .collect()
}

/// Pixels of the field: sky 300 adu with its noise at gain 2, Gaussian stars of FWHM 3.5 pixels.
pub fn pixels(stars: &[Star], seed: u64) -> Vec<f32> {
    let mut s = Stream(seed);
    let sigma = 3.5 / 2.3548;
    let mut image = vec![300.0f64; SIDE * SIDE];
    for star in stars {
        let (x0, y0) = (star.x as i32, star.y as i32);
        for y in (y0 - 12).max(0)..(y0 + 13).min(SIDE as i32) {
            for x in (x0 - 12).max(0)..(x0 + 13).min(SIDE as i32) {
                let r2 = (f64::from(x) - star.x).powi(2) + (f64::from(y) - star.y).powi(2);
                image[y as usize * SIDE + x as usize] += star.flux
                    / (std::f64::consts::TAU * sigma * sigma)
                    * (-0.5 * r2 / (sigma * sigma)).exp();
            }
        }
    }
    image.iter().map(|v| (v + (v / 2.0).sqrt() * s.normal()) as f32).collect()
}

/// Header cards of the test frame, without the structural ones.
pub fn cards() -> Vec<String> {
    let number = |key: &str, value: f64| format!("{key:<8}= {value:>20}");
    let word = |key: &str, value: &str| format!("{key:<8}= '{value:<8}'");
    vec![
        word("CTYPE1", "RA---TAN"),
        word("CTYPE2", "DEC--TAN"),
        number("CRVAL1", CENTER.0),
        number("CRVAL2", CENTER.1),
        number("CRPIX1", SIDE as f64 / 2.0),
        number("CRPIX2", SIDE as f64 / 2.0),
        number("CD1_1", -SCALE_DEG),
        number("CD1_2", 0.0),
        number("CD2_1", 0.0),
        number("CD2_2", SCALE_DEG),
        number("GAIN", 2.0),
        number("RDNOISE", 0.0),
        number("SATURATE", 60000.0),
        number("EXPTIME", 30.0),
        word("FILTER", "r"),
        word("DATE-OBS", "2026-01-02T03:04:05"),
    ]
}

/// A FITS file of f32 pixels in the primary HDU.
pub fn fits_bytes(width: usize, height: usize, data: &[f32], cards: &[String]) -> Vec<u8> {
    let mut all = vec![
        format!("{:<8}= {:>20}", "SIMPLE", "T"),
        format!("{:<8}= {:>20}", "BITPIX", -32),
        format!("{:<8}= {:>20}", "NAXIS", 2),
        format!("{:<8}= {:>20}", "NAXIS1", width),
        format!("{:<8}= {:>20}", "NAXIS2", height),
    ];
    all.extend_from_slice(cards);
    all.push("END".into());
    let mut out = Vec::new();
    for card in all {
        out.extend(format!("{card:<80}").bytes().take(80));
    }
    out.resize(out.len().div_ceil(2880) * 2880, b' ');
    out.extend(data.iter().flat_map(|v| v.to_be_bytes()));
    out.resize(out.len().div_ceil(2880) * 2880, 0);
    out
}

pub fn good_frame() -> Vec<u8> {
    fits_bytes(SIDE, SIDE, &pixels(&field(1), 2), &cards())
}

/// The field's reference catalogue as CSV; `shift_deg` moves it away in declination.
pub fn refcat_csv(stars: &[Star], shift_deg: f64) -> String {
    let mut out = String::from("ra,dec,r,r_err\n");
    for star in stars {
        // Gnomonic deprojection about the frame's centre.
        let xi = (-(star.x + 1.0 - SIDE as f64 / 2.0) * SCALE_DEG).to_radians();
        let eta = ((star.y + 1.0 - SIDE as f64 / 2.0) * SCALE_DEG).to_radians();
        let (ra0, dec0) = (CENTER.0.to_radians(), CENTER.1.to_radians());
        let d = dec0.cos() - eta * dec0.sin();
        let ra = ra0 + xi.atan2(d);
        let dec = (dec0.sin() + eta * dec0.cos()).atan2(d.hypot(xi));
        let mag = ZERO_POINT - 2.5 * star.flux.log10();
        out +=
            &format!("{:.9},{:.9},{mag:.4},0.005\n", ra.to_degrees(), dec.to_degrees() + shift_deg);
    }
    out
}

/// Names in a folder, sorted.
pub fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map(|d| d.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

/// Write a file into a folder and return its path.
pub fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("the test folder can be written");
    path
}

pub fn json(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("valid JSON")
}
