//! The text of a pipeline as it is written, before anything is looked up.

use crate::task::CommandSpec;
use serde::Deserialize;
use serde_yaml_ng::{Mapping, Value};
use std::collections::BTreeMap;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineText {
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub imports: Vec<Import>,
    /// Label to step; read one by one, so that an error can name the step.
    #[serde(default)]
    pub steps: Mapping,
    #[serde(default)]
    pub subsets: BTreeMap<String, SubsetText>,
}

/// Another pipeline, whole or parts of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    pub file: String,
    #[serde(default)]
    pub include: Vec<String>,
    #[serde(default)]
    pub exclude: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubsetText {
    #[serde(default)]
    pub description: String,
    pub steps: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StepText {
    pub task: Option<String>,
    pub command: Option<CommandSpec>,
    pub config: Value,
    /// Slot to dataset type.
    pub inputs: BTreeMap<String, String>,
    pub outputs: BTreeMap<String, String>,
    /// An expression that chooses the step's data, besides the graph's own.
    #[serde(rename = "where")]
    pub condition: String,
    pub timeout_s: Option<f64>,
    pub retries: Option<u32>,
    pub isolated: bool,
    pub peak_memory_mib: Option<u64>,
}
