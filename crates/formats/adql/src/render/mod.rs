//! A checked query as text for an engine.

mod datafusion;
mod duckdb;
mod engine;
mod expr;
mod postgres;
mod text;

pub use datafusion::DataFusion;
pub use duckdb::DuckDb;
pub use engine::{Engine, Sky};
pub use postgres::PostgresQ3c;
pub use text::Adql;

use crate::error::AdqlError;
use crate::query::Checked;
use crate::tree::*;

pub(crate) struct Render<'a> {
    checked: &'a Checked,
    engine: &'a dyn Engine,
}

/// The query of `checked` for `engine`.
pub(crate) fn query(checked: &Checked, engine: &dyn Engine) -> Result<String, AdqlError> {
    Render { checked, engine }.query(&checked.query)
}

impl<'a> Render<'a> {
    pub(crate) fn new(checked: &'a Checked, engine: &'a dyn Engine) -> Self {
        Self { checked, engine }
    }
    fn query(&self, q: &Query) -> Result<String, AdqlError> {
        let mut out = String::new();
        if !q.with.is_empty() {
            let parts = q
                .with
                .iter()
                .map(|(n, c)| Ok(format!("{} AS ({})", self.engine.ident(&n.text), self.query(c)?)))
                .collect::<Result<Vec<_>, AdqlError>>()?;
            out = format!("WITH {} ", parts.join(", "));
        }
        let top = match &q.body {
            Body::Select(s) => {
                out += &self.select(s)?;
                s.top
            }
            body => {
                out += &self.body(body)?;
                None
            }
        };
        for (k, term) in q.order_by.iter().enumerate() {
            out += if k == 0 { " ORDER BY " } else { ", " };
            out += &match &term.expr.kind {
                Kind::Number(n) => n.clone(),
                _ => self.expr(&term.expr)?,
            };
            if term.descending {
                out += " DESC";
            }
        }
        Ok(out + &self.engine.limits(top, q.offset))
    }

    fn body(&self, body: &Body) -> Result<String, AdqlError> {
        match body {
            Body::Select(s) => {
                let limits = self.engine.limits(s.top, None);
                let text = self.select(s)?;
                // A limit belongs to its own SELECT.
                Ok(if limits.is_empty() { text } else { format!("({text}{limits})") })
            }
            Body::Query(q) => Ok(format!("({})", self.query(q)?)),
            Body::Set { op, all, left, right } => {
                let word = match op {
                    SetOp::Union => "UNION",
                    SetOp::Intersect => "INTERSECT",
                    SetOp::Except => "EXCEPT",
                };
                if *all && *op != SetOp::Union && !self.engine.keeps_duplicates() {
                    return self.counted(word, left, right);
                }
                let all = if *all { " ALL" } else { "" };
                // INTERSECT binds more tightly.
                let side = |b: &Body, first: bool| {
                    let text = self.body(b)?;
                    let nested = matches!(b, Body::Set { .. }) && !first;
                    let mixed = matches!(b, Body::Set { op: inner, .. } if inner != op);
                    Ok::<_, AdqlError>(if nested || mixed { format!("({text})") } else { text })
                };
                Ok(format!("{} {word}{all} {}", side(left, true)?, side(right, false)?))
            }
        }
    }

