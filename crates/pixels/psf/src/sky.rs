//! What is known of the sky's level under the stars before each of them is fitted.
//!
//! In a sparse field the background estimate is better than what one star's pixels tell. In a crowded one sources
//! too faint to be detected lie under every star, here more and there fewer; held to a level near zero, their
//! light would go into the stars' wings. How far to trust the background is learnt from the stars
//! themselves: the scatter of their levels about zero beyond their errors.
//! - in units of the noise of a pixel without the star
//! - source: Morris 1983, J. Am. Stat. Assoc. 78, 47 (parametric empirical Bayes)
//! - what grows with the stars' fluxes is no sky but what the profile lacks in the wings, and does not count

use elqui_base::{SIGMA_PER_MAD, median};

/// Scatter of the levels that is taken to begin with, and the least.
const FIRST: f64 = 0.05;
const LEAST: f64 = 0.02;
/// Fewer stars than this tell nothing.
const MIN_STARS: usize = 10;

/// A star's sky with its variance, and its flux.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Level {
    pub level: f64,
    pub variance: f64,
    pub flux: f64,
}

/// The level is zero within this.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SkyPrior {
    sigma: f64,
}

impl Default for SkyPrior {
    fn default() -> Self {
        Self { sigma: FIRST }
    }
}

impl SkyPrior {
    /// Inverse variance of the level where that of a pixel is `variance`.
    pub(crate) fn weight(&self, variance: f64) -> f64 {
        1.0 / (self.sigma * self.sigma * variance)
    }

    /// From what the stars told under the prior `self`.
    pub(crate) fn learn(&self, told: &[Level]) -> Self {
        let weight = self.weight(1.0);
        // What each star tells alone, the prior taken out again.
        let mut alone: Vec<Level> = told
            .iter()
            .filter(|t| 1.0 / t.variance > 1.01 * weight && t.level.is_finite())
            .map(|t| {
                let own = 1.0 / (1.0 / t.variance - weight);
                Level { level: t.level * own / t.variance, variance: own, ..*t }
            })
            .collect();
        if alone.len() < MIN_STARS {
            return *self;
        }
        alone.sort_by(|a, b| b.flux.total_cmp(&a.flux));
        let bright = &alone[..alone.len() / 2];
        let wings = median(&mut bright.iter().map(|t| t.level / t.flux).collect::<Vec<_>>());
        let rest = |t: &Level| (t.level - wings * t.flux).abs();
        let scatter = SIGMA_PER_MAD * median(&mut alone.iter().map(rest).collect::<Vec<_>>());
        let noise2 = median(&mut alone.iter().map(|t| t.variance).collect::<Vec<_>>());
        Self { sigma: (scatter * scatter - noise2).max(LEAST * LEAST).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scatter_beyond_the_errors_is_found_under_any_prior() {
        // Levels of a normal distribution of this sigma, told with an error of 0.03.
        let error2 = 9e-4;
        for (truth, start) in [(0.2, 0.05), (0.2, 0.5), (0.06, 0.05), (0.0, 0.1)] {
            let spread = f64::sqrt(truth * truth + error2);
            let prior = SkyPrior { sigma: start };
            let (weight, own) = (prior.weight(1.0), 1.0 / error2);
            let told: Vec<Level> = (0..400)
                .map(|k| {
                    let u = (f64::from(k * 37 % 400) + 0.5) / 400.0;
                    let flux = f64::from(k + 10) * 100.0;
                    // The logistic distribution is near enough to the normal one; wings beside it.
                    let level = spread * (u / (1.0 - u)).ln() / 1.63 + 1e-5 * flux;
                    let variance = 1.0 / (own + weight);
                    Level { level: level * own * variance, variance, flux }
                })
                .collect();
            let got = prior.learn(&told).sigma;
            let want = f64::max(truth, LEAST);
            assert!((got / want - 1.0).abs() < 0.1, "{truth} from {start}: {got}");
        }
        let nothing = Level { level: f64::NAN, variance: f64::NAN, flux: f64::NAN };
        assert_eq!(SkyPrior::default().learn(&[nothing; 50]).sigma, FIRST);
    }
}
