//! PostgreSQL: many writers at a time.
//!
//! Transactions are READ COMMITTED: unique keys settle who was first with a dataset, and what is
//! checked before it is changed (chains, tags, validities) is checked with the collection's row
//! locked. Deadlocks and serialisation failures are told as such, and tried again.

use crate::error::{Fault, RegistryError};
use crate::sql::{Dialect, Result, Sql, SqlValue};
use postgres::error::SqlState;
use postgres::types::private::BytesMut;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, NoTls, Statement};
use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;

const STATEMENTS_CACHED: usize = 512;
/// Text of a COPY that is handed over at once.
const COPY_CHUNK_BYTES: usize = 1 << 16;

pub struct Postgres {
    client: Client,
    statements: HashMap<String, Statement>,
}

impl Postgres {
    /// - `schema`: holds the tables; made when `create`
    pub fn open(url: &str, schema: &str, create: bool) -> Result<Self> {
        let registry = format!("postgresql schema {schema}");
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !schema.starts_with(|c: char| c.is_ascii_lowercase()) || !schema.chars().all(plain) {
            let why = "a schema's name is of small letters, digits and `_`".to_string();
            return Err(RegistryError::Open { registry, why });
        }
        let open = |e: postgres::Error| RegistryError::Open {
            registry: registry.clone(),
            why: format!("{}; is the server running, and the connection string right?", reason(&e)),
        };
        let mut client = Client::connect(url, NoTls).map_err(open)?;
        if create {
            client.batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}")).map_err(open)?;
        }
        client
            .batch_execute(&format!(
                "SET search_path TO {schema}; SET client_min_messages TO warning; \
                 SET lock_timeout TO '60s'; SET application_name TO 'elqui'"
            ))
            .map_err(open)?;
        Ok(Self { client, statements: HashMap::new() })
    }

    fn statement(&mut self, sql: &str) -> Result<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(&numbered(sql)).map_err(fail)?;
        if self.statements.len() >= STATEMENTS_CACHED {
            self.statements.clear();
        }
        self.statements.insert(sql.to_string(), statement.clone());
        Ok(statement)
    }
}

/// `?` to `$1`, `$2`, ...
fn numbered(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 8);
    for (k, part) in sql.split('?').enumerate() {
        if k > 0 {
            let _ = write!(out, "${k}");
        }
        out += part;
    }
    out
}

fn reason(e: &postgres::Error) -> String {
    match e.as_db_error() {
        Some(db) => db.message().to_string(),
        None => match e.source() {
            Some(source) => source.to_string(),
            None => e.to_string(),
        },
    }
}

fn fail(e: postgres::Error) -> RegistryError {
    if e.is_closed() {
        let why =
            "the connection to the PostgreSQL server was lost; see that it runs, and try again";
        return RegistryError::Database { fault: Fault::Other, why: why.to_string() };
    }
    let fault = match e.code() {
        Some(&SqlState::UNIQUE_VIOLATION | &SqlState::DUPLICATE_TABLE) => Fault::Unique,
        Some(&SqlState::FOREIGN_KEY_VIOLATION) => Fault::ForeignKey,
        Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED) => {
            Fault::Retry
        }
        Some(&SqlState::LOCK_NOT_AVAILABLE) => Fault::Busy,
        _ => Fault::Other,
    };
    RegistryError::Database { fault, why: reason(&e) }
}

