//! What can go wrong with a catalogue's layout.

use std::path::Path;

#[derive(Debug, thiserror::Error)]
pub enum HatsError {
    #[error("failed to read `{path}`: {}", reason(.source))]
    Read { path: String, source: std::io::Error },
    #[error(
        "`{path}` is not a catalogue in HATS layout: it has neither `collection.properties` nor \
         `hats.properties`; make one with `elqui catalog import`"
    )]
    NotACatalog { path: String },
    #[error("`{path}` is a HiPSCat catalogue, older than HATS 1.0; convert it with `hats-import`")]
    Legacy { path: String },
    #[error("`{path}`: {key} `{value}` {reason}")]
    Property { path: String, key: String, value: String, reason: String },
    #[error("`{path}` lacks the key `{key}`")]
    MissingKey { path: String, key: String },
    #[error("`{path}`, line {line}: {reason}")]
    Partitions { path: String, line: usize, reason: String },
    #[error("`{path}` has no partition: `partition_info.csv` and `dataset` hold none")]
    NoPartitions { path: String },
    #[error("the partition file `{path}` is missing; restore it or import the catalogue anew")]
    MissingFile { path: String },
    #[error("`{path}` has no version or tag `{asked}`; it has {have}")]
    NoVersion { path: String, asked: String, have: String },
}

impl HatsError {
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: path.display().to_string(), source }
    }

    pub(crate) fn property(path: &Path, key: &str, value: &str, reason: &str) -> Self {
        Self::Property {
            path: path.display().to_string(),
            key: key.into(),
            value: value.into(),
            reason: reason.into(),
        }
    }
}

fn reason(source: &std::io::Error) -> String {
    match source.kind() {
        std::io::ErrorKind::NotFound => "no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8 text".into(),
        _ => source.to_string(),
    }
}
