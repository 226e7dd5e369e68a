//! Random streams: one for each purpose, frame and row, all from one seed.
//!
//! A stream's key (seed, purpose, frame, row) is the key of a ChaCha8 generator, whose first block
//! seeds xoshiro256++ (Blackman & Vigna 2021, doi:10.1145/3460772). So streams are independent and
//! any row can be made by any thread, while a pixel costs a few operations.

use rand::{Rng, SeedableRng, TryRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::convert::Infallible;

/// What a stream is for; part of its key.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    Stars = 1,
    Galaxies,
    Variables,
    Transients,
    Visit,
    Reference,
    PixelPattern,
    AmpPattern,
    Photons,
    ReadNoise,
    Drift,
    Cosmic,
    FlatError,
    Trouble,
}

/// Means below this are drawn exactly, above it by the normal law with its skewness.
const EXACT_BELOW: f64 = 24.0;

pub struct Stream {
    state: [u64; 4],
}

impl Stream {
    pub fn new(seed: u64, purpose: Purpose, frame: u64, row: u64) -> Self {
        let mut key = [0u8; 32];
        for (chunk, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, frame, row]) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        let mut source = ChaCha8Rng::from_seed(key);
        let mut state = [0u64; 4];
        state.fill_with(|| source.next_u64());
        state[0] |= 1; // never all zero
        Self { state }
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.state;
        let out = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        out
    }

    /// In [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(self)
    }

    /// A Poisson number of this mean.
    ///
    /// Small means by counting (Knuth); large ones by a normal number with the first term of the
    /// Cornish-Fisher expansion, which gives mean, variance and skewness.
    pub fn poisson(&mut self, mean: f64) -> f64 {
        if !(mean > 0.0) {
            return 0.0;
        }
        if mean >= EXACT_BELOW {
            let z = self.normal();
            return (mean + mean.sqrt() * z + (z * z - 1.0) / 6.0).round().max(0.0);
        }
        let limit = (-mean).exp();
        let (mut count, mut product) = (0u32, self.uniform());
        while product > limit {
            product *= self.uniform();
            count += 1;
        }
        f64::from(count)
    }

    /// A point in a circle of this radius.
    pub fn in_circle(&mut self, radius: f64) -> (f64, f64) {
        let (r, t) = (radius * self.uniform().sqrt(), self.range(0.0, std::f64::consts::TAU));
        (r * t.cos(), r * t.sin())
    }
}

impl TryRng for Stream {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.next() >> 32) as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next())
    }
    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        for chunk in dst.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_has_its_mean_variance_and_skewness() {
        for mean in [0.3, 5.0, 23.0, 25.0, 400.0] {
            let mut stream = Stream::new(1, Purpose::Photons, 2, 3);
            let n = 200_000;
            let v: Vec<f64> = (0..n).map(|_| stream.poisson(mean)).collect();
            let m = v.iter().sum::<f64>() / f64::from(n);
            let moment = |p: i32| v.iter().map(|x| (x - m).powi(p)).sum::<f64>() / f64::from(n);
            let (variance, skew) = (moment(2), moment(3) / moment(2).powf(1.5));
            assert!((m - mean).abs() < 5.0 * (mean / f64::from(n)).sqrt(), "{mean}: mean {m}");
            // rounding adds 1/12 where the normal law is used
            assert!((variance / mean - 1.0).abs() < 0.02, "{mean}: variance {variance}");
            assert!((skew - mean.powf(-0.5)).abs() < 0.05, "{mean}: skewness {skew}");
        }
    }

    #[test]
    fn keys_make_different_streams() {
        let first = |p, f, r| Stream::new(7, p, f, r).uniform();
        let a = first(Purpose::Photons, 1, 2);
        assert_eq!(a, first(Purpose::Photons, 1, 2));
        assert_ne!(a, first(Purpose::Photons, 2, 1));
        assert_ne!(a, first(Purpose::ReadNoise, 1, 2));
    }
}
