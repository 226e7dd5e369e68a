//! Peaks of one component of the signal-to-noise image.
//!
//! Every pixel climbs to its highest neighbour until it reaches a local maximum. Two maxima whose
//! basins touch are joined over their saddle, highest saddles first; the lower one stays a peak of
//! its own when it stands above the saddle by `contrast_sigma + contrast_fraction * saddle`.
//! - input: spans of a component and the S/N image (turned over by a `sign` of -1); output: peaks, the
//!   highest first
//! - source: Edelsbrunner, Letscher & Zomorodian 2002, DCG 28, 511 (persistence); positions by a
//!   parabola through the logarithm of three pixels per axis

use elqui_image::{Footprint, Image, Peak, Span};

/// A copy of the component with a border of one pixel; outside it is minus infinity.
struct Patch {
    x0: i32,
    y0: i32,
    width: usize,
    value: Vec<f32>,
}

/// Scratch memory kept from component to component.
#[derive(Default)]
pub(crate) struct Scratch {
    value: Vec<f32>,
    basin: Vec<u32>,
}

/// Peaks, and the height of the first one between the pixels.
pub(crate) fn find(
    spans: &[Span],
    snr: &Image<f32>,
    sign: f32,
    (contrast_sigma, contrast_fraction): (f64, f64),
    scratch: &mut Scratch,
) -> (Vec<Peak>, f32) {
    let patch = patch(spans, snr, sign, std::mem::take(&mut scratch.value));
    let offsets = neighbours(patch.width);
    let mut maxima: Vec<usize> = Vec::new();
    for k in each(spans, &patch) {
        if offsets.iter().all(|&o| above(&patch.value, k, (k as isize + o) as usize)) {
            maxima.push(k);
        }
    }
    if maxima.len() > 1 {
        maxima =
            cull(spans, &patch, maxima, (contrast_sigma, contrast_fraction), &mut scratch.basin);
    }
    maxima.sort_by(|&a, &b| patch.value[b].total_cmp(&patch.value[a]).then(a.cmp(&b)));
    let refined: Vec<(Peak, f32)> = maxima.iter().map(|&k| refine(&patch, k, snr, sign)).collect();
    scratch.value = patch.value;
    let top = refined.first().map_or(0.0, |r| r.1);
    (refined.into_iter().map(|r| r.0).collect(), top)
}

/// `a` is higher than `b`; equal pixels are ordered by their place, so that a plateau has one top.
fn above(value: &[f32], a: usize, b: usize) -> bool {
    value[a] > value[b] || (value[a] == value[b] && a < b)
}

fn neighbours(width: usize) -> [isize; 8] {
    let w = width as isize;
    [-1, 1, -w, w, -w - 1, -w + 1, w - 1, w + 1]
}

fn each<'a>(spans: &'a [Span], patch: &'a Patch) -> impl Iterator<Item = usize> + 'a {
    spans.iter().flat_map(move |s| {
        let start = (s.y - patch.y0) as usize * patch.width + (s.x0 - patch.x0) as usize;
        start..start + (s.x1 - s.x0 + 1) as usize
    })
}

fn patch(spans: &[Span], snr: &Image<f32>, sign: f32, mut value: Vec<f32>) -> Patch {
    let (mut left, mut right) = (i32::MAX, i32::MIN);
    for s in spans {
        (left, right) = (left.min(s.x0), right.max(s.x1));
    }
    let (y_first, y_last) = (spans[0].y, spans[spans.len() - 1].y);
    let (x0, y0) = (left - 1, y_first - 1);
    let width = (right - left + 3) as usize;
    value.clear();
    value.resize(width * (y_last - y_first + 3) as usize, f32::NEG_INFINITY);
    for s in spans {
        let start = (s.y - y0) as usize * width + (s.x0 - x0) as usize;
        let source = &snr.row(s.y as usize)[s.x0 as usize..=s.x1 as usize];
        let target = value[start..].iter_mut().zip(source);
        target.for_each(|(t, s)| *t = sign * s);
    }
    Patch { x0, y0, width, value }
}

