//! A reference catalogue from a file of any of the usual kinds.

use crate::error::CliError;
use elqui_fits::FitsFile;
use elqui_schema::Table;
use std::path::Path;

/// Read a table: CSV, Parquet, FITS (gzip'd or not) or VOTable, known by its name.
pub fn read_any_table(path: &Path) -> Result<Table, CliError> {
    let text = path.to_string_lossy();
    let (file_name, extension) = elqui_fits::split_extension(&text);
    let lower = file_name.to_ascii_lowercase();
    let bare = lower.strip_suffix(".gz").unwrap_or(&lower);
    if [".fits", ".fit", ".fts", ".fz"].iter().any(|e| bare.ends_with(e)) {
        let file = FitsFile::open(file_name).map_err(|e| CliError::on(path, e))?;
        let hdu = match &extension {
            Some(e) => file.find(e),
            None => file.first_table(),
        }
        .map_err(|e| CliError::on(path, e))?;
        return file.read_table(hdu).map_err(|e| CliError::on(path, e));
    }
    if [".vot", ".xml", ".votable"].iter().any(|e| bare.ends_with(e)) {
        let bytes = std::fs::read(path)
            .map_err(|e| CliError::on(path, format!("cannot be read: {e}")))?;
        return elqui_votable::read_votable(&bytes).map_err(|e| CliError::on(path, e));
    }
    elqui_tables::read_table_file(path).map_err(|e| CliError::on(path, e))
}
