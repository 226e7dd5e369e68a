//! Each pixel's flux shared among the templates that reach it; the children sum to the parent.
//!
//! A pixel that no template reaches goes to the child that owns the nearest pixels (a flood from
//! the owned ones).

use crate::blend::{Blend, Template};
use elqui_image::wide::widest;
use elqui_image::{Bbox, Footprint, HeavyFootprint, Image, Peak, Span};
use std::collections::VecDeque;

/// Shares below this part of a pixel are left to the others.
const SHARE_MIN: f32 = 1e-3;
const NOBODY: u32 = u32::MAX;

/// The children, one a template.
pub fn share(blend: &Blend, templates: &[Template], peaks: &[Peak]) -> Vec<HeavyFootprint> {
    let w = blend.bbox.width;
    let n = w * blend.bbox.height;
    let mut total = vec![0.0f32; n];
    let mut best = vec![0.0f32; n];
    let mut owner = vec![NOBODY; n];
    // What the shares above the least one sum to.
    let mut kept = vec![0.0f32; n];
    widest(
        #[inline(always)]
        || {
            for (k, t) in templates.iter().enumerate() {
                for (row, values) in t.rows() {
                    let at = row * w + t.x0..row * w + t.x0 + values.len();
                    let (total, best) = (&mut total[at.clone()], &mut best[at.clone()]);
                    claim(k as u32, values, total, best, &mut owner[at]);
                }
            }
            for t in templates {
                for (row, values) in t.rows() {
                    let at = row * w + t.x0..row * w + t.x0 + values.len();
                    keep(values, &total[at.clone()], &mut kept[at]);
                }
            }
        },
    );
    let inside = blend.inside.data();
    let mut stray: Vec<Vec<usize>> = vec![Vec::new(); templates.len()];
    for (p, k) in flood(inside, &owner, w) {
        if let Some(list) = stray.get_mut(k as usize) {
            list.push(p);
        }
    }
    templates
        .iter()
        .zip(&stray)
        .zip(peaks)
        .map(|((t, extra), peak)| child(blend, t, (&total, &kept), extra, *peak))
        .collect()
}

/// Add a template's row to the total; pixels where it is the highest so far are its own.
#[inline(always)]
fn claim(k: u32, values: &[f32], total: &mut [f32], best: &mut [f32], owner: &mut [u32]) {
    let n = values.len();
    let (total, best, owner) = (&mut total[..n], &mut best[..n], &mut owner[..n]);
    for i in 0..n {
        let v = values[i];
        total[i] += v;
        let highest = v > best[i];
        best[i] = if highest { v } else { best[i] };
        owner[i] = if highest { k } else { owner[i] };
    }
}

#[inline(always)]
fn keep(values: &[f32], total: &[f32], kept: &mut [f32]) {
    let n = values.len();
    let (total, kept) = (&total[..n], &mut kept[..n]);
    for i in 0..n {
        let v = values[i];
        kept[i] += if v > SHARE_MIN * total[i] { v } else { 0.0 };
    }
}

/// A child: its template's shares, and the pixels that no template reached and that fell to it.
fn child(
    blend: &Blend,
    t: &Template,
    (total, kept): (&[f32], &[f32]),
    extra: &[usize],
    peak: Peak,
) -> HeavyFootprint {
    let w = blend.bbox.width;
    // The window of the template, grown to hold the stray pixels.
    let (mut x0, mut x1, mut y0, mut y1) = (t.x0, t.x0 + t.width, t.y0, t.y0 + t.height);
    if t.width == 0 || t.height == 0 {
        (x0, x1, y0, y1) = (usize::MAX, 0, usize::MAX, 0);
    }
    for p in extra {
        (x0, x1) = (x0.min(p % w), x1.max(p % w + 1));
        (y0, y1) = (y0.min(p / w), y1.max(p / w + 1));
    }
    if x0 >= x1 {
        return heavy(blend, &[], (0, 0, 0), peak);
    }
    // NaN where a pixel is not the child's.
    let width = x1 - x0;
    let mut own = vec![f32::NAN; width * (y1 - y0)];
    let (inside, pixels) = (blend.inside.data(), blend.pixels.data());
    widest(
        #[inline(always)]
        || {
            for (row, values) in t.rows() {
                let n = values.len();
                let from = row * w + t.x0;
                let (total, kept) = (&total[from..from + n], &kept[from..from + n]);
                let (inside, pixels) = (&inside[from..from + n], &pixels[from..from + n]);
                let to = &mut own[(row - y0) * width + t.x0 - x0..][..n];
                for i in 0..n {
                    let v = values[i];
                    let mine = inside[i] & (v > SHARE_MIN * total[i]);
                    to[i] = if mine { pixels[i] * (v / kept[i]) } else { f32::NAN };
                }
            }
        },
    );
    for p in extra {
        own[(p / w - y0) * width + p % w - x0] = pixels[*p];
    }
    heavy(blend, &own, (x0, y0, width), peak)
}

