//! What can go wrong between a question and the database's answer.

use elqui_butler::ButlerError;
use elqui_sql::{Fails, Fault, SqlError};

pub(crate) type Result<T> = std::result::Result<T, RegistryError>;

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The database: not to be opened, locked, full, lost, of another version.
    #[error(transparent)]
    Sql(#[from] SqlError),
    #[error("there is no {what} `{name}`{hint}")]
    Unknown { what: &'static str, name: String, hint: String },
    #[error("{what} `{name}` is there already, and not the same: {why}")]
    Differs { what: &'static str, name: String, why: String },
    #[error(
        "`{dataset}` is in `{collection}` already: write to a new run, or remove the old one first"
    )]
    Exists { dataset: String, collection: String },
    #[error("`{data_id}` cannot be registered: there is no record of `{element}`; insert it first")]
    MissingRecord { element: String, data_id: String },
    #[error("`{collection}` is a {kind} collection: {why}")]
    WrongKind { collection: String, kind: String, why: String },
    #[error("{what}: {why}")]
    Refused { what: String, why: String },
    #[error(transparent)]
    Butler(#[from] ButlerError),
}

impl RegistryError {
    pub(crate) fn unknown(what: &'static str, name: &str) -> Self {
        Self::Unknown { what, name: name.to_string(), hint: String::new() }
    }
}

impl Fails for RegistryError {
    fn fault(&self) -> Option<Fault> {
        if let Self::Sql(e) = self { e.fault() } else { None }
    }
}

impl From<elqui_butler::expression::ExpressionError> for RegistryError {
    fn from(e: elqui_butler::expression::ExpressionError) -> Self {
        Self::Butler(e.into())
    }
}
