//! The type of a text column, from its values.

use super::builder::{is_missing, truth};
use arrow::datatypes::DataType;

/// What a column's values so far allow: from narrow to wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    /// No value yet.
    #[default]
    Unknown,
    Bool,
    Whole,
    Real,
    Text,
}

impl Kind {
    /// The kind of one value.
    fn of(text: &str) -> Self {
        let trimmed = text.trim();
        if is_missing(trimmed) {
            // Spaces or "null" in a column of texts are nothing to go by either.
            return Self::Unknown;
        }
        let first = trimmed.as_bytes()[0];
        if first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.') {
            if trimmed.parse::<i64>().is_ok() {
                return Self::Whole;
            }
            // A whole number too great for 64 bits is an id: as a float it would lose digits.
            let digits = trimmed.trim_start_matches(['+', '-']).bytes().all(|b| b.is_ascii_digit());
            return match trimmed.parse::<f64>() {
                Ok(_) if !digits => Self::Real,
                _ => Self::Text,
            };
        }
        if truth(trimmed).is_some() {
            return Self::Bool;
        }
        match trimmed.parse::<f64>() {
            Ok(_) => Self::Real, // inf
            Err(_) => Self::Text,
        }
    }

    pub(super) fn widen(&mut self, text: &str) {
        if *self != Self::Text {
            *self = self.with(Self::of(text));
        }
    }

    /// The narrowest kind that holds both.
    pub(super) fn with(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Unknown, k) | (k, Self::Unknown) => k,
            (Self::Whole, Self::Real) | (Self::Real, Self::Whole) => Self::Real,
            _ => Self::Text,
        }
    }

    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Unknown => DataType::Null,
            Self::Bool => DataType::Boolean,
            Self::Whole => DataType::Int64,
            Self::Real => DataType::Float64,
            Self::Text => DataType::Utf8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_type_that_holds_all() {
        let kind = |values: &[&str]| {
            let mut k = Kind::default();
            values.iter().for_each(|v| k.widen(v));
            k
        };
        assert_eq!(kind(&["1", "", "-7"]), Kind::Whole);
        assert_eq!(kind(&["1", "2.5", "nan", "1e-3", "inf"]), Kind::Real);
        assert_eq!(kind(&["true", "F", ""]), Kind::Bool);
        assert_eq!(kind(&["1", "true"]), Kind::Text);
        assert_eq!(kind(&["", "null", "--"]), Kind::Unknown);
        assert_eq!(kind(&["99999999999999999999"]), Kind::Text);
        assert_eq!(kind(&["05:13:02.1"]), Kind::Text);
    }
}
