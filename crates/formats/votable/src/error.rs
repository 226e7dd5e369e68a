//! What can go wrong with a VOTable.

use elqui_codec::CodecError;

#[derive(Debug, thiserror::Error)]
pub enum VotableError {
    #[error("failed to read table `{path}`: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("`{path}` is not a VOTable: {reason}")]
    NotVotable { path: String, reason: String },
    #[error("`{path}`, byte {byte}: {reason}")]
    Xml { path: String, byte: u64, reason: String },
    #[error("`{path}`, row {row}, field `{field}`: {reason}")]
    Value { path: String, row: usize, field: String, reason: String },
    #[error("`{path}`: {reason}")]
    Unsupported { path: String, reason: String },
    #[error(transparent)]
    Write(#[from] CodecError),
}
