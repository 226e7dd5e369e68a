//! `elqui query`: SQL over catalogues, answered in this process.

use crate::error::CliError;
use crate::outputs;
use elqui_schema::{ColumnData, Table};
use elqui_skydb::{QueryLimits, SkyDb};
use elqui_votable::Encoding;
use std::path::PathBuf;

/// Rows printed as a table when no limit is asked for.
const PRINTED_ROWS: usize = 100;

/// Ask catalogues in SQL (with ADQL's TOP, POINT, CIRCLE, CONTAINS and DISTANCE).
///
/// Example: elqui query "SELECT TOP 5 objectId, coord_ra, coord_dec FROM Object" --catalog elqui-demo/catalog
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The query.
    #[arg(value_name = "ADQL")]
    pub sql: String,
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Table,
    Csv,
    Votable,
    Parquet,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    if args.format == Format::Parquet && args.out.is_none() {
        return Err(CliError::words("--format parquet needs --out FILE"));
    }
    let db = SkyDb::open_with_threads(&folders(&args.catalogs)?, rayon::current_num_threads())
        .map_err(CliError::work)?;
    let limits = QueryLimits {
        rows_max: args.max_rows,
        time_max_s: args.timeout,
        ..QueryLimits::default()
    };
    let answer = db.query_with(&args.sql, limits).map_err(CliError::work)?;
    let table = answer.table().map_err(CliError::work)?;
    if answer.truncated {
        let cut = format!("elqui: the answer is cut at {} rows (--max-rows)", args.max_rows);
        outputs::note(&cut);
    }
    let bytes = match args.format {
        Format::Table => text_table(&table, args.out.is_none()).into_bytes(),
        Format::Csv => elqui_tables::csv_bytes(&table).map_err(CliError::work)?,
        Format::Votable => elqui_votable::votable_bytes(&table, Encoding::TableData),
        Format::Parquet => elqui_tables::parquet_bytes(&table).map_err(CliError::work)?,
    };
    match &args.out {
        Some(path) => outputs::put(path, &bytes),
        None => outputs::say_bytes(&bytes),
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
fn text_table(table: &Table, cut: bool) -> String {
    let rows = if cut { table.rows().min(PRINTED_ROWS) } else { table.rows() };
    let columns: Vec<(String, Vec<String>, bool)> = table
        .columns
        .iter()
        .map(|c| {
            let numeric = !matches!(c.data, ColumnData::Str(_));
            (c.name.clone(), (0..rows).map(|r| cell(&c.data, r)).collect(), numeric)
        })
        .collect();
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
    if rows < table.rows() {
        out +=
            &format!("... {} rows in all; --out FILE or --format csv gives them\n", table.rows());
    } else {
        out += &format!("({rows} rows)\n");
    }
    out
}

fn cell(data: &ColumnData, row: usize) -> String {
    match data {
        ColumnData::F64(v) => number(v[row], 10),
        ColumnData::F32(v) => number(f64::from(v[row]), 6),
        ColumnData::I64(v) => v[row].to_string(),
        ColumnData::I32(v) => v[row].to_string(),
        ColumnData::Bool(v) => v[row].to_string(),
        ColumnData::Str(v) => v[row].clone(),
    }
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
    use elqui_schema::Column;

    #[test]
    fn numbers_are_short_and_whole() {
        assert_eq!(number(72.5, 10), "72.5");
        assert_eq!(number(0.0, 10), "0");
        assert_eq!(number(f64::NAN, 10), "");
        assert_eq!(number(1.5e-9, 3), "1.50e-9");
    }

    #[test]
    fn a_table_is_aligned_and_says_how_many() {
        let mut t = Table::new("t");
        t.push(Column::new("n", ColumnData::I32(vec![1, 200]))).unwrap();
        t.push(Column::new("name", ColumnData::Str(vec!["α".into(), "b".into()]))).unwrap();
        assert_eq!(text_table(&t, true), "  n  name\n  1  α\n200  b\n(2 rows)\n");
    }
}
