//! PostgreSQL: many writers at a time.
//!
//! Transactions are READ COMMITTED: unique keys settle who was first with a dataset, and what is
//! checked before it is changed (chains, tags, validities) is checked with the collection's row
//! locked. Deadlocks and serialisation failures are told as such, and tried again.
//!
//! A server that is lost is told once; the next transaction or question outside of one connects again. A
//! question that nothing was written for is put again by itself.

use crate::connection::Secured;
use crate::copy::{Copied, copy};
use crate::error::{Fault, SqlError, Words};
use crate::location::PATIENCE_S;
use crate::password;
use crate::sql::{Dialect, Result, Sql, SqlValue};
use postgres::error::SqlState;
use postgres::types::private::BytesMut;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Statement};
use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const STATEMENTS_CACHED: usize = 512;
/// For each address of the server, unless the connection string says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A network that swallows everything is noticed after this.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a server that starts up is waited for.
const STARTING_MAX: Duration = Duration::from_secs(10);

pub struct Postgres {
    url: String,
    schema: String,
    place: String,
    words: Words,
    patience_s: u64,
    /// `None` after it was lost.
    client: Option<Client>,
    statements: HashMap<String, Statement>,
    within: bool,
    /// The connection may hold temporary tables: what rests on them must not go on over another one.
    temporary: bool,
    /// The connection stands for one that was lost: a table that it lacks was that one's.
    another: bool,
}

impl Postgres {
    /// - `schema`: holds the tables; made when `create`
    pub fn open(url: &str, schema: &str, create: bool, words: Words) -> Result<Self> {
        let place = format!("postgresql schema {schema}");
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !schema.starts_with(|c: char| c.is_ascii_lowercase()) || !schema.chars().all(plain) {
            let why = "a schema's name is of small letters, digits and `_`".to_string();
            return Err(SqlError::Open { noun: words.noun, place, why });
        }
        let mut new = Self {
            url: url.to_string(),
            schema: schema.to_string(),
            place,
            words,
            patience_s: PATIENCE_S,
            client: None,
            statements: HashMap::new(),
            within: false,
            temporary: false,
            another: false,
        };
        new.connect()?;
        if create {
            new.batch(&format!("CREATE SCHEMA IF NOT EXISTS {schema}"))?;
        }
        Ok(new)
    }

