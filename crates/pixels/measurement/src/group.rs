//! Which children of a blend are fitted together, and on which light.
//!
//! Children within [`NEAR`] PSF widths of each other make a group. The fit is believed when what it leaves
//! looks like noise, but for what the PSF's model may lack; if not it is tried again without the
//! members that are seen to be wide (galaxies), whose share of the light is then taken out.

use crate::joint::{self, MEMBERS_MAX, Member};
use crate::measure::{Parent, fit_half};
use crate::row::{Row, Tools};
use crate::stamp::{EMPTY, Stamp};

/// Members' distance at most, PSF FWHM.
const NEAR: f64 = 2.4;
/// At least two of a group have this S/N: fainter ones gain nothing.
const SNR_MIN: f64 = 10.0;
/// Part of a source that its PSF's model may lack, as part of its S/N.
const MODEL_ERROR: f64 = 0.02;

/// Fit the groups among a parent's children (whose rows are given, in order).
pub fn fit_groups(
    tools: &Tools<'_>,
    index: usize,
    parent: &Parent,
    rows: &mut [Row],
    scratch: &mut joint::Scratch,
) {
    let Some(sampler) = tools.wide else { return };
    if rows.len() < 2 || rows.len() != parent.children.len() {
        return;
    }
    let members: Vec<Option<Member>> = rows.iter().map(Row::member).collect();
    let near = NEAR * sampler.fwhm_pixels();
    for group in groups(&members, near) {
        fit_group(tools, (index, parent), rows, &members, &group, scratch);
    }
}

/// Connected sets of two members and more, by index.
fn groups(members: &[Option<Member>], near: f64) -> Vec<Vec<usize>> {
    let mut free: Vec<bool> = members.iter().map(Option::is_some).collect();
    let mut out = Vec::new();
    for first in 0..members.len() {
        if !free[first] {
            continue;
        }
        free[first] = false;
        let mut group = vec![first];
        let mut next = 0;
        while let Some(&k) = group.get(next) {
            next += 1;
            let Some(a) = members[k] else { continue };
            for (j, b) in members.iter().enumerate() {
                if let (true, Some(b)) = (free[j], b)
                    && (a.x - b.x).hypot(a.y - b.y) < near
                {
                    free[j] = false;
                    group.push(j);
                }
            }
        }
        if group.len() > 1 {
            group.sort_unstable();
            out.push(group);
        }
    }
    out
}

fn fit_group(
    tools: &Tools<'_>,
    (index, parent): (usize, &Parent),
    rows: &mut [Row],
    known: &[Option<Member>],
    group: &[usize],
    scratch: &mut joint::Scratch,
) {
    let Some(sampler) = tools.wide else { return };
    let reach = fit_half(sampler.fwhm_pixels(), tools.config);
    let shift_max = tools.config.centroid_shift_pixels_max;
    let narrow: Vec<usize> = group.iter().copied().filter(|&k| !rows[k].is_wide()).collect();
    let mut tries = vec![group];
    if narrow.len() < group.len() {
        tries.push(&narrow);
    }
    for group in tries {
        let mut members: Vec<Member> = group.iter().filter_map(|&k| known[k]).collect();
        let bright = members.iter().filter(|m| m.flux > SNR_MIN * m.flux_err).count();
        if bright < 2 || members.len() > MEMBERS_MAX {
            continue;
        }
        let Some(stamp) = light(tools, (index, parent), group, &members, reach) else { return };
        let how = (reach, shift_max, tools.gain);
        if !joint::fit(&stamp, sampler, &mut members, how, scratch) {
            continue;
        }
        let snr = members.iter().map(|m| m.flux / m.flux_err).fold(0.0, f64::max);
        let (chi2, pixels) = scratch.chi2(&stamp);
        let noise = pixels * (1.0 + 4.0 * (2.0 / pixels).sqrt());
        if chi2 < noise + (MODEL_ERROR * snr).powi(2) {
            group.iter().zip(&members).for_each(|(&k, m)| rows[k].set_member(m));
            return;
        }
    }
}

/// The parent's light about a group without the shares of those that are not in it.
fn light(
    tools: &Tools<'_>,
    (index, parent): (usize, &Parent),
    group: &[usize],
    members: &[Member],
    reach: usize,
) -> Option<Stamp> {
    let range = |v: fn(&Member) -> f64| {
        let low = members.iter().map(v).fold(f64::INFINITY, f64::min);
        let high = members.iter().map(v).fold(f64::NEG_INFINITY, f64::max);
        (low.round() as i32, high.round() as i32)
    };
    let ((x0, x1), (y0, y1)) = (range(|m| m.x), range(|m| m.y));
    let middle = ((x0 + x1) / 2, (y0 + y1) / 2);
    let half = ((x1 - x0).max(y1 - y0) + 1) / 2 + reach as i32 + 1;
    let mut stamp = tools.scene.stamp(middle, half, index, None)?;
    let (w, h) = (stamp.image.width() as i32, stamp.image.height() as i32);
    for (k, child) in parent.children.iter().enumerate() {
        if group.contains(&k) {
            continue;
        }
        let b = child.bbox;
        for y in b.y0.max(stamp.y0)..b.y1().min(stamp.y0 + h) {
            for x in b.x0.max(stamp.x0)..b.x1().min(stamp.x0 + w) {
                let (i, j) = ((x - stamp.x0) as usize, (y - stamp.y0) as usize);
                if stamp.mask.at(i, j) & EMPTY == 0 {
                    stamp.image.set(i, j, stamp.image.at(i, j) - child.at(x, y));
                }
            }
        }
    }
    Some(stamp)
}
