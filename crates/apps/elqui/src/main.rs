//! The one binary. Verbs parse their words, open the doors, call the rooms and report.

mod calib;
mod catalog;
mod catalogs;
mod clock;
mod demo;
mod error;
mod frames;
mod index;
mod inputs;
mod lightcurve;
mod outputs;
mod pipeline;
mod plot;
mod process;
mod progress;
mod query;
mod refcat;
mod repo;
mod report;
mod serve;
mod simulate;
mod view;

use clap::{Parser, Subcommand};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// Data management for sky surveys: from raw frames to an answered query.
#[derive(Parser)]
#[command(name = "elqui", version, about, max_term_width = 100)]
struct Cli {
    /// Worker threads (default: all cores).
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Process(process::Args),
    Calib(calib::Args),
    Lightcurve(lightcurve::Args),
    Simulate(simulate::Args),
    Index(index::Args),
    Catalog(catalogs::Args),
    Query(query::Args),
    Repo(repo::Args),
    Pipeline(pipeline::Args),
    Serve(serve::Args),
    Demo(demo::Args),
}

fn main() -> ExitCode {
    // A panic is reported in one line where it is caught; RUST_BACKTRACE shows the rest.
    if std::env::var_os("RUST_BACKTRACE").is_none_or(|v| v == "0") {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let cli = Cli::parse();
    let threads = cli.threads.map_or(0, usize::from);
    if let Err(reason) = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global() {
        outputs::note(&format!("elqui: cannot start {threads} worker threads: {reason}"));
        return ExitCode::FAILURE;
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| match cli.verb {
        Verb::Process(args) => process::run(&args),
        Verb::Calib(args) => calib::run(&args),
        Verb::Lightcurve(args) => lightcurve::run(&args),
        Verb::Simulate(args) => simulate::run(&args),
        Verb::Index(args) => index::run(&args),
        Verb::Catalog(args) => catalogs::run(&args),
        Verb::Query(args) => query::run(&args),
        Verb::Repo(args) => repo::run(&args),
        Verb::Pipeline(args) => pipeline::run(&args),
        Verb::Serve(args) => serve::run(&args),
        Verb::Demo(args) => demo::run(&args),
    }));
    let outcome = outcome.unwrap_or_else(|panic| {
        let reason = error::panic_text(panic.as_ref());
        Err(error::CliError::work(format!("internal error, please report it: {reason}")))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            outputs::note(&format!("elqui: {error}"));
            ExitCode::from(error.exit_status())
        }
    }
}
