//! The populations of points and galaxies on a frame, and what they say of one source.
//!
//! What is learned, and how, is on the card of `classify`.

use elqui_image::wide::{exp, widest};

/// True excesses that galaxies may have: bins in ln r.
const BINS: usize = 24;
const EXCESS_MIN: f64 = 0.02;
pub const EXCESS_MAX: f64 = 30.0;
/// What unseen light adds to s: bins, in sigma, and their widths.
const COMPANY: [[f64; 2]; 12] = [
    [0.5, 0.5],
    [1.0, 0.5],
    [1.5, 0.5],
    [2.0, 0.75],
    [3.0, 1.0],
    [4.0, 1.25],
    [5.5, 1.75],
    [7.5, 2.25],
    [10.0, 3.25],
    [14.0, 5.0],
    [20.0, 8.0],
    [30.0, 10.0],
];
/// S/N at which the part of galaxies is learned; straight lines in ln S/N between.
const KNOTS: usize = 6;
const KNOTS_SNR: [f64; KNOTS] = [15.0, 22.0, 34.0, 60.0, 150.0, 600.0];
/// The line of ln r is about this S/N, and flat outside of these.
const LINE_SNR: f64 = 30.0;
const LINE_SNRS: (f64, f64) = (8.0, 300.0);
/// Bounds of what is learned: k, floor, company's part and mean, slope and width of ln r.
const NOISES: (f64, f64) = (0.5, 2.0);
const FLOORS: (f64, f64) = (0.002, 0.1);
const PARTS: (f64, f64) = (0.005, 0.6);
const MEANS: (f64, f64) = (1.0, 8.0);
const SLOPES: (f64, f64) = (-0.5, 1.0);
const WIDTHS: (f64, f64) = (0.2, 1.6);
/// Sources below the first S/N teach nothing, below the second not the noise, below the third nothing of
/// company: there it cannot be told from small galaxies. Above the last they teach the floor.
pub const LEARN_SNR: f64 = 15.0;
const NOISE_SNR: f64 = 20.0;
const COMPANY_SNR: f64 = 30.0;
const FLOOR_SNR: f64 = 60.0;
/// With fewer sources than `LEARN_MIN` the starting values stay.
const LEARN_MIN: usize = 200;
/// Rounds of the learning, and the sources they see at most: few at first.
const ROUNDS: [(usize, usize); 2] = [(24, 1000), (4, 4000)];
/// Sources that the starting values count for.
const PRIOR_WEIGHT: f64 = 10.0;
/// One source's statistic, its error, and the S/N of its PSF flux.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub s: f64,
    pub err: f64,
    pub snr: f64,
}

impl Sample {
    /// ln S/N about that of the line.
    fn along(&self) -> f64 {
        (self.snr.clamp(LINE_SNRS.0, LINE_SNRS.1) / LINE_SNR).ln()
    }
}

/// What is known of the populations.
#[derive(Debug, Clone, PartialEq)]
pub struct Populations {
    /// Noise of s in units of its error, and its floor.
    noise: f64,
    floor: f64,
    /// Part of the point sources that have company, and what it adds in the mean, sigma.
    company: [f64; 2],
    /// Part of the sources that is extended, at the knots of S/N.
    extended: [f64; KNOTS],
    /// ln r at `LINE_SNR`, its slope with ln S/N, and its width.
    line: [f64; 2],
    width: f64,
}

impl Default for Populations {
    fn default() -> Self {
        Self {
            noise: 1.0,
            floor: 0.01,
            company: [0.03, 3.0],
            extended: [0.5; KNOTS],
            line: [-0.9, 0.2],
            width: 0.6,
        }
    }
}

/// How likely one source is, by what it may be.
struct Likelihoods {
    alone: f64,
    company: [f64; COMPANY.len()],
    galaxy: [f64; BINS],
}

