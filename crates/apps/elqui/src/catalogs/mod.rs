//! `elqui catalog`: catalogues in HATS layout.

mod export;
mod import;
mod look;
mod progress;

use crate::error::CliError;

/// Make catalogues in HATS layout, look into them, check them, and take rows out of them.
///
/// Example: elqui catalog import gaia.csv.gz --out gaia --name gaia_dr3.source --margin 10
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Import(import::ImportArgs),
    Append(import::AppendArgs),
    Export(export::ExportArgs),
    Info(look::InfoArgs),
    Verify(look::VerifyArgs),
    Versions(look::VersionsArgs),
    Tag(look::TagArgs),
    Prune(look::PruneArgs),
}

pub fn run(args: &Args) -> Result<(), CliError> {
    match &args.verb {
        Verb::Import(words) => import::import(words),
        Verb::Append(words) => import::append(words),
        Verb::Export(words) => export::run(words),
        Verb::Info(words) => look::info(words),
        Verb::Verify(words) => look::verify(words),
        Verb::Versions(words) => look::versions(words),
        Verb::Tag(words) => look::tag(words),
        Verb::Prune(words) => look::prune(words),
    }
}
