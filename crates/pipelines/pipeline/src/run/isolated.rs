//! A quantum in a process of its own: it can be killed, and takes only itself with it.
//!
//! The parent makes a folder with `request.json`: where inputs are that are not registered yet. The
//! child runs the quantum, writes the outputs' bytes, and leaves `result.json`: the record, which the
//! parent registers with all others, or the error.

use crate::error::{PipelineError, StepError};
use crate::graph::QuantumGraph;
use crate::run::process::{Child, run_limited};
use crate::run::record::Record;
use crate::run::work::{Made, Work};
use crate::run::{Launcher, RunOptions, steps};
use crate::task::{Context, Datasets, Finished};
use crate::yaml::Pipeline;
use elqui_butler::Artifact;
use serde::{Deserialize, Serialize};
use std::path::Path;

const REQUEST: &str = "request.json";
const RESULT: &str = "result.json";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    made: Vec<(usize, u32, Option<Artifact>)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
enum Answer {
    Done(Box<Record>),
    Failed(String),
}

/// The parent's part.
pub(crate) fn launch(
    launcher: &dyn Launcher,
    number: u32,
    made: Made,
    context: &Context,
) -> Result<Finished, StepError> {
    let folder = tempfile::Builder::new().prefix("elqui-quantum-").tempdir();
    let folder = folder.map_err(|e| StepError::Failed(format!("no scratch folder: {e}")))?;
    let made = made.into_iter().map(|((kind, row), artifact)| (kind, row, artifact)).collect();
    let request = serde_json::to_vec(&Request { made }).map_err(StepError::failed)?;
    elqui_codec::atomic_write_bytes(&folder.path().join(REQUEST), &request)?;
    let child = Child {
        command: launcher.command(number, folder.path()),
        log: context.log_path().cloned(),
    };
    let ended = run_limited(child, "the worker process", context);
    if let Err(stop @ (StepError::TimedOut { .. } | StepError::Cancelled)) = ended {
        return Err(stop);
    }
    let Ok(bytes) = std::fs::read(folder.path().join(RESULT)) else {
        let silent = || StepError::Failed("the worker process left no result".into());
        return Err(ended.err().unwrap_or_else(silent));
    };
    match serde_json::from_slice(&bytes).map_err(StepError::failed)? {
        Answer::Failed(why) => Err(StepError::Failed(why)),
        Answer::Done(record) => Ok(record.into_finished()),
    }
}

/// The child's part: run one quantum of a saved graph and leave its record in `folder`. The parent
/// registers it. A failure of the step is in the record too, and no error here.
/// - `peak_memory_bytes`: of this process, asked when the work is done; 0 where nobody knows
pub fn run_quantum(
    graph: &QuantumGraph,
    pipeline: &Pipeline,
    datasets: &dyn Datasets,
    options: &RunOptions,
    number: u32,
    folder: &Path,
    peak_memory_bytes: fn() -> i64,
) -> Result<(), PipelineError> {
    let stop = |why: String| PipelineError::Run { run: graph.header.run.clone(), why };
    let node = graph.node(number).ok_or_else(|| stop(format!("there is no quantum {number}")))?;
    let steps = steps(graph, pipeline)?;
    let path = folder.join(REQUEST);
    let bytes = std::fs::read(&path)
        .map_err(|source| PipelineError::Read { path: path.display().to_string(), source })?;
    let request: Request = serde_json::from_slice(&bytes)
        .map_err(|e| stop(format!("the request of quantum {number} is damaged: {e}")))?;
    let work = Work::new(graph, &steps, datasets, options, None);
    work.set_made(request.made.into_iter().map(|(k, r, a)| ((k, r), a)).collect());
    let mut session = datasets.session()?;
    let (label, data_id) = (&steps[node.task].label, graph.data_id(node));
    // The parent watches the time; what is said goes to its log.
    let context = Context::new(label, data_id, options.cancel.clone(), None);
    let answer = match work.attempt(node, session.as_mut(), &context) {
        Err(why) => Answer::Failed(why.to_string()),
        Ok((mut quantum, outputs)) => {
            quantum.peak_memory_bytes = Some(peak_memory_bytes()).filter(|b| *b > 0);
            Answer::Done(Box::new(Record::new(&(quantum, outputs))))
        }
    };
    let bytes = serde_json::to_vec(&answer).map_err(|e| stop(e.to_string()))?;
    elqui_codec::atomic_write_bytes(&folder.join(RESULT), &bytes)?;
    Ok(())
}
