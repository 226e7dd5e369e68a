//! The questions that the page asks of the catalogues.
//!
//! Every number in a query comes from a typed parameter, never from text. Columns that a catalogue
//! lacks are left out, so that the page works over any table with Rubin's names.

use elqui_schema::{ColumnData, Table};
use elqui_web::{Limits, Principal, QueryEngine, TableFacts, WebError};

const LIMITS: Limits = Limits { rows_max: 200_000, time_max_s: 30.0 };

/// One question, from the page itself.
pub async fn ask(engine: &dyn QueryEngine, sql: &str) -> Result<Table, WebError> {
    Ok(engine.query(&Principal::Anonymous, sql, LIMITS).await?.table)
}

pub fn table<'a>(facts: &'a [TableFacts], name: &str) -> Option<&'a TableFacts> {
    facts.iter().find(|t| t.name.eq_ignore_ascii_case(name))
}

/// Those of `wanted` that the table has.
pub fn columns(table: &TableFacts, wanted: &[&str]) -> Vec<String> {
    wanted
        .iter()
        .filter_map(|w| table.columns.iter().find(|c| c.eq_ignore_ascii_case(w)).cloned())
        .collect()
}

pub fn has(table: &TableFacts, column: &str) -> bool {
    table.columns.iter().any(|c| c.eq_ignore_ascii_case(column))
}

fn need<'a>(facts: &'a [TableFacts], name: &str) -> Result<&'a TableFacts, WebError> {
    table(facts, name).ok_or_else(|| WebError::NotFound { what: format!("table {name}") })
}

/// Sources of one exposure, for drawing.
pub async fn sources(
    engine: &dyn QueryEngine,
    visit: i64,
    detector: i32,
) -> Result<Table, WebError> {
    let facts = engine.tables();
    let source = need(&facts, "Source")?;
    let wanted = [
        "sourceId",
        "objectId",
        "x",
        "y",
        "ra",
        "dec",
        "psfFlux",
        "psfFluxErr",
        "extendedness",
        "detect_isPrimary",
    ];
    let list = columns(source, &wanted).join(", ");
    let primary = if has(source, "detect_isPrimary") { " AND detect_isPrimary" } else { "" };
    let sql = format!(
        "SELECT {list} FROM Source WHERE visit = {visit} AND detector = {detector}{primary} \
         ORDER BY sourceId"
    );
    ask(engine, &sql).await
}

/// The whole row of a source.
pub async fn source_row(engine: &dyn QueryEngine, id: i64) -> Result<Table, WebError> {
    let t = ask(engine, &format!("SELECT * FROM Source WHERE sourceId = {id}")).await?;
    if t.rows() == 0 {
        return Err(WebError::NotFound { what: format!("source {id}") });
    }
    Ok(t)
}

/// The object that a source belongs to: by its `objectId`, or the nearest within 1 arcsec.
pub async fn object_of(engine: &dyn QueryEngine, row: &Table) -> Result<Option<i64>, WebError> {
    if let Some(id) = integer(row, "objectId").filter(|id| *id != 0) {
        return Ok(Some(id));
    }
    let facts = engine.tables();
    let Some(object) = table(&facts, "Object") else { return Ok(None) };
    let position = columns(object, &["coord_ra", "coord_dec"]);
    let (Ok(ra), Ok(dec), [ra_name, dec_name]) =
        (row.numbers("ra"), row.numbers("dec"), position.as_slice())
    else {
        return Ok(None);
    };
    let (ra, dec) = (ra[0], dec[0]);
    if !(ra.is_finite() && dec.is_finite()) {
        return Ok(None);
    }
    const RADIUS_DEG: f64 = 1.0 / 3600.0;
    let sql = format!(
        "SELECT TOP 1 objectId FROM Object WHERE {dec_name} BETWEEN {} AND {} \
         AND DISTANCE({ra_name}, {dec_name}, {ra}, {dec}) < {RADIUS_DEG} \
         ORDER BY DISTANCE({ra_name}, {dec_name}, {ra}, {dec})",
        dec - RADIUS_DEG,
        dec + RADIUS_DEG
    );
    Ok(integer(&ask(engine, &sql).await?, "objectId"))
}

pub async fn object_row(engine: &dyn QueryEngine, id: i64) -> Result<Table, WebError> {
    need(&engine.tables(), "Object")?;
    let t = ask(engine, &format!("SELECT * FROM Object WHERE objectId = {id}")).await?;
    if t.rows() == 0 {
        return Err(WebError::NotFound { what: format!("object {id}") });
    }
    Ok(t)
}

/// Time, flux and error of an object in every visit, by band: forced fluxes where there are any,
/// else those of its sources.
pub async fn lightcurve(engine: &dyn QueryEngine, id: i64) -> Result<Table, WebError> {
    let facts = engine.tables();
    let forced = table(&facts, "ForcedSource");
    let source = table(&facts, "Source").filter(|t| has(t, "objectId"));
    let from = forced.or(source).ok_or_else(|| WebError::NotFound {
        what: "a table of light curves (ForcedSource)".into(),
    })?;
    let visits = table(&facts, "Visit");
    let here = |c: &str| has(from, c);
    let time = if here("midpointMjdTai") { "t.midpointMjdTai" } else { "v.expMidptMJD" };
    let band = if here("band") { "t.band" } else { "v.band" };
    let join = if time.starts_with('v') || band.starts_with('v') {
        if visits.is_none() {
            return Err(WebError::NotFound { what: "the time of the visits (table Visit)".into() });
        }
        " JOIN Visit v ON t.visit = v.visit"
    } else {
        ""
    };
    let flag = if here("psfFlux_flag") { ", t.psfFlux_flag AS flag" } else { "" };
    let sql = format!(
        "SELECT {time} AS mjd, {band} AS band, t.psfFlux AS flux, t.psfFluxErr AS fluxErr, \
         t.visit AS visit, t.detector AS detector{flag} FROM {} t{join} WHERE t.objectId = {id} \
         ORDER BY mjd",
        from.name
    );
    ask(engine, &sql).await
}

/// The first value of an integer column.
pub fn integer(table: &Table, name: &str) -> Option<i64> {
    match &table.column_any_case(name)?.data {
        ColumnData::I64(v) => v.first().copied(),
        ColumnData::I32(v) => v.first().map(|x| i64::from(*x)),
        _ => None,
    }
}
