//! Expressions.

use super::{Render, Sky};
use crate::error::AdqlError;
use crate::geometry;
use crate::spatial::{self, Position, Predicate};
use crate::tree::*;
use crate::types::Type;

impl Render<'_> {
    /// In parentheses unless it is one word or one call.
    fn sub(&self, e: &Expr) -> Result<String, AdqlError> {
        let text = self.expr(e)?;
        let whole = matches!(
            &e.kind,
            Kind::Null
                | Kind::Bool(_)
                | Kind::Number(_)
                | Kind::Hex(_)
                | Kind::Text(_)
                | Kind::Timestamp(_)
                | Kind::Column(_)
                | Kind::Cast { .. }
                | Kind::Call(_)
                | Kind::Binary { .. }
                | Kind::Minus(_)
                | Kind::Case { .. }
                | Kind::Subquery(_)
        );
        Ok(if whole { text } else { format!("({text})") })
    }

    fn lacks<T>(&self, e: &Expr, what: impl Into<String>) -> Result<T, AdqlError> {
        Err(AdqlError::Engine { at: e.at, engine: self.engine.name(), what: what.into() })
    }

    pub(crate) fn expr(&self, e: &Expr) -> Result<String, AdqlError> {
        let not = |negated: bool| if negated { "NOT " } else { "" };
        Ok(match &e.kind {
            Kind::Null => "NULL".into(),
            Kind::Bool(b) => if *b { "TRUE" } else { "FALSE" }.into(),
            Kind::Number(text) => text.clone(),
            Kind::Hex(n) => self.engine.hex(*n),
            Kind::Text(text) => self.engine.text(text),
            Kind::Timestamp(text) => self.engine.timestamp(text),
            Kind::Column(c) => match &c.meant {
                Some(Meant { table: Some(t), column, .. }) => {
                    format!("{}.{}", self.engine.ident(t), self.engine.ident(column))
                }
                Some(m) => self.engine.ident(&m.column),
                None => self.engine.ident(&c.name.text),
            },
            // Two signs in a row would be a comment.
            Kind::Minus(x) => format!("(- {})", self.sub(x)?),
            Kind::Binary { op, left, right } => {
                let (mut a, b) = (self.sub(left)?, self.sub(right)?);
                // A chain of one kind stays flat: engines bound the nesting too.
                let flat = match &left.kind {
                    Kind::Binary { op: inner, .. } => match op {
                        Op::Add | Op::Subtract => matches!(inner, Op::Add | Op::Subtract),
                        Op::Multiply | Op::Concat => inner == op,
                        Op::Divide | Op::Modulo => false,
                    },
                    _ => false,
                };
                if flat && a.starts_with('(') && a.ends_with(')') {
                    a = a[1..a.len() - 1].to_string();
                }
                let word = match op {
                    Op::Add => "+",
                    Op::Subtract => "-",
                    Op::Multiply => "*",
                    Op::Modulo => "%",
                    Op::Concat => "||",
                    Op::Divide => {
                        let whole = left.ty.is_integer() && right.ty.is_integer();
                        return Ok(self.engine.divide(&a, &b, whole));
                    }
                };
                format!("({a} {word} {b})")
            }
            // Found outside of WHERE and ON too: in CASE, results, HAVING.
            Kind::Compare { op, left, right } => {
                if let Some((predicate, negated)) = spatial::recognise(e)
                    && let Some(text) = self.predicate(&predicate)?
                {
                    return Ok(if negated { format!("NOT ({text})") } else { text });
                }
                let word = match op {
                    Cmp::Eq => "=",
                    Cmp::Ne => "<>",
                    Cmp::Lt => "<",
                    Cmp::Le => "<=",
                    Cmp::Gt => ">",
                    Cmp::Ge => ">=",
                };
                // Flags are compared with 0 and 1.
                let flag = |e: &Expr, other: &Expr| {
                    let text = self.sub(e)?;
                    let counted = e.ty == Type::Boolean
                        && other.ty.is_number()
                        && !matches!(other.ty, Type::Boolean | Type::Any);
                    Ok::<_, AdqlError>(if counted { self.engine.flag(&text) } else { text })
                };
                format!("{} {word} {}", flag(left, right)?, flag(right, left)?)
            }
            Kind::And(parts) => self.parts(parts)?.join(" AND "),
            Kind::Or(parts) => self.parts(parts)?.join(" OR "),
            Kind::Not(x) => format!("NOT {}", self.sub(x)?),
            Kind::Between { expr, low, high, negated } => format!(
                "{} {}BETWEEN {} AND {}",
                self.sub(expr)?,
                not(*negated),
                self.sub(low)?,
                self.sub(high)?
            ),
            Kind::InList { expr, list, negated } => {
                let list = self.parts(list)?.join(", ");
                format!("{} {}IN ({list})", self.sub(expr)?, not(*negated))
            }
            Kind::InQuery { expr, query, negated } => {
                format!("{} {}IN ({})", self.sub(expr)?, not(*negated), self.query(query)?)
            }
            Kind::Like { expr, pattern, any_case, negated, escape } => {
                let (a, b) = (self.sub(expr)?, self.sub(pattern)?);
                let text = match any_case {
                    true => self.engine.ilike(&a, &b, *negated),
                    false => format!("{a} {}LIKE {b}", not(*negated)),
                };
                match escape {
                    Some(c) => format!("{text} ESCAPE {}", self.engine.text(&c.to_string())),
                    None => text,
                }
            }
            Kind::IsNull { expr, negated } => {
                format!("{} IS {}NULL", self.sub(expr)?, not(*negated))
            }
            Kind::Exists(q) => format!("EXISTS ({})", self.query(q)?),
            Kind::Subquery(q) => format!("({})", self.query(q)?),
            Kind::Cast { expr, target, length } => {
                let value = self.expr(expr)?;
                match self.engine.cast(&value, *target, *length) {
                    Some(text) => text,
                    None => return self.lacks(e, format!("type {target}")),
                }
            }
            Kind::Case { operand, whens, otherwise } => {
                let mut out = String::from("(CASE");
                if let Some(o) = operand {
                    out += &format!(" {}", self.sub(o)?);
                }
                for (when, then) in whens {
                    out += &format!(" WHEN {} THEN {}", self.expr(when)?, self.sub(then)?);
                }
                if let Some(o) = otherwise {
                    out += &format!(" ELSE {}", self.sub(o)?);
                }
                out + " END)"
            }
            Kind::Call(c) => self.call(e, c)?,
            Kind::Spatial { term, plain } => self.spatial(*term, plain)?,
        })
    }

    fn parts(&self, parts: &[Expr]) -> Result<Vec<String>, AdqlError> {
        parts.iter().map(|p| self.sub(p)).collect()
    }

    fn call(&self, e: &Expr, c: &Call) -> Result<String, AdqlError> {
        // The value of a predicate: 1 or 0, and NULL where the engine has one.
        if let Some((predicate, _)) = spatial::recognise(e)
            && let Some(text) = self.predicate(&predicate)?
        {
            return Ok(format!("CAST({text} AS INTEGER)"));
        }
        if c.star {
            return Ok("count(*)".into());
        }
        if self.engine.folds()
            && let Some(value) = geometry::fold(c)
        {
            return Ok(value);
        }
        let mut args = Vec::with_capacity(c.args.len());
        for arg in &c.args {
            args.push(self.sub(arg)?);
        }
        if c.distinct
            && let Some(first) = args.first_mut()
        {
            *first = format!("DISTINCT {first}");
        }
        // A frame that is not there is the house's own.
        if c.name == "coordsys" {
            let frame = match c.args.first().map(|a| &a.kind) {
                Some(Kind::Call(Call { frame: Some(f), .. })) if !f.is_empty() => f.as_str(),
                _ => "ICRS",
            };
            return Ok(self.engine.text(frame));
        }
        match self.engine.call(&c.name, &args) {
            Some(text) => Ok(text),
            None => self.lacks(e, format!("function {}", c.name.to_uppercase())),
        }
    }

    fn spatial(&self, term: usize, plain: &Expr) -> Result<String, AdqlError> {
        let Some(term) = self.checked.terms.get(term) else { return self.expr(plain) };
        Ok(match self.predicate(&term.predicate)? {
            Some(text) if term.negated => format!("NOT ({text})"),
            Some(text) => text,
            None => self.expr(plain)?,
        })
    }

    /// A predicate in the engine's own words, where it has some.
    fn predicate(&self, predicate: &Predicate) -> Result<Option<String>, AdqlError> {
        Ok(match predicate {
            Predicate::InRegion { position, region, inclusive } => {
                let (ra, dec) = self.position(position)?;
                self.engine.sky(&Sky::InRegion { ra, dec, region, inclusive: *inclusive })
            }
            Predicate::Near { a, b, radius_deg, inclusive } => {
                let radius = self.sub(radius_deg)?;
                let (a, b) = (self.position(a)?, self.position(b)?);
                self.engine.sky(&Sky::Near { a, b, radius, inclusive: *inclusive })
            }
            _ => None,
        })
    }

    fn position(&self, p: &Position) -> Result<(String, String), AdqlError> {
        match p {
            Position::Constant { ra, dec } => Ok((format!("{ra:?}"), format!("{dec:?}"))),
            Position::Pair { ra, dec } => Ok((self.sub(ra)?, self.sub(dec)?)),
            Position::Point(e) => {
                let value = [self.sub(e)?];
                let part = |name| match self.engine.call(name, &value) {
                    Some(text) => Ok(text),
                    None => self.lacks(e, "values of type POINT"),
                };
                Ok((part("coord1")?, part("coord2")?))
            }
        }
    }
}