/// Join maxima over their saddles and keep those that stand out.
fn cull(
    spans: &[Span],
    patch: &Patch,
    mut maxima: Vec<usize>,
    (contrast_sigma, contrast_fraction): (f64, f64),
    basin: &mut Vec<u32>,
) -> Vec<usize> {
    let value = &patch.value;
    let offsets = neighbours(patch.width);
    maxima.sort_by(|&a, &b| value[b].total_cmp(&value[a]).then(a.cmp(&b)));
    climb(spans, patch, &maxima, basin);
    // The highest pass between each pair of touching basins.
    let mut passes: Vec<(u32, u32, f32)> = Vec::new();
    for k in each(spans, patch) {
        let own = basin[k];
        // Half of the neighbours: every pair of pixels once.
        for o in [offsets[1], offsets[3], offsets[6], offsets[7]] {
            let j = (k as isize + o) as usize;
            if value[j] == f32::NEG_INFINITY || basin[j] == own {
                continue;
            }
            let height = value[k].min(value[j]);
            passes.push((own.min(basin[j]), own.max(basin[j]), height));
        }
    }
    passes.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    // Basins are numbered from the highest maximum down, so the smaller number wins.
    let mut group: Vec<u32> = (0..maxima.len() as u32).collect();
    let mut keep = vec![true; maxima.len()];
    for (a, b, saddle) in passes {
        let (a, b) = (root(&mut group, a), root(&mut group, b));
        if a == b {
            continue;
        }
        let (high, low) = (a.min(b), a.max(b));
        let saddle = f64::from(saddle);
        let stands = f64::from(value[maxima[low as usize]]) - saddle;
        if stands < contrast_sigma + contrast_fraction * saddle.max(0.0) {
            keep[low as usize] = false;
        }
        group[low as usize] = high;
    }
    maxima.iter().zip(&keep).filter(|(_, k)| **k).map(|(m, _)| *m).collect()
}

fn root(group: &mut [u32], mut k: u32) -> u32 {
    while group[k as usize] != k {
        group[k as usize] = group[group[k as usize] as usize];
        k = group[k as usize];
    }
    k
}

/// For each pixel of the component the index of the maximum that it climbs to.
fn climb(spans: &[Span], patch: &Patch, maxima: &[usize], basin: &mut Vec<u32>) {
    const UNKNOWN: u32 = u32::MAX;
    let value = &patch.value;
    let offsets = neighbours(patch.width);
    basin.clear();
    basin.resize(value.len(), UNKNOWN);
    for (label, &m) in maxima.iter().enumerate() {
        basin[m] = label as u32;
    }
    let mut path: Vec<usize> = Vec::new();
    for start in each(spans, patch) {
        let mut k = start;
        while basin[k] == UNKNOWN {
            path.push(k);
            let mut best = k;
            for o in offsets {
                let j = (k as isize + o) as usize;
                if above(value, j, best) {
                    best = j;
                }
            }
            k = best;
        }
        let label = basin[k];
        path.drain(..).for_each(|p| basin[p] = label);
    }
}

/// Sub-pixel position by a parabola in the logarithm along each axis, and the height there.
fn refine(patch: &Patch, k: usize, snr: &Image<f32>, sign: f32) -> (Peak, f32) {
    let (x, y) = ((k % patch.width) as i32 + patch.x0, (k / patch.width) as i32 + patch.y0);
    let value = patch.value[k];
    // Shift, and the logarithm of the height gained.
    let vertex = |before: Option<f32>, after: Option<f32>| -> (f32, f32) {
        let (Some(a), Some(b)) = (before, after) else { return (0.0, 0.0) };
        if !(a > 0.0 && b > 0.0 && value > 0.0) {
            return (0.0, 0.0);
        }
        let (a, v, b) = (a.ln(), value.ln(), b.ln());
        let curvature = a - 2.0 * v + b;
        if curvature >= 0.0 {
            return (0.0, 0.0);
        }
        let shift = (0.5 * (a - b) / curvature).clamp(-0.5, 0.5);
        (shift, 0.5 * shift * (b - a) + 0.5 * shift * shift * curvature)
    };
    let at = |x, y| snr.get(x, y).map(|v| sign * v);
    let (dx, by_x) = vertex(at(x - 1, y), at(x + 1, y));
    let (dy, by_y) = vertex(at(x, y - 1), at(x, y + 1));
    let peak = Peak { x: x as f32 + dx, y: y as f32 + dy, snr: sign * value };
    (peak, value * (by_x + by_y).exp())
}

/// Remove from `peaks` those in or beside a saturated group, and put one in their place.
pub(crate) fn merge_saturated(
    peaks: &mut Vec<Peak>,
    group: &Footprint,
    center: (f32, f32),
    top: f32,
) {
    const REACH: i32 = 2;
    let inside = |p: &Peak| {
        let (x, y) = (p.x.round() as i32, p.y.round() as i32);
        let near = |s: &&Span| (s.y - y).abs() <= REACH && s.x0 - REACH <= x && x <= s.x1 + REACH;
        group.spans.iter().any(|s| near(&s))
    };
    let mut snr = top;
    peaks.retain(|p| {
        let gone = inside(p);
        if gone {
            snr = snr.max(p.snr);
        }
        !gone
    });
    peaks.push(Peak { x: center.0, y: center.1, snr });
    peaks.sort_by(|a, b| b.snr.total_cmp(&a.snr));
}
