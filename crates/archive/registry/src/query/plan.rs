//! A statement on its way: what it selects from, and how its rows are read.

use super::Select;
use super::regions::Pairs;
use super::relate::placed;
use crate::collections::CollectionRow;
use crate::error::Result;
use crate::registry::Registry;
use crate::schema::key;
use elqui_butler::{CollectionKind, Universe};
use elqui_sql::{Dialect, SqlValue};
use std::collections::HashSet;

/// What rows are ordered by.
#[derive(Debug, Clone)]
pub(super) struct OrderBy {
    pub sql: String,
    pub descending: bool,
    /// What is unknown comes first, and last when descending, in both engines.
    pub nullable: bool,
}

impl OrderBy {
    pub fn key(sql: String) -> Self {
        Self { sql, descending: false, nullable: false }
    }

    fn text(&self, dialect: Dialect) -> String {
        let unknown = match (self.nullable && dialect == Dialect::Postgres, self.descending) {
            (false, _) => "",
            (true, false) => " NULLS FIRST",
            (true, true) => " NULLS LAST",
        };
        format!("{}{}{unknown}", self.sql, if self.descending { " DESC" } else { "" })
    }
}

/// A statement on its way: columns, tables and conditions.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub columns: String,
    pub from: String,
    pub terms: Vec<String>,
    pub order: Vec<OrderBy>,
    pub params: Vec<SqlValue>,
    pub regions: Option<(String, String)>,
    /// Rows may repeat, so they are counted here and not by the database.
    pub repeats: bool,
    /// How many of the first columns make up what is asked for.
    pub width: usize,
}

/// A row of what is asked for, and where it stands in the order.
pub(super) struct Found {
    pub row: Vec<SqlValue>,
    /// Empty unless the plan was run for a page.
    pub place: Vec<SqlValue>,
}

impl Registry {
    pub(super) fn run(&mut self, plan: &Plan, select: &Select) -> Result<Vec<Vec<SqlValue>>> {
        Ok(self.run_placed(plan, select, false)?.into_iter().map(|f| f.row).collect())
    }

    /// - `placed`: with the values that the rows are ordered by
    pub(super) fn run_placed(
        &mut self,
        plan: &Plan,
        select: &Select,
        placed: bool,
    ) -> Result<Vec<Found>> {
        let here = plan.repeats || plan.regions.is_some();
        let dialect = self.sql.dialect();
        let mut sql = format!("SELECT {}", plan.columns);
        if let Some((a, b)) = &plan.regions {
            sql += &format!(", {a}, {b}");
        }
        if placed {
            plan.order.iter().for_each(|o| sql += &format!(", {}", o.sql));
        }
        sql += &format!(" FROM {}", plan.from);
        if !plan.terms.is_empty() {
            sql += &format!(" WHERE {}", plan.terms.join(" AND "));
        }
        if !plan.order.is_empty() {
            let order: Vec<String> = plan.order.iter().map(|o| o.text(dialect)).collect();
            sql += &format!(" ORDER BY {}", order.join(", "));
        }
        let limit = select.limit.unwrap_or(usize::MAX);
        if !here && (select.limit.is_some() || select.offset > 0) {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            sql += &format!(" LIMIT {limit} OFFSET {}", select.offset);
        }
        let mut rows = Vec::new();
        let mut seen = HashSet::new();
        let mut pairs = Pairs::default();
        let mut skip = if here { select.offset } else { 0 };
        if limit == 0 {
            return Ok(rows);
        }
        let width = plan.width;
        let places = if plan.regions.is_some() { width + 2 } else { width };
        self.sql.query(&sql, &plan.params, &mut |mut row| {
            if plan.regions.is_some() && !pairs.overlap(&row[width], &row[width + 1]) {
                return true;
            }
            let place = if placed { row.split_off(places) } else { Vec::new() };
            row.truncate(width);
            if here && !seen.insert(format!("{row:?}")) {
                return true;
            }
            if skip > 0 {
                skip -= 1;
                return true;
            }
            rows.push(Found { row, place });
            rows.len() < limit
        })?;
        Ok(rows)
    }
}

/// The members that a search sees, the terms that choose them, and whether rows may repeat.
pub(super) fn base_of(
    path: &[CollectionRow],
    group: i64,
    of: i64,
    dimensions: &[String],
    first: bool,
) -> Option<(String, Vec<String>, bool)> {
    let calibrations =
        !path.is_empty() && path.iter().all(|c| c.kind == CollectionKind::Calibration);
    let searched: Vec<i64> = path
        .iter()
        .filter(|c| calibrations || c.kind != CollectionKind::Calibration)
        .map(|c| c.id)
        .collect();
    let table = if calibrations { "calib" } else { "member" };
    let list = searched.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    match searched.as_slice() {
        [] => None,
        [only] => {
            let terms = vec![format!("m.collection = {only}"), format!("m.type = {of}")];
            Some((format!("{table}_{group} m"), terms, calibrations))
        }
        all if first && !calibrations => {
            let when: String =
                all.iter().enumerate().map(|(k, id)| format!(" WHEN {id} THEN {k}")).collect();
            let keys: String = dimensions.iter().map(|d| format!("{}, ", key(d))).collect();
            let by: String = dimensions.iter().map(|d| format!(", {}", key(d))).collect();
            let base = format!(
                "(SELECT {keys}dataset, ROW_NUMBER() OVER (PARTITION BY type{by} \
                 ORDER BY CASE collection{when} END) AS place FROM member_{group} \
                 WHERE collection IN ({list}) AND type = {of}) m"
            );
            Some((base, vec!["m.place = 1".to_string()], false))
        }
        _ => {
            let terms = vec![format!("m.collection IN ({list})"), format!("m.type = {of}")];
            Some((format!("{table}_{group} m"), terms, true))
        }
    }
}

/// The dimensions that records alone give: where two parts of them have regions (an instrument's
/// and a skymap's), only the first; the sky brings the other.
pub(super) fn near(universe: &Universe, required: &[String]) -> Vec<String> {
    let root = |d: &String| universe.element(d).map(|e| e.required[0].clone()).unwrap_or_default();
    let mut spatial: Vec<String> = Vec::new();
    for d in required {
        let is = universe.element(d).is_some_and(placed);
        if is && !spatial.contains(&root(d)) {
            spatial.push(root(d));
        }
    }
    let far = spatial.get(1..).unwrap_or_default();
    required.iter().filter(|d| !far.contains(&root(d))).cloned().collect()
}