/// The knot below an S/N, and the way to the next one.
fn knot(snr: f64) -> (usize, f64) {
    let snr = snr.clamp(KNOTS_SNR[0], KNOTS_SNR[KNOTS - 1]);
    let above = KNOTS_SNR.iter().filter(|&&b| snr >= b).count();
    let k = above.clamp(1, KNOTS - 1) - 1;
    (k, (snr / KNOTS_SNR[k]).ln() / (KNOTS_SNR[k + 1] / KNOTS_SNR[k]).ln())
}

fn bin_width() -> f64 {
    (EXCESS_MAX / EXCESS_MIN).ln() / BINS as f64
}

/// Logarithms of the bins' excesses.
fn bins() -> [f64; BINS] {
    std::array::from_fn(|b| EXCESS_MIN.ln() + (b as f64 + 0.5) * bin_width())
}

/// What does not depend on the source.
pub struct Fixed {
    ln_r: [f64; BINS],
    r: [f64; BINS],
    /// Share of the company in each bin.
    company: [f64; COMPANY.len()],
}

impl Populations {
    fn sigma(&self, err: f64) -> f64 {
        (self.noise * err).hypot(self.floor)
    }

    pub fn fixed(&self) -> Fixed {
        let [part, mean] = self.company;
        let share = |[t, width]: [f64; 2]| width * (1.0 + t / mean).powi(-3);
        let all: f64 = COMPANY.into_iter().map(share).sum();
        let ln_r = bins();
        Fixed { ln_r, r: ln_r.map(f64::exp), company: COMPANY.map(|c| part * share(c) / all) }
    }

    fn extended(&self, snr: f64) -> f64 {
        let (k, way) = knot(snr);
        (1.0 - way) * self.extended[k] + way * self.extended[k + 1]
    }

    /// Likelihoods, each times how many such there are.
    #[inline(always)]
    fn likelihoods(&self, x: &Sample, fixed: &Fixed) -> Likelihoods {
        let sigma = self.sigma(x.err);
        let extended = self.extended(x.snr);
        let point = (1.0 - extended) / sigma;
        let pull = (x.s / sigma).max(-1.0);
        let alone = point * (1.0 - self.company[0]) * exp(-0.5 * pull * pull);
        let company = std::array::from_fn(|k| {
            let [t, width] = COMPANY[k];
            // A bin has a width.
            let v = 1.0 + 0.1 * width * width;
            point * fixed.company[k] * exp(-0.5 * (pull - t) * (pull - t) / v) / v.sqrt()
        });
        let middle = self.line[0] + self.line[1] * x.along();
        let per = 1.0 / self.width;
        // The bins' shares add up to 1 but for what lies outside of them.
        let scale = extended * per * bin_width() / std::f64::consts::TAU.sqrt();
        let half = 0.5 * bin_width();
        let galaxy = std::array::from_fn(|b| {
            let (r, d) = (fixed.r[b], pull * sigma - fixed.r[b]);
            let v = sigma * sigma + half * half * r * r;
            let along = per * (fixed.ln_r[b] - middle);
            scale * exp(-0.5 * (along * along + d * d / v)) / v.sqrt()
        });
        Likelihoods { alone, company, galaxy }
    }

    #[inline(always)]
    fn one(&self, x: &Sample, fixed: &Fixed) -> f64 {
        if !(x.s < EXCESS_MAX) {
            return 1.0;
        }
        let l = self.likelihoods(x, fixed);
        let point = l.alone + l.company.iter().sum::<f64>() + 1e-200;
        let galaxy: f64 = l.galaxy.iter().sum();
        galaxy / (galaxy + point)
    }

    pub fn probability(&self, x: &Sample, fixed: &Fixed) -> f64 {
        widest(|| self.one(x, fixed))
    }

    /// Learn from (s, snr) of a frame's clean sources.
    pub fn learned(samples: &[Sample]) -> Self {
        let mut now = Self::default();
        if samples.len() < LEARN_MIN {
            return now;
        }
        for (rounds, most) in ROUNDS {
            let step = samples.len().div_ceil(most).max(1);
            let few: Vec<Sample> = samples.iter().copied().step_by(step).collect();
            for _ in 0..rounds {
                now = widest(|| now.round(&few));
            }
        }
        now
    }

