//! All that there is, for listings, verification and graphs: counts, files, validities.

use crate::collections::CollectionRow;
use crate::datasets::id_of;
use crate::error::Result;
use crate::registry::Registry;
use crate::schema::key;
use elqui_butler::{Artifact, CollectionKind, DataId, Dataset, DatasetId, DatasetRef, Timespan};
use elqui_sql::SqlValue;

/// Files that are read from the database at once.
const PAGE: i64 = 10_000;

/// A dataset and the time for which a collection holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    pub collection: String,
    pub validity: Timespan,
    pub dataset: Dataset,
}

impl Registry {
    /// How many datasets of each type the collections hold, by name; each counted in each
    /// collection that a search visits.
    pub fn counts(&mut self, collections: &[&str]) -> Result<Vec<(String, usize)>> {
        let path = self.search_path(collections, false)?;
        let mut found = Vec::new();
        for of in self.dataset_types()? {
            let row = self.type_row(&of.name)?;
            let mut count = 0;
            for collection in &path {
                let table = match collection.kind {
                    CollectionKind::Calibration => "calib",
                    _ => "member",
                };
                let sql = format!(
                    "SELECT count(DISTINCT dataset) FROM {table}_{} WHERE collection = ? AND type = ?",
                    row.group
                );
                let found = self.sql.row(&sql, &[collection.id.into(), row.id.into()])?;
                count += found.map_or(0, |r| r[0].int());
            }
            if count > 0 {
                found.push((of.name, count as usize));
            }
        }
        Ok(found)
    }

    /// Every file of the repository, oldest dataset first; `each` ends the walk with `false`.
    /// What is inserted meanwhile may or may not be met.
    pub fn each_artifact(
        &mut self,
        mut each: impl FnMut(DatasetId, Artifact) -> bool,
    ) -> Result<()> {
        let sql = "SELECT a.dataset, d.uuid, a.path, a.formatter, a.size_bytes, a.checksum \
                   FROM artifact a JOIN dataset d ON d.id = a.dataset \
                   WHERE a.dataset > ? ORDER BY a.dataset LIMIT ?";
        let mut last = 0;
        loop {
            let rows = self.sql.rows(sql, &[SqlValue::Int(last), PAGE.into()])?;
            for row in &rows {
                last = row[0].int();
                let artifact = Artifact {
                    path: row[2].text().to_string(),
                    formatter: self.text_of(row[3].int())?,
                    size_bytes: row[4].int(),
                    checksum: row[5].text().to_string(),
                };
                if !each(id_of(&row[1]), artifact) {
                    return Ok(());
                }
            }
            if rows.len() < PAGE as usize {
                return Ok(());
            }
        }
    }

    /// All calibrations of a type that the collections certify, in the order of the search, then
    /// by data id and time: what a graph looks its calibrations up in, once for all quanta.
    pub fn certified(
        &mut self,
        dataset_type: &str,
        collections: &[&str],
    ) -> Result<Vec<Certified>> {
        let of = self.type_row(dataset_type)?;
        let path: Vec<CollectionRow> = self.search_path(collections, false)?;
        let keys: String = of.of.dimensions.iter().map(|d| format!("m.{}, ", key(d))).collect();
        let sql = format!(
            "SELECT {keys}m.begin_ns, m.end_ns, d.uuid, c.name FROM calib_{} m \
             JOIN dataset d ON d.id = m.dataset JOIN collection c ON c.id = d.run \
             WHERE m.collection = ? AND m.type = ? ORDER BY {keys}m.begin_ns",
            of.group
        );
        let width = of.of.dimensions.len();
        let mut found = Vec::new();
        for collection in path.iter().filter(|c| c.kind == CollectionKind::Calibration) {
            for row in self.sql.rows(&sql, &[collection.id.into(), of.id.into()])? {
                let mut data_id = DataId::new();
                for (dimension, value) in of.of.dimensions.iter().zip(&row) {
                    data_id.insert(dimension, self.value_of(dimension, value.int())?);
                }
                let name = DatasetRef { dataset_type: dataset_type.to_string(), data_id };
                let (begin_ns, end_ns) = (row[width].int(), row[width + 1].int());
                found.push(Certified {
                    collection: collection.name.clone(),
                    validity: Timespan { begin_ns, end_ns },
                    dataset: Dataset {
                        id: id_of(&row[width + 2]),
                        run: row[width + 3].text().to_string(),
                        name,
                    },
                });
            }
        }
        Ok(found)
    }

    /// Ids of all datasets of a run, oldest first: what is removed with it.
    pub fn run_ids(&mut self, run: &str) -> Result<Vec<DatasetId>> {
        let row = self.collection_row(run)?;
        row.must_be(CollectionKind::Run, "only a run is where its datasets are born")?;
        let sql = "SELECT uuid FROM dataset WHERE run = ? ORDER BY id";
        let rows = self.sql.rows(sql, &[row.id.into()])?;
        Ok(rows.iter().map(|r| id_of(&r[0])).collect::<Vec<DatasetId>>())
    }

    /// Check that the database is as it was written. Returns what is wrong, a line each.
    pub fn check(&mut self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        if self.sql.dialect() == elqui_sql::Dialect::Sqlite {
            let rows = self.sql.rows("PRAGMA integrity_check(20)", &[])?;
            wrong.extend(rows.iter().map(|r| r[0].text().to_string()).filter(|t| t != "ok"));
            let rows = self.sql.rows("PRAGMA foreign_key_check", &[])?;
            wrong.extend(
                rows.iter().map(|r| format!("a row of `{}` refers to nothing", r[0].text())),
            );
        }
        for of in self.dataset_types()? {
            let row = self.type_row(&of.name)?;
            let sql = format!(
                "SELECT count(*) FROM dataset d WHERE d.type = ? AND NOT EXISTS \
                 (SELECT 1 FROM member_{} m WHERE m.dataset = d.id AND m.collection = d.run)",
                row.group
            );
            let lost = self.sql.row(&sql, &[row.id.into()])?.map_or(0, |r| r[0].int());
            if lost > 0 {
                wrong.push(format!(
                    "{lost} datasets of type `{}` have no data id in their run",
                    of.name
                ));
            }
        }
        Ok(wrong)
    }
}
