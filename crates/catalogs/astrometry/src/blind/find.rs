//! Finding an image in an index.
//!
//! - input: detections, an index, what is known of scale and handedness (nothing is fine)
//! - output: [`Pointing`], a rough map that chance cannot explain; or the fit that follows from it
//! - method: quads of the brightest detections, brightest first; an index quad of the same shape (and a size that
//!   the scale allows) proposes a map; the index's stars under the map are compared with the detections; what
//!   looks better than chance is refined to an affine map and judged by its odds over all proposals so far
//! - a first pass believes the hint of scale and handedness, a second one nothing
//! - source: Lang et al. 2010, AJ 139, 1782, sections 2.3 and 2.4
//! - differs from the paper: the odds are a bound on what chance gives (Chernoff), not a Bayes factor against a
//!   model of the foreground; the error of a code follows from that of the centroids

use crate::blind::index::BlindIndex;
use crate::blind::quads::{Code, QuadMaker, mirrored};
use crate::config::{AstrometryConfig, Detected, Parity, Solution, SolveHint};
use crate::error::AstrometryError;
use crate::odds::ln_chance;
use crate::pattern::{Point, Similarity, length};
use crate::search::{Affine, Field, Search};
use crate::solve::{by_brightness, solve};
use elqui_base::{ARCSEC_PER_RAD, UnitVector};
use elqui_matching::{PlaneGrid, RefStar};
use elqui_wcs::Wcs;
use std::ops::ControlFlow;

/// Where an image lies, to a few pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Pointing {
    /// TAN about the image's middle.
    pub wcs: Wcs,
    pub scale_arcsec: f64,
    pub parity: Parity,
    pub matches: usize,
    /// Natural logarithm of the odds against chance, over all proposals.
    pub ln_odds: f64,
    /// Proposals that were looked at.
    pub proposals: usize,
    /// What a person should know, in words.
    pub warnings: Vec<String>,
}

/// Detections that make quads: the fewest, for indices of ten million quads, and the most; the work of a search
/// that finds nothing grows with their fourth power and with the index.
const QUAD_DETECTIONS: (usize, usize) = (50, 70);
/// Detections that index stars are compared with.
const SCORED: usize = 600;
/// Largest distance of two codes of one figure, and its part that is no error of centroids.
const CODE_TOLERANCE: (f64, f64) = (0.012, 0.003);
/// Error of a bright star's place, pixels, for codes: centroid, proper motion, blends.
const PLACE_ERROR_PX: f64 = 0.7;
/// Scales that an image may have, arcsec a pixel.
const SCALES: (f64, f64) = (1e-3, 1e3);
/// Index stars under a proposal: looked at first, and hits that it then needs.
const FIRST_LOOK: (usize, usize) = (24, 2);

/// Solve an image without a pointing: find it in the index, then fit as [`solve`] does.
///
/// `stars` is the reference catalogue at the image's date (all of it, or what is near the pointing that
/// [`find_pointing`] gives).
pub fn solve_blind(
    detected: &[Detected],
    index: &BlindIndex,
    stars: &[RefStar],
    width: usize,
    height: usize,
    hint: &SolveHint,
    config: &AstrometryConfig,
) -> Result<Solution, AstrometryError> {
    let pointing = find_pointing(detected, index, width, height, hint, config)?;
    let found = SolveHint {
        wcs: Some(pointing.wcs),
        scale_arcsec: None,
        parity: Some(pointing.parity),
        ra: f64::NAN,
        dec: f64::NAN,
        ..hint.clone()
    };
    let mut solution = solve(detected, stars, width, height, &found, config)?;
    solution.ln_odds = solution.ln_odds.min(pointing.ln_odds);
    solution.warnings.extend(pointing.warnings);
    Ok(solution)
}

