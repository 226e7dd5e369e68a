//! Datasets: registered, found, removed.

use crate::error::RegistryError;
use crate::error::Result;
use crate::registry::{Registry, TypeRow, ints, now_ns};
use crate::schema::key;
use elqui_butler::{Artifact, CollectionKind, DataId, Dataset, DatasetId, DatasetRef};
use elqui_sql::SqlValue;
use elqui_sql::{Fails as _, Fault};
use std::collections::HashSet;

/// A dataset that is to be registered.
#[derive(Debug, Clone, Default)]
pub struct NewDataset {
    pub data_id: DataId,
    /// One of version 7 is given when there is none.
    pub id: Option<DatasetId>,
    /// Where its bytes are, already.
    pub artifact: Option<Artifact>,
}

impl Registry {
    /// Register datasets of one type in a run, all of them or none. Records of their dimensions
    /// must be there. Returns their ids in the same order.
    pub fn insert_datasets(
        &mut self,
        run: &str,
        dataset_type: &str,
        new: &[NewDataset],
    ) -> Result<Vec<DatasetId>> {
        match self.write(|r| r.insert_in_transaction(run, dataset_type, new, None)) {
            Err(e) if e.fault() == Some(Fault::Unique) => {
                Err(self.who_exists(run, dataset_type, new, e))
            }
            done => {
                self.grown(done.as_ref().map_or(0, Vec::len), 0);
                done
            }
        }
    }

    pub(crate) fn insert_in_transaction(
        &mut self,
        run: &str,
        dataset_type: &str,
        new: &[NewDataset],
        quantum: Option<i64>,
    ) -> Result<Vec<DatasetId>> {
        let row = self.collection_row(run)?;
        row.must_be(CollectionKind::Run, "datasets are born into runs")?;
        let of = self.type_row(dataset_type)?;
        let found = self.keys_checked(&of, new)?;
        let numbers = self.reserve(new.len())?;
        let (now, width) = (now_ns(), of.of.dimensions.len());
        let mut ids = Vec::with_capacity(new.len());
        let (mut datasets, mut members, mut artifacts) = (
            Vec::with_capacity(6 * new.len()),
            Vec::with_capacity((3 + width) * new.len()),
            Vec::with_capacity(5 * new.len()),
        );
        let made = quantum.map_or(SqlValue::Null, SqlValue::Int);
        for (k, (dataset, number)) in new.iter().zip(numbers).enumerate() {
            let id = dataset.id.unwrap_or_else(|| self.ids.next_id());
            ids.push(id);
            datasets.extend([
                number.into(),
                SqlValue::Blob(id.as_bytes().to_vec()),
                of.id.into(),
                row.id.into(),
                now.into(),
                made.clone(),
            ]);
            members.extend([SqlValue::Int(row.id), of.id.into()]);
            members.extend(found[k * width..(k + 1) * width].iter().map(|v| SqlValue::Int(*v)));
            members.push(number.into());
            if let Some(artifact) = &dataset.artifact {
                artifacts.extend([
                    number.into(),
                    (&artifact.path).into(),
                    self.intern(&artifact.formatter)?.into(),
                    artifact.size_bytes.into(),
                    (&artifact.checksum).into(),
                ]);
            }
        }
        let columns = ["id", "uuid", "type", "run", "ingest_ns", "quantum"];
        self.sql.bulk_insert("dataset", &columns, &datasets)?;
        let names: Vec<String> = of.of.dimensions.iter().map(|d| key(d)).collect();
        let mut columns = vec!["collection", "type"];
        columns.extend(names.iter().map(String::as_str));
        columns.push("dataset");
        self.sql.bulk_insert(&format!("member_{}", of.group), &columns, &members)?;
        let columns = ["dataset", "path", "formatter", "size_bytes", "checksum"];
        self.sql.bulk_insert("artifact", &columns, &artifacts)?;
        Ok(ids)
    }

    /// The keys of all data ids, row after row; each record that they name is there.
    fn keys_checked(&mut self, of: &TypeRow, new: &[NewDataset]) -> Result<Vec<i64>> {
        let elements: Vec<_> =
            of.of.dimensions.iter().map(|d| self.universe.element(d).cloned()).collect();
        let elements: Vec<_> = elements.into_iter().flatten().filter(|e| e.stored).collect();
        let place = |d: &String| of.of.dimensions.iter().position(|x| x == d).unwrap_or(0);
        let places: Vec<Vec<usize>> =
            elements.iter().map(|e| e.required.iter().map(place).collect()).collect();
        let mut checked: Vec<HashSet<Vec<i64>>> = vec![HashSet::new(); elements.len()];
        let mut found = Vec::with_capacity(new.len() * of.of.dimensions.len());
        let mut wanted = Vec::new();
        for dataset in new {
            let start = found.len();
            for (dimension, value) in of.of.dimensions.iter().zip(of.of.values(&dataset.data_id)?) {
                // A text that no key has is no record either; -1 is none.
                found.push(self.key_of(dimension, value, false)?.unwrap_or(-1));
            }
            for (k, element) in elements.iter().enumerate() {
                wanted.clear();
                wanted.extend(places[k].iter().map(|&p| found[start + p]));
                if checked[k].contains(&wanted) {
                    continue;
                }
                if !self.has_record(element, &wanted)? {
                    let name = dataset.data_id.only(&element.required);
                    return Err(RegistryError::MissingRecord {
                        element: format!("{} {name}", element.name),
                        data_id: format!("{}{}", of.of.name, dataset.data_id),
                    });
                }
                checked[k].insert(wanted.clone());
            }
        }
        Ok(found)
    }

