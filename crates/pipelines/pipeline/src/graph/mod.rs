//! The quantum graph: which step runs on which data id, reading and making which datasets.
//!
//! Data ids and datasets are rows of tables of numbers, a table for each step and dataset type; edges
//! are row numbers. A million quanta take some 100 MB, and a graph is the same whatever
//! made it. A quantum's number is its row, counted through the steps in order.

mod build;
mod candidates;
mod definitions;
mod keep;
mod picture;
mod save;
mod show;
mod sources;
mod table;

pub use build::GraphRequest;
pub(crate) use show::{STYLE, escape};

use crate::task::{Role, TaskInfo};
use elqui_butler::{DataId, Dataset, DatasetId, DatasetRef, DatasetType, Value};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap, HashSet};
use table::RowTable;
pub(crate) use table::{Edges, NONE, Row, pair};

/// Stands for a value that is not known (an implied dimension without a record).
const NULL: i64 = i64::MIN;

/// What a graph is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphHeader {
    pub pipeline: String,
    /// Where outputs are born.
    pub run: String,
    /// The chain that is to show the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// Where inputs are looked for.
    pub inputs: Vec<String>,
    /// The expressions that chose the data ids; more than one after an extension.
    pub conditions: Vec<String>,
    pub tasks: Vec<TaskHead>,
    pub types: Vec<TypeHead>,
    /// Dimensions whose values are texts.
    pub text_dimensions: BTreeSet<String>,
}

/// A step of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskHead {
    pub label: String,
    pub info: TaskInfo,
    /// The configuration that the graph was made with; a run with another one is refused.
    pub config: String,
    /// The step's own expression; empty for all.
    #[serde(default)]
    pub condition: String,
    /// Of its data ids: required, then implied ones.
    pub columns: Vec<String>,
    pub required: usize,
}

/// A dataset type of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeHead {
    pub of: DatasetType,
    /// The task that makes it.
    pub maker: Option<usize>,
}

#[derive(Debug, Clone, Default)]
struct TaskNodes {
    ids: RowTable,
    /// By input slot.
    inputs: Vec<Edges>,
    /// By output slot, then quantum.
    outputs: Vec<Vec<Row>>,
}

#[derive(Debug, Clone, Default)]
struct TypeNodes {
    ids: RowTable,
    /// The quantum (its row) that makes the dataset, or `NONE`.
    makers: Vec<Row>,
    /// Place in `found` of one that exists, or `NONE`.
    found: Vec<Row>,
}

/// A dataset that the registry had when the graph was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    id: [u8; 16],
    run: i64,
}

/// Numbered texts.
#[derive(Debug, Clone, Default)]
struct Texts {
    all: Vec<String>,
    index: HashMap<String, i64>,
}

impl Texts {
    fn intern(&mut self, text: &str) -> i64 {
        if let Some(n) = self.index.get(text) {
            return *n;
        }
        let n = self.all.len() as i64;
        self.all.push(text.to_string());
        self.index.insert(text.to_string(), n);
        n
    }
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct QuantumGraph {
    pub header: GraphHeader,
    texts: Texts,
    tasks: Vec<TaskNodes>,
    types: Vec<TypeNodes>,
    found: Vec<Found>,
}

/// One quantum: its step, and its row there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    pub task: usize,
    pub row: u32,
}

