//! The manifest of an export: `manifest.jsonl`, one JSON object a line, what others refer to first.
//!
//! The last line counts the others, so an export that was cut off is known by its missing end.

use super::error::{RepositoryError, Result};
use elqui_butler::{
    Artifact, Collection, Dataset, DatasetId, DatasetType, DimensionRecord, Quantum, Timespan,
};
use elqui_codec::CodecError;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

pub const FILE: &str = "manifest.jsonl";
/// Version 1 had no collections and no tags; it is read as well.
pub const VERSION: u32 = 2;
/// The folder of the artifacts, beside the manifest.
pub const FILES: &str = "files";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    Export {
        version: u32,
    },
    DatasetType(DatasetType),
    Record(DimensionRecord),
    Quantum(Quantum),
    Dataset(ExportedDataset),
    Validity {
        collection: String,
        dataset: DatasetId,
        validity: Timespan,
    },
    /// A run, tagged or calibration collection that holds some of them, or a chain of such.
    Collection(Collection),
    Tag {
        collection: String,
        dataset: DatasetId,
    },
    /// The last line: how many there are before it.
    End {
        lines: usize,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportedDataset {
    pub dataset: Dataset,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantum: Option<DatasetId>,
    /// Its path is relative to the export's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
}

/// All lines of an export but the first and the last.
pub fn read(folder: &Path) -> Result<Vec<Line>> {
    let file = folder.join(FILE);
    let bad = |why: String| RepositoryError::Import { file: file.clone(), why };
    let reader = BufReader::new(File::open(&file).map_err(|e| CodecError::read(&file, e))?);
    let mut lines = Vec::new();
    let mut ended = false;
    for (k, text) in reader.lines().enumerate() {
        let text = text.map_err(|e| bad(format!("line {}: {e}", k + 1)))?;
        let line: Line =
            serde_json::from_str(&text).map_err(|e| bad(format!("line {}: {e}", k + 1)))?;
        match line {
            Line::Export { version } if k == 0 && (1..=VERSION).contains(&version) => {}
            Line::Export { version } if k == 0 => {
                let why = format!("its version is {version}, this program knows {VERSION}");
                return Err(bad(why));
            }
            _ if k == 0 => return Err(bad("it does not begin as an export".into())),
            Line::End { lines: n } if n == k => ended = true,
            Line::End { .. } => return Err(bad(format!("line {}: lines are missing", k + 1))),
            _ if ended => return Err(bad(format!("line {} is behind the end", k + 1))),
            line => lines.push(line),
        }
    }
    if !ended {
        return Err(bad("its end is missing: export again".into()));
    }
    Ok(lines)
}
