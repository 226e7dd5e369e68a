//! Calibration collections: which calibration holds when.
//!
//! For any moment a collection has at most one dataset of a type and data id. The check and the
//! change are one transaction that holds the collection's row, so two certifications at a time
//! cannot both pass.

use crate::collections::CollectionRow;
use crate::datasets::{blob, id_of};
use crate::error::RegistryError;
use crate::error::Result;
use crate::registry::{Registry, TypeRow, ints};
use crate::schema::key;
use elqui_butler::{CollectionKind, DataId, Dataset, DatasetId, DatasetRef, Timespan};
use elqui_sql::SqlValue;

impl Registry {
    /// State that datasets hold for a time. An overlap with another one of the type and data id is
    /// an error; all are certified, or none.
    pub fn certify(&mut self, collection: &str, ids: &[DatasetId], time: Timespan) -> Result<()> {
        let time = time.checked()?;
        self.write(|r| {
            let to = r.calibration(collection)?;
            for ((of, keys), id) in r.member_rows(ids)?.into_iter().zip(ids) {
                if !of.of.is_calibration {
                    let what = format!("certifying `{}`", of.of.name);
                    let why = "its dataset type is no calibration".to_string();
                    return Err(RegistryError::Refused { what, why });
                }
                let (data, number) = keys.split_at(keys.len() - 1);
                let held = r.validity(&of, &to, data)?;
                if let Some((span, _)) = held.iter().find(|(span, _)| span.overlaps(time)) {
                    let name = r.dataset(*id)?.map_or_else(String::new, |d| d.name.to_string());
                    return Err(RegistryError::Refused {
                        what: format!("certifying {name} in `{collection}` for {time}"),
                        why: format!("another one holds for {span}; decertify that time first"),
                    });
                }
                r.add_validity(&of, &to, data, time, number[0])?;
            }
            Ok(())
        })
    }

    /// Take a time away from the datasets of a type; with `data_ids`, from those alone. What
    /// reaches beyond it stays, in one piece or two. Returns how many validities changed.
    pub fn decertify(
        &mut self,
        collection: &str,
        dataset_type: &str,
        time: Timespan,
        data_ids: Option<&[DataId]>,
    ) -> Result<usize> {
        let time = time.checked()?;
        self.write(|r| {
            let from = r.calibration(collection)?;
            let of = r.type_row(dataset_type)?;
            let keys: String = of.of.dimensions.iter().map(|d| format!("{}, ", key(d))).collect();
            let sql = format!(
                "SELECT {keys}begin_ns, end_ns, dataset FROM calib_{} \
                 WHERE collection = ? AND type = ? AND begin_ns < ? AND end_ns > ?",
                of.group
            );
            let rows = r.sql.rows(&sql, &ints(&[from.id, of.id, time.end_ns, time.begin_ns]))?;
            let wanted = match data_ids {
                Some(all) => {
                    Some(all.iter().map(|d| r.calibration_keys(&of, d)).collect::<Result<Vec<_>>>()?)
                }
                None => None,
            };
            let width = of.of.dimensions.len();
            let mut changed = 0;
            for row in rows {
                let row: Vec<i64> = row.iter().map(SqlValue::int).collect();
                let data = &row[..width];
                if wanted.as_ref().is_some_and(|w| !w.iter().any(|k| k.as_deref() == Some(data))) {
                    continue;
                }
                let held = Timespan { begin_ns: row[width], end_ns: row[width + 1] };
                let terms: String = of.of.dimensions.iter().map(|d| format!(" AND {} = ?", key(d))).collect();
                let sql = format!(
                    "DELETE FROM calib_{} WHERE collection = ? AND type = ?{terms} AND begin_ns = ?",
                    of.group
                );
                let mut values = ints(&[from.id, of.id]);
                values.extend(ints(data));
                values.push(held.begin_ns.into());
                r.sql.execute(&sql, &values)?;
                for piece in held.without(time) {
                    r.add_validity(&of, &from, data, piece, row[width + 2])?;
                }
                changed += 1;
            }
            Ok(changed)
        })
    }

