//! A PSF known as stamps at some places of the detector.
//!
//! - over the detector: each pixel of the stamp is a polynomial of degree 4 in position
//! - between pixels: interpolation by a wide windowed sinc, good to 1e-4 of the peak for FWHM >= 3 px

use elqui_base::{Polynomial2d, terms};
use elqui_image::Image;

const DEGREE: usize = 4;
/// Half-width of the interpolation, pixels.
const REACH: f64 = 12.0;

#[derive(Clone)]
pub struct CubePsf {
    half: usize,
    scaling: ([f64; 2], [f64; 2]),
    /// One plane for each term.
    planes: Vec<Vec<f64>>,
}

impl CubePsf {
    /// `stamps`: of one odd side, each centred on its middle pixel at its place.
    pub fn new(places: &[[f64; 2]], stamps: &[Image<f32>], size: [f64; 2]) -> Result<Self, String> {
        let side = stamps.first().map_or(0, Image::width);
        if side.is_multiple_of(2) || stamps.len() != places.len() {
            return Err("the PSF's stamps and places do not fit".into());
        }
        let scaling = Polynomial2d::scaling(size[0], size[1]);
        let n = elqui_base::term_count(DEGREE);
        let mut planes = vec![vec![0.0; side * side]; n];
        for k in 0..side * side {
            let values: Vec<f64> = stamps.iter().map(|s| f64::from(s.data()[k])).collect();
            let ones = vec![1.0; values.len()];
            let (fit, _) = Polynomial2d::fit(DEGREE, scaling, places, &values, &ones)
                .map_err(|e| e.to_string())?;
            for (plane, c) in planes.iter_mut().zip(&fit.coefficients) {
                plane[k] = *c;
            }
        }
        Ok(Self { half: side / 2, scaling, planes })
    }

    pub fn half(&self) -> usize {
        self.half
    }

    pub fn stamp(&self, middle: [i32; 2], x: f64, y: f64, half: usize) -> Image<f32> {
        let (center, scale) = self.scaling;
        let t = terms(DEGREE, (x - center[0]) * scale[0], (y - center[1]) * scale[1]);
        let side = 2 * self.half + 1;
        let mut samples = vec![0.0; side * side];
        for (c, plane) in t.iter().zip(&self.planes) {
            samples.iter_mut().zip(plane).for_each(|(s, p)| *s += c * p);
        }
        let out = 2 * half + 1;
        // Place of output pixel i among the samples: its distance from the source, plus their middle.
        let weights = |shift: f64| -> Vec<Vec<f64>> {
            (0..out)
                .map(|i| {
                    let at = i as f64 - half as f64 - shift + self.half as f64;
                    (0..side).map(|k| windowed_sinc(at - k as f64)).collect()
                })
                .collect()
        };
        let (wx, wy) = (weights(x - f64::from(middle[0])), weights(y - f64::from(middle[1])));
        let mut rows = vec![0.0; out * side];
        for (j, w) in wy.iter().enumerate() {
            for (k, w) in w.iter().enumerate().filter(|(_, w)| **w != 0.0) {
                let (row, from) = (&mut rows[j * side..(j + 1) * side], &samples[k * side..]);
                row.iter_mut().zip(from).for_each(|(r, s)| *r += w * s);
            }
        }
        Image::from_fn(out, out, |i, j| {
            rows[j * side..(j + 1) * side].iter().zip(&wx[i]).map(|(r, w)| r * w).sum::<f64>()
                as f32
        })
    }
}

fn windowed_sinc(t: f64) -> f64 {
    if t.abs() < 1e-9 {
        return 1.0;
    }
    if t.abs() >= REACH {
        return 0.0;
    }
    let p = std::f64::consts::PI * t;
    p.sin() / p * (0.5 * p / REACH).cos().powi(2)
}
