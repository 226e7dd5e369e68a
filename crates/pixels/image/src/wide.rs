//! The widest vectors that the processor has, for plain loops, and functions that vectorise in them.
//!
//! A loop that is compiled for every x86-64 uses vectors of 16 bytes; most processors have 32. `widest`
//! runs a closure compiled for those where they are there. Nothing is fused or reordered by
//! that, so the bytes of the result are the same on every processor.
//! - `exp` and `ln_1p`: straight-line arithmetic, where the library's calls stop the vectoriser
//!   (Cephes' method: Moshier 1989, "Methods and Programs for Mathematical Functions")

/// Run `work` compiled for the widest vectors of this processor. What it calls must be
/// `#[inline(always)]` to be compiled so too.
#[inline(always)]
pub fn widest<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// 1.5 x 2^52: a number added to it has its whole part in the lowest bits.
const WHOLE: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts, the first exact in few bits.
const LN2_HIGH: f64 = 0.693_145_751_953_125;
const LN2_LOW: f64 = 1.428_606_820_309_417_2e-6;

/// e^x within 3e-15 of itself for -700 < x < 700 (beyond, the ends' values; NaN stays NaN).
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let x = if x > 700.0 { 700.0 } else { x };
    let x = if x < -700.0 { -700.0 } else { x };
    let shifted = x * std::f64::consts::LOG2_E + WHOLE;
    let whole = shifted - WHOLE;
    let r = (x - whole * LN2_HIGH) - whole * LN2_LOW;
    // The series to the 12th power: |r| < 0.347, the rest below 2e-16.
    let mut p = 1.0 / 479_001_600.0;
    p = p * r + 1.0 / 39_916_800.0;
    p = p * r + 1.0 / 3_628_800.0;
    p = p * r + 1.0 / 362_880.0;
    p = p * r + 1.0 / 40_320.0;
    p = p * r + 1.0 / 5_040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    let power = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52));
    p * power
}

/// ln(1 + x) within 3e-16 of 1 + |ln(1 + x)| for 0 <= x < 1e300; NaN stays NaN.
#[inline(always)]
pub fn ln_1p(x: f64) -> f64 {
    let y = 1.0 + x;
    // What the sum lost, put back in first order.
    let lost = (x - (y - 1.0)) / y;
    let bits = y.to_bits();
    // y = m 2^e with m between sqrt(1/2) and sqrt 2.
    let up = bits.wrapping_add(0x0009_5f61_9980_c434);
    let e = (up >> 52) as u32 as i32 - 1023;
    let m = f64::from_bits((up & 0x000f_ffff_ffff_ffff).wrapping_add(0x3fe6_a09e_667f_3bcc));
    let e = f64::from(e);
    // ln m = 2 artanh((m - 1) / (m + 1)); |t| < 0.1716, the rest below 1e-16.
    let t = (m - 1.0) / (m + 1.0);
    let t2 = t * t;
    let mut p = 1.0 / 19.0;
    p = p * t2 + 1.0 / 17.0;
    p = p * t2 + 1.0 / 15.0;
    p = p * t2 + 1.0 / 13.0;
    p = p * t2 + 1.0 / 11.0;
    p = p * t2 + 1.0 / 9.0;
    p = p * t2 + 1.0 / 7.0;
    p = p * t2 + 1.0 / 5.0;
    p = p * t2 + 1.0 / 3.0;
    let ln_m = 2.0 * t + 2.0 * t * t2 * p;
    e * LN2_HIGH + (ln_m + (e * LN2_LOW + lost))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_library_s() {
        for k in -140_000..140_000 {
            let x = f64::from(k) * 0.005 + 1e-4;
            if x.abs() < 700.0 {
                assert!((exp(x) / x.exp() - 1.0).abs() < 3e-15, "{x}: {} {}", exp(x), x.exp());
            }
            let u = (f64::from(k) * 2e-4).exp();
            let (got, want) = (ln_1p(u), u.ln_1p());
            assert!((got - want).abs() < 5e-16 * (1.0 + want), "{u}: {got} {want}");
        }
        assert_eq!((exp(0.0), ln_1p(0.0)), (1.0, 0.0));
        assert!(exp(f64::NAN).is_nan() && ln_1p(f64::NAN).is_nan());
        assert!(exp(-1e9) > 0.0 && exp(-1e9) < 1e-300 && exp(1e9) > 1e300);
    }

    #[test]
    fn wide_and_narrow_are_the_same_bits() {
        let x: Vec<f64> = (0..1003).map(|k| f64::from(k) * 0.037).collect();
        let all = |x: &[f64]| x.iter().map(|x| exp(-3.1 * ln_1p(*x))).collect::<Vec<_>>();
        assert_eq!(all(&x), widest(|| x.iter().map(|x| exp(-3.1 * ln_1p(*x))).collect::<Vec<_>>()));
    }
}
