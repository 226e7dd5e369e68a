//! Regions of the sky in queries: found by cells, compared exactly, each pair once.

use super::healpix::Cell;
use super::overlap::{Shape, overlap};
use crate::error::Result;
use crate::records::{cells_of, keys_of, same_keys};
use crate::registry::Registry;
use crate::schema::key;
use elqui_butler::{Element, Universe};
use elqui_sphere::SkyRegion;
use elqui_sql::SqlValue;
use std::collections::{HashMap, HashSet};

impl Registry {
    /// Find the records of an element whose regions overlap one, exactly, and keep their keys in a
    /// temporary table under the number that is returned.
    pub(super) fn hits(&mut self, element: &Element, region: &SkyRegion) -> Result<i64> {
        self.hits_last += 1;
        let (name, number) = (&element.name, self.hits_last);
        let typed: String =
            element.required.iter().map(|d| format!("{} BIGINT NOT NULL, ", key(d))).collect();
        let keys: String = element.required.iter().map(|d| format!(", {}", key(d))).collect();
        self.sql.batch(&format!(
            "CREATE TEMP TABLE IF NOT EXISTS hit_{name} \
             (query BIGINT NOT NULL, {typed}PRIMARY KEY (query{keys}))"
        ))?;
        let mut found: HashSet<Vec<i64>> = HashSet::new();
        let mut pairs = Pairs::default();
        let asked = SqlValue::Text(serde_json::to_string(region).unwrap_or_default());
        let source = self.covered(element);
        let width = element.required.len();
        for ranges in ranges_of(&cells_of(region)?).chunks(200) {
            let terms: Vec<String> =
                ranges.iter().map(|(a, b)| format!("c.cell BETWEEN {a} AND {b}")).collect();
            let sql = format!(
                "SELECT {}, c.region FROM {source} c WHERE {}",
                keys_of("c", &element.required),
                terms.join(" OR "),
            );
            self.sql.query(&sql, &[], &mut |row| {
                let keys: Vec<i64> = row[..width].iter().map(SqlValue::int).collect();
                if !found.contains(&keys) && pairs.overlap(&asked, &row[width]) {
                    found.insert(keys);
                }
                true
            })?;
        }
        let mut values = Vec::with_capacity(found.len() * (width + 1));
        for keys in &found {
            values.push(SqlValue::Int(number));
            values.extend(keys.iter().map(|k| SqlValue::Int(*k)));
        }
        let names: Vec<String> = element.required.iter().map(|d| key(d)).collect();
        let mut columns = vec!["query"];
        columns.extend(names.iter().map(String::as_str));
        // What earlier questions left.
        let old = [SqlValue::Int(self.hits_first)];
        self.sql.execute(&format!("DELETE FROM hit_{name} WHERE query < ?"), &old)?;
        self.sql.bulk_insert(&format!("hit_{name}"), &columns, &values)?;
        Ok(number)
    }

    /// The cells and regions of an element as a table to choose from. Something without a region of
    /// its own (a visit of many detectors) is where its parts are.
    pub(super) fn covered(&mut self, element: &Element) -> String {
        let Some(parts) = finer(&self.universe, element).cloned() else {
            return format!("({})", covered_by(element, &element.required, ""));
        };
        let sql = &mut self.sql;
        // An error here meets the query itself again.
        let mut any = |name: &str| {
            let first = sql.row(&format!("SELECT cell FROM cell_{name} LIMIT 1"), &[]);
            first.is_ok_and(|row| row.is_some())
        };
        match (any(&element.name), any(&parts.name)) {
            (_, false) => format!("({})", covered_by(element, &element.required, "")),
            (false, true) => format!("({})", covered_by(&parts, &element.required, "")),
            (true, true) => {
                let but = format!(
                    " WHERE NOT EXISTS (SELECT 1 FROM dim_{} o WHERE {} AND o.region IS NOT NULL)",
                    element.name,
                    same_keys("o", "k", &element.required)
                );
                let whole = covered_by(element, &element.required, "");
                let parts = covered_by(&parts, &element.required, &but);
                format!("({whole} UNION ALL {parts})")
            }
        }
    }
}

/// `SELECT keys, cell, region ...` of an element's own records.
fn covered_by(element: &Element, keys: &[String], but: &str) -> String {
    let name = &element.name;
    format!(
        "SELECT {}, k.cell, q.region FROM cell_{name} k JOIN dim_{name} q ON {}{but}",
        keys_of("k", keys),
        same_keys("q", "k", &element.required),
    )
}

/// The relation whose records say where the parts of something are.
fn finer<'a>(universe: &'a Universe, element: &Element) -> Option<&'a Element> {
    let mut all = universe.elements().iter().filter(|e| e.key.is_none() && e.spatial);
    all.find(|e| element.key.is_some() && element.required.iter().all(|d| e.required.contains(d)))
}

/// Runs of consecutive cells; the cells rise.
fn ranges_of(cells: &[i64]) -> Vec<(i64, i64)> {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for &cell in cells {
        match ranges.last_mut() {
            Some(last) if last.1 + 1 == cell => last.1 = cell,
            _ => ranges.push((cell, cell)),
        }
    }
    ranges
}

/// Pairs of regions (as texts) and cells (as numbers), each compared once.
#[derive(Default)]
pub(super) struct Pairs {
    /// What was met, by how the database holds it; `None` for what is not valid.
    places: HashMap<Place, usize>,
    shapes: Vec<Option<Shape>>,
    known: HashMap<(usize, usize), bool>,
}

#[derive(PartialEq, Eq, Hash)]
enum Place {
    Region(String),
    Cell(i64),
    Nowhere,
}

impl Pairs {
    pub fn overlap(&mut self, a: &SqlValue, b: &SqlValue) -> bool {
        let (a, b) = (self.number(a), self.number(b));
        let shapes = &self.shapes;
        *self.known.entry((a, b)).or_insert_with(|| match (&shapes[a], &shapes[b]) {
            (Some(a), Some(b)) => overlap(a, b),
            _ => false,
        })
    }

    fn number(&mut self, value: &SqlValue) -> usize {
        let place = match value {
            SqlValue::Text(text) => Place::Region(text.clone()),
            SqlValue::Int(number) => Place::Cell(*number),
            _ => Place::Nowhere,
        };
        if let Some(known) = self.places.get(&place) {
            return *known;
        }
        self.shapes.push(match &place {
            Place::Region(text) => serde_json::from_str(text).ok().and_then(Shape::region),
            Place::Cell(number) => Cell::of(*number).map(Shape::cell),
            Place::Nowhere => None,
        });
        self.places.insert(place, self.shapes.len() - 1);
        self.shapes.len() - 1
    }
}
