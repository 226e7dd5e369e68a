//! Which blocks hold objects: found in the blocks themselves, and grown by their own size.
//!
//! A block is an object's when the mean of the box about it stands above the noise; boxes of 1, 3 and
//! 9 blocks see stars, galaxies, and what is left of wings and haloes when those are masked. What is
//! found is then inflated in proportion to its own thickness (profiles of stars and galaxies are alike
//! but for their scale), which does not run away when many objects touch.
//! - input: blocks minus a model of the sky (adu, NaN where unusable), noise of a block in each cell
//! - output: a mask of blocks
//! - source: the idea of detecting below the noise of a pixel to save the sky: Akhlaghi & Ichikawa
//!   2015, ApJS 220, 1; here boxes and a distance transform, so that it costs milliseconds
//! - note: masking what is high takes noise with it (the mean of the rest would fall by 1 % of a pixel's
//!   sigma at 2.5 sigma); so the last round masks what is low just the same

use elqui_image::Image;
use rayon::prelude::*;

/// Noise and its allowance, for [`mark`].
pub(crate) struct Threshold<'a> {
    /// Noise of a block, and what the model of the sky may be wrong by, in each cell of the mesh, adu.
    pub sigma: &'a Image<f32>,
    pub allowance: &'a Image<f32>,
    /// The cell's sides, blocks.
    pub cell: (usize, usize),
    /// Sigma above which a box counts.
    pub snr: f32,
    /// Mark what is low as well, so that noise is taken from both sides alike.
    pub both_sides: bool,
}

impl Threshold<'_> {
    /// Whether the sum of `n` blocks does, in a cell of this noise and allowance.
    fn stands_out(&self, (sigma, allowance): (f32, f32), sum: f32, n: f32) -> bool {
        let size = if self.both_sides { sum.abs() } else { sum };
        size > self.snr * sigma * n.sqrt() + allowance * n
    }

    /// Noise and allowance of the cells that cross a row of blocks.
    fn of_row(&self, y: usize) -> impl Iterator<Item = (f32, f32)> + '_ {
        let j = (y / self.cell.1).min(self.sigma.height() - 1);
        self.sigma.row(j).iter().copied().zip(self.allowance.row(j).iter().copied())
    }
}

/// Objects are grown by this many blocks at least.
const LEAST_GROWTH: f32 = 1.0;

/// What [`mark`] left out.
pub(crate) struct Marked {
    pub objects: Image<bool>,
    /// Objects could not be grown as wanted: wings are left.
    pub crowded: bool,
}

/// Where less than this part would be left free, objects are grown less: between the stars of a very
/// crowded field a sky with some wings is better than none.
const LEAST_FREE: f64 = 0.2;

/// The blocks that say nothing of the sky. `found` gains what is found itself, before it is grown.
pub(crate) fn mark(
    residual: &Image<f32>,
    found: &mut Image<bool>,
    threshold: &Threshold<'_>,
    growth: f32,
) -> Marked {
    find_single(residual, found, threshold);
    find(residual, found, threshold);
    close(found);
    let enough = LEAST_FREE * free(residual, None);
    let mut objects = found.clone();
    let mut crowded = true;
    for part in [1.0, 0.5, 0.25] {
        grow(&mut objects, part * growth, LEAST_GROWTH);
        if free(residual, Some(&objects)) >= enough {
            crowded = part < 1.0;
            break;
        }
        objects.clone_from(found);
    }
    let before = objects.clone();
    find_large(residual, &mut objects, threshold);
    if free(residual, Some(&objects)) < enough {
        return Marked { objects: before, crowded: true };
    }
    Marked { objects, crowded }
}

/// How many blocks are usable and not an object's.
fn free(residual: &Image<f32>, objects: Option<&Image<bool>>) -> f64 {
    let usable = residual.data().iter().map(|v| !v.is_nan());
    match objects {
        None => usable.filter(|u| *u).count() as f64,
        Some(o) => usable.zip(o.data()).filter(|(u, o)| *u && !**o).count() as f64,
    }
}

