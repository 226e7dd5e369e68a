//! Amplifiers that were not read, and detectors that saw nothing.
//!
//! - input: a detector's image with its mask, and the places of its amplifiers where they are known
//! - output: rectangles that hold one value only (*constant*), far less noise than the rest
//!   (*quiet*: no light), or far more (*noisy*)
//! - method: the noise of a cell is the scaled median of the differences of neighbours along its rows.
//!   Where amplifiers are known, each is judged by its cells; elsewhere cells of one kind that fill a
//!   rectangle touching the edge of the detector are one amplifier (amplifiers reach an edge, the
//!   core of a bright star does not)
//! - cells whose pixels are mostly masked already say nothing

use elqui_base::{median, median_f32};
use elqui_image::{Bbox, Exposure, Image, Mask, MaskPlane};

/// Side of a cell, pixels.
const CELL: usize = 32;
/// Rows of a cell that are looked at: every third.
const ROW_STEP: usize = 3;
/// Part of the differences that are exactly zero where there is one value only.
const CONSTANT_FRACTION: f64 = 0.98;
/// Noise over the typical one, below and above which a cell is not like the others.
const QUIET: f64 = 0.4;
const NOISY: f64 = 4.0;
/// Part of an amplifier's (or a rectangle's) cells that must agree.
const AGREEMENT: f64 = 0.85;
/// Least part of the detector that is an amplifier.
const AREA_MIN: f64 = 0.01;

/// What is wrong with a part of a detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadKind {
    Constant,
    Quiet,
    Noisy,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DeadRegion {
    pub bbox: Bbox,
    pub kind: DeadKind,
}

/// What [`find_dead_regions`] found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeadReport {
    pub regions: Vec<DeadRegion>,
    /// Part of the detector's pixels in those regions.
    pub fraction: f64,
    /// Nowhere is there noise: the detector was not read, or saw nothing.
    pub whole: bool,
}

/// Look for amplifiers that failed; `amplifiers` may be empty.
pub fn find_dead_regions(image: &Image<f32>, mask: &Mask, amplifiers: &[Bbox]) -> DeadReport {
    let cells = Cells::measure(image, mask);
    let mut noises: Vec<f64> = cells.noise.iter().flatten().copied().filter(|n| *n > 0.0).collect();
    let valid = cells.noise.iter().flatten().count();
    if valid > 0 && (noises.len() as f64) < (1.0 - CONSTANT_FRACTION) * valid as f64 {
        return DeadReport { regions: Vec::new(), fraction: 1.0, whole: true };
    }
    if noises.is_empty() {
        return DeadReport::default();
    }
    let typical = median(&mut noises);
    let kind = |noise: f64| match noise / typical {
        0.0 => Some(DeadKind::Constant),
        r if r < QUIET => Some(DeadKind::Quiet),
        r if r > NOISY => Some(DeadKind::Noisy),
        _ => None,
    };
    let regions = if amplifiers.len() > 1 {
        amplifiers.iter().filter_map(|a| judge(image, mask, a, &kind)).collect()
    } else {
        cells.rectangles(&kind, image)
    };
    let pixels = (image.width() * image.height()) as f64;
    let area = |r: &DeadRegion| (r.bbox.width * r.bbox.height) as f64;
    let fraction = regions.iter().map(area).sum::<f64>() / pixels;
    DeadReport { regions, fraction, whole: false }
}

/// Mark the regions BAD (and NO_DATA where there is none), and hide what they hold behind the image's
/// median, as holes are.
pub fn mask_dead_regions(exposure: &mut Exposure, report: &DeadReport) {
    let (width, height) = (exposure.width(), exposure.height());
    for region in &report.regions {
        let bits = match region.kind {
            DeadKind::Noisy => MaskPlane::Bad.bit(),
            DeadKind::Constant | DeadKind::Quiet => MaskPlane::Bad.bit() | MaskPlane::NoData.bit(),
        };
        for (x, y) in pixels_of(&region.bbox, width, height) {
            exposure.mask.data_mut()[y * width + x] |= bits;
        }
    }
    let step = (width * height / 100_000).max(1) | 1;
    let mut sample: Vec<f32> = (0..width * height)
        .step_by(step)
        .filter(|&k| exposure.mask.data()[k] & MaskPlane::Bad.bit() == 0)
        .map(|k| exposure.image.data()[k])
        .filter(|v| v.is_finite())
        .collect();
    let filler = if sample.is_empty() { 0.0 } else { median_f32(&mut sample) };
    for region in &report.regions {
        for (x, y) in pixels_of(&region.bbox, width, height) {
            exposure.image.data_mut()[y * width + x] = filler;
            exposure.variance.data_mut()[y * width + x] = f32::INFINITY;
        }
    }
}