/// Owners of the parent's pixels that have none yet: those of the nearest owned pixels.
fn flood(inside: &[bool], owner: &[u32], w: usize) -> Vec<(usize, u32)> {
    let mut queue = VecDeque::new();
    let mut owner_now = owner.to_vec();
    let mut out = Vec::new();
    let left = inside.iter().zip(owner).filter(|&(i, o)| *i && *o == NOBODY).count();
    if left == 0 {
        return out;
    }
    queue.extend((0..owner.len()).filter(|&p| inside[p] && owner[p] != NOBODY));
    while let Some(p) = queue.pop_front() {
        let (x, k) = (p % w, owner_now[p]);
        let neighbours = [
            (x > 0).then(|| p - 1),
            (x + 1 < w).then_some(p + 1),
            p.checked_sub(w),
            (p + w < owner.len()).then_some(p + w),
        ];
        for q in neighbours.into_iter().flatten() {
            if inside[q] && owner_now[q] == NOBODY {
                owner_now[q] = k;
                out.push((q, k));
                queue.push_back(q);
            }
        }
    }
    // Pixels in a part that no owner touches: the first child takes them, so that flux is kept.
    let first = owner.iter().copied().filter(|&k| k != NOBODY).min().unwrap_or(0);
    out.extend(
        (0..owner.len()).filter(|&p| inside[p] && owner_now[p] == NOBODY).map(|p| (p, first)),
    );
    out
}

/// A child from a window of the blend's frame: its first pixel and width, NaN where it has no pixel.
fn heavy(
    blend: &Blend,
    own: &[f32],
    (x0, y0, width): (usize, usize, usize),
    peak: Peak,
) -> HeavyFootprint {
    let (x0, y0) = (blend.bbox.x0 + x0 as i32, blend.bbox.y0 + y0 as i32);
    let mut spans: Vec<Span> = Vec::new();
    for (j, row) in own.chunks_exact(width.max(1)).enumerate() {
        let y = y0 + j as i32;
        let mut i = 0;
        while let Some(start) = row[i..].iter().position(|v| !v.is_nan()).map(|k| i + k) {
            i = row[start..].iter().position(|v| v.is_nan()).map_or(width, |k| start + k);
            spans.push(Span { y, x0: x0 + start as i32, x1: x0 + i as i32 - 1 });
        }
    }
    let footprint = Footprint { spans, peaks: vec![peak] };
    let bbox = if footprint.spans.is_empty() { Bbox::default() } else { footprint.bbox() };
    let mut pixels = Image::filled(bbox.width, bbox.height, 0.0f32);
    let (dx, dy) = ((bbox.x0 - x0) as usize, (bbox.y0 - y0) as usize);
    for j in 0..bbox.height {
        let from = &own[(j + dy) * width + dx..][..bbox.width];
        for (to, v) in pixels.row_mut(j).iter_mut().zip(from) {
            *to = if v.is_nan() { 0.0 } else { *v };
        }
    }
    HeavyFootprint { footprint, bbox, pixels }
}
