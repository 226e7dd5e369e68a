//! Stars from galaxies, with a probability.
//!
//! - statistic: s = T / T_psf - 1, the excess of area by adaptive moments (T = ixx + iyy), or where these
//!   failed `spreadModel`, the same by a linear fit; err is the error of the latter
//! - point sources: s is Gaussian about 0 with sigma^2 = (k err)^2 + floor^2; wider towards larger sizes,
//!   for what lies unseen beside a star can only add to it; and a small part has much wider errors
//! - galaxies: s is their true excess r plus that noise; ln r is Gaussian, with a mean and a width that
//!   depend on the S/N (faint galaxies are small)
//! - k, floor, the distributions of r and the part that is galaxies at each S/N are learned from the
//!   frame itself (expectation maximisation; an empirical Bayes classifier). A short table keeps the
//!   starting values: no frame is needed to classify one source
//! - output: `sizeExtendedness`, the posterior probability of being extended; `extendedness` is 1 where
//!   that is above one half. A source without it is judged by its Kron flux's excess
//! - source: the mixture is Sebok 1979, AJ 84, 1526, in one dimension; differs from the LSST
//!   pipelines, which cut at a fixed ratio of fluxes or sizes, in that the cut follows the noise

use elqui_schema::SourceTable;

/// True excesses that galaxies may have: bins in ln r.
const BINS: usize = 24;
const EXCESS_MIN: f64 = 0.02;
const EXCESS_MAX: f64 = 30.0;
/// Borders of S/N between which the part of galaxies is one number.
const SNR_BORDERS: [f64; 6] = [10.0, 20.0, 40.0, 80.0, 160.0, 640.0];
/// Part of the point sources whose size is off by more than their noise, and by how much more.
const TAIL: f64 = 0.06;
const TAIL_WIDTH: f64 = 3.0;
/// How much wider the noise is on the side of larger sizes.
const UPWARD: f64 = 1.4;
/// Borders of S/N between which galaxies have one distribution of sizes.
const SIZE_BORDERS: [f64; 2] = [20.0, 40.0];
/// Width of ln r: at the start, and the bounds of what is learned.
const WIDTH: f64 = 1.3;
const WIDTHS: (f64, f64) = (0.3, 1.6);
/// Sources below this S/N teach nothing; with fewer than `LEARN_MIN` the starting values stay.
const LEARN_SNR: f64 = 8.0;
const LEARN_MIN: usize = 200;
const LEARN_MAX: usize = 4000;
const ROUNDS: usize = 12;
/// Sources that the starting values count for.
const PRIOR_WEIGHT: f64 = 10.0;
/// Excess of Kron over PSF flux that a source without moments needs, relative, and in its errors.
const FLUX_FLOOR: f64 = 0.08;
const FLUX_SIGMA: f64 = 3.0;

/// One source's statistic, its error, and the S/N of its PSF flux.
#[derive(Debug, Clone, Copy)]
struct Sample {
    s: f64,
    err: f64,
    snr: f64,
}

/// What is known of the populations.
#[derive(Debug, Clone, PartialEq)]
struct Populations {
    /// Noise of s in units of its error, and its floor.
    noise: f64,
    floor: f64,
    /// Part of the sources that is extended, for each range of S/N.
    extended: [f64; SNR_BORDERS.len() + 1],
    /// Distribution of ln r for each range of S/N; adds up to 1.
    excess: [[f64; BINS]; SIZE_BORDERS.len() + 1],
}

impl Default for Populations {
    fn default() -> Self {
        Self {
            noise: 1.0,
            floor: 0.015,
            extended: [0.5; SNR_BORDERS.len() + 1],
            excess: [log_normal(0.0, WIDTH); SIZE_BORDERS.len() + 1],
        }
    }
}

/// The bins' parts of a Gaussian in ln r.
fn log_normal(mean: f64, width: f64) -> [f64; BINS] {
    let part = |b: usize| (-0.5 * ((excess_of(b).ln() - mean) / width).powi(2)).exp();
    let total: f64 = (0..BINS).map(part).sum();
    std::array::from_fn(|b| part(b) / total)
}

fn size_range(snr: f64) -> usize {
    SIZE_BORDERS.iter().filter(|&&b| snr >= b).count()
}

fn snr_range(snr: f64) -> usize {
    SNR_BORDERS.iter().filter(|&&b| snr >= b).count()
}

