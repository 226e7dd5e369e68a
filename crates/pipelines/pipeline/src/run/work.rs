//! One quantum: its datasets, its attempts, its record.

use crate::error::StepError;
use crate::graph::{Node, QuantumGraph, Row};
use crate::run::{Launcher, RunOptions, isolated};
use crate::task::{
    Context, Datasets, Finished, InputSlot, Io, OutputSlot, Session, Stored, Written,
};
use crate::yaml::PipelineStep;
use elqui_butler::{Artifact, IdSource, Quantum};
use elqui_registry::NewDataset;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Before the second attempt; each later one waits twice as long, up to `PAUSE_MAX`.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Type and row of a dataset, and where its bytes are.
pub(crate) type Made = HashMap<(usize, Row), Option<Artifact>>;

pub(crate) struct Work<'a> {
    pub graph: &'a QuantumGraph,
    pub steps: &'a [&'a PipelineStep],
    pub datasets: &'a dyn Datasets,
    pub options: &'a RunOptions,
    launcher: Option<&'a dyn Launcher>,
    ids: Mutex<IdSource>,
    /// What was written and is not registered yet.
    made: Mutex<Made>,
    /// Why quanta could not be registered.
    refused: Mutex<HashMap<u32, String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Work<'a> {
    pub fn new(
        graph: &'a QuantumGraph,
        steps: &'a [&'a PipelineStep],
        datasets: &'a dyn Datasets,
        options: &'a RunOptions,
        launcher: Option<&'a dyn Launcher>,
    ) -> Self {
        Self {
            graph,
            steps,
            datasets,
            options,
            launcher,
            ids: Mutex::default(),
            made: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// What is known of datasets that this run made and did not register yet.
    pub fn set_made(&self, made: Made) {
        *lock(&self.made) = made;
    }

    /// A quantum with its attempts. Returns how many there were.
    pub fn quantum(
        &self,
        node: Node,
        number: u32,
        session: &mut dyn Session,
    ) -> (u32, Result<Finished, StepError>) {
        let step = self.steps[node.task];
        let tries = 1 + step.limits.retries.unwrap_or(self.options.retries);
        let mut attempt = 1;
        loop {
            let context = self.context(node, number, attempt);
            let started = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| {
                if step.limits.isolated {
                    self.isolated(node, number, &context)
                } else {
                    self.attempt(node, session, &context)
                }
            }));
            let result = result.unwrap_or_else(|panic| Err(StepError::Panicked(text_of(&*panic))));
            let Err(why) = &result else { return (attempt, result) };
            let seconds = started.elapsed().as_secs_f64();
            context.log(format_args!("attempt {attempt} failed after {seconds:.3} s: {why}"));
            if attempt >= tries || !why.retryable() || self.options.cancel.is_cancelled() {
                return (attempt, result);
            }
            std::thread::sleep((PAUSE * 2_u32.pow(attempt.min(12) - 1)).min(PAUSE_MAX));
            attempt += 1;
        }
    }

    fn context(&self, node: Node, number: u32, attempt: u32) -> Context {
        let step = self.steps[node.task];
        let timeout = step.limits.timeout.or(self.options.timeout);
        let log = self.options.logs.as_ref();
        let log = log.map(|f| f.join(&step.label).join(format!("{number}.log")));
        let data_id = self.graph.data_id(node);
        Context::new(&step.label, data_id, self.options.cancel.clone(), timeout)
            .with_log(log, attempt)
    }

    fn isolated(&self, node: Node, number: u32, context: &Context) -> Result<Finished, StepError> {
        let Some(launcher) = self.launcher else {
            return Err(StepError::Failed("it cannot be started as a process here".into()));
        };
        let mut made = Made::new();
        {
            let all = lock(&self.made);
            for (kind, rows) in self.graph.inputs(node) {
                for row in rows {
                    made.extend(all.get(&(kind, *row)).map(|a| ((kind, *row), a.clone())));
                }
            }
        }
        let mut finished = isolated::launch(launcher, number, made, context)?;
        // Where the worker did not measure itself.
        let seen = || context.peak_memory_bytes();
        finished.0.peak_memory_bytes = finished.0.peak_memory_bytes.or_else(seen);
        self.remember(node, &finished);
        Ok(finished)
    }

    /// One attempt in this process.
    pub fn attempt(
        &self,
        node: Node,
        session: &mut dyn Session,
        context: &Context,
    ) -> Result<Finished, StepError> {
        let (started_ns, wall) = ((self.options.clocks.now_ns)(), Instant::now());
        let cpu = (self.options.clocks.cpu_s)();
        let (step, info) = (self.steps[node.task], &self.graph.header.tasks[node.task].info);
        let inputs = self.inputs(node);
        let outputs = self.outputs(node);
        let mut io = Io::new(session, &inputs, &outputs);
        step.runnable.run(&mut io, context)?;
        let written = io.finish(info)?;
        let ids = inputs.iter().flat_map(|s| s.datasets.iter().map(|d| d.dataset.id)).collect();
        let quantum = Quantum {
            id: lock(&self.ids).next_id(),
            run: self.graph.header.run.clone(),
            step: step.label.clone(),
            data_id: context.data_id.clone(),
            config: step.config().to_string(),
            software: self.options.software.clone(),
            host: self.options.host.clone(),
            started_ns,
            wall_s: wall.elapsed().as_secs_f64(),
            cpu_s: (self.options.clocks.cpu_s)() - cpu,
            // Threads share their memory: it is known of processes alone.
            peak_memory_bytes: context.peak_memory_bytes(),
            inputs: ids,
            outputs: outputs.iter().map(|o| o.dataset.id).collect(),
        };
        let finished = (quantum, new_datasets(&outputs, &written));
        self.remember(node, &finished);
        Ok(finished)
    }

    fn inputs(&self, node: Node) -> Vec<InputSlot> {
        let slots = &self.graph.header.tasks[node.task].info.inputs;
        let all = self.graph.inputs(node);
        let made = lock(&self.made);
        let slot = |(info, (kind, rows)): (&crate::task::SlotInfo, (usize, &[Row]))| InputSlot {
            info: info.clone(),
            datasets: rows
                .iter()
                .map(|row| Stored {
                    dataset: self.graph.dataset(kind, *row),
                    artifact: made.get(&(kind, *row)).cloned().flatten(),
                })
                .collect(),
        };
        slots.iter().zip(all).map(slot).collect()
    }

    fn outputs(&self, node: Node) -> Vec<OutputSlot> {
        let slots = &self.graph.header.tasks[node.task].info.outputs;
        let slot = |(info, (kind, row)): (&crate::task::SlotInfo, (usize, Row))| OutputSlot {
            info: info.clone(),
            dataset: self.graph.dataset(kind, row),
            of: self.graph.header.types[kind].of.clone(),
        };
        slots.iter().zip(self.graph.outputs(node)).map(slot).collect()
    }

    fn remember(&self, node: Node, finished: &Finished) {
        let mut made = lock(&self.made);
        for (kind, row) in self.graph.outputs(node) {
            let name = &self.graph.header.types[kind].of.name;
            let written = finished.1.iter().find(|(n, _)| n == name);
            if let Some(new) = written.and_then(|(_, all)| all.first()) {
                made.insert((kind, row), new.artifact.clone());
            }
        }
    }

    /// A quantum is registered: the registry knows where its outputs are.
    pub fn forget(&self, node: Node) {
        let mut made = lock(&self.made);
        for key in self.graph.outputs(node) {
            made.remove(&key);
        }
    }

    pub fn refused(&self, number: u32, why: String) {
        lock(&self.refused).insert(number, why);
    }

    pub fn take_refused(&self) -> HashMap<u32, String> {
        std::mem::take(&mut *lock(&self.refused))
    }

    /// Numbers of the quanta that made its inputs.
    pub fn makers(&self, node: Node) -> Vec<u32> {
        let inputs = self.graph.inputs(node).into_iter();
        let rows = inputs.flat_map(|(kind, rows)| rows.iter().map(move |row| (kind, *row)));
        let makers = rows.filter_map(|(kind, row)| self.graph.maker(kind, row));
        makers.map(|m| self.graph.number(m)).collect()
    }
}

fn new_datasets(outputs: &[OutputSlot], written: &[Written]) -> Vec<(String, Vec<NewDataset>)> {
    let one = |w: &Written| {
        let slot = &outputs[w.slot];
        let new = NewDataset {
            data_id: slot.dataset.name.data_id.clone(),
            id: Some(slot.dataset.id),
            artifact: w.artifact.clone(),
        };
        (slot.of.name.clone(), vec![new])
    };
    written.iter().map(one).collect()
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown".into())
}
