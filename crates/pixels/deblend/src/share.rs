//! Each pixel's flux shared among the templates that reach it; the children sum to the parent.
//!
//! A pixel that no template reaches goes to the child that owns the nearest pixels (a flood from
//! the owned ones).

use crate::blend::{Blend, Template};
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
    for (k, t) in templates.iter().enumerate() {
        each(t, w, |p, v| {
            total[p] += v;
            if v > best[p] {
                best[p] = v;
                owner[p] = k as u32;
            }
        });
    }
    // What the shares above the least one sum to.
    let mut kept = vec![0.0f32; n];
    for t in templates {
        each(t, w, |p, v| {
            if v > SHARE_MIN * total[p] {
                kept[p] += v;
            }
        });
    }
    let inside = blend.inside.data();
    let mut stray: Vec<Vec<usize>> = vec![Vec::new(); templates.len()];
    for (p, k) in flood(inside, &owner, w) {
        if let Some(list) = stray.get_mut(k as usize) {
            list.push(p);
        }
    }
    let pixels = blend.pixels.data();
    templates
        .iter()
        .zip(&stray)
        .zip(peaks)
        .map(|((t, extra), peak)| {
            let mut own: Vec<(usize, f32)> = Vec::with_capacity(t.values.len() + extra.len());
            each(t, w, |p, v| {
                if inside[p] && v > SHARE_MIN * total[p] {
                    own.push((p, pixels[p] * (v / kept[p])));
                }
            });
            if !extra.is_empty() {
                // Two sorted lists: runs that the sort finds and merges.
                let mut extra = extra.clone();
                extra.sort_unstable();
                own.extend(extra.iter().map(|&p| (p, pixels[p])));
                own.sort_by_key(|&(p, _)| p);
            }
            heavy(blend, &own, *peak)
        })
        .collect()
}

/// Visit a template's pixels by their index in a frame of width `w`, in order.
fn each(t: &Template, w: usize, mut f: impl FnMut(usize, f32)) {
    for (row, values) in t.rows() {
        let at = row * w + t.x0;
        for (p, &v) in (at..).zip(values) {
            f(p, v);
        }
    }
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

/// A child from its pixels, sorted by index in the blend's frame.
fn heavy(blend: &Blend, own: &[(usize, f32)], peak: Peak) -> HeavyFootprint {
    let w = blend.bbox.width;
    let mut spans: Vec<Span> = Vec::new();
    for &(p, _) in own {
        let (x, y) = ((p % w) as i32 + blend.bbox.x0, (p / w) as i32 + blend.bbox.y0);
        match spans.last_mut() {
            Some(s) if s.y == y && s.x1 + 1 == x => s.x1 = x,
            _ => spans.push(Span { y, x0: x, x1: x }),
        }
    }
    let footprint = Footprint { spans, peaks: vec![peak] };
    let bbox = if own.is_empty() { Bbox::default() } else { footprint.bbox() };
    let mut pixels = Image::filled(bbox.width, bbox.height, 0.0f32);
    let (dx, dy) = (bbox.x0 - blend.bbox.x0, bbox.y0 - blend.bbox.y0);
    for &(p, v) in own {
        pixels.set(p % w - dx as usize, p / w - dy as usize, v);
    }
    HeavyFootprint { footprint, bbox, pixels }
}
