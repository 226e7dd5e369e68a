//! The tables, and how older ones become these.
//!
//! Every key is a 64-bit integer. Texts that are keys (instruments, bands, names of groups) are
//! kept once in `word`, so that an index entry of a dataset is a few varints. Which tables there
//! are beyond the fixed ones follows from the universe (`dim_*`, `cell_*`) and from the groups of
//! dimensions that dataset types use (`member_*`, `calib_*`).

use crate::error::Result;
use elqui_butler::{Element, FieldType, Universe};
use elqui_sql::{Dialect, Sql, SqlError, Step, Versions};

/// Version of the tables. Each step from one to the next is in [`STEPS`].
pub const SCHEMA_VERSION: i64 = 2;

/// How an older registry becomes this one. A step is never edited once released; a test keeps a registry of
/// each version that was.
pub const STEPS: &[Step] =
    &[Step { from: 1, doc: "the memory of a quantum may be unknown", run: unknown_memory }];

/// SQLite cannot take a NOT NULL back, so the last column is made anew.
fn unknown_memory(sql: &mut dyn Sql) -> std::result::Result<(), SqlError> {
    match sql.dialect() {
        Dialect::Sqlite => sql.batch(
            "ALTER TABLE quantum RENAME COLUMN peak_memory_bytes TO old_peak;
             ALTER TABLE quantum ADD COLUMN peak_memory_bytes BIGINT;
             UPDATE quantum SET peak_memory_bytes = old_peak WHERE old_peak > 0;
             ALTER TABLE quantum DROP COLUMN old_peak;",
        ),
        Dialect::Postgres => sql.batch(
            "ALTER TABLE quantum ALTER COLUMN peak_memory_bytes DROP NOT NULL;
             UPDATE quantum SET peak_memory_bytes = NULL WHERE peak_memory_bytes <= 0;",
        ),
    }
}

/// Where the version is.
pub const META: &str = "elqui_meta";
pub const VERSION: &str = "schema_version";

pub fn versions(known: i64, steps: &[Step]) -> Versions<'_> {
    Versions {
        table: META,
        name: VERSION,
        known,
        steps,
        remedy_older: "run `elqui repo migrate` (make a copy first)",
        remedy_newer: "use a newer elqui",
    }
}

/// Order of the HEALPix cells that regions are found by: 13.7 arcmin, about one detector.
pub const CELL_ORDER: u8 = 8;

/// The column of a dimension; the prefix keeps names such as `group` out of SQL's way.
pub fn key(dimension: &str) -> String {
    format!("d_{dimension}")
}

/// The column of a field.
pub fn field(name: &str) -> String {
    format!("f_{name}")
}

/// The columns of dimensions, commas between them.
pub fn keys(dimensions: &[String]) -> String {
    dimensions.iter().map(|d| key(d)).collect::<Vec<_>>().join(", ")
}

/// The fixed tables.
pub fn create(sql: &mut dyn Sql, universe: &Universe) -> Result<()> {
    let d = sql.dialect();
    let (serial, text, blob, real) = (d.serial(), d.text(), d.blob(), d.real());
    sql.batch(&format!(
        "CREATE TABLE elqui_meta (name {text} PRIMARY KEY, value {text} NOT NULL);
         CREATE TABLE word (id {serial}, text {text} NOT NULL UNIQUE);
         CREATE TABLE counter (name {text} PRIMARY KEY, next BIGINT NOT NULL);
         CREATE TABLE collection (id {serial}, name {text} NOT NULL UNIQUE, kind BIGINT NOT NULL,
             doc {text} NOT NULL);
         CREATE TABLE chain (parent BIGINT NOT NULL REFERENCES collection(id) ON DELETE CASCADE,
             position BIGINT NOT NULL, child BIGINT NOT NULL REFERENCES collection(id),
             PRIMARY KEY (parent, position));
         CREATE INDEX chain_child ON chain(child);
         CREATE TABLE dimension_group (id {serial}, dimensions {text} NOT NULL UNIQUE);
         CREATE TABLE dataset_type (id {serial}, name {text} NOT NULL UNIQUE,
             dimension_group BIGINT NOT NULL REFERENCES dimension_group(id),
             storage_class {text} NOT NULL, is_calibration BIGINT NOT NULL, doc {text} NOT NULL);
         CREATE TABLE config (id {serial}, text {text} NOT NULL UNIQUE);
         CREATE TABLE quantum (id {serial}, uuid {blob} NOT NULL UNIQUE,
             run BIGINT NOT NULL REFERENCES collection(id) ON DELETE CASCADE, step {text} NOT NULL,
             data_id {text} NOT NULL, config BIGINT NOT NULL REFERENCES config(id),
             software {text} NOT NULL, host {text} NOT NULL, started_ns BIGINT NOT NULL,
             wall_s {real} NOT NULL, cpu_s {real} NOT NULL, peak_memory_bytes BIGINT);
         CREATE TABLE dataset (id {serial}, uuid {blob} NOT NULL UNIQUE,
             type BIGINT NOT NULL REFERENCES dataset_type(id),
             run BIGINT NOT NULL REFERENCES collection(id), ingest_ns BIGINT NOT NULL,
             quantum BIGINT REFERENCES quantum(id) ON DELETE SET NULL);
         CREATE INDEX dataset_quantum ON dataset(quantum) WHERE quantum IS NOT NULL;
         CREATE TABLE quantum_input (quantum BIGINT NOT NULL REFERENCES quantum(id) ON DELETE CASCADE,
             dataset {blob} NOT NULL, PRIMARY KEY (quantum, dataset)){clustered};
         CREATE INDEX quantum_input_dataset ON quantum_input(dataset);
         CREATE TABLE artifact (dataset {dataset_key} REFERENCES dataset(id) ON DELETE CASCADE,
             path {text} NOT NULL, formatter BIGINT NOT NULL REFERENCES word(id),
             size_bytes BIGINT NOT NULL, checksum {text} NOT NULL);",
        clustered = d.clustered(),
        dataset_key = if d == Dialect::Sqlite { "INTEGER PRIMARY KEY" } else { "BIGINT PRIMARY KEY" },
    ))?;
    for element in universe.elements().iter().filter(|e| e.stored) {
        sql.batch(&element_tables(d, universe, element))?;
    }
    sql.execute("INSERT INTO counter (name, next) VALUES ('dataset', 1)", &[])?;
    Ok(())
}

