//! Verbs that only look: ls, show, get, collections.

use super::select::{Selection, by_id, runs};
use super::tree;
use crate::error::CliError;
use crate::outputs::{put, say, say_bytes};
use elqui_butler::DatasetId;
use elqui_pipeline::Repository;
use std::path::PathBuf;

/// List datasets, or, without a type, how many there are of each.
///
/// Example: elqui repo ls raw --where "instrument='simcam' AND visit IN (1..20)" --order-by visit
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct LsArgs {
    #[command(flatten)]
    select: Selection,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub fn ls(r: &mut Repository, args: &LsArgs) -> Result<(), CliError> {
    if args.select.what.is_empty() {
        if !args.select.condition.is_empty() || args.select.limit.is_some() {
            return Err(CliError::words("--where and --limit are about datasets: name a type"));
        }
        let of = &args.select.collections;
        let of = if of.is_empty() { runs(r)? } else { of.clone() };
        let names: Vec<&str> = of.iter().map(String::as_str).collect();
        let counts = r.registry().counts(&names).map_err(CliError::work)?;
        let lines: Vec<String> = counts
            .iter()
            .map(|(name, n)| match args.json {
                true => serde_json::json!({"dataset_type": name, "count": n}).to_string(),
                false => format!("{n:>9}  {name}"),
            })
            .collect();
        return print(&lines);
    }
    let found = args.select.datasets(r)?;
    let line = |d| serde_json::to_string(d).unwrap_or_default();
    let lines: Vec<String> = match args.json {
        true => found.iter().map(line).collect(),
        false => found.iter().map(|d| format!("{}  {}  {}", d.id, d.run, d.name)).collect(),
    };
    print(&lines)
}

/// Show what is known of one dataset.
///
/// Example: elqui repo show 0197b3c2-... --provenance
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ShowArgs {
    #[arg(value_name = "ID")]
    id: String,
    /// The tree of what it came from.
    #[arg(long)]
    provenance: bool,
    /// Write what it came from as an RO-Crate into this folder.
    #[arg(long, value_name = "DIR")]
    ro_crate: Option<PathBuf>,
    /// The date of publication that the crate is to bear.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "ro_crate")]
    published: Option<String>,
}

fn id_of(text: &str) -> Result<DatasetId, CliError> {
    DatasetId::parse(text).map_err(CliError::words)
}

pub fn show(r: &mut Repository, args: &ShowArgs) -> Result<(), CliError> {
    let id = id_of(&args.id)?;
    if let Some(folder) = &args.ro_crate {
        let today = || elqui_butler::ns_to_iso_utc(now_ns())[..10].to_string();
        let text = r.ro_crate(&[id], &args.published.clone().unwrap_or_else(today));
        let file = folder.join("ro-crate-metadata.json");
        crate::outputs::make_folder(folder)?;
        put(&file, text.map_err(CliError::work)?.as_bytes())?;
        return say(&file.display().to_string());
    }
    if args.provenance {
        let origin = r.provenance(id).map_err(CliError::work)?;
        return print(&tree::lines(&origin));
    }
    let dataset = by_id(r, id)?;
    let mut lines = vec![
        format!("id          {id}"),
        format!("dataset     {}", dataset.name),
        format!("run         {}", dataset.run),
    ];
    for (_, artifact) in r.registry().artifacts(&[id]).map_err(CliError::work)? {
        let sum = if artifact.checksum.is_empty() { "no checksum" } else { &artifact.checksum };
        lines.push(format!("file        {}", artifact.path));
        lines.push(format!("size        {} bytes, {sum}", artifact.size_bytes));
    }
    for (collection, time) in r.registry().validities(id).map_err(CliError::work)? {
        lines.push(format!("valid       {time} MJD TAI in {collection}"));
    }
    if let Some(quantum) = r.registry().quantum_of(id).map_err(CliError::work)? {
        lines.push(format!("made by     {}", tree::quantum(&quantum)));
    }
    for user in r.registry().used_by(id).map_err(CliError::work)? {
        lines.push(format!("used by     {user}"));
    }
    print(&lines)
}

/// Write a dataset's file.
///
/// Example: elqui repo get 0197b3c2-... --out image.fits
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct GetArgs {
    #[arg(value_name = "ID")]
    id: String,
    /// Where to; `-` for stdout.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
}

pub fn get(r: &mut Repository, args: &GetArgs) -> Result<(), CliError> {
    let bytes = r.get(id_of(&args.id)?).map_err(CliError::work)?;
    if args.out.as_os_str() == "-" { say_bytes(&bytes) } else { put(&args.out, &bytes) }
}

/// List collections.
///
/// Example: elqui repo collections "u/*"
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct CollectionsArgs {
    /// Names with `*` and `?`.
    #[arg(default_value = "*")]
    pattern: String,
    /// Remove the collection of this name; a run must be empty.
    #[arg(long, value_name = "NAME")]
    remove: Option<String>,
}

pub fn collections(r: &mut Repository, args: &CollectionsArgs) -> Result<(), CliError> {
    if let Some(name) = &args.remove {
        return r.registry().remove_collection(name).map_err(CliError::work);
    }
    let all = r.registry().collections(&args.pattern).map_err(CliError::work)?;
    let line = |c: &elqui_butler::Collection| match c.children.is_empty() {
        true => format!("{:<12} {}", c.kind.to_string(), c.name),
        false => format!("{:<12} {} -> {}", c.kind.to_string(), c.name, c.children.join(", ")),
    };
    print(&all.iter().map(line).collect::<Vec<_>>())
}

fn print(lines: &[String]) -> Result<(), CliError> {
    if lines.is_empty() { Ok(()) } else { say(&lines.join("\n")) }
}

/// Nanoseconds since 1970; leap seconds do not matter for a date.
fn now_ns() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |d| d.as_nanos() as i64)
}
