//! The pixels of one parent, and the templates of its peaks.

use elqui_image::{Bbox, Footprint, Image, Mask, MaskPlane};

/// A parent cut out of the image.
pub struct Blend {
    pub bbox: Bbox,
    /// The parent's pixels, adu; 0 outside its footprint and where they are not finite.
    pub pixels: Image<f32>,
    /// The pixel is the parent's.
    pub inside: Image<bool>,
    /// 1 where the fit may use the pixel, else 0.
    pub weight: Image<f32>,
}

impl Blend {
    /// `None` when the footprint misses the image.
    pub fn cut(image: &Image<f32>, mask: &Mask, footprint: &Footprint) -> Option<Self> {
        let bbox = image.bbox().intersect(&mask.bbox()).intersect(&footprint.bbox());
        if bbox.is_empty() {
            return None;
        }
        let mut pixels = Image::filled(bbox.width, bbox.height, 0.0f32);
        let mut inside = Image::filled(bbox.width, bbox.height, false);
        let mut weight = Image::filled(bbox.width, bbox.height, 0.0f32);
        for s in &footprint.spans {
            let (x0, x1) = (s.x0.max(bbox.x0), s.x1.min(bbox.x1() - 1));
            if s.y < bbox.y0 || s.y >= bbox.y1() || x0 > x1 {
                continue;
            }
            let row = (s.y - bbox.y0) as usize;
            let here = x0 as usize..=x1 as usize;
            let at = (x0 - bbox.x0) as usize..=(x1 - bbox.x0) as usize;
            inside.row_mut(row)[at.clone()].fill(true);
            let values = &image.row(s.y as usize)[here.clone()];
            let bits = &mask.row(s.y as usize)[here];
            for (to, &v) in pixels.row_mut(row)[at.clone()].iter_mut().zip(values) {
                *to = if v.is_finite() { v } else { 0.0 };
            }
            let unusable = MaskPlane::unusable();
            for (to, (&v, &m)) in weight.row_mut(row)[at].iter_mut().zip(values.iter().zip(bits)) {
                *to = if v.is_finite() & (m & unusable == 0) { 1.0 } else { 0.0 };
            }
        }
        Some(Self { bbox, pixels, inside, weight })
    }
}

/// A profile in a window of the blend's frame.
#[derive(Debug, Clone, Default)]
pub struct Template {
    /// The window's first pixel in the blend's frame, and its size.
    pub x0: usize,
    pub y0: usize,
    pub width: usize,
    pub height: usize,
    pub values: Vec<f32>,
}

impl Template {
    /// Where a square stamp of half-width `half` about (x, y) lies in a frame of `w` x `h`: the
    /// window, and the stamp's first column and row that fall in it.
    pub fn window((x, y): (i32, i32), half: usize, w: usize, h: usize) -> (Self, usize, usize) {
        let side = 2 * half + 1;
        let b = Bbox::new(0, 0, w, h).intersect(&Bbox::new(
            x.saturating_sub(half as i32),
            y.saturating_sub(half as i32),
            side,
            side,
        ));
        let (skip_x, skip_y) = (b.x0 - (x - half as i32), b.y0 - (y - half as i32));
        let window = Self {
            x0: b.x0.max(0) as usize,
            y0: b.y0.max(0) as usize,
            width: if b.is_empty() { 0 } else { b.width },
            height: if b.is_empty() { 0 } else { b.height },
            values: Vec::new(),
        };
        (window, skip_x.max(0) as usize, skip_y.max(0) as usize)
    }

    /// Rows as (row of the frame, values).
    pub fn rows(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.values.chunks_exact(self.width.max(1)).enumerate().map(|(j, r)| (self.y0 + j, r))
    }

    /// Index of the frame's pixel (x, y) in `values`; `None` outside the window.
    pub fn index(&self, x: usize, y: usize) -> Option<usize> {
        let inside =
            x >= self.x0 && x < self.x0 + self.width && y >= self.y0 && y < self.y0 + self.height;
        inside.then(|| (y - self.y0) * self.width + (x - self.x0))
    }

    /// The frame's columns.
    pub fn columns(&self) -> std::ops::Range<usize> {
        self.x0..self.x0 + self.width
    }
}
