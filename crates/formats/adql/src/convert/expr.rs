//! Expressions and conditions.

use super::{Convert, refuse};
use crate::error::{AdqlError, At};
use crate::lex::at;
use crate::tree::*;
use crate::types::Type;
use crate::words;
use sqlparser::ast::{self, BinaryOperator as B, Spanned};

impl Convert {
    fn boxed(&mut self, e: Box<ast::Expr>) -> Result<Box<Expr>, AdqlError> {
        Ok(Box::new(self.expr(*e)?))
    }

    fn list(&mut self, list: Vec<ast::Expr>) -> Result<Vec<Expr>, AdqlError> {
        list.into_iter().map(|e| self.expr(e)).collect()
    }

    pub(super) fn expr(&mut self, e: ast::Expr) -> Result<Expr, AdqlError> {
        if let ast::Expr::BinaryOp { .. } = e {
            return self.binary(e);
        }
        let place = at(first_span(&e));
        let kind = match e {
            // Parentheses are in the shape of the tree.
            ast::Expr::Nested(inner) => return self.expr(*inner),
            ast::Expr::Identifier(i) => {
                let name = self.name(i)?;
                Kind::Column(ColumnRef { qualifier: Vec::new(), name, meant: None })
            }
            ast::Expr::CompoundIdentifier(parts) => {
                let mut names =
                    parts.into_iter().map(|i| self.name(i)).collect::<Result<Vec<_>, _>>()?;
                match names.pop() {
                    Some(name) if names.len() <= 3 => {
                        Kind::Column(ColumnRef { qualifier: names, name, meant: None })
                    }
                    _ => return refuse(place, "this name", "catalog.schema.table.column"),
                }
            }
            ast::Expr::Value(v) => value(v.value, place)?,
            ast::Expr::TypedString(ast::TypedString { data_type, value, .. }) => {
                match (data_type, value.value) {
                    (
                        ast::DataType::Timestamp(None, ast::TimezoneInfo::None),
                        ast::Value::SingleQuotedString(text),
                    ) => Kind::Timestamp(timestamp(text, place)?),
                    _ => return refuse(place, "this literal", "TIMESTAMP '2026-01-01T00:00:00'"),
                }
            }
            ast::Expr::UnaryOp { op, expr } => match op {
                ast::UnaryOperator::Plus => return self.expr(*expr),
                ast::UnaryOperator::Minus => Kind::Minus(self.boxed(expr)?),
                ast::UnaryOperator::Not => Kind::Not(self.boxed(expr)?),
                _ => return refuse(place, format!("`{op}`"), "there are +, - and NOT"),
            },
            ast::Expr::IsNull(expr) => Kind::IsNull { expr: self.boxed(expr)?, negated: false },
            ast::Expr::IsNotNull(expr) => Kind::IsNull { expr: self.boxed(expr)?, negated: true },
            ast::Expr::Between { expr, negated, low, high } => Kind::Between {
                expr: self.boxed(expr)?,
                low: self.boxed(low)?,
                high: self.boxed(high)?,
                negated,
            },
            ast::Expr::InList { expr, list, negated } => {
                Kind::InList { expr: self.boxed(expr)?, list: self.list(list)?, negated }
            }
            ast::Expr::InSubquery { expr, subquery, negated } => Kind::InQuery {
                expr: self.boxed(expr)?,
                query: Box::new(self.query(*subquery, false)?),
                negated,
            },
            ast::Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like(expr, pattern, escape_char, negated, false, place)?
            }
            ast::Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like(expr, pattern, escape_char, negated, true, place)?
            }
            ast::Expr::Exists { subquery, negated } => {
                let exists = Kind::Exists(Box::new(self.query(*subquery, false)?));
                if !negated {
                    exists
                } else {
                    Kind::Not(Box::new(Expr { at: place, kind: exists, ty: Type::Boolean }))
                }
            }
            ast::Expr::Subquery(query) => Kind::Subquery(Box::new(self.query(*query, false)?)),
            ast::Expr::Cast {
                kind: ast::CastKind::Cast,
                expr,
                data_type,
                array: false,
                format: None,
            } => {
                let (target, length) = cast_target(&data_type, place)?;
                Kind::Cast { expr: self.boxed(expr)?, target, length }
            }
            ast::Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                Kind::Case {
                    operand: operand.map(|e| self.boxed(e)).transpose()?,
                    whens: conditions
                        .into_iter()
                        .map(|ast::CaseWhen { condition, result }| {
                            Ok((self.expr(condition)?, self.expr(result)?))
                        })
                        .collect::<Result<_, AdqlError>>()?,
                    otherwise: else_result.map(|e| self.boxed(e)).transpose()?,
                }
            }
            ast::Expr::Function(f) => self.call(f, place)?,
            other => {
                let text: String = other.to_string().chars().take(40).collect();
                return refuse(place, format!("`{text}`"), "see the grammar of ADQL 2.1");
            }
        };
        Ok(Expr { at: place, kind, ty: Type::Any })
    }

    /// Chains of operators lean to the left as deep as they are long: they are walked, not entered.
    fn binary(&mut self, e: ast::Expr) -> Result<Expr, AdqlError> {
        let mut spine = Vec::new();
        let mut left = e;
        while let ast::Expr::BinaryOp { left: l, op, right } = left {
            spine.push((op, right));
            left = *l;
        }
        let mut made = self.expr(left)?;
        while let Some((op, right)) = spine.pop() {
            let right = self.expr(*right)?;
            made = join(made, op, right)?;
        }
        Ok(made)
    }

    fn like(
        &mut self,
        expr: Box<ast::Expr>,
        pattern: Box<ast::Expr>,
        escape: Option<ast::ValueWithSpan>,
        negated: bool,
        any_case: bool,
        place: At,
    ) -> Result<Kind, AdqlError> {
        let escape = match escape.map(|v| v.value) {
            None => None,
            Some(ast::Value::SingleQuotedString(s)) if s.chars().count() == 1 => s.chars().next(),
            Some(_) => return refuse(place, "this ESCAPE", "it is one character in quotes"),
        };
        let (expr, pattern) = (self.boxed(expr)?, self.boxed(pattern)?);
        Ok(Kind::Like { expr, pattern, any_case, negated, escape })
    }

    fn call(&mut self, f: ast::Function, place: At) -> Result<Kind, AdqlError> {
        let ast::Function {
            name,
            uses_odbc_syntax,
            parameters,
            args,
            filter,
            null_treatment,
            over,
            within_group,
        } = f;
        let name = name.to_string();
        if over.is_some() {
            return refuse(place, "OVER", words::remedy("OVER").unwrap_or_default());
        }
        if uses_odbc_syntax
            || filter.is_some()
            || null_treatment.is_some()
            || !within_group.is_empty()
            || !matches!(parameters, ast::FunctionArguments::None)
        {
            return refuse(place, format!("this call of {name}"), "it reads: name(arguments)");
        }
        if name.contains('"') || name.contains('.') {
            return refuse(place, format!("`{name}`"), "a function is named by one plain word");
        }
        let ast::FunctionArguments::List(ast::FunctionArgumentList {
            duplicate_treatment,
            args,
            clauses,
        }) = args
        else {
            return refuse(place, format!("this call of {name}"), "it reads: name(arguments)");
        };
        if !clauses.is_empty() {
            return refuse(place, format!("this call of {name}"), "it reads: name(arguments)");
        }
        let (mut exprs, mut star) = (Vec::new(), false);
        for arg in args {
            match arg {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(e)) => {
                    exprs.push(self.expr(e)?)
                }
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Wildcard) => star = true,
                other => {
                    return refuse(place, format!("the argument `{other}`"), "give a value");
                }
            }
        }
        Ok(Kind::Call(Call {
            name: name.to_ascii_lowercase(),
            args: exprs,
            distinct: duplicate_treatment == Some(ast::DuplicateTreatment::Distinct),
            star,
            frame: None,
        }))
    }
}

