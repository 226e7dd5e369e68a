//! What can go wrong with a repository as a whole.

use elqui_butler::{ButlerError, StoreError};
use elqui_codec::CodecError;
use elqui_registry::RegistryError;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    #[error("`{}` holds no repository: make one with `elqui repo init`", root.display())]
    NoRepository { root: PathBuf },
    #[error("`{}` holds a repository already: open it, or choose another folder", root.display())]
    Exists { root: PathBuf },
    #[error("`{}` is not usable: {why}", file.display())]
    Config { file: PathBuf, why: String },
    #[error("there is no dataset {dataset} in {collections}")]
    NoDataset { dataset: String, collections: String },
    #[error("the dataset {dataset} has no file: it was registered without one")]
    NoArtifact { dataset: String },
    #[error(
        "the file `{path}` of dataset {dataset} is damaged: {why}; restore it, or remove the dataset and make it again"
    )]
    Damaged { dataset: String, path: String, why: String },
    #[error(
        "the file `{path}` of dataset {dataset} is not there any more {place}: restore it, or remove the dataset with \
         `elqui repo rm` and make it again; `elqui repo verify` lists all such"
    )]
    Dangling { dataset: String, path: String, place: String },
    #[error("`{}` cannot be ingested: {why}", file.display())]
    Ingest { file: PathBuf, why: String },
    #[error("`{}` cannot be imported: {why}", file.display())]
    Import { file: PathBuf, why: String },
    #[error("`{}` cannot be exported to: {why}", folder.display())]
    Export { folder: PathBuf, why: String },
    #[error(
        "the new file `{path}` is not in the store any more, so the files that were to be moved are left where they \
         are: `elqui repo verify` lists what to remove; then bring them in again"
    )]
    Taken { path: String },
    #[error(
        "`{}` tells what jobs made and nobody merged yet, and cannot be read: {why}; nothing was removed: mend it, or \
         remove the submission's folder to give its results up", folder.display()
    )]
    Unmerged { folder: PathBuf, why: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Butler(#[from] ButlerError),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

pub type Result<T> = std::result::Result<T, RepositoryError>;
