//! From sqlparser's tree to ours: the whitelist.
//!
//! Every struct is taken apart field by field without `..`, so a new field of the parser has to be
//! judged before this compiles; of every enum only what is named passes.

mod expr;
mod parser;
mod table;

pub use parser::parse;

use crate::error::{AdqlError, At};
use crate::lex::at;
use crate::tree::*;
use sqlparser::ast::{self, Spanned};
use sqlparser::tokenizer::Location;

pub(crate) fn refuse<T>(at: At, found: impl Into<String>, remedy: &str) -> Result<T, AdqlError> {
    Err(AdqlError::Refused { at, found: found.into(), remedy: remedy.into() })
}

pub(crate) struct Convert {
    selects: usize,
}

impl Convert {
    fn query(&mut self, query: ast::Query, main: bool) -> Result<Query, AdqlError> {
        let place = at(body_start(&query.body));
        let ast::Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if fetch.is_some() {
            return refuse(place, "FETCH", "use TOP n after SELECT");
        }
        if !locks.is_empty()
            || for_clause.is_some()
            || settings.is_some()
            || format_clause.is_some()
            || !pipe_operators.is_empty()
        {
            return refuse(place, "a clause after the query", "a query ends with OFFSET");
        }
        let with = match with {
            None => Vec::new(),
            Some(_) if !main => {
                return refuse(place, "a WITH inside a query", "it stands before the main SELECT");
            }
            Some(ast::With { with_token: _, recursive, cte_tables }) => {
                if recursive {
                    return refuse(place, "RECURSIVE", "a WITH cannot name itself");
                }
                cte_tables.into_iter().map(|c| self.cte(c)).collect::<Result<_, _>>()?
            }
        };
        let body = self.body(*body, place)?;
        let order_by = match order_by {
            None => Vec::new(),
            Some(ast::OrderBy {
                kind: ast::OrderByKind::Expressions(terms),
                interpolate: None,
            }) => terms.into_iter().map(|t| self.order(t)).collect::<Result<_, _>>()?,
            Some(_) => return refuse(place, "this ORDER BY", "name the columns"),
        };
        let offset = match limit_clause {
            None => None,
            Some(ast::LimitClause::LimitOffset {
                limit: None,
                offset: Some(ast::Offset { value, rows: ast::OffsetRows::None }),
                limit_by,
            }) if limit_by.is_empty() => Some(count(&value, place)?),
            Some(_) => return refuse(place, "LIMIT", "use TOP n after SELECT, and OFFSET n last"),
        };
        Ok(Query { with, body, order_by, offset })
    }

    fn cte(&mut self, cte: ast::Cte) -> Result<(Name, Query), AdqlError> {
        let ast::Cte { alias, query, from, materialized, closing_paren_token: _ } = cte;
        let ast::TableAlias { explicit: _, name, columns, at: nothing } = alias;
        let name = self.name(name)?;
        if from.is_some() || materialized.is_some() || nothing.is_some() || !columns.is_empty() {
            return refuse(name.at, "this WITH", "it reads: name AS (SELECT ...)");
        }
        Ok((name, self.query(*query, false)?))
    }

    fn order(&mut self, term: ast::OrderByExpr) -> Result<OrderTerm, AdqlError> {
        let ast::OrderByExpr { expr, options, with_fill } = term;
        let ast::OrderByOptions { asc, nulls_first } = options;
        let expr = self.expr(expr)?;
        if nulls_first.is_some() || with_fill.is_some() {
            return refuse(expr.at, "NULLS FIRST or LAST", "ORDER BY says ASC or DESC");
        }
        Ok(OrderTerm { expr, descending: asc == Some(false) })
    }

