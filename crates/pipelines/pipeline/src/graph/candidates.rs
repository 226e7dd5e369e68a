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
    /// else from what must be there from outside: visits from the exposures that have datasets.
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
            if kind.maker.is_none() {
                existing.push((&slot.dataset_type, &inputs));
            } else if by_definition(&kind.of.dimensions, &head.columns) {
                // Its exposures are those that the step before it has.
                continue;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{GraphRequest, QuantumGraph};
    use crate::task::Tasks;
    use crate::yaml::Pipeline;
    use elqui_butler::{CollectionKind, DataId, DatasetType, DimensionRecord, Universe};
    use elqui_registry::{Location, NewDataset, Registry};

    const TEXT: &str = "name: v
steps:
  visits:
    command:
      argv: [cat, '{input.raws}', '{output.image}']
      dimensions: [visit, detector]
      inputs: [{name: raws, type: frame, dimensions: [exposure, detector], storage_class: Text, number: many}]
      outputs: [{name: image, type: image, dimensions: [visit, detector], storage_class: Text}]
";

    /// 60 visits of two exposures and 40 detectors; frames of three exposures, in one detector each.
    fn observed(dir: &std::path::Path) -> Registry {
        let mut r = Registry::create(&Location::Sqlite(dir.join("r.sqlite3"))).unwrap();
        let sim = |e: &str| DimensionRecord::new(e).with("instrument", "Sim");
        let mut all = vec![sim("instrument")];
        all.push(sim("physical_filter").with("physical_filter", "r1").with("band", "r"));
        all.extend((0..40_i64).map(|d| sim("detector").with("detector", d)));
        for v in 0..60_i64 {
            all.push(sim("visit").with("visit", v).with("physical_filter", "r1"));
            for e in [2 * v, 2 * v + 1] {
                all.push(sim("exposure").with("exposure", e).with("physical_filter", "r1"));
                all.push(sim("visit_definition").with("exposure", e).with("visit", v));
            }
        }
        r.insert_records(&all).unwrap();
        let of = DatasetType::new(Universe::standard(), "frame", &["exposure", "detector"], "Text");
        r.register_dataset_type(&of.unwrap()).unwrap();
        r.register_collection("u/frames", CollectionKind::Run, "").unwrap();
        let frame = |(e, d): (i64, i64)| NewDataset {
            data_id: DataId::new()
                .with("instrument", "Sim")
                .with("exposure", e)
                .with("detector", d),
            ..NewDataset::default()
        };
        r.insert_datasets("u/frames", "frame", &[(6, 1), (7, 1), (20, 5)].map(frame)).unwrap();
        r
    }

    #[test]
    fn visits_are_those_whose_exposures_have_datasets() {
        let dir = tempfile::tempdir().unwrap();
        let mut registry = observed(dir.path());
        let universe = Universe::standard();
        let pipeline = Pipeline::parse(TEXT, "v.yaml", &Tasks::new(), universe).unwrap();
        for (condition, wanted) in [
            ("", &[(3, 1), (10, 5)][..]),
            ("detector = 5", &[(10, 5)]),
            ("exposure = 7", &[(3, 1)]),
            ("visit > 20", &[]),
        ] {
            let request = GraphRequest {
                run: "u/run".into(),
                inputs: vec!["u/frames".into()],
                condition: condition.into(),
                skip_existing: false,
            };
            let mut graph = QuantumGraph::build(&pipeline, &mut registry, &request).unwrap();
            assert_eq!(graph.len(), wanted.len(), "{condition}");
            let mut builder = Builder::new(&mut graph, &pipeline, &mut registry, &request).unwrap();
            let candidates = builder.candidates(0).unwrap();
            let columns = &builder.graph.header.tasks[0].columns;
            let at = places(&["visit", "detector"].map(String::from), columns).unwrap();
            let row = |k| {
                let row = candidates.row(k as Row);
                (row[at[0]], row[at[1]])
            };
            let mut found: Vec<_> = (0..candidates.len()).map(row).collect();
            found.sort_unstable();
            assert_eq!(found, wanted, "{condition}");
        }
    }
}
