//! What joins dimensions that no record leads to: relations, the sky, or nothing but their records.
//!
//! - a relation: `visit_definition` joins exposures and visits
//! - the sky: the finest region on this side (`visit_detector_region`, else `visit`) against the one that has
//!   what is missing, by the HEALPix cells that both touch; `regions` compares the regions themselves.
//!   Cells as a dimension (`healpix`) are joined by the ranges that their numbers stand for. Once a query.
//! - every record: what has no place (an instrument beside patches) is joined by what both name (a filter's
//!   band), or by nothing, as `daf_butler` does

use super::healpix::bounds;
use super::scope::{Scope, alias};
use crate::schema::key;
use elqui_butler::Element;
use std::collections::{BTreeMap, BTreeSet};

/// The cells and regions of an element, as a table.
pub(super) type Covered<'c> = &'c mut dyn FnMut(&Element) -> String;

/// Whether it has a place on the sky.
pub(super) fn placed(element: &Element) -> bool {
    element.spatial || element.is_healpix()
}

impl<'a> Scope<'a> {
    /// Join what relates these dimensions to the others, where no record implies them.
    pub fn relate(&mut self, named: &BTreeSet<String>, covered: Covered<'_>) -> Result<(), String> {
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
        let mut parts = parts.values();
        if parts.clone().any(|p| self.relation(p))
            || parts.clone().any(|p| self.sky(p, covered))
            || parts.any(|p| self.every(p))
        {
            return self.relate(named, covered);
        }
        let listed =
            missing.iter().find(|d| self.universe.element(d).is_some_and(|e| e.is_healpix()));
        if let (Some(dimension), None, None) = (listed, &self.regions, &self.cells) {
            return Err(format!(
                "`{dimension}` has no records to choose from; say which cells, such as {dimension} IN (1024, 1025)"
            ));
        }
        let have: Vec<&str> = self.columns.keys().map(String::as_str).collect();
        let twice =
            if self.regions.is_some() { "; the sky can relate only two places" } else { "" };
        Err(format!("nothing relates `{}` to {}{twice}", missing.join("`, `"), have.join(", ")))
    }

    fn relation(&mut self, open: &[String]) -> bool {
        let universe = self.universe;
        let relations = universe.elements().iter().filter(|e| e.key.is_none() && !e.spatial);
        for element in relations {
            let (known, new): (Vec<String>, Vec<String>) =
                element.required.iter().cloned().partition(|d| self.columns.contains_key(d));
            if known.len() < 2 || new.is_empty() || !new.iter().all(|d| open.contains(d)) {
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

    fn sky(&mut self, open: &[String], covered: Covered<'_>) -> bool {
        let universe = self.universe;
        let places = || universe.elements().iter().filter(|e| placed(e));
        let there = self.there(open);
        let here = places()
            .filter(|e| e.required.iter().all(|d| self.columns.contains_key(d)))
            .max_by_key(|e| e.required.len());
        let (Some(there), None) = (there, &self.regions) else { return false };
        if there.is_healpix() && self.cells.is_none() {
            return false;
        }
        let Some(here) = here else {
            // Nothing is there yet to be near to: the cells that were asked for begin.
            let table =
                self.cells.clone().filter(|_| there.is_healpix() && self.columns.is_empty());
            let Some(table) = table else { return false };
            self.joins += &format!(" CROSS JOIN {table} cells");
            self.columns.insert(there.name.clone(), "cells.number".to_string());
            return true;
        };
        let near = if here.is_healpix() {
            self.columns[&here.name].clone()
        } else {
            let on = self.on("a", &here.required);
            self.joins += &format!(" JOIN {} a ON {on}", covered(here));
            "a.region".to_string()
        };
        let (table, on) = match (here.is_healpix(), there.is_healpix()) {
            (false, false) => (covered(there), "b.cell = a.cell".to_string()),
            (false, true) => {
                let table = self.cells.clone().unwrap_or_default();
                (table, "a.cell >= b.low AND a.cell <= b.high".to_string())
            }
            (true, _) => {
                let (low, high) = bounds(&near);
                (covered(there), format!("b.cell >= {low} AND b.cell <= {high}"))
            }
        };
        self.joins += &format!(" JOIN {table} b ON {on}");
        let far = if there.is_healpix() { "b.number" } else { "b.region" };
        for dimension in &there.required {
            let column =
                if there.is_healpix() { far.to_string() } else { format!("b.{}", key(dimension)) };
            self.columns.insert(dimension.clone(), column);
        }
        self.regions = Some((near, far.to_string()));
        self.repeats = true;
        true
    }

    /// The coarsest element with a place that has all that is missing: `visit` when nobody asked for a
    /// detector. Else the finest that brings nothing else: a record or a relation brings the rest.
    fn there(&self, open: &[String]) -> Option<&'a Element> {
        let named = |d: &str| open.iter().any(|o| o == d);
        let new = |e: &&Element| {
            placed(e)
                && !e.required.iter().any(|d| self.columns.contains_key(d))
                && (e.name != "exposure" || named("exposure"))
        };
        let universe = self.universe;
        let all = || universe.elements().iter().filter(new);
        all()
            .filter(|e| open.iter().all(|d| e.required.contains(d)))
            .filter(|e| e.required.iter().any(|d| named(d) && self.places(d)))
            .min_by_key(|e| e.required.len())
            .or_else(|| {
                all()
                    .filter(|e| e.required.iter().all(|d| named(d)))
                    .max_by_key(|e| e.required.len())
            })
    }

    fn places(&self, dimension: &str) -> bool {
        self.universe.element(dimension).is_some_and(placed)
    }

    /// All records of what has no place: of roots (instrument, skymap, band), and of what those imply.
    /// Others would be words without effect: a day of no visit.
    fn every(&mut self, open: &[String]) -> bool {
        let universe = self.universe;
        let stored = |d: &String| universe.element(d).is_some_and(|e| e.stored && !e.spatial);
        let root = |e: &Element| e.required.len() == 1;
        let tied = |e: &Element| e.implies.iter().any(|d| self.columns.contains_key(d));
        let fits = |d: &String| universe.element(d).is_some_and(|e| root(e) || tied(e));
        if open.is_empty() || !open.iter().all(|d| stored(d) && fits(d)) {
            return false;
        }
        for element in open.iter().filter_map(|d| universe.element(d)) {
            let name = &element.name;
            let alias = alias(name);
            let known: Vec<String> =
                element.required.iter().chain(&element.implies).cloned().collect();
            let (known, new): (Vec<String>, Vec<String>) =
                known.into_iter().partition(|d| self.columns.contains_key(d));
            self.joins += &match known.as_slice() {
                [] => format!(" CROSS JOIN dim_{name} {alias}"),
                known => format!(" JOIN dim_{name} {alias} ON {}", self.on(&alias, known)),
            };
            for dimension in new {
                self.columns.insert(dimension.clone(), format!("{alias}.{}", key(&dimension)));
            }
            self.joined.insert(name.clone());
        }
        self.repeats = true;
        true
    }
}