/// The first half of [`solve_blind`]. Of the hint the scale, its tolerance (0.03 counts as 3 %, 1 as a factor
/// of two), the parity and the instrument's distortion are used.
pub fn find_pointing(
    detected: &[Detected],
    index: &BlindIndex,
    width: usize,
    height: usize,
    hint: &SolveHint,
    config: &AstrometryConfig,
) -> Result<Pointing, AstrometryError> {
    let order = by_brightness(detected);
    let size = [width as f64, height as f64];
    let flat = hint.distortion.as_ref().and_then(|w| flattened(w, detected, size));
    let place = |&k: &usize| flat.as_ref().map_or([detected[k].x, detected[k].y], |f| f[k]);
    // Places far outside of the image are none.
    let inside = |p: &Point| (0..2).all(|k| p[k] > -0.5 * size[k] - 1.0 && p[k] < 1.5 * size[k]);
    let points = distinct(order.iter().map(place).filter(inside));
    let needed = config.matches_min.max(5);
    if points.len() < needed {
        return Err(AstrometryError::FewDetections { count: points.len(), needed });
    }
    let mut finder = Finder::new(index, &points, size, config);
    let hinted = hint.scale_arcsec.filter(|s| *s > 0.0 && s.is_finite()).map(|s| {
        let stretch = 1.0 + hint.scale_tolerance.clamp(0.01, 1e6);
        (s / stretch, s * stretch)
    });
    let mut found = None;
    if hinted.is_some() || hint.parity.is_some() {
        found = finder.run(hinted.unwrap_or(SCALES), hint.parity);
    }
    let mut pointing = match found {
        Some(p) => p,
        None => finder.run(SCALES, None).ok_or(AstrometryError::NoBlindMatch {
            detections: points.len(),
            proposals: finder.proposals,
            shortest_arcsec: index.diameters_arcsec().0,
            longest_arcsec: index.diameters_arcsec().1,
        })?,
    };
    pointing.proposals = finder.proposals;
    if let Some((low, high)) = hinted
        && !(low..=high).contains(&pointing.scale_arcsec)
    {
        pointing.warnings.push(format!(
            "the pixel scale is {:.4} arcsec where {:.4} was expected",
            pointing.scale_arcsec,
            (low * high).sqrt()
        ));
    }
    if hint.parity.is_some_and(|p| p != pointing.parity) {
        pointing.warnings.push("the image's handedness is not the one that was expected".into());
    }
    Ok(pointing)
}

/// Pixel positions without the instrument's distortion, which is linear about the image's middle.
fn flattened(instrument: &Wcs, detected: &[Detected], size: [f64; 2]) -> Option<Vec<Point>> {
    let plane = crate::model::InstrumentPlane::new(instrument, size)?;
    Some(detected.iter().map(|d| plane.straightened(d.x, d.y)).collect())
}

/// Without the fainter of any two that lie within two pixels: they are one star, split or listed twice.
fn distinct(points: impl Iterator<Item = Point>) -> Vec<Point> {
    const APART: f64 = 2.0;
    let mut taken = std::collections::HashSet::new();
    let mut out = Vec::new();
    for p in points.take(4 * SCORED) {
        let cell = [(p[0] / APART).round() as i64, (p[1] / APART).round() as i64];
        if (-1..=1).all(|i| (-1..=1).all(|j| !taken.contains(&[cell[0] + i, cell[1] + j]))) {
            taken.insert(cell);
            out.push(p);
        }
    }
    out
}

struct Finder<'a> {
    index: &'a BlindIndex,
    points: &'a [Point],
    size: [f64; 2],
    config: &'a AstrometryConfig,
    grid: PlaneGrid,
    diagonal: f64,
    /// Chance that a place on the image has a detection within the radius.
    chance: f64,
    proposals: usize,
}

impl<'a> Finder<'a> {
    fn new(
        index: &'a BlindIndex,
        points: &'a [Point],
        size: [f64; 2],
        config: &'a AstrometryConfig,
    ) -> Self {
        let diagonal = size[0].hypot(size[1]);
        let radius = (0.003 * diagonal).max(3.0);
        let scored = &points[..points.len().min(SCORED)];
        let area = (size[0] * size[1]).max(1.0);
        // Detections crowd: half as much again for safety.
        let chance = 1.5 * scored.len() as f64 * std::f64::consts::PI * radius * radius / area;
        let grid = PlaneGrid::new(scored, radius);
        Self { index, points, size, config, grid, diagonal, chance: chance.min(0.5), proposals: 0 }
    }