fn pixels_of(b: &Bbox, width: usize, height: usize) -> impl Iterator<Item = (usize, usize)> {
    let b = Bbox::new(0, 0, width, height).intersect(b);
    let (x0, y0) = (b.x0 as usize, b.y0 as usize);
    (y0..y0 + b.height).flat_map(move |y| (x0..x0 + b.width).map(move |x| (x, y)))
}

/// One amplifier by the kind that most of its own cells are of.
fn judge(
    image: &Image<f32>,
    mask: &Mask,
    amp: &Bbox,
    kind: &dyn Fn(f64) -> Option<DeadKind>,
) -> Option<DeadRegion> {
    let (columns, rows) = ((amp.width / CELL).max(1), (amp.height / CELL).max(1));
    let inside: Vec<f64> = (0..columns * rows)
        .filter_map(|k| {
            let (i, j) = ((k % columns) * CELL, (k / columns) * CELL);
            let (w, h) = (CELL.min(amp.width), CELL.min(amp.height));
            let cell = Bbox::new(amp.x0 + i as i32, amp.y0 + j as i32, w, h);
            noise_within(image, mask, &cell, ROW_STEP)
        })
        .collect();
    let is = |wanted: DeadKind| {
        let count = inside.iter().filter(|&&n| kind(n) == Some(wanted)).count();
        !inside.is_empty() && count as f64 >= AGREEMENT * inside.len() as f64
    };
    [DeadKind::Constant, DeadKind::Quiet, DeadKind::Noisy]
        .into_iter()
        .find(|&k| is(k))
        .map(|kind| DeadRegion { bbox: *amp, kind })
}

/// Noise of each cell; `None` where too few pixels are usable.
struct Cells {
    columns: usize,
    rows: usize,
    noise: Vec<Option<f64>>,
}

impl Cells {
    fn measure(image: &Image<f32>, mask: &Mask) -> Self {
        let (columns, rows) = (image.width().div_ceil(CELL), image.height().div_ceil(CELL));
        let noise = (0..columns * rows)
            .map(|k| {
                let (x0, y0) = (CELL * (k % columns), CELL * (k / columns));
                let b = Bbox::new(x0 as i32, y0 as i32, CELL, CELL);
                noise_within(image, mask, &b, ROW_STEP)
            })
            .collect();
        Self { columns, rows, noise }
    }

    /// Rectangles of cells of one kind that reach an edge.
    fn rectangles(
        &self,
        kind: &dyn Fn(f64) -> Option<DeadKind>,
        image: &Image<f32>,
    ) -> Vec<DeadRegion> {
        let kinds: Vec<Option<DeadKind>> = self.noise.iter().map(|n| n.and_then(kind)).collect();
        let mut seen = vec![false; kinds.len()];
        let mut out = Vec::new();
        for start in 0..kinds.len() {
            let Some(wanted) = kinds[start].filter(|_| !seen[start]) else { continue };
            let (mut stack, mut members) = (vec![start], Vec::new());
            seen[start] = true;
            while let Some(k) = stack.pop() {
                members.push(k);
                let (i, j) = (k % self.columns, k / self.columns);
                let near = [
                    (i > 0).then(|| k - 1),
                    (i + 1 < self.columns).then_some(k + 1),
                    (j > 0).then(|| k - self.columns),
                    (j + 1 < self.rows).then_some(k + self.columns),
                ];
                for n in near.into_iter().flatten() {
                    if !seen[n] && kinds[n] == Some(wanted) {
                        seen[n] = true;
                        stack.push(n);
                    }
                }
            }
            out.extend(self.rectangle(&members, wanted, image));
        }
        out
    }

