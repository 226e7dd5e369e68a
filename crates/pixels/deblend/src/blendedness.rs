//! How much of the light at a source is its neighbours'.
//!
//! - definition: 1 - sum(T T) / sum(T (T + N)), T the child's template and N the other children's, over
//!   the template's window: 0 alone, towards 1 under a much brighter neighbour
//! - source: Bosch et al. 2018, PASJ 70, S5, sec. 4.9.11, there with the child's and the parent's pixels
//!   under a Gaussian weight; here with the templates, which have no noise

use crate::blend::{Blend, Template};

/// One a template; NaN for a template without light.
pub fn blendedness(blend: &Blend, templates: &[Template]) -> Vec<f32> {
    let w = blend.bbox.width;
    let mut total = vec![0.0f32; w * blend.bbox.height];
    for t in templates {
        for (row, values) in t.rows() {
            let at = row * w + t.x0;
            total[at..at + t.width].iter_mut().zip(values).for_each(|(a, v)| *a += v);
        }
    }
    templates
        .iter()
        .map(|t| {
            let (mut own, mut all) = (0.0f64, 0.0f64);
            for (row, values) in t.rows() {
                let at = row * w + t.x0;
                for (v, sum) in values.iter().zip(&total[at..at + t.width]) {
                    own += f64::from(v * v);
                    all += f64::from(v * sum);
                }
            }
            if all > 0.0 { (1.0 - own / all).clamp(0.0, 1.0) as f32 } else { f32::NAN }
        })
        .collect()
}
