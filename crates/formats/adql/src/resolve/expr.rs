//! Types, units and meanings of expressions.

use super::{Resolver, Scope, alike, find_source, no_source};
use crate::catalog::ColumnInfo;
use crate::error::{AdqlError, At, did_you_mean};
use crate::geometry;
use crate::tree::*;
use crate::types::Type;

pub(super) fn plain(ty: Type) -> ColumnInfo {
    ColumnInfo { ty, ..ColumnInfo::default() }
}

impl Resolver<'_> {
    /// Resolve an expression; gives what is known of its values.
    pub(super) fn expr(&mut self, e: &mut Expr) -> Result<ColumnInfo, AdqlError> {
        let at = e.at;
        if let Kind::Column(_) = e.kind {
            return self.column(e);
        }
        let info = match &mut e.kind {
            Kind::Column(_) | Kind::Null => plain(Type::Any),
            Kind::Bool(_) => plain(Type::Boolean),
            Kind::Number(text) => plain(match text.parse::<i64>() {
                Ok(n) if i32::try_from(n).is_ok() => Type::Integer,
                Ok(_) => Type::Bigint,
                Err(_) => Type::Double,
            }),
            Kind::Hex(_) => plain(Type::Bigint),
            Kind::Text(_) => plain(Type::Varchar),
            Kind::Timestamp(_) => plain(Type::Timestamp),
            Kind::Minus(x) => self.number(x)?,
            Kind::Binary { op: Op::Concat, left, right } => {
                self.text(left)?;
                self.text(right)?;
                plain(Type::Varchar)
            }
            Kind::Binary { op, left, right } => {
                let (a, b) = (self.number(left)?, self.number(right)?);
                let ty = a.ty.wider(b.ty);
                // A number by itself is in the unit of what it is added to.
                let bare = |e: &Expr| geometry::number(e).is_some();
                let unit = match op {
                    Op::Add | Op::Subtract if a.unit == b.unit || bare(right) => a.unit,
                    Op::Add | Op::Subtract if bare(left) => b.unit,
                    _ => String::new(),
                };
                ColumnInfo { unit, ..plain(ty) }
            }
            Kind::Compare { left, right, .. } => {
                let (a, b) = (self.expr(left)?, self.expr(right)?);
                comparable(&a, &b, right.at)?;
                plain(Type::Boolean)
            }
            Kind::And(parts) | Kind::Or(parts) => {
                parts.iter_mut().try_for_each(|p| self.condition(p))?;
                plain(Type::Boolean)
            }
            Kind::Not(x) => {
                self.condition(x)?;
                plain(Type::Boolean)
            }
            Kind::Between { expr, low, high, .. } => {
                let a = self.expr(expr)?;
                for side in [low, high] {
                    let b = self.expr(side)?;
                    comparable(&a, &b, side.at)?;
                }
                plain(Type::Boolean)
            }
            Kind::InList { expr, list, .. } => {
                let a = self.expr(expr)?;
                for item in list {
                    let b = self.expr(item)?;
                    comparable(&a, &b, item.at)?;
                }
                plain(Type::Boolean)
            }
            Kind::InQuery { expr, query, .. } => {
                let a = self.expr(expr)?;
                let b = self.one_column(query, at)?;
                comparable(&a, &b, at)?;
                plain(Type::Boolean)
            }
            Kind::Like { expr, pattern, .. } => {
                self.text(expr)?;
                self.text(pattern)?;
                plain(Type::Boolean)
            }
            Kind::IsNull { expr, .. } => {
                self.expr(expr)?;
                plain(Type::Boolean)
            }
            Kind::Exists(query) => {
                self.inner(query)?;
                plain(Type::Boolean)
            }
            Kind::Subquery(query) => self.one_column(query, at)?,
            Kind::Cast { expr, target, .. } => {
                let a = self.expr(expr)?;
                let bad = match *target {
                    Type::Timestamp => !(a.ty.is_text() || a.ty == Type::Timestamp),
                    t if t.is_geometry() => !(a.ty.is_text() || a.ty.is_geometry()),
                    t if t.is_number() => !(a.ty.is_number() || a.ty.is_text()),
                    _ => false,
                };
                if bad {
                    let expected = format!("a value that CAST can make a {target}");
                    return Err(AdqlError::Type { at, expected, found: a.ty.to_string() });
                }
                let target = *target;
                if let (true, Kind::Text(text)) = (target.is_geometry(), &expr.kind) {
                    let made = geometry::from_dali(target, text, expr.at)?;
                    *e = Expr { at, ..made };
                }
                e.ty = target;
                if !target.is_geometry() {
                    return Ok(ColumnInfo { ty: target, ..a });
                }
                let ucd = if target == Type::Point { "pos" } else { "" };
                let unit = if target == Type::Region { "" } else { "deg" };
                return Ok(ColumnInfo { unit: unit.into(), ucd: ucd.into(), ..plain(target) });
            }
            Kind::Case { operand, whens, otherwise } => {
                let on = operand.as_mut().map(|o| self.expr(o)).transpose()?;
                let mut out = plain(Type::Any);
                for (when, then) in whens {
                    match &on {
                        Some(a) => {
                            let b = self.expr(when)?;
                            comparable(a, &b, when.at)?;
                        }
                        None => self.condition(when)?,
                    }
                    out.ty = out.ty.wider(self.expr(then)?.ty);
                }
                if let Some(other) = otherwise {
                    out.ty = out.ty.wider(self.expr(other)?.ty);
                }
                out
            }
            Kind::Call(call) => self.call(call, at)?,
            Kind::Spatial { plain, .. } => self.expr(plain)?,
        };
        e.ty = info.ty;
        Ok(info)
    }

    /// What stands after WHERE, ON, HAVING, AND, OR and NOT.
    pub(super) fn condition(&mut self, e: &mut Expr) -> Result<(), AdqlError> {
        self.complete(e)?;
        let info = self.expr(e)?;
        if info.ty == Type::Boolean || info.ty == Type::Any {
            return Ok(());
        }
        let geometry =
            matches!(&e.kind, Kind::Call(c) if c.name == "contains" || c.name == "intersects");
        let expected = match geometry {
            true => "a comparison with 1, as in 1 = CONTAINS(...),",
            false => "a condition",
        };
        Err(AdqlError::Type { at: e.at, expected: expected.into(), found: info.ty.to_string() })
    }

    fn number(&mut self, e: &mut Expr) -> Result<ColumnInfo, AdqlError> {
        let info = self.expr(e)?;
        // Differences of times are the engine's.
        if info.ty.is_number() || info.ty == Type::Timestamp {
            return Ok(info);
        }
        Err(AdqlError::Type { at: e.at, expected: "a number".into(), found: info.ty.to_string() })
    }

    fn text(&mut self, e: &mut Expr) -> Result<ColumnInfo, AdqlError> {
        let info = self.expr(e)?;
        if info.ty.is_text() {
            return Ok(info);
        }
        Err(AdqlError::Type { at: e.at, expected: "a text".into(), found: info.ty.to_string() })
    }

    fn inner(&mut self, query: &mut Query) -> Result<Vec<ColumnInfo>, AdqlError> {
        let before = std::mem::replace(&mut self.aggregates, true);
        let columns = self.query(query);
        self.aggregates = before;
        columns
    }

    fn one_column(&mut self, query: &mut Query, at: At) -> Result<ColumnInfo, AdqlError> {
        let mut columns = self.inner(query)?;
        match (columns.pop(), columns.is_empty()) {
            (Some(one), true) => Ok(one),
            _ => Err(AdqlError::Type {
                at,
                expected: "a subquery with one column".into(),
                found: format!("a table of {} columns", columns.len() + 1),
            }),
        }
    }

    fn column(&mut self, e: &mut Expr) -> Result<ColumnInfo, AdqlError> {
        let at = e.at;
        let Kind::Column(reference) = &mut e.kind else { return Ok(ColumnInfo::default()) };
        for outer in 0..self.scopes.len() {
            let scope = &self.scopes[self.scopes.len() - 1 - outer];
            if let Some((meant, info, instead)) = look(scope, reference, at)? {
                reference.meant = meant.map(|m| Meant { outer, ..m });
                if let Some(instead) = instead {
                    *e = instead;
                }
                e.ty = info.ty;
                return Ok(info);
            }
        }
        let sources = self.scopes.last().map_or(&[][..], |s| &s.sources);
        if !reference.qualifier.is_empty() && find_source(sources, &reference.qualifier)?.is_none()
        {
            return Err(no_source(sources, &reference.qualifier));
        }
        let owner = find_source(sources, &reference.qualifier)?;
        let columns = sources
            .iter()
            .filter(|s| owner.is_none_or(|o| o.label == s.label))
            .flat_map(|s| s.columns.iter().map(|c| c.name.as_str()));
        let same = columns.clone().find(|c| c.eq_ignore_ascii_case(&reference.name.text));
        let hint = match same {
            Some(c) => format!("; in double quotes capitals matter, it is \"{c}\""),
            None => did_you_mean(&reference.name.text, columns),
        };
        Err(AdqlError::Unknown { at, what: "column", name: reference.name.text.clone(), hint })
    }
}