    /// After a refused insertion: which dataset was there, or twice in the list.
    pub(crate) fn who_exists(
        &mut self,
        run: &str,
        of: &str,
        new: &[NewDataset],
        e: RegistryError,
    ) -> RegistryError {
        let mut seen = HashSet::new();
        for dataset in new {
            let name =
                DatasetRef { dataset_type: of.to_string(), data_id: dataset.data_id.clone() };
            let twice = !seen.insert(&dataset.data_id);
            let there = matches!(self.find(&name, &[run]), Ok(Some(_)));
            let known = dataset.id.is_some_and(|id| matches!(self.dataset(id), Ok(Some(_))));
            if twice || there || known {
                return RegistryError::Exists {
                    dataset: name.to_string(),
                    collection: run.to_string(),
                };
            }
        }
        e
    }

    /// The dataset of a type and data id that the collections hold: the first one that a search in
    /// their order meets. Calibration collections are passed over; they need a time
    /// ([`find_calibration`](Self::find_calibration)).
    pub fn find(&mut self, name: &DatasetRef, collections: &[&str]) -> Result<Option<Dataset>> {
        let of = self.type_row(&name.dataset_type)?;
        let mut wanted = Vec::new();
        for (dimension, value) in of.of.dimensions.iter().zip(of.of.values(&name.data_id)?) {
            let Some(key) = self.key_of(dimension, value, false)? else { return Ok(None) };
            wanted.push(key);
        }
        let terms: String =
            of.of.dimensions.iter().map(|d| format!(" AND m.{} = ?", key(d))).collect();
        let sql = format!(
            "SELECT d.uuid, c.name FROM member_{} m JOIN dataset d ON d.id = m.dataset \
             JOIN collection c ON c.id = d.run WHERE m.collection = ? AND m.type = ?{terms}",
            of.group
        );
        for collection in self.search_path(collections, false)? {
            let mut values = ints(&[collection.id, of.id]);
            values.extend(ints(&wanted));
            if let Some(row) = self.sql.row(&sql, &values)? {
                let data_id = name.data_id.only(&of.of.dimensions);
                let name = DatasetRef { dataset_type: of.of.name, data_id };
                return Ok(Some(Dataset {
                    id: id_of(&row[0]),
                    run: row[1].text().to_string(),
                    name,
                }));
            }
        }
        Ok(None)
    }

    /// A dataset by its id.
    pub fn dataset(&mut self, id: DatasetId) -> Result<Option<Dataset>> {
        let sql = "SELECT d.id, t.name, c.name, c.id FROM dataset d JOIN dataset_type t ON t.id = d.type \
                   JOIN collection c ON c.id = d.run WHERE d.uuid = ?";
        let Some(row) = self.sql.row(sql, &[blob(id)])? else { return Ok(None) };
        let of = self.type_row(row[1].text())?;
        let keys: String = of.of.dimensions.iter().map(|d| format!("{}, ", key(d))).collect();
        let sql = format!(
            "SELECT {keys}dataset FROM member_{} WHERE dataset = ? AND collection = ?",
            of.group
        );
        let keys = self.sql.row(&sql, &[row[0].clone(), row[3].clone()])?.unwrap_or_default();
        let mut data_id = DataId::new();
        for (dimension, key) in of.of.dimensions.iter().zip(&keys) {
            data_id.insert(dimension, self.value_of(dimension, key.int())?);
        }
        let name = DatasetRef { dataset_type: of.of.name, data_id };
        Ok(Some(Dataset { id, run: row[2].text().to_string(), name }))
    }

    /// The files of datasets; those that have none, or are not there, are left out.
    pub fn artifacts(&mut self, ids: &[DatasetId]) -> Result<Vec<(DatasetId, Artifact)>> {
        let sql = "SELECT a.path, a.formatter, a.size_bytes, a.checksum FROM artifact a \
                   JOIN dataset d ON d.id = a.dataset WHERE d.uuid = ?";
        let mut found = Vec::new();
        for id in ids {
            let Some(row) = self.sql.row(sql, &[blob(*id)])? else { continue };
            let artifact = Artifact {
                path: row[0].text().to_string(),
                formatter: self.text_of(row[1].int())?,
                size_bytes: row[2].int(),
                checksum: row[3].text().to_string(),
            };
            found.push((*id, artifact));
        }
        Ok(found)
    }

    /// Forget datasets, wherever they are tagged or certified. Returns the files that they had,
    /// which are the caller's to remove, after this.
    pub fn remove_datasets(&mut self, ids: &[DatasetId]) -> Result<Vec<(DatasetId, Artifact)>> {
        self.write(|r| {
            let artifacts = r.artifacts(ids)?;
            for id in ids {
                if r.sql.execute("DELETE FROM dataset WHERE uuid = ?", &[blob(*id)])? == 0 {
                    return Err(RegistryError::unknown("dataset", &id.to_string()));
                }
            }
            Ok(artifacts)
        })
    }
}

pub(crate) fn id_of(value: &SqlValue) -> DatasetId {
    DatasetId::from_bytes(value.blob().try_into().unwrap_or_default())
}

pub(crate) fn blob(id: DatasetId) -> SqlValue {
    SqlValue::Blob(id.as_bytes().to_vec())
}
