//! What is said beside the pixels: the catalogue with its facts, summaries, missing calibrations.

use crate::summary::FrameSummary;
use elqui_isr::CalibSet;
use elqui_schema::{SourceTable, Table};
use serde::Serialize;

/// The frame's catalogue with what a reader must know of the frame.
pub fn source_table(sources: &SourceTable, summary: &FrameSummary) -> Table {
    let mut table = sources.to_table();
    let mut add = |key: &str, value: String| table.metadata.push((key.into(), value));
    add("instrument", summary.instrument.clone());
    add("band", summary.band.clone());
    if let Some(zero) = summary.zero_point_mag {
        add("zeroPointMag", format!("{zero:.6}"));
    }
    if summary.flux_unit != "nJy" {
        add("note", "fluxes are in adu: there was no reference catalogue to calibrate them".into());
    }
    table
}

/// A small document as people read it.
pub fn json_bytes(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text.into_bytes())
}

/// A warning for each master frame that is not there. Where there is none at all, the signature's
/// removal says so itself.
pub fn missing_masters(calib: &CalibSet) -> Vec<String> {
    let all = [("bias", &calib.bias), ("dark", &calib.dark), ("flat", &calib.flat)];
    if all.iter().all(|(_, image)| image.is_none()) {
        return Vec::new();
    }
    let missing = all.iter().filter(|(_, image)| image.is_none());
    missing
        .map(|(name, _)| format!("there is no master {name}: that correction is left out"))
        .collect()
}
