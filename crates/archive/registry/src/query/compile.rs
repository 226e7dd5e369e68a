//! Expressions to SQL, with every type checked.
//!
//! What a person wrote reaches SQL as a number that we print, a text parameter, or a column that
//! the universe names; never as text.

use super::names::{Kind, Named, spelled};
use super::scope::Scope;
use crate::error::Result;
use crate::registry::Registry;
use elqui_butler::expression::{Arithmetic, Compare, Expr, ExpressionError, Node};
use elqui_butler::mjd_to_ns;
use elqui_sql::SqlValue;

/// An expression on its way to SQL.
pub(crate) struct Compiler<'a, 'b> {
    pub registry: &'a mut Registry,
    pub scope: &'a mut Scope<'b>,
    pub text: &'a str,
    pub params: Vec<SqlValue>,
    /// Column of the datasets' times of ingest, where there are datasets.
    pub ingest: Option<&'static str>,
    /// A dimension for which another column stands in.
    pub instead: Option<(String, String)>,
}

impl Compiler<'_, '_> {
    pub(super) fn wrong<T>(&self, at: usize, why: impl Into<String>) -> Result<T> {
        Err(ExpressionError::new(self.text, at, why).into())
    }

    /// A condition.
    pub fn condition(&mut self, node: &Node) -> Result<String> {
        Ok(match &node.expr {
            Expr::And(all) => self.joined(all, " AND ")?,
            Expr::Or(all) => self.joined(all, " OR ")?,
            Expr::Not(inner) => format!("NOT ({})", self.condition(inner)?),
            Expr::Compare(sign, a, b) => self.compare(node.at, *sign, a, b)?,
            Expr::In(a, items, not) => self.is_in(node.at, a, items, *not)?,
            Expr::Glob(a, pattern, not) => self.glob(node.at, a, pattern, *not)?,
            Expr::Overlaps(a, b) => self.overlaps(node.at, a, b)?,
            Expr::IsNull(a, not) => {
                let (sql, _) = self.value(a)?;
                format!("{sql} IS {}NULL", if *not { "NOT " } else { "" })
            }
            _ => {
                let (_, kind) = self.value(node)?;
                let why = format!("a condition is expected; this is {}", kind.prose());
                return self.wrong(node.at, why);
            }
        })
    }

    fn joined(&mut self, all: &[Node], word: &str) -> Result<String> {
        let terms = all.iter().map(|n| self.condition(n)).collect::<Result<Vec<_>>>()?;
        Ok(balanced(&terms, word))
    }

    pub(super) fn value(&mut self, node: &Node) -> Result<(String, Kind)> {
        Ok(match &node.expr {
            Expr::Int(v) => (v.to_string(), Kind::Int),
            Expr::Real(v) => (format!("{v:e}"), Kind::Real),
            Expr::Time(v) => (v.to_string(), Kind::Time),
            Expr::Text(v) => {
                self.params.push(v.into());
                ("CAST(? AS TEXT)".to_string(), Kind::Text)
            }
            Expr::Name(name) => match self.named(node.at, name)? {
                Named::Column(sql, kind) => (sql, kind),
                Named::Span(..) => {
                    return self.wrong(node.at, "a timespan goes with OVERLAPS only");
                }
                Named::Region => return self.wrong(node.at, "a region goes with OVERLAPS only"),
            },
            Expr::Negate(a) => {
                let (sql, kind) = self.number(a)?;
                (format!("(-{sql})"), kind)
            }
            Expr::Math(sign, a, b) => {
                let ((a, ka), (b, kb)) = (self.number(a)?, self.number(b)?);
                let kind = if (ka, kb) == (Kind::Int, Kind::Int) { Kind::Int } else { Kind::Real };
                match sign {
                    Arithmetic::Add => (format!("({a} + {b})"), kind),
                    Arithmetic::Sub => (format!("({a} - {b})"), kind),
                    Arithmetic::Mul => (format!("({a} * {b})"), kind),
                    // Division by zero is unknown, in both engines.
                    Arithmetic::Div => (format!("({a} / NULLIF({b}, 0))"), kind),
                    Arithmetic::Mod if kind == Kind::Int => {
                        (format!("({a} % NULLIF({b}, 0))"), kind)
                    }
                    Arithmetic::Mod => return self.wrong(node.at, "% is of whole numbers"),
                }
            }
            Expr::Timespan(..) => return self.wrong(node.at, "a timespan goes with OVERLAPS only"),
            Expr::Region(_) => return self.wrong(node.at, "a region goes with OVERLAPS only"),
            _ => (format!("({})", self.condition(node)?), Kind::Bool),
        })
    }