    /// One round of expectation and maximisation.
    #[inline(always)]
    fn round(&self, samples: &[Sample]) -> Self {
        let start = Self::default();
        let fixed = self.fixed();
        let mut extended = [[0.5 * PRIOR_WEIGHT, PRIOR_WEIGHT]; KNOTS];
        // Sums over galaxies: of 1, l, l^2 (l along the line), and of m, m l, m^2 (m = ln r).
        let mut sums = Moments::of(PRIOR_WEIGHT, &start);
        let [part, mean] = start.company;
        let mut company = [part * PRIOR_WEIGHT, PRIOR_WEIGHT];
        let mut added = [mean * PRIOR_WEIGHT, PRIOR_WEIGHT];
        let (mut faint, mut bright) = ([0.0f64; 2], [0.0f64; 2]);
        for x in samples {
            let l = self.likelihoods(x, &fixed);
            let galaxy: f64 = l.galaxy.iter().sum();
            let beside: f64 = l.company.iter().sum();
            let per = 1.0 / (l.alone + beside + galaxy + 1e-200);
            let (k, way) = knot(x.snr);
            for (knot, w) in [(k, 1.0 - way), (k + 1, way)] {
                extended[knot][0] += w * per * galaxy;
                extended[knot][1] += w;
            }
            sums.add(per, x.along(), &l.galaxy, &fixed.ln_r);
            if x.snr >= COMPANY_SNR {
                company[0] += per * beside;
                company[1] += per * (beside + l.alone);
                added[0] +=
                    per * l.company.iter().zip(COMPANY).map(|(l, [t, _])| l * t).sum::<f64>();
                added[1] += per * beside;
            }
            // The width of the points, from what is smaller than the PSF: galaxies are there only by
            // the same noise. Beyond three sigma the tails belong to neighbours, and weights by
            // what a source may be would favour the outermost.
            let sigma = self.sigma(x.err);
            if x.s < 0.0 && x.s > -3.0 * sigma && x.snr >= NOISE_SNR {
                // Cut at three sigma, a Gaussian's variance is 0.973 of the whole.
                let variance = x.s * x.s / 0.973;
                if x.snr < FLOOR_SNR {
                    faint[0] += (variance - self.floor * self.floor) / (x.err * x.err);
                    faint[1] += 1.0;
                } else {
                    bright[0] += variance - (self.noise * x.err).powi(2);
                    bright[1] += 1.0;
                }
            }
        }
        let variance = |[sum, weight]: [f64; 2], prior: f64| {
            ((sum + PRIOR_WEIGHT * prior * prior) / (weight + PRIOR_WEIGHT)).max(0.0).sqrt()
        };
        let clamp = |v: f64, (low, high): (f64, f64)| v.clamp(low, high);
        let (line, width) = sums.line(&start);
        Self {
            noise: clamp(variance(faint, start.noise), NOISES),
            floor: clamp(variance(bright, start.floor), FLOORS),
            company: [clamp(company[0] / company[1], PARTS), clamp(added[0] / added[1], MEANS)],
            extended: extended.map(|[g, n]| (g / n).clamp(0.01, 0.99)),
            line,
            width,
        }
    }
}

/// Weighted sums of a straight line's fit.
struct Moments {
    n: f64,
    l: f64,
    ll: f64,
    m: f64,
    ml: f64,
    /// For each source w (mean of m^2), w m^2 and so on: what the width needs.
    mm: f64,
}

impl Moments {
    /// What `weight` sources on the starting line would give.
    fn of(weight: f64, start: &Populations) -> Self {
        let [at, slope] = start.line;
        Self {
            n: weight,
            l: 0.0,
            ll: weight,
            m: weight * at,
            ml: weight * slope,
            mm: weight * (start.width.powi(2) + at * at + slope * slope),
        }
    }

