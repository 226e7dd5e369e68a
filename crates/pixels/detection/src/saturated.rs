//! The centre of a saturated star: one peak for each connected group of SAT pixels.
//!
//! Pixels are weighted by the square of the shorter of their row's and column's run, so that the
//! round core decides and not a bleed trail.
//! - input: spans of one group; output: centroid, pixels

use elqui_image::{Footprint, Span};

pub(crate) fn center(spans: &[Span]) -> (f32, f32) {
    let bbox = Footprint { spans: spans.to_vec(), peaks: Vec::new() }.bbox();
    let mut column = vec![0u32; bbox.width];
    // Length of the column's run through each pixel: two sweeps over rows.
    let mut up: Vec<Vec<u32>> = Vec::with_capacity(spans.len());
    let mut last_row = vec![i32::MIN; bbox.width];
    for s in spans {
        let runs = (s.x0..=s.x1)
            .map(|x| {
                let i = (x - bbox.x0) as usize;
                column[i] = if last_row[i] == s.y - 1 { column[i] + 1 } else { 1 };
                last_row[i] = s.y;
                column[i]
            })
            .collect();
        up.push(runs);
    }
    let mut total = vec![0u32; bbox.width];
    let mut next_row = vec![i32::MIN; bbox.width];
    let (mut sum, mut sx, mut sy) = (0.0f64, 0.0, 0.0);
    for (s, runs) in spans.iter().zip(&up).rev() {
        let row_run = (s.x1 - s.x0 + 1) as u32;
        for (x, &from_above) in (s.x0..=s.x1).zip(runs) {
            let i = (x - bbox.x0) as usize;
            if next_row[i] != s.y + 1 {
                total[i] = from_above;
            }
            next_row[i] = s.y;
            let w = f64::from(row_run.min(total[i])).powi(2);
            sum += w;
            sx += w * f64::from(x);
            sy += w * f64::from(s.y);
        }
    }
    ((sx / sum) as f32, (sy / sum) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bleed_trail_does_not_move_the_center() {
        let mut spans = Vec::new();
        for y in 0..200 {
            let half = if (40..=60).contains(&y) { 10 } else { 1 };
            spans.push(Span { y, x0: 50 - half, x1: 50 + half });
        }
        let (x, y) = center(&spans);
        assert!((x - 50.0).abs() < 1e-3 && (y - 50.0).abs() < 2.0, "{x} {y}");
    }
}
