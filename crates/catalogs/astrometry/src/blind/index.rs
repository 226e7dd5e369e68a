//! The index: quads of a catalogue's bright stars at all scales, found by their shape.
//!
//! - input: reference stars (any magnitudes, brighter first; those without a position are left out)
//! - output: [`BlindIndex`]: the stars, evenly spread lists of the brightest at each scale, and quads in the order of
//!   their codes' boxes
//! - at each scale the sky is cut in cells of side s; a cell gets some quads of the brightest stars about it whose AB
//!   is s to 1.414 s long and has its middle in the cell; a star serves in half of them at most, so that no star
//!   that is missing in an image takes a cell with it. Scales go down by 1.414 until the catalogue is too thin for more
//! - source: Lang et al. 2010, AJ 139, 1782, section 2.2
//! - differs from the paper: one table of all scales, boxes of the code instead of a k-d tree (the questions have
//!   one radius), cells of any side instead of HEALPix

use crate::blind::cells::{CellList, SIDE_MIN_RAD};
use crate::blind::quads::{Code, QuadMaker};
use crate::error::AstrometryError;
use crate::pattern::{Point, length};
use elqui_base::{ARCSEC_PER_RAD, UnitVector};
use elqui_matching::RefStar;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlindConfig {
    /// Quads that each cell of each scale gets.
    pub quads_per_cell: usize,
    /// Stars of a cell that are listed for it.
    pub stars_per_cell: usize,
    /// Shortest AB of a quad, arcsec; absent: as short as the catalogue's density bears.
    pub diameter_min_arcsec: Option<f64>,
    /// Longest AB of a quad, degrees.
    pub diameter_max_deg: f64,
}

impl Default for BlindConfig {
    fn default() -> Self {
        Self {
            quads_per_cell: 8,
            stars_per_cell: 10,
            diameter_min_arcsec: None,
            diameter_max_deg: 12.0,
        }
    }
}

/// See the file's card. Saved by [`BlindIndex::to_bytes`].
#[derive(Debug, Clone, PartialEq)]
pub struct BlindIndex {
    /// Directions of the stars, brightest first.
    pub(crate) stars: Vec<[f64; 3]>,
    /// Evenly spread stars, largest cells first; the last one holds the most.
    pub(crate) lists: Vec<CellList>,
    /// Code of each quad in steps of 1 / CODE_STEPS, in the order of the boxes.
    pub(crate) codes: Vec<[u16; 4]>,
    /// Its stars A, B, C, D.
    pub(crate) quads: Vec<[u32; 4]>,
    /// Boxes along each number of the code, and where each begins in `codes`.
    pub(crate) boxes: usize,
    pub(crate) starts: Vec<u32>,
}

pub(crate) const CODE_STEPS: f32 = 65_535.0;
/// Stars about a cell that its quads are made of.
const GATHERED: usize = 24;
/// Stars in a cell that is not empty, on average, where a smaller scale would find but chance clumps.
const CROWD_MIN: f64 = 2.3;
const STEP: f64 = std::f64::consts::SQRT_2;
/// Shortest AB by itself, arcsec.
const DIAMETER_MIN_ARCSEC: f64 = 30.0;

/// A code in whole steps: y, which may be below zero, is shifted by a half.
pub(crate) fn to_steps(code: Code) -> [u16; 4] {
    let shifted = [code[0], code[1] + 0.5, code[2], code[3] + 0.5];
    shifted.map(|v| (v.clamp(0.0, 1.0) * CODE_STEPS).round() as u16)
}

impl BlindIndex {
    pub fn build(stars: &[RefStar], config: &BlindConfig) -> Result<Self, AstrometryError> {
        let mut order: Vec<u32> = (0..stars.len() as u32)
            .filter(|&k| {
                let s = &stars[k as usize];
                s.ra.is_finite() && s.dec.abs() <= 90.0
            })
            .collect();
        let mag = |k: u32| Some(stars[k as usize].mag).filter(|m| m.is_finite()).unwrap_or(1e9);
        order.sort_by(|&a, &b| mag(a).total_cmp(&mag(b)).then(a.cmp(&b)));
        // As they will be read back.
        let directions: Vec<[f64; 3]> = order
            .iter()
            .map(|&k| crate::blind::bytes::rounded(stars[k as usize].ra, stars[k as usize].dec))
            .collect();
        if directions.len() < 4 {
            return Err(AstrometryError::Index {
                reason: format!(
                    "the catalogue has {} stars with a position, 4 are needed; give a larger one",
                    directions.len()
                ),
            });
        }
        let (lists, found) = build_levels(&directions, config);
        if found.is_empty() {
            return Err(AstrometryError::Index {
                reason:
                    "no four stars of the catalogue lie close enough together; give a denser one"
                        .into(),
            });
        }
        let boxes = if found.len() > 500_000 { 32 } else { 16 };
        let mut keyed: Vec<(u32, u32, [u16; 4])> = found
            .iter()
            .enumerate()
            .map(|(k, q)| {
                let steps = to_steps(q.1);
                (box_of(boxes, steps), k as u32, steps)
            })
            .collect();
        keyed.par_sort_unstable();
        let codes = keyed.iter().map(|k| k.2).collect();
        let quads = keyed.iter().map(|k| found[k.1 as usize].0).collect();
        Ok(Self::assemble(directions, lists, codes, quads, boxes))
    }

    pub(crate) fn assemble(
        stars: Vec<[f64; 3]>,
        lists: Vec<CellList>,
        codes: Vec<[u16; 4]>,
        quads: Vec<[u32; 4]>,
        boxes: usize,
    ) -> Self {
        let mut starts = vec![0u32; boxes.pow(4) + 1];
        codes.iter().for_each(|&c| starts[box_of(boxes, c) as usize + 1] += 1);
        for k in 1..starts.len() {
            starts[k] += starts[k - 1];
        }
        Self { stars, lists, codes, quads, boxes, starts }
    }

