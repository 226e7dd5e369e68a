//! `elqui catalog info`, `verify`, `versions`, `tag` and `prune`.

use super::progress::Stages;
use crate::error::CliError;
use crate::outputs::say;
use std::path::PathBuf;

/// Rows, partitions, columns, margins, indexes and versions of a catalogue.
///
/// Example: elqui catalog info survey/object
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct InfoArgs {
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// A version or tag instead of the current version.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub fn info(args: &InfoArgs) -> Result<(), CliError> {
    let info = elqui_catalog::info(&args.dir, args.version.as_deref()).map_err(CliError::work)?;
    if args.json {
        return say(&serde_json::to_string_pretty(&info).map_err(CliError::work)?);
    }
    say(info.to_text().trim_end())
}

/// Read a catalogue whole and check every rule of its layout.
///
/// Example: elqui catalog verify survey/object
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct VerifyArgs {
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// A version or tag instead of the current version.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub fn verify(args: &VerifyArgs) -> Result<(), CliError> {
    let stages = Stages::default();
    let tell = |done, total| stages.tell("verifying", done, total);
    let report = elqui_catalog::verify(&args.dir, args.version.as_deref(), &tell);
    stages.finish();
    let report = report.map_err(CliError::work)?;
    if args.json {
        say(&serde_json::to_string_pretty(&report).map_err(CliError::work)?)?;
    } else {
        for finding in &report.findings {
            say(&finding.to_string())?;
        }
    }
    if !report.is_good() {
        let n = report.findings.len();
        return Err(CliError::work(format!("{}: {n} rules are broken", args.dir.display())));
    }
    if args.json {
        return Ok(());
    }
    say(&format!(
        "{}: {} rows in {} partitions, {} margin rows, {} index rows: as they should be",
        args.dir.display(),
        report.rows,
        report.partitions,
        report.margin_rows,
        report.index_rows
    ))
}

/// The versions of a catalogue, oldest first.
///
/// Example: elqui catalog versions survey/object
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct VersionsArgs {
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

pub fn versions(args: &VersionsArgs) -> Result<(), CliError> {
    for v in elqui_catalog::versions(&args.dir).map_err(CliError::work)? {
        let tags = v.tags.join(", ");
        let line = format!("{}  {}  {:>12} rows  {}  {tags}", v.name, v.created, v.rows, v.made_by);
        say(line.trim_end())?;
    }
    Ok(())
}

/// Give a version a name that stays, as for a release; `prune` leaves it alone.
///
/// Example: elqui catalog tag survey/object v0002 dr1
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct TagArgs {
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[arg(value_name = "VERSION")]
    version: String,
    #[arg(value_name = "TAG")]
    tag: String,
}

pub fn tag(args: &TagArgs) -> Result<(), CliError> {
    let done = elqui_catalog::tag(&args.dir, &args.version, &args.tag).map_err(CliError::work)?;
    say(&format!("{} is {}", args.tag, done.name))
}

/// Remove old versions that have no tag.
///
/// Example: elqui catalog prune survey/object --keep 3
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct PruneArgs {
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The newest ones that stay.
    #[arg(long, value_name = "N")]
    keep: usize,
}

pub fn prune(args: &PruneArgs) -> Result<(), CliError> {
    let removed = elqui_catalog::prune(&args.dir, args.keep).map_err(CliError::work)?;
    say(&format!(
        "removed {}",
        if removed.is_empty() { "nothing".into() } else { removed.join(", ") }
    ))
}
