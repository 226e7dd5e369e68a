//! What the frames of a run came to: how many are good, and what is wrong with the others.

use crate::error::CliError;
use crate::outputs::say;
use elqui_pipeline::{QuantumGraph, Repository};
use elqui_production::{FrameSummary, Verdict};
use elqui_registry::DatasetQuery;

/// The type that `calibrate_image` makes of each frame.
const SUMMARY: &str = "visit_image_summary";
/// Frames that are told one by one.
const TOLD_MAX: usize = 20;
/// More are not read for a few lines.
const READ_MAX: usize = 5000;

/// A line for all frames of the run, and one for each that is not good.
pub fn say_of(r: &mut Repository, graph: &QuantumGraph) -> Result<(), CliError> {
    if !graph.header.types.iter().any(|t| t.of.name == SUMMARY && t.maker.is_some()) {
        return Ok(());
    }
    let query = DatasetQuery::new(SUMMARY, &[&graph.header.run], "");
    let found = r.registry().datasets(&query).map_err(CliError::work)?;
    if found.is_empty() || found.len() > READ_MAX {
        return Ok(());
    }
    let (mut good, mut suspect, mut bad, mut uncalibrated) = (0, 0, 0, 0);
    let mut lines = Vec::new();
    for one in &found {
        let bytes = r.get(one.id).map_err(CliError::work)?;
        let summary: FrameSummary = serde_json::from_slice(&bytes).map_err(CliError::work)?;
        uncalibrated += usize::from(summary.zero_point_mag.is_none());
        match summary.quality.verdict {
            Verdict::Good => good += 1,
            Verdict::Suspect => suspect += 1,
            Verdict::Bad => bad += 1,
        }
        let reasons = summary.quality.reasons.iter().map(|r| r.text.as_str());
        let all: Vec<&str> = reasons.chain(summary.warnings.iter().map(String::as_str)).collect();
        if !all.is_empty() {
            lines.push(format!("{}: {}", one.name.data_id, all.join("; ")));
        }
    }
    for line in lines.iter().take(TOLD_MAX) {
        say(line)?;
    }
    if lines.len() > TOLD_MAX {
        say(&format!("and {} more like these", lines.len() - TOLD_MAX))?;
    }
    let zero = match uncalibrated {
        0 => String::new(),
        n => format!("; {n} without a zero point"),
    };
    say(&format!("{} frames: {good} good, {suspect} suspect, {bad} bad{zero}", found.len()))
}