/// `FOREIGN KEY (..) REFERENCES dim_X (..)` for each dimension that has records.
fn references(universe: &Universe, dimensions: &[String], but: &str) -> String {
    let mut out = String::new();
    for e in dimensions.iter().filter(|d| *d != but).filter_map(|d| universe.element(d)) {
        if e.stored {
            let keys = keys(&e.required);
            out += &format!(", FOREIGN KEY ({keys}) REFERENCES dim_{} ({keys})", e.name);
        }
    }
    out
}

fn element_tables(d: Dialect, universe: &Universe, e: &Element) -> String {
    let keys = keys(&e.required);
    let mut columns: Vec<String> =
        e.required.iter().map(|k| format!("{} BIGINT NOT NULL", key(k))).collect();
    columns.extend(e.implies.iter().map(|k| format!("{} BIGINT", key(k))));
    for def in &e.fields {
        let kind = match def.kind {
            FieldType::Int => "BIGINT",
            FieldType::Real => d.real(),
            FieldType::Text => d.text(),
        };
        columns.push(format!("{} {kind}", field(&def.name)));
    }
    if e.temporal {
        columns.extend(["begin_ns BIGINT".to_string(), "end_ns BIGINT".to_string()]);
    }
    if e.spatial {
        columns.push(format!("region {}", d.text()));
    }
    let known: Vec<String> = e.required.iter().chain(&e.implies).cloned().collect();
    let mut sql = format!(
        "CREATE TABLE dim_{0} ({1}, PRIMARY KEY ({keys}){2});",
        e.name,
        columns.join(", "),
        references(universe, &known, &e.name),
    );
    if e.spatial {
        let typed: Vec<String> =
            e.required.iter().map(|k| format!("{} BIGINT NOT NULL", key(k))).collect();
        sql += &format!(
            "CREATE TABLE cell_{0} ({1}, cell BIGINT NOT NULL, PRIMARY KEY ({keys}, cell),
                 FOREIGN KEY ({keys}) REFERENCES dim_{0} ({keys}) ON DELETE CASCADE){2};
             CREATE INDEX cell_{0}_cell ON cell_{0}(cell);",
            e.name,
            typed.join(", "),
            d.clustered(),
        );
    }
    sql
}

/// The tables of a group of dimensions: which dataset is found under which data id.
pub fn create_group(
    sql: &mut dyn Sql,
    universe: &Universe,
    group: i64,
    dimensions: &[String],
) -> Result<()> {
    let d = sql.dialect();
    let typed: String =
        dimensions.iter().map(|k| format!("{} BIGINT NOT NULL, ", key(k))).collect();
    let keys: String = dimensions.iter().map(|k| format!(", {}", key(k))).collect();
    // A visit's record names its instrument, so the instrument needs no check of its own.
    let covered = |d: &String| {
        let others = dimensions.iter().filter(|o| *o != d).filter_map(|o| universe.element(o));
        others.into_iter().any(|e| e.stored && e.required.contains(d))
    };
    let last: Vec<String> = dimensions.iter().filter(|d| !covered(d)).cloned().collect();
    let foreign = references(universe, &last, "");
    let clustered = d.clustered();
    let owner = "collection BIGINT NOT NULL REFERENCES collection(id),
                 type BIGINT NOT NULL,";
    let dataset = "dataset BIGINT NOT NULL REFERENCES dataset(id) ON DELETE CASCADE";
    Ok(sql.batch(&format!(
        "CREATE TABLE member_{group} ({owner} {typed} {dataset},
             PRIMARY KEY (collection, type{keys}){foreign}){clustered};
         CREATE INDEX member_{group}_dataset ON member_{group}(dataset);
         CREATE TABLE calib_{group} ({owner} {typed} begin_ns BIGINT NOT NULL,
             end_ns BIGINT NOT NULL, {dataset},
             PRIMARY KEY (collection, type{keys}, begin_ns){foreign}){clustered};
         CREATE INDEX calib_{group}_dataset ON calib_{group}(dataset);"
    ))?)
}
