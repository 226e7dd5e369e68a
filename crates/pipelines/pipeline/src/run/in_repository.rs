//! A repository as the executors see it: each thread opens it for itself.

use crate::error::StepError;
use crate::repository::{Artifacts, Repository, RepositoryError};
use crate::task::{Datasets, Finished, Lazy, Session};
use elqui_butler::{Artifact, DataId, Dataset, DatasetType};
use elqui_registry::{DatasetQuery, NewDataset, RegistryError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The repository in a folder.
pub struct InRepository {
    root: PathBuf,
}

impl InRepository {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }
}

struct Open {
    repository: Repository,
    artifacts: Artifacts,
}

impl From<RepositoryError> for StepError {
    fn from(e: RepositoryError) -> Self {
        Self::failed(e)
    }
}

impl Datasets for InRepository {
    fn session(&self) -> Result<Box<dyn Session>, StepError> {
        let repository = Repository::open(&self.root)?;
        let artifacts = repository.artifacts();
        Ok(Box::new(Open { repository, artifacts }))
    }
}

impl Session for Open {
    fn read(&mut self, d: &Dataset, made: Option<&Artifact>) -> Result<Vec<u8>, StepError> {
        Ok(match made {
            Some(artifact) => self.artifacts.read(d.id, artifact)?,
            None => self.repository.get(d.id)?,
        })
    }

    fn lazy(&mut self, d: &Dataset, made: Option<&Artifact>) -> Result<Lazy, StepError> {
        let artifact = match made {
            Some(artifact) => artifact.clone(),
            None => self.repository.artifact(d.id)?,
        };
        let (files, id) = (self.artifacts.clone(), d.id);
        Ok(Arc::new(move || Ok(files.read(id, &artifact)?)))
    }

    fn write(
        &mut self,
        d: &Dataset,
        of: &DatasetType,
        ending: &str,
        bytes: &[u8],
    ) -> Result<Option<Artifact>, StepError> {
        // Another process may run the same graph: what it has registered is not replaced by anything else. What is there
        // without a row was left by a killed attempt, and is.
        let known = self.repository.registry().artifacts(&[d.id])?.pop();
        if let Some((_, known)) = known {
            if known.checksum == elqui_datastore::checksum(bytes) {
                return Ok(Some(known));
            }
            return Err(StepError::Failed(format!(
                "{d} was made by another process meanwhile, with other bytes: two runs of one graph into one run \
                 collection need steps that give the same every time; let one of them end, or choose another run"
            )));
        }
        Ok(Some(self.artifacts.write(of, d, ending, bytes)?))
    }

    fn made_elsewhere(&mut self, quantum: &Finished) -> Result<bool, StepError> {
        for new in quantum.1.iter().flat_map(|(_, all)| all) {
            let Some(id) = new.id else { return Ok(false) };
            let known = self.repository.registry().artifacts(&[id])?.pop().map(|(_, a)| a);
            let same = |a: &Artifact, b: &Artifact| a.checksum == b.checksum && a.path == b.path;
            if !known.zip(new.artifact.as_ref()).is_some_and(|(a, b)| same(&a, b)) {
                return Ok(false);
            }
        }
        Ok(!quantum.1.is_empty())
    }

    fn local_path(&mut self, d: &Dataset, made: Option<&Artifact>) -> Option<PathBuf> {
        match made {
            Some(artifact) => self.artifacts.local_path(artifact),
            // Read once, so that no program is handed a file that is damaged; the error is that of `read`.
            None => self
                .repository
                .get(d.id)
                .ok()
                .and_then(|_| self.repository.local_path(d.id).ok().flatten()),
        }
    }

    fn commit(&mut self, quanta: &[Finished]) -> Result<(), StepError> {
        let made: Vec<Vec<(&str, Vec<NewDataset>)>> = quanta
            .iter()
            .map(|(_, all)| all.iter().map(|(n, new)| (n.as_str(), new.clone())).collect())
            .collect();
        let all: Vec<_> = quanta.iter().zip(&made).map(|((q, _), m)| (q, m.as_slice())).collect();
        self.repository.registry().insert_quanta(&all)?;
        Ok(())
    }

    fn existing(&mut self, of: &DatasetType, run: &str) -> Result<Vec<DataId>, StepError> {
        let query = DatasetQuery::new(&of.name, &[run], "");
        match self.repository.registry().datasets(&query) {
            // Neither the run nor the type: nothing was ever made.
            Err(RegistryError::Unknown { .. }) => Ok(Vec::new()),
            found => Ok(found?.into_iter().map(|d| d.name.data_id).collect()),
        }
    }
}
