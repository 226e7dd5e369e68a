//! Collections: named sets of datasets.

use crate::error::ButlerError;
use elqui_base::MjdTai;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How datasets come into a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CollectionKind {
    /// Datasets are born into exactly one run and leave it only by being removed.
    Run,
    /// A list of collections, searched in order.
    Chained,
    /// Any datasets, one of each type and data id.
    Tagged,
    /// Calibrations with the time for which they hold; for any moment one of each type and data id.
    Calibration,
}

impl CollectionKind {
    pub fn code(self) -> i64 {
        match self {
            Self::Run => 1,
            Self::Chained => 2,
            Self::Tagged => 3,
            Self::Calibration => 4,
        }
    }

    pub fn from_code(code: i64) -> Option<Self> {
        [Self::Run, Self::Chained, Self::Tagged, Self::Calibration]
            .into_iter()
            .find(|k| k.code() == code)
    }
}

impl fmt::Display for CollectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Run => "run",
            Self::Chained => "chained",
            Self::Tagged => "tagged",
            Self::Calibration => "calibration",
        })
    }
}

/// A collection as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    pub name: String,
    pub kind: CollectionKind,
    /// Of a chain, in the order of the search.
    #[serde(default)]
    pub children: Vec<String>,
    #[serde(default)]
    pub doc: String,
}

/// From `begin` up to, not including, `end`; nanoseconds of TAI since 1970-01-01T00:00:00 TAI.
/// The ends of `i64` stand for no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timespan {
    pub begin_ns: i64,
    pub end_ns: i64,
}

/// MJD of 1970-01-01.
const MJD_1970: f64 = 40_587.0;
const NS_PER_DAY: f64 = 86_400e9;

/// A moment as nanoseconds of TAI since 1970, to the whole microsecond: an MJD resolves no more.
pub fn mjd_to_ns(time: MjdTai) -> i64 {
    // Whole days apart from the rest, or microseconds are lost.
    let days = time.0.floor();
    let rest_us = ((time.0 - days) * NS_PER_DAY / 1000.0).round();
    ((days - MJD_1970) * NS_PER_DAY) as i64 + 1000 * rest_us as i64
}

/// The reverse of [`mjd_to_ns`].
pub fn ns_to_mjd(ns: i64) -> MjdTai {
    MjdTai(MJD_1970 + ns as f64 / NS_PER_DAY)
}

impl Timespan {
    pub const ALWAYS: Self = Self { begin_ns: i64::MIN, end_ns: i64::MAX };

    pub fn new(begin: MjdTai, end: MjdTai) -> Result<Self, ButlerError> {
        Self { begin_ns: mjd_to_ns(begin), end_ns: mjd_to_ns(end) }.checked()
    }

    /// One that is not empty.
    pub fn checked(self) -> Result<Self, ButlerError> {
        if self.begin_ns < self.end_ns {
            return Ok(self);
        }
        Err(ButlerError::EmptyTimespan { timespan: self.to_string() })
    }

    pub fn overlaps(self, other: Self) -> bool {
        self.begin_ns < other.end_ns && other.begin_ns < self.end_ns
    }

    pub fn contains(self, ns: i64) -> bool {
        self.begin_ns <= ns && ns < self.end_ns
    }

    /// What is left of it without `other`: none, one or two pieces.
    pub fn without(self, other: Self) -> Vec<Self> {
        if !self.overlaps(other) {
            return vec![self];
        }
        let before = Self { begin_ns: self.begin_ns, end_ns: other.begin_ns };
        let after = Self { begin_ns: other.end_ns, end_ns: self.end_ns };
        [before, after].into_iter().filter(|t| t.begin_ns < t.end_ns).collect()
    }
}

/// As MJD TAI: `[59000.5, 59001)`, `*` for no bound.
impl fmt::Display for Timespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |ns: i64| match ns {
            i64::MIN | i64::MAX => "*".to_string(),
            ns => ns_to_mjd(ns).0.to_string(),
        };
        write!(f, "[{}, {})", end(self.begin_ns), end(self.end_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_time() {
        let t = |a, b| Timespan { begin_ns: a, end_ns: b };
        assert_eq!(t(0, 10).without(t(3, 5)), [t(0, 3), t(5, 10)]);
        assert_eq!(t(0, 10).without(t(-5, 5)), [t(5, 10)]);
        assert_eq!(t(0, 10).without(Timespan::ALWAYS), []);
        assert_eq!(t(0, 10).without(t(10, 20)), [t(0, 10)]);
        assert!(!t(0, 10).overlaps(t(10, 20)) && t(0, 10).overlaps(t(9, 10)));
        assert!(t(5, 5).checked().is_err());
        assert_eq!(mjd_to_ns(MjdTai(40_588.5)), 129_600_000_000_000);
        assert_eq!(
            Timespan { end_ns: 129_600_000_000_000, ..Timespan::ALWAYS }.to_string(),
            "[*, 40588.5)"
        );
    }
}
