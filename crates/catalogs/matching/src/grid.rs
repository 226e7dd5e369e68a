//! A grid of buckets over a plane, for very many nearest-neighbour questions of one fixed radius.
//!
//! - input: points, the radius
//! - output: the nearest point within the radius; ties go to the lowest index
//! - cost: one look at 3 x 3 buckets, without allocation (the k-d tree costs ten times more here)

/// Buckets as wide as the radius.
pub struct PlaneGrid {
    origin: [f64; 2],
    inverse_cell: f64,
    size: [usize; 2],
    starts: Vec<u32>,
    /// Points in the order of their buckets, with their places in the input.
    points: Vec<([f64; 2], u32)>,
    radius: f64,
}

/// Buckets for each point, at most, however small the radius.
const BUCKETS_PER_POINT: f64 = 4.0;

impl PlaneGrid {
    /// Points that are not finite are left out.
    pub fn new(points: &[[f64; 2]], radius: f64) -> Self {
        let finite = |p: &&[f64; 2]| p[0].is_finite() && p[1].is_finite();
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for p in points.iter().filter(finite) {
            for k in 0..2 {
                low[k] = low[k].min(p[k]);
                high[k] = high[k].max(p[k]);
            }
        }
        if low[0] > high[0] {
            (low, high) = ([0.0; 2], [0.0; 2]);
        }
        let area = (high[0] - low[0] + radius) * (high[1] - low[1] + radius);
        let longest = (high[0] - low[0]).max(high[1] - low[1]);
        let buckets_max = BUCKETS_PER_POINT * points.len() as f64 + 64.0;
        let cell = radius
            .max((area / buckets_max).sqrt())
            .max(longest / buckets_max)
            .max(f64::MIN_POSITIVE);
        let inverse_cell = 1.0 / cell;
        let size = [0, 1].map(|k| ((high[k] - low[k]) * inverse_cell) as usize + 1);
        let mut grid = Self {
            origin: low,
            inverse_cell,
            size,
            starts: vec![0; size[0] * size[1] + 1],
            points: Vec::new(),
            radius,
        };
        let kept: Vec<(usize, u32, [f64; 2])> = points
            .iter()
            .enumerate()
            .filter(|(_, p)| finite(p))
            .map(|(row, p)| (grid.bucket(p), row as u32, *p))
            .collect();
        for (bucket, _, _) in &kept {
            grid.starts[bucket + 1] += 1;
        }
        for k in 1..grid.starts.len() {
            grid.starts[k] += grid.starts[k - 1];
        }
        let mut next = grid.starts.clone();
        grid.points = vec![([0.0; 2], 0); kept.len()];
        for (bucket, row, p) in kept {
            grid.points[next[bucket] as usize] = (p, row);
            next[bucket] += 1;
        }
        grid
    }

    fn bucket(&self, p: &[f64; 2]) -> usize {
        let [i, j] = [0, 1].map(|k| {
            (((p[k] - self.origin[k]) * self.inverse_cell) as usize).min(self.size[k] - 1)
        });
        j * self.size[0] + i
    }

    /// The nearest point within the radius, and its distance.
    pub fn nearest(&self, x: f64, y: f64) -> Option<(usize, f64)> {
        let fx = (x - self.origin[0]) * self.inverse_cell;
        let fy = (y - self.origin[1]) * self.inverse_cell;
        let inside = |f: f64, n: usize| f >= -1.0 && f <= n as f64 + 1.0;
        if !(inside(fx, self.size[0]) && inside(fy, self.size[1])) {
            return None;
        }
        let range = |f: f64, n: usize| {
            let k = f.floor() as i64;
            ((k - 1).max(0) as usize, ((k + 1).max(-1) + 1).min(n as i64) as usize)
        };
        let ((i0, i1), (j0, j1)) = (range(fx, self.size[0]), range(fy, self.size[1]));
        let mut best: Option<(u32, f64)> = None;
        for j in j0..j1 {
            if i0 >= i1 {
                continue;
            }
            let row = j * self.size[0];
            let span = self.starts[row + i0] as usize..self.starts[row + i1] as usize;
            for (p, index) in &self.points[span] {
                let d2 = (p[0] - x) * (p[0] - x) + (p[1] - y) * (p[1] - y);
                if best.is_none_or(|b| d2 < b.1 || (d2 == b.1 && *index < b.0)) {
                    best = Some((*index, d2));
                }
            }
        }
        best.filter(|b| b.1 <= self.radius * self.radius).map(|b| (b.0 as usize, b.1.sqrt()))
    }
}
