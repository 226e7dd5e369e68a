//! On which data ids a step could run.

use crate::error::PipelineError;
use crate::graph::build::{Builder, places, project};
use crate::graph::definitions::by_definition;
use crate::graph::table::{Row, RowTable};
use crate::task::{Number, Role, SlotInfo};
use elqui_registry::Select;

fn must(slot: &SlotInfo) -> bool {
    slot.number != Number::Maybe && slot.role == Role::Regular
}

/// Two expressions that both must hold; empty ones say nothing.
pub(super) fn both(a: &str, b: &str) -> String {
    match (a.trim().is_empty(), b.trim().is_empty()) {
        (true, _) => b.trim().to_string(),
        (_, true) => a.trim().to_string(),
        _ => format!("({}) AND ({})", a.trim(), b.trim()),
    }
}

impl Builder<'_> {
    /// All data ids of a step that the expression selects, before it is known whether all inputs are
    /// there. They follow from those of a step before it, where one makes what this one must have;
    /// else from what must be there from outside.
    pub fn candidates(&mut self, task: usize) -> Result<RowTable, PipelineError> {
        let head = self.graph.header.tasks[task].clone();
        let mut table = RowTable::new(head.columns.len(), head.required);
        let mut row = Vec::new();
        if let Some((before, places)) = self.step_before(task) {
            for k in 0..self.seen[before].len() {
                project(self.seen[before].row(k as Row), &places, &mut row);
                table.intern(&row);
            }
            return self.only_where(task, table);
        }
        if let Some(before) = self.exposures_before(task)
            && let Some(table) = self.visits_of(task, before)?
        {
            return self.only_where(task, table);
        }
        let inputs: Vec<&str> = self.request.inputs.iter().map(String::as_str).collect();
        let mut dimensions: Vec<&str> =
            head.columns[..head.required].iter().map(String::as_str).collect();
        let mut existing: Vec<(&str, &[&str])> = Vec::new();
        for slot in head.info.inputs.iter().filter(|s| must(s)) {
            let kind = &self.graph.header.types[self.graph.type_of(&slot.dataset_type)];
            // Which exposures make a visit is told by records, not by data ids.
            let defined = by_definition(&kind.of.dimensions, &head.columns);
            if defined {
                continue;
            }
            if kind.maker.is_none() {
                existing.push((&slot.dataset_type, &inputs));
            }
            // With the dimensions of what is read, the expression can name them too.
            let new = slot.dimensions.iter().map(String::as_str);
            dimensions.extend(new.filter(|d| !head.columns.iter().any(|c| c == d)));
        }
        let select = Select::condition(&both(&self.request.condition, &head.condition));
        for id in self.registry.data_ids(&dimensions, &existing, &select)? {
            self.numbers(&head.columns, &id, &mut row);
            table.intern(&row);
        }
        Ok(table)
    }

    /// Those that the step's own expression selects.
    fn only_where(&mut self, task: usize, table: RowTable) -> Result<RowTable, PipelineError> {
        let head = self.graph.header.tasks[task].clone();
        if head.condition.is_empty() {
            return Ok(table);
        }
        let required = &head.columns[..head.required];
        let names: Vec<&str> = required.iter().map(String::as_str).collect();
        let select = Select::condition(&both(&self.request.condition, &head.condition));
        let mut chosen = RowTable::new(head.columns.len(), head.required);
        let mut row = Vec::new();
        for id in self.registry.data_ids(&names, &[], &select)? {
            self.numbers(required, &id, &mut row);
            if let Some(at) = table.find(&row) {
                chosen.intern(table.row(at));
            }
        }
        Ok(chosen)
    }

    /// A step of exposures whose output this step of visits must have.
    fn exposures_before(&self, task: usize) -> Option<usize> {
        let head = &self.graph.header.tasks[task];
        head.info.inputs.iter().filter(|s| must(s)).find_map(|s| {
            let kind = &self.graph.header.types[self.graph.type_of(&s.dataset_type)];
            kind.maker.filter(|_| by_definition(&kind.of.dimensions, &head.columns))
        })
    }

    /// A step whose output this one must have and whose data ids tell this one's, and where in them.
    fn step_before(&self, task: usize) -> Option<(usize, Vec<usize>)> {
        let head = &self.graph.header.tasks[task];
        head.info.inputs.iter().filter(|s| must(s)).find_map(|s| {
            let maker = self.graph.header.types[self.graph.type_of(&s.dataset_type)].maker?;
            let from = &self.graph.header.tasks[maker].columns;
            places(&head.columns, from).map(|places| (maker, places))
        })
    }
}
