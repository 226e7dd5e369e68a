//! Regions of the sky in queries: found by cells, compared exactly, each pair once.

use super::overlap::overlap;
use crate::records::{cells_of, keys_of, same_keys};
use crate::registry::Registry;
use crate::schema::key;
use crate::sql::{Result, SqlValue};
use elqui_butler::Element;
use elqui_sphere::SkyRegion;
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
        let text = serde_json::to_string(region).unwrap_or_default();
        let width = element.required.len();
        for ranges in ranges_of(&cells_of(region)?).chunks(200) {
            let terms: Vec<String> =
                ranges.iter().map(|(a, b)| format!("c.cell BETWEEN {a} AND {b}")).collect();
            let sql = format!(
                "SELECT {}, r.region FROM cell_{name} c JOIN dim_{name} r ON {} WHERE {}",
                keys_of("c", &element.required),
                same_keys("r", "c", &element.required),
                terms.join(" OR "),
            );
            self.sql.query(&sql, &[], &mut |row| {
                let keys: Vec<i64> = row[..width].iter().map(SqlValue::int).collect();
                if !found.contains(&keys) && pairs.overlap(&text, row[width].text()) {
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

/// Pairs of regions as texts, each compared once.
#[derive(Default)]
pub(super) struct Pairs {
    regions: HashMap<String, Option<SkyRegion>>,
    known: HashMap<(String, String), bool>,
}

impl Pairs {
    pub fn overlap(&mut self, a: &str, b: &str) -> bool {
        let pair = (a.to_string(), b.to_string());
        if let Some(known) = self.known.get(&pair) {
            return *known;
        }
        for text in [a, b] {
            if !self.regions.contains_key(text) {
                self.regions.insert(text.to_string(), serde_json::from_str(text).ok());
            }
        }
        let found = match (&self.regions[a], &self.regions[b]) {
            (Some(a), Some(b)) => overlap(a, b),
            _ => false,
        };
        self.known.insert(pair, found);
        found
    }
}
