//! A repository: the registry (what there is), the store (where its bytes are), and the file
//! `repository.yaml` that says where both are.
//!
//! Bytes first, row last: a file is written whole, then its row is inserted in one transaction, so a crash
//! at any moment leaves the dataset or nothing; files without rows are seen by nobody and `gc` removes
//! them. Removal goes the other way. `docs/design/butler.md` has the protocol.

mod artifacts;
mod config;
mod error;
mod export;
mod import;
mod ingest;
mod look;
mod manifest;
mod membership;
mod provenance;
mod verify;

pub use artifacts::Artifacts;
pub use config::{CacheAt, PostgresAt, RegistryAt, RepositoryConfig, S3At, StoreAt};
pub use error::RepositoryError;
pub use export::Exported;
pub use import::Imported;
pub use ingest::{Ingest, Ingested};
pub use look::{Describe, DescribeAll, Described};
pub use provenance::Origin;
pub use verify::{BadArtifact, Garbage, Verified};

use elqui_butler::{
    Artifact, CollectionKind, Dataset, DatasetId, DatasetRef, DatasetType, IdSource, Transfer,
};
use elqui_codec::Formatter;
use elqui_registry::{NewDataset, Registry};
use error::Result;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// One thread's view of a repository; [`again`](Self::again) gives another one for another thread.
pub struct Repository {
    root: PathBuf,
    config: RepositoryConfig,
    registry: Registry,
    artifacts: Artifacts,
    ids: IdSource,
    /// What was looked up: these never change.
    types: HashMap<String, DatasetType>,
    runs: HashSet<String>,
}

impl Repository {
    /// Make a repository in a folder, which is made when it is missing.
    pub fn create(root: &Path, config: &RepositoryConfig) -> Result<Self> {
        let fail = |e| elqui_codec::CodecError::write(root, e);
        std::fs::create_dir_all(root).map_err(fail)?;
        if root.join(config::FILE).exists() {
            return Err(RepositoryError::Exists { root: root.to_path_buf() });
        }
        let config = &config.clone().checked(root)?;
        let store = config.open_store(root)?;
        let registry = Registry::create(&config.location(root)?)?;
        // Last: a folder with this file is a whole repository.
        config.write(root)?;
        Ok(Self::around(
            root,
            config.clone(),
            registry,
            Artifacts::new(store, config.templates.clone()),
        ))
    }

    pub fn open(root: &Path) -> Result<Self> {
        let config = RepositoryConfig::read(root)?;
        let registry = Registry::open(&config.location(root)?)?;
        let artifacts = Artifacts::new(config.open_store(root)?, config.templates.clone());
        Ok(Self::around(root, config, registry, artifacts))
    }

    /// The same repository for another thread: the store is shared, the connection is its own.
    pub fn again(&self) -> Result<Self> {
        let registry = Registry::open(&self.config.location(&self.root)?)?;
        Ok(Self::around(&self.root, self.config.clone(), registry, self.artifacts.clone()))
    }

    /// Bring the registry of an older version up to this one. Returns the version it had.
    pub fn migrate(root: &Path) -> Result<i64> {
        Ok(Registry::migrate(&RepositoryConfig::read(root)?.location(root)?)?)
    }

