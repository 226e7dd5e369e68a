//! The rule of GROUP BY: what stands outside of an aggregate is the same for all rows of a group.
//!
//! - a result or HAVING may be made of the terms of GROUP BY, aggregates, constants, and columns of an
//!   outer query
//! - without GROUP BY, an aggregate among the results (or HAVING) makes one group of all rows
//! - functions of the engine's own catalogue may be aggregates: what is inside them is left to it

use crate::error::AdqlError;
use crate::functions;
use crate::tree::*;

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
    items().chain(&select.having).try_for_each(|e| one(e, &select.group_by))
}

fn is_aggregate(call: &Call) -> bool {
    functions::find(&call.name).is_some_and(|d| d.aggregate)
}

fn aggregates(e: &Expr) -> bool {
    matches!(&e.kind, Kind::Call(c) if is_aggregate(c)) || e.children().into_iter().any(aggregates)
}

fn one(e: &Expr, terms: &[Expr]) -> Result<(), AdqlError> {
    if terms.iter().any(|t| t.says(e)) {
        return Ok(());
    }
    match &e.kind {
        Kind::Column(c) if c.meant.as_ref().is_none_or(|m| m.outer == 0) => {
            Err(AdqlError::Ungrouped { at: e.at, name: c.name.text.clone() })
        }
        Kind::Call(c) if is_aggregate(c) || functions::find(&c.name).is_none() => Ok(()),
        _ => e.children().into_iter().try_for_each(|c| one(c, terms)),
    }
}