    /// The calibration of a type and data id that holds at a moment, in the first of the
    /// collections that has one.
    pub fn find_calibration(
        &mut self,
        name: &DatasetRef,
        collections: &[&str],
        at_ns: i64,
    ) -> Result<Option<Dataset>> {
        let of = self.type_row(&name.dataset_type)?;
        let Some(data) = self.calibration_keys(&of, &name.data_id)? else { return Ok(None) };
        for collection in self.search_path(collections, false)? {
            if collection.kind != CollectionKind::Calibration {
                continue;
            }
            let held = self.validity(&of, &collection, &data)?;
            let Some((_, number)) = held.iter().find(|(span, _)| span.contains(at_ns)) else {
                continue;
            };
            let sql = "SELECT uuid FROM dataset WHERE id = ?";
            if let Some(row) = self.sql.row(sql, &[(*number).into()])? {
                return self.dataset(id_of(&row[0]));
            }
        }
        Ok(None)
    }

    /// All validities of a dataset, with the collections' names.
    pub fn validities(&mut self, id: DatasetId) -> Result<Vec<(String, Timespan)>> {
        let Some(dataset) = self.dataset(id)? else {
            return Err(RegistryError::unknown("dataset", &id.to_string()));
        };
        let of = self.type_row(&dataset.name.dataset_type)?;
        let sql = format!(
            "SELECT c.name, k.begin_ns, k.end_ns FROM calib_{} k JOIN dataset d ON d.id = k.dataset \
             JOIN collection c ON c.id = k.collection WHERE d.uuid = ? ORDER BY c.name, k.begin_ns",
            of.group
        );
        let rows = self.sql.rows(&sql, &[blob(id)])?;
        let one = |r: &Vec<SqlValue>| {
            (r[0].text().to_string(), Timespan { begin_ns: r[1].int(), end_ns: r[2].int() })
        };
        Ok(rows.iter().map(one).collect())
    }

    fn calibration(&mut self, name: &str) -> Result<CollectionRow> {
        let row = self.collection_locked(name)?;
        row.must_be(CollectionKind::Calibration, "only calibration collections certify")?;
        Ok(row)
    }

    fn calibration_keys(&mut self, of: &TypeRow, data_id: &DataId) -> Result<Option<Vec<i64>>> {
        let mut keys = Vec::new();
        for (dimension, value) in of.of.dimensions.iter().zip(of.of.values(data_id)?) {
            let Some(key) = self.key_of(dimension, value, false)? else { return Ok(None) };
            keys.push(key);
        }
        Ok(Some(keys))
    }

    fn validity(
        &mut self,
        of: &TypeRow,
        collection: &CollectionRow,
        data: &[i64],
    ) -> Result<Vec<(Timespan, i64)>> {
        let terms: String =
            of.of.dimensions.iter().map(|d| format!(" AND {} = ?", key(d))).collect();
        let sql = format!(
            "SELECT begin_ns, end_ns, dataset FROM calib_{} WHERE collection = ? AND type = ?{terms}",
            of.group
        );
        let mut values = ints(&[collection.id, of.id]);
        values.extend(ints(data));
        let rows = self.sql.rows(&sql, &values)?;
        let one =
            |r: &Vec<SqlValue>| (Timespan { begin_ns: r[0].int(), end_ns: r[1].int() }, r[2].int());
        Ok(rows.iter().map(one).collect())
    }

    fn add_validity(
        &mut self,
        of: &TypeRow,
        collection: &CollectionRow,
        data: &[i64],
        time: Timespan,
        number: i64,
    ) -> Result<()> {
        let keys: String = of.of.dimensions.iter().map(|d| format!("{}, ", key(d))).collect();
        let sql = format!(
            "INSERT INTO calib_{} (collection, type, {keys}begin_ns, end_ns, dataset) \
             VALUES (?, ?{}, ?, ?, ?)",
            of.group,
            ", ?".repeat(data.len()),
        );
        let mut values = ints(&[collection.id, of.id]);
        values.extend(ints(data));
        values.extend(ints(&[time.begin_ns, time.end_ns, number]));
        self.sql.execute(&sql, &values)?;
        Ok(())
    }
}
