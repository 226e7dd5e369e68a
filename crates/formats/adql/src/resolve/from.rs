//! Tables, subqueries and joins.

use super::{Resolver, Source};
use crate::catalog::ColumnInfo;
use crate::error::{AdqlError, At, did_you_mean};
use crate::tree::*;

impl Resolver<'_> {
    pub(super) fn table(&mut self, table: &mut TableRef) -> Result<(), AdqlError> {
        match table {
            TableRef::Table { name, alias, meant, label } => {
                let Some((last, schema)) = name.split_last() else { return Ok(()) };
                let called = alias.as_ref().unwrap_or(last);
                let (columns, shown) = if let Some((cte, columns)) =
                    self.ctes.iter().find(|(n, _)| schema.is_empty() && last.means(&n.text))
                {
                    *meant = Some((None, cte.text.clone()));
                    (columns.clone(), cte.text.clone())
                } else {
                    let found = self.catalog.tables(schema.last(), last);
                    let info = match found.as_slice() {
                        [one] => one.clone(),
                        [] => return Err(self.no_table(name)),
                        more => {
                            let say = |t: &crate::catalog::TableInfo| match &t.schema {
                                Some(s) => format!("{s}.{}", t.name),
                                None => t.name.clone(),
                            };
                            return Err(AdqlError::Ambiguous {
                                at: last.at,
                                name: last.text.clone(),
                                candidates: more.iter().map(say).collect::<Vec<_>>().join(" or "),
                            });
                        }
                    };
                    let at = (info.schema.clone(), info.name.clone());
                    if !self.tables.contains(&at) {
                        self.tables.push(at.clone());
                    }
                    *meant = Some(at);
                    (info.columns, info.name)
                };
                let wanted = alias.as_ref().map_or(shown, |a| a.text.clone());
                let schema = if alias.is_some() { Vec::new() } else { schema.to_vec() };
                *label = self.add(wanted, schema, columns, called.at, alias.is_some())?;
                Ok(())
            }
            TableRef::Subquery { query, alias, label } => {
                // A derived table does not see its neighbours.
                let outer = self.scopes.pop();
                let columns = self.query(query);
                self.scopes.extend(outer);
                *label = self.add(alias.text.clone(), Vec::new(), columns?, alias.at, true)?;
                Ok(())
            }
            TableRef::Join { left, right, on, .. } => {
                let first = self.scope().sources.len();
                self.table(left)?;
                let middle = self.scope().sources.len();
                self.table(right)?;
                self.join(first, middle, on)
            }
        }
    }

    fn add(
        &mut self,
        wanted: String,
        schema: Vec<Name>,
        columns: Vec<ColumnInfo>,
        at: At,
        aliased: bool,
    ) -> Result<String, AdqlError> {
        let scope = self.scope();
        let taken = |l: &str| scope.sources.iter().any(|s| s.label.eq_ignore_ascii_case(l));
        if taken(&wanted) && (aliased || schema.is_empty()) {
            return Err(AdqlError::Ambiguous {
                at,
                name: wanted,
                candidates: "two tables of this FROM; give each an alias".into(),
            });
        }
        if taken(&wanted) {
            return Err(AdqlError::Ambiguous {
                at,
                name: wanted,
                candidates: "tables of two schemas; give one an alias with AS".into(),
            });
        }
        scope.sources.push(Source { label: wanted.clone(), schema, columns, merged: Vec::new() });
        Ok(wanted)
    }

    fn no_table(&self, name: &[Name]) -> AdqlError {
        let written = name.iter().map(|n| n.text.as_str()).collect::<Vec<_>>().join(".");
        let last = name.last().map_or("", |n| n.text.as_str());
        let known = self.catalog.table_names();
        let ctes = self.ctes.iter().map(|(n, _)| n.text.as_str());
        AdqlError::Unknown {
            at: name.first().map_or(At::default(), |n| n.at),
            what: "table",
            hint: did_you_mean(last, known.iter().map(String::as_str).chain(ctes)),
            name: written,
        }
    }

    /// The condition of a join; merges the columns of USING and NATURAL.
    fn join(&mut self, first: usize, middle: usize, on: &mut On) -> Result<(), AdqlError> {
        let names: Vec<Name> = match on {
            On::Nothing => return Ok(()),
            On::Condition(condition) => {
                self.aggregates = false;
                let done = self.condition(condition);
                self.aggregates = true;
                return done;
            }
            On::Using(names) => names.clone(),
            On::Natural => {
                let sources = &self.scope().sources;
                let left: Vec<&str> = visible(&sources[first..middle]);
                let right = visible(&sources[middle..]);
                let both =
                    right.into_iter().filter(|r| left.iter().any(|l| l.eq_ignore_ascii_case(r)));
                both.map(|n| Name { text: n.to_string(), delimited: false, at: At::default() })
                    .collect()
            }
        };
        let mut fixed = Vec::new();
        for name in names {
            let scope = self.scope();
            let already = scope.merged.iter().find(|m| name.means(&m.name)).cloned();
            let mut info = already.clone();
            for (side, range) in [("left", first..middle), ("right", middle..scope.sources.len())] {
                let mut found = Vec::new();
                for k in range {
                    let source = &scope.sources[k];
                    found.extend(
                        source
                            .columns
                            .iter()
                            .filter(|c| name.means(&c.name))
                            .map(|c| (k, c.clone())),
                    );
                }
                let joined = side == "left" && already.is_some();
                match found.as_slice() {
                    [] => {
                        return Err(AdqlError::Unknown {
                            at: name.at,
                            what: "column on both sides of this join called",
                            name: name.text.clone(),
                            hint: format!("; the {side} side has none"),
                        });
                    }
                    [_, _, ..] if !joined => {
                        return Err(AdqlError::Ambiguous {
                            at: name.at,
                            name: name.text.clone(),
                            candidates: format!("columns of two tables on the {side}; use ON"),
                        });
                    }
                    _ => {}
                }
                for (k, column) in found {
                    scope.sources[k].merged.push(column.name.clone());
                    info.get_or_insert(column);
                }
            }
            if let Some(info) = info {
                fixed.push(Name { text: info.name.clone(), delimited: true, at: name.at });
                if already.is_none() {
                    scope.merged.push(info);
                }
            }
        }
        // A NATURAL without common columns is every pair of rows.
        *on = if fixed.is_empty() { On::Nothing } else { On::Using(fixed) };
        Ok(())
    }
}

fn visible(sources: &[Source]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for c in sources.iter().flat_map(|s| &s.columns) {
        if !names.iter().any(|n| n.eq_ignore_ascii_case(&c.name)) {
            names.push(&c.name);
        }
    }
    names
}
