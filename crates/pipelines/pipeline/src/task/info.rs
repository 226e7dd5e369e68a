//! What a step reads and writes, as data: the graph and the pipeline's checks look at this only.

use serde::{Deserialize, Serialize};

/// How many datasets a slot takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Number {
    /// Exactly one; without it there is no quantum.
    One,
    /// One, or none.
    Maybe,
    /// All that belong to the quantum's data id, at least one.
    Many,
}

/// Where a slot's datasets are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Among those that the expression selects, and those that other steps make.
    #[default]
    Regular,
    /// In the calibration collections, by the time of the quantum's visit or exposure.
    Calibration,
    /// In the input collections, whatever the expression selects (a reference catalogue).
    Prerequisite,
}

/// One input or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotInfo {
    pub name: String,
    pub dataset_type: String,
    pub dimensions: Vec<String>,
    pub storage_class: String,
    /// What its files end in, such as `.fits`.
    #[serde(default)]
    pub extension: String,
    pub number: Number,
    pub role: Role,
}

/// A task: what it is for, the dimensions of its quanta, and its slots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskInfo {
    pub name: String,
    pub doc: String,
    pub dimensions: Vec<String>,
    pub inputs: Vec<SlotInfo>,
    pub outputs: Vec<SlotInfo>,
}