fn excess_of(bin: usize) -> f64 {
    EXCESS_MIN * (EXCESS_MAX / EXCESS_MIN).powf((bin as f64 + 0.5) / BINS as f64)
}

fn gaussian(d: f64, sigma: f64) -> f64 {
    (-0.5 * (d / sigma).powi(2)).exp() / sigma
}

impl Populations {
    fn sigma(&self, err: f64) -> f64 {
        (self.noise * err).hypot(self.floor)
    }

    /// Likelihood as a point, and as a galaxy of each excess.
    fn likelihoods(&self, s: f64, err: f64) -> (f64, [f64; BINS]) {
        let sigma = self.sigma(err);
        // Two halves of Gaussians that meet at zero, of unit area together.
        let side = if s > 0.0 { UPWARD * sigma } else { sigma };
        let half = 2.0 * side / ((1.0 + UPWARD) * sigma);
        let tail = TAIL_WIDTH * side;
        let point = half * ((1.0 - TAIL) * gaussian(s, side) + TAIL * gaussian(s, tail)) + 1e-200;
        let galaxy = std::array::from_fn(|b| {
            let r = excess_of(b);
            // A larger source has larger errors, and a bin has a width.
            let width = 0.5 * r * (EXCESS_MAX / EXCESS_MIN).ln() / BINS as f64;
            gaussian(s - r, (sigma * (1.0 + r)).hypot(width))
        });
        (point, galaxy)
    }

    fn probability(&self, s: f64, err: f64, snr: f64) -> f64 {
        if !(s < EXCESS_MAX) {
            return 1.0;
        }
        let (point, galaxy) = self.likelihoods(s, err);
        let prior = self.extended[snr_range(snr)];
        let galaxy: f64 =
            galaxy.iter().zip(&self.excess[size_range(snr)]).map(|(l, w)| l * w).sum();
        let (g, p) = (prior * galaxy, (1.0 - prior) * point);
        g / (g + p)
    }

    /// Learn from (s, snr) of a frame's clean sources.
    fn learned(samples: &[Sample]) -> Self {
        let mut now = Self::default();
        if samples.len() < LEARN_MIN {
            return now;
        }
        for _ in 0..ROUNDS {
            now = now.round(samples);
        }
        now
    }

    /// One round of expectation and maximisation.
    fn round(&self, samples: &[Sample]) -> Self {
        let mut extended = self.extended.map(|_| [0.5 * PRIOR_WEIGHT, PRIOR_WEIGHT]);
        let mut sizes = [[PRIOR_WEIGHT, 0.0, PRIOR_WEIGHT * WIDTH * WIDTH]; SIZE_BORDERS.len() + 1];
        let (mut faint, mut bright) = ([0.0f64; 2], [0.0f64; 2]);
        for &Sample { s, err, snr } in samples {
            let (point, galaxy) = self.likelihoods(s, err);
            let prior = self.extended[snr_range(snr)];
            let point = (1.0 - prior) * point;
            let parts: [f64; BINS] =
                std::array::from_fn(|b| prior * self.excess[size_range(snr)][b] * galaxy[b]);
            let all = point + parts.iter().sum::<f64>();
            let share = &mut extended[snr_range(snr)];
            share[0] += 1.0 - point / all;
            share[1] += 1.0;
            let size = &mut sizes[size_range(snr)];
            for (b, p) in parts.iter().enumerate() {
                let (w, l) = (p / all, excess_of(b).ln());
                *size = [size[0] + w, size[1] + w * l, size[2] + w * l * l];
            }
            // The width of the points, from what is smaller than the PSF: galaxies are there only by
            // the same noise. Beyond three sigma the tails belong to neighbours, and weights by
            // `point / all` would favour the outermost.
            let sigma = self.sigma(err);
            if s < 0.0 && s > -3.0 * sigma {
                // Cut at three sigma, a Gaussian's variance is 0.973 of the whole.
                let variance = s * s / 0.973;
                if snr < 60.0 {
                    faint[0] += (variance - self.floor * self.floor) / (err * err);
                    faint[1] += 1.0;
                } else {
                    bright[0] += variance - (self.noise * err).powi(2);
                    bright[1] += 1.0;
                }
            }
        }
        let variance = |[sum, weight]: [f64; 2], prior: f64| {
            ((sum + PRIOR_WEIGHT * prior * prior) / (weight + PRIOR_WEIGHT)).max(0.0).sqrt()
        };
        let start = Self::default();
        Self {
            noise: variance(faint, start.noise).clamp(0.5, 2.0),
            floor: variance(bright, start.floor).clamp(0.003, 0.1),
            extended: extended.map(|[g, n]| (g / n).clamp(0.01, 0.99)),
            excess: sizes.map(|[n, sum, sum2]| {
                let mean = sum / n;
                let width = (sum2 / n - mean * mean).max(0.0).sqrt();
                log_normal(mean, width.clamp(WIDTHS.0, WIDTHS.1))
            }),
        }
    }
}

