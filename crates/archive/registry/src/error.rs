//! What can go wrong between a question and the database's answer.

use elqui_butler::ButlerError;

/// What kind of trouble the database has; the caller's remedy depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Another process holds the lock for longer than we wait.
    Busy,
    /// Two transactions were in each other's way; trying again helps.
    Retry,
    /// A key is there already.
    Unique,
    /// A key that is referred to is not there.
    ForeignKey,
    Other,
}

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("the registry `{registry}` cannot be opened: {why}")]
    Open { registry: String, why: String },
    #[error(
        "the registry `{registry}` has schema version {found}, this program knows {known}: {remedy}"
    )]
    Version { registry: String, found: i64, known: i64, remedy: &'static str },
    #[error(
        "the registry `{registry}` is locked by another process for more than {seconds} s: wait for it, or end it"
    )]
    Locked { registry: String, seconds: u64 },
    #[error("the registry's database failed: {why}")]
    Database { fault: Fault, why: String },
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
    pub(crate) fn fault(&self) -> Option<Fault> {
        if let Self::Database { fault, .. } = self { Some(*fault) } else { None }
    }

    pub(crate) fn unknown(what: &'static str, name: &str) -> Self {
        Self::Unknown { what, name: name.to_string(), hint: String::new() }
    }
}

impl From<elqui_butler::expression::ExpressionError> for RegistryError {
    fn from(e: elqui_butler::expression::ExpressionError) -> Self {
        Self::Butler(e.into())
    }
}
