//! What a condition says about the sky: the cells outside of which no row can fulfil it.
//!
//! Regions, cells, ids (through the id index) and bounds on right ascension and declination each
//! give ranges of order-29 cells; AND cuts them, OR joins them, anything else says nothing.

use crate::error::SkyDbError;
use crate::functions::{IN_REGION, region_ranges, zone_ranges};
use crate::storage::SkyTable;
use crate::storage::ranges::{intersection, normal, union};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use std::ops::Range;

/// Ids looked up in the index at once; a longer list is a scan.
const IDS_MAX: usize = 20_000;

/// Cells that rows fulfilling all of `filters` can stand in; `None`: anywhere.
pub fn cells_of(table: &SkyTable, filters: &[Expr]) -> Result<Option<Vec<Range<u64>>>, SkyDbError> {
    let mut parts = Vec::new();
    filters.iter().for_each(|f| split(f, &mut parts));
    all_of(table, &parts)
}

fn split<'a>(e: &'a Expr, out: &mut Vec<&'a Expr>) {
    match e {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            split(left, out);
            split(right, out);
        }
        _ => out.push(e),
    }
}

fn all_of(table: &SkyTable, parts: &[&Expr]) -> Result<Option<Vec<Range<u64>>>, SkyDbError> {
    let mut cells: Option<Vec<Range<u64>>> = None;
    let mut cut = |more: Vec<Range<u64>>| {
        cells = Some(match cells.take() {
            Some(before) => intersection(&before, &more),
            None => more,
        });
    };
    let mut zone = Zone::default();
    for part in parts {
        if let Some(more) = one(table, part)? {
            cut(more);
        }
        zone.note(table, part);
    }
    if let Some(more) = zone.cells() {
        cut(more);
    }
    Ok(cells)
}