    fn around(
        root: &Path,
        config: RepositoryConfig,
        registry: Registry,
        artifacts: Artifacts,
    ) -> Self {
        Self {
            root: root.to_path_buf(),
            config,
            registry,
            artifacts,
            ids: IdSource::default(),
            types: HashMap::new(),
            runs: HashSet::new(),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn registry(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// Files alone: what worker threads write to and read from, each with a clone.
    pub fn artifacts(&self) -> Artifacts {
        self.artifacts.clone()
    }

    /// A dataset type that is registered.
    pub fn dataset_type(&mut self, name: &str) -> Result<DatasetType> {
        if let Some(of) = self.types.get(name) {
            return Ok(of.clone());
        }
        let of = self.registry.dataset_type(name)?;
        self.types.insert(name.to_string(), of.clone());
        Ok(of)
    }

    pub(crate) fn run(&mut self, run: &str) -> Result<()> {
        if !self.runs.contains(run) {
            self.registry.register_collection(run, CollectionKind::Run, "")?;
            self.runs.insert(run.to_string());
        }
        Ok(())
    }

    /// A dataset that is not there yet: its name cut to the type's dimensions, a new id.
    pub fn new_dataset(&mut self, name: &DatasetRef, run: &str) -> Result<(DatasetType, Dataset)> {
        let of = self.dataset_type(&name.dataset_type)?;
        of.values(&name.data_id)?;
        let name = DatasetRef {
            dataset_type: of.name.clone(),
            data_id: name.data_id.only(&of.dimensions),
        };
        Ok((of, Dataset { id: self.ids.next_id(), run: run.to_string(), name }))
    }

    /// Keep bytes as a new dataset of a run, which is made when it is missing.
    /// - `ending`: what the formatter's files end in (`.fits`); it is remembered as the formatter
    pub fn put(
        &mut self,
        name: &DatasetRef,
        run: &str,
        ending: &str,
        bytes: &[u8],
    ) -> Result<Dataset> {
        let (of, dataset) = self.new_dataset(name, run)?;
        self.run(run)?;
        let artifact = self.artifacts.write(&of, &dataset, ending, bytes)?;
        self.register(dataset, artifact)
    }

    /// Keep a typed value by its formatter.
    pub fn put_value<F: Formatter>(
        &mut self,
        name: &DatasetRef,
        run: &str,
        formatter: &F,
        value: &F::Dataset,
    ) -> Result<Dataset> {
        self.put(name, run, formatter.extension(), &formatter.encode(value)?)
    }

    /// Keep a file as a new dataset.
    pub fn put_file(
        &mut self,
        name: &DatasetRef,
        run: &str,
        from: &Path,
        mode: Transfer,
    ) -> Result<Dataset> {
        let (of, dataset) = self.new_dataset(name, run)?;
        self.run(run)?;
        let artifact = self.artifacts.take(&of, &dataset, from, mode, true)?;
        self.register(dataset, artifact)
    }

    /// The row of a file that is there.
    fn register(&mut self, dataset: Dataset, artifact: Artifact) -> Result<Dataset> {
        let new = NewDataset {
            data_id: dataset.name.data_id.clone(),
            id: Some(dataset.id),
            artifact: Some(artifact.clone()),
        };
        match self.registry.insert_datasets(&dataset.run, &dataset.name.dataset_type, &[new]) {
            Ok(_) => Ok(dataset),
            Err(e) => {
                // Nobody's file, if it is sure that there is no row; else `gc` decides.
                if matches!(self.registry.dataset(dataset.id), Ok(None)) {
                    self.take_back(&[artifact]);
                }
                Err(e.into())
            }
        }
    }

    /// The dataset of a type and data id that the collections hold first.
    pub fn find(&mut self, name: &DatasetRef, collections: &[&str]) -> Result<Dataset> {
        let found = self.registry.find(name, collections)?;
        found.ok_or_else(|| RepositoryError::NoDataset {
            dataset: name.to_string(),
            collections: collections.join(", "),
        })
    }

    pub fn artifact(&mut self, id: DatasetId) -> Result<Artifact> {
        match self.registry.artifacts(&[id])?.pop() {
            Some((_, artifact)) => Ok(artifact),
            None if self.registry.dataset(id)?.is_none() => Err(RepositoryError::NoDataset {
                dataset: id.to_string(),
                collections: self.root.display().to_string(),
            }),
            None => Err(RepositoryError::NoArtifact { dataset: id.to_string() }),
        }
    }

    /// A dataset's bytes, compared with its checksum.
    pub fn get(&mut self, id: DatasetId) -> Result<Vec<u8>> {
        let artifact = self.artifact(id)?;
        self.artifacts.read(id, &artifact)
    }

    /// A dataset as a typed value.
    pub fn get_value<F: Formatter>(&mut self, id: DatasetId, formatter: &F) -> Result<F::Dataset> {
        let artifact = self.artifact(id)?;
        let bytes = self.artifacts.read(id, &artifact)?;
        Ok(formatter.decode(&bytes, &artifact.path)?)
    }

    /// Where a dataset's file is on this machine; `None` when it is elsewhere.
    pub fn local_path(&mut self, id: DatasetId) -> Result<Option<PathBuf>> {
        let artifact = self.artifact(id)?;
        Ok(self.artifacts.local_path(&artifact))
    }

    /// Remove datasets and their files: rows first, all of them or none. A file that holds several
    /// datasets goes with the last of them.
    pub fn remove(&mut self, ids: &[DatasetId]) -> Result<()> {
        let gone = self.registry.remove_datasets(ids)?;
        let shared = gone.iter().filter(|(_, a)| artifacts::is_shared(a));
        let mut asked: HashSet<&str> = shared.map(|(_, a)| a.path.as_str()).collect();
        let mut kept: HashSet<String> = HashSet::new();
        if !asked.is_empty() {
            // No index has paths, and few files are shared: one walk for all of them.
            self.registry.each_artifact(|_, artifact| {
                if asked.remove(artifact.path.as_str()) {
                    kept.insert(artifact.path);
                }
                !asked.is_empty()
            })?;
        }
        for (_, artifact) in gone.iter().filter(|(_, a)| !kept.contains(&a.path)) {
            self.artifacts.remove(artifact)?;
        }
        Ok(())
    }
}
