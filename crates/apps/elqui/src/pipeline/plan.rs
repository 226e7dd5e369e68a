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
            let mut graph = build(r, &pipeline, &request)?;
            check_calibrations(r, &graph, args.collections.without_calibrations)?;
            graph.header.chain = place.chain;
            graph
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

/// Frames without calibrations have wrong fluxes and say so nowhere on the sky: it is said here, and
/// refused where calibrations are there and none is certified for a frame.
pub fn check_calibrations(
    r: &mut Repository,
    graph: &QuantumGraph,
    allowed: bool,
) -> Result<(), CliError> {
    let inputs: Vec<&str> = graph.header.inputs.iter().map(String::as_str).collect();
    let mut none: Vec<&str> = Vec::new();
    for (label, name, with, count) in graph.calibrations() {
        if with == count {
            continue;
        }
        // A type that nobody registered has none.
        let certified = r.registry().certified(name, &inputs).map_or(0, |all| all.len());
        let query = elqui_registry::DatasetQuery::new(name, &inputs, "");
        let bare = r.registry().datasets(&query).map_or(0, |all| all.len());
        if certified + bare == 0 {
            none.push(name);
            continue;
        }
        let why = format!(
            "{} of {count} quanta of `{label}` find no {name} that is certified for them, though the input collections hold {}",
            count - with,
            if certified > 0 { certified } else { bare }
        );
        if !allowed {
            return Err(CliError::work(format!(
                "{why}: certify them for the frames' time (`elqui repo certify`) and name the calibration collection in --input, or say --without-calibrations"
            )));
        }
        note(&why);
    }
    if !none.is_empty() {
        note(&format!("there is no {} in the input collections", none.join(", no ")));
    }
    Ok(())
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