    fn connect(&mut self) -> Result<()> {
        let (noun, place) = (self.words.noun, self.place.clone());
        let refused = |why: String| SqlError::Open { noun, place: place.clone(), why };
        let Secured { mut config, tls } = Secured::read(&self.url).map_err(refused)?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE_MAX);
        }
        config.keepalives_idle(config.get_keepalives_idle().min(SILENCE_MAX));
        if config.get_password().is_none()
            && let Some(password) = password::find(&config)
        {
            config.password(password);
        }
        let start = Instant::now();
        let mut client = loop {
            match config.connect(tls.clone()) {
                Ok(client) => break client,
                Err(e)
                    if e.code() == Some(&SqlState::CANNOT_CONNECT_NOW)
                        && start.elapsed() < STARTING_MAX =>
                {
                    std::thread::sleep(Duration::from_millis(200));
                }
                Err(e) => {
                    return Err(refused(format!(
                        "{}; is the server running, and the connection string right?",
                        reason(&e)
                    )));
                }
            }
        };
        let settings = format!(
            "SET search_path TO {}; SET client_min_messages TO warning; \
             SET lock_timeout TO '{}s'; SET application_name TO 'elqui'",
            self.schema, self.patience_s
        );
        client.batch_execute(&settings).map_err(|e| refused(reason(&e)))?;
        self.client = Some(client);
        self.statements.clear();
        self.within = false;
        Ok(())
    }

    /// The connection; outside of a transaction one that was lost is made again.
    fn client(&mut self) -> Result<&mut Client> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            if self.within || self.temporary {
                return Err(self.lost("it was closed".into()));
            }
            self.connect()?;
        }
        match self.client.as_mut() {
            Some(client) => Ok(client),
            None => Err(SqlError::Lost { place: self.place.clone(), why: "it was closed".into() }),
        }
    }

    fn lost(&mut self, why: String) -> SqlError {
        self.client = None;
        self.temporary = false;
        self.another = true;
        self.statements.clear();
        SqlError::Lost { place: self.place.clone(), why }
    }

    fn fail(&mut self, e: postgres::Error) -> SqlError {
        let gone = match e.code() {
            Some(code) => {
                let ends = [
                    SqlState::ADMIN_SHUTDOWN,
                    SqlState::CRASH_SHUTDOWN,
                    SqlState::CANNOT_CONNECT_NOW,
                    SqlState::IDLE_SESSION_TIMEOUT,
                ];
                let left_behind = self.another && *code == SqlState::UNDEFINED_TABLE;
                left_behind || ends.contains(code) || code.code().starts_with("08")
            }
            None => e.is_closed() || e.source().is_some_and(|s| s.is::<std::io::Error>()),
        };
        if gone {
            return self.lost(reason(&e));
        }
        let (place, noun) = (self.place.clone(), self.words.noun);
        let fault = match e.code() {
            Some(&SqlState::UNIQUE_VIOLATION | &SqlState::DUPLICATE_TABLE) => Fault::Unique,
            Some(&SqlState::FOREIGN_KEY_VIOLATION) => Fault::ForeignKey,
            Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED) => {
                Fault::Retry
            }
            Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                return SqlError::Locked { noun, place, seconds: self.patience_s };
            }
            Some(&SqlState::DISK_FULL) => return SqlError::Full { place },
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION | &SqlState::INSUFFICIENT_PRIVILEGE) => {
                return SqlError::ReadOnly { place };
            }
            _ => Fault::Other,
        };
        SqlError::Database { noun, fault, why: reason(&e) }
    }

    /// What a COPY's writer met.
    fn fail_io(&mut self, e: std::io::Error) -> SqlError {
        let text = e.to_string();
        match e.into_inner().map(|inner| inner.downcast::<postgres::Error>()) {
            Some(Ok(inner)) => self.fail(*inner),
            _ => self.lost(text),
        }
    }

    fn statement(&mut self, sql: &str) -> Result<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let made = self.client()?.prepare(&numbered(sql));
        let statement = made.map_err(|e| self.fail(e))?;
        if self.statements.len() >= STATEMENTS_CACHED {
            self.statements.clear();
        }
        self.statements.insert(sql.to_string(), statement.clone());
        Ok(statement)
    }

    /// Work outside of a transaction changes nothing, so after a loss it is done once again.
    fn again<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T>) -> Result<T> {
        self.client()?;
        let temporary = self.temporary;
        match work(self) {
            Err(lost @ SqlError::Lost { .. }) if !self.within && !temporary => {
                self.connect()?;
                match work(self) {
                    // Temporary tables went with the connection.
                    Err(SqlError::Database { .. }) => Err(lost),
                    done => done,
                }
            }
            done => done,
        }
    }

    fn ask(&mut self, sql: &str, params: &[SqlValue]) -> Result<Vec<postgres::Row>> {
        let statement = self.statement(sql)?;
        let rows = self.client()?.query(&statement, &params_of(params));
        rows.map_err(|e| self.fail(e))
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
        let done = self.client()?.batch_execute(sql);
        self.temporary |= done.is_ok() && sql.starts_with("CREATE TEMP");
        done.map_err(|e| self.fail(e))
    }

    fn execute(&mut self, sql: &str, params: &[SqlValue]) -> Result<u64> {
        let statement = self.statement(sql)?;
        let changed = self.client()?.execute(&statement, &params_of(params));
        changed.map_err(|e| self.fail(e))
    }

    fn query(
        &mut self,
        sql: &str,
        params: &[SqlValue],
        each: &mut dyn FnMut(Vec<SqlValue>) -> bool,
    ) -> Result<()> {
        for row in self.again(|s| s.ask(sql, params))? {
            let values: std::result::Result<Vec<SqlValue>, _> =
                (0..row.len()).map(|k| loaded(&row, k)).collect();
            if !each(values.map_err(|e| self.fail(e))?) {
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
        let copied = copy(self.client()?, &sql, columns.len(), values);
        match copied {
            Ok(()) => Ok(()),
            Err(Copied::Server(e)) => Err(self.fail(e)),
            Err(Copied::Writer(e)) => Err(self.fail_io(e)),
        }
    }

    fn analyze(&mut self, tables: &[String]) -> Result<()> {
        self.batch(&format!("ANALYZE {}", tables.join(", ")))
    }

    fn set_patience(&mut self, seconds: u64) -> Result<()> {
        self.patience_s = seconds;
        self.batch(&format!("SET lock_timeout TO '{seconds}s'"))
    }

    fn begin(&mut self, write: bool) -> Result<()> {
        let sql = if write { "BEGIN" } else { "BEGIN READ ONLY" };
        self.again(|s| s.batch(sql))?;
        self.within = true;
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        match self.batch("COMMIT") {
            Err(SqlError::Lost { place, why }) => Err(SqlError::Doubtful { place, why }),
            done => {
                self.within = false;
                done
            }
        }
    }

    fn rollback(&mut self) -> Result<()> {
        // A connection that is gone took its transaction along.
        let done = if self.client.is_some() { self.batch("ROLLBACK") } else { Ok(()) };
        self.within = false;
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        assert_eq!(numbered("a = ? AND b = ?"), "a = $1 AND b = $2");
    }
}
