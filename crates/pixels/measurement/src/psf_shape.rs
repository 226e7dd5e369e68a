//! The PSF's own moments and Kron radius over the detector.
//!
//! Both change slowly: they are taken on a coarse grid and interpolated linearly.

use crate::kron::{self, Shape};
use crate::stamp::Stamp;
use elqui_image::{Image, PsfModel, adaptive_moments};

/// Nodes along each axis.
const NODES: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PsfShape {
    pub shape: Shape,
    /// Kron radius of the PSF, pixels.
    pub kron_radius: f64,
}

pub struct PsfShapes {
    nodes: Vec<[f64; 4]>,
    /// Nodes per pixel.
    per_x: f64,
    per_y: f64,
}

impl PsfShapes {
    pub fn new(psf: &PsfModel, width: usize, height: usize, extent_sigma: f64) -> Self {
        let last = (NODES - 1) as f64;
        let (per_x, per_y) =
            (last / (width as f64 - 1.0).max(1.0), last / (height as f64 - 1.0).max(1.0));
        let nodes = (0..NODES * NODES)
            .map(|k| {
                let at = |k: usize, per: f64| (k as f64 / per).round();
                let (x, y) = (at(k % NODES, per_x), at(k / NODES, per_y));
                Self::node(psf, x, y, extent_sigma)
            })
            .collect();
        Self { nodes, per_x, per_y }
    }

    fn node(psf: &PsfModel, x: f64, y: f64, extent_sigma: f64) -> [f64; 4] {
        let image = psf.render(x, y);
        let (w, h) = (image.width(), image.height());
        let center = ((w / 2) as f64, (h / 2) as f64);
        let sigma = psf.fwhm_pixels / 2.3548;
        let mask = Image::filled(w, h, 0);
        let m = adaptive_moments(&image, &mask, 1, center, sigma, 1.0, 0.5 * w as f64);
        let s = if m.failed { sigma * sigma } else { f64::NAN };
        let shape = if m.failed {
            Shape { ixx: s, iyy: s, ixy: 0.0 }
        } else {
            Shape { ixx: m.ixx, iyy: m.iyy, ixy: m.ixy }
        };
        let variance = Image::filled(w, h, 0.0);
        let stamp = Stamp { x0: 0, y0: 0, image, variance, mask };
        let r = kron::radius(&stamp, center, &shape, extent_sigma);
        // A Gaussian's first moment is sqrt(pi / 2) sigma.
        let r = if r.is_finite() { r } else { 1.2533 * shape.sigma() };
        [shape.ixx, shape.iyy, shape.ixy, r]
    }

    pub fn at(&self, x: f64, y: f64) -> PsfShape {
        let last = (NODES - 1) as f64;
        let split = |v: f64| {
            let v = if v.is_finite() { v.clamp(0.0, last) } else { 0.0 };
            let k = v.floor().min(last - 1.0);
            (k as usize, v - k)
        };
        let ((i, fx), (j, fy)) = (split(x * self.per_x), split(y * self.per_y));
        let node = |i: usize, j: usize| &self.nodes[j * NODES + i];
        let mix = |k: usize| {
            (1.0 - fy) * ((1.0 - fx) * node(i, j)[k] + fx * node(i + 1, j)[k])
                + fy * ((1.0 - fx) * node(i, j + 1)[k] + fx * node(i + 1, j + 1)[k])
        };
        PsfShape { shape: Shape { ixx: mix(0), iyy: mix(1), ixy: mix(2) }, kron_radius: mix(3) }
    }
}
