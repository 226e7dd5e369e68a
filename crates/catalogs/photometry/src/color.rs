//! Colour terms: how the zero point depends on a star's colour, because passbands differ.
//!
//! m_ref + 2.5 log10(flux) = zp + slope (color - reference_color)
//! - fixed: known of the instrument; its error, times how far the stars' mean colour lies from the
//!   reference colour, is part of the zero point's
//! - fitted: with the zero point, where enough stars have colours that differ

use serde::{Deserialize, Serialize};

/// Slope of the zero point with colour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColorTerm {
    pub slope: f64,
    #[serde(default)]
    pub slope_err: f64,
    /// The colour at which the zero point holds.
    pub reference_color: f64,
}

/// What is done with the colours of the reference stars.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColorMode {
    /// Nothing.
    None,
    /// This term is taken as known.
    Fixed(ColorTerm),
    /// Fitted where `color_stars_min` stars have colours that differ.
    #[default]
    Fit,
}

/// What was done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColorUse {
    NotAsked,
    /// The reference has no colours.
    NoColors,
    /// Too few stars have a colour, or all have the same.
    TooFewColors,
    Fixed,
    Fitted,
}

impl ColorUse {
    /// The term is in the zero point.
    pub const fn used(self) -> bool {
        matches!(self, Self::Fixed | Self::Fitted)
    }
}

/// Least scatter of the colours with which a slope is worth fitting, magnitudes.
pub const COLOR_SPREAD_MIN_MAG: f64 = 0.1;