/// Where an expression starts, without a walk of all of it.
pub(super) fn first_span(e: &ast::Expr) -> sqlparser::tokenizer::Location {
    let mut e = e;
    loop {
        e = match e {
            ast::Expr::BinaryOp { left, .. } => left,
            ast::Expr::InList { expr, .. }
            | ast::Expr::InSubquery { expr, .. }
            | ast::Expr::Between { expr, .. }
            | ast::Expr::Like { expr, .. }
            | ast::Expr::ILike { expr, .. }
            | ast::Expr::IsNull(expr)
            | ast::Expr::IsNotNull(expr) => expr,
            ast::Expr::UnaryOp { expr, .. }
            | ast::Expr::Nested(expr)
            | ast::Expr::Cast { expr, .. } => expr,
            ast::Expr::Exists { subquery: q, .. } | ast::Expr::Subquery(q) => {
                return super::body_start(&q.body);
            }
            ast::Expr::Case { case_token, .. } => return case_token.0.span.start,
            ast::Expr::Function(f) => return f.name.span().start,
            other => return other.span().start,
        }
    }
}

fn join(left: Expr, op: B, right: Expr) -> Result<Expr, AdqlError> {
    let place = left.at;
    let (l, r) = (Box::new(left), Box::new(right));
    let arithmetic = |op| move |left, right| Kind::Binary { op, left, right };
    let compare = |op| move |left, right| Kind::Compare { op, left, right };
    let kind = match op {
        B::Plus => arithmetic(Op::Add)(l, r),
        B::Minus => arithmetic(Op::Subtract)(l, r),
        B::Multiply => arithmetic(Op::Multiply)(l, r),
        B::Divide => arithmetic(Op::Divide)(l, r),
        B::Modulo => arithmetic(Op::Modulo)(l, r),
        B::StringConcat => arithmetic(Op::Concat)(l, r),
        B::Eq => compare(Cmp::Eq)(l, r),
        B::NotEq => compare(Cmp::Ne)(l, r),
        B::Lt => compare(Cmp::Lt)(l, r),
        B::LtEq => compare(Cmp::Le)(l, r),
        B::Gt => compare(Cmp::Gt)(l, r),
        B::GtEq => compare(Cmp::Ge)(l, r),
        B::And | B::Or => {
            let mut parts = match (l.kind, op == B::And) {
                (Kind::And(parts), true) | (Kind::Or(parts), false) => parts,
                (kind, _) => vec![Expr { kind, ..*l }],
            };
            parts.push(*r);
            if op == B::And { Kind::And(parts) } else { Kind::Or(parts) }
        }
        other => {
            return refuse(place, format!("`{other}`"), "there are + - * / % || and comparisons");
        }
    };
    Ok(Expr { at: place, kind, ty: Type::Any })
}

