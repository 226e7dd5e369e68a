//! `repository.yaml`: what a repository is made of. The one file that says where all the rest is.
//!
//! ```yaml
//! version: 1
//! registry: {sqlite: registry.sqlite3}     # or {postgres: {url: postgresql://host/db, schema: elqui}}
//! store: {folder: store}                   # or {s3: {bucket: b, prefix: p, endpoint: https://..., region: r}}
//! templates: {raw: "{run}/{datasetType}/{exposure}_{detector}_{id}"}
//! cache: {folder: /var/cache/elqui, bytes_max: 100000000000}     # before a remote store
//! ```
//!
//! Relative paths are the repository's. Passwords are not written here: PostgreSQL's client reads `.pgpass`,
//! that of S3 the `AWS_*` variables.

use super::error::{RepositoryError, Result};
use elqui_butler::Datastore;
use elqui_codec::{CodecError, atomic_write_bytes};
use elqui_datastore::{CachedStore, FolderStore};
use elqui_registry::Location;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const FILE: &str = "repository.yaml";
const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryConfig {
    pub version: u32,
    pub registry: RegistryAt,
    pub store: StoreAt,
    /// Dataset type -> template; each must name `{run}` and `{id}`.
    #[serde(default)]
    pub templates: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheAt>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresAt {
    pub url: String,
    pub schema: String,
}

/// Exactly one of them; serde's enums would be YAML tags (`!sqlite`), which few people know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryAt {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqlite: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresAt>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3At {
    pub bucket: String,
    #[serde(default)]
    pub prefix: String,
    #[serde(default)]
    pub endpoint: String,
    #[serde(default)]
    pub region: String,
}

/// Exactly one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreAt {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3At>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheAt {
    pub folder: PathBuf,
    pub bytes_max: u64,
}

/// SQLite and a folder, both inside the repository.
impl Default for RepositoryConfig {
    fn default() -> Self {
        Self {
            version: VERSION,
            registry: RegistryAt { sqlite: Some("registry.sqlite3".into()), postgres: None },
            store: StoreAt { folder: Some("store".into()), s3: None },
            templates: BTreeMap::new(),
            cache: None,
        }
    }
}

impl RepositoryConfig {
    pub fn read(root: &Path) -> Result<Self> {
        let file = root.join(FILE);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(RepositoryError::NoRepository { root: root.to_path_buf() });
            }
            Err(e) => return Err(CodecError::read(&file, e).into()),
        };
        let bad = |why: String| RepositoryError::Config { file: file.clone(), why };
        let config: Self = serde_yaml_ng::from_str(&text).map_err(|e| bad(e.to_string()))?;
        if config.version != VERSION {
            let why = format!("its version is {}, this program knows {VERSION}", config.version);
            return Err(bad(why));
        }
        config.checked(root)
    }

    pub(crate) fn checked(self, root: &Path) -> Result<Self> {
        let bad = |why: String| RepositoryError::Config { file: root.join(FILE), why };
        if self.registry.sqlite.is_some() == self.registry.postgres.is_some() {
            return Err(bad("`registry` must have either `sqlite` or `postgres`".into()));
        }
        if self.store.folder.is_some() == self.store.s3.is_some() {
            return Err(bad("`store` must have either `folder` or `s3`".into()));
        }
        for (name, template) in &self.templates {
            if !template.contains("{id}") {
                return Err(bad(format!(
                    "the template `{template}` of `{name}` must name {{id}}, or two processes that \
                     write the same data id would replace each other's file"
                )));
            }
        }
        Ok(self)
    }

    pub(crate) fn write(&self, root: &Path) -> Result<()> {
        let file = root.join(FILE);
        let text = serde_yaml_ng::to_string(self)
            .map_err(|e| RepositoryError::Config { file: file.clone(), why: e.to_string() })?;
        Ok(atomic_write_bytes(&file, text.as_bytes())?)
    }

    pub(crate) fn location(&self, root: &Path) -> Result<Location> {
        if let Some(at) = &self.registry.postgres {
            return Ok(Location::Postgres { url: at.url.clone(), schema: at.schema.clone() });
        }
        let path = self.registry.sqlite.clone().unwrap_or_default();
        Ok(Location::Sqlite(root.join(path)))
    }

    pub(crate) fn open_store(&self, root: &Path) -> Result<Arc<dyn Datastore>> {
        let store: Arc<dyn Datastore> = match (&self.store.folder, &self.store.s3) {
            (_, Some(at)) => open_s3(at, root)?,
            (folder, None) => {
                Arc::new(FolderStore::open(&root.join(folder.clone().unwrap_or_default()))?)
            }
        };
        match &self.cache {
            Some(at) => {
                Ok(Arc::new(CachedStore::new(store, &root.join(&at.folder), at.bytes_max)?))
            }
            None => Ok(store),
        }
    }
}

#[cfg(feature = "s3")]
fn open_s3(at: &S3At, _root: &Path) -> Result<Arc<dyn Datastore>> {
    Ok(Arc::new(elqui_datastore::S3Store::open(&elqui_datastore::S3Settings {
        bucket: at.bucket.clone(),
        prefix: at.prefix.clone(),
        endpoint: at.endpoint.clone(),
        region: at.region.clone(),
        ..elqui_datastore::S3Settings::default()
    })?))
}
#[cfg(not(feature = "s3"))]
fn open_s3(at: &S3At, root: &Path) -> Result<Arc<dyn Datastore>> {
    Err(RepositoryError::Config {
        file: root.join(FILE),
        why: format!(
            "its store is the bucket `{}`, and this program was built without S3 (feature `s3`)",
            at.bucket
        ),
    })
}
