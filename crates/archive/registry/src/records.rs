//! Records of dimensions: inserted, compared, read.

use crate::error::RegistryError;
use crate::error::Result;
use crate::registry::Registry;
use crate::schema::{self, CELL_ORDER, key};
use elqui_butler::{DataId, DimensionRecord, Element, Field, FieldType, Timespan};
use elqui_sphere::{Coverage, SkyRegion};
use elqui_sql::SqlValue;
use elqui_sql::{Fails as _, Fault};
use std::collections::{BTreeMap, HashSet};

impl Registry {
    /// Insert records, those that others refer to first. A record that is there already must be
    /// the same; then it is left alone. Bare dimensions (`band`, `day_obs`, `group`) that a record
    /// refers to are made with it. Returns how many were new.
    pub fn insert_records(&mut self, records: &[DimensionRecord]) -> Result<usize> {
        let mut again = true;
        loop {
            match self.insert_all(records) {
                // Another writer inserted one at the same moment: now it is there to be compared.
                Err(e) if e.fault() == Some(Fault::Unique) && again => again = false,
                done => {
                    self.grown(0, *done.as_ref().unwrap_or(&0));
                    return done;
                }
            }
        }
    }

    fn insert_all(&mut self, records: &[DimensionRecord]) -> Result<usize> {
        self.write(|r| r.records_in_transaction(records))
    }

    pub(crate) fn records_in_transaction(&mut self, records: &[DimensionRecord]) -> Result<usize> {
        let mut new = 0;
        for element in self.universe.elements().to_vec() {
            let of: Vec<&DimensionRecord> =
                records.iter().filter(|d| d.element == element.name).collect();
            if !of.is_empty() {
                new += self.insert_of(&element, &of)?;
            }
        }
        let strange = |d: &&DimensionRecord| self.universe.element(&d.element).is_none();
        if let Some(stranger) = records.iter().find(strange) {
            return Err(RegistryError::unknown("dimension", &stranger.element));
        }
        Ok(new)
    }

    fn insert_of(&mut self, element: &Element, records: &[&DimensionRecord]) -> Result<usize> {
        if !element.stored {
            let what = format!("a record of `{}`", element.name);
            return Err(RegistryError::Refused { what, why: "this dimension needs none".into() });
        }
        let columns = columns(element);
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let width = element.required.len();
        let find = format!(
            "SELECT {} FROM dim_{} WHERE {}",
            columns.join(", "),
            element.name,
            element
                .required
                .iter()
                .map(|k| format!("{} = ?", key(k)))
                .collect::<Vec<_>>()
                .join(" AND "),
        );
        let (mut rows, mut cells) = (Vec::new(), Vec::new());
        let mut fresh: BTreeMap<Vec<i64>, Vec<SqlValue>> = BTreeMap::new();
        let mut checked = HashSet::new();
        for record in records {
            let row = self.row_of(element, record, &mut checked)?;
            let keys: Vec<i64> = row[..width].iter().map(SqlValue::int).collect();
            let found = match fresh.get(&keys) {
                Some(row) => Some(row.clone()),
                None => self.sql.row(&find, &row[..width])?,
            };
            if let Some(found) = found {
                if let Some(k) = (0..row.len()).find(|&k| found[k] != row[k]) {
                    return Err(RegistryError::Differs {
                        what: "the record",
                        name: format!(
                            "{} {}",
                            element.name,
                            record.data_id.only(&element.required)
                        ),
                        why: format!(
                            "`{}` differs from what is kept",
                            &columns[k][2.min(columns[k].len())..]
                        ),
                    });
                }
                continue;
            }
            if let Some(region) = &record.region {
                for cell in cells_of(region)? {
                    cells.extend_from_slice(&row[..width]);
                    cells.push(SqlValue::Int(cell));
                }
            }
            rows.extend_from_slice(&row);
            fresh.insert(keys, row);
        }
        self.sql.bulk_insert(&format!("dim_{}", element.name), &names, &rows)?;
        if element.spatial {
            let mut names: Vec<&str> = names[..width].to_vec();
            names.push("cell");
            self.sql.bulk_insert(&format!("cell_{}", element.name), &names, &cells)?;
        }
        Ok(fresh.len())
    }

