//! Verbs on a repository as a whole: init, import, export, verify, gc, migrate.

use super::select::Selection;
use crate::error::CliError;
use crate::outputs::{note, say};
use elqui_butler::Transfer;
use elqui_pipeline::{PostgresAt, RegistryAt, Repository, RepositoryConfig, S3At, StoreAt};
use std::path::{Path, PathBuf};

/// Make a repository.
///
/// Example: elqui repo init --repo survey
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct InitArgs {
    /// Keep the registry in PostgreSQL instead of SQLite; passwords belong in ~/.pgpass.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// The schema of the tables in PostgreSQL.
    #[arg(long, default_value = "elqui", requires = "postgres")]
    schema: String,
    /// Keep the files elsewhere: a folder, or s3://BUCKET/PREFIX.
    #[arg(long, value_name = "DIR|URL")]
    store: Option<String>,
    /// Of a service other than Amazon's: https://host:port.
    #[arg(long, value_name = "URL", default_value = "")]
    endpoint: String,
    /// Where a dataset type's files are: TYPE={run}/{datasetType}/{visit}_{id}.
    #[arg(long = "template", value_name = "TYPE=TEMPLATE")]
    templates: Vec<String>,
}

pub fn init(root: &Path, args: &InitArgs) -> Result<(), CliError> {
    let mut config = RepositoryConfig::default();
    if let Some(url) = &args.postgres {
        let at = PostgresAt { url: url.clone(), schema: args.schema.clone() };
        config.registry = RegistryAt { sqlite: None, postgres: Some(at) };
    }
    if let Some(store) = &args.store {
        config.store = match store.strip_prefix("s3://") {
            Some(rest) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let at = S3At {
                    bucket: bucket.to_string(),
                    prefix: prefix.to_string(),
                    endpoint: args.endpoint.clone(),
                    region: String::new(),
                };
                StoreAt { folder: None, s3: Some(at) }
            }
            None => StoreAt { folder: Some(absolute(store)?), s3: None },
        };
    }
    for text in &args.templates {
        let (name, template) = text
            .split_once('=')
            .ok_or_else(|| CliError::words(format!("`{text}` is not TYPE=TEMPLATE")))?;
        config.templates.insert(name.to_string(), template.to_string());
    }
    Repository::create(root, &config).map_err(CliError::work)?;
    say(&format!("{}: a new repository", root.display()))
}

/// As the person who types it means it, not as the repository would.
fn absolute(folder: &str) -> Result<PathBuf, CliError> {
    std::path::absolute(folder).map_err(|e| CliError::on(Path::new(folder), e))
}

/// Export datasets, what they refer to and their files into a folder.
///
/// Example: elqui repo export raw --where "visit=12" --out twelve
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ExportArgs {
    #[command(flatten)]
    select: Selection,
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What becomes of the files: copy, move, link, symlink.
    #[arg(long, default_value = "copy", value_parser = str::parse::<Transfer>)]
    mode: Transfer,
    /// With --mode move: take the files out of this repository.
    #[arg(long)]
    yes: bool,
}

pub fn export(r: &mut Repository, args: &ExportArgs) -> Result<(), CliError> {
    let ids = args.select.ids(r)?;
    if args.mode == Transfer::Move && !args.yes {
        return say(&format!(
            "{} datasets would leave the repository; say --yes to do it",
            ids.len()
        ));
    }
    let done = r.export(&ids, &args.out, args.mode).map_err(CliError::work)?;
    say(&format!("{} datasets, {} bytes", done.datasets, done.bytes))
}

/// Import what `export` wrote; ids are kept, and what is there already is passed over.
///
/// Example: elqui repo import twelve --repo elsewhere
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ImportArgs {
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// What becomes of the files: copy, move, link, symlink.
    #[arg(long, default_value = "copy", value_parser = str::parse::<Transfer>)]
    mode: Transfer,
}

pub fn import(r: &mut Repository, args: &ImportArgs) -> Result<(), CliError> {
    let done = r.import(&args.folder, args.mode).map_err(CliError::work)?;
    say(&format!("{} datasets imported, {} were there", done.new, done.known))
}

/// Reread every file against its checksum, and check the registry.
///
/// Example: elqui repo verify --repo survey
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct VerifyArgs {}

pub fn verify(r: &mut Repository, _: &VerifyArgs) -> Result<(), CliError> {
    let report = r.verify(&mut |n| note(&format!("verify: {n} files"))).map_err(CliError::work)?;
    for bad in &report.bad {
        say(&format!("{}  {}  {}", bad.dataset, bad.path, bad.why))?;
    }
    for line in &report.registry {
        say(&format!("registry: {line}"))?;
    }
    let unsummed = match report.without_checksum {
        0 => String::new(),
        n => format!(", {n} by size alone"),
    };
    if !report.bad.is_empty() || !report.registry.is_empty() {
        let n = report.bad.len() + report.registry.len();
        return Err(CliError::work(format!("{n} of {} files or tables are damaged", report.files)));
    }
    say(&format!("{} files, {} bytes are as they were{unsummed}", report.files, report.bytes))
}

/// Remove files that no dataset has, and what cut-off writes have left.
///
/// Example: elqui repo gc --dry-run
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct GcArgs {
    /// Only list them.
    #[arg(long)]
    dry_run: bool,
    /// Younger ones are left alone: they may belong to work that is under way.
    #[arg(long, value_name = "HOURS", default_value_t = 1.0)]
    older_than: f64,
}

pub fn gc(r: &mut Repository, args: &GcArgs) -> Result<(), CliError> {
    if args.older_than.is_nan() || args.older_than < 0.0 {
        return Err(CliError::words("--older-than has to be zero or more"));
    }
    let found = r.gc(3600.0 * args.older_than, args.dry_run).map_err(CliError::work)?;
    for file in found.orphans.iter().chain(&found.leftovers) {
        say(&format!("{:>12}  {}", file.size_bytes, file.path))?;
    }
    let done = if args.dry_run { "would be removed" } else { "removed" };
    let n = found.orphans.len() + found.leftovers.len();
    say(&format!("{n} files {done}; {} are too young", found.too_young))
}

/// Bring the registry of an older version up to this program's; make a copy first.
///
/// Example: elqui repo migrate --repo survey
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct MigrateArgs {}

pub fn migrate(root: &Path, _: &MigrateArgs) -> Result<(), CliError> {
    let from = Repository::migrate(root).map_err(CliError::work)?;
    let to = elqui_registry::SCHEMA_VERSION;
    say(&format!("{}: schema version {to} (it was {from})", root.display()))
}
