//! Taking what can run into the graph, and leaving out what is done.

use crate::error::PipelineError;
use crate::graph::TaskHead;
use crate::graph::build::{Builder, places, project};
use crate::graph::table::{NONE, Row, RowTable};
use crate::task::{Number, SlotInfo};

impl Builder<'_> {
    /// Take candidates into the graph. Returns each one's row, or `NONE`.
    pub fn keep(
        &mut self,
        task: usize,
        head: &TaskHead,
        candidates: &RowTable,
        good: &[bool],
    ) -> Result<Vec<Row>, PipelineError> {
        let mut numbers = vec![NONE; candidates.len()];
        let kinds: Vec<(usize, Vec<usize>, bool)> = {
            let one = |s: &SlotInfo| {
                let kind = self.graph.type_of(&s.dataset_type);
                let own = &self.graph.header.types[kind].of.dimensions;
                (kind, places(own, &head.columns).unwrap_or_default(), s.number != Number::Maybe)
            };
            head.info.outputs.iter().map(one).collect()
        };
        let (mut row, mut refused) = (Vec::new(), 0);
        for k in (0..candidates.len()).filter(|k| good[*k]) {
            let candidate = candidates.row(k as Row);
            self.seen[task].intern(candidate);
            let known = self.graph.tasks[task].ids.find(&candidate[..head.required]);
            if let Some(number) = known {
                numbers[k] = number;
                continue;
            }
            let mut there = Vec::with_capacity(kinds.len());
            for (kind, places, must) in &kinds {
                project(candidate, places, &mut row);
                there.push((self.there[*kind].get(&row).copied(), *must));
            }
            let done = there.iter().all(|(f, must)| f.is_some() || !must);
            if there.iter().any(|(f, _)| f.is_some()) && !(done && self.request.skip_existing) {
                refused += 1;
                continue;
            }
            let number = if done && there.iter().any(|(f, _)| f.is_some()) {
                NONE
            } else {
                self.graph.tasks[task].ids.intern(candidate)
            };
            numbers[k] = number;
            for (slot, (kind, places, _)) in kinds.iter().enumerate() {
                if number == NONE && there[slot].0.is_none() {
                    continue;
                }
                project(candidate, places, &mut row);
                let at = self.dataset_row(*kind, &row, there[slot].0.unwrap_or(NONE));
                if number != NONE {
                    self.graph.types[*kind].makers[at as usize] = number;
                    self.graph.tasks[task].outputs[slot].push(at);
                }
            }
        }
        if refused > 0 {
            let why = format!(
                "outputs of {refused} quanta of `{}` are in the run `{}` already: skip what exists (--skip-existing), remove what is there in part, or choose another run",
                head.label, self.request.run
            );
            return Err(self.wrong(why));
        }
        Ok(numbers)
    }
}