    fn run(&mut self, scales: (f64, f64), parity: Option<Parity>) -> Option<Pointing> {
        let points = self.points;
        let (few, many) = QUAD_DETECTIONS;
        let room = (1e7 / self.index.quad_count().max(1) as f64).powf(0.25);
        let made = &points[..points.len().min(((few as f64 * room) as usize).clamp(few, many))];
        let shortest = (0.06 * self.diagonal).max(10.0);
        let usable = |a: Point, b: Point| length(a, b) >= shortest;
        let mut maker = QuadMaker::new(made);
        let mut found = None;
        for newest in 0..made.len() {
            let flow = maker.with_newest(newest, usable, |quad, code| {
                let corners = quad.map(|k| made[k]);
                for handed in [Parity::Sky, Parity::Mirrored] {
                    if parity.is_none_or(|p| p == handed) {
                        found = self.quad(corners, code, handed, scales);
                        if found.is_some() {
                            return ControlFlow::Break(());
                        }
                    }
                }
                ControlFlow::Continue(())
            });
            if flow.is_break() {
                break;
            }
        }
        found
    }

    /// All index quads like this one.
    fn quad(
        &mut self,
        corners: [Point; 4],
        code: Code,
        parity: Parity,
        scales: (f64, f64),
    ) -> Option<Pointing> {
        let ab = length(corners[0], corners[1]);
        let tolerance = (2.5 * PLACE_ERROR_PX / ab + CODE_TOLERANCE.1).min(CODE_TOLERANCE.0);
        // Seen from below, x runs against the east: the figure is the mirrored one.
        let code = if parity == Parity::Sky { mirrored(code) } else { code };
        let index = self.index;
        let mut like = Vec::new();
        index.near(code, tolerance as f32, |k| like.push(k));
        like.into_iter().find_map(|k| {
            let stars = index.quads[k].map(|s| UnitVector(index.stars[s as usize]));
            let chord = (0..3).map(|i| (stars[0].0[i] - stars[1].0[i]).powi(2)).sum::<f64>().sqrt();
            let scale = chord * ARCSEC_PER_RAD / ab;
            if !(scales.0..=scales.1).contains(&scale) || scale * self.diagonal > 60.0 * 3600.0 {
                return None;
            }
            self.propose(corners, stars, parity)
        })
    }

