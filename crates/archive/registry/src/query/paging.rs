//! Pages that begin where the last one ended, however far that is.
//!
//! A [`Cursor`] holds the values that the last row was ordered by: first the stated keys, then the data id,
//! so the order is total. The next page is what comes after those values. It costs what it holds, not what was
//! passed over; and what others insert or remove meanwhile makes nothing come twice or be left out.

use super::plan::{Found, OrderBy, Plan};
use super::{Select, quoted};
use crate::collections::CollectionRow;
use crate::error::RegistryError;
use crate::error::Result;
use crate::registry::Registry;
use elqui_sql::SqlValue;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Where a page ended. Its text is for programs to hand back, and for nobody to read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor(String);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Cursor {
    type Err = RegistryError;
    fn from_str(text: &str) -> Result<Self> {
        let cursor = Self(text.to_string());
        cursor.values().map(|_| cursor)
    }
}

/// Some of what was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// For [`Select::after`] of the next page; `None` when this was the last.
    pub next: Option<Cursor>,
}

impl Cursor {
    /// `QUESTION.i12.n.r3ff0000000000000.t4142`: texts and numbers as hexadecimal digits.
    fn new(question: u64, values: &[SqlValue]) -> Self {
        let mut text = format!("{question:016x}");
        for value in values {
            text += &match value {
                SqlValue::Int(v) => format!(".i{v}"),
                SqlValue::Real(v) => format!(".r{:016x}", v.to_bits()),
                SqlValue::Text(v) => {
                    format!(".t{}", v.bytes().map(|b| format!("{b:02x}")).collect::<String>())
                }
                SqlValue::Null | SqlValue::Blob(_) => ".n".to_string(),
            };
        }
        Self(text)
    }

    fn values(&self) -> Result<(u64, Vec<SqlValue>)> {
        let mut parts = self.0.split('.');
        let question = parts.next().and_then(|q| u64::from_str_radix(q, 16).ok());
        let values = parts.map(value_of).collect::<Option<Vec<_>>>();
        question.zip(values).ok_or_else(|| self.wrong("it is not one that a page ended with"))
    }

    fn wrong(&self, why: &str) -> RegistryError {
        let short: String = self.0.chars().take(40).collect();
        RegistryError::Refused { what: format!("the page after `{short}`"), why: why.to_string() }
    }
}

fn value_of(part: &str) -> Option<SqlValue> {
    let (kind, rest) = (part.get(..1)?, part.get(1..)?);
    Some(match kind {
        "i" => SqlValue::Int(rest.parse().ok()?),
        "r" => SqlValue::Real(f64::from_bits(u64::from_str_radix(rest, 16).ok()?)),
        "t" => {
            let byte = |k: usize| u8::from_str_radix(rest.get(k..k + 2)?, 16).ok();
            let bytes: Option<Vec<u8>> = (0..rest.len()).step_by(2).map(byte).collect();
            SqlValue::Text(String::from_utf8(bytes?).ok()?)
        }
        "n" => SqlValue::Null,
        _ => return None,
    })
}

