//! `elqui catalog export`.

use super::progress::Stages;
use crate::error::CliError;
use crate::outputs::say;
use elqui_catalog::{ExportFormat, ExportRequest, SkyRegion, size_text};
use std::path::PathBuf;

/// Write a catalogue, or a part of it, as one Parquet, CSV, VOTable or FITS file.
///
/// Example: elqui catalog export survey/object --cone 150.1,2.2,0.5 --columns objectId,ra,dec --out part.vot
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ExportArgs {
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The file; its ending says the format.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[arg(long, value_name = "parquet|csv|votable|fits", value_parser = format)]
    format: Option<ExportFormat>,
    /// Columns, in this order; all where it is not said.
    #[arg(long, value_name = "COL,COL", value_delimiter = ',')]
    columns: Vec<String>,
    /// Centre and radius, deg.
    #[arg(long, value_name = "RA,DEC,RADIUS", allow_hyphen_values = true)]
    cone: Option<String>,
    /// Corners, deg.
    #[arg(
        long,
        value_name = "RA,DEC,RA,DEC,...",
        conflicts_with = "cone",
        allow_hyphen_values = true
    )]
    polygon: Option<String>,
    /// A version or tag instead of the current version.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
}

fn format(text: &str) -> Result<ExportFormat, String> {
    match text.to_lowercase().as_str() {
        "parquet" => Ok(ExportFormat::Parquet),
        "csv" => Ok(ExportFormat::Csv),
        "votable" | "vot" => Ok(ExportFormat::Votable),
        "fits" => Ok(ExportFormat::Fits),
        _ => Err("parquet, csv, votable or fits is wanted".into()),
    }
}

fn numbers(option: &str, text: &str) -> Result<Vec<f64>, CliError> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|w| w.trim().parse()).collect();
    numbers.map_err(|_| CliError::words(format!("{option}: `{text}` is not numbers and commas")))
}

fn region(args: &ExportArgs) -> Result<Option<SkyRegion>, CliError> {
    let region = match (&args.cone, &args.polygon) {
        (Some(text), _) => match numbers("--cone", text)?.as_slice() {
            [ra, dec, radius] => SkyRegion::Circle { ra: *ra, dec: *dec, radius: *radius },
            _ => return Err(CliError::words("--cone wants RA,DEC,RADIUS in degrees")),
        },
        (None, Some(text)) => {
            let numbers = numbers("--polygon", text)?;
            let (corners, []) = numbers.as_chunks::<2>() else {
                return Err(CliError::words("--polygon wants pairs of RA,DEC in degrees"));
            };
            SkyRegion::Polygon { vertices: corners.iter().map(|[ra, dec]| (*ra, *dec)).collect() }
        }
        (None, None) => return Ok(None),
    };
    region.check().map_err(CliError::words)?;
    Ok(Some(region))
}

pub fn run(args: &ExportArgs) -> Result<(), CliError> {
    let request = ExportRequest {
        version: args.version.clone(),
        columns: args.columns.clone(),
        region: region(args)?,
        format: args.format,
    };
    let stages = Stages::default();
    let tell = |done, total| stages.tell("exporting", done, total);
    let done = elqui_catalog::export(&args.dir, &request, &args.out, &tell);
    stages.finish();
    let done = done.map_err(CliError::work)?;
    say(&format!("{}: {} rows, {}", args.out.display(), done.rows, size_text(done.bytes)))
}