type Found = Option<(Option<Meant>, ColumnInfo, Option<Expr>)>;

/// A column in one scope; the third is what stands for the name of a result.
fn look(scope: &Scope, reference: &ColumnRef, at: At) -> Result<Found, AdqlError> {
    let name = &reference.name;
    let meant = |table: Option<&str>, c: &ColumnInfo| {
        let table = table.map(ToString::to_string);
        (Some(Meant { table, column: c.name.clone(), outer: 0 }), c.clone(), None)
    };
    if !reference.qualifier.is_empty() {
        let Some(source) = find_source(&scope.sources, &reference.qualifier)? else {
            return Ok(None);
        };
        let exact = source.columns.iter().find(|c| c.name == name.text);
        let found = exact.or_else(|| source.columns.iter().find(|c| name.means(&c.name)));
        return Ok(found.map(|c| meant(Some(&source.label), c)));
    }
    if scope.ordering
        && let Some((_, _, info)) = scope.results.iter().find(|(n, ..)| name.means(n))
    {
        return Ok(Some(meant(None, info)));
    }
    if let Some(c) = scope.merged.iter().find(|c| name.means(&c.name)) {
        return Ok(Some(meant(None, c)));
    }
    let mut found = Vec::new();
    for s in &scope.sources {
        let exact = s.columns.iter().find(|c| c.name == name.text);
        if let Some(c) = exact.or_else(|| s.columns.iter().find(|c| name.means(&c.name))) {
            found.push((s, c));
        }
    }
    let result = scope.results_seen.then(|| scope.results.iter().find(|(n, ..)| name.means(n)));
    match (found.as_slice(), result.flatten()) {
        ([(s, c)], _) => Ok(Some(meant(Some(&s.label), c))),
        ([], None) => Ok(None),
        (_, Some((_, expr, info))) => {
            Ok(Some((None, info.clone(), Some(Expr { at, ..expr.clone() }))))
        }
        (several, None) => {
            let say = several.iter().map(|(s, c)| format!("{}.{}", s.label, c.name));
            Err(AdqlError::Ambiguous {
                at,
                name: name.text.clone(),
                candidates: say.collect::<Vec<_>>().join(" or "),
            })
        }
    }
}

fn comparable(a: &ColumnInfo, b: &ColumnInfo, at: At) -> Result<(), AdqlError> {
    // A time is compared with a text that holds one.
    let time = |x: Type, y: Type| x == Type::Timestamp && (y.is_text() || y == Type::Timestamp);
    if alike(a.ty, b.ty) || time(a.ty, b.ty) || time(b.ty, a.ty) {
        return Ok(());
    }
    let expected = format!("a value to compare with {}", a.ty);
    Err(AdqlError::Type { at, expected, found: b.ty.to_string() })
}
