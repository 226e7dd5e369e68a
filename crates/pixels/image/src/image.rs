//! A small image: rows of equal length in one vector.

use crate::bbox::Bbox;
use serde::{Deserialize, Serialize};

/// Pixels, row by row; `data.len() == width * height`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Image<T = f32> {
    width: usize,
    height: usize,
    data: Vec<T>,
}

impl<T: Copy> Image<T> {
    pub fn filled(width: usize, height: usize, value: T) -> Self {
        Self { width, height, data: vec![value; width * height] }
    }

    /// From pixels row by row; panics when their number is not `width * height`.
    pub fn from_vec(width: usize, height: usize, data: Vec<T>) -> Self {
        assert_eq!(data.len(), width * height, "pixels do not fill {width} x {height}");
        Self { width, height, data }
    }

    pub fn from_fn(width: usize, height: usize, f: impl Fn(usize, usize) -> T) -> Self {
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            data.extend((0..width).map(|x| f(x, y)));
        }
        Self { width, height, data }
    }

    /// Another size in the same memory; what the pixels then hold is left to the caller.
    pub fn reshape(&mut self, width: usize, height: usize)
    where
        T: Default,
    {
        (self.width, self.height) = (width, height);
        self.data.resize(width * height, T::default());
    }

    pub const fn width(&self) -> usize {
        self.width
    }
    pub const fn height(&self) -> usize {
        self.height
    }
    pub const fn bbox(&self) -> Bbox {
        Bbox::new(0, 0, self.width, self.height)
    }
    pub fn data(&self) -> &[T] {
        &self.data
    }
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }
    pub fn into_vec(self) -> Vec<T> {
        self.data
    }
    pub fn row(&self, y: usize) -> &[T] {
        &self.data[y * self.width..(y + 1) * self.width]
    }
    pub fn row_mut(&mut self, y: usize) -> &mut [T] {
        &mut self.data[y * self.width..(y + 1) * self.width]
    }
    pub fn at(&self, x: usize, y: usize) -> T {
        self.data[y * self.width + x]
    }
    pub fn set(&mut self, x: usize, y: usize, value: T) {
        self.data[y * self.width + x] = value;
    }
    /// The pixel, or `None` outside.
    pub fn get(&self, x: i32, y: i32) -> Option<T> {
        self.bbox().contains(x, y).then(|| self.at(x as usize, y as usize))
    }
    /// Copy of the part of `bbox` that lies inside.
    pub fn crop(&self, bbox: &Bbox) -> Self {
        let b = self.bbox().intersect(bbox);
        let mut data = Vec::with_capacity(b.width * b.height);
        for y in b.y0..b.y1() {
            data.extend_from_slice(&self.row(y as usize)[b.x0 as usize..b.x1() as usize]);
        }
        Self { width: b.width, height: b.height, data }
    }
    /// Write `part` with its first pixel at (x0, y0); what falls outside is dropped.
    pub fn paste(&mut self, part: &Self, x0: i32, y0: i32) {
        let b = self.bbox().intersect(&Bbox::new(x0, y0, part.width, part.height));
        for y in b.y0..b.y1() {
            let from = (b.x0 - x0) as usize;
            let source = &part.row((y - y0) as usize)[from..from + b.width];
            self.row_mut(y as usize)[b.x0 as usize..b.x1() as usize].copy_from_slice(source);
        }
    }
    pub fn flipped_x(mut self) -> Self {
        let width = self.width.max(1);
        self.data.chunks_exact_mut(width).for_each(<[T]>::reverse);
        self
    }
    pub fn flipped_y(self) -> Self {
        let data = (0..self.height).rev().flat_map(|y| self.row(y).iter().copied()).collect();
        Self { data, ..self }
    }
    pub fn map<U: Copy>(&self, f: impl Fn(T) -> U) -> Image<U> {
        Image {
            width: self.width,
            height: self.height,
            data: self.data.iter().map(|&v| f(v)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crop_and_paste_agree() {
        let image = Image::from_fn(5, 4, |x, y| (10 * y + x) as f32);
        let part = image.crop(&Bbox::new(3, 2, 9, 9));
        assert_eq!(part.data(), &[23.0, 24.0, 33.0, 34.0]);
        let mut blank = Image::filled(5, 4, 0.0f32);
        blank.paste(&part, 4, -1);
        assert_eq!(blank.at(4, 0), 33.0);
        assert_eq!(image.clone().flipped_x().at(0, 1), 14.0);
        assert_eq!(image.flipped_y().at(1, 0), 31.0);
    }
}
