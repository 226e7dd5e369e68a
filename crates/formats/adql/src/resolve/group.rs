//! The rule of GROUP BY: what stands outside of an aggregate is the same for all rows of a group.
//!
//! - a result or HAVING may be made of the terms of GROUP BY, aggregates, constants, and columns of an
//!   outer query
//! - without GROUP BY, an aggregate among the results (or HAVING) makes one group of all rows
//! - functions of the engine's own catalogue may be aggregates: what is inside them is left to it

use crate::error::AdqlError;
use crate::functions;
use crate::tree::*;
use std::collections::HashSet;

pub(super) fn check(select: &Select) -> Result<(), AdqlError> {
    let items = || {
        select.items.iter().filter_map(|item| match item {
            Item::Expr { expr, .. } => Some(expr),
            _ => None,
        })
    };
    let grouped = !select.group_by.is_empty() || select.having.is_some() || items().any(aggregates);
    if !grouped {
        return Ok(());
    }
    let terms: HashSet<u64> = select.group_by.iter().map(|t| visit(t, None).0).collect();
    for e in items().chain(&select.having) {
        if let Some(error) = visit(e, Some(&terms)).1 {
            return Err(error);
        }
    }
    Ok(())
}

fn is_aggregate(call: &Call) -> bool {
    functions::find(&call.name).is_some_and(|d| d.aggregate)
}

fn aggregates(e: &Expr) -> bool {
    matches!(&e.kind, Kind::Call(c) if is_aggregate(c)) || e.children().into_iter().any(aggregates)
}

/// The mark of an expression, and what in it is no part of the terms. Each expression is visited once.
fn visit(e: &Expr, terms: Option<&HashSet<u64>>) -> (u64, Option<AdqlError>) {
    let (mut inside, mut error) = (Vec::new(), None);
    for child in e.children() {
        let (mark, wrong) = visit(child, terms);
        inside.push(mark);
        error = error.or(wrong);
    }
    let mark = e.mark(&inside);
    if terms.is_none_or(|t| t.contains(&mark)) {
        return (mark, None);
    }
    match &e.kind {
        Kind::Column(c) if c.meant.as_ref().is_none_or(|m| m.outer == 0) => {
            error = Some(AdqlError::Ungrouped { at: e.at, name: c.name.text.clone() });
        }
        Kind::Call(c) if is_aggregate(c) || functions::find(&c.name).is_none() => error = None,
        _ => {}
    }
    (mark, error)
}
