//! Mask planes, named as Rubin names them.

use crate::image::Image;
use serde::{Deserialize, Serialize};

/// A mask image: one bit a plane.
pub type Mask = Image<u32>;

macro_rules! planes {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $text:literal;)*) => {
        /// One plane of a mask.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum MaskPlane { $($(#[$doc])* $name = $bit),* }
        impl MaskPlane {
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
            /// The name in `MP_*` header cards.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

planes! {
    /// Defect of the detector.
    Bad = 0, "BAD";
    /// Saturated.
    Sat = 1, "SAT";
    /// Its value was interpolated.
    Intrp = 2, "INTRP";
    /// Cosmic ray.
    Cr = 3, "CR";
    /// Too near the edge for the detection's kernel.
    Edge = 4, "EDGE";
    /// Part of a detected footprint.
    Detected = 5, "DETECTED";
    DetectedNegative = 6, "DETECTED_NEGATIVE";
    /// In a range where the response is doubtful.
    Suspect = 7, "SUSPECT";
    /// No data here (not read out, NaN in the input, weight zero).
    NoData = 8, "NO_DATA";
    Crosstalk = 9, "CROSSTALK";
    /// Satellite trail.
    Streak = 10, "STREAK";
}

impl MaskPlane {
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
    pub const fn from_name(name: &str) -> Option<Self> {
        let mut k = 0;
        while k < Self::ALL.len() {
            if str_eq(Self::ALL[k].name(), name) {
                return Some(Self::ALL[k]);
            }
            k += 1;
        }
        None
    }
    /// Planes whose pixels no measurement may trust: BAD, SAT, CR, NO_DATA.
    pub const fn unusable() -> u32 {
        Self::Bad.bit() | Self::Sat.bit() | Self::Cr.bit() | Self::NoData.bit()
    }
}

const fn str_eq(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut k = 0;
    while k < a.len() {
        if a[k] != b[k] {
            return false;
        }
        k += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits() {
        for &p in MaskPlane::ALL {
            assert_eq!(MaskPlane::from_name(p.name()), Some(p));
        }
        assert_eq!(MaskPlane::from_name("NOPE"), None);
        assert_eq!(MaskPlane::NoData.bit(), 256);
    }
}
