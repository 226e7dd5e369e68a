//! The checks of a pipeline as a whole, and the order of its steps.

use crate::error::PipelineError;
use crate::task::{Number, Role};
use crate::yaml::{Pipeline, PipelineStep};
use elqui_butler::{DimensionGroup, Universe};
use std::collections::{BTreeMap, BTreeSet};

fn bad(step: &PipelineStep, why: String) -> PipelineError {
    let why = format!("step `{}`: {why}", step.label);
    PipelineError::Yaml { file: step.file.clone(), line: step.line, why }
}

/// Everything that can be known without data. Returns the pipeline with its steps in order.
pub fn check(mut pipeline: Pipeline, universe: &Universe) -> Result<Pipeline, PipelineError> {
    let mut makers: BTreeMap<String, String> = BTreeMap::new();
    let mut types: BTreeMap<String, (Vec<String>, String, String)> = BTreeMap::new();
    for step in &pipeline.steps {
        let group = group(universe, step, &step.info.dimensions)?;
        if !step.condition.is_empty() {
            let parsed = elqui_butler::expression::parse(&step.condition);
            parsed.map_err(|e| bad(step, format!("its `where`: {e}")))?;
        }
        if step.info.outputs.is_empty() {
            return Err(bad(step, "it makes nothing, so nobody could know that it is done".into()));
        }
        for slot in &step.info.outputs {
            if let Some(other) = makers.insert(slot.dataset_type.clone(), step.label.clone()) {
                let of = &slot.dataset_type;
                let why = format!("`{of}` is made by `{other}` too: rename one under `outputs:`");
                return Err(bad(step, why));
            }
            let own = self::group(universe, step, &slot.dimensions)?;
            if own.required != group.required {
                let why = format!(
                    "its output `{}` has the dimensions {}, but the step runs for each {}: they must be the same",
                    slot.name,
                    own.required.join(", "),
                    group.required.join(", ")
                );
                return Err(bad(step, why));
            }
        }
        for slot in &step.info.inputs {
            let own = self::group(universe, step, &slot.dimensions)?;
            let lost = own.required.iter().find(|d| !has(&group, d));
            if let (Some(lost), true) = (lost, slot.number != Number::Many) {
                let why = format!(
                    "its input `{}` needs the dimension `{lost}`, which the step ({}) lacks: take many, or add it",
                    slot.name,
                    group.required.join(", ")
                );
                return Err(bad(step, why));
            }
            let timed = ["visit", "exposure"].iter().any(|d| has(&group, d));
            if slot.role == Role::Calibration && !timed {
                let why = format!(
                    "its input `{}` is a calibration, but the step has no visit or exposure whose time could choose it",
                    slot.name
                );
                return Err(bad(step, why));
            }
        }
        let mut names = BTreeSet::new();
        for slot in step.info.inputs.iter().chain(&step.info.outputs) {
            if !names.insert(&slot.name) {
                return Err(bad(step, format!("two of its slots are called `{}`", slot.name)));
            }
            let own = self::group(universe, step, &slot.dimensions)?.required;
            let (of, class) = (&slot.dataset_type, &slot.storage_class);
            elqui_butler::check_dataset_type_name(of).map_err(|e| bad(step, e.to_string()))?;
            match types.get(of) {
                Some((dimensions, _, other)) if *dimensions != own => {
                    let (a, b) = (own.join(", "), dimensions.join(", "));
                    let why = format!("`{of}` has the dimensions {a} here, but {b} in `{other}`");
                    return Err(bad(step, why));
                }
                Some((_, known, other)) if known != class => {
                    let why =
                        format!("`{of}` is of class `{class}` here, but `{known}` in `{other}`");
                    return Err(bad(step, why));
                }
                Some(_) => {}
                None => {
                    types.insert(of.clone(), (own, class.clone(), step.label.clone()));
                }
            }
        }
    }
    order(&mut pipeline, &makers)?;
    Ok(pipeline)
}

fn has(group: &DimensionGroup, dimension: &str) -> bool {
    group.required.iter().chain(&group.implied).any(|d| d == dimension)
}

fn group(
    universe: &Universe,
    step: &PipelineStep,
    dimensions: &[String],
) -> Result<DimensionGroup, PipelineError> {
    universe.group(dimensions).map_err(|e| bad(step, e.to_string()))
}

/// Steps after those whose outputs they read; else as they are written.
fn order(pipeline: &mut Pipeline, makers: &BTreeMap<String, String>) -> Result<(), PipelineError> {
    let mut waiting = std::mem::take(&mut pipeline.steps);
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|step| {
            step.info.inputs.iter().all(|slot| {
                let maker = makers.get(&slot.dataset_type);
                maker.is_none_or(|m| waiting.iter().all(|w| &w.label != m))
            })
        });
        let Some(ready) = ready else {
            let labels: Vec<&str> = waiting.iter().map(|s| s.label.as_str()).collect();
            let why = format!(
                "the steps {} wait for each other: one reads what another makes from its output",
                labels.join(", ")
            );
            return Err(bad(&waiting[0], why));
        };
        pipeline.steps.push(waiting.remove(ready));
    }
    Ok(())
}
