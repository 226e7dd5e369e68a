//! Which columns hold position and id, and positions that are not in degrees.
//!
//! - by UCD: `pos.eq.ra;meta.main`, `meta.id;meta.main`; then by the names that surveys use;
//!   then a single `pos.eq.ra`, `meta.id`
//! - radians (LSST's reference catalogues) become degrees, in place

use super::{Batches, RowSource};
use crate::error::{CatalogError, one_line};
use arrow::array::{Array, AsArray, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use std::collections::HashMap;
use std::sync::Arc;

const RA: &[&str] = &[
    "ra",
    "raj2000",
    "_raj2000",
    "ra_icrs",
    "ra_deg",
    "radeg",
    "raicrs",
    "coord_ra",
    "alpha",
    "right_ascension",
    "ramean",
    "rastack",
    "alpha_j2000",
    "alphawin_j2000",
    "ra2000",
    "s_ra",
];
const DEC: &[&str] = &[
    "dec",
    "dej2000",
    "_dej2000",
    "de_icrs",
    "dec_icrs",
    "dec_deg",
    "decdeg",
    "dedeg",
    "deicrs",
    "decj2000",
    "coord_dec",
    "delta",
    "declination",
    "decl",
    "decmean",
    "decstack",
    "delta_j2000",
    "deltawin_j2000",
    "dec2000",
    "s_dec",
];
const ID: &[&str] = &[
    "objectid",
    "source_id",
    "sourceid",
    "diaobjectid",
    "diasourceid",
    "forcedsourceid",
    "objid",
    "ssobjectid",
    "id",
    "obj_id",
    "object_id",
    "sdss_id",
    "oid",
];

/// The columns of a table that an import is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyColumns {
    pub ra: String,
    pub dec: String,
    pub id: Option<String>,
}

fn ucd_words(field: &Field) -> Vec<String> {
    let ucd = field.metadata().get("ucd").map(|u| u.to_lowercase()).unwrap_or_default();
    ucd.split(';').map(|w| w.trim().to_string()).collect()
}

fn named(schema: &Schema, name: &str) -> Option<String> {
    let exact = schema.fields().iter().find(|f| f.name() == name);
    let any = || schema.fields().iter().find(|f| f.name().eq_ignore_ascii_case(name));
    exact.or_else(any).map(|f| f.name().clone())
}

/// A column by what is told, by UCD, by name.
fn find(schema: &Schema, ucd: &str, names: &[&str], fits: fn(&DataType) -> bool) -> Option<String> {
    let fields = || schema.fields().iter().filter(|f| fits(f.data_type()));
    // "stat.error;pos.eq.ra" is an error: the first word says what the column is.
    let of_ucd = |f: &&Arc<Field>| ucd_words(f).first().is_some_and(|w| w == ucd);
    let main = fields().find(|f| of_ucd(f) && ucd_words(f).iter().any(|w| w == "meta.main"));
    let by_name = || names.iter().find_map(|n| fields().find(|f| f.name().eq_ignore_ascii_case(n)));
    let single = || {
        let mut all = fields().filter(of_ucd);
        all.next().filter(|_| all.next().is_none())
    };
    main.or_else(by_name).or_else(single).map(|f| f.name().clone())
}

fn number(t: &DataType) -> bool {
    t.is_floating() || t.is_integer()
}

/// The columns of position and id: as told, or found.
pub fn key_columns(
    schema: &Schema,
    ra: Option<&str>,
    dec: Option<&str>,
    id: Option<&str>,
) -> Result<KeyColumns, CatalogError> {
    let told = |name: &str| {
        named(schema, name).ok_or_else(|| {
            CatalogError::refused(format!(
                "the input has no column `{name}`; it has {}",
                known(schema)
            ))
        })
    };
    let position = |asked: Option<&str>, what: &str, option: &str, names: &[&str]| match asked {
        Some(name) => {
            let name = told(name)?;
            match schema.field_with_name(&name) {
                Ok(f) if number(f.data_type()) => Ok(name),
                _ => Err(CatalogError::refused(format!(
                    "column `{name}` holds no numbers; {what} is wanted in degrees"
                ))),
            }
        }
        None => find(schema, &format!("pos.eq.{option}"), names, number).ok_or_else(|| {
            CatalogError::refused(format!(
                "no column of {what} is found; name it with `--{option}` (columns: {})",
                known(schema)
            ))
        }),
    };
    Ok(KeyColumns {
        ra: position(ra, "right ascension", "ra", RA)?,
        dec: position(dec, "declination", "dec", DEC)?,
        id: match id {
            Some(name) => Some(told(name)?),
            None => find(schema, "meta.id", ID, DataType::is_integer),
        },
    })
}

