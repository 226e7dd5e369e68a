//! `elqui repo`: a repository of datasets.

mod change;
pub mod ingest;
mod look;
pub mod put;
mod select;
mod tree;
mod whole;

use crate::error::CliError;
use elqui_pipeline::Repository;
use std::path::PathBuf;

/// Keep datasets, find them again, and know where they came from.
///
/// Example: elqui repo ls raw --where "band='r' AND visit.exposure_time_s > 20"
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The repository's folder.
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Init(whole::InitArgs),
    Ingest(ingest::IngestArgs),
    Put(put::PutArgs),
    Import(whole::ImportArgs),
    Export(whole::ExportArgs),
    Ls(look::LsArgs),
    Show(look::ShowArgs),
    Get(look::GetArgs),
    Rm(change::RmArgs),
    Collections(look::CollectionsArgs),
    Chain(change::ChainArgs),
    Tag(change::TagArgs),
    Certify(change::CertifyArgs),
    Verify(whole::VerifyArgs),
    Gc(whole::GcArgs),
    Migrate(whole::MigrateArgs),
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let open = || Repository::open(&args.repo).map_err(CliError::work);
    match &args.verb {
        Verb::Init(words) => whole::init(&args.repo, words),
        Verb::Migrate(words) => whole::migrate(&args.repo, words),
        Verb::Ingest(words) => ingest::run(&mut open()?, words),
        Verb::Put(words) => put::run(&mut open()?, words),
        Verb::Import(words) => whole::import(&mut open()?, words),
        Verb::Export(words) => whole::export(&mut open()?, words),
        Verb::Ls(words) => look::ls(&mut open()?, words),
        Verb::Show(words) => look::show(&mut open()?, words),
        Verb::Get(words) => look::get(&mut open()?, words),
        Verb::Rm(words) => change::rm(&mut open()?, words),
        Verb::Collections(words) => look::collections(&mut open()?, words),
        Verb::Chain(words) => change::chain(&mut open()?, words),
        Verb::Tag(words) => change::tag(&mut open()?, words),
        Verb::Certify(words) => change::certify(&mut open()?, words),
        Verb::Verify(words) => whole::verify(&mut open()?, words),
        Verb::Gc(words) => whole::gc(&mut open()?, words),
    }
}