fn one(table: &SkyTable, e: &Expr) -> Result<Option<Vec<Range<u64>>>, SkyDbError> {
    match e {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let side = |e: &Expr| {
                let mut parts = Vec::new();
                split(e, &mut parts);
                all_of(table, &parts)
            };
            // Both sides have to say something.
            let Some(a) = side(left)? else { return Ok(None) };
            Ok(side(right)?.map(|b| union(&a, &b)))
        }
        Expr::ScalarFunction(call) if call.name() == IN_REGION => {
            let [ra, dec, region, _] = call.args.as_slice() else { return Ok(None) };
            let Some((table_ra, table_dec)) = &table.position else { return Ok(None) };
            let here = table.placed_by_position()
                && column(ra) == Some(table_ra)
                && column(dec) == Some(table_dec);
            Ok(text(region).filter(|_| here).and_then(region_ranges))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let Some((name, op, value)) = comparison(left, *op, right) else { return Ok(None) };
            let Some(value) = integer(value) else { return Ok(None) };
            if Some(name) == table.healpix.as_deref() {
                let v = u64::try_from(value).unwrap_or(0);
                let end = u64::try_from(value.saturating_add(1)).unwrap_or(0);
                let all = 1u64 << 63;
                return Ok(match op {
                    Operator::Eq => Some(normal(vec![v..end])),
                    Operator::Lt => Some(normal(vec![0..v])),
                    Operator::LtEq => Some(normal(vec![0..end])),
                    Operator::Gt => Some(normal(vec![end..all])),
                    Operator::GtEq => Some(normal(vec![v..all])),
                    _ => None,
                });
            }
            if op == Operator::Eq { by_id(table, name, vec![value]) } else { Ok(None) }
        }
        Expr::InList(InList { expr, list, negated: false }) if list.len() <= IDS_MAX => {
            let Some(name) = column(expr) else { return Ok(None) };
            let ids: Option<Vec<i64>> = list.iter().map(|e| literal(e).and_then(integer)).collect();
            match ids {
                Some(ids) => by_id(table, name, ids),
                None => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

fn by_id(
    table: &SkyTable,
    name: &str,
    mut ids: Vec<i64>,
) -> Result<Option<Vec<Range<u64>>>, SkyDbError> {
    let Some(index) = table.indexes.iter().find(|i| i.column == name) else { return Ok(None) };
    ids.sort_unstable();
    ids.dedup();
    let cells = index.cells(&ids)?;
    Ok(Some(normal(cells.into_iter().map(|c| c..c + 1).collect())))
}

/// Bounds on right ascension and declination that stand beside each other.
#[derive(Default)]
struct Zone {
    ra: (Option<f64>, Option<f64>),
    dec: (Option<f64>, Option<f64>),
}

impl Zone {
    fn note(&mut self, table: &SkyTable, e: &Expr) {
        let Some((ra, dec)) = table.position.as_ref().filter(|_| table.placed_by_position()) else {
            return;
        };
        let mut bound = |name: &str, op: Operator, value: f64| {
            let side = if name == ra {
                &mut self.ra
            } else if name == dec {
                &mut self.dec
            } else {
                return;
            };
            if matches!(op, Operator::Gt | Operator::GtEq | Operator::Eq) {
                side.0 = Some(side.0.map_or(value, |v| v.max(value)));
            }
            if matches!(op, Operator::Lt | Operator::LtEq | Operator::Eq) {
                side.1 = Some(side.1.map_or(value, |v| v.min(value)));
            }
        };
        match e {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if let Some((name, op, value)) = comparison(left, *op, right)
                    && let Some(value) = number(value)
                {
                    bound(name, op, value);
                }
            }
            Expr::Between(Between { expr, negated: false, low, high }) => {
                if let (Some(name), Some(low), Some(high)) =
                    (column(expr), literal(low).and_then(number), literal(high).and_then(number))
                {
                    bound(name, Operator::GtEq, low);
                    bound(name, Operator::LtEq, high);
                }
            }
            _ => {}
        }
    }

    fn cells(&self) -> Option<Vec<Range<u64>>> {
        if self.dec == (None, None) && (self.ra.0.is_none() || self.ra.1.is_none()) {
            return None;
        }
        let dec = (self.dec.0.unwrap_or(-90.0).max(-90.0), self.dec.1.unwrap_or(90.0).min(90.0));
        if dec.0 > dec.1 {
            return Some(Vec::new());
        }
        // Right ascensions of a table may be negative or wrap: cells do not know, so only bounds on
        // both sides inside one turn say something.
        let ra = match self.ra {
            (Some(a), Some(b)) if a > b => return Some(Vec::new()),
            (Some(a), Some(b)) if b - a < 360.0 => Some((a, b)),
            _ => None,
        };
        Some(zone_ranges(ra, dec))
    }
}

/// `column op value`, turned round where it is written the other way.
fn comparison<'a>(
    left: &'a Expr,
    op: Operator,
    right: &'a Expr,
) -> Option<(&'a str, Operator, &'a ScalarValue)> {
    match (column(left), literal(right), literal(left), column(right)) {
        (Some(name), Some(value), _, _) => Some((name, op, value)),
        (_, _, Some(value), Some(name)) => Some((name, op.swap()?, value)),
        _ => None,
    }
}

/// A column, also where it is widened.
fn column(e: &Expr) -> Option<&str> {
    match e {
        Expr::Column(c) => Some(&c.name),
        Expr::Cast(c) => column(&c.expr).filter(|_| *c.field.data_type() == DataType::Float64),
        Expr::Alias(a) => column(&a.expr),
        _ => None,
    }
}

fn literal(e: &Expr) -> Option<&ScalarValue> {
    match e {
        Expr::Literal(v, _) => Some(v),
        _ => None,
    }
}

fn text(e: &Expr) -> Option<&str> {
    match literal(e)? {
        ScalarValue::Utf8(t) | ScalarValue::Utf8View(t) | ScalarValue::LargeUtf8(t) => t.as_deref(),
        _ => None,
    }
}

fn integer(v: &ScalarValue) -> Option<i64> {
    match v {
        ScalarValue::Int64(v) => *v,
        ScalarValue::Int32(v) => v.map(i64::from),
        ScalarValue::UInt64(v) => v.and_then(|v| i64::try_from(v).ok()),
        _ => None,
    }
}

fn number(v: &ScalarValue) -> Option<f64> {
    match v {
        ScalarValue::Float64(v) => *v,
        // A bound of a 32-bit column was rounded: a little wider is right.
        ScalarValue::Float32(_) => None,
        _ => integer(v).map(|v| v as f64),
    }
}
