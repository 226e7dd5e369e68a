//! Which tables a query needs: from the dimensions that it starts with to those that it names.
//!
//! A dimension is reached in one of five ways, tried in this order: it is a column of the base; a
//! record that is reached implies it (`visit` -> `physical_filter` -> `band`); a relation joins it
//! (`visit_definition`: `exposure` -> `visit`); the sky does; or, where it has no place on the sky,
//! every record of it that the others allow. The last three are in [`relate`](super::relate).

use crate::schema::key;
use elqui_butler::{Element, Universe};
use std::collections::{BTreeMap, BTreeSet};

/// Tables and columns of one query.
pub(crate) struct Scope<'a> {
    pub(super) universe: &'a Universe,
    /// Dimension -> column.
    pub(super) columns: BTreeMap<String, String>,
    pub(super) joined: BTreeSet<String>,
    pub joins: String,
    /// A table with columns `number`, `low`, `high`: the HEALPix cells that are to be chosen from.
    pub cells: Option<String>,
    /// The columns of two regions that must overlap.
    pub regions: Option<(String, String)>,
    /// Whether a join may give a row more than once.
    pub repeats: bool,
}

impl<'a> Scope<'a> {
    /// - `base`: alias of the table that has a column for each of the dimensions
    pub fn new(universe: &'a Universe, base: &str, dimensions: &[String]) -> Self {
        let column = |d: &String| (d.clone(), format!("{base}.{}", key(d)));
        Self {
            universe,
            columns: dimensions.iter().map(column).collect(),
            joined: BTreeSet::new(),
            joins: String::new(),
            cells: None,
            regions: None,
            repeats: false,
        }
    }

    /// One without a base table: the first element's own is it.
    pub fn of_records(universe: &'a Universe, dimensions: &[String]) -> (Self, String) {
        let mut scope = Self::new(universe, "", &[]);
        let mut from = String::new();
        for element in dimensions.iter().filter_map(|d| universe.element(d)).filter(|e| e.stored) {
            let alias = alias(&element.name);
            let shared: Vec<String> = element
                .required
                .iter()
                .filter(|d| scope.columns.contains_key(*d))
                .cloned()
                .collect();
            if from.is_empty() {
                from = format!("dim_{} {alias}", element.name);
            } else if shared.is_empty() {
                from += &format!(" CROSS JOIN dim_{} {alias}", element.name);
            } else {
                let on = scope.on(&alias, &shared);
                from += &format!(" JOIN dim_{} {alias} ON {on}", element.name);
            }
            for dimension in &element.required {
                let column = format!("{alias}.{}", key(dimension));
                scope.columns.entry(dimension.clone()).or_insert(column);
            }
            scope.joined.insert(element.name.clone());
        }
        // Who asks for exposures and visits asks for exposures of visits.
        for element in universe.elements().iter().filter(|e| e.key.is_none() && !e.spatial) {
            if element.required.iter().all(|d| scope.columns.contains_key(d)) {
                let (name, alias) = (&element.name, alias(&element.name));
                let on = scope.on(&alias, &element.required);
                from += &format!(" JOIN dim_{name} {alias} ON {on}");
                scope.joined.insert(name.clone());
            }
        }
        (scope, from)
    }

    /// The records of one element.
    pub fn of_element(universe: &'a Universe, element: &Element) -> Self {
        let known: Vec<String> = element.required.iter().chain(&element.implies).cloned().collect();
        let mut scope = Self::new(universe, &alias(&element.name), &known);
        scope.joined.insert(element.name.clone());
        scope
    }

    pub(super) fn on(&self, alias: &str, dimensions: &[String]) -> String {
        let term = |d: &String| format!("{alias}.{} = {}", key(d), self.columns[d]);
        dimensions.iter().map(term).collect::<Vec<_>>().join(" AND ")
    }

    /// The column of a dimension; joins what is needed. `None`: nothing leads there.
    pub fn dimension(&mut self, name: &str) -> Option<String> {
        self.reach(name, 0)
    }

    fn reach(&mut self, name: &str, depth: usize) -> Option<String> {
        if let Some(column) = self.columns.get(name) {
            return Some(column.clone());
        }
        if depth > self.universe.elements().len() {
            return None;
        }
        let universe = self.universe;
        let implying = universe.elements().iter().filter(|e| e.implies.iter().any(|d| d == name));
        for element in implying {
            if element.required.iter().all(|d| self.implied_by_scope(d, depth + 1)) {
                let alias = self.record(element)?;
                let column = format!("{alias}.{}", key(name));
                self.columns.insert(name.to_string(), column.clone());
                return Some(column);
            }
        }
        None
    }

    fn implied_by_scope(&mut self, name: &str, depth: usize) -> bool {
        self.columns.contains_key(name) || self.reach(name, depth).is_some()
    }

    /// The column of a dimension in each record that is joined by keys of the base. Such a record
    /// is always there, since the base's keys refer to it.
    pub fn twins(&self, name: &str, base: &[String]) -> Vec<String> {
        let joined = self.joined.iter().filter_map(|e| self.universe.element(e));
        joined
            .filter(|e| e.key.is_some() && e.required.iter().any(|d| d == name))
            .filter(|e| e.required.iter().all(|d| base.contains(d)))
            .map(|e| format!("{}.{}", alias(&e.name), key(name)))
            .collect()
    }

    /// The alias of an element's table, joined by keys that are all reached.
    pub fn record(&mut self, element: &Element) -> Option<String> {
        let alias = alias(&element.name);
        if self.joined.contains(&element.name) {
            return Some(alias);
        }
        if !element.stored || !element.required.iter().all(|d| self.dimension(d).is_some()) {
            return None;
        }
        let on = self.on(&alias, &element.required);
        let on = if on.is_empty() { "1 = 1".to_string() } else { on };
        self.joins += &format!(" LEFT JOIN dim_{} {alias} ON {on}", element.name);
        self.joined.insert(element.name.clone());
        Some(alias)
    }
}

pub(super) fn alias(element: &str) -> String {
    format!("e_{element}")
}