    fn body(&mut self, body: ast::SetExpr, place: At) -> Result<Body, AdqlError> {
        match body {
            ast::SetExpr::Select(select) => Ok(Body::Select(Box::new(self.select(*select)?))),
            ast::SetExpr::Query(query) => Ok(Body::Query(Box::new(self.query(*query, false)?))),
            ast::SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let op = match op {
                    ast::SetOperator::Union => SetOp::Union,
                    ast::SetOperator::Intersect => SetOp::Intersect,
                    ast::SetOperator::Except => SetOp::Except,
                    ast::SetOperator::Minus => return refuse(place, "MINUS", "use EXCEPT"),
                };
                let all = match set_quantifier {
                    ast::SetQuantifier::All => true,
                    ast::SetQuantifier::None => false,
                    _ => return refuse(place, "this quantifier", "only ALL may follow"),
                };
                Ok(Body::Set {
                    op,
                    all,
                    left: Box::new(self.body(*left, place)?),
                    right: Box::new(self.body(*right, place)?),
                })
            }
            _ => refuse(
                place,
                "this statement",
                "a query only reads, and starts with SELECT or WITH",
            ),
        }
    }

    fn select(&mut self, select: ast::Select) -> Result<Select, AdqlError> {
        let ast::Select {
            select_token,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        let place = at(select_token.0.span.start);
        if into.is_some() {
            return refuse(
                place,
                "SELECT INTO",
                "a query only reads, and starts with SELECT or WITH",
            );
        }
        if !optimizer_hints.is_empty()
            || select_modifiers.is_some()
            || top_before_distinct
            || exclude.is_some()
            || !lateral_views.is_empty()
            || prewhere.is_some()
            || !connect_by.is_empty()
            || !cluster_by.is_empty()
            || !distribute_by.is_empty()
            || !sort_by.is_empty()
            || !named_window.is_empty()
            || qualify.is_some()
            || value_table_mode.is_some()
            || !matches!(flavor, ast::SelectFlavor::Standard)
        {
            return refuse(place, "a clause of this SELECT", "see the grammar of ADQL 2.1");
        }
        let distinct = match distinct {
            None | Some(ast::Distinct::All) => false,
            Some(ast::Distinct::Distinct) => true,
            Some(_) => return refuse(place, "DISTINCT ON", "use DISTINCT, or GROUP BY"),
        };
        let id = self.selects;
        self.selects += 1;
        let items = projection.into_iter().map(|i| self.item(i)).collect::<Result<Vec<_>, _>>()?;
        if from.is_empty() {
            return Err(AdqlError::Syntax {
                at: place,
                found: "a SELECT without tables".into(),
                expected: "FROM with a table".into(),
            });
        }
        let mut joins = 0;
        let from = from
            .into_iter()
            .map(|t| self.with_joins(t, &mut joins))
            .collect::<Result<Vec<_>, _>>()?;
        let group_by = match group_by {
            ast::GroupByExpr::Expressions(terms, modifiers) if modifiers.is_empty() => {
                terms.into_iter().map(|e| self.expr(e)).collect::<Result<_, _>>()?
            }
            _ => return refuse(place, "this GROUP BY", "name columns or expressions"),
        };
        Ok(Select {
            id,
            at: place,
            distinct,
            top: top.map(|t| top_rows(t, place)).transpose()?,
            items,
            from,
            filter: selection.map(|e| self.expr(e)).transpose()?,
            group_by,
            having: having.map(|e| self.expr(e)).transpose()?,
        })
    }

    fn item(&mut self, item: ast::SelectItem) -> Result<Item, AdqlError> {
        let place = at(match &item {
            ast::SelectItem::UnnamedExpr(e) => expr::first_span(e),
            ast::SelectItem::ExprWithAlias { expr, .. } => expr::first_span(expr),
            other => other.span().start,
        });
        let plain = |o: &ast::WildcardAdditionalOptions| {
            let ast::WildcardAdditionalOptions {
                wildcard_token: _,
                opt_ilike,
                opt_exclude,
                opt_except,
                opt_replace,
                opt_rename,
                opt_alias,
            } = o;
            opt_ilike.is_none()
                && opt_exclude.is_none()
                && opt_except.is_none()
                && opt_replace.is_none()
                && opt_rename.is_none()
                && opt_alias.is_none()
        };
        match item {
            ast::SelectItem::UnnamedExpr(e) => Ok(Item::Expr { expr: self.expr(e)?, alias: None }),
            ast::SelectItem::ExprWithAlias { expr, alias } => {
                Ok(Item::Expr { expr: self.expr(expr)?, alias: Some(self.name(alias)?) })
            }
            ast::SelectItem::Wildcard(o) if plain(&o) => Ok(Item::All(place)),
            ast::SelectItem::QualifiedWildcard(
                ast::SelectItemQualifiedWildcardKind::ObjectName(name),
                o,
            ) if plain(&o) => Ok(Item::TableAll(self.object_name(name)?)),
            _ => refuse(place, "this column", "name it, or use * or table.*"),
        }
    }
}

/// Where a query starts. The parser's own spans walk the whole tree, as deep as it is.
fn body_start(body: &ast::SetExpr) -> Location {
    let mut body = body;
    loop {
        body = match body {
            ast::SetExpr::Select(s) => return s.select_token.0.span.start,
            ast::SetExpr::Query(q) => &q.body,
            ast::SetExpr::SetOperation { left, .. } => left,
            _ => return Location { line: 1, column: 1 },
        }
    }
}

/// Where a table starts.
fn table_start(table: &ast::TableFactor) -> Location {
    let mut table = table;
    loop {
        table = match table {
            ast::TableFactor::Derived { subquery, .. } => return body_start(&subquery.body),
            ast::TableFactor::NestedJoin { table_with_joins, .. } => &table_with_joins.relation,
            other => return other.span().start,
        }
    }
}

fn top_rows(top: ast::Top, place: At) -> Result<u64, AdqlError> {
    match top {
        ast::Top { with_ties: false, percent: false, quantity: Some(quantity) } => match quantity {
            ast::TopQuantity::Constant(n) => Ok(n),
            ast::TopQuantity::Expr(e) => count(&e, place),
        },
        _ => refuse(place, "this TOP", "it reads: TOP and a whole number"),
    }
}

/// An unsigned whole number.
fn count(e: &ast::Expr, place: At) -> Result<u64, AdqlError> {
    let number = match e {
        ast::Expr::Value(v) => match &v.value {
            ast::Value::Number(text, false) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    };
    let span = at(expr::first_span(e));
    number.ok_or_else(|| AdqlError::Syntax {
        at: if span.line > 0 { span } else { place },
        found: format!("`{e}`"),
        expected: "a whole number".into(),
    })
}