    pub fn star_count(&self) -> usize {
        self.stars.len()
    }

    pub fn quad_count(&self) -> usize {
        self.quads.len()
    }

    /// Shortest and longest AB, arcsec: images of some two to ten times these sizes can be found.
    pub fn diameters_arcsec(&self) -> (f64, f64) {
        let side = |l: Option<&CellList>| l.map_or(f64::NAN, |l| l.side * ARCSEC_PER_RAD);
        (side(self.lists.last()), STEP * side(self.lists.first()))
    }

    /// Visit the quads whose code lies within `tolerance` (0 to 0.03) of this one.
    pub(crate) fn near(&self, code: Code, tolerance: f32, mut visit: impl FnMut(usize)) {
        let steps = to_steps(code).map(i32::from);
        let reach = (tolerance * CODE_STEPS) as i32;
        let width = 65_536 / self.boxes as i32;
        let range = |v: i32| {
            let low = (v - reach).max(0) / width;
            let high = (v + reach).min(65_535) / width;
            low as usize..=high as usize
        };
        let [r0, r1, r2, r3] = steps.map(range);
        let limit = i64::from(reach).pow(2);
        for i in r0 {
            for j in r1.clone() {
                for k in r2.clone() {
                    let row = ((i * self.boxes + j) * self.boxes + k) * self.boxes;
                    let (from, to) =
                        (self.starts[row + r3.start()], self.starts[row + r3.end() + 1]);
                    let members = &self.codes[from as usize..to as usize];
                    for (n, c) in members.iter().enumerate() {
                        let off: i64 =
                            (0..4).map(|d| i64::from(steps[d] - i32::from(c[d])).pow(2)).sum();
                        if off <= limit {
                            visit(from as usize + n);
                        }
                    }
                }
            }
        }
    }
}

fn box_of(boxes: usize, steps: [u16; 4]) -> u32 {
    let width = 65_536 / boxes;
    steps.iter().fold(0, |key, &s| key * boxes as u32 + u32::from(s) / width as u32)
}

type Found = Vec<([u32; 4], Code)>;

/// Lists (largest cells first) and quads of all scales.
fn build_levels(stars: &[[f64; 3]], config: &BlindConfig) -> (Vec<CellList>, Found) {
    let rad = |arcsec: f64| arcsec / ARCSEC_PER_RAD;
    let longest = (config.diameter_max_deg.clamp(0.01, 30.0)).to_radians();
    let shortest =
        config.diameter_min_arcsec.map_or(rad(DIAMETER_MIN_ARCSEC), rad).max(SIDE_MIN_RAD);
    let all: Vec<u32> = (0..stars.len() as u32).collect();
    let per_cell = config.stars_per_cell.max(4);
    let (mut lists, mut quads): (Vec<CellList>, Found) = (Vec::new(), Vec::new());
    let mut side = longest / STEP;
    while side >= shortest {
        let list = CellList::new(stars, &all, side, per_cell);
        let made = level(stars, &list, config);
        let crowd = list.rows().len() as f64 / list.occupied().len().max(1) as f64;
        let thin = config.diameter_min_arcsec.is_none() && crowd < CROWD_MIN;
        quads.extend(made);
        lists.push(list);
        if thin || lists.len() >= 40 {
            break;
        }
        side /= STEP;
    }
    (lists, quads)
}

fn level(stars: &[[f64; 3]], list: &CellList, config: &BlindConfig) -> Found {
    let cells = list.occupied();
    let made: Vec<Found> = cells.par_iter().map(|&c| cell_quads(stars, list, c, config)).collect();
    made.into_iter().flatten().collect()
}

fn cell_quads(stars: &[[f64; 3]], list: &CellList, cell: u32, config: &BlindConfig) -> Found {
    let (middle, side) = (list.bands.middle(cell), list.side);
    let center = UnitVector(middle);
    // The middle of AB is in the cell, C and D within half of AB of it.
    let reach = 1.45 * side;
    let (mut rows, cos_reach) = (Vec::new(), reach.cos());
    list.around(&middle, reach, |r| {
        if UnitVector(stars[r as usize]).dot(center) >= cos_reach {
            rows.push(r);
        }
    });
    let mut out = Vec::new();
    if rows.len() < 4 {
        return out;
    }
    rows.sort_unstable();
    rows.truncate(GATHERED);
    let (east, north) = center.tangent_basis();
    let on_plane = |r: &u32| {
        let v = UnitVector(stars[*r as usize]);
        let w = v.dot(center);
        [v.dot(UnitVector(east)) / w, v.dot(UnitVector(north)) / w]
    };
    let points: Vec<Point> = rows.iter().map(on_plane).collect();
    let usable = |a: Point, b: Point| {
        let ab = length(a, b);
        if !(side..side * STEP).contains(&ab) {
            return false;
        }
        let m = [0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1])];
        let v = UnitVector::from_tangent(center, m[0], m[1]);
        list.bands.cell(&v.0) == cell
    };
    let wanted = config.quads_per_cell.max(1);
    let mut uses = [0usize; GATHERED];
    let mut maker = QuadMaker::new(&points);
    for newest in 0..points.len() {
        let flow = maker.with_newest(newest, usable, |quad, code| {
            if quad.iter().any(|&s| 2 * uses[s] >= wanted.max(2)) {
                return ControlFlow::Continue(());
            }
            quad.iter().for_each(|&s| uses[s] += 1);
            out.push((quad.map(|s| rows[s]), code));
            if out.len() >= wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if flow.is_break() {
            break;
        }
    }
    out
}
