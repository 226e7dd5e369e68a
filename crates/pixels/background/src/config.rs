//! What may be chosen, and what can go wrong.

use serde::{Deserialize, Serialize};

/// The smooth function that carries the sky between the cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "ModelName", into = "ModelName")]
pub enum SkyModel {
    /// A bicubic spline through the cells: follows whatever is wider than two cells.
    #[default]
    Spline,
    /// One sum of Chebyshev polynomials of this total degree over the image.
    Chebyshev { degree: usize },
}

/// `spline`, or `chebyshev: {degree: 4}`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ModelName {
    Spline(SplineName),
    Chebyshev(ChebyshevName),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SplineName {
    Spline,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChebyshevName {
    chebyshev: Degree,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Degree {
    degree: usize,
}

impl From<ModelName> for SkyModel {
    fn from(name: ModelName) -> Self {
        match name {
            ModelName::Spline(_) => Self::Spline,
            ModelName::Chebyshev(c) => Self::Chebyshev { degree: c.chebyshev.degree },
        }
    }
}

impl From<SkyModel> for ModelName {
    fn from(model: SkyModel) -> Self {
        match model {
            SkyModel::Spline => Self::Spline(SplineName::Spline),
            SkyModel::Chebyshev { degree } => {
                Self::Chebyshev(ChebyshevName { chebyshev: Degree { degree } })
            }
        }
    }
}

/// Choices of [`estimate`](crate::estimate).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackgroundConfig {
    pub model: SkyModel,
    /// Wanted side of a mesh cell, pixels; adapted so that cells are nearly equal.
    pub cell_pixels: usize,
    /// Largest side of the blocks that the pixels are gathered in first (small cells have smaller
    /// ones).
    pub block_pixels: usize,
    /// Blocks farther from a cell's median than this many sigma are clipped.
    pub clip_sigma: f64,
    /// Blocks, alone and together with neighbours, that are this many sigma high are an object's.
    pub object_sigma: f64,
    /// Objects are grown by this part of their own radius.
    pub object_growth: f64,
    /// A cell that lies this many sigma off its neighbours is replaced from them; 0 leaves all.
    pub outlier_sigma: f64,
    /// A cell with a smaller part of its pixels usable is filled from its neighbours.
    pub min_usable_fraction: f64,
}

impl Default for BackgroundConfig {
    fn default() -> Self {
        Self {
            model: SkyModel::Spline,
            cell_pixels: 128,
            block_pixels: 4,
            clip_sigma: 3.0,
            object_sigma: 3.0,
            object_growth: 1.0,
            outlier_sigma: 6.0,
            min_usable_fraction: 0.1,
        }
    }
}

impl BackgroundConfig {
    /// Side of a block, pixels: a cell needs some thousand blocks for its histogram.
    pub(crate) fn block_side(&self) -> usize {
        (self.cell_pixels / 32).clamp(1, self.block_pixels.max(1))
    }

    pub(crate) fn check(&self) -> Result<(), BackgroundError> {
        let degree = match self.model {
            SkyModel::Chebyshev { degree } => degree as f64,
            SkyModel::Spline => 0.0,
        };
        let within = |low: f64, high: f64, v: f64| (low..=high).contains(&v);
        for (name, value, ok) in [
            ("cell_pixels", self.cell_pixels as f64, self.cell_pixels > 0),
            ("block_pixels", self.block_pixels as f64, self.block_pixels > 0),
            ("clip_sigma", self.clip_sigma, within(1.0, 1e6, self.clip_sigma)),
            ("object_sigma", self.object_sigma, within(0.5, 1e6, self.object_sigma)),
            ("object_growth", self.object_growth, within(0.0, 10.0, self.object_growth)),
            ("outlier_sigma", self.outlier_sigma, within(0.0, 1e6, self.outlier_sigma)),
            (
                "min_usable_fraction",
                self.min_usable_fraction,
                within(0.0, 1.0, self.min_usable_fraction),
            ),
            ("degree", degree, degree <= 20.0),
        ] {
            if !ok {
                return Err(BackgroundError::Config { name, value });
            }
        }
        Ok(())
    }
}

/// Why no background could be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BackgroundError {
    #[error("cannot estimate the background of an image without pixels ({width} x {height})")]
    Empty { width: usize, height: usize },
    #[error(
        "cannot estimate the background: the mask is {mask:?} pixels where the image is {image:?}"
    )]
    Shape { mask: (usize, usize), image: (usize, usize) },
    #[error("cannot estimate the background: every pixel is masked or not a finite number")]
    NothingUsable,
    #[error("cannot estimate the background: `{name}` may not be {value}")]
    Config { name: &'static str, value: f64 },
}
