//! What a dataset came from, as a tree, and as an RO-Crate.
//!
//! The crate is JSON-LD of RO-Crate 1.1 (<https://w3id.org/ro/crate/1.1>): each dataset a `File`, each quantum
//! a `CreateAction` from its inputs (`object`) to its outputs (`result`) by a program (`instrument`).

use super::Repository;
use super::error::Result;
use elqui_butler::{Artifact, Dataset, DatasetId, Quantum, ns_to_iso_utc};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};

/// One dataset and what its quantum read.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    pub id: DatasetId,
    /// `None` when the dataset was removed, or lives in another repository.
    pub dataset: Option<Dataset>,
    /// `None` when it was ingested.
    pub quantum: Option<Quantum>,
    /// Empty where the dataset has been shown above, or the tree is cut at its depth.
    pub inputs: Vec<Origin>,
    pub shown_above: bool,
}

/// A tree is cut below this many steps.
const DEPTH_MAX: usize = 200;

impl Repository {
    /// The tree of a dataset's provenance; each dataset's inputs are told once.
    pub fn provenance(&mut self, id: DatasetId) -> Result<Origin> {
        let mut seen = HashSet::new();
        self.origin(id, 0, &mut seen)
    }

    fn origin(
        &mut self,
        id: DatasetId,
        depth: usize,
        seen: &mut HashSet<DatasetId>,
    ) -> Result<Origin> {
        let shown_above = !seen.insert(id);
        let dataset = self.registry.dataset(id)?;
        let quantum = self.registry.quantum_of(id)?;
        let mut inputs = Vec::new();
        if !shown_above && depth < DEPTH_MAX {
            for input in quantum.iter().flat_map(|q| &q.inputs) {
                inputs.push(self.origin(*input, depth + 1, seen)?);
            }
        }
        Ok(Origin { id, dataset, quantum, inputs, shown_above })
    }

    /// The provenance of datasets as the text of `ro-crate-metadata.json`.
    /// - `published`: the date that the standard asks for, ISO 8601
    pub fn ro_crate(&mut self, ids: &[DatasetId], published: &str) -> Result<String> {
        let mut seen = HashSet::new();
        let mut open: Vec<DatasetId> = ids.to_vec();
        let mut files: BTreeMap<DatasetId, Value> = BTreeMap::new();
        let mut quanta: BTreeMap<DatasetId, Quantum> = BTreeMap::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let artifact = self.registry.artifacts(&[id])?.pop().map(|(_, a)| a);
            let dataset = self.registry.dataset(id)?;
            files.insert(id, file_entity(id, dataset.as_ref(), artifact.as_ref()));
            if let Some(quantum) = self.registry.quantum_of(id)? {
                open.extend(&quantum.inputs);
                quanta.insert(quantum.id, quantum);
            }
        }
        let refs = |ids: &mut dyn Iterator<Item = DatasetId>| -> Vec<Value> {
            ids.map(|id| json!({"@id": urn(id)})).collect()
        };
        let mut graph = vec![
            json!({
                "@id": "ro-crate-metadata.json",
                "@type": "CreativeWork",
                "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
                "about": {"@id": "./"},
            }),
            json!({
                "@id": "./",
                "@type": "Dataset",
                "name": "Datasets and what they came from",
                "description": "Exported by Elqui's butler.",
                "datePublished": published,
                "license": "unspecified",
                "hasPart": refs(&mut files.keys().copied()),
                "mentions": refs(&mut quanta.keys().copied()),
            }),
        ];
        let mut programs: BTreeMap<String, Value> = BTreeMap::new();
        for quantum in quanta.values() {
            let program = format!("#software/{}", quantum.software);
            programs.entry(program.clone()).or_insert_with(|| {
                json!({"@id": program, "@type": "SoftwareApplication", "name": quantum.software})
            });
            graph.push(json!({
                "@id": urn(quantum.id),
                "@type": "CreateAction",
                "name": format!("{} {}", quantum.step, quantum.data_id),
                "instrument": {"@id": program},
                "object": refs(&mut quantum.inputs.iter().copied().filter(|i| files.contains_key(i))),
                "result": refs(&mut quantum.outputs.iter().copied().filter(|i| files.contains_key(i))),
                "startTime": ns_to_iso_utc(quantum.started_ns),
                "endTime": ns_to_iso_utc(
                    quantum.started_ns.saturating_add((quantum.wall_s * 1e9) as i64)
                ),
                "description": quantum.config,
                "location": quantum.host,
            }));
        }
        graph.extend(programs.into_values());
        graph.extend(files.into_values());
        let whole = json!({"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph});
        Ok(format!("{whole:#}\n"))
    }
}

fn urn(id: DatasetId) -> String {
    format!("urn:uuid:{id}")
}

fn file_entity(id: DatasetId, dataset: Option<&Dataset>, artifact: Option<&Artifact>) -> Value {
    let mut entity = json!({"@id": urn(id), "@type": "File", "identifier": id});
    match dataset {
        Some(d) => {
            entity["name"] = json!(d.name.to_string());
            entity["isPartOf"] = json!(d.run);
        }
        None => entity["name"] = json!("a dataset that is not in this repository any more"),
    }
    if let Some(a) = artifact {
        entity["contentUrl"] = json!(a.path);
        entity["contentSize"] = json!(a.size_bytes.to_string());
        entity["encodingFormat"] = json!(a.formatter);
        if !a.checksum.is_empty() {
            entity["checksum"] = json!(a.checksum);
        }
    }
    entity
}
