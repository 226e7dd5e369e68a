//! A finished quantum as text, to be handed between processes.

use crate::task::Finished;
use elqui_butler::{Artifact, DataId, DatasetId, Quantum};
use elqui_registry::NewDataset;
use serde::{Deserialize, Serialize};

/// A quantum and what it made.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub quantum: Quantum,
    pub outputs: Vec<Output>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Output {
    pub dataset_type: String,
    pub data_id: DataId,
    pub id: Option<DatasetId>,
    pub artifact: Option<Artifact>,
}

impl Record {
    pub fn new((quantum, made): &Finished) -> Self {
        let all = made.iter().flat_map(|(name, all)| all.iter().map(move |new| (name, new)));
        let output = |(name, new): (&String, &NewDataset)| Output {
            dataset_type: name.clone(),
            data_id: new.data_id.clone(),
            id: new.id,
            artifact: new.artifact.clone(),
        };
        Self { quantum: quantum.clone(), outputs: all.map(output).collect() }
    }

    pub fn into_finished(self) -> Finished {
        let output = |o: Output| {
            let new = NewDataset { data_id: o.data_id, id: o.id, artifact: o.artifact };
            (o.dataset_type, vec![new])
        };
        (self.quantum, self.outputs.into_iter().map(output).collect())
    }
}
