//! SQLite: one file, readers beside one writer (WAL).
//!
//! A commit is on the disk when it returns (`synchronous=FULL`); since a batch is one transaction,
//! that costs one flush a batch.

use crate::error::{Fault, SqlError, Words};
use crate::location::PATIENCE_S;
use crate::sql::{Dialect, Result, Sql, SqlValue};
use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use std::path::Path;
use std::time::Duration;

const STATEMENTS_CACHED: usize = 256;

/// Rows of an index that ANALYZE looks at: enough for its estimates, and done in milliseconds.
const ANALYZED_ROWS: u32 = 1000;

pub struct Sqlite {
    connection: Connection,
    place: String,
    words: Words,
    patience_s: u64,
}

impl Sqlite {
    /// - `create`: make the file when it is missing
    pub fn open(path: &Path, create: bool, words: Words) -> Result<Self> {
        let refused = |why: String| SqlError::Open {
            noun: words.noun,
            place: path.display().to_string(),
            why,
        };
        if !create && !path.exists() {
            return Err(refused(format!("there is no such file; {}", words.remedy_missing)));
        }
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|f| !f.is_dir()) {
            let why = format!("there is no folder `{}`; make it first", folder.display());
            return Err(refused(why));
        }
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
        let connection =
            Connection::open_with_flags(path, flags).map_err(|e| refused(e.to_string()))?;
        let place = path.display().to_string();
        let mut sqlite = Self { connection, place, words, patience_s: PATIENCE_S };
        // Switching to WAL waits for others too.
        sqlite.set_patience(PATIENCE_S)?;
        sqlite.connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        let told = |e: SqlError| match e {
            SqlError::Database { why, .. } => refused(why),
            e => e,
        };
        // Another program's file is read, found out, and left as it is.
        if create && sqlite.tables().map_err(told)? == 0 {
            sqlite.batch("PRAGMA journal_mode=WAL").map_err(told)?;
        }
        sqlite
            .batch(
                "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY;",
            )
            .map_err(told)?;
        // The first look at the file itself.
        sqlite.tables().map_err(told)?;
        Ok(sqlite)
    }

    fn fail(&self, e: rusqlite::Error) -> SqlError {
        use rusqlite::ffi;
        let (place, noun) = (self.place.clone(), self.words.noun);
        let rusqlite::Error::SqliteFailure(inner, _) = &e else {
            return SqlError::Database { noun, fault: Fault::Other, why: e.to_string() };
        };
        let fault = match (inner.code, inner.extended_code) {
            (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => {
                return SqlError::Locked { noun, place, seconds: self.patience_s };
            }
            // The index of the log has no room to grow.
            (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => {
                return SqlError::Full { place };
            }
            (ErrorCode::ReadOnly, _) => return SqlError::ReadOnly { place },
            (ErrorCode::CannotOpen, _) => {
                let why = "it, its folder or its disk is read-only or closed to this user (a log is kept beside it)";
                return SqlError::Open { noun, place, why: why.into() };
            }
            (ErrorCode::SystemIoFailure, _) => {
                let why = format!(
                    "{e} of `{place}`: see that its disk is there and sound, then {}",
                    self.words.remedy_disk
                );
                return SqlError::Database { noun, fault: Fault::Other, why };
            }
            (ErrorCode::DatabaseCorrupt, _) => {
                let why = format!("{e}: `{place}` is damaged; bring back a copy of it");
                return SqlError::Database { noun, fault: Fault::Other, why };
            }
            (_, ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Fault::ForeignKey,
            (_, ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE) => Fault::Unique,
            _ => Fault::Other,
        };
        SqlError::Database { noun, fault, why: e.to_string() }
    }
}

impl ToSql for SqlValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Stored::Null),
            Self::Int(v) => ToSqlOutput::Owned(Stored::Integer(*v)),
            Self::Real(v) => ToSqlOutput::Owned(Stored::Real(*v)),
            Self::Text(v) => ToSqlOutput::Borrowed(ValueRef::Text(v.as_bytes())),
            Self::Blob(v) => ToSqlOutput::Borrowed(ValueRef::Blob(v)),
        })
    }
}

fn loaded(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(v) => SqlValue::Int(v),
        ValueRef::Real(v) => SqlValue::Real(v),
        ValueRef::Text(v) => SqlValue::Text(String::from_utf8_lossy(v).into_owned()),
        ValueRef::Blob(v) => SqlValue::Blob(v.to_vec()),
    }
}

impl Sql for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        self.connection.execute_batch(sql).map_err(|e| self.fail(e))
    }

    fn execute(&mut self, sql: &str, params: &[SqlValue]) -> Result<u64> {
        let mut statement = self.connection.prepare_cached(sql).map_err(|e| self.fail(e))?;
        let changed =
            statement.execute(rusqlite::params_from_iter(params)).map_err(|e| self.fail(e))?;
        Ok(changed as u64)
    }

    fn query(
        &mut self,
        sql: &str,
        params: &[SqlValue],
        each: &mut dyn FnMut(Vec<SqlValue>) -> bool,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql).map_err(|e| self.fail(e))?;
        let columns = statement.column_count();
        let mut rows =
            statement.query(rusqlite::params_from_iter(params)).map_err(|e| self.fail(e))?;
        while let Some(row) = rows.next().map_err(|e| self.fail(e))? {
            let mut values = Vec::with_capacity(columns);
            for k in 0..columns {
                values.push(loaded(row.get_ref(k).map_err(|e| self.fail(e))?));
            }
            if !each(values) {
                break;
            }
        }
        Ok(())
    }

    fn bulk_insert(&mut self, table: &str, columns: &[&str], values: &[SqlValue]) -> Result<()> {
        let places = vec!["?"; columns.len()].join(",");
        let sql = format!("INSERT INTO {table} ({}) VALUES ({places})", columns.join(","));
        let mut statement = self.connection.prepare_cached(&sql).map_err(|e| self.fail(e))?;
        for row in values.chunks_exact(columns.len()) {
            for (k, value) in row.iter().enumerate() {
                statement.raw_bind_parameter(k + 1, value).map_err(|e| self.fail(e))?;
            }
            statement.raw_execute().map_err(|e| self.fail(e))?;
        }
        Ok(())
    }

    fn analyze(&mut self, tables: &[String]) -> Result<()> {
        let all: String = tables.iter().map(|t| format!("ANALYZE {t};")).collect();
        self.batch(&format!("PRAGMA analysis_limit={ANALYZED_ROWS}; {all}"))
    }

    fn set_patience(&mut self, seconds: u64) -> Result<()> {
        self.patience_s = seconds;
        self.connection.busy_timeout(Duration::from_secs(seconds)).map_err(|e| self.fail(e))
    }

    fn begin(&mut self, write: bool) -> Result<()> {
        self.batch(if write { "BEGIN IMMEDIATE" } else { "BEGIN" })
    }

    fn commit(&mut self) -> Result<()> {
        self.batch("COMMIT")
    }

    fn rollback(&mut self) -> Result<()> {
        // SQLite may have ended the transaction by itself (a full disk, say).
        if self.connection.is_autocommit() { Ok(()) } else { self.batch("ROLLBACK") }
    }
}