    fn propose(
        &mut self,
        corners: [Point; 4],
        stars: [UnitVector; 4],
        parity: Parity,
    ) -> Option<Pointing> {
        self.proposals += 1;
        let [a, b] = [stars[0].0, stars[1].0];
        let middle = UnitVector::normalized([a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
        let mut targets = [[0.0; 2]; 4];
        for (t, s) in targets.iter_mut().zip(stars) {
            *t = on_plane(s, middle)?;
        }
        let map = Similarity::fit(&corners, &targets, parity == Parity::Sky);
        let scale = map.c[0].hypot(map.c[1]);
        let hits = self.look(&map, middle, scale)?;
        if -hits < (0.5 * (self.proposals as f64).ln()).max(6.0) {
            return None;
        }
        self.refine(&map, middle, scale, parity)
    }

    /// Logarithm of what chance has to say to the index's stars under the map; `None` where it is clearly wrong.
    fn look(&self, map: &Similarity, middle: UnitVector, scale: f64) -> Option<f64> {
        let center = self.direction(map, middle, [0.5 * self.size[0], 0.5 * self.size[1]]);
        let wanted = (2 * self.points.len()).clamp(20, 150) as f64;
        let area = self.size[0] * self.size[1] * scale * scale;
        let list = self.list(area, wanted);
        let reach = 0.5 * self.diagonal * scale / ARCSEC_PER_RAD;
        let (east, north) = middle.tangent_basis();
        let norm = scale * scale;
        let (mut tried, mut hits, mut hopeless) = (0usize, 0usize, false);
        list.around(&center.0, reach, |row| {
            if hopeless {
                return;
            }
            let v = UnitVector(self.index.stars[row as usize]);
            let w = v.dot(middle) / ARCSEC_PER_RAD;
            let q =
                [v.dot(UnitVector(east)) / w - map.t[0], v.dot(UnitVector(north)) / w - map.t[1]];
            // The inverse of a similarity is its conjugate over its norm.
            let x = (map.c[0] * q[0] + map.c[1] * q[1]) / norm;
            let y = (map.c[0] * q[1] - map.c[1] * q[0]) / norm;
            let y = if map.mirrored { -y } else { y };
            if w > 0.0 && x > 0.0 && y > 0.0 && x < self.size[0] && y < self.size[1] {
                tried += 1;
                hits += usize::from(self.grid.nearest(x, y).is_some());
                // The quad's own four fit by what they are.
                hopeless = tried == FIRST_LOOK.0 + 4 && hits < FIRST_LOOK.1 + 1;
            }
        });
        (!hopeless && hits > 5)
            .then(|| ln_chance(hits.saturating_sub(4), tried.saturating_sub(4), self.chance))
    }

    /// The list that holds about `wanted` stars on the area (square arcsec), or the one with most.
    fn list(&self, area: f64, wanted: f64) -> &crate::blind::cells::CellList {
        let per = wanted / (area / (ARCSEC_PER_RAD * ARCSEC_PER_RAD));
        let lists = &self.index.lists;
        lists.iter().find(|l| l.density >= per).unwrap_or(&lists[lists.len() - 1])
    }

    fn direction(&self, map: &Similarity, middle: UnitVector, pixel: Point) -> UnitVector {
        let p = map.apply(pixel);
        UnitVector::from_tangent(middle, p[0] / ARCSEC_PER_RAD, p[1] / ARCSEC_PER_RAD)
    }

    /// Refine about the image's middle, and judge.
    fn refine(
        &self,
        map: &Similarity,
        middle: UnitVector,
        scale: f64,
        parity: Parity,
    ) -> Option<Pointing> {
        let half = [0.5 * (self.size[0] - 1.0), 0.5 * (self.size[1] - 1.0)];
        let center = self.direction(map, middle, half);
        let flat: Vec<Point> = self
            .points
            .iter()
            .map(|p| [(p[0] - half[0]) * scale, (p[1] - half[1]) * scale])
            .collect();
        let area = self.size[0] * self.size[1] * scale * scale;
        let reach = 0.55 * self.diagonal * scale / ARCSEC_PER_RAD;
        let mut rows = Vec::new();
        self.list(area, 300.0).around(&center.0, reach, |r| rows.push(r));
        rows.sort_unstable();
        let places: Vec<Point> = rows
            .iter()
            .map(|&r| UnitVector(self.index.stars[r as usize]))
            .filter(|v| v.dot(center) > reach.cos())
            .filter_map(|v| on_plane(v, center))
            .collect();
        let field = Field {
            detections: &flat,
            references: &places,
            radius: 0.05 * self.diagonal * scale,
            diagonal: self.diagonal * scale,
            short_side: self.size[0].min(self.size[1]) * scale,
            pixel: scale,
            scale_tolerance: 0.05,
            mirrored: None,
            nearly_there: true,
            matches_min: self.config.matches_min,
            ln_odds_min: self.config.ln_odds_min,
        };
        // The map again, from the detections' plane to the sky's about the image's middle.
        let corners = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
            .map(|c: Point| [c[0] * self.size[0], c[1] * self.size[1]]);
        let from = corners.map(|c| [(c[0] - half[0]) * scale, (c[1] - half[1]) * scale]);
        let mut to = [[0.0; 2]; 4];
        for (t, c) in to.iter_mut().zip(corners) {
            *t = on_plane(self.direction(map, middle, c), center)?;
        }
        let start = Similarity::fit(&from, &to, parity == Parity::Sky);
        let found = Search::new(&field).judge(&start, self.proposals, 4)?;
        let enough = found.ln_odds >= self.config.ln_odds_min
            && found.matches >= self.config.matches_min.max(6);
        if !enough {
            return None;
        }
        let wcs = to_wcs(&found.map, center, half, scale)?;
        let scale_arcsec = wcs.pixel_scale_arcsec(half[0], half[1]);
        Some(Pointing {
            wcs,
            scale_arcsec,
            parity,
            matches: found.matches,
            ln_odds: found.ln_odds,
            proposals: self.proposals,
            warnings: Vec::new(),
        })
    }
}

/// TAN about the image's middle.
fn to_wcs(map: &Affine, center: UnitVector, half: [f64; 2], scale: f64) -> Option<Wcs> {
    let [[x0, a, b], [y0, c, d]] = map.0;
    let middle = UnitVector::from_tangent(center, x0 / ARCSEC_PER_RAD, y0 / ARCSEC_PER_RAD);
    let (ra, dec) = middle.to_ra_dec_deg();
    let per = scale / 3600.0;
    let wcs = Wcs::tan([ra, dec], half, [[a * per, b * per], [c * per, d * per]]);
    wcs.pixel_scale_arcsec(half[0], half[1]).is_finite().then_some(wcs)
}

/// Arcsec on the plane about `center`.
fn on_plane(v: UnitVector, center: UnitVector) -> Option<Point> {
    v.to_tangent(center).map(|p| [p.0 * ARCSEC_PER_RAD, p.1 * ARCSEC_PER_RAD])
}