    /// A record in the order of [`columns`]; what it refers to is checked, or made when bare.
    fn row_of(
        &mut self,
        element: &Element,
        record: &DimensionRecord,
        checked: &mut HashSet<(String, Vec<i64>)>,
    ) -> Result<Vec<SqlValue>> {
        let refuse = |why: String| RegistryError::Refused {
            what: format!("the record {} {}", element.name, record.data_id),
            why,
        };
        let mut row = Vec::new();
        for dimension in element.required.iter().chain(&element.implies) {
            match record.data_id.get(dimension) {
                Some(value) => {
                    let key = self.key_of(dimension, value, true)?;
                    row.push(key.map_or(SqlValue::Null, SqlValue::Int));
                }
                None if element.implies.contains(dimension) => row.push(SqlValue::Null),
                None => return Err(refuse(format!("it does not say its {dimension}"))),
            }
        }
        let known: Vec<String> = element.required.iter().chain(&element.implies).cloned().collect();
        for (k, dimension) in known.iter().enumerate() {
            if *dimension != element.name && row[k] != SqlValue::Null {
                self.check_reference(dimension, &known, &row, record, checked)?;
            }
        }
        let stranger = record.fields.keys().find(|n| !element.fields.iter().any(|f| f.name == **n));
        if let Some(name) = stranger {
            return Err(refuse(format!("`{}` has no field `{name}`", element.name)));
        }
        for def in &element.fields {
            let value = record.fields.get(&def.name).unwrap_or(&Field::Null);
            row.push(match (value, def.kind) {
                (Field::Null, _) => SqlValue::Null,
                (Field::Int(v), FieldType::Int) => SqlValue::Int(*v),
                (Field::Int(v), FieldType::Real) => SqlValue::Real(*v as f64),
                (Field::Real(v), FieldType::Real) => SqlValue::Real(*v),
                (Field::Text(v), FieldType::Text) => SqlValue::Text(v.replace('\0', " ")),
                _ => return Err(refuse(format!("`{}` has a value of the wrong type", def.name))),
            });
        }
        if element.temporal {
            let span = record.timespan.map(Timespan::checked).transpose()?;
            row.push(span.map_or(SqlValue::Null, |t| SqlValue::Int(t.begin_ns)));
            row.push(span.map_or(SqlValue::Null, |t| SqlValue::Int(t.end_ns)));
        }
        if element.spatial {
            let text = record.region.as_ref().map(serde_json::to_string).transpose();
            let text = text.map_err(|e| refuse(e.to_string()))?;
            row.push(text.map_or(SqlValue::Null, SqlValue::Text));
        }
        if (record.timespan.is_some() && !element.temporal)
            || (record.region.is_some() && !element.spatial)
        {
            return Err(refuse(format!("`{}` has no such region or timespan", element.name)));
        }
        Ok(row)
    }

    fn check_reference(
        &mut self,
        dimension: &str,
        known: &[String],
        row: &[SqlValue],
        record: &DimensionRecord,
        checked: &mut HashSet<(String, Vec<i64>)>,
    ) -> Result<()> {
        let Some(other) = self.universe.element(dimension).filter(|e| e.stored).cloned() else {
            return Ok(());
        };
        let at = |d: &String| known.iter().position(|k| k == d).map_or(0, |k| row[k].int());
        let wanted: Vec<i64> = other.required.iter().map(at).collect();
        let name = (dimension.to_string(), wanted);
        if checked.contains(&name) {
            return Ok(());
        }
        if !self.has_record(&other, &name.1)? {
            let bare = other.fields.is_empty() && other.implies.is_empty() && !other.spatial;
            if !bare {
                let data_id = record.data_id.to_string();
                let element = format!("{dimension} {}", record.data_id.only(&other.required));
                return Err(RegistryError::MissingRecord { element, data_id });
            }
            let columns: Vec<String> = other.required.iter().map(|k| key(k)).collect();
            let places = vec!["?"; columns.len()].join(", ");
            let sql = format!(
                "INSERT INTO dim_{dimension} ({}) VALUES ({places}) ON CONFLICT DO NOTHING",
                columns.join(", ")
            );
            self.sql.execute(&sql, &crate::registry::ints(&name.1))?;
        }
        checked.insert(name);
        Ok(())
    }

