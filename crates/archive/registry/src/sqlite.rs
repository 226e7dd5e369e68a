//! SQLite: one file, readers beside one writer (WAL).
//!
//! A commit is on the disk when it returns (`synchronous=FULL`); since a batch is one transaction,
//! that costs one flush a batch.

use crate::error::{Fault, RegistryError};
use crate::registry::PATIENCE_S;
use crate::sql::{Dialect, Result, Sql, SqlValue};
use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use std::path::Path;
use std::time::Duration;

const STATEMENTS_CACHED: usize = 256;

pub struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    /// - `create`: make the file when it is missing
    pub fn open(path: &Path, create: bool) -> Result<Self> {
        let open = |e: rusqlite::Error| RegistryError::Open {
            registry: path.display().to_string(),
            why: e.to_string(),
        };
        if !create && !path.exists() {
            return Err(RegistryError::Open {
                registry: path.display().to_string(),
                why: "there is no such file; make one with `elqui repo init`".into(),
            });
        }
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|f| !f.is_dir()) {
            return Err(RegistryError::Open {
                registry: path.display().to_string(),
                why: format!("there is no folder `{}`; make it first", folder.display()),
            });
        }
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
        let connection = Connection::open_with_flags(path, flags).map_err(open)?;
        // Switching to WAL waits for others too.
        connection.busy_timeout(Duration::from_secs(PATIENCE_S)).map_err(open)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        connection
            .execute_batch(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;
                 PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY;",
            )
            .map_err(open)?;
        Ok(Self { connection })
    }
}

fn fail(e: rusqlite::Error) -> RegistryError {
    let fault = match &e {
        rusqlite::Error::SqliteFailure(inner, _) => match (inner.code, inner.extended_code) {
            (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Fault::Busy,
            (_, rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Fault::ForeignKey,
            (
                _,
                rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                | rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE,
            ) => Fault::Unique,
            _ => Fault::Other,
        },
        _ => Fault::Other,
    };
    let full = matches!(&e, rusqlite::Error::SqliteFailure(i, _) if i.code == ErrorCode::DiskFull);
    let remedy = if full { "; free some space, nothing of this change was kept" } else { "" };
    RegistryError::Database { fault, why: format!("{e}{remedy}") }
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
        self.connection.execute_batch(sql).map_err(fail)
    }

    fn execute(&mut self, sql: &str, params: &[SqlValue]) -> Result<u64> {
        let mut statement = self.connection.prepare_cached(sql).map_err(fail)?;
        let changed = statement.execute(rusqlite::params_from_iter(params)).map_err(fail)?;
        Ok(changed as u64)
    }

    fn query(
        &mut self,
        sql: &str,
        params: &[SqlValue],
        each: &mut dyn FnMut(Vec<SqlValue>) -> bool,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql).map_err(fail)?;
        let columns = statement.column_count();
        let mut rows = statement.query(rusqlite::params_from_iter(params)).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            let mut values = Vec::with_capacity(columns);
            for k in 0..columns {
                values.push(loaded(row.get_ref(k).map_err(fail)?));
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
        let mut statement = self.connection.prepare_cached(&sql).map_err(fail)?;
        for row in values.chunks_exact(columns.len()) {
            for (k, value) in row.iter().enumerate() {
                statement.raw_bind_parameter(k + 1, value).map_err(fail)?;
            }
            statement.raw_execute().map_err(fail)?;
        }
        Ok(())
    }

    fn set_patience(&mut self, seconds: u64) -> Result<()> {
        self.connection.busy_timeout(Duration::from_secs(seconds)).map_err(fail)
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
