//! Tagged collections: datasets put in and taken out.

use crate::collections::CollectionRow;
use crate::datasets::blob;
use crate::error::RegistryError;
use crate::error::Result;
use crate::registry::{Registry, TypeRow, ints};
use crate::schema::key;
use elqui_butler::{CollectionKind, DatasetId};
use elqui_sql::SqlValue;

impl Registry {
    /// Number, type and keys of datasets, for rows of a collection.
    pub(crate) fn member_rows(&mut self, ids: &[DatasetId]) -> Result<Vec<(TypeRow, Vec<i64>)>> {
        let sql = "SELECT d.id, t.name, d.run FROM dataset d JOIN dataset_type t ON t.id = d.type \
                   WHERE d.uuid = ?";
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let row = self.sql.row(sql, &[blob(*id)])?;
            let row = row.ok_or_else(|| RegistryError::unknown("dataset", &id.to_string()))?;
            let of = self.type_row(row[1].text())?;
            let keys: String = of.of.dimensions.iter().map(|d| format!("{}, ", key(d))).collect();
            let find = format!(
                "SELECT {keys}dataset FROM member_{} WHERE dataset = ? AND collection = ?",
                of.group
            );
            let keys = self.sql.row(&find, &[row[0].clone(), row[2].clone()])?.unwrap_or_default();
            found.push((of, keys.iter().map(SqlValue::int).collect()));
        }
        Ok(found)
    }

    /// Put datasets into a tagged collection; one of the same type and data id is replaced.
    pub fn tag(&mut self, collection: &str, ids: &[DatasetId]) -> Result<()> {
        self.write(|r| {
            let to = r.tagged(collection)?;
            for (of, keys) in r.member_rows(ids)? {
                let names: String = of.of.dimensions.iter().map(|d| format!("{}, ", key(d))).collect();
                let conflict: String = of.of.dimensions.iter().map(|d| format!(", {}", key(d))).collect();
                let sql = format!(
                    "INSERT INTO member_{} (collection, type, {names}dataset) VALUES (?, ?{}) \
                     ON CONFLICT (collection, type{conflict}) DO UPDATE SET dataset = excluded.dataset",
                    of.group,
                    ", ?".repeat(keys.len()),
                );
                let mut values = ints(&[to.id, of.id]);
                values.extend(ints(&keys));
                r.sql.execute(&sql, &values)?;
            }
            Ok(())
        })
    }

    /// Take datasets out of a tagged collection; those that are not in it are passed over.
    pub fn untag(&mut self, collection: &str, ids: &[DatasetId]) -> Result<usize> {
        self.write(|r| {
            let from = r.tagged(collection)?;
            let mut removed = 0;
            for (of, keys) in r.member_rows(ids)? {
                let number = keys.last().copied().unwrap_or(-1);
                let sql =
                    format!("DELETE FROM member_{} WHERE dataset = ? AND collection = ?", of.group);
                removed += r.sql.execute(&sql, &ints(&[number, from.id]))?;
            }
            Ok(removed as usize)
        })
    }

    fn tagged(&mut self, name: &str) -> Result<CollectionRow> {
        let row = self.collection_locked(name)?;
        row.must_be(CollectionKind::Tagged, "only tagged ones are changed by tag and untag")?;
        Ok(row)
    }
}