fn known(schema: &Schema) -> String {
    const SHOWN: usize = 30;
    let mut names: Vec<&str> =
        schema.fields().iter().take(SHOWN).map(|f| f.name().as_str()).collect();
    if schema.fields().len() > SHOWN {
        names.push("...");
    }
    names.join(", ")
}

/// A source whose positions are in degrees, whatever its file had.
pub struct InDegrees<S> {
    source: S,
    schema: SchemaRef,
    /// Whether a column is to be turned.
    turned: Vec<bool>,
}

impl<S: RowSource> InDegrees<S> {
    /// Degrees in the columns `ra` and `dec` where their unit is radians, hours are refused.
    pub fn new(source: S, keys: &KeyColumns) -> Result<Self, CatalogError> {
        let mut turned = Vec::new();
        let mut fields = Vec::new();
        for field in source.schema().fields() {
            let is_key = *field.name() == keys.ra || *field.name() == keys.dec;
            let unit = field.metadata().get("unit").map(String::as_str).unwrap_or_default();
            let radians = matches!(unit, "rad" | "radian" | "radians");
            if is_key && matches!(unit, "h" | "hour" | "hours" | "hourangle" | "h:m:s") {
                return Err(CatalogError::refused(format!(
                    "column `{}` is in hours; give one in degrees",
                    field.name()
                )));
            }
            turned.push(is_key && radians);
            fields.push(match is_key && radians {
                false => field.as_ref().clone(),
                true => {
                    let mut metadata: HashMap<String, String> = field.metadata().clone();
                    metadata.insert("unit".into(), "deg".into());
                    Field::new(field.name(), DataType::Float64, field.is_nullable())
                        .with_metadata(metadata)
                }
            });
        }
        Ok(Self { source, schema: Arc::new(Schema::new(fields)), turned })
    }

    /// Whether any column is turned.
    pub fn turns(&self) -> bool {
        self.turned.contains(&true)
    }
}

impl<S: RowSource> RowSource for InDegrees<S> {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn parts(&self) -> usize {
        self.source.parts()
    }

    fn part(&self, k: usize, columns: Option<&[usize]>) -> Result<Batches, CatalogError> {
        let batches = self.source.part(k, columns)?;
        let all: Vec<usize> = (0..self.turned.len()).collect();
        let wanted = columns.unwrap_or(&all);
        let turned: Vec<bool> = wanted.iter().map(|&c| self.turned[c]).collect();
        if !turned.contains(&true) {
            return Ok(batches);
        }
        let label = self.label(k);
        let bad = |e| CatalogError::Parquet { path: label.clone(), reason: one_line(e) };
        let schema = Arc::new(self.schema.project(wanted).map_err(bad)?);
        let label = label.clone();
        Ok(Box::new(batches.map(move |batch| {
            let bad = |e| CatalogError::Parquet { path: label.clone(), reason: one_line(e) };
            let batch = batch?;
            let mut arrays = batch.columns().to_vec();
            for (array, _) in arrays.iter_mut().zip(&turned).filter(|(_, t)| **t) {
                let wide = cast(array, &DataType::Float64).map_err(bad)?;
                let degrees: Float64Array =
                    wide.as_primitive::<Float64Type>().unary(f64::to_degrees);
                *array = Arc::new(degrees) as Arc<dyn Array>;
            }
            RecordBatch::try_new(schema.clone(), arrays).map_err(bad)
        })))
    }

    fn label(&self, k: usize) -> String {
        self.source.label(k)
    }

    fn fingerprint(&self, k: usize) -> Result<String, CatalogError> {
        self.source.fingerprint(k)
    }

    fn part_rows(&self, k: usize) -> Option<u64> {
        self.source.part_rows(k)
    }
}
