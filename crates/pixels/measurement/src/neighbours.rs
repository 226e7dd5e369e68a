//! Galaxy models with the neighbours' light taken away.
//!
//! Every source's sketch is subtracted from the frame; then each source is fitted again on what remains, with
//! its own sketch put back. Wings that reach beyond a neighbour's detected pixels would otherwise count as this
//! source's (one step of the block descent of Drlica-Wagner et al. 2018, ApJS 239, 18; same bytes on any
//! number of threads: sketches are subtracted in the order of the rows).
//! - sources without a sketch keep their footprint to themselves: its pixels are left out

use crate::extra::Fits;
use crate::measure::Parent;
use crate::models::{ModelPsf, ModelScratch, Sketch, View};
use crate::row::Row;
use elqui_image::{Exposure, Footprint, Image, Mask};
use rayon::prelude::*;

/// Sketches that are drawn before they are subtracted, at once.
const BATCH: usize = 512;

/// Fit the galaxy models of all rows that have a sketch.
pub fn fit_beside_neighbours(
    exposure: &Exposure,
    parents: &[Parent],
    rows: &mut [Vec<Row>],
    fits: &Fits<'_>,
    reject: u32,
) {
    let sketches: Vec<Sketch> = rows.iter().flatten().filter_map(|r| r.extra.sketch).collect();
    let left = subtracted(&exposure.image, &sketches, fits.psf());
    let mut mask = exposure.mask.map(|m| u32::from(m & reject != 0));
    for (parent, group) in parents.iter().zip(&*rows) {
        let unknown = group.iter().filter(|r| r.extra.is_primary && r.extra.sketch.is_none());
        if unknown.count() > 0 {
            hide(&mut mask, &parent.footprint);
        }
    }
    let view =
        View { x0: 0, y0: 0, image: &left, variance: &exposure.variance, mask: &mask, reject: 1 };
    rows.par_iter_mut().with_min_len(16).for_each_init(ModelScratch::default, |scratch, group| {
        for row in group {
            if let Some(known) = row.known() {
                fits.refit(&view, &known, &mut row.extra, scratch);
            }
        }
    });
}

fn subtracted(image: &Image<f32>, sketches: &[Sketch], psf: &ModelPsf) -> Image<f32> {
    let mut left = image.clone();
    for batch in sketches.chunks(BATCH) {
        let drawn: Vec<Option<Vec<f32>>> = batch
            .par_iter()
            .map_init(ModelScratch::default, |scratch, s| {
                s.draw(psf, s.wide, (s.state.x, s.state.y), scratch).then(|| scratch.image.clone())
            })
            .collect();
        for (s, cells) in batch.iter().zip(drawn) {
            if let Some(cells) = cells {
                take(&mut left, s, &cells);
            }
        }
    }
    left
}

/// Subtract a drawn sketch, each cell's light spread evenly over its pixels.
fn take(image: &mut Image<f32>, sketch: &Sketch, cells: &[f32]) {
    let (first, n, bin) = sketch.place();
    let (width, height) = (image.width() as i32, image.height() as i32);
    let share = 1.0 / (bin * bin) as f32;
    let side = n as i32 * bin;
    for y in first.1.max(0)..(first.1 + side).min(height) {
        let cells = &cells[((y - first.1) / bin) as usize * n..][..n];
        let row = image.row_mut(y as usize);
        for x in first.0.max(0)..(first.0 + side).min(width) {
            row[x as usize] -= share * cells[((x - first.0) / bin) as usize];
        }
    }
}

fn hide(mask: &mut Mask, footprint: &Footprint) {
    let (width, height) = (mask.width() as i32, mask.height() as i32);
    for s in footprint.spans.iter().filter(|s| s.y >= 0 && s.y < height) {
        let (first, last) = (s.x0.max(0), s.x1.min(width - 1));
        if first <= last {
            mask.row_mut(s.y as usize)[first as usize..=last as usize].fill(1);
        }
    }
}
