//! A registry: one connection, its universe, and the texts that it has seen.

use crate::error::RegistryError;
use crate::error::Result;
use crate::query::NUNIQ_MIN;
use crate::schema::{self, SCHEMA_VERSION};
use elqui_butler::{DIMENSIONS_YAML, DatasetType, Element, FieldType, IdSource, Universe, Value};
use elqui_sql::{
    Connected, Dialect, Location, Sql, SqlError, SqlValue, Step, Words, connect, migrate,
    transaction,
};
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the database is to its users.
const WORDS: Words = Words {
    noun: "registry",
    remedy_missing: "make one with `elqui repo init`",
    remedy_disk: "run `elqui repo verify`",
    remedy_gap: "use an older elqui first",
};

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
    /// Of regions that queries asked for, and the first of the query that runs.
    pub(crate) hits_last: i64,
    pub(crate) hits_first: i64,
    /// Datasets inserted here since tables were last looked at; see `statistics`.
    pub(crate) since_count: usize,
}

impl Registry {
    /// Make the tables of an empty registry with the standard dimensions, and open it.
    pub fn create(at: &Location) -> Result<Self> {
        Self::create_with(at, DIMENSIONS_YAML)
    }

    /// As [`create`](Self::create), with dimensions of one's own.
    pub fn create_with(at: &Location, dimensions_yaml: &str) -> Result<Self> {
        let universe = Universe::from_yaml(dimensions_yaml)?;
        let mut registry = Self::around(connect(at, true, WORDS)?, universe, at);
        let why = if registry.sql.has_table(schema::META)? {
            "there is a registry already; open it, or choose another place"
        } else if registry.sql.tables()? > 0 {
            "it is another program's database; choose another place"
        } else {
            ""
        };
        if !why.is_empty() {
            return Err(registry.not_opened(why));
        }
        registry.write(|r| {
            schema::create(r.sql.as_mut(), &r.universe)?;
            let version = SCHEMA_VERSION.to_string();
            for (name, value) in
                [(schema::VERSION, version.as_str()), ("dimensions", dimensions_yaml)]
            {
                let values = [name.into(), value.into()];
                r.sql.execute("INSERT INTO elqui_meta (name, value) VALUES (?, ?)", &values)?;
            }
            Ok(())
        })?;
        Ok(registry)
    }

    /// Open one that is there; one of another version is an error that says what to do.
    pub fn open(at: &Location) -> Result<Self> {
        let mut registry =
            Self::around(connect(at, false, WORDS)?, Universe::standard().clone(), at);
        let versions = schema::versions(SCHEMA_VERSION, schema::STEPS);
        let Some(found) = versions.found(registry.sql.as_mut())? else {
            return Err(registry.holds_none());
        };
        versions.check(found, &registry.location, WORDS)?;
        if registry.sql.dialect() == Dialect::Sqlite {
            // A copy that was made from statements has lost it.
            registry.sql.batch("PRAGMA journal_mode=WAL")?;
        }
        let sql = "SELECT value FROM elqui_meta WHERE name = 'dimensions'";
        if let Some(row) = registry.sql.row(sql, &[])? {
            registry.universe = Universe::from_yaml(row[0].text())?;
        }
        Ok(registry)
    }

    /// Bring one of an older version up to this one, in one transaction. Returns the version it had.
    pub fn migrate(at: &Location) -> Result<i64> {
        Self::migrate_by(at, SCHEMA_VERSION, schema::STEPS)
    }

    /// As [`migrate`](Self::migrate), to a version and by steps of one's own: how a step is tried on a copy.
    pub fn migrate_by(at: &Location, to: i64, steps: &[Step]) -> Result<i64> {
        let mut registry =
            Self::around(connect(at, false, WORDS)?, Universe::standard().clone(), at);
        let versions = schema::versions(to, steps);
        let found = migrate(registry.sql.as_mut(), &registry.location, &versions, WORDS)?;
        found.ok_or_else(|| registry.holds_none())
    }

    fn not_opened(&self, why: &str) -> RegistryError {
        let (place, why) = (self.location.clone(), why.to_string());
        SqlError::Open { noun: WORDS.noun, place, why }.into()
    }

    fn holds_none(&self) -> RegistryError {
        self.not_opened(&format!("it holds no registry; {}", WORDS.remedy_missing))
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
            hits_last: 0,
            hits_first: 1,
            since_count: 0,
        }
    }

    pub fn universe(&self) -> &Universe {
        &self.universe
    }

    /// How long a writer waits for another one before it gives up with an error.
    pub fn set_patience(&mut self, seconds: u64) -> Result<()> {
        Ok(self.sql.set_patience(seconds)?)
    }

    pub fn location(&self) -> &str {
        &self.location
    }

    /// Run `work` as one transaction; see [`transaction`].
    pub(crate) fn write<T>(&mut self, work: impl FnMut(&mut Self) -> Result<T>) -> Result<T> {
        transaction(self, work)
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

    fn is_cells(&self, dimension: &str) -> bool {
        self.universe.element(dimension).is_some_and(Element::is_healpix)
    }

    /// A value as the tables hold it; `None` for a text that no key has. `keep` makes it known.
    pub(crate) fn key_of(
        &mut self,
        dimension: &str,
        value: &Value,
        keep: bool,
    ) -> Result<Option<i64>> {
        match (value, self.is_text(dimension)) {
            (Value::Int(v), false) if *v < NUNIQ_MIN && self.is_cells(dimension) => {
                Err(RegistryError::Refused {
                    what: format!("`{v}` as {dimension}"),
                    why: "cells have the numbers 4 * 4^order + index, from 4".into(),
                })
            }
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

impl Connected for Registry {
    fn sql(&mut self) -> &mut dyn Sql {
        self.sql.as_mut()
    }
    fn undone(&mut self) {
        self.forget();
    }
}

/// Nanoseconds of UTC since 1970, the time that rows are stamped with.
pub(crate) fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64)
}

/// Values for statements out of keys.
pub(crate) fn ints(keys: &[i64]) -> Vec<SqlValue> {
    keys.iter().map(|k| SqlValue::Int(*k)).collect()
}