/// A number for a question (FNV-1a), so that a cursor is not used for another one.
pub(super) fn question(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|p| p.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// The condition that a row comes after these values, in the order's terms.
fn after(order: &[OrderBy], values: &[SqlValue], params: &mut Vec<SqlValue>) -> String {
    let mut place = |value: &SqlValue| match value {
        SqlValue::Int(v) => v.to_string(),
        SqlValue::Real(v) => quoted(*v),
        other => {
            params.push(other.clone());
            "CAST(? AS TEXT)".to_string()
        }
    };
    // What has no order is one row, and that was seen.
    if order.is_empty() {
        return "1 = 0".to_string();
    }
    // All keys of one direction and known: a comparison of rows, which an index answers.
    if order.iter().all(|o| !o.descending && !o.nullable) {
        let keys: Vec<&str> = order.iter().map(|o| o.sql.as_str()).collect();
        let values: Vec<String> = values.iter().map(place).collect();
        return format!("({}) > ({})", keys.join(", "), values.join(", "));
    }
    let mut terms = Vec::new();
    for (k, (last, value)) in order.iter().zip(values).enumerate() {
        let mut all = Vec::new();
        for (same, value) in order[..k].iter().zip(values) {
            all.push(match value {
                SqlValue::Null => format!("{} IS NULL", same.sql),
                value => format!("{} = {}", same.sql, place(value)),
            });
        }
        all.push(match (value, last.descending) {
            (SqlValue::Null, false) => format!("{} IS NOT NULL", last.sql),
            (SqlValue::Null, true) => continue,
            (value, false) => format!("{} > {}", last.sql, place(value)),
            (value, true) if last.nullable => {
                format!("({0} < {1} OR {0} IS NULL)", last.sql, place(value))
            }
            (value, true) => format!("{} < {}", last.sql, place(value)),
        });
        terms.push(format!("({})", all.join(" AND ")));
    }
    if terms.is_empty() { "1 = 0".to_string() } else { format!("({})", terms.join(" OR ")) }
}

impl Registry {
    /// One page of a plan, and where it ended.
    /// - `searched`: collections that are searched in this order, each with its plan; of rows that are the same
    ///   in their order, the first collection's counts
    pub(super) fn page(
        &mut self,
        searched: &[Plan],
        select: &Select,
        question: u64,
    ) -> Result<(Vec<Vec<SqlValue>>, Option<Cursor>)> {
        if select.offset > 0 {
            let what = "a page".to_string();
            let why = "it begins after a cursor or at an offset, not both".to_string();
            return Err(RegistryError::Refused { what, why });
        }
        let last = match &select.after {
            Some(cursor) => {
                let (of, values) = cursor.values()?;
                let fits = searched.first().is_none_or(|p| p.order.len() == values.len());
                if of != question || !fits {
                    return Err(
                        cursor.wrong("it belongs to another question; begin again without it")
                    );
                }
                Some(values)
            }
            None => None,
        };
        let mut all: Vec<(usize, Found)> = Vec::new();
        for (k, plan) in searched.iter().enumerate() {
            let mut plan = plan.clone();
            if let Some(values) = &last {
                // Said first, so that it is what the database begins with.
                let mut params = Vec::new();
                plan.terms.insert(0, after(&plan.order, values, &mut params));
                params.append(&mut plan.params);
                plan.params = params;
            }
            all.extend(self.run_placed(&plan, select, true)?.into_iter().map(|f| (k, f)));
        }
        if let [first, _, ..] = searched {
            all.sort_by(|(k, a), (j, b)| compared(&first.order, &a.place, &b.place).then(k.cmp(j)));
            all.dedup_by(|(_, later), (_, kept)| later.place == kept.place);
        }
        let limit = select.limit.unwrap_or(usize::MAX);
        all.truncate(limit);
        let full = all.len() == limit;
        let next = all.last().filter(|_| full).map(|(_, f)| Cursor::new(question, &f.place));
        Ok((all.into_iter().map(|(_, f)| f.row).collect(), next))
    }
}

fn compared(order: &[OrderBy], a: &[SqlValue], b: &[SqlValue]) -> Ordering {
    let one = |a: &SqlValue, b: &SqlValue| match (a, b) {
        (SqlValue::Null, SqlValue::Null) => Ordering::Equal,
        (SqlValue::Null, _) => Ordering::Less,
        (_, SqlValue::Null) => Ordering::Greater,
        (SqlValue::Int(a), SqlValue::Int(b)) => a.cmp(b),
        (SqlValue::Real(a), SqlValue::Real(b)) => a.total_cmp(b),
        (a, b) => a.text().cmp(b.text()),
    };
    let mut all = order.iter().zip(a.iter().zip(b));
    let first = all.find_map(|(o, (a, b))| match one(a, b) {
        Ordering::Equal => None,
        found => Some(if o.descending { found.reverse() } else { found }),
    });
    first.unwrap_or(Ordering::Equal)
}

/// Collections to be searched one after another, where each page is small beside them.
pub(super) fn apart(path: &[CollectionRow], select: &Select) -> bool {
    const COLLECTIONS_MAX: usize = 64;
    let born = select.condition.contains("ingest_date") || select.order_by.contains("ingest_date");
    (2..=COLLECTIONS_MAX).contains(&path.len()) && select.limit.is_some() && !born
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_texts() {
        let values =
            [SqlValue::Int(-3), SqlValue::Null, SqlValue::Real(0.1), SqlValue::Text("à.b".into())];
        let cursor = Cursor::new(7, &values);
        let again: Cursor = cursor.to_string().parse().unwrap();
        assert_eq!(again.values().unwrap(), (7, values.to_vec()));
        for bad in
            ["", "x", "0007.q", "7.i", "7.tz", "7.t4", "7.r", "7.té", "7.", "'; DROP TABLE dataset"]
        {
            let text = bad.parse::<Cursor>().unwrap_err().to_string();
            assert!(text.contains("the page after `"), "{bad}: {text}");
        }
    }
}