    fn number(&mut self, node: &Node) -> Result<(String, Kind)> {
        let (sql, kind) = self.value(node)?;
        if matches!(kind, Kind::Int | Kind::Real) {
            return Ok((sql, kind));
        }
        self.wrong(node.at, format!("a number is expected; this is {}", kind.prose()))
    }

    fn compare(&mut self, at: usize, sign: Compare, a: &Node, b: &Node) -> Result<String> {
        let (word, turned) = match sign {
            Compare::Eq => ("=", "="),
            Compare::Ne => ("!=", "!="),
            Compare::Lt => ("<", ">"),
            Compare::Le => ("<=", ">="),
            Compare::Gt => (">", "<"),
            Compare::Ge => (">=", "<="),
        };
        // A text column against a literal, either way round.
        let equal = matches!(sign, Compare::Eq | Compare::Ne);
        match (&a.expr, &b.expr) {
            (Expr::Name(_), Expr::Text(text)) if equal => {
                if let Some(sql) = self.word_equals(a, word, text)? {
                    return Ok(sql);
                }
            }
            (Expr::Text(text), Expr::Name(_)) if equal => {
                if let Some(sql) = self.word_equals(b, turned, text)? {
                    return Ok(sql);
                }
            }
            _ => {}
        }
        let ((sa, ka), (sb, kb)) = (self.value(a)?, self.value(b)?);
        if ka == Kind::Word && kb == Kind::Word && equal {
            return Ok(format!("{sa} {word} {sb}"));
        }
        let number = |k| matches!(k, Kind::Int | Kind::Real);
        let text = |k| matches!(k, Kind::Text | Kind::Word);
        let (sa, sb) = match (ka, kb) {
            (Kind::Time, k) if number(k) => (sa, self.as_time(b, sb)?),
            (k, Kind::Time) if number(k) => (self.as_time(a, sa)?, sb),
            _ => (spelled(sa, ka), spelled(sb, kb)),
        };
        let fits = ka == kb || (number(ka) && number(kb)) || (text(ka) && text(kb));
        let dated = (ka == Kind::Time && number(kb)) || (kb == Kind::Time && number(ka));
        if !fits && !dated {
            let why = format!("{} is compared with {}", ka.prose(), kb.prose());
            return self.wrong(at, why);
        }
        Ok(format!("{sa} {word} {sb}"))
    }

    /// A number beside a time is an MJD, TAI.
    pub(super) fn as_time(&self, node: &Node, _sql: String) -> Result<String> {
        let mjd = match node.expr {
            Expr::Int(v) => v as f64,
            Expr::Real(v) => v,
            _ => return self.wrong(node.at, "a time is compared with a time or an MJD"),
        };
        if !(-60_000.0..140_000.0).contains(&mjd) {
            return self.wrong(node.at, format!("{mjd} is no MJD of a night"));
        }
        Ok(mjd_to_ns(elqui_base::MjdTai(mjd)).to_string())
    }

    fn word_equals(&mut self, name: &Node, sign: &str, text: &str) -> Result<Option<String>> {
        let (sql, kind) = self.value(name)?;
        if kind != Kind::Word {
            return Ok(None);
        }
        let id = self.registry.word(text)?.unwrap_or(-1);
        Ok(Some(format!("{sql} {sign} {id}")))
    }
}

/// Many terms as a tree that is no deeper than it must be: engines bound the depth.
pub(super) fn balanced(terms: &[String], word: &str) -> String {
    const TERMS_MAX: usize = 16;
    if terms.len() <= TERMS_MAX {
        return format!("({})", terms.join(word));
    }
    let (left, right) = terms.split_at(terms.len() / 2);
    format!("({}{word}{})", balanced(left, word), balanced(right, word))
}
