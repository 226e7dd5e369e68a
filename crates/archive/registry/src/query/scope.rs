//! Which tables a query needs: from the dimensions that it starts with to those that it names.
//!
//! A dimension is reached in one of four ways, tried in this order: it is a column of the base; a
//! record that is reached implies it (`visit` -> `physical_filter` -> `band`); a relation joins it
//! (`visit_definition`: `exposure` -> `visit`); or the sky does (`visit` or
//! `visit_detector_region` against `tract` or `patch`, by the HEALPix cells that both touch; the
//! exact regions are compared in `regions`).

use crate::records::same_keys;
use crate::schema::key;
use elqui_butler::{Element, Universe};
use std::collections::{BTreeMap, BTreeSet};

/// Tables and columns of one query.
pub(crate) struct Scope<'a> {
    universe: &'a Universe,
    /// Dimension -> column.
    columns: BTreeMap<String, String>,
    joined: BTreeSet<String>,
    pub joins: String,
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
        (scope, from)
    }

    /// The records of one element.
    pub fn of_element(universe: &'a Universe, element: &Element) -> Self {
        let known: Vec<String> = element.required.iter().chain(&element.implies).cloned().collect();
        let mut scope = Self::new(universe, &alias(&element.name), &known);
        scope.joined.insert(element.name.clone());
        scope
    }

    fn on(&self, alias: &str, dimensions: &[String]) -> String {
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

    /// Join what relates these dimensions to the others, where no record implies them.
    pub fn relate(&mut self, named: &BTreeSet<String>) -> Result<(), String> {
        let mut missing: Vec<String> = Vec::new();
        for name in named {
            if self.dimension(name).is_none() {
                missing.push(name.clone());
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let group = self.universe.group(&missing).map_err(|e| e.to_string())?.required;
        let open: Vec<String> = group.into_iter().filter(|d| self.dimension(d).is_none()).collect();
        // What hangs together: the dimensions of an instrument, those of a skymap.
        let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for dimension in open {
            let root = self.universe.element(&dimension).map(|e| e.required[0].clone());
            parts.entry(root.unwrap_or_default()).or_default().push(dimension);
        }
        // Relations first: they may bring a finer region.
        if parts.values().any(|p| self.relation(p)) || parts.values().any(|p| self.sky(p)) {
            return self.relate(named);
        }
        let have: Vec<&str> = self.columns.keys().map(String::as_str).collect();
        Err(format!("nothing relates `{}` to {}", missing.join("`, `"), have.join(", ")))
    }

    fn relation(&mut self, open: &[String]) -> bool {
        let universe = self.universe;
        let relations = universe.elements().iter().filter(|e| e.key.is_none() && !e.spatial);
        for element in relations {
            let (known, new): (Vec<String>, Vec<String>) =
                element.required.iter().cloned().partition(|d| self.columns.contains_key(d));
            if known.len() < 2 || new != open {
                continue;
            }
            let alias = alias(&element.name);
            let on = self.on(&alias, &known);
            self.joins += &format!(" JOIN dim_{} {alias} ON {on}", element.name);
            for dimension in new {
                let column = format!("{alias}.{}", key(&dimension));
                self.columns.insert(dimension, column);
            }
            self.joined.insert(element.name.clone());
            self.repeats = true;
            return true;
        }
        false
    }

    fn sky(&mut self, open: &[String]) -> bool {
        if self.regions.is_some() {
            return false;
        }
        let universe = self.universe;
        let finest = |fits: &dyn Fn(&Element) -> bool| {
            let spatial = universe.elements().iter().filter(|e| e.spatial && fits(e));
            spatial.max_by_key(|e| e.required.len())
        };
        let here = finest(&|e| e.required.iter().all(|d| self.columns.contains_key(d)));
        // The coarsest that has all that is missing: `visit` when nobody asked for a detector.
        let there = universe
            .elements()
            .iter()
            .filter(|e| e.spatial && open.iter().all(|d| e.required.contains(d)))
            .filter(|e| !e.required.iter().any(|d| self.columns.contains_key(d)))
            .filter(|e| e.name != "exposure" || open.iter().any(|d| d == "exposure"))
            .min_by_key(|e| e.required.len());
        let (Some(here), Some(there)) = (here, there) else { return false };
        let (a, b) = (format!("c_{}", here.name), format!("c_{}", there.name));
        let (ra, rb) = (format!("r_{}", here.name), format!("r_{}", there.name));
        self.joins += &format!(
            " JOIN cell_{0} {a} ON {1} JOIN cell_{2} {b} ON {b}.cell = {a}.cell \
             JOIN dim_{0} {ra} ON {3} JOIN dim_{2} {rb} ON {4}",
            here.name,
            self.on(&a, &here.required),
            there.name,
            same_keys(&ra, &a, &here.required),
            same_keys(&rb, &b, &there.required),
        );
        for dimension in &there.required {
            self.columns.insert(dimension.clone(), format!("{b}.{}", key(dimension)));
        }
        self.regions = Some((format!("{ra}.region"), format!("{rb}.region")));
        self.repeats = true;
        true
    }
}

fn alias(element: &str) -> String {
    format!("e_{element}")
}
