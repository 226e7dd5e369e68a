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

/// What the owner of a database calls it, and what is to be done where only the owner knows.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// As in "the NOUN cannot be opened".
    pub noun: &'static str,
    /// Where there is none.
    pub remedy_missing: &'static str,
    /// After its disk failed.
    pub remedy_disk: &'static str,
    /// Where no step leads from an old version to this one.
    pub remedy_gap: &'static str,
}

#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    #[error("the {noun} `{place}` cannot be opened: {why}")]
    Open { noun: &'static str, place: String, why: String },
    #[error(
        "the {noun} `{place}` is locked by another process for more than {seconds} s: wait for it, or end it"
    )]
    Locked { noun: &'static str, place: String, seconds: u64 },
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
        "the {noun} `{place}` has schema version {found}, this program knows {known}: {remedy}"
    )]
    Version { noun: &'static str, place: String, found: i64, known: i64, remedy: &'static str },
    #[error("the {noun}'s database failed: {why}")]
    Database { noun: &'static str, fault: Fault, why: String },
}

impl SqlError {
    pub fn fault(&self) -> Option<Fault> {
        if let Self::Database { fault, .. } = self { Some(*fault) } else { None }
    }
}
