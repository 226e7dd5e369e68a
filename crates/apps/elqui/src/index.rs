//! `elqui index`: an index of a reference catalogue, for frames of which no pointing is known.

use crate::error::CliError;
use crate::outputs;
use crate::progress::Bar;
use crate::refcat;
use elqui_astrometry::{BlindConfig, BlindIndex};
use elqui_codec::atomic_write_bytes;
use std::path::{Path, PathBuf};

/// Index a reference catalogue for blind solving, or describe an index.
///
/// Example: elqui index build tycho2.csv --out tycho2.idx
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Make an index of a catalogue.
    Build(BuildArgs),
    /// Say what is in an index.
    Info {
        #[arg(value_name = "FILE.idx")]
        file: PathBuf,
    },
}

#[derive(clap::Args)]
struct BuildArgs {
    /// Reference catalogue: CSV, Parquet, FITS table or VOTable with ra, dec (deg) and a magnitude.
    refcat: PathBuf,
    /// The index.
    #[arg(long, value_name = "FILE.idx")]
    out: PathBuf,
    /// Another name for a column of the catalogue (ra, dec, mag, ...).
    #[arg(long = "ref-column", value_name = "NAME=COLUMN")]
    ref_columns: Vec<String>,
    /// Shortest side of a pattern, arcsec (default: as short as the catalogue's density bears).
    #[arg(long, value_name = "ARCSEC")]
    min_arcsec: Option<f64>,
    /// Longest side of a pattern, degrees.
    #[arg(long, value_name = "DEG", default_value_t = 12.0)]
    max_deg: f64,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    match &args.what {
        What::Build(args) => build(args),
        What::Info { file } => outputs::say(&described(file, &read(file)?)),
    }
}

fn build(args: &BuildArgs) -> Result<(), CliError> {
    let usable = |v: f64| v.is_finite() && v > 0.0;
    if !usable(args.max_deg) || args.min_arcsec.is_some_and(|v| !usable(v)) {
        return Err(CliError::words("--min-arcsec and --max-deg have to be above zero"));
    }
    let bar = Bar::new("indexing", 1);
    let stars = refcat::read_reference(&args.refcat, &args.ref_columns)?;
    let stars = stars.all_stars().map_err(|e| CliError::on(&args.refcat, e))?;
    let config = BlindConfig {
        diameter_min_arcsec: args.min_arcsec,
        diameter_max_deg: args.max_deg,
        ..BlindConfig::default()
    };
    let index = BlindIndex::build(&stars, &config).map_err(|e| CliError::on(&args.refcat, e))?;
    atomic_write_bytes(&args.out, &index.to_bytes()).map_err(|e| CliError::on(&args.out, e))?;
    bar.finish();
    outputs::say(&described(&args.out, &index))
}

/// Read an index; it is checked as it is read.
pub fn read(path: &Path) -> Result<BlindIndex, CliError> {
    let bytes =
        std::fs::read(path).map_err(|e| CliError::on(path, format!("cannot be read: {e}")))?;
    BlindIndex::from_bytes(&bytes).map_err(|e| CliError::on(path, e))
}

fn described(path: &Path, index: &BlindIndex) -> String {
    let (short, long) = index.diameters_arcsec();
    format!(
        "{}: {} stars, {} patterns of {short:.0} to {long:.0} arcsec",
        path.display(),
        index.star_count(),
        index.quad_count()
    )
}