/// Fill `sizeExtendedness` and `extendedness` (NaN with its flag where nothing can be said).
pub fn classify(table: &mut SourceTable) {
    let sample = |t: &SourceTable, k: usize| {
        let snr = t.psf_flux[k] / t.psf_flux_err[k];
        let (spread, err) = (f64::from(t.spread_model[k]), f64::from(t.spread_model_err[k]));
        let own = f64::from(t.ixx[k]) + f64::from(t.iyy[k]);
        let psf = f64::from(t.ixx_psf[k]) + f64::from(t.iyy_psf[k]);
        let excess = own / psf - 1.0;
        let s = if t.shape_flag[k] || !excess.is_finite() { spread } else { excess };
        (snr > 0.0 && err > 0.0 && s.is_finite()).then_some(Sample { s, err, snr })
    };
    let clean: Vec<Sample> = (0..table.len())
        .filter(|&k| {
            table.detect_is_primary[k]
                && !table.pixel_flags_saturated[k]
                && !table.pixel_flags_edge[k]
                && !table.centroid_flag[k]
        })
        .filter_map(|k| sample(table, k))
        .filter(|x| x.snr > LEARN_SNR && x.s < EXCESS_MAX)
        .collect();
    let step = clean.len().div_ceil(LEARN_MAX).max(1);
    let known = Populations::learned(&clean.into_iter().step_by(step).collect::<Vec<_>>());
    for k in 0..table.len() {
        let probability = match sample(table, k) {
            Some(x) => known.probability(x.s, x.err, x.snr),
            None => by_flux(table, k),
        };
        table.size_extendedness[k] = probability as f32;
        table.extendedness_flag[k] = probability.is_nan();
        table.extendedness[k] =
            if probability.is_nan() { f32::NAN } else { f32::from(u8::from(probability > 0.5)) };
    }
}

/// 0 or 1 by the excess of the Kron flux; NaN without fluxes.
fn by_flux(table: &SourceTable, k: usize) -> f64 {
    let excess = table.kron_flux[k] / table.psf_flux[k] - 1.0;
    let noise = FLUX_SIGMA * table.kron_flux_err[k] / table.psf_flux[k];
    let usable = !table.kron_flux_flag[k]
        && !table.psf_flux_flag[k]
        && table.psf_flux[k] > 0.0
        && excess.is_finite()
        && noise.is_finite();
    if usable { f64::from(u8::from(excess > FLUX_FLOOR + noise)) } else { f64::NAN }
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
        for part in &known.extended[2..4] {
            assert!((part - 0.3).abs() < 0.06, "{known:?}");
        }
        assert!(known.probability(0.5, 0.04, 50.0) > 0.95);
        assert!(known.probability(0.0, 0.04, 50.0) < 0.05);
        // The probabilities are honest: of those near one half, about half are galaxies.
        let (mut sum, mut galaxies, mut n) = (0.0, 0.0, 0.0);
        for (k, &Sample { s, err, snr }) in samples.iter().enumerate() {
            let p = known.probability(s, err, snr);
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
        assert!(known.probability(0.0, 0.02, 100.0) < 0.2);
        assert!(known.probability(0.3, 0.02, 100.0) > 0.99);
        assert!(known.probability(-0.2, 0.02, 100.0) < 0.5);
        assert_eq!(known.probability(f64::INFINITY, 0.02, 100.0), 1.0);
    }

    #[test]
    fn without_any_measurement_nothing_is_said() {
        let mut t = SourceTable::with_rows(1);
        t.shape_flag[0] = true;
        classify(&mut t);
        assert!(t.extendedness[0].is_nan() && t.extendedness_flag[0]);
        assert!(t.size_extendedness[0].is_nan());
    }
}
