//! Which datasets a step would read: from outside, from other steps, or calibrations by time.

use crate::error::PipelineError;
use crate::graph::build::{Builder, is_calibration, places, project};
use crate::graph::definitions::by_definition;
use crate::graph::table::{NONE, Row, RowTable, pair};
use crate::task::{Number, Role};
use elqui_butler::{Dataset, Timespan};
use elqui_registry::{DatasetQuery, RegistryError, Select};
use std::collections::HashMap;

/// Dimensions whose records have the time that calibrations are chosen by.
const TIMED: [&str; 2] = ["visit", "exposure"];

impl Builder<'_> {
    /// Read what comes from outside: one question a type.
    pub fn read_inputs(&mut self) -> Result<(), PipelineError> {
        let inputs: Vec<String> = self.request.inputs.clone();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        for kind in 0..self.graph.types.len() {
            let head = self.graph.header.types[kind].clone();
            if head.maker.is_some() {
                continue;
            }
            let known = match self.registry.dataset_type(&head.of.name) {
                // Nobody made any yet, and nobody must have one.
                Err(RegistryError::Unknown { .. }) if self.is_optional(&head.of.name) => continue,
                known => known?,
            };
            if known.dimensions != head.of.dimensions
                || known.storage_class != head.of.storage_class
            {
                return Err(self.wrong(format!(
                    "`{}` is registered with the dimensions {} and the class {}, but the pipeline says {} and {}",
                    known.name,
                    known.dimensions.join(", "),
                    known.storage_class,
                    head.of.dimensions.join(", "),
                    head.of.storage_class
                )));
            }
            if is_calibration(&self.graph.header, &head.of.name) {
                self.read_calibrations(kind, &inputs)?;
                continue;
            }
            let slots = self.graph.header.tasks.iter().flat_map(|t| &t.info.inputs);
            let mut own = slots.filter(|s| s.dataset_type == head.of.name);
            // A sky that exposures need not know: their visits are chosen by it.
            let tasks = self.graph.header.tasks.iter();
            let related = tasks
                .filter(|t| t.info.inputs.iter().any(|s| s.dataset_type == head.of.name))
                .any(|t| by_definition(&head.of.dimensions, &t.columns));
            let always = related || own.any(|s| s.role == Role::Prerequisite);
            let condition = if always { String::new() } else { self.request.condition.clone() };
            let found = self.outside(&head.of.name, &inputs, &condition)?;
            let mut row = Vec::new();
            for dataset in found {
                self.numbers(&head.of.dimensions, &dataset.name.data_id, &mut row);
                if self.graph.types[kind].ids.find(&row).is_none() {
                    let found = self.keep_found(&dataset);
                    self.dataset_row(kind, &row, found);
                }
            }
        }
        Ok(())
    }

    /// Datasets from outside. Where the expression says nothing about such a type, all of it may be read.
    fn outside(
        &mut self,
        name: &str,
        inputs: &[&str],
        condition: &str,
    ) -> Result<Vec<Dataset>, PipelineError> {
        let query = DatasetQuery::new(name, inputs, condition);
        match self.registry.datasets(&query) {
            Err(RegistryError::Refused { .. } | RegistryError::Butler(_))
                if !condition.is_empty() =>
            {
                Ok(self.registry.datasets(&DatasetQuery::new(name, inputs, ""))?)
            }
            found => Ok(found?),
        }
    }

    /// Without the datasets from outside that the step's own expression leaves out.
    fn only_chosen(
        &mut self,
        task: usize,
        kind: usize,
        pairs: Vec<u64>,
    ) -> Result<Vec<u64>, PipelineError> {
        let condition = self.graph.header.tasks[task].condition.clone();
        let head = self.graph.header.types[kind].clone();
        if condition.is_empty() || head.maker.is_some() || pairs.is_empty() {
            return Ok(pairs);
        }
        let inputs: Vec<String> = self.request.inputs.clone();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let mut chosen = vec![false; self.graph.types[kind].ids.len()];
        let mut row = Vec::new();
        for dataset in self.outside(&head.of.name, &inputs, &condition)? {
            self.numbers(&head.of.dimensions, &dataset.name.data_id, &mut row);
            if let Some(at) = self.graph.types[kind].ids.find(&row) {
                chosen[at as usize] = true;
            }
        }
        Ok(pairs.into_iter().filter(|p| chosen[*p as u32 as usize]).collect())
    }

    fn is_optional(&self, name: &str) -> bool {
        let slots = self.graph.header.tasks.iter().flat_map(|t| &t.info.inputs);
        slots.filter(|s| s.dataset_type == name).all(|s| s.number == Number::Maybe)
    }

    fn read_calibrations(&mut self, kind: usize, inputs: &[&str]) -> Result<(), PipelineError> {
        let of = self.graph.header.types[kind].of.clone();
        let mut all: HashMap<Vec<i64>, Vec<(Timespan, Row)>> = HashMap::new();
        // Rows of an earlier expression are used again.
        let mut known: HashMap<[u8; 16], Row> = HashMap::new();
        for (row, found) in self.graph.types[kind].found.iter().enumerate() {
            known.insert(self.graph.found[*found as usize].id, row as Row);
        }
        let mut row = Vec::new();
        for one in self.registry.certified(&of.name, inputs)? {
            self.numbers(&of.dimensions, &one.dataset.name.data_id, &mut row);
            let at = match known.get(one.dataset.id.as_bytes()) {
                Some(at) => *at,
                None => {
                    let found = self.keep_found(&one.dataset);
                    let mut whole = row.clone();
                    whole.push(i64::from(found));
                    let at = self.dataset_row(kind, &whole, found);
                    known.insert(*one.dataset.id.as_bytes(), at);
                    at
                }
            };
            all.entry(row.clone()).or_default().push((one.validity, at));
        }
        self.validities.insert(kind, all);
        if self.times.is_empty() {
            self.read_times()?;
        }
        Ok(())
    }

    fn read_times(&mut self) -> Result<(), PipelineError> {
        for element in TIMED {
            if self.universe.element(element).is_none() {
                continue;
            }
            let columns = ["instrument".to_string(), element.to_string()];
            let mut row = Vec::new();
            for record in self.registry.records(element, &Select::all())? {
                self.numbers(&columns, &record.data_id, &mut row);
                if let Some(time) = record.timespan {
                    self.times.insert((element, row[0], row[1]), time);
                }
            }
        }
        Ok(())
    }

    /// Pairs of candidate and dataset of an input slot.
    pub fn sources(
        &mut self,
        task: usize,
        slot: usize,
        candidates: &RowTable,
    ) -> Result<Vec<u64>, PipelineError> {
        let pairs = self.related(task, slot, candidates)?;
        let info = &self.graph.header.tasks[task].info.inputs[slot];
        if info.role != Role::Regular {
            return Ok(pairs);
        }
        let kind = self.graph.type_of(&info.dataset_type);
        self.only_chosen(task, kind, pairs)
    }

    /// The same, whatever the step's own expression says.
    fn related(
        &mut self,
        task: usize,
        slot: usize,
        candidates: &RowTable,
    ) -> Result<Vec<u64>, PipelineError> {
        let head = self.graph.header.tasks[task].clone();
        let info = &head.info.inputs[slot];
        let kind = self.graph.type_of(&info.dataset_type);
        let own = self.graph.header.types[kind].of.dimensions.clone();
        if info.role == Role::Calibration {
            return Ok(self.calibrations(kind, &own, &head.columns, candidates));
        }
        let (mut row, mut pairs) = (Vec::new(), Vec::new());
        let ids = &self.graph.types[kind].ids;
        // What a quantum's data id names.
        if let Some(places) = places(&own, &head.columns) {
            for k in 0..candidates.len() as Row {
                project(candidates.row(k), &places, &mut row);
                pairs.extend(ids.find(&row).map(|d| pair(k, d)));
            }
            return Ok(pairs);
        }
        // What names the quantum's data id: all detectors of a visit.
        let required = &head.columns[..head.required];
        if let Some(places) = places(required, &own) {
            for d in 0..ids.len() as Row {
                project(ids.row(d), &places, &mut row);
                pairs.extend(candidates.find(&row).map(|k| pair(k, d)));
            }
            return Ok(pairs);
        }
        // What was made for a data id that tells the quantum's: the images of a patch in a band.
        if let Some(maker) = self.graph.header.types[kind].maker {
            let from = &self.graph.header.tasks[maker].columns;
            if let (Some(to), Some(of)) = (places(required, from), places(&own, from)) {
                let mut key = Vec::new();
                for k in 0..self.seen[maker].len() as Row {
                    let made = self.seen[maker].row(k);
                    project(made, &to, &mut key);
                    project(made, &of, &mut row);
                    let found = candidates.find(&key).zip(ids.find(&row));
                    pairs.extend(found.map(|(k, d)| pair(k, d)));
                }
                return Ok(pairs);
            }
        }
        if by_definition(&own, &head.columns) {
            return self.exposures_of_visits(kind, &own, required, candidates);
        }
        // What only the registry knows: images that overlap a patch.
        let mut both: Vec<&str> = required.iter().map(String::as_str).collect();
        both.extend(own.iter().map(String::as_str).filter(|d| !required.iter().any(|r| r == d)));
        let select = Select::condition(&self.request.condition);
        let mut key = Vec::new();
        for id in self.registry.data_ids(&both, &[], &select)? {
            self.numbers(required, &id, &mut key);
            self.numbers(&own, &id, &mut row);
            let found = candidates.find(&key).zip(self.graph.types[kind].ids.find(&row));
            pairs.extend(found.map(|(k, d)| pair(k, d)));
        }
        Ok(pairs)
    }

    fn calibrations(
        &self,
        kind: usize,
        own: &[String],
        columns: &[String],
        candidates: &RowTable,
    ) -> Vec<u64> {
        let Some(places) = places(own, columns) else { return Vec::new() };
        let Some(validities) = self.validities.get(&kind) else { return Vec::new() };
        let column = |name: &str| columns.iter().position(|c| c == name);
        let timed = TIMED.iter().find_map(|t| column(t).map(|at| (*t, at)));
        let (Some((element, at)), Some(instrument)) = (timed, column("instrument")) else {
            return Vec::new();
        };
        let (mut row, mut pairs) = (Vec::new(), Vec::new());
        for k in 0..candidates.len() as Row {
            let candidate = candidates.row(k);
            let time = self.times.get(&(element, candidate[instrument], candidate[at]));
            project(candidate, &places, &mut row);
            let Some(all) = validities.get(&row) else { continue };
            // What holds for ever holds for a frame without a time too.
            let holds = all.iter().find(|(span, _)| match time {
                Some(time) => span.contains(time.begin_ns),
                None => *span == Timespan::ALWAYS,
            });
            pairs.extend(holds.filter(|(_, d)| *d != NONE).map(|(_, d)| pair(k, *d)));
        }
        pairs
    }
}