    /// EXCEPT ALL and INTERSECT ALL where the engine drops duplicates: the rows are numbered, so that the
    /// first, second, ... of equal ones differ.
    fn counted(&self, word: &str, left: &Body, right: &Body) -> Result<String, AdqlError> {
        let names = names_of(left);
        let list = (0..names.len()).map(|k| format!("c{k}")).collect::<Vec<_>>().join(", ");
        let side = |b: &Body| {
            let text = self.body(b)?;
            Ok::<_, AdqlError>(format!(
                "SELECT {list}, row_number() OVER (PARTITION BY {list}) AS nth FROM ({text}) AS side ({list})"
            ))
        };
        let items: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(k, name)| format!("c{k} AS {}", self.engine.ident(name)))
            .collect();
        let (left, right) = (side(left)?, side(right)?);
        Ok(format!("SELECT {} FROM ({left} {word} {right}) AS counted", items.join(", ")))
    }

    fn select(&self, s: &Select) -> Result<String, AdqlError> {
        let mut out = String::from("SELECT ");
        if s.distinct {
            out += "DISTINCT ";
        }
        out += &self.engine.top(s.top);
        let mut items = Vec::with_capacity(s.items.len());
        for item in &s.items {
            let Item::Expr { expr, alias } = item else { continue };
            let text = self.expr(expr)?;
            let same = |a: &Name| matches!(&expr.kind, Kind::Column(ColumnRef { meant: Some(m), .. }) if m.column == a.text);
            items.push(match alias {
                Some(a) if !same(a) => format!("{text} AS {}", self.engine.ident(&a.text)),
                _ => text,
            });
        }
        out += &items.join(", ");
        let from = s.from.iter().map(|t| self.table(t)).collect::<Result<Vec<_>, _>>()?;
        out += &format!(" FROM {}", from.join(", "));
        if let Some(filter) = &s.filter {
            out += &format!(" WHERE {}", self.expr(filter)?);
        }
        if !s.group_by.is_empty() {
            let terms = s.group_by.iter().map(|e| self.expr(e)).collect::<Result<Vec<_>, _>>()?;
            out += &format!(" GROUP BY {}", terms.join(", "));
        }
        if let Some(having) = &s.having {
            out += &format!(" HAVING {}", self.expr(having)?);
        }
        Ok(out)
    }

    fn table(&self, table: &TableRef) -> Result<String, AdqlError> {
        match table {
            TableRef::Table { meant, label, .. } => {
                let Some((schema, name)) = meant else { return Ok(self.engine.ident(label)) };
                let text = match schema {
                    // The name of a WITH.
                    None if self.checked.query.with.iter().any(|(n, _)| n.text == *name) => {
                        self.engine.ident(name)
                    }
                    _ => self.engine.table(schema.as_deref(), name),
                };
                Ok(format!("{text} AS {}", self.engine.ident(label)))
            }
            TableRef::Subquery { query, label, .. } => {
                Ok(format!("({}) AS {}", self.query(query)?, self.engine.ident(label)))
            }
            TableRef::Join { left, right, kind, on, .. } => {
                let word = match (kind, on) {
                    (JoinKind::Left, _) => "LEFT JOIN",
                    (JoinKind::Right, _) => "RIGHT JOIN",
                    (JoinKind::Full, _) => "FULL JOIN",
                    (JoinKind::Cross, _) | (JoinKind::Inner, On::Nothing) => {
                        self.engine.cross_join()
                    }
                    (JoinKind::Inner, _) => "JOIN",
                };
                let nested = |t: &TableRef| {
                    let text = self.table(t)?;
                    let join = matches!(t, TableRef::Join { .. });
                    Ok::<_, AdqlError>(if join { format!("({text})") } else { text })
                };
                let on = match on {
                    // An outer join needs a condition, a NATURAL without common columns has none.
                    On::Nothing if word.starts_with("CROSS") || word == "JOIN" => String::new(),
                    On::Nothing | On::Natural => " ON 1 = 1".into(),
                    On::Condition(c) => format!(" ON {}", self.expr(c)?),
                    On::Using(names) => {
                        let names: Vec<String> =
                            names.iter().map(|n| self.engine.ident(&n.text)).collect();
                        format!(" USING ({})", names.join(", "))
                    }
                };
                Ok(format!("{} {word} {}{on}", self.table(left)?, nested(right)?))
            }
        }
    }
}

/// Names of the results of a body: those of its first SELECT.
fn names_of(body: &Body) -> Vec<String> {
    match body {
        Body::Set { left, .. } => names_of(left),
        Body::Query(q) => names_of(&q.body),
        Body::Select(s) => s
            .items
            .iter()
            .enumerate()
            .map(|(k, item)| match item {
                Item::Expr { alias: Some(a), .. } => a.text.clone(),
                Item::Expr { expr, .. } => match &expr.kind {
                    Kind::Column(ColumnRef { meant: Some(m), .. }) => m.column.clone(),
                    _ => format!("column{k}"),
                },
                _ => format!("column{k}"),
            })
            .collect(),
    }
}
