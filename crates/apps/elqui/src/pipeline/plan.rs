//! `elqui pipeline plan`: which quanta a pipeline comes to, without running any.

use super::Which;
use super::collections::Where;
use crate::error::{CliError, broken_expression};
use crate::outputs::{note, put, say};
use crate::progress::Bar;
use elqui_pipeline::{GraphRequest, Pipeline, QuantumGraph, Repository};
use std::path::PathBuf;

/// Show which steps would run on which data, or write that as a graph.
///
/// Example: elqui pipeline plan frames --repo survey --input simcam/raw/all --output u/me/frames --out plan.html
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct PlanArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    collections: Where,
    /// Write it: .elqg (to be run later), .html, .dot (Graphviz) or .txt.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Add to a graph that was written before what this --where selects.
    #[arg(long, value_name = "FILE.elqg", conflicts_with = "resume")]
    extend: Option<PathBuf>,
    /// A line for each quantum.
    #[arg(long)]
    quanta: bool,
}

pub fn run(r: &mut Repository, args: &PlanArgs) -> Result<(), CliError> {
    let pipeline = args.which.load(&r.registry().universe().clone())?;
    let graph = match &args.extend {
        None => {
            let place = args.collections.place(r)?;
            let request = GraphRequest {
                run: place.run,
                inputs: place.inputs,
                condition: args.collections.condition.clone(),
                skip_existing: args.collections.resume,
            };
            build(r, &pipeline, &request)?
        }
        Some(path) => {
            let mut graph = QuantumGraph::load(path).map_err(CliError::work)?;
            let request = GraphRequest {
                run: graph.header.run.clone(),
                inputs: graph.header.inputs.clone(),
                condition: args.collections.condition.clone(),
                skip_existing: true,
            };
            let new = graph.extend(&pipeline, r.registry(), &request).map_err(CliError::work)?;
            note(&format!("{new} quanta are new"));
            graph
        }
    };
    let Some(out) = &args.out else { return say(graph.to_text(args.quanta).trim_end()) };
    match out.extension().and_then(|e| e.to_str()) {
        Some("elqg") => graph.save(out).map_err(CliError::work)?,
        Some("html") => put(out, graph.to_html().as_bytes())?,
        Some("dot") => put(out, graph.to_dot(args.quanta).as_bytes())?,
        Some("txt") => put(out, graph.to_text(args.quanta).as_bytes())?,
        _ => {
            return Err(CliError::words(format!(
                "{}: a plan is written as .elqg, .html, .dot or .txt",
                out.display()
            )));
        }
    }
    say(&format!("{}: {} quanta into {}", out.display(), graph.len(), graph.header.run))
}

/// The graph, with words on why it is empty.
pub fn build(
    r: &mut Repository,
    pipeline: &Pipeline,
    request: &GraphRequest,
) -> Result<QuantumGraph, CliError> {
    let bar = Bar::new("planning", 1);
    let graph = QuantumGraph::build(pipeline, r.registry(), request).map_err(|e| match e {
        elqui_pipeline::PipelineError::Registry(e) => broken_expression(e),
        e => CliError::work(e),
    })?;
    bar.tick(&format!("{} quanta", graph.len()));
    bar.finish();
    if !graph.is_empty() || request.skip_existing {
        return Ok(graph);
    }
    let inputs = request.inputs.join(", ");
    let mut there = Vec::new();
    for name in pipeline.overall_inputs() {
        let query = elqui_registry::DatasetQuery {
            collections: request.inputs.clone(),
            ..elqui_registry::DatasetQuery::new(name, &[], "")
        };
        // A type that nobody registered has none.
        let n = r.registry().datasets(&query).map_or(0, |all| all.len());
        there.push(format!("{n} {name}"));
    }
    let of = if request.condition.is_empty() {
        String::new()
    } else {
        format!(" where {}", request.condition)
    };
    Err(CliError::work(format!(
        "nothing to do{of}: `{inputs}` has {}; look with `elqui repo ls TYPE --collections {inputs} --where ...`",
        there.join(", ")
    )))
}