    fn rectangle(
        &self,
        members: &[usize],
        kind: DeadKind,
        image: &Image<f32>,
    ) -> Option<DeadRegion> {
        let place = |&k: &usize| (k % self.columns, k / self.columns);
        let (mut i0, mut i1, mut j0, mut j1) = (self.columns, 0, self.rows, 0);
        for (i, j) in members.iter().map(place) {
            (i0, i1, j0, j1) = (i0.min(i), i1.max(i), j0.min(j), j1.max(j));
        }
        // Cells that the true border cuts are of either kind by chance: sides that are not half full go.
        loop {
            let count = |inside: &dyn Fn(usize, usize) -> bool| {
                members.iter().map(place).filter(|&(i, j)| inside(i, j)).count()
            };
            let (w, h) = (i1 + 1 - i0, j1 + 1 - j0);
            let in_rows = |j: usize| j >= j0 && j <= j1;
            let in_columns = |i: usize| i >= i0 && i <= i1;
            if w > 1 && 2 * count(&|i, j| i == i0 && in_rows(j)) < h {
                i0 += 1;
            } else if w > 1 && 2 * count(&|i, j| i == i1 && in_rows(j)) < h {
                i1 -= 1;
            } else if h > 1 && 2 * count(&|i, j| j == j0 && in_columns(i)) < w {
                j0 += 1;
            } else if h > 1 && 2 * count(&|i, j| j == j1 && in_columns(i)) < w {
                j1 -= 1;
            } else {
                break;
            }
        }
        let inside = |(i, j): (usize, usize)| i >= i0 && i <= i1 && j >= j0 && j <= j1;
        let filled = members.iter().map(place).filter(|&c| inside(c)).count();
        let box_cells = (i1 + 1 - i0) * (j1 + 1 - j0);
        let full = filled as f64 >= AGREEMENT * box_cells as f64;
        let large = box_cells as f64 >= AREA_MIN * (self.columns * self.rows) as f64;
        let at_edge = i0 == 0 || j0 == 0 || i1 + 1 == self.columns || j1 + 1 == self.rows;
        if !(full && large && at_edge) {
            return None;
        }
        // The true border may run through the next cells: grow by up to a cell, and the edge is the edge.
        let grow = |low: usize, high: usize, count: usize, size: usize| {
            let from = if low == 0 { 0 } else { CELL * low - CELL };
            let to = if high + 1 >= count { size } else { (CELL * (high + 2)).min(size) };
            (from, to)
        };
        let (x0, x1) = grow(i0, i1, self.columns, image.width());
        let (y0, y1) = grow(j0, j1, self.rows, image.height());
        let bbox = Bbox::new(x0 as i32, y0 as i32, x1 - x0, y1 - y0);
        Some(DeadRegion { bbox, kind })
    }
}

/// Noise of a pixel from the differences of neighbours in a box; zero where nearly all are equal; `None`
/// where most are masked.
fn noise_within(image: &Image<f32>, mask: &Mask, bbox: &Bbox, row_step: usize) -> Option<f64> {
    let b = Bbox::new(0, 0, image.width(), image.height()).intersect(bbox);
    let (x0, y0) = (b.x0 as usize, b.y0 as usize);
    let (mut differences, mut possible) = (Vec::new(), 0usize);
    for y in (y0..y0 + b.height).step_by(row_step) {
        let (row, bits) = (image.row(y), mask.row(y));
        for x in x0 + 1..x0 + b.width {
            possible += 1;
            let d = (row[x] - row[x - 1]).abs();
            if bits[x] | bits[x - 1] == 0 && d.is_finite() {
                differences.push(d);
            }
        }
    }
    if 2 * differences.len() < possible.max(1) {
        return None;
    }
    let zeros = differences.iter().filter(|d| **d == 0.0).count();
    if zeros as f64 >= CONSTANT_FRACTION * differences.len() as f64 {
        return Some(0.0);
    }
    // Whole numbers of little noise have a median of zero: their mean difference tells.
    let middle = f64::from(median_f32(&mut differences)) / (0.674_49 * std::f64::consts::SQRT_2);
    if middle > 0.0 {
        return Some(middle);
    }
    let mean = differences.iter().map(|d| f64::from(*d)).sum::<f64>() / differences.len() as f64;
    Some(mean.max(f64::MIN_POSITIVE))
}

#[cfg(test)]
#[path = "dead_tests.rs"]
mod tests;
