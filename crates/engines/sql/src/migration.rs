//! How tables of an older version become those of this one.
//!
//! The version is a number in a table of names and values. A [`Step`] leads from one version to the next; it
//! is never edited once released. All steps that are needed run in one transaction: a crash at any moment
//! leaves the old version. Two programs that migrate at once wait for each other, and the second finds nothing to do.

use crate::error::{SqlError, Words};
use crate::sql::{Dialect, Result, Sql};
use crate::transaction::{Connected, transaction};

/// From version `from` to the next.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub from: i64,
    /// What changes, for the one who decides to run it.
    pub doc: &'static str,
    pub run: fn(&mut dyn Sql) -> Result<()>,
}

/// Where a database keeps its version, and which one a program knows.
#[derive(Debug, Clone, Copy)]
pub struct Versions<'a> {
    /// A table with the columns `name` and `value`, both texts.
    pub table: &'a str,
    /// The name under which the version is kept.
    pub name: &'a str,
    pub known: i64,
    pub steps: &'a [Step],
    /// What to run for an older one.
    pub remedy_older: &'static str,
    pub remedy_newer: &'static str,
}

impl Versions<'_> {
    /// The version that is there; `None` for a database without the table or the number.
    pub fn found(&self, sql: &mut dyn Sql) -> Result<Option<i64>> {
        if !sql.has_table(self.table)? {
            return Ok(None);
        }
        let text = format!("SELECT value FROM {} WHERE name = ?", self.table);
        Ok(sql.row(&text, &[self.name.into()])?.and_then(|r| r[0].text().parse().ok()))
    }

    /// That of another version is an error with the remedy.
    pub fn check(&self, found: i64, place: &str, words: Words) -> Result<()> {
        if found == self.known {
            return Ok(());
        }
        let remedy = if found < self.known { self.remedy_older } else { self.remedy_newer };
        let (noun, place) = (words.noun, place.to_string());
        Err(SqlError::Version { noun, place, found, known: self.known, remedy })
    }
}

struct Bare<'a>(&'a mut dyn Sql);

impl Connected for Bare<'_> {
    fn sql(&mut self) -> &mut dyn Sql {
        self.0
    }
    fn undone(&mut self) {}
}

/// Bring the tables up to the known version. Returns the version that was found; `None` where there is none.
pub fn migrate(
    sql: &mut dyn Sql,
    place: &str,
    versions: &Versions<'_>,
    words: Words,
) -> Result<Option<i64>> {
    transaction(&mut Bare(sql), |on| {
        let sql = on.sql();
        if !sql.has_table(versions.table)? {
            return Ok(None);
        }
        if sql.dialect() == Dialect::Postgres {
            // Everybody else waits, readers too: they would meet half of the tables.
            sql.batch(&format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", versions.table))?;
        }
        let Some(found) = versions.found(sql)? else { return Ok(None) };
        if found > versions.known {
            versions.check(found, place, words)?;
        }
        for version in found..versions.known {
            let Some(step) = versions.steps.iter().find(|s| s.from == version) else {
                let why = format!(
                    "no step leads from schema version {version} to the next; {}",
                    words.remedy_gap
                );
                return Err(SqlError::Open { noun: words.noun, place: place.to_string(), why });
            };
            (step.run)(sql)?;
            let set = format!("UPDATE {} SET value = ? WHERE name = ?", versions.table);
            sql.execute(&set, &[(&(version + 1).to_string()).into(), versions.name.into()])?;
        }
        Ok(Some(found))
    })
}