impl ToSql for SqlValue {
    fn to_sql(
        &self,
        of: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(v) if *of == Type::FLOAT8 => (*v as f64).to_sql(of, out),
            Self::Int(v) if *of == Type::INT4 => i32::try_from(*v)?.to_sql(of, out),
            Self::Int(v) => v.to_sql(of, out),
            Self::Real(v) => v.to_sql(of, out),
            Self::Text(v) => v.to_sql(of, out),
            Self::Blob(v) => v.to_sql(of, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn params_of(params: &[SqlValue]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|p| p as &(dyn ToSql + Sync)).collect()
}

fn loaded(row: &postgres::Row, k: usize) -> std::result::Result<SqlValue, postgres::Error> {
    let of = row.columns()[k].type_();
    Ok(if *of == Type::INT8 {
        row.try_get::<_, Option<i64>>(k)?.map_or(SqlValue::Null, SqlValue::Int)
    } else if *of == Type::INT4 {
        row.try_get::<_, Option<i32>>(k)?.map_or(SqlValue::Null, |v| SqlValue::Int(v.into()))
    } else if *of == Type::FLOAT8 {
        row.try_get::<_, Option<f64>>(k)?.map_or(SqlValue::Null, SqlValue::Real)
    } else if *of == Type::BYTEA {
        row.try_get::<_, Option<Vec<u8>>>(k)?.map_or(SqlValue::Null, SqlValue::Blob)
    } else {
        row.try_get::<_, Option<String>>(k)?.map_or(SqlValue::Null, SqlValue::Text)
    })
}

impl Sql for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).map_err(fail)
    }

    fn execute(&mut self, sql: &str, params: &[SqlValue]) -> Result<u64> {
        let statement = self.statement(sql)?;
        self.client.execute(&statement, &params_of(params)).map_err(fail)
    }

    fn query(
        &mut self,
        sql: &str,
        params: &[SqlValue],
        each: &mut dyn FnMut(Vec<SqlValue>) -> bool,
    ) -> Result<()> {
        let statement = self.statement(sql)?;
        for row in self.client.query(&statement, &params_of(params)).map_err(fail)? {
            let values = (0..row.len()).map(|k| loaded(&row, k));
            if !each(values.collect::<std::result::Result<_, _>>().map_err(fail)?) {
                break;
            }
        }
        Ok(())
    }

    /// By COPY, whose cost a row is a fraction of an INSERT's.
    fn bulk_insert(&mut self, table: &str, columns: &[&str], values: &[SqlValue]) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let sql = format!("COPY {table} ({}) FROM STDIN", columns.join(","));
        let mut writer = self.client.copy_in(sql.as_str()).map_err(fail)?;
        let io =
            |e: std::io::Error| RegistryError::Database { fault: Fault::Other, why: e.to_string() };
        let mut text = String::with_capacity(2 * COPY_CHUNK_BYTES);
        for row in values.chunks_exact(columns.len()) {
            for (k, value) in row.iter().enumerate() {
                if k > 0 {
                    text.push('\t');
                }
                copied(value, &mut text);
            }
            text.push('\n');
            if text.len() > COPY_CHUNK_BYTES {
                writer.write_all(text.as_bytes()).map_err(io)?;
                text.clear();
            }
        }
        writer.write_all(text.as_bytes()).map_err(io)?;
        writer.finish().map_err(fail).map(|_| ())
    }

    fn set_patience(&mut self, seconds: u64) -> Result<()> {
        self.batch(&format!("SET lock_timeout TO '{seconds}s'"))
    }

    fn begin(&mut self, write: bool) -> Result<()> {
        self.batch(if write { "BEGIN" } else { "BEGIN READ ONLY" })
    }

    fn commit(&mut self) -> Result<()> {
        self.batch("COMMIT")
    }

    fn rollback(&mut self) -> Result<()> {
        self.batch("ROLLBACK")
    }
}

/// A value in COPY's text format.
fn copied(value: &SqlValue, out: &mut String) {
    let _ = match value {
        SqlValue::Null => write!(out, "\\N"),
        SqlValue::Int(v) => write!(out, "{v}"),
        SqlValue::Real(v) => write!(out, "{v:e}"),
        SqlValue::Text(v) => {
            for c in v.chars() {
                match c {
                    '\\' => out.push_str("\\\\"),
                    '\t' => out.push_str("\\t"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    c => out.push(c),
                }
            }
            Ok(())
        }
        SqlValue::Blob(v) => {
            out.push_str("\\\\x");
            v.iter().try_for_each(|b| write!(out, "{b:02x}"))
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_escapes() {
        assert_eq!(numbered("a = ? AND b = ?"), "a = $1 AND b = $2");
        let mut out = String::new();
        copied(&"a\tb\\\n".into(), &mut out);
        copied(&SqlValue::Blob(vec![1, 255]), &mut out);
        assert_eq!(out, "a\\tb\\\\\\n\\\\x01ff");
    }
}
