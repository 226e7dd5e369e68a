//! Cutting a graph into groups of steps and parts of data ids.
//!
//! A chain of steps of the same dimensions, joined by `One` slots, is one group: one job takes a data
//! id through all of them, without queueing in between. A part is some data ids of a group. Parts
//! of a group never wait for each other; groups wait for groups.

use crate::error::PipelineError;
use crate::graph::{Node, QuantumGraph};
use crate::task::Number;
use crate::yaml::Pipeline;
use std::collections::{BTreeMap, BTreeSet};

/// Steps that are run together, and their quanta in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Numbers of the graph's steps.
    pub tasks: Vec<usize>,
    /// Labels of the steps, joined by `+`.
    pub name: String,
    /// Numbers of quanta, rising, a list a part.
    pub parts: Vec<Vec<u32>>,
    /// Groups that must have ended before.
    pub after: Vec<usize>,
    /// Of the step that takes most.
    pub peak_memory_bytes: u64,
}

/// A graph cut into jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub run: String,
    pub groups: Vec<Group>,
}

impl Plan {
    /// - `data_ids`: how many a part has at most
    pub fn new(
        graph: &QuantumGraph,
        pipeline: &Pipeline,
        data_ids: usize,
    ) -> Result<Self, PipelineError> {
        Self::of(graph, pipeline, &[], &mut |_, _| data_ids)
    }

    /// - `done`: by number, quanta that are in no part; empty for none
    /// - `data_ids`: how many a part of a group has at most, asked with the labels of its steps and how many
    ///   data ids it has in all
    pub fn of(
        graph: &QuantumGraph,
        pipeline: &Pipeline,
        done: &[bool],
        data_ids: &mut dyn FnMut(&[&str], usize) -> usize,
    ) -> Result<Self, PipelineError> {
        let mut groups: Vec<Group> = Vec::new();
        let mut group_of: Vec<usize> = Vec::new();
        for (task, head) in graph.header.tasks.iter().enumerate() {
            let step = pipeline.step(&head.label).ok_or_else(|| PipelineError::Cluster {
                why: format!("the pipeline has no step `{}`, which the graph has", head.label),
            })?;
            // Makers of what it reads, and whether they may run in the same job.
            let mut after = BTreeSet::new();
            let mut last: Option<(usize, bool)> = None;
            for slot in &head.info.inputs {
                let Some(maker) = graph.maker_task(&slot.dataset_type) else { continue };
                let other = &graph.header.tasks[maker];
                let same = other.columns[..other.required] == head.columns[..head.required];
                let near = same && slot.number != Number::Many;
                let group = group_of[maker];
                after.insert(group);
                last = match last {
                    Some((g, _)) if g > group => last,
                    Some((g, good)) if g == group => Some((g, good && near)),
                    _ => Some((group, near)),
                };
            }
            let peak = step.peak_memory_bytes();
            match last {
                Some((group, true)) => {
                    let joined = &mut groups[group];
                    joined.tasks.push(task);
                    joined.name = format!("{}+{}", joined.name, head.label);
                    joined.peak_memory_bytes = joined.peak_memory_bytes.max(peak);
                    joined.after.extend(after.into_iter().filter(|g| *g != group));
                    joined.after.sort_unstable();
                    joined.after.dedup();
                    group_of.push(group);
                }
                _ => {
                    group_of.push(groups.len());
                    groups.push(Group {
                        tasks: vec![task],
                        name: head.label.clone(),
                        parts: Vec::new(),
                        after: after.into_iter().collect(),
                        peak_memory_bytes: peak,
                    });
                }
            }
        }
        for group in &mut groups {
            let all = by_data_id(graph, &group.tasks, done);
            let labels = labels(graph, &group.tasks);
            let size = data_ids(&labels, all.len()).max(1);
            group.parts = all
                .chunks(size)
                .map(|ids| {
                    let mut part = ids.concat();
                    part.sort_unstable();
                    part
                })
                .collect();
        }
        Ok(Self { run: graph.header.run.clone(), groups })
    }

    /// The parts of a group as a file: a line a part.
    pub fn parts_text(&self, group: usize) -> String {
        let lines = self.groups[group].parts.iter().map(|p| ranges(p) + "\n");
        lines.collect()
    }
}

/// The labels of steps.
pub(crate) fn labels<'a>(graph: &'a QuantumGraph, tasks: &[usize]) -> Vec<&'a str> {
    tasks.iter().map(|t| graph.header.tasks[*t].label.as_str()).collect()
}

/// Quanta that are to be done, a list a data id, in the order of the graph.
fn by_data_id(graph: &QuantumGraph, tasks: &[usize], done: &[bool]) -> Vec<Vec<u32>> {
    let mut places: BTreeMap<Vec<i64>, usize> = BTreeMap::new();
    let mut all: Vec<Vec<u32>> = Vec::new();
    for task in tasks {
        let required = graph.header.tasks[*task].required;
        for row in 0..graph.count(*task) as u32 {
            let node = Node { task: *task, row };
            let number = graph.number(node);
            if done.get(number as usize).copied().unwrap_or(false) {
                continue;
            }
            let key = graph.key(node)[..required].to_vec();
            let place = *places.entry(key).or_insert(all.len());
            if all.len() <= place {
                all.push(Vec::new());
            }
            all[place].push(number);
        }
    }
    all
}

/// `0-9,12,20-29` of rising numbers.
pub fn ranges(numbers: &[u32]) -> String {
    let mut out = String::new();
    let mut k = 0;
    while k < numbers.len() {
        let first = numbers[k];
        let mut last = first;
        while numbers.get(k + 1) == Some(&(last + 1)) {
            k += 1;
            last += 1;
        }
        if !out.is_empty() {
            out.push(',');
        }
        out += &if first == last { first.to_string() } else { format!("{first}-{last}") };
        k += 1;
    }
    out
}

/// The reverse of [`ranges`].
/// - `limit`: numbers are below it
pub fn parse_ranges(text: &str, limit: u32) -> Result<Vec<u32>, PipelineError> {
    let bad = || PipelineError::Cluster {
        why: format!("`{text}` is no list of quanta below {limit} such as 0-9,12"),
    };
    let mut all: Vec<u32> = Vec::new();
    for part in text.trim().split(',').filter(|p| !p.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u32 = first.parse().map_err(|_| bad())?;
        let last: u32 = last.parse().map_err(|_| bad())?;
        if first > last || last >= limit || all.last().is_some_and(|l| *l >= first) {
            return Err(bad());
        }
        all.extend(first..=last);
    }
    Ok(all)
}
