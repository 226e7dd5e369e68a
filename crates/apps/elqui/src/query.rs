//! `elqui query`: ADQL over catalogues, answered in this process.

use crate::error::CliError;
use crate::outputs;
use elqui_catalog::{ExportFormat, write_batches};
use elqui_skydb::{OpenOptions, QueryLimits, QueryResult, SkyDb};
use std::path::{Path, PathBuf};

/// Rows printed as a table when no limit is asked for.
const PRINTED_ROWS: usize = 100;

/// Ask catalogues in ADQL 2.1.
///
/// Example: elqui query "SELECT TOP 5 objectId, coord_ra, coord_dec FROM Object" --catalog elqui-demo/catalog
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The query.
    #[arg(value_name = "ADQL", allow_hyphen_values = true)]
    pub adql: Option<String>,
    /// Read the query from a file.
    #[arg(long, value_name = "FILE", conflicts_with = "adql")]
    pub file: Option<PathBuf>,
    /// Catalogue folders (default: elqui-demo/catalog).
    #[arg(long = "catalog", value_name = "DIR")]
    pub catalogs: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Write the answer to a file instead of the terminal.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// At most this many rows.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub max_rows: usize,
    /// At most this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0)]
    pub timeout: f64,
    /// Memory that it may hold; sorts and groups past it use the disk.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    pub memory: usize,
    /// Where what does not fit in memory is kept meanwhile (default: the system's folder for such files).
    #[arg(long, value_name = "DIR")]
    pub spill: Option<PathBuf>,
    /// A version or tag of the catalogues that have versions.
    #[arg(long, value_name = "VERSION")]
    pub version: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Table,
    Csv,
    Votable,
    Parquet,
    Fits,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let binary = matches!(args.format, Format::Parquet | Format::Fits);
    if binary && args.out.is_none() {
        return Err(CliError::words("--format parquet and fits need --out FILE"));
    }
    let adql = text_of(args)?;
    let options = OpenOptions {
        threads: rayon::current_num_threads(),
        spill_folder: args.spill.clone(),
        version: args.version.clone(),
    };
    let db = SkyDb::open_with(&folders(&args.catalogs)?, &options).map_err(CliError::work)?;
    let limits = QueryLimits {
        rows_max: args.max_rows,
        time_max_s: args.timeout,
        memory_max_bytes: args.memory.saturating_mul(1 << 20),
        ..QueryLimits::default()
    };
    let answer = db.query_with(&adql, limits).map_err(CliError::work)?;
    if answer.truncated {
        let cut = format!("elqui: the answer is cut at {} rows (--max-rows)", args.max_rows);
        outputs::note(&cut);
    }
    let format = match args.format {
        Format::Table => {
            let text = text_table(&answer, args.out.is_none())?;
            return match &args.out {
                Some(path) => outputs::put(path, text.as_bytes()),
                None => outputs::say_bytes(text.as_bytes()),
            };
        }
        Format::Csv => ExportFormat::Csv,
        Format::Votable => ExportFormat::Votable,
        Format::Parquet => ExportFormat::Parquet,
        Format::Fits => ExportFormat::Fits,
    };
    let write = |path: &Path| {
        write_batches("result", &answer.schema, &answer.batches, format, path)
            .map_err(CliError::work)
    };
    match &args.out {
        Some(path) => write(path).map(|_| ()),
        None => {
            let folder = tempfile::tempdir().map_err(CliError::work)?;
            let path = folder.path().join("result");
            write(&path)?;
            outputs::say_bytes(&std::fs::read(&path).map_err(|e| CliError::on(&path, e))?)
        }
    }
}

/// The text of the query: an argument, or a file.
fn text_of(args: &Args) -> Result<String, CliError> {
    match (&args.adql, &args.file) {
        (Some(text), None) => Ok(text.clone()),
        (None, Some(path)) => std::fs::read_to_string(path).map_err(|e| CliError::on(path, e)),
        _ => Err(CliError::words("give the query as an argument, or with --file FILE")),
    }
}

/// The catalogue folders asked for, or the demo's.
pub fn folders(given: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    let demo = PathBuf::from("elqui-demo/catalog");
    if demo.is_dir() {
        return Ok(vec![demo]);
    }
    Err(CliError::words(
        "no catalogue: give one with --catalog DIR (`elqui demo` makes elqui-demo/catalog)",
    ))
}

/// Columns aligned for a terminal. `cut` stops after a hundred rows and says so.
fn text_table(answer: &QueryResult, cut: bool) -> Result<String, CliError> {
    let all = answer.rows();
    let rows = if cut { all.min(PRINTED_ROWS) } else { all };
    let columns = answer.texts(rows, number).map_err(CliError::work)?;
    let widths: Vec<usize> = columns
        .iter()
        .map(|(name, cells, _)| {
            cells.iter().map(|c| c.chars().count()).chain([name.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    let mut line = |fields: Vec<(&str, bool)>| {
        let padded: Vec<String> = fields
            .iter()
            .zip(&widths)
            .map(|((f, right), w)| {
                let pad = " ".repeat(w.saturating_sub(f.chars().count()));
                if *right { format!("{pad}{f}") } else { format!("{f}{pad}") }
            })
            .collect();
        out += padded.join("  ").trim_end();
        out.push('\n');
    };
    line(columns.iter().map(|(n, _, numeric)| (n.as_str(), *numeric)).collect());
    for row in 0..rows {
        line(columns.iter().map(|(_, cells, numeric)| (cells[row].as_str(), *numeric)).collect());
    }
    if rows < all {
        out += &format!("... {all} rows in all; --out FILE or --format csv gives them\n");
    } else {
        out += &format!("({rows} rows)\n");
    }
    Ok(out)
}

/// A float with so many significant digits, without trailing zeros.
fn number(value: f64, digits: i32) -> String {
    if !value.is_finite() {
        return if value.is_nan() { String::new() } else { value.to_string() };
    }
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    if !(-4..digits + 2).contains(&magnitude) {
        return format!("{value:.*e}", digits as usize - 1);
    }
    let decimals = (digits - 1 - magnitude).max(0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_whole() {
        assert_eq!(number(72.5, 10), "72.5");
        assert_eq!(number(0.0, 10), "0");
        assert_eq!(number(f64::NAN, 10), "");
        assert_eq!(number(1.5e-9, 3), "1.50e-9");
    }
}
