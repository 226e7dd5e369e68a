//! The house's own schema, `felis/elqui.yaml`.

use super::{ColumnDef, Schema, TableDef};
use crate::column::Column;
use std::sync::OnceLock;

/// The house's own schema.
pub fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        Schema::parse(include_str!("../../felis/elqui.yaml"))
            .expect("the schema is part of the program, and a test reads it")
    })
}

/// Every table of the house's own schema.
pub fn tables() -> &'static [TableDef] {
    &schema().tables
}

/// One table of the house's own schema, ignoring case.
pub fn table(name: &str) -> Option<&'static TableDef> {
    schema().table(name)
}

/// The definition of a column. A per-band column of a band that the schema does not list
/// (`clear_psfFlux`) has the definition of its sister in g, with the band's name put in.
pub fn column(table_name: &str, name: &str) -> Option<ColumnDef> {
    let table = table(table_name)?;
    if let Some(found) = table.column(name) {
        return Some(found.clone());
    }
    let (band, rest) = name.split_once('_')?;
    let sister = table.column(&format!("g_{rest}"))?;
    Some(ColumnDef {
        name: name.to_string(),
        description: sister
            .description
            .split(' ')
            .map(|word| match word.strip_prefix("g_") {
                Some(tail) => format!("{band}_{tail}"),
                None if word == "g" => band.to_string(),
                None => word.to_string(),
            })
            .collect::<Vec<_>>()
            .join(" "),
        ..sister.clone()
    })
}

/// Fill unit, UCD and description of a column of `table` from the definition; leaves a column
/// that the schema lacks as it is.
pub fn describe(table: &str, target: &mut Column) {
    if let Some(found) = column(table, &target.name) {
        target.unit = found.unit;
        target.ucd = found.ucd;
        target.description = found.description;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::ColumnData;

    /// Units that the schema may use; each is VOUnit 1.1 (known unit, or a product or power of them).
    const UNITS: &[&str] = &[
        "",
        "adu",
        "arcsec",
        "AU",
        "AU/d",
        "arcsec**2",
        "arcsec/pixel",
        "d",
        "deg",
        "deg**2",
        "mag",
        "mas",
        "nJy",
        "nJy/d",
        "pixel",
        "pixel**2",
        "s",
    ];

    #[test]
    fn every_table_is_there_and_every_column_says_what_it_is() {
        for name in [
            "Object",
            "Source",
            "ForcedSource",
            "DiaObject",
            "DiaSource",
            "DiaForcedSource",
            "SSObject",
            "SSSource",
            "Visit",
            "CcdVisit",
            "CoaddPatches",
        ] {
            assert!(table(name).is_some(), "no table {name}");
        }
        for table in tables() {
            assert!(!table.primary_key().is_empty(), "{} has no key", table.name);
            for column in &table.columns {
                let at = format!("{}.{}", table.name, column.name);
                assert!(UNITS.contains(&column.unit.as_str()), "{at}: unit {}", column.unit);
                assert!(column.description.len() > 5, "{at} is not described");
                assert!(!column.description.ends_with('.'), "{at}: a description ends in a dot");
                assert!(!column.ucd.is_empty(), "{at} has no UCD");
                assert!(
                    column.ucd.split(';').all(|w| !w.is_empty()
                        && w.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')),
                    "{at}: UCD {}",
                    column.ucd
                );
            }
        }
    }

    #[test]
    fn a_band_that_is_not_listed_takes_its_sisters_definition() {
        let mut c = Column::new("clear_psfFluxErr", ColumnData::F64(vec![]));
        describe("Object", &mut c);
        assert_eq!((c.unit.as_str(), c.name.as_str()), ("nJy", "clear_psfFluxErr"));
        assert_eq!(c.description, "Standard error of clear_psfFlux");
        assert!(column("Object", "no_such").is_none());
    }
}
