//! Finding the similarity that lays the detections on the reference stars.
//!
//! - input: detections and reference stars on one plane in arcsec, brightest first
//! - output: the map found, as an affine one, and the odds that it is not by chance
//! - method: windows of the image's size over the region where it may lie; in each, triangles of
//!   the brightest stars of both lists, of one shape and (within the tolerance) one size, propose a
//!   map; a proposal is scored by how many of the brightest detections it lays on a star. What
//!   scores well is refined to an affine map with a shrinking radius, and accepted by its odds
//!   against chance over all proposals that were tried

use crate::density::DensityMap;
use crate::odds::ln_chance_after_fit;
use crate::pattern::{Point, ShapeTable, Similarity, Triangle, length, triangles};
use elqui_matching::PlaneGrid;

/// What is searched, arcsec.
pub struct Field<'a> {
    pub detections: &'a [Point],
    pub references: &'a [Point],
    /// Where the image's centre may lie.
    pub radius: f64,
    /// The image, in the plane of the detections.
    pub diagonal: f64,
    pub short_side: f64,
    pub pixel: f64,
    /// Relative error of the scale.
    pub scale_tolerance: f64,
    /// Handedness, where it is known.
    pub mirrored: Option<bool>,
    /// The detections' plane is the sky's but for a shift: shifts are tried first.
    pub nearly_there: bool,
    pub matches_min: usize,
    pub ln_odds_min: f64,
}

/// x' = m[0] + m[1] x + m[2] y; the same for y'.
#[derive(Debug, Clone, Copy)]
pub struct Affine(pub [[f64; 3]; 2]);

impl Affine {
    pub fn apply(&self, p: Point) -> Point {
        self.0.map(|m| m[0] + m[1] * p[0] + m[2] * p[1])
    }

    /// Geometric mean scale, and the ratio of its two principal scales (at least 1).
    fn shape(&self) -> (f64, f64) {
        let [[_, a, b], [_, c, d]] = self.0;
        let (det, norm2) = ((a * d - b * c).abs(), a * a + b * b + c * c + d * d);
        let ratio = norm2 / (2.0 * det);
        (det.sqrt(), ratio + (ratio * ratio - 1.0).max(0.0).sqrt())
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Found {
    pub map: Affine,
    /// Scatter of the matched stars, arcsec per axis.
    pub rms: f64,
    pub matches: usize,
    pub ln_odds: f64,
}

/// Detections that score a proposal.
const SCORED: usize = 100;
/// Reference stars a window may hold for scoring.
const WINDOW_STARS: f64 = 300.0;
/// How many of the brightest make triangles: detections, stars skipped, stars.
const ROUNDS: [(usize, usize, usize); 5] =
    [(20, 0, 22), (30, 0, 35), (50, 0, 50), (40, 20, 60), (45, 0, 75)];
/// Stars crowd on all scales: half as much again for safety.
const CROWD: f64 = 1.5;
const REFINEMENTS_MAX: usize = 3000;
/// A first look takes every third detection, and goes on with this many hits.
const FIRST_LOOK: (usize, usize) = (3, 4);

pub struct Search<'a> {
    field: &'a Field<'a>,
    scored: &'a [Point],
    stars: &'a [Point],
    grid: PlaneGrid,
    /// Stars a square arcsec.
    density: f64,
    /// ... and place by place.
    crowding: DensityMap,
    radius: f64,
    trials: usize,
    refinements: usize,
    /// Best that was not enough.
    pub best: Option<Found>,
}

impl<'a> Search<'a> {
    pub fn new(field: &'a Field<'a>) -> Self {
        let reach = field.radius + 0.5 * field.diagonal;
        let windows = (reach / (0.5 * field.diagonal)).powi(2).max(1.0);
        let count = ((WINDOW_STARS * windows) as usize).min(field.references.len());
        let stars = &field.references[..count];
        let radius = (3.0 * field.pixel).max(0.003 * field.diagonal);
        Self {
            field,
            scored: &field.detections[..field.detections.len().min(SCORED)],
            grid: PlaneGrid::new(stars, radius),
            density: CROWD * stars.len() as f64 / (std::f64::consts::PI * reach * reach),
            crowding: DensityMap::new(stars, 0.1 * field.diagonal),
            stars,
            radius,
            trials: 0,
            refinements: 0,
            best: None,
        }
    }

