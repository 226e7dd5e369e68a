//! Triangles of stars, hashed by their shape.
//!
//! - input: points in arcsec, brightest first
//! - output: triangles with vertices ordered by their opposite sides (longest first), their two
//!   side ratios, longest side and handedness; the shape is the same under shift, rotation,
//!   scale and mirroring, the handedness tells the parity
//! - source: Groth 1986 (doi:10.1086/114099), with the known pixel scale as a further key
//! - differs from Groth: near-isosceles and near-straight triangles are left out instead of weighted

pub type Point = [f64; 2];

#[derive(Debug, Clone, Copy)]
pub struct Triangle {
    pub vertices: [u32; 3],
    /// Longest side, arcsec.
    pub longest: f64,
    /// Second and third side over the longest.
    pub ratios: [f64; 2],
    pub right_handed: bool,
}

/// Every usable triangle whose longest side lies within `sides`.
pub fn triangles(points: &[Point], sides: (f64, f64)) -> Vec<Triangle> {
    let n = points.len();
    let distance: Vec<f64> =
        (0..n * n).map(|k| length(points[k / n.max(1)], points[k % n.max(1)])).collect();
    let mut out = Vec::new();
    for i in 0..n {
        for j in i + 1..n {
            if distance[i * n + j] > sides.1 {
                continue;
            }
            for k in j + 1..n {
                let mut s = [
                    (distance[j * n + k], i as u32),
                    (distance[i * n + k], j as u32),
                    (distance[i * n + j], k as u32),
                ];
                s.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
                if s[0].0 < sides.0 || s[0].0 > sides.1 {
                    continue;
                }
                let ratios = [s[1].0 / s[0].0, s[2].0 / s[0].0];
                let bad = ratios[0] > 0.985
                    || ratios[0] - ratios[1] < 0.015
                    || ratios[1] < 0.1
                    || ratios[0] + ratios[1] < 1.03;
                if bad {
                    continue;
                }
                let vertices = s.map(|v| v.1);
                let [a, b, c] = vertices.map(|v| points[v as usize]);
                let cross = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
                out.push(Triangle { vertices, longest: s[0].0, ratios, right_handed: cross > 0.0 });
            }
        }
    }
    out
}

pub fn length(a: Point, b: Point) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// Triangles in buckets of their ratios.
pub struct ShapeTable {
    starts: Vec<u32>,
    members: Vec<u32>,
}

const CELLS: usize = 100;

fn cell(ratio: f64) -> usize {
    ((ratio * CELLS as f64) as usize).min(CELLS - 1)
}

impl ShapeTable {
    pub fn new(triangles: &[Triangle]) -> Self {
        let bucket = |t: &Triangle| cell(t.ratios[0]) * CELLS + cell(t.ratios[1]);
        let mut starts = vec![0u32; CELLS * CELLS + 1];
        for t in triangles {
            starts[bucket(t) + 1] += 1;
        }
        for k in 1..starts.len() {
            starts[k] += starts[k - 1];
        }
        let mut next = starts.clone();
        let mut members = vec![0u32; triangles.len()];
        for (k, t) in triangles.iter().enumerate() {
            let slot = &mut next[bucket(t)];
            members[*slot as usize] = k as u32;
            *slot += 1;
        }
        Self { starts, members }
    }

    /// Triangles whose ratios may lie within a cell's width (0.01) of `ratios`.
    pub fn near(&self, ratios: [f64; 2]) -> impl Iterator<Item = usize> + '_ {
        let (i, j) = (cell(ratios[0]), cell(ratios[1]));
        let columns = j.saturating_sub(1)..(j + 2).min(CELLS);
        (i.saturating_sub(1)..(i + 2).min(CELLS)).flat_map(move |row| {
            let (from, to) = (row * CELLS + columns.start, row * CELLS + columns.end);
            self.members[self.starts[from] as usize..self.starts[to] as usize]
                .iter()
                .map(|&m| m as usize)
        })
    }
}

/// A similarity of the plane: z -> c z + t in complex numbers, with y mirrored first or not.
#[derive(Debug, Clone, Copy)]
pub struct Similarity {
    pub c: [f64; 2],
    pub t: Point,
    pub mirrored: bool,
}

impl Similarity {
    pub fn apply(&self, p: Point) -> Point {
        let y = if self.mirrored { -p[1] } else { p[1] };
        [self.c[0] * p[0] - self.c[1] * y + self.t[0], self.c[1] * p[0] + self.c[0] * y + self.t[1]]
    }

    /// Least squares through pairs of points.
    pub fn fit(from: &[Point], to: &[Point], mirrored: bool) -> Self {
        let n = from.len() as f64;
        let y = |p: &Point| if mirrored { -p[1] } else { p[1] };
        let mean = |v: &[Point], f: &dyn Fn(&Point) -> f64| v.iter().map(f).sum::<f64>() / n;
        let (mx, my) = (mean(from, &|p| p[0]), mean(from, &|p| y(p)));
        let (nx, ny) = (mean(to, &|p| p[0]), mean(to, &|p| p[1]));
        let (mut re, mut im, mut norm) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (a, b, u, v) = (p[0] - mx, y(p) - my, q[0] - nx, q[1] - ny);
            re += a * u + b * v;
            im += a * v - b * u;
            norm += a * a + b * b;
        }
        let c = [re / norm, im / norm];
        Self { c, t: [nx - c[0] * mx + c[1] * my, ny - c[1] * mx - c[0] * my], mirrored }
    }
}