/// Mark in `objects` where boxes of three blocks by three stand out; marked blocks do not take part.
fn find(residual: &Image<f32>, objects: &mut Image<bool>, threshold: &Threshold<'_>) {
    let (width, height) = (residual.width(), residual.height());
    // Sums along rows, of values and of how many.
    let mut sums = vec![0.0f32; 2 * width * height];
    sums.par_chunks_mut(2 * width).enumerate().for_each(|(y, out)| {
        let mut values = vec![0.0f32; width + 2];
        let mut counts = values.clone();
        for (x, (&v, &o)) in residual.row(y).iter().zip(objects.row(y)).enumerate() {
            let free = !o & !v.is_nan();
            values[x + 1] = if free { v } else { 0.0 };
            counts[x + 1] = if free { 1.0 } else { 0.0 };
        }
        let (sum, count) = out.split_at_mut(width);
        for d in 0..3 {
            sum.iter_mut().zip(&values[d..]).for_each(|(o, v)| *o += v);
            count.iter_mut().zip(&counts[d..]).for_each(|(o, c)| *o += c);
        }
    });
    objects.data_mut().par_chunks_mut(width).enumerate().for_each(|(y, out)| {
        let mut total = vec![0.0f32; 2 * width];
        for j in y.saturating_sub(1)..(y + 2).min(height) {
            let row = &sums[2 * j * width..2 * (j + 1) * width];
            total.iter_mut().zip(row).for_each(|(t, s)| *t += s);
        }
        let (sum, count) = total.split_at(width);
        let cell = threshold.cell.0;
        for ((out, (sum, count)), noise) in out
            .chunks_mut(cell)
            .zip(sum.chunks(cell).zip(count.chunks(cell)))
            .zip(threshold.of_row(y))
        {
            for (o, (&sum, &n)) in out.iter_mut().zip(sum.iter().zip(count)) {
                *o |= threshold.stands_out(noise, sum, n) & (n >= 2.25);
            }
        }
    });
}

/// The same for boxes of nine blocks by nine, at every third block.
fn find_large(residual: &Image<f32>, objects: &mut Image<bool>, threshold: &Threshold<'_>) {
    const STEP: usize = 3;
    let (width, height) = (residual.width(), residual.height());
    let (nx, ny) = (width.div_ceil(STEP), height.div_ceil(STEP));
    let mut sums = vec![(0.0f32, 0.0f32); nx * ny];
    sums.par_chunks_mut(nx).enumerate().for_each(|(j, out)| {
        for y in j * STEP..((j + 1) * STEP).min(height) {
            let row = residual.row(y).chunks(STEP).zip(objects.row(y).chunks(STEP));
            for (total, (values, marks)) in out.iter_mut().zip(row) {
                for (&v, &o) in values.iter().zip(marks) {
                    let free = !o & !v.is_nan();
                    total.0 += if free { v } else { 0.0 };
                    total.1 += if free { 1.0 } else { 0.0 };
                }
            }
        }
    });
    objects.data_mut().par_chunks_mut(width * STEP).enumerate().for_each(|(j, rows)| {
        let noise: Vec<(f32, f32)> = threshold.of_row(j * STEP).collect();
        for i in 0..nx {
            let (mut sum, mut n) = (0.0, 0.0);
            for near in sums[j.saturating_sub(1) * nx..(j + 2).min(ny) * nx].chunks_exact(nx) {
                for s in &near[i.saturating_sub(1)..(i + 2).min(nx)] {
                    (sum, n) = (sum + s.0, n + s.1);
                }
            }
            let noise = noise[(i * STEP / threshold.cell.0).min(noise.len() - 1)];
            if n >= 20.25 && threshold.stands_out(noise, sum, n) {
                for row in rows.chunks_exact_mut(width) {
                    row[i * STEP..((i + 1) * STEP).min(width)].fill(true);
                }
            }
        }
    });
}

/// [`find`] for boxes of one block.
fn find_single(residual: &Image<f32>, objects: &mut Image<bool>, threshold: &Threshold<'_>) {
    let (width, cell) = (residual.width(), threshold.cell.0);
    objects.data_mut().par_chunks_mut(width).enumerate().for_each(|(y, out)| {
        let cells = out.chunks_mut(cell).zip(residual.row(y).chunks(cell));
        for ((out, values), noise) in cells.zip(threshold.of_row(y)) {
            for (o, &v) in out.iter_mut().zip(values) {
                *o |= threshold.stands_out(noise, v, 1.0);
            }
        }
    });
}

