//! From a pipeline, collections and an expression to a graph, in a few questions to the registry.
//!
//! Steps are taken in order. For each: which data ids could it run on (`candidates`), which datasets
//! would each read (`sources`), which lack one that they must have (dropped), which are done (skipped).
//! Questions are asked per step and type, never per quantum.

use crate::error::PipelineError;
use crate::graph::table::{Edges, NONE, Row, RowTable, pair};
use crate::graph::{
    Found, GraphHeader, NULL, QuantumGraph, TaskHead, TaskNodes, TypeHead, TypeNodes,
};
use crate::task::{Number, Role};
use crate::yaml::Pipeline;
use elqui_butler::{CollectionKind, DataId, DatasetType, FieldType, Timespan, Universe, Value};
use elqui_registry::Registry;
use std::collections::{BTreeSet, HashMap};

/// What a graph is made for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GraphRequest {
    /// Where outputs are to be born.
    pub run: String,
    /// Where inputs are looked for, in this order.
    pub inputs: Vec<String>,
    /// Which data ids; empty for all.
    pub condition: String,
    /// Leave out quanta whose outputs the run has, instead of refusing to begin.
    pub skip_existing: bool,
}

/// Validities of a type's calibrations by data id, in the order of the search.
pub(super) type Validities = HashMap<Vec<i64>, Vec<(Timespan, Row)>>;

pub(super) struct Builder<'a> {
    pub graph: &'a mut QuantumGraph,
    pub registry: &'a mut Registry,
    pub universe: Universe,
    pub request: &'a GraphRequest,
    pub pipeline: &'a Pipeline,
    /// By task, every data id that runs or has run: where steps behind it begin.
    pub seen: Vec<RowTable>,
    /// By type, what the run has already: data id to place in `found`.
    pub there: Vec<HashMap<Vec<i64>, Row>>,
    pub validities: HashMap<usize, Validities>,
    /// By (instrument, visit or exposure).
    pub times: HashMap<(&'static str, i64, i64), Timespan>,
}

impl QuantumGraph {
    /// The graph of a pipeline.
    pub fn build(
        pipeline: &Pipeline,
        registry: &mut Registry,
        request: &GraphRequest,
    ) -> Result<Self, PipelineError> {
        let mut graph = Self::default();
        graph.header = header(pipeline, registry.universe(), request)?;
        graph.tasks = graph.header.tasks.iter().map(task_nodes).collect();
        graph.types = graph.header.types.iter().map(|t| type_nodes(&graph.header, t)).collect();
        graph.grow(pipeline, registry, request)?;
        Ok(graph)
    }

    /// Add what another expression selects. Pipeline, configurations and run are those that the graph was
    /// made with. Quanta that it has stay, and may read more. Returns how many are new.
    pub fn extend(
        &mut self,
        pipeline: &Pipeline,
        registry: &mut Registry,
        request: &GraphRequest,
    ) -> Result<usize, PipelineError> {
        let new = header(pipeline, registry.universe(), request)?;
        let old = &self.header;
        let differs = [
            (new.pipeline != old.pipeline, "the pipeline's name"),
            (new.run != old.run, "the run"),
            (new.inputs != old.inputs, "the input collections"),
            (new.tasks != old.tasks || new.types != old.types, "a step or its configuration"),
        ];
        if let Some((_, what)) = differs.iter().find(|(differs, _)| *differs) {
            let why = format!("{what} is not what the graph was made with: make a new graph");
            return Err(PipelineError::Graph { pipeline: pipeline.name.clone(), why });
        }
        let before = self.len();
        self.header.conditions.push(request.condition.clone());
        self.grow(pipeline, registry, request)?;
        Ok(self.len() - before)
    }

    fn grow(
        &mut self,
        pipeline: &Pipeline,
        registry: &mut Registry,
        request: &GraphRequest,
    ) -> Result<(), PipelineError> {
        let mut builder = Builder::new(self, pipeline, registry, request)?;
        (0..pipeline.steps.len()).try_for_each(|task| builder.add_task(task))
    }
}

