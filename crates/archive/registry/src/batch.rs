//! What arrives together: records, quanta and datasets of several types and runs, in one transaction.
//! Ingest and import are made of it.

use crate::datasets::NewDataset;
use crate::error::RegistryError;
use crate::error::Result;
use crate::registry::Registry;
use elqui_butler::{DimensionRecord, Quantum};
use elqui_sql::{Fails as _, Fault};

/// Datasets of one type and run that one quantum made, or that none did.
#[derive(Debug, Clone, Default)]
pub struct Part {
    pub run: String,
    pub dataset_type: String,
    /// Inserted unless it is known by its id.
    pub quantum: Option<Quantum>,
    pub new: Vec<NewDataset>,
}

impl Registry {
    /// Register all of it or nothing. Runs and dataset types must be there; records may be. Returns
    /// how many records were new.
    pub fn insert_batch(&mut self, records: &[DimensionRecord], parts: &[Part]) -> Result<usize> {
        let mut again = true;
        loop {
            let error = match self.write(|r| r.batch_in_transaction(records, parts)) {
                Ok(new) => {
                    self.grown(parts.iter().map(|p| p.new.len()).sum(), new);
                    return Ok(new);
                }
                Err(error) => error,
            };
            if error.fault() != Some(Fault::Unique) {
                return Err(error);
            }
            let mut why = error;
            for part in parts {
                why = self.who_exists(&part.run, &part.dataset_type, &part.new, why);
                if matches!(why, RegistryError::Exists { .. }) {
                    return Err(why);
                }
            }
            // Another writer inserted a record or quantum at the same moment: now it is there.
            if !again {
                return Err(why);
            }
            again = false;
        }
    }

    fn batch_in_transaction(
        &mut self,
        records: &[DimensionRecord],
        parts: &[Part],
    ) -> Result<usize> {
        let new = self.records_in_transaction(records)?;
        for part in parts {
            let number = match &part.quantum {
                Some(quantum) => match self.quantum_number(quantum.id)? {
                    Some(number) => Some(number),
                    None => Some(self.quantum_in_transaction(quantum)?),
                },
                None => None,
            };
            self.insert_in_transaction(&part.run, &part.dataset_type, &part.new, number)?;
        }
        Ok(new)
    }
}
