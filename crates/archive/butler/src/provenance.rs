//! Where a dataset comes from: the quantum that made it.

use crate::data_id::DataId;
use crate::dataset_id::DatasetId;
use serde::{Deserialize, Serialize};

/// One execution of a step on one data id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantum {
    pub id: DatasetId,
    /// The run that its outputs are in.
    pub run: String,
    /// The step's label in the pipeline.
    pub step: String,
    pub data_id: DataId,
    /// The configuration, as text; the same text is kept once.
    pub config: String,
    /// Program and version.
    pub software: String,
    pub host: String,
    /// Nanoseconds of TAI since 1970.
    pub started_ns: i64,
    pub wall_s: f64,
    pub cpu_s: f64,
    /// Of the process that it had for itself; 0 where it shared one, whose memory says nothing of it.
    pub peak_memory_bytes: i64,
    pub inputs: Vec<DatasetId>,
    pub outputs: Vec<DatasetId>,
}
