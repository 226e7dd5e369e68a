//! Names and types of expressions: what a name stands for, and how it is spelled in SQL.

use super::compile::Compiler;
use crate::error::Result;
use crate::schema;
use elqui_butler::expression::{Compare, Expr, Item, Node};
use elqui_butler::{FieldType, Universe};
use std::collections::BTreeSet;

/// What an expression's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Real,
    Text,
    /// A text as its number in `word`.
    Word,
    Time,
    Bool,
}

impl Kind {
    pub fn prose(self) -> &'static str {
        match self {
            Kind::Int => "a whole number",
            Kind::Real => "a number",
            Kind::Text | Kind::Word => "a text",
            Kind::Time => "a time",
            Kind::Bool => "true or false",
        }
    }
}

/// What a name stands for.
pub(super) enum Named {
    Column(String, Kind),
    Span(String, String),
    Region,
}

/// All dimensions that an expression names, itself or by a field.
pub(super) fn names(universe: &Universe, node: &Node, out: &mut BTreeSet<String>) {
    let mut each = |n: &Node| names(universe, n, out);
    match &node.expr {
        Expr::Name(name) => named_dimensions(universe, name, out),
        Expr::Negate(a) | Expr::Not(a) | Expr::Glob(a, ..) | Expr::IsNull(a, _) => each(a),
        Expr::Math(_, a, b)
        | Expr::Compare(_, a, b)
        | Expr::Overlaps(a, b)
        | Expr::Timespan(a, b) => {
            each(a);
            each(b);
        }
        Expr::In(a, items, _) => {
            each(a);
            for item in items {
                if let Item::One(n) = item {
                    each(n);
                }
            }
        }
        Expr::And(all) | Expr::Or(all) => all.iter().for_each(each),
        _ => {}
    }
}

/// The dimensions that a name needs.
pub(super) fn named_dimensions(universe: &Universe, name: &str, out: &mut BTreeSet<String>) {
    let element = name.split('.').next().unwrap_or_default();
    if let Some(e) = universe.element(element) {
        out.extend(e.required.iter().cloned());
    }
}

impl Compiler<'_, '_> {
    pub(super) fn named(&mut self, at: usize, name: &str) -> Result<Named> {
        if let ("ingest_date", Some(column)) = (name, self.ingest) {
            return Ok(Named::Column(column.to_string(), Kind::Time));
        }
        let (first, field) = name.split_once('.').map_or((name, None), |(a, b)| (a, Some(b)));
        let universe = self.registry.universe();
        let Some(element) = universe.element(first).cloned() else {
            let known: Vec<&str> = universe.elements().iter().map(|e| e.name.as_str()).collect();
            return self.wrong(
                at,
                format!("there is no dimension `{first}`; there are {}", known.join(", ")),
            );
        };
        let Some(field) = field else {
            if element.key.is_none() {
                return Ok(Named::Region);
            }
            let twin = self.instead.as_ref().filter(|(d, _)| d == first).map(|(_, c)| c.clone());
            let Some(column) = twin.or_else(|| self.scope.dimension(first)) else {
                return self.wrong(at, format!("`{first}` does not belong to what is asked for"));
            };
            let kind = if element.key == Some(FieldType::Text) { Kind::Word } else { Kind::Int };
            return Ok(Named::Column(column, kind));
        };
        if field == "region" && element.spatial {
            return Ok(Named::Region);
        }
        if let Some(d) = element.implies.iter().find(|d| *d == field) {
            let d = d.clone();
            return self.named(at, &d);
        }
        let Some(alias) = self.scope.record(&element) else {
            return self.wrong(at, format!("`{first}` does not belong to what is asked for"));
        };
        if element.temporal {
            let (begin, end) = (format!("{alias}.begin_ns"), format!("{alias}.end_ns"));
            match field {
                "begin" => return Ok(Named::Column(begin, Kind::Time)),
                "end" => return Ok(Named::Column(end, Kind::Time)),
                "timespan" => return Ok(Named::Span(begin, end)),
                _ => {}
            }
        }
        let Some(def) = element.fields.iter().find(|f| f.name == field) else {
            let mut known: Vec<&str> = element.fields.iter().map(|f| f.name.as_str()).collect();
            known.extend(if element.temporal { &["begin", "end", "timespan"][..] } else { &[] });
            known.extend(element.spatial.then_some("region"));
            let list = if known.is_empty() {
                "it has none".into()
            } else {
                format!("there are {}", known.join(", "))
            };
            return self.wrong(at, format!("`{first}` has no field `{field}`; {list}"));
        };
        let kind = match def.kind {
            FieldType::Int => Kind::Int,
            FieldType::Real => Kind::Real,
            FieldType::Text => Kind::Text,
        };
        Ok(Named::Column(format!("{alias}.{}", schema::field(field)), kind))
    }

    /// What rows are ordered by; texts by their letters.
    pub fn order_key(&mut self, at: usize, name: &str) -> Result<String> {
        match self.named(at, name)? {
            Named::Column(sql, kind) => Ok(spelled(sql, kind)),
            _ => self.wrong(at, format!("rows cannot be ordered by `{name}`")),
        }
    }
}

/// The text itself, where the column has its number.
pub(super) fn spelled(sql: String, kind: Kind) -> String {
    if kind == Kind::Word { format!("(SELECT text FROM word WHERE id = {sql})") } else { sql }
}

/// The dimension that a term bounds by literals: `visit IN (1..9)`, `band = 'r'`, `visit > 5`.
pub(super) fn bounded(node: &Node) -> Option<&str> {
    let literal = |n: &Node| matches!(n.expr, Expr::Int(_));
    let key = |n: &Node| literal(n) || matches!(n.expr, Expr::Text(_));
    let name = |n: &'_ Node| matches!(&n.expr, Expr::Name(name) if !name.contains('.'));
    let (a, fits) = match &node.expr {
        Expr::Compare(Compare::Eq, a, b) => (a, key(b)),
        Expr::Compare(Compare::Lt | Compare::Le | Compare::Gt | Compare::Ge, a, b) => {
            (a, literal(b))
        }
        Expr::In(a, items, false) => (
            a,
            items
                .iter()
                .all(|i| matches!(i, Item::Range(..)) || matches!(i, Item::One(n) if key(n))),
        ),
        _ => return None,
    };
    match &a.expr {
        Expr::Name(text) if fits && name(a) => Some(text),
        _ => None,
    }
}
