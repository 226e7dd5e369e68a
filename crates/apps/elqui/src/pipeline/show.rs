//! `elqui pipeline show` and `tasks`: what a pipeline is, and what steps there are to make one of.

use super::Which;
use crate::error::CliError;
use crate::outputs::say;
use elqui_butler::Universe;
use elqui_pipeline::{Number, Role, SlotInfo, TaskInfo};

/// Show a pipeline: its steps, what they read and make, and with --config all that can be set.
///
/// Example: elqui pipeline show frames
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ShowArgs {
    #[command(flatten)]
    which: Which,
    /// As YAML, every default written out: a file to start one's own from.
    #[arg(long)]
    config: bool,
}

pub fn show(args: &ShowArgs) -> Result<(), CliError> {
    let pipeline = args.which.load(Universe::standard())?;
    if args.config {
        return say(pipeline.to_yaml().trim_end());
    }
    let mut text = format!("{}: {}\n", pipeline.name, pipeline.description);
    for step in &pipeline.steps {
        text += &format!("\n{} ({})\n", step.label, step.info.name);
        text += &described(&step.info);
        if !step.condition.is_empty() {
            text += &format!("  where   {}\n", step.condition);
        }
        text += &format!("  memory  {} MiB at most\n", step.peak_memory_bytes() >> 20);
    }
    if !pipeline.subsets.is_empty() {
        text += "\nsubsets\n";
        for (name, subset) in &pipeline.subsets {
            text += &format!("  {name}: {} {}\n", subset.steps.join(", "), subset.description);
        }
    }
    text += &format!("\nreads {}", pipeline.overall_inputs().join(", "));
    say(&text)
}

/// List the tasks that a pipeline can be made of.
///
/// Example: elqui pipeline tasks
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct TasksArgs {
    /// Only this one.
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

pub fn tasks(args: &TasksArgs) -> Result<(), CliError> {
    let tasks = elqui_production::steps::tasks();
    let known: Vec<&str> = tasks.names().collect();
    let wanted: Vec<&str> = match &args.name {
        Some(name) => vec![name.as_str()],
        None => known.clone(),
    };
    let mut text = String::new();
    for name in wanted {
        let info = tasks.info(name).ok_or_else(|| {
            CliError::words(format!("there is no task `{name}`; there are {}", known.join(", ")))
        })?;
        text += &format!("{name}: {}\n{}\n", info.doc, described(info));
    }
    say(text.trim_end())
}

fn described(info: &TaskInfo) -> String {
    let mut text = format!("  runs    for each {}\n", info.dimensions.join(", "));
    let mut add = |what: &str, slot: &SlotInfo| {
        let number = match slot.number {
            Number::One => "",
            Number::Maybe => ", or none",
            Number::Many => ", all that belong to it",
        };
        let role = match slot.role {
            Role::Regular => "",
            Role::Calibration => ", calibration",
            Role::Prerequisite => ", whatever --where says",
        };
        let name = if slot.name == slot.dataset_type {
            String::new()
        } else {
            format!(" (slot {})", slot.name)
        };
        text += &format!(
            "  {what:<7} {}{name}: {} [{}]{number}{role}\n",
            slot.dataset_type,
            slot.storage_class,
            slot.dimensions.join(", ")
        );
    };
    info.inputs.iter().for_each(|s| add("reads", s));
    info.outputs.iter().for_each(|s| add("makes", s));
    text
}