/// Fill pinholes: a block with five of its eight neighbours marked is marked too. Without this a large
/// object would be as thin as the space between its holes.
fn close(objects: &mut Image<bool>) {
    let (width, height) = (objects.width(), objects.height());
    let old = objects.clone();
    let mut three = vec![0u8; width * height];
    three.par_chunks_mut(width).zip(old.data().par_chunks(width)).for_each(|(out, row)| {
        for shift in 0..3usize {
            let (from, to) = (shift.saturating_sub(1), 1usize.saturating_sub(shift));
            let pairs = out[to.min(width)..].iter_mut().zip(&row[from.min(width)..]);
            pairs.for_each(|(o, v)| *o += u8::from(*v));
        }
    });
    objects.data_mut().par_chunks_mut(width).enumerate().for_each(|(y, out)| {
        let mut total = vec![0u8; width];
        for j in y.saturating_sub(1)..(y + 2).min(height) {
            total.iter_mut().zip(&three[j * width..(j + 1) * width]).for_each(|(t, v)| *t += v);
        }
        out.iter_mut().zip(total).for_each(|(o, t)| *o |= t >= 5);
    });
}

/// Inflate: every block within `(1 + fraction) D + extra` of an object's block is one too, where D is
/// that block's distance to the object's edge.
fn grow(objects: &mut Image<bool>, fraction: f32, extra: f32) {
    let (width, height) = (objects.width(), objects.height());
    let depth = depths(objects);
    let stride = width + 2;
    let largest = width.max(height) as f32;
    for y in 0..height {
        let (above, row, below) = (
            &depth[y * stride..][..stride],
            &depth[(y + 1) * stride..][..stride],
            &depth[(y + 2) * stride..][..stride],
        );
        for x in 0..width {
            let d = row[x + 1];
            // Only the crests matter: other disks lie inside those.
            let top = |r: &[i32]| r[x].max(r[x + 1]).max(r[x + 2]);
            if d == 0 || top(row) > d || top(above) > d || top(below) > d {
                continue;
            }
            let deep = (d as f32 / 3.0 - 0.5).min(largest);
            disk(objects, (x as i32, y as i32), (1.0 + fraction) * deep + extra);
        }
    }
}

/// Mark the blocks within `reach` of a place.
fn disk(objects: &mut Image<bool>, (x, y): (i32, i32), reach: f32) {
    let (width, height) = (objects.width() as i32, objects.height() as i32);
    let rows = reach as i32;
    for j in (y - rows).max(0)..=(y + rows).min(height - 1) {
        let dy = (j - y) as f32;
        let half = (reach * reach - dy * dy).max(0.0).sqrt() as i32;
        let (x0, x1) = ((x - half).max(0), (x + half).min(width - 1));
        objects.row_mut(j as usize)[x0 as usize..=x1 as usize].fill(true);
    }
}

/// Three times the distance of each object's block to the nearest free one (0 outside), by the chamfer
/// 3-4 transform, in rows with a block of margin all about. The image's border counts as object: what
/// is cut there is not small.
fn depths(objects: &Image<bool>) -> Vec<i32> {
    const FAR: i32 = 1 << 20;
    let (width, height) = (objects.width(), objects.height());
    let stride = width + 2;
    let mut d = vec![FAR; stride * (height + 2)];
    for y in 0..height {
        let out = &mut d[(y + 1) * stride + 1..][..width];
        out.iter_mut().zip(objects.row(y)).for_each(|(d, o)| *d = if *o { FAR } else { 0 });
    }
    for y in 1..=height {
        for x in 1..=width {
            let k = y * stride + x;
            if d[k] > 0 {
                let up = k - stride;
                d[k] = d[k].min(d[k - 1] + 3).min(d[up] + 3).min(d[up - 1] + 4).min(d[up + 1] + 4);
            }
        }
    }
    for y in (1..=height).rev() {
        for x in (1..=width).rev() {
            let k = y * stride + x;
            if d[k] > 0 {
                let dn = k + stride;
                d[k] = d[k].min(d[k + 1] + 3).min(d[dn] + 3).min(d[dn - 1] + 4).min(d[dn + 1] + 4);
            }
        }
    }
    // The margin is no neighbour.
    d[..stride].fill(0);
    d[(height + 1) * stride..].fill(0);
    for row in d.chunks_exact_mut(stride) {
        (row[0], row[stride - 1]) = (0, 0);
    }
    d
}
