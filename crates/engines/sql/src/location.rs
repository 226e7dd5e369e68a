//! Where a database is, and how it is opened.

#[cfg(not(feature = "postgres"))]
use crate::error::SqlError;
use crate::error::Words;
use crate::sql::{Result, Sql};
use crate::sqlite::Sqlite;
use std::path::PathBuf;

/// How long a writer waits for another one, unless told otherwise.
pub const PATIENCE_S: u64 = 60;

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A file.
    Sqlite(PathBuf),
    /// A connection string, and the schema that the tables are in. `sslmode` is `disable`, `prefer` (as without
    /// it), `require`, `verify-ca` or `verify-full`; `sslrootcert` names a file of certificates; with
    /// `system` the mode is `verify-full`, unless another is named.
    Postgres { url: String, schema: String },
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            // Without the connection string, which may hold a password.
            Self::Postgres { schema, .. } => write!(f, "postgresql schema {schema}"),
        }
    }
}

/// - `create`: make the file, or the schema, when it is missing
pub fn connect(at: &Location, create: bool, words: Words) -> Result<Box<dyn Sql>> {
    match at {
        Location::Sqlite(path) => Ok(Box::new(Sqlite::open(path, create, words)?)),
        #[cfg(feature = "postgres")]
        Location::Postgres { url, schema } => {
            Ok(Box::new(crate::postgres::Postgres::open(url, schema, create, words)?))
        }
        #[cfg(not(feature = "postgres"))]
        Location::Postgres { .. } => Err(SqlError::Open {
            noun: words.noun,
            place: at.to_string(),
            why: "this program was built without PostgreSQL (feature `postgres`)".into(),
        }),
    }
}
