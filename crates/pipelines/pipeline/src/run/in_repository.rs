//! A repository as the executors see it: each thread opens it for itself.

use crate::error::StepError;
use crate::repository::{Artifacts, Repository, RepositoryError};
use crate::task::{Datasets, Finished, Session};
use elqui_butler::{Artifact, DataId, Dataset, DatasetType};
use elqui_registry::{DatasetQuery, NewDataset, RegistryError};
use std::path::{Path, PathBuf};

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

    fn write(
        &mut self,
        d: &Dataset,
        of: &DatasetType,
        ending: &str,
        bytes: &[u8],
    ) -> Result<Option<Artifact>, StepError> {
        Ok(Some(self.artifacts.write(of, d, ending, bytes)?))
    }

    fn local_path(&mut self, d: &Dataset, made: Option<&Artifact>) -> Option<PathBuf> {
        match made {
            Some(artifact) => self.artifacts.local_path(artifact),
            None => self.repository.local_path(d.id).ok().flatten(),
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
