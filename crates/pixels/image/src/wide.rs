//! The widest vectors that the processor has, for plain loops, and functions that vectorise in them.
//!
//! A loop that is compiled for every x86-64 uses vectors of 16 bytes; most processors have 32. `widest`
//! runs a closure compiled for those where they are there. Nothing is fused or reordered by
//! that, so the bytes of the result are the same on every processor.
//! - sums run in lanes, since one running sum would wait for each addition
//! - `exp`, `ln_1p` and `asin`: straight-line arithmetic, where the library's calls stop the vectoriser
//!   (Cephes' method: Moshier 1989, "Methods and Programs for Mathematical Functions")

/// Run `work` compiled for the widest vectors of this processor. The closure itself and what it calls must
/// be `#[inline(always)]` to be compiled so too: `widest(#[inline(always)] || ...)`.
#[inline(always)]
pub fn widest<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// Length of a vector of ordinary size: the library's `hypot` minds overflow, at ten times the cost.
#[inline(always)]
pub fn length(x: f64, y: f64) -> f64 {
    (x * x + y * y).sqrt()
}

/// Sum in lanes: one running sum would wait for each addition.
#[inline(always)]
pub fn sum(values: &[f32]) -> f64 {
    let mut lanes = [0.0f64; 4];
    let chunks = values.chunks_exact(4);
    let rest: f64 = chunks.remainder().iter().map(|&v| f64::from(v)).sum();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(v);
        }
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest
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

/// As [`exp`] in f32: within 2e-7 of itself, more far from 0 as the argument's own rounding tells, for
/// -87 < x < 88 (beyond, the ends' values).
#[inline(always)]
pub fn exp_f32(x: f32) -> f32 {
    /// 1.5 x 2^23.
    const WHOLE: f32 = 12_582_912.0;
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + WHOLE;
    let whole = shifted - WHOLE;
    let r = (x - whole * 0.693_359_4) + whole * 2.121_944_4e-4;
    // The series to the 7th power: |r| < 0.347, the rest below 1e-8.
    let mut p = 1.0 / 5_040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
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

/// arcsin x within 3e-16 for -1 <= x <= 1; beyond, that of the end. NaN gives NaN.
///
/// Below 1/2 a rational function; above, `pi/2 - 2 arcsin sqrt((1 - x) / 2)`. Coefficients: FreeBSD's msun
/// (Sun Microsystems 1993), asin.
#[inline(always)]
pub fn asin(x: f64) -> f64 {
    let a = x.abs();
    let a = if a > 1.0 { 1.0 } else { a };
    let high = a > 0.5;
    let z = if high { 0.5 * (1.0 - a) } else { a * a };
    let s = if high { z.sqrt() } else { a };
    let mut p = 3.479_331_075_960_211_7e-5;
    p = p * z + 7.915_349_942_898_145e-4;
    p = p * z - 4.005_553_450_067_941e-2;
    p = p * z + 2.012_125_321_348_629_3e-1;
    p = p * z - 3.255_658_186_224_009_2e-1;
    p = p * z + 1.666_666_666_666_666_6e-1;
    let mut q = 7.703_815_055_590_194e-2;
    q = q * z - 6.882_839_716_054_533e-1;
    q = q * z + 2.020_945_760_233_505_7;
    q = q * z - 2.403_394_911_734_414_2;
    q = q * z + 1.0;
    let r = s + s * (p * z / q);
    let r = if high { std::f64::consts::FRAC_PI_2 - 2.0 * r } else { r };
    if x < 0.0 { -r } else { r }
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
        for k in -8600..8700 {
            let x = k as f32 * 0.01;
            let (got, want) = (f64::from(exp_f32(x)), f64::from(x).exp());
            assert!((got / want - 1.0).abs() < 3e-7, "{x}: {got} {want}");
        }
        for k in -1000..=1000 {
            let x = f64::from(k) * 1e-3;
            assert!((asin(x) - x.asin()).abs() < 4e-16, "{x}: {} {}", asin(x), x.asin());
        }
        assert!(asin(f64::NAN).is_nan() && asin(1.1) == std::f64::consts::FRAC_PI_2);
        assert_eq!((exp(0.0), ln_1p(0.0)), (1.0, 0.0));
        assert!(exp(f64::NAN).is_nan() && ln_1p(f64::NAN).is_nan());
        assert!(exp(-1e9) > 0.0 && exp(-1e9) < 1e-300 && exp(1e9) > 1e300);
    }

    #[test]
    fn wide_and_narrow_are_the_same_bits() {
        let x: Vec<f64> = (0..1003).map(|k| f64::from(k) * 0.037).collect();
        let all = |x: &[f64]| x.iter().map(|x| exp(-3.1 * ln_1p(*x))).collect::<Vec<_>>();
        assert_eq!(
            all(&x),
            widest(
                #[inline(always)]
                || x.iter().map(|x| exp(-3.1 * ln_1p(*x))).collect::<Vec<_>>()
            )
        );
    }
}