    pub(crate) fn has_record(&mut self, element: &Element, wanted: &[i64]) -> Result<bool> {
        let terms: Vec<String> =
            element.required.iter().map(|k| format!("{} = ?", key(k))).collect();
        let sql = format!("SELECT 1 FROM dim_{} WHERE {}", element.name, terms.join(" AND "));
        Ok(self.sql.row(&sql, &crate::registry::ints(wanted))?.is_some())
    }

    /// A record out of a row of [`columns`].
    pub(crate) fn record_from(
        &mut self,
        element: &Element,
        row: &[SqlValue],
    ) -> Result<DimensionRecord> {
        let mut record = DimensionRecord::new(&element.name);
        let mut cells = row.iter();
        let mut data_id = DataId::new();
        for dimension in element.required.iter().chain(&element.implies) {
            if let Some(SqlValue::Int(v)) = cells.next() {
                data_id.insert(dimension, self.value_of(dimension, *v)?);
            }
        }
        record.data_id = data_id;
        for def in &element.fields {
            let value = match cells.next() {
                Some(SqlValue::Int(v)) => Field::Int(*v),
                Some(SqlValue::Real(v)) => Field::Real(*v),
                Some(SqlValue::Text(v)) => Field::Text(v.clone()),
                _ => continue,
            };
            record.fields.insert(def.name.clone(), value);
        }
        if element.temporal
            && let (Some(SqlValue::Int(a)), Some(SqlValue::Int(b))) = (cells.next(), cells.next())
        {
            record.timespan = Some(Timespan { begin_ns: *a, end_ns: *b });
        }
        if element.spatial
            && let Some(SqlValue::Text(text)) = cells.next()
        {
            record.region = serde_json::from_str(text).ok();
        }
        Ok(record)
    }

    /// The record of one data id.
    pub fn record(&mut self, element: &str, data_id: &DataId) -> Result<Option<DimensionRecord>> {
        let found = self.universe.element(element).filter(|e| e.stored).cloned();
        let element = found.ok_or_else(|| RegistryError::unknown("dimension", element))?;
        let mut wanted = Vec::new();
        for dimension in &element.required {
            let Some(value) = data_id.get(dimension) else { return Ok(None) };
            let Some(key) = self.key_of(dimension, value, false)? else { return Ok(None) };
            wanted.push(SqlValue::Int(key));
        }
        let terms: Vec<String> =
            element.required.iter().map(|k| format!("{} = ?", key(k))).collect();
        let sql = format!(
            "SELECT {} FROM dim_{} WHERE {}",
            columns(&element).join(", "),
            element.name,
            if terms.is_empty() { "1 = 1".to_string() } else { terms.join(" AND ") },
        );
        match self.sql.row(&sql, &wanted)? {
            Some(row) => self.record_from(&element, &row).map(Some),
            None => Ok(None),
        }
    }
}

/// All columns of an element's table, in order.
pub(crate) fn columns(element: &Element) -> Vec<String> {
    let mut all: Vec<String> =
        element.required.iter().chain(&element.implies).map(|k| key(k)).collect();
    all.extend(element.fields.iter().map(|f| schema::field(&f.name)));
    if element.temporal {
        all.extend(["begin_ns".to_string(), "end_ns".to_string()]);
    }
    if element.spatial {
        all.push("region".to_string());
    }
    all
}

/// Cells that a region touches.
pub(crate) fn cells_of(region: &SkyRegion) -> Result<Vec<i64>> {
    let coverage = Coverage::of(region, CELL_ORDER).map_err(|e| RegistryError::Refused {
        what: "a region of the sky".into(),
        why: e.to_string(),
    })?;
    Ok(coverage.cells().into_iter().map(|c| c as i64).collect())
}

/// `a.d_x = b.d_x AND ...`
pub(crate) fn same_keys(a: &str, b: &str, dimensions: &[String]) -> String {
    let term = |d: &String| format!("{a}.{0} = {b}.{0}", key(d));
    dimensions.iter().map(term).collect::<Vec<_>>().join(" AND ")
}

/// `a.d_x, a.d_y`
pub(crate) fn keys_of(a: &str, dimensions: &[String]) -> String {
    dimensions.iter().map(|d| format!("{a}.{}", key(d))).collect::<Vec<_>>().join(", ")
}
