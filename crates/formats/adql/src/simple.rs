//! Queries of one table, row by row: the shape of most questions (a cone, an id, a few columns).
//!
//! An engine can answer them without planning: read, test, compute.

use crate::error::AdqlError;
use crate::functions;
use crate::query::Checked;
use crate::render::{Engine, Render};
use crate::tree::*;

/// A query without joins, groups, order, sets and subqueries, its parts in an engine's language.
#[derive(Debug, Clone, PartialEq)]
pub struct RowByRow {
    pub schema: String,
    pub table: String,
    /// What the expressions call the table.
    pub label: String,
    /// Each result: a column of the table by its name, or an expression.
    pub items: Vec<RowItem>,
    pub filter: Option<String>,
    pub top: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RowItem {
    Column(String),
    Expression(String),
}

impl Checked {
    /// The parts of a query that goes row by row through one table; `None` for any other.
    pub fn row_by_row(&self, engine: &dyn Engine) -> Result<Option<RowByRow>, AdqlError> {
        let q = &self.query;
        let Body::Select(s) = &q.body else { return Ok(None) };
        let plain = q.with.is_empty()
            && q.order_by.is_empty()
            && q.offset.is_none()
            && !s.distinct
            && s.group_by.is_empty()
            && s.having.is_none();
        let [TableRef::Table { meant: Some((Some(schema), table)), label, .. }] = s.from.as_slice()
        else {
            return Ok(None);
        };
        if !plain || !s.filter.as_ref().is_none_or(by_row) {
            return Ok(None);
        }
        let render = Render::new(self, engine);
        let mut items = Vec::with_capacity(s.items.len());
        for item in &s.items {
            let Item::Expr { expr, .. } = item else { return Ok(None) };
            items.push(match &expr.kind {
                Kind::Column(ColumnRef { meant: Some(m), .. }) if m.table.is_some() => {
                    RowItem::Column(m.column.clone())
                }
                _ if by_row(expr) => RowItem::Expression(render.expr(expr)?),
                _ => return Ok(None),
            });
        }
        Ok(Some(RowByRow {
            schema: schema.clone(),
            table: table.clone(),
            label: label.clone(),
            items,
            filter: s.filter.as_ref().map(|f| render.expr(f)).transpose()?,
            top: s.top,
        }))
    }
}

/// Whether an expression needs nothing but its row.
fn by_row(e: &Expr) -> bool {
    let itself = match &e.kind {
        Kind::Exists(_) | Kind::Subquery(_) | Kind::InQuery { .. } => false,
        Kind::Call(c) => {
            let known = functions::find(&c.name).is_none_or(|d| !d.aggregate);
            // Numbers that differ each time are the planner's to treat.
            known && !c.star && !c.name.contains("rand")
        }
        _ => true,
    };
    itself && e.children().into_iter().all(by_row)
}
