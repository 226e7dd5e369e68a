//! How likely chance alone gives so many matches.
//!
//! - input: `matched` of `tried` positions fell on a reference star; one does by chance with
//!   probability `p`
//! - output: an upper bound of ln P(at least `matched`), by Chernoff: -n KL(m/n || p)
//! - differs from the exact binomial tail: never smaller, so that the odds are on the safe side

pub fn ln_chance(matched: usize, tried: usize, p: f64) -> f64 {
    let (m, n) = (matched as f64, tried as f64);
    if tried == 0 || m <= n * p || p >= 1.0 {
        return 0.0;
    }
    let (q, p) = ((m / n).min(1.0), p.max(1e-12));
    let mut kl = q * (q / p).ln();
    if q < 1.0 {
        kl += (1.0 - q) * ((1.0 - q) / (1.0 - p)).ln();
    }
    -n * kl
}

/// The same after `fitted` of the matches were used up to fix the map.
pub fn ln_chance_after_fit(matched: usize, tried: usize, p: f64, fitted: usize) -> f64 {
    ln_chance(matched.saturating_sub(fitted), tried.saturating_sub(fitted), p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_the_binomial_tail() {
        // P(X >= 3 | n = 10, p = 0.05) = 0.0115.
        let bound = ln_chance(3, 10, 0.05);
        assert!(bound >= 0.0115f64.ln() && bound < -2.0, "{bound}");
        assert_eq!(ln_chance(1, 100, 0.05), 0.0);
        assert!((ln_chance(4, 4, 0.01) - 4.0 * 0.01f64.ln()).abs() < 1e-9);
    }
}
