//! A pipeline as one text without imports, every default written out: what a run keeps beside its graph.

use crate::yaml::{Pipeline, PipelineStep};
use serde_yaml_ng::{Mapping, Value};

impl Pipeline {
    /// Reading it gives the same pipeline.
    pub fn to_yaml(&self) -> String {
        let mut all = Mapping::new();
        all.insert("name".into(), self.name.as_str().into());
        all.insert("description".into(), self.description.as_str().into());
        let steps = self.steps.iter().map(|s| (Value::from(s.label.as_str()), step(s)));
        all.insert("steps".into(), Value::Mapping(steps.collect()));
        let mut subsets = Mapping::new();
        for (name, subset) in &self.subsets {
            // Of a part of a pipeline, only subsets that are whole.
            if subset.steps.iter().all(|s| self.step(s).is_some()) {
                let mut one = Mapping::new();
                one.insert("description".into(), subset.description.as_str().into());
                let labels: Vec<Value> = subset.steps.iter().map(|s| s.as_str().into()).collect();
                one.insert("steps".into(), Value::Sequence(labels));
                subsets.insert(name.as_str().into(), Value::Mapping(one));
            }
        }
        if !subsets.is_empty() {
            all.insert("subsets".into(), Value::Mapping(subsets));
        }
        serde_yaml_ng::to_string(&all).unwrap_or_default()
    }
}

fn step(step: &PipelineStep) -> Value {
    let mut one = Mapping::new();
    let config: Value = serde_yaml_ng::from_str(step.config()).unwrap_or_default();
    let is_command = step.info.name.starts_with("command ");
    match config {
        // The text of a command has both its parts.
        Value::Mapping(parts) if is_command => one.extend(parts),
        config => {
            one.insert("task".into(), step.info.name.as_str().into());
            one.insert("config".into(), config);
        }
    }
    for (key, slots) in [("inputs", &step.info.inputs), ("outputs", &step.info.outputs)] {
        let names = slots.iter().map(|s| (s.name.as_str().into(), s.dataset_type.as_str().into()));
        one.insert(key.into(), Value::Mapping(names.collect()));
    }
    if !step.condition.is_empty() {
        one.insert("where".into(), step.condition.as_str().into());
    }
    let limits = &step.limits;
    if let Some(timeout) = limits.timeout {
        one.insert("timeout_s".into(), timeout.as_secs_f64().into());
    }
    if let Some(retries) = limits.retries {
        one.insert("retries".into(), retries.into());
    }
    if limits.isolated {
        one.insert("isolated".into(), true.into());
    }
    if let Some(bytes) = limits.peak_memory_bytes {
        one.insert("peak_memory_mib".into(), (bytes >> 20).into());
    }
    Value::Mapping(one)
}