    pub fn run(&mut self) -> Option<Found> {
        if self.field.nearly_there
            && let Some(found) = self.shifts()
        {
            return Some(found);
        }
        let windows = self.windows();
        for (round, &(detections, skip, stars)) in ROUNDS.iter().enumerate() {
            let taken = detections.min(self.field.detections.len());
            let sides = (0.1 * self.field.diagonal, 1.02 * self.field.diagonal);
            let mine = triangles(&self.field.detections[..taken], sides);
            // Once both lists were used up to the last star, deeper rounds bring nothing new.
            let mut deeper = round == 0 || taken > ROUNDS[round - 1].0;
            for center in &windows {
                let near: Vec<Point> = self
                    .stars
                    .iter()
                    .copied()
                    .filter(|p| length(*p, *center) <= 0.55 * self.field.diagonal)
                    .skip(skip)
                    .take(stars)
                    .collect();
                deeper |= near.len() > ROUNDS[round.saturating_sub(1)].2;
                if let Some(found) = self.window(&mine, &near) {
                    return Some(found);
                }
            }
            if !deeper {
                break;
            }
        }
        None
    }

    /// Centres of the windows, nearest to the middle first.
    fn windows(&self) -> Vec<Point> {
        let (step, radius) = (0.5 * self.field.short_side, self.field.radius);
        if radius <= 0.3 * self.field.short_side {
            return vec![[0.0; 2]];
        }
        let count = (radius / step).ceil().min(200.0) as i64;
        let mut all: Vec<Point> = (-count..=count)
            .flat_map(|j| (-count..=count).map(move |i| [i as f64 * step, j as f64 * step]))
            .filter(|p| p[0].hypot(p[1]) <= radius + step)
            .collect();
        all.sort_by(|a, b| a[0].hypot(a[1]).total_cmp(&b[0].hypot(b[1])));
        all
    }

    fn shifts(&mut self) -> Option<Found> {
        if self.field.mirrored == Some(true) {
            return None;
        }
        for d in self.scored.iter().take(40) {
            for k in 0..self.stars.len().min(200) {
                let t = [self.stars[k][0] - d[0], self.stars[k][1] - d[1]];
                if t[0].hypot(t[1]) <= self.field.radius {
                    let map = Similarity { c: [1.0, 0.0], t, mirrored: false };
                    if let Some(found) = self.propose(&map, 1) {
                        return Some(found);
                    }
                }
            }
        }
        None
    }

