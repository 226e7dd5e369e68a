//! The YAML file of a camera, as it is written. Unknown keys are errors.

use crate::spec::{Number, Spec};
use crate::time::TimeSpec;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// Alternatives; all tests of one have to hold.
    #[serde(default)]
    pub recognise: Vec<Vec<Test>>,
    /// The files hold images that were already reduced.
    #[serde(default)]
    pub corrected: bool,
    /// HDU of a corrected camera's image; the first image when absent.
    #[serde(default)]
    pub image_hdu: Option<usize>,
    /// Cards that cannot be read count as absent (else they are errors).
    #[serde(default)]
    pub lenient: bool,
    /// This observatory's checksum cards are not kept up to date: they are not verified.
    #[serde(default)]
    pub stale_checksums: bool,
    #[serde(default)]
    pub pixel_scale_arcsec: Option<Number>,
    #[serde(default)]
    pub pixel_parity: Parity,
    /// Which detector a file holds, by id or name; without it, a file holds all of them.
    #[serde(default)]
    pub detector: Option<Spec>,
    #[serde(default)]
    pub cards: Cards,
    /// Numbers of a corrected camera.
    #[serde(default)]
    pub facts: Facts,
    #[serde(default)]
    pub detectors: Vec<DetectorText>,
}

/// One test of a header.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    pub card: String,
    #[serde(default)]
    pub equals: Option<String>,
    #[serde(default)]
    pub starts_with: Option<String>,
    #[serde(default)]
    pub contains: Option<String>,
    #[serde(default)]
    pub one_of: Option<Vec<String>>,
    #[serde(default)]
    pub present: Option<bool>,
}

/// How the sky lies on the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Parity {
    /// As the sky is seen: north up, east left after some rotation (CD determinant below zero).
    Normal,
    /// Mirrored (CD determinant above zero).
    Mirrored,
    #[default]
    Unknown,
}

/// Which cards hold the facts of a visit.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Cards {
    pub visit: Option<Spec>,
    pub band: Option<Spec>,
    pub physical_filter: Option<Spec>,
    pub observation_type: Option<Spec>,
    pub exposure_s: Option<Spec>,
    pub time: Option<TimeSpec>,
    pub boresight_ra: Option<Spec>,
    pub boresight_dec: Option<Spec>,
    /// Where the telescope pointed, where `boresight_*` is each detector's own centre.
    pub tracking_ra: Option<Spec>,
    pub tracking_dec: Option<Spec>,
    pub airmass: Option<Spec>,
    pub object: Option<Spec>,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Facts {
    pub gain: Option<Spec>,
    pub read_noise_e: Option<Spec>,
    pub saturation_adu: Option<Spec>,
    pub soft_bias_adu: Option<Spec>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorText {
    pub id: u32,
    pub name: String,
    /// Assembled size; when absent, what the amplifiers cover.
    #[serde(default)]
    pub width: Option<usize>,
    #[serde(default)]
    pub height: Option<usize>,
    #[serde(default)]
    pub amplifiers: Vec<AmplifierText>,
    /// Crosstalk coefficients, a row for each amplifier that receives.
    #[serde(default)]
    pub crosstalk: Vec<Vec<f64>>,
}

/// Sections are `"[x1:x2,y1:y2]"` (1-based, both ends in), the name of a card that holds one, or
/// `full` (the whole image).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmplifierText {
    pub name: String,
    #[serde(default)]
    pub hdu: usize,
    pub data: String,
    #[serde(default)]
    pub serial_overscan: Option<String>,
    #[serde(default)]
    pub parallel_overscan: Option<String>,
    /// Place in the assembled detector; its lower left corner when absent.
    #[serde(default)]
    pub place: Option<String>,
    #[serde(default)]
    pub flip: Vec<Flip>,
    pub gain: Number,
    pub read_noise_e: Number,
    pub saturation_adu: Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flip {
    X,
    Y,
}

impl Description {
    /// Read a description; the error names the file and the key.
    pub fn parse(text: &str, file: &str) -> Result<Self, crate::InstrumentError> {
        let fail =
            |reason: String| crate::InstrumentError::Description { file: file.to_string(), reason };
        let found: Self = serde_yaml_ng::from_str(text).map_err(|e| fail(e.to_string()))?;
        found.check().map_err(fail)?;
        Ok(found)
    }

    fn check(&self) -> Result<(), String> {
        if !self.corrected && self.detectors.is_empty() {
            return Err("`detectors` is missing: a camera that is not `corrected` needs one".into());
        }
        for d in &self.detectors {
            if self.detectors.iter().filter(|o| o.id == d.id).count() > 1 {
                return Err(format!("detectors: id {} is given twice", d.id));
            }
            if !self.corrected && d.amplifiers.is_empty() {
                return Err(format!("detector `{}` has no `amplifiers`", d.name));
            }
            let n = d.amplifiers.len();
            let square = d.crosstalk.len() == n && d.crosstalk.iter().all(|row| row.len() == n);
            if !d.crosstalk.is_empty() && !square {
                return Err(format!(
                    "`crosstalk` of detector `{}` must be {n} rows of {n}",
                    d.name
                ));
            }
        }
        for test in self.recognise.iter().flatten() {
            let said = [
                test.equals.is_some(),
                test.starts_with.is_some(),
                test.contains.is_some(),
                test.one_of.is_some(),
                test.present.is_some(),
            ];
            if said.iter().filter(|s| **s).count() != 1 {
                return Err(format!(
                    "recognise: the test of `{}` needs one of equals, starts_with, contains, one_of, present",
                    test.card
                ));
            }
        }
        Ok(())
    }
}
