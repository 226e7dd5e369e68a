//! Typed identifiers, and how a source's id is packed.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
        #[serde(transparent)]
        pub struct $name(pub $inner);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id_type!(
    /// A visit: one pointing, exposed once (or as snaps that are kept together).
    VisitId(u64)
);
id_type!(
    /// A detector of a camera.
    DetectorId(u32)
);
id_type!(
    /// One measurement of one source on one visit's detector.
    SourceId(i64)
);
id_type!(
    /// An astrophysical object tied together over visits.
    ObjectId(i64)
);

impl SourceId {
    /// Bits for the running number within one detector.
    const COUNTER_BITS: u32 = 20;
    /// Bits for the detector.
    const DETECTOR_BITS: u32 = 8;

    /// Pack visit, detector and running number (from 1) so that ids are unique over a survey
    /// and the same for every rerun. The visit keeps its low 35 bits; the sign bit stays clear.
    pub fn pack(visit: VisitId, detector: DetectorId, counter: u32) -> Self {
        let visit_bits = visit.0 & ((1 << 35) - 1);
        let detector_bits = u64::from(detector.0) & ((1 << Self::DETECTOR_BITS) - 1);
        let counter_bits = u64::from(counter) & ((1 << Self::COUNTER_BITS) - 1);
        Self(
            ((visit_bits << (Self::DETECTOR_BITS + Self::COUNTER_BITS))
                | (detector_bits << Self::COUNTER_BITS)
                | counter_bits) as i64,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_ids_are_positive_and_distinct() {
        let a = SourceId::pack(VisitId(2_026_112_300_001), DetectorId(188), 1);
        let b = SourceId::pack(VisitId(2_026_112_300_001), DetectorId(188), 2);
        let c = SourceId::pack(VisitId(2_026_112_300_001), DetectorId(189), 1);
        assert!(a.0 > 0 && a != b && a != c && b != c);
    }
}