impl QuantumGraph {
    pub fn len(&self) -> usize {
        self.tasks.iter().map(|t| t.ids.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all of its quanta are another's, of the same run, steps and configurations.
    pub fn is_part_of(&self, other: &Self) -> bool {
        let names = |graph: &Self| {
            let all = 0..graph.len() as u32;
            let all = all.filter_map(|number| graph.node(number));
            all.map(|node| (node.task, graph.data_id(node).to_string())).collect::<HashSet<_>>()
        };
        let (a, b) = (&self.header, &other.header);
        a.run == b.run && a.tasks == b.tasks && names(self).is_subset(&names(other))
    }

    /// For each calibration that a step may read: step, dataset type, and how many of its quanta have one.
    pub fn calibrations(&self) -> Vec<(&str, &str, usize, usize)> {
        let mut all = Vec::new();
        for (task, head) in self.header.tasks.iter().enumerate() {
            for (slot, info) in head.info.inputs.iter().enumerate() {
                if info.role == Role::Calibration {
                    let edges = &self.tasks[task].inputs[slot];
                    let count = self.count(task);
                    let with = (0..count).filter(|row| !edges.of(*row).is_empty()).count();
                    all.push((head.label.as_str(), info.dataset_type.as_str(), with, count));
                }
            }
        }
        all
    }

    /// How many quanta a step has.
    pub fn count(&self, task: usize) -> usize {
        self.tasks[task].ids.len()
    }

    /// The quantum of a number, if there is one.
    pub fn node(&self, number: u32) -> Option<Node> {
        let mut row = number;
        for (task, nodes) in self.tasks.iter().enumerate() {
            if (row as usize) < nodes.ids.len() {
                return Some(Node { task, row });
            }
            row -= nodes.ids.len() as u32;
        }
        None
    }

    /// The number of a quantum.
    pub fn number(&self, node: Node) -> u32 {
        self.tasks[..node.task].iter().map(|t| t.ids.len() as u32).sum::<u32>() + node.row
    }

    /// A quantum's data id, with what it implies.
    pub fn data_id(&self, node: Node) -> DataId {
        let row = self.tasks[node.task].ids.row(node.row);
        self.data_id_of(&self.header.tasks[node.task].columns, row)
    }

    fn data_id_of(&self, columns: &[String], row: &[i64]) -> DataId {
        let mut id = DataId::new();
        for (dimension, v) in columns.iter().zip(row).filter(|(_, v)| **v != NULL) {
            if self.header.text_dimensions.contains(dimension) {
                let text = self.texts.all.get(*v as usize).cloned().unwrap_or_default();
                id.insert(dimension, Value::Text(text));
            } else {
                id.insert(dimension, Value::Int(*v));
            }
        }
        id
    }

    /// The type of a task's slot.
    fn type_of(&self, name: &str) -> usize {
        self.header.types.iter().position(|t| t.of.name == name).unwrap_or(0)
    }

    /// A dataset by type and row. One that is to be made has its id already: the same in every rerun.
    pub(crate) fn dataset(&self, kind: usize, row: Row) -> Dataset {
        let of = &self.header.types[kind].of;
        let nodes = &self.types[kind];
        let data_id = self.data_id_of(&of.dimensions, nodes.ids.row(row));
        let name = DatasetRef { dataset_type: of.name.clone(), data_id };
        match self.found.get(nodes.found[row as usize] as usize) {
            Some(found) => Dataset {
                id: DatasetId::from_bytes(found.id),
                run: self.texts.all.get(found.run as usize).cloned().unwrap_or_default(),
                name,
            },
            None => Dataset {
                id: DatasetId::deterministic(&self.header.run, &name),
                run: self.header.run.clone(),
                name,
            },
        }
    }

    /// Types and rows that a quantum reads, slot after slot.
    pub(crate) fn inputs(&self, node: Node) -> Vec<(usize, &[Row])> {
        let slots = &self.header.tasks[node.task].info.inputs;
        let all = slots.iter().zip(&self.tasks[node.task].inputs);
        all.map(|(s, e)| (self.type_of(&s.dataset_type), e.of(node.row as usize))).collect()
    }

    /// Types and rows that a quantum makes, slot after slot.
    pub(crate) fn outputs(&self, node: Node) -> Vec<(usize, Row)> {
        let slots = self.header.tasks[node.task].info.outputs.iter();
        let rows = self.tasks[node.task].outputs.iter();
        let kinds = slots.map(|s| self.type_of(&s.dataset_type));
        kinds.zip(rows).map(|(kind, rows)| (kind, rows[node.row as usize])).collect()
    }

    /// The quantum that makes a dataset, if one of this graph does.
    pub(crate) fn maker(&self, kind: usize, row: Row) -> Option<Node> {
        let task = self.header.types[kind].maker?;
        let row = self.types[kind].makers[row as usize];
        (row != NONE).then_some(Node { task, row })
    }

    /// The task that makes a dataset type.
    pub(crate) fn maker_task(&self, dataset_type: &str) -> Option<usize> {
        self.header.types[self.type_of(dataset_type)].maker
    }

    /// A quantum's data id as numbers.
    pub(crate) fn key(&self, node: Node) -> &[i64] {
        self.tasks[node.task].ids.row(node.row)
    }

    /// How many datasets of a type there are.
    pub(crate) fn rows(&self, kind: usize) -> usize {
        self.types[kind].ids.len()
    }

    /// The row of a dataset by its data id, if the graph knows it.
    pub(crate) fn row_of(&self, kind: usize, id: &DataId) -> Option<Row> {
        let mut row = Vec::new();
        for dimension in &self.header.types[kind].of.dimensions {
            row.push(match id.get(dimension)? {
                Value::Int(v) => *v,
                Value::Text(t) => *self.texts.index.get(t)?,
            });
        }
        self.types[kind].ids.find(&row)
    }

    /// Datasets that the quantum reads, and those that it makes.
    pub fn datasets(&self, node: Node) -> (Vec<Dataset>, Vec<Dataset>) {
        let inputs = self.inputs(node).into_iter();
        let inputs = inputs.flat_map(|(k, rows)| rows.iter().map(move |r| self.dataset(k, *r)));
        let outputs = self.outputs(node).into_iter().map(|(k, r)| self.dataset(k, r));
        (inputs.collect(), outputs.collect())
    }
}
