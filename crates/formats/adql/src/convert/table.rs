//! Tables, joins and names.

use super::{Convert, refuse, table_start};
use crate::error::{AdqlError, At};
use crate::lex::at;
use crate::tree::*;
use crate::words;
use sqlparser::ast::{self, Spanned};

impl Convert {
    pub(super) fn name(&self, ident: ast::Ident) -> Result<Name, AdqlError> {
        let ast::Ident { value, quote_style, span } = ident;
        let place = at(span.start);
        if quote_style.is_some_and(|q| q != '"') {
            let place = At { line: place.line.max(1), column: place.column.max(1) };
            return refuse(place, format!("'{value}' as a name"), "a name stands in double quotes");
        }
        if quote_style.is_none() && words::is_reserved(&value) {
            return Err(AdqlError::Reserved { at: place, word: value });
        }
        Ok(Name { text: value, delimited: quote_style.is_some(), at: place })
    }

    pub(super) fn object_name(&self, name: ast::ObjectName) -> Result<Vec<Name>, AdqlError> {
        let place = at(name.span().start);
        if name.0.len() > 3 {
            return refuse(place, "a name of more than three parts", "catalog.schema.table");
        }
        name.0
            .into_iter()
            .map(|part| match part {
                ast::ObjectNamePart::Identifier(i) => self.name(i),
                ast::ObjectNamePart::Function(_) => refuse(place, "this name", "a name is a word"),
            })
            .collect()
    }

    pub(super) fn with_joins(
        &mut self,
        table: ast::TableWithJoins,
        number: &mut usize,
    ) -> Result<TableRef, AdqlError> {
        let ast::TableWithJoins { relation, joins } = table;
        let mut left = self.table(relation, number)?;
        for join in joins {
            let ast::Join { relation, global, join_operator } = join;
            let place = at(table_start(&relation));
            if global {
                return refuse(place, "GLOBAL", "a join is INNER, LEFT, RIGHT or FULL");
            }
            let right = self.table(relation, number)?;
            use ast::JoinOperator as J;
            let (kind, on) = match join_operator {
                J::Join(c) | J::Inner(c) => (JoinKind::Inner, c),
                J::Left(c) | J::LeftOuter(c) => (JoinKind::Left, c),
                J::Right(c) | J::RightOuter(c) => (JoinKind::Right, c),
                J::FullOuter(c) => (JoinKind::Full, c),
                J::CrossJoin(c) => (JoinKind::Cross, c),
                _ => return refuse(place, "this join", "a join is INNER, LEFT, RIGHT or FULL"),
            };
            let on = match on {
                ast::JoinConstraint::None => On::Nothing,
                ast::JoinConstraint::Natural => On::Natural,
                ast::JoinConstraint::On(e) => On::Condition(Box::new(self.expr(e)?)),
                ast::JoinConstraint::Using(names) => On::Using(
                    names
                        .into_iter()
                        .map(|n| {
                            let mut parts = self.object_name(n)?;
                            match (parts.pop(), parts.is_empty()) {
                                (Some(name), true) => Ok(name),
                                _ => refuse(place, "a qualified name in USING", "name the column"),
                            }
                        })
                        .collect::<Result<_, _>>()?,
                ),
            };
            if kind != JoinKind::Cross && on == On::Nothing && kind != JoinKind::Inner {
                return Err(AdqlError::Syntax {
                    at: place,
                    found: "an outer join without a condition".into(),
                    expected: "ON or USING".into(),
                });
            }
            // A join without a condition is every pair of rows.
            let kind = if on == On::Nothing { JoinKind::Cross } else { kind };
            let join_number = *number;
            *number += 1;
            left = TableRef::Join {
                left: Box::new(left),
                right: Box::new(right),
                kind,
                on,
                number: join_number,
            };
        }
        Ok(left)
    }

    fn alias(&self, alias: Option<ast::TableAlias>) -> Result<Option<Name>, AdqlError> {
        let Some(ast::TableAlias { explicit: _, name, columns, at: nothing }) = alias else {
            return Ok(None);
        };
        let name = self.name(name)?;
        if !columns.is_empty() || nothing.is_some() {
            return refuse(
                name.at,
                "a list of columns after the alias",
                "name them in the subquery",
            );
        }
        Ok(Some(name))
    }

    fn table(
        &mut self,
        factor: ast::TableFactor,
        number: &mut usize,
    ) -> Result<TableRef, AdqlError> {
        let place = at(table_start(&factor));
        match factor {
            ast::TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                let name = self.object_name(name)?;
                Ok(TableRef::Table {
                    name,
                    alias: self.alias(alias)?,
                    meant: None,
                    label: String::new(),
                })
            }
            ast::TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                let query = Box::new(self.query(*subquery, false)?);
                let alias = self.alias(alias)?.ok_or_else(|| AdqlError::Syntax {
                    at: place,
                    found: "a subquery without a name".into(),
                    expected: "AS and a name after its parenthesis".into(),
                })?;
                Ok(TableRef::Subquery { query, alias, label: String::new() })
            }
            ast::TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.with_joins(*table_with_joins, number)
            }
            _ => refuse(place, "this table", "a table is a name, a subquery or a join"),
        }
    }
}