    #[inline(always)]
    fn add(&mut self, per: f64, along: f64, galaxy: &[f64; BINS], ln_r: &[f64; BINS]) {
        let mut s = [0.0f64; 3];
        for (w, m) in galaxy.iter().zip(ln_r) {
            s = [s[0] + w, s[1] + w * m, s[2] + w * m * m];
        }
        let [w, m, mm] = s.map(|s| s * per);
        self.n += w;
        self.l += w * along;
        self.ll += w * along * along;
        self.m += m;
        self.ml += m * along;
        self.mm += mm;
    }

    /// Line and width of the weighted points.
    fn line(&self, start: &Populations) -> ([f64; 2], f64) {
        let det = self.n * self.ll - self.l * self.l;
        if !(det > 0.0) {
            return (start.line, start.width);
        }
        let at = (self.m * self.ll - self.ml * self.l) / det;
        let slope = ((self.ml * self.n - self.m * self.l) / det).clamp(SLOPES.0, SLOPES.1);
        // Sum of w (m - at - slope l)^2.
        let rest = self.mm - 2.0 * (at * self.m + slope * self.ml)
            + at * at * self.n
            + 2.0 * at * slope * self.l
            + slope * slope * self.ll;
        ([at, slope], (rest / self.n).max(0.0).sqrt().clamp(WIDTHS.0, WIDTHS.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look like unit Gaussian noise, the same each time.
    fn noise(k: usize) -> f64 {
        let hash = |k: usize| {
            // The finaliser of splitmix64.
            let mut h = (k as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            h = (h ^ (h >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            h = (h ^ (h >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((h ^ (h >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        };
        // Sum of uniforms: nearly Gaussian, unit variance.
        (0..12).map(|j| hash(12 * k + j)).sum::<f64>() - 6.0
    }

    #[test]
    fn the_frame_teaches_noise_and_numbers() {
        // Points of 1.3 times the stated noise, 30% galaxies of excess 0.3 to 1.
        let samples: Vec<Sample> = (0..3000)
            .map(|k| {
                let snr = 15.0 + (k % 97) as f64;
                let r = if k % 10 < 3 { 0.3 + 0.07 * (k % 11) as f64 } else { 0.0 };
                Sample { s: r + 1.3 * 2.0 / snr * noise(k) * (1.0 + r), err: 2.0 / snr, snr }
            })
            .collect();
        let known = Populations::learned(&samples);
        assert!((known.noise - 1.3).abs() < 0.1, "{known:?}");
        for part in &known.extended[1..4] {
            assert!((part - 0.3).abs() < 0.06, "{known:?}");
        }
        let fixed = known.fixed();
        let probability = |s, err, snr| known.probability(&Sample { s, err, snr }, &fixed);
        assert!(probability(0.5, 0.04, 50.0) > 0.95);
        assert!(probability(0.0, 0.04, 50.0) < 0.05);
        // The probabilities are honest: of those near one half, about half are galaxies.
        let (mut sum, mut galaxies, mut n) = (0.0, 0.0, 0.0);
        for (k, &Sample { s, err, snr }) in samples.iter().enumerate() {
            let p = probability(s, err, snr);
            if (0.2..0.8).contains(&p) {
                (sum, n) = (sum + p, n + 1.0);
                galaxies += f64::from(u8::from(k % 10 < 3));
            }
        }
        let expected: f64 = sum / n;
        assert!((galaxies / n - expected).abs() < 4.0 * (0.25f64 / n).sqrt() + 0.05);
    }

    #[test]
    fn one_source_is_classified_without_a_frame() {
        let known = Populations::learned(&[]);
        let fixed = known.fixed();
        let probability = |s, err, snr| known.probability(&Sample { s, err, snr }, &fixed);
        assert!(probability(0.0, 0.02, 100.0) < 0.2);
        assert!(probability(0.3, 0.02, 100.0) > 0.99);
        assert!(probability(-0.2, 0.02, 100.0) < 0.5);
        assert_eq!(probability(f64::INFINITY, 0.02, 100.0), 1.0);
    }
}
