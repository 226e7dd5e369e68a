//! A registry: one connection, its universe, and the texts that it has seen.

use crate::error::{Fault, RegistryError};
use crate::schema::{self, SCHEMA_VERSION};
use crate::sql::{Dialect, Result, Sql, SqlValue};
use crate::sqlite::Sqlite;
use elqui_butler::{DIMENSIONS_YAML, DatasetType, FieldType, IdSource, Universe, Value};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a writer waits for another one, unless told otherwise.
pub(crate) const PATIENCE_S: u64 = 60;
/// How often a transaction is tried that others were in the way of.
const TRIES_MAX: u32 = 20;

/// Where a registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A file.
    Sqlite(PathBuf),
    /// A connection string, and the schema that the tables are in.
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

/// A dataset type with the numbers that the tables know it by.
#[derive(Debug, Clone)]
pub(crate) struct TypeRow {
    pub id: i64,
    pub group: i64,
    pub of: DatasetType,
}

/// What datasets there are. One connection: each thread opens its own.
pub struct Registry {
    pub(crate) sql: Box<dyn Sql>,
    pub(crate) universe: Universe,
    pub(crate) ids: IdSource,
    pub(crate) types: HashMap<String, TypeRow>,
    words: HashMap<String, i64>,
    texts: HashMap<i64, String>,
    location: String,
    patience_s: u64,
    /// Of regions that queries asked for, and the first of the query that runs.
    pub(crate) hits_last: i64,
    pub(crate) hits_first: i64,
}

impl Registry {
    /// Make the tables of an empty registry with the standard dimensions, and open it.
    pub fn create(at: &Location) -> Result<Self> {
        Self::create_with(at, DIMENSIONS_YAML)
    }

    /// As [`create`](Self::create), with dimensions of one's own.
    pub fn create_with(at: &Location, dimensions_yaml: &str) -> Result<Self> {
        let universe = Universe::from_yaml(dimensions_yaml)?;
        let mut registry = Self::around(connect(at, true)?, universe, at);
        if registry.schema_version()?.is_some() {
            return Err(RegistryError::Open {
                registry: registry.location,
                why: "there is a registry already; open it, or choose another place".into(),
            });
        }
        registry.write(|r| {
            schema::create(r.sql.as_mut(), &r.universe)?;
            let version = SCHEMA_VERSION.to_string();
            for (name, value) in
                [("schema_version", version.as_str()), ("dimensions", dimensions_yaml)]
            {
                let values = [name.into(), value.into()];
                r.sql.execute("INSERT INTO elqui_meta (name, value) VALUES (?, ?)", &values)?;
            }
            Ok(())
        })?;
        Ok(registry)
    }

    /// Open one that is there; one of an older version is an error that says how to migrate.
    pub fn open(at: &Location) -> Result<Self> {
        let mut registry = Self::around(connect(at, false)?, Universe::standard().clone(), at);
        let Some(found) = registry.schema_version()? else {
            let why = "it holds no registry; make one with `elqui repo init`".to_string();
            return Err(RegistryError::Open { registry: registry.location, why });
        };
        if found != SCHEMA_VERSION {
            return Err(registry.version_error(found));
        }
        let sql = "SELECT value FROM elqui_meta WHERE name = 'dimensions'";
        if let Some(row) = registry.sql.row(sql, &[])? {
            registry.universe = Universe::from_yaml(row[0].text())?;
        }
        Ok(registry)
    }

    /// Bring one of an older version up to this one. Returns the version it had.
    pub fn migrate(at: &Location) -> Result<i64> {
        let mut registry = Self::around(connect(at, false)?, Universe::standard().clone(), at);
        let found = registry.schema_version()?.unwrap_or(SCHEMA_VERSION);
        if found > SCHEMA_VERSION {
            return Err(registry.version_error(found));
        }
        registry.write(|r| schema::migrate(r.sql.as_mut(), found))?;
        Ok(found)
    }

    fn around(sql: Box<dyn Sql>, universe: Universe, at: &Location) -> Self {
        Self {
            sql,
            universe,
            ids: IdSource::default(),
            types: HashMap::new(),
            words: HashMap::new(),
            texts: HashMap::new(),
            location: at.to_string(),
            patience_s: PATIENCE_S,
            hits_last: 0,
            hits_first: 1,
        }
    }

    fn version_error(&self, found: i64) -> RegistryError {
        let older = found < SCHEMA_VERSION;
        RegistryError::Version {
            registry: self.location.clone(),
            found,
            known: SCHEMA_VERSION,
            remedy: if older {
                "run `elqui repo migrate` (make a copy first)"
            } else {
                "use a newer elqui"
            },
        }
    }

    fn schema_version(&mut self) -> Result<Option<i64>> {
        let there = match self.sql.dialect() {
            Dialect::Sqlite => "SELECT 1 FROM sqlite_master WHERE name = 'elqui_meta'",
            Dialect::Postgres => "SELECT 1::bigint WHERE to_regclass('elqui_meta') IS NOT NULL",
        };
        if self.sql.row(there, &[])?.is_none() {
            return Ok(None);
        }
        let sql = "SELECT value FROM elqui_meta WHERE name = 'schema_version'";
        Ok(self.sql.row(sql, &[])?.and_then(|r| r[0].text().parse().ok()))
    }

    pub fn universe(&self) -> &Universe {
        &self.universe
    }

    /// How long a writer waits for another one before it gives up with an error.
    pub fn set_patience(&mut self, seconds: u64) -> Result<()> {
        self.patience_s = seconds;
        self.sql.set_patience(seconds)
    }

    pub fn location(&self) -> &str {
        &self.location
    }