fn task_nodes(head: &TaskHead) -> TaskNodes {
    TaskNodes {
        ids: RowTable::new(head.columns.len(), head.required),
        inputs: vec![Edges::default(); head.info.inputs.len()],
        outputs: vec![Vec::new(); head.info.outputs.len()],
    }
}

/// Calibrations of one data id are many: their place in `found` tells them apart.
fn type_nodes(header: &GraphHeader, head: &TypeHead) -> TypeNodes {
    let extra = usize::from(is_calibration(header, &head.of.name));
    let width = head.of.dimensions.len() + extra;
    TypeNodes { ids: RowTable::new(width, width), ..TypeNodes::default() }
}

pub(super) fn is_calibration(header: &GraphHeader, name: &str) -> bool {
    let mut slots = header.tasks.iter().flat_map(|t| &t.info.inputs);
    slots.any(|s| s.dataset_type == name && s.role == Role::Calibration)
}

fn header(
    pipeline: &Pipeline,
    universe: &Universe,
    request: &GraphRequest,
) -> Result<GraphHeader, PipelineError> {
    elqui_butler::check_collection_name(&request.run)?;
    let mut types: Vec<TypeHead> = Vec::new();
    let mut tasks = Vec::new();
    for (number, step) in pipeline.steps.iter().enumerate() {
        let group = universe.group(&step.info.dimensions)?;
        let required = group.required.len();
        let columns: Vec<String> = group.required.into_iter().chain(group.implied).collect();
        let outputs = step.info.outputs.iter().map(|s| (s, Some(number)));
        for (slot, maker) in step.info.inputs.iter().map(|s| (s, None)).chain(outputs) {
            match types.iter_mut().find(|t| t.of.name == slot.dataset_type) {
                Some(known) => known.maker = known.maker.or(maker),
                None => {
                    let names: Vec<&str> = slot.dimensions.iter().map(String::as_str).collect();
                    let (name, class) = (&slot.dataset_type, &slot.storage_class);
                    let mut of = DatasetType::new(universe, name, &names, class)?;
                    of.is_calibration = slot.role == Role::Calibration;
                    types.push(TypeHead { of, maker });
                }
            }
        }
        tasks.push(TaskHead {
            label: step.label.clone(),
            info: step.info.clone(),
            config: step.config().to_string(),
            condition: step.condition.clone(),
            columns,
            required,
        });
    }
    let texts = universe.elements().iter().filter(|e| e.key == Some(FieldType::Text));
    Ok(GraphHeader {
        pipeline: pipeline.name.clone(),
        run: request.run.clone(),
        chain: None,
        inputs: request.inputs.clone(),
        conditions: vec![request.condition.clone()],
        tasks,
        types,
        text_dimensions: texts.map(|e| e.name.clone()).collect(),
    })
}

/// Positions of some columns among others.
pub(super) fn places(of: &[String], among: &[String]) -> Option<Vec<usize>> {
    of.iter().map(|c| among.iter().position(|a| a == c)).collect()
}

pub(super) fn project(row: &[i64], places: &[usize], to: &mut Vec<i64>) {
    to.clear();
    to.extend(places.iter().map(|p| row[*p]));
}

impl<'a> Builder<'a> {
    /// One that has read what is there.
    pub fn new(
        graph: &'a mut QuantumGraph,
        pipeline: &'a Pipeline,
        registry: &'a mut Registry,
        request: &'a GraphRequest,
    ) -> Result<Self, PipelineError> {
        let universe = registry.universe().clone();
        let seen = graph.header.tasks.iter().map(|t| RowTable::new(t.columns.len(), t.required));
        let (seen, kinds) = (seen.collect(), graph.types.len());
        let mut builder = Self {
            graph,
            registry,
            universe,
            request,
            pipeline,
            seen,
            there: vec![HashMap::new(); kinds],
            validities: HashMap::new(),
            times: HashMap::new(),
        };
        builder.read_existing()?;
        builder.read_inputs()?;
        Ok(builder)
    }
}

