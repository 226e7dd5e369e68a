//! Provenance: the quantum that made a dataset, what it read, and what those came from.

use crate::datasets::{NewDataset, blob, id_of};
use crate::error::RegistryError;
use crate::error::Result;
use crate::registry::Registry;
use elqui_butler::{CollectionKind, DatasetId, Quantum};
use elqui_sql::SqlValue;
use elqui_sql::{Fails as _, Fault};
use std::collections::BTreeSet;

/// Dataset types, and what of each was made.
pub type Outputs<'a> = &'a [(&'a str, Vec<NewDataset>)];

impl Registry {
    /// Register what a quantum made; see [`insert_quanta`](Self::insert_quanta).
    pub fn insert_quantum(
        &mut self,
        quantum: &Quantum,
        outputs: Outputs<'_>,
    ) -> Result<Vec<DatasetId>> {
        Ok(self.insert_quanta(&[(quantum, outputs)])?.remove(0))
    }

    /// Register what quanta made, and the quanta themselves, in one transaction: a dataset that is
    /// visible has its provenance. Each comes with dataset types and their datasets; the ids given
    /// to them are returned in order. `Quantum::outputs` is not read. One that is known by its id
    /// already is passed over (its outputs' ids are returned), so a batch may be sent again by who
    /// does not know whether it arrived.
    pub fn insert_quanta(
        &mut self,
        quanta: &[(&Quantum, Outputs<'_>)],
    ) -> Result<Vec<Vec<DatasetId>>> {
        let done = self.write(|r| quanta.iter().map(|(q, made)| r.insert_one(q, made)).collect());
        match done {
            Err(e) if e.fault() == Some(Fault::Unique) => {
                let mut why = e;
                for (quantum, outputs) in quanta {
                    for (dataset_type, new) in *outputs {
                        why = self.who_exists(&quantum.run, dataset_type, new, why);
                    }
                }
                Err(why)
            }
            done => {
                self.grown(done.iter().flatten().map(Vec::len).sum(), 0);
                done
            }
        }
    }

    fn insert_one(&mut self, quantum: &Quantum, outputs: Outputs<'_>) -> Result<Vec<DatasetId>> {
        if let Some(number) = self.quantum_number(quantum.id)? {
            return self.outputs_of(&number.into());
        }
        let number = self.quantum_in_transaction(quantum)?;
        let mut ids = Vec::new();
        for (dataset_type, new) in outputs {
            ids.extend(self.insert_in_transaction(
                &quantum.run,
                dataset_type,
                new,
                Some(number),
            )?);
        }
        Ok(ids)
    }

    pub(crate) fn quantum_number(&mut self, id: DatasetId) -> Result<Option<i64>> {
        let row = self.sql.row("SELECT id FROM quantum WHERE uuid = ?", &[blob(id)])?;
        Ok(row.map(|r| r[0].int()))
    }

    /// The number of a quantum that is inserted without outputs.
    pub(crate) fn quantum_in_transaction(&mut self, quantum: &Quantum) -> Result<i64> {
        let run = self.collection_row(&quantum.run)?;
        run.must_be(CollectionKind::Run, "quanta belong to runs")?;
        let sql = "INSERT INTO config (text) VALUES (?) ON CONFLICT (text) DO NOTHING";
        self.sql.execute(sql, &[(&quantum.config).into()])?;
        let sql = "SELECT id FROM config WHERE text = ?";
        let config = self.sql.row(sql, &[(&quantum.config).into()])?.map_or(0, |row| row[0].int());
        let sql = "INSERT INTO quantum (uuid, run, step, data_id, config, software, host, \
                   started_ns, wall_s, cpu_s, peak_memory_bytes) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id";
        let data_id = serde_json::to_string(&quantum.data_id).unwrap_or_default();
        let values = [
            blob(quantum.id),
            run.id.into(),
            (&quantum.step).into(),
            (&data_id).into(),
            config.into(),
            (&quantum.software).into(),
            (&quantum.host).into(),
            quantum.started_ns.into(),
            SqlValue::Real(quantum.wall_s),
            SqlValue::Real(quantum.cpu_s),
            quantum.peak_memory_bytes.map_or(SqlValue::Null, SqlValue::Int),
        ];
        let number = self.sql.row(sql, &values)?.map_or(0, |row| row[0].int());
        let inputs: BTreeSet<DatasetId> = quantum.inputs.iter().copied().collect();
        let inputs: Vec<SqlValue> =
            inputs.into_iter().flat_map(|id| [SqlValue::Int(number), blob(id)]).collect();
        self.sql.bulk_insert("quantum_input", &["quantum", "dataset"], &inputs)?;
        Ok(number)
    }

    fn outputs_of(&mut self, number: &SqlValue) -> Result<Vec<DatasetId>> {
        let sql = "SELECT uuid FROM dataset WHERE quantum = ? ORDER BY id";
        let rows = self.sql.rows(sql, std::slice::from_ref(number))?;
        Ok(rows.iter().map(|r| id_of(&r[0])).collect())
    }

    /// The quantum that made a dataset; `None` for one that was ingested.
    pub fn quantum_of(&mut self, id: DatasetId) -> Result<Option<Quantum>> {
        let sql = "SELECT q.id, q.uuid, c.name, q.step, q.data_id, f.text, q.software, q.host, \
                   q.started_ns, q.wall_s, q.cpu_s, q.peak_memory_bytes \
                   FROM dataset d JOIN quantum q ON q.id = d.quantum JOIN collection c ON c.id = q.run \
                   JOIN config f ON f.id = q.config WHERE d.uuid = ?";
        let Some(row) = self.sql.row(sql, &[blob(id)])? else { return Ok(None) };
        let number = [row[0].clone()];
        let mut ids = |sql: &str| -> Result<Vec<DatasetId>> {
            Ok(self.sql.rows(sql, &number)?.iter().map(|r| id_of(&r[0])).collect())
        };
        let inputs = ids("SELECT dataset FROM quantum_input WHERE quantum = ? ORDER BY dataset")?;
        let outputs = self.outputs_of(&row[0])?;
        let real = |v: &SqlValue| if let SqlValue::Real(v) = v { *v } else { v.int() as f64 };
        Ok(Some(Quantum {
            id: id_of(&row[1]),
            run: row[2].text().to_string(),
            step: row[3].text().to_string(),
            data_id: serde_json::from_str(row[4].text()).map_err(|e| RegistryError::Refused {
                what: format!("the provenance of {id}"),
                why: e.to_string(),
            })?,
            config: row[5].text().to_string(),
            software: row[6].text().to_string(),
            host: row[7].text().to_string(),
            started_ns: row[8].int(),
            wall_s: real(&row[9]),
            cpu_s: real(&row[10]),
            peak_memory_bytes: (row[11] != SqlValue::Null).then(|| row[11].int()),
            inputs,
            outputs,
        }))
    }

    /// Datasets whose quanta read this one, oldest first.
    pub fn used_by(&mut self, id: DatasetId) -> Result<Vec<DatasetId>> {
        let sql = "SELECT d.uuid FROM quantum_input i JOIN dataset d ON d.quantum = i.quantum \
                   WHERE i.dataset = ? ORDER BY d.id";
        Ok(self.sql.rows(sql, &[blob(id)])?.iter().map(|r| id_of(&r[0])).collect())
    }
}
