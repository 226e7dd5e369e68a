//! What can go wrong between a statement and its answer. Each says what to do.

/// What kind of trouble the database has; the caller's remedy depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Two transactions were in each other's way; trying again helps.
    Retry,
    /// A key is there already.
    Unique,
    /// A key that is referred to is not there.
    ForeignKey,
    Other,
}

#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    #[error("the registry `{place}` cannot be opened: {why}")]
    Open { place: String, why: String },
    #[error(
        "the registry `{place}` is locked by another process for more than {seconds} s: wait for it, or end it"
    )]
    Locked { place: String, seconds: u64 },
    #[error(
        "the disk of `{place}` is full: free some space and try again; nothing of this change was kept"
    )]
    Full { place: String },
    #[error("`{place}` cannot be written: it, its folder or its disk is read-only for this user")]
    ReadOnly { place: String },
    /// Before the change was sent to be kept: it was not.
    #[error(
        "the connection to {place} was lost ({why}): see that the server runs, and try again; nothing of this change was kept"
    )]
    Lost { place: String, why: String },
    /// While the change was sent to be kept.
    #[error(
        "the connection to {place} was lost ({why}) while a change was being kept: look whether it is there before it is made again"
    )]
    Doubtful { place: String, why: String },
    #[error(
        "the registry `{place}` has schema version {found}, this program knows {known}: {remedy}"
    )]
    Version { place: String, found: i64, known: i64, remedy: &'static str },
    #[error("the registry's database failed: {why}")]
    Database { fault: Fault, why: String },
}

impl SqlError {
    pub fn fault(&self) -> Option<Fault> {
        if let Self::Database { fault, .. } = self { Some(*fault) } else { None }
    }
}