impl Builder<'_> {
    pub fn wrong(&self, why: String) -> PipelineError {
        PipelineError::Graph { pipeline: self.pipeline.name.clone(), why }
    }

    /// A data id's values as numbers.
    pub fn numbers(&mut self, columns: &[String], id: &DataId, to: &mut Vec<i64>) {
        to.clear();
        for column in columns {
            to.push(match id.get(column) {
                Some(Value::Int(v)) => *v,
                Some(Value::Text(t)) => self.graph.texts.intern(t),
                None => NULL,
            });
        }
    }

    pub fn keep_found(&mut self, dataset: &elqui_butler::Dataset) -> Row {
        let run = self.graph.texts.intern(&dataset.run);
        self.graph.found.push(Found { id: *dataset.id.as_bytes(), run });
        self.graph.found.len() as Row - 1
    }

    /// A dataset's row, known from now on.
    pub fn dataset_row(&mut self, kind: usize, row: &[i64], found: Row) -> Row {
        let nodes = &mut self.graph.types[kind];
        let at = nodes.ids.intern(row);
        if at as usize == nodes.found.len() {
            nodes.found.push(found);
            nodes.makers.push(NONE);
        } else if found != NONE {
            nodes.found[at as usize] = found;
        }
        at
    }

    /// What the run holds of the pipeline's outputs.
    fn read_existing(&mut self) -> Result<(), PipelineError> {
        let run = self.request.run.clone();
        let known = self.registry.collections(&run)?;
        let Some(found) = known.iter().find(|c| c.name == run) else { return Ok(()) };
        if found.kind != CollectionKind::Run {
            let why = format!("`{run}` is a {} collection, outputs are born into runs", found.kind);
            return Err(self.wrong(why));
        }
        let registered: BTreeSet<String> =
            self.registry.dataset_types()?.into_iter().map(|t| t.name).collect();
        for kind in 0..self.graph.types.len() {
            let head = self.graph.header.types[kind].clone();
            if head.maker.is_none() || !registered.contains(&head.of.name) {
                continue;
            }
            let query = elqui_registry::DatasetQuery::new(&head.of.name, &[&run], "");
            let mut row = Vec::new();
            for dataset in self.registry.datasets(&query)? {
                self.numbers(&head.of.dimensions, &dataset.name.data_id, &mut row);
                let found = self.keep_found(&dataset);
                self.there[kind].insert(row.clone(), found);
            }
        }
        Ok(())
    }

    fn add_task(&mut self, task: usize) -> Result<(), PipelineError> {
        let head = self.graph.header.tasks[task].clone();
        let candidates = self.candidates(task)?;
        let mut slots: Vec<Vec<u64>> = Vec::new();
        for slot in 0..head.info.inputs.len() {
            slots.push(self.sources(task, slot, &candidates)?);
        }
        // Those that lack something they must have are dropped.
        let mut good = vec![true; candidates.len()];
        for (slot, pairs) in head.info.inputs.iter().zip(&slots) {
            if slot.number == Number::Maybe {
                continue;
            }
            let mut has = vec![false; candidates.len()];
            pairs.iter().for_each(|p| has[(p >> 32) as usize] = true);
            good.iter_mut().zip(has).for_each(|(g, h)| *g &= h);
        }
        let numbers = self.keep(task, &head, &candidates, &good)?;
        for (slot, pairs) in slots.into_iter().enumerate() {
            let nodes = &mut self.graph.tasks[task];
            let mut all = nodes.inputs[slot].pairs();
            let known = pairs.iter().filter_map(|p| {
                let number = numbers[(p >> 32) as usize];
                (number != NONE).then(|| pair(number, *p as u32))
            });
            all.extend(known);
            nodes.inputs[slot] = Edges::from_pairs(all, nodes.ids.len());
        }
        Ok(())
    }
}
