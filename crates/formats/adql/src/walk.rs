//! Walks through expressions.

use crate::error::At;
use crate::tree::*;
use crate::types::Type;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Text on its way into a hash.
struct Hashing(DefaultHasher);

impl Write for Hashing {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl Expr {
    /// The expressions directly inside; not those of subqueries.
    pub(crate) fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            Kind::Minus(x) | Kind::Not(x) | Kind::Spatial { plain: x, .. } => vec![x],
            Kind::Cast { expr, .. } | Kind::IsNull { expr, .. } | Kind::InQuery { expr, .. } => {
                vec![expr]
            }
            Kind::Binary { left, right, .. } | Kind::Compare { left, right, .. } => {
                vec![left, right]
            }
            Kind::Like { expr, pattern, .. } => vec![expr, pattern],
            Kind::And(parts) | Kind::Or(parts) => parts.iter().collect(),
            Kind::Between { expr, low, high, .. } => vec![expr, low, high],
            Kind::InList { expr, list, .. } => std::iter::once(&**expr).chain(list).collect(),
            Kind::Case { operand, whens, otherwise } => {
                let pairs = whens.iter().flat_map(|(when, then)| [when, then]);
                operand.as_deref().into_iter().chain(pairs).chain(otherwise.as_deref()).collect()
            }
            Kind::Call(call) => call.args.iter().collect(),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Number(_)
            | Kind::Hex(_)
            | Kind::Text(_)
            | Kind::Timestamp(_)
            | Kind::Column(_)
            | Kind::Exists(_)
            | Kind::Subquery(_) => Vec::new(),
        }
    }

    /// A number that two resolved expressions share when they say the same, wherever they stand; made
    /// of those of the expressions inside, in their order.
    pub(crate) fn mark(&self, inside: &[u64]) -> u64 {
        let mut hasher = Hashing(DefaultHasher::new());
        inside.hash(&mut hasher.0);
        // Writing into a hasher does not fail.
        let _ = write!(hasher, "{:?}", self.head());
        hasher.0.finish()
    }

    /// What it says itself: without the expressions inside, its place, and how names were written.
    fn head(&self) -> Kind {
        let none = || Box::new(Expr { at: At::default(), kind: Kind::Null, ty: Type::Any });
        match &self.kind {
            Kind::Column(c) if c.meant.is_some() => {
                let name = Name { text: String::new(), delimited: true, at: At::default() };
                Kind::Column(ColumnRef { qualifier: Vec::new(), name, meant: c.meant.clone() })
            }
            Kind::Minus(_) => Kind::Minus(none()),
            Kind::Not(_) => Kind::Not(none()),
            Kind::Spatial { .. } => Kind::Spatial { term: 0, plain: none() },
            Kind::Cast { target, length, .. } => {
                Kind::Cast { expr: none(), target: *target, length: *length }
            }
            Kind::IsNull { negated, .. } => Kind::IsNull { expr: none(), negated: *negated },
            Kind::InQuery { query, negated, .. } => {
                Kind::InQuery { expr: none(), query: query.clone(), negated: *negated }
            }
            Kind::Binary { op, .. } => Kind::Binary { op: *op, left: none(), right: none() },
            Kind::Compare { op, .. } => Kind::Compare { op: *op, left: none(), right: none() },
            Kind::Like { any_case, negated, escape, .. } => Kind::Like {
                expr: none(),
                pattern: none(),
                any_case: *any_case,
                negated: *negated,
                escape: *escape,
            },
            Kind::And(_) => Kind::And(Vec::new()),
            Kind::Or(_) => Kind::Or(Vec::new()),
            Kind::Between { negated, .. } => {
                Kind::Between { expr: none(), low: none(), high: none(), negated: *negated }
            }
            Kind::InList { negated, .. } => {
                Kind::InList { expr: none(), list: Vec::new(), negated: *negated }
            }
            Kind::Case { operand, otherwise, .. } => Kind::Case {
                operand: operand.as_ref().map(|_| none()),
                whens: Vec::new(),
                otherwise: otherwise.as_ref().map(|_| none()),
            },
            Kind::Call(call) => Kind::Call(Call { args: Vec::new(), ..call.clone() }),
            plain => plain.clone(),
        }
    }
}