    fn window(&mut self, mine: &[Triangle], near: &[Point]) -> Option<Found> {
        let field = self.field;
        let stretch = 1.0 + field.scale_tolerance;
        let sides = (0.1 * field.diagonal / stretch, 1.02 * field.diagonal * stretch);
        let theirs = triangles(near, sides);
        let table = ShapeTable::new(&theirs);
        for t in mine {
            let tolerance = (1.5 * field.pixel / t.longest + 0.002).min(0.01);
            for k in table.near(t.ratios) {
                let other = &theirs[k];
                let mirrored = t.right_handed != other.right_handed;
                let size = other.longest / t.longest;
                if (t.ratios[0] - other.ratios[0]).abs() > tolerance
                    || (t.ratios[1] - other.ratios[1]).abs() > tolerance
                    || !(1.0 / (stretch + tolerance)..=stretch + tolerance).contains(&size)
                    || field.mirrored.is_some_and(|m| m != mirrored)
                {
                    continue;
                }
                let from = t.vertices.map(|v| field.detections[v as usize]);
                let to = other.vertices.map(|v| near[v as usize]);
                if let Some(found) = self.propose(&Similarity::fit(&from, &to, mirrored), 3) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// Score a proposal that `fitted` pairs of stars fixed; refine what scores well.
    fn propose(&mut self, map: &Similarity, fitted: usize) -> Option<Found> {
        self.trials += 1;
        // The centre of the detections' plane is its origin.
        if map.t[0].hypot(map.t[1]) > self.field.radius * 1.05 + self.field.pixel {
            return None;
        }
        let hit = |d: &&Point| {
            let p = map.apply(**d);
            self.grid.nearest(p[0], p[1]).is_some()
        };
        let (step, enough) = FIRST_LOOK;
        // Short lists are looked at in full: there every star counts.
        if self.scored.len() > 60 && self.scored.iter().step_by(step).filter(hit).count() < enough {
            return None;
        }
        let hits = self.scored.iter().filter(hit).count();
        let area = std::f64::consts::PI * self.radius * self.radius;
        let dull = |density: f64| {
            let chance = ln_chance_after_fit(hits, self.scored.len(), density * area, fitted);
            -chance < (0.6 * (self.trials as f64).ln()).max(5.0)
        };
        // Refining costs as much as some twenty proposals: only for the better ones.
        if hits < self.field.matches_min.max(fitted + 2)
            || dull(self.density)
            || dull(self.crowd(self.scored.iter().map(|d| map.apply(*d))))
            || self.refinements >= REFINEMENTS_MAX
        {
            return None;
        }
        self.refinements += 1;
        let found = self.refine(map, 3)?;
        let known = self.best.is_none_or(|b| found.ln_odds > b.ln_odds);
        if known {
            self.best = Some(found);
        }
        (found.ln_odds >= self.field.ln_odds_min && found.matches >= self.field.matches_min)
            .then_some(found)
    }

    /// Refine one proposal that came, after `trials` others, from outside; `fitted` pairs were used to make it.
    pub fn judge(&mut self, map: &Similarity, trials: usize, fitted: usize) -> Option<Found> {
        self.trials = trials;
        self.refine(map, fitted)
    }

    /// Stars a square arcsec where these places lie, and no less than on average.
    fn crowd(&self, places: impl Iterator<Item = Point>) -> f64 {
        self.density.max(CROWD * self.crowding.mean(places))
    }

    fn refine(&self, map: &Similarity, fitted: usize) -> Option<Found> {
        let start = self.scored.iter().map(|d| map.apply(*d)).collect::<Vec<_>>();
        let mut places = start;
        let mut radius = self.radius;
        let mut found: Option<Found> = None;
        for _ in 0..8 {
            let pairs = self.pairs(&places, radius);
            if pairs.len() < 4 {
                break;
            }
            let affine = fit_affine(self.scored, self.stars, &pairs)?;
            let (scale, squeeze) = affine.shape();
            let tolerance = 1.0 + self.field.scale_tolerance + 0.005;
            if !(1.0 / tolerance..=tolerance).contains(&scale) || squeeze > 1.03 {
                return None;
            }
            places = self.scored.iter().map(|d| affine.apply(*d)).collect();
            let sum: f64 =
                pairs.iter().map(|&(d, s)| length(places[d], self.stars[s]).powi(2)).sum();
            let rms = (0.5 * sum / (pairs.len() as f64 - 3.0).max(1.0)).sqrt();
            let area = std::f64::consts::PI * radius * radius;
            let p = area * self.crowd(places.iter().copied());
            let chance = ln_chance_after_fit(pairs.len(), self.scored.len(), p, fitted);
            // The radius is chosen by what it gives: a choice among some ten.
            let ln_odds = -chance - (self.trials.max(1000) as f64).ln() - 2.3;
            if found.is_none_or(|f| ln_odds > f.ln_odds) {
                found = Some(Found { map: affine, rms, matches: pairs.len(), ln_odds });
            }
            let next = (3.5 * rms).max(0.5 * self.field.pixel).min(radius);
            if next > 0.95 * radius && found.is_some_and(|f| f.ln_odds > ln_odds) {
                break;
            }
            radius = next;
        }
        found
    }

    /// One to one: detection and star, the nearest where several want one star.
    fn pairs(&self, places: &[Point], radius: f64) -> Vec<(usize, usize)> {
        one_to_one(places.iter().enumerate().filter_map(|(d, p)| {
            self.grid.nearest(p[0], p[1]).filter(|n| n.1 <= radius).map(|(s, r)| (d, s, r))
        }))
    }
}

/// Keep for each star the nearest detection; the result is ordered by detection.
pub fn one_to_one(found: impl Iterator<Item = (usize, usize, f64)>) -> Vec<(usize, usize)> {
    let mut all: Vec<(usize, usize, f64)> = found.collect();
    all.sort_by(|a, b| a.1.cmp(&b.1).then(a.2.total_cmp(&b.2)).then(a.0.cmp(&b.0)));
    all.dedup_by_key(|m| m.1);
    let mut pairs: Vec<(usize, usize)> = all.into_iter().map(|m| (m.0, m.1)).collect();
    pairs.sort_unstable();
    pairs
}

/// Least squares, by Cramer's rule on coordinates about their means.
fn fit_affine(from: &[Point], to: &[Point], pairs: &[(usize, usize)]) -> Option<Affine> {
    let n = pairs.len() as f64;
    let mean = |f: &dyn Fn(&(usize, usize)) -> f64| pairs.iter().map(f).sum::<f64>() / n;
    let middle = [mean(&|p| from[p.0][0]), mean(&|p| from[p.0][1])];
    let target = [mean(&|p| to[p.1][0]), mean(&|p| to[p.1][1])];
    let (mut xx, mut xy, mut yy, mut cross) = (0.0, 0.0, 0.0, [[0.0; 2]; 2]);
    for &(d, s) in pairs {
        let (x, y) = (from[d][0] - middle[0], from[d][1] - middle[1]);
        (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        for k in 0..2 {
            let v = to[s][k] - target[k];
            cross[k][0] += x * v;
            cross[k][1] += y * v;
        }
    }
    let det = xx * yy - xy * xy;
    // Stars on a line do not fix a map.
    if det.is_nan() || det <= 1e-6 * xx * yy {
        return None;
    }
    Some(Affine([0, 1].map(|k| {
        let a = (cross[k][0] * yy - cross[k][1] * xy) / det;
        let b = (cross[k][1] * xx - cross[k][0] * xy) / det;
        [target[k] - a * middle[0] - b * middle[1], a, b]
    })))
}