fn value(v: ast::Value, place: At) -> Result<Kind, AdqlError> {
    match v {
        ast::Value::Number(text, false) => match text.parse::<f64>() {
            Ok(x) if x.is_finite() => Ok(Kind::Number(text)),
            _ => refuse(place, format!("`{text}`"), "numbers end below 1.8e308"),
        },
        ast::Value::SingleQuotedString(text) => Ok(Kind::Text(text)),
        ast::Value::HexStringLiteral(text) => u64::from_str_radix(&text, 16)
            .ok()
            .filter(|n| i64::try_from(*n).is_ok())
            .map(Kind::Hex)
            .map_or_else(|| refuse(place, format!("`0x{text}`"), "up to 0x7fffffffffffffff"), Ok),
        ast::Value::Null => Ok(Kind::Null),
        ast::Value::Boolean(b) => Ok(Kind::Bool(b)),
        other => refuse(place, format!("`{other}`"), "give a number or a text in single quotes"),
    }
}

/// Digits, `-`, `:`, `.`, a `T` or space and an optional `Z`: what DALI calls a timestamp.
fn timestamp(text: String, place: At) -> Result<String, AdqlError> {
    let fits = (10..=32).contains(&text.len())
        && text.bytes().enumerate().all(|(k, b)| match k {
            4 | 7 => b == b'-',
            0..=9 => b.is_ascii_digit(),
            10 => b == b'T' || b == b' ',
            _ => b.is_ascii_digit() || b == b':' || b == b'.' || (b == b'Z' && k + 1 == text.len()),
        });
    if fits {
        Ok(text)
    } else {
        refuse(place, format!("'{text}'"), "TIMESTAMP '2026-01-01T00:00:00'")
    }
}

fn cast_target(t: &ast::DataType, place: At) -> Result<(Type, Option<u64>), AdqlError> {
    use ast::DataType as D;
    let length = |l: &Option<ast::CharacterLength>| match l {
        Some(ast::CharacterLength::IntegerLength { length, unit: None }) => Some(*length),
        _ => None,
    };
    Ok(match t {
        D::SmallInt(None) => (Type::Smallint, None),
        D::Int(None) | D::Integer(None) => (Type::Integer, None),
        D::BigInt(None) => (Type::Bigint, None),
        D::Real => (Type::Real, None),
        D::Double(ast::ExactNumberInfo::None)
        | D::DoublePrecision
        | D::Float(ast::ExactNumberInfo::None) => (Type::Double, None),
        D::Char(l) | D::Character(l) => (Type::Char, length(l)),
        D::Varchar(l) | D::CharacterVarying(l) => (Type::Varchar, length(l)),
        D::Timestamp(None, ast::TimezoneInfo::None) => (Type::Timestamp, None),
        D::Custom(name, args) if args.is_empty() => {
            match name.to_string().to_ascii_uppercase().as_str() {
                "POINT" => (Type::Point, None),
                "CIRCLE" => (Type::Circle, None),
                "POLYGON" => (Type::Polygon, None),
                "REGION" => (Type::Region, None),
                _ => return refuse(place, format!("CAST to {t}"), TYPES),
            }
        }
        _ => return refuse(place, format!("CAST to {t}"), TYPES),
    })
}

const TYPES: &str = "to SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION, CHAR(n), VARCHAR(n), \
                     TIMESTAMP, POINT, CIRCLE or POLYGON";