    /// Run `work` as one transaction: all of it happens, or nothing. It is run again when another
    /// writer was in the way, so it must not change anything but the registry.
    pub(crate) fn write<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T>) -> Result<T> {
        let mut attempt: u32 = 0;
        loop {
            attempt += 1;
            let done = self.sql.begin(true).and_then(|()| {
                let value = work(self)?;
                self.sql.commit()?;
                Ok(value)
            });
            let error = match done {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            // What was learned inside may not have become true.
            self.forget();
            // Where even this fails, the first error is the one that tells why.
            let _ = self.sql.rollback();
            match error.fault() {
                Some(Fault::Retry) if attempt < TRIES_MAX => {
                    // Those in each other's way must not meet again: a pause that differs.
                    let pause = 1 + u64::from(self.ids.next_id().as_bytes()[15]) % 8;
                    std::thread::sleep(Duration::from_millis(pause * u64::from(attempt.min(8))));
                }
                Some(Fault::Busy) => {
                    let registry = self.location.clone();
                    return Err(RegistryError::Locked { registry, seconds: self.patience_s });
                }
                _ => return Err(error),
            }
        }
    }

    fn forget(&mut self) {
        self.words.clear();
        self.texts.clear();
        self.types.clear();
    }

    /// The number of a text, if it was ever used as a key.
    pub(crate) fn word(&mut self, text: &str) -> Result<Option<i64>> {
        if let Some(id) = self.words.get(text) {
            return Ok(Some(*id));
        }
        let found = self.sql.row("SELECT id FROM word WHERE text = ?", &[text.into()])?;
        let Some(row) = found else { return Ok(None) };
        self.words.insert(text.to_string(), row[0].int());
        Ok(Some(row[0].int()))
    }

    /// The number of a text, which is kept from now on.
    pub(crate) fn intern(&mut self, text: &str) -> Result<i64> {
        if let Some(id) = self.word(text)? {
            return Ok(id);
        }
        let sql = "INSERT INTO word (text) VALUES (?) ON CONFLICT (text) DO NOTHING";
        self.sql.execute(sql, &[text.into()])?;
        self.word(text)?.ok_or_else(|| RegistryError::unknown("text", text))
    }

    pub(crate) fn text_of(&mut self, id: i64) -> Result<String> {
        if let Some(text) = self.texts.get(&id) {
            return Ok(text.clone());
        }
        let row = self.sql.row("SELECT text FROM word WHERE id = ?", &[id.into()])?;
        let text = row.map(|r| r[0].text().to_string()).unwrap_or_default();
        self.texts.insert(id, text.clone());
        Ok(text)
    }

    pub(crate) fn is_text(&self, dimension: &str) -> bool {
        self.universe.element(dimension).is_some_and(|e| e.key == Some(FieldType::Text))
    }

    /// A value as the tables hold it; `None` for a text that no key has. `keep` makes it known.
    pub(crate) fn key_of(
        &mut self,
        dimension: &str,
        value: &Value,
        keep: bool,
    ) -> Result<Option<i64>> {
        match (value, self.is_text(dimension)) {
            (Value::Int(v), false) => Ok(Some(*v)),
            (Value::Text(t), true) if t.is_empty() || t.len() > 128 || t.contains('\0') => {
                let what = format!("`{}` as {dimension}", t.chars().take(40).collect::<String>());
                Err(RegistryError::Refused {
                    what,
                    why: "1 to 128 characters without NUL are allowed".into(),
                })
            }
            (Value::Text(t), true) if keep => self.intern(t).map(Some),
            (Value::Text(t), true) => self.word(t),
            // Numbers arrive as texts from a command line.
            (Value::Text(t), false) if t.parse::<i64>().is_ok() => Ok(t.parse().ok()),
            (value, text) => Err(RegistryError::Refused {
                what: format!("`{value}` as {dimension}"),
                why: if text { "it is a text" } else { "it is a whole number" }.into(),
            }),
        }
    }

    pub(crate) fn value_of(&mut self, dimension: &str, key: i64) -> Result<Value> {
        if self.is_text(dimension) {
            self.text_of(key).map(Value::Text)
        } else {
            Ok(Value::Int(key))
        }
    }

    /// Numbers for `count` new datasets.
    pub(crate) fn reserve(&mut self, count: usize) -> Result<Vec<i64>> {
        let n = count as i64;
        if self.sql.dialect() == Dialect::Postgres {
            // A sequence: writers do not wait for each other.
            let sql = "SELECT nextval(pg_get_serial_sequence('dataset', 'id')) \
                       FROM generate_series(1, ?::bigint)";
            return Ok(self.sql.rows(sql, &[n.into()])?.iter().map(|r| r[0].int()).collect());
        }
        let sql = "UPDATE counter SET next = next + ? WHERE name = 'dataset' RETURNING next";
        let next = self.sql.row(sql, &[n.into()])?.map_or(0, |r| r[0].int());
        Ok((next - n..next).collect())
    }
}

/// Nanoseconds of UTC since 1970, the time that rows are stamped with.
pub(crate) fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64)
}

fn connect(at: &Location, create: bool) -> Result<Box<dyn Sql>> {
    match at {
        Location::Sqlite(path) => Ok(Box::new(Sqlite::open(path, create)?)),
        #[cfg(feature = "postgres")]
        Location::Postgres { url, schema } => {
            Ok(Box::new(crate::postgres::Postgres::open(url, schema, create)?))
        }
        #[cfg(not(feature = "postgres"))]
        Location::Postgres { .. } => Err(RegistryError::Open {
            registry: at.to_string(),
            why: "this program was built without PostgreSQL (feature `postgres`)".into(),
        }),
    }
}

/// Values for statements out of keys.
pub(crate) fn ints(keys: &[i64]) -> Vec<SqlValue> {
    keys.iter().map(|k| SqlValue::Int(*k)).collect()
}
