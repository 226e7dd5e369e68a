//! Names become tables and columns of a catalogue, `*` becomes its columns, values get types.

mod call;
mod expr;
mod from;
mod group;

use crate::catalog::{Catalog, ColumnInfo};
use crate::error::{AdqlError, At, did_you_mean};
use crate::tree::*;
use crate::types::Type;

/// A table or subquery of one FROM.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub label: String,
    /// Its schema and name in the query, where it has no alias.
    pub schema: Vec<Name>,
    pub columns: Vec<ColumnInfo>,
    /// Columns that a USING or NATURAL has merged with another table's.
    pub merged: Vec<String>,
}

/// What the names in one SELECT can mean.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub sources: Vec<Source>,
    pub merged: Vec<ColumnInfo>,
    /// Named results, for ORDER BY, GROUP BY and HAVING.
    pub results: Vec<(String, Expr, ColumnInfo)>,
    /// Whether names of results may stand here.
    pub results_seen: bool,
    /// Whether the name is a whole term of ORDER BY, where the results come first.
    pub ordering: bool,
}

pub(crate) struct Resolver<'a> {
    catalog: &'a dyn Catalog,
    ctes: Vec<(Name, Vec<ColumnInfo>)>,
    scopes: Vec<Scope>,
    /// Tables that were found, for the engine's plan and for permissions.
    pub tables: Vec<(Option<String>, String)>,
    /// Whether an aggregate may stand here.
    aggregates: bool,
}

impl<'a> Resolver<'a> {
    pub fn new(catalog: &'a dyn Catalog) -> Self {
        Self { catalog, ctes: Vec::new(), scopes: Vec::new(), tables: Vec::new(), aggregates: true }
    }

    /// Resolve a query; gives its columns.
    pub fn query(&mut self, query: &mut Query) -> Result<Vec<ColumnInfo>, AdqlError> {
        for (name, cte) in &mut query.with {
            if self.ctes.iter().any(|(n, _)| n.text.eq_ignore_ascii_case(&name.text)) {
                return Err(AdqlError::Ambiguous {
                    at: name.at,
                    name: name.text.clone(),
                    candidates: "two subqueries of WITH".into(),
                });
            }
            let columns = self.query(cte)?;
            self.ctes.push((name.clone(), columns));
        }
        let (columns, mut scope) = self.body(&mut query.body)?;
        if !query.order_by.is_empty() {
            scope.results_seen = true;
            self.scopes.push(scope);
            let done = self.order_by(&mut query.order_by, columns.len());
            self.scopes.pop();
            done?;
        }
        Ok(columns)
    }

    fn order_by(&mut self, terms: &mut [OrderTerm], columns: usize) -> Result<(), AdqlError> {
        for term in terms {
            if let Kind::Number(text) = &term.expr.kind {
                let fits = text.parse().is_ok_and(|n: usize| (1..=columns).contains(&n));
                if !fits {
                    return Err(AdqlError::Unknown {
                        at: term.expr.at,
                        what: "result column",
                        name: text.clone(),
                        hint: format!("; there are {columns}"),
                    });
                }
                continue;
            }
            self.scope().ordering = matches!(term.expr.kind, Kind::Column(_));
            self.expr(&mut term.expr)?;
        }
        Ok(())
    }

    fn body(&mut self, body: &mut Body) -> Result<(Vec<ColumnInfo>, Scope), AdqlError> {
        match body {
            Body::Select(select) => self.select(select),
            Body::Query(query) => {
                let columns = self.query(query)?;
                let scope = results_only(&columns);
                Ok((columns, scope))
            }
            Body::Set { left, right, .. } => {
                let (mut columns, _) = self.body(left)?;
                let (other, _) = self.body(right)?;
                if columns.len() != other.len() {
                    return Err(AdqlError::Type {
                        at: start(right),
                        expected: format!("as many columns as on the left ({})", columns.len()),
                        found: format!("a query with {}", other.len()),
                    });
                }
                for (c, o) in columns.iter_mut().zip(&other) {
                    if !alike(c.ty, o.ty) {
                        return Err(AdqlError::Type {
                            at: start(right),
                            expected: format!("{} for the column `{}`", c.ty, c.name),
                            found: o.ty.to_string(),
                        });
                    }
                    c.ty = c.ty.wider(o.ty);
                }
                let scope = results_only(&columns);
                Ok((columns, scope))
            }
        }
    }

    fn select(&mut self, select: &mut Select) -> Result<(Vec<ColumnInfo>, Scope), AdqlError> {
        self.scopes.push(Scope::default());
        let done = self.inside_select(select);
        let scope = self.scopes.pop().unwrap_or_default();
        done.map(|columns| (columns, scope))
    }

    fn scope(&mut self) -> &mut Scope {
        if self.scopes.is_empty() {
            self.scopes.push(Scope::default());
        }
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    fn inside_select(&mut self, select: &mut Select) -> Result<Vec<ColumnInfo>, AdqlError> {
        for table in &mut select.from {
            self.table(table)?;
        }
        if let Some(filter) = &mut select.filter {
            self.aggregates = false;
            let done = self.condition(filter);
            self.aggregates = true;
            done?;
        }
        let items = std::mem::take(&mut select.items);
        for item in items {
            self.item(item, &mut select.items)?;
        }
        let columns = self.name_results(&mut select.items)?;
        self.scope().results_seen = true;
        for term in &mut select.group_by {
            // A whole number is the place of a result, as in ORDER BY.
            if let Kind::Number(text) = &term.kind {
                let place = text.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
                let Some(Item::Expr { expr, .. }) = place.and_then(|k| select.items.get(k)) else {
                    return Err(AdqlError::Unknown {
                        at: term.at,
                        what: "result column",
                        name: text.clone(),
                        hint: format!("; there are {}", columns.len()),
                    });
                };
                *term = expr.clone();
                continue;
            }
            self.expr(term)?;
        }
        if let Some(having) = &mut select.having {
            self.condition(having)?;
        }
        self.scope().results_seen = false;
        group::check(select)?;
        Ok(columns)
    }

    /// `*` in full, and other items as they are.
    fn item(&mut self, item: Item, out: &mut Vec<Item>) -> Result<(), AdqlError> {
        let column = |table: Option<&str>, name: &str, at: At| Item::Expr {
            expr: Expr {
                at,
                ty: Type::Any,
                kind: Kind::Column(ColumnRef {
                    qualifier: table
                        .map(|t| Name { text: t.to_string(), delimited: true, at })
                        .into_iter()
                        .collect(),
                    name: Name { text: name.to_string(), delimited: true, at },
                    meant: None,
                }),
            },
            alias: None,
        };
        match item {
            Item::Expr { .. } => out.push(item),
            Item::All(at) => {
                let scope = self.scope();
                out.extend(scope.merged.iter().map(|c| column(None, &c.name, at)));
                for s in &scope.sources {
                    let own = s.columns.iter().filter(|c| !s.merged.contains(&c.name));
                    out.extend(own.map(|c| column(Some(&s.label), &c.name, at)));
                }
            }
            Item::TableAll(name) => {
                let source = self.source(&name)?;
                let at = name.first().map_or(At::default(), |n| n.at);
                out.extend(source.columns.iter().map(|c| column(Some(&source.label), &c.name, at)));
            }
        }
        Ok(())
    }

    /// Resolve the items, and give each a name of its own.
    fn name_results(&mut self, items: &mut [Item]) -> Result<Vec<ColumnInfo>, AdqlError> {
        let mut columns: Vec<ColumnInfo> = Vec::new();
        let mut used = std::collections::HashSet::new();
        for (k, item) in items.iter_mut().enumerate() {
            let Item::Expr { expr, alias } = item else { continue };
            let mut info = self.expr(expr)?;
            let wanted = match (&alias, &expr.kind) {
                (Some(name), _) => name.text.clone(),
                (None, Kind::Column(_)) => info.name.clone(),
                (None, Kind::Call(call)) => call.name.clone(),
                _ => format!("col{}", k + 1),
            };
            let mut name = wanted.clone();
            let mut n = 2;
            while !used.insert(name.to_lowercase()) {
                name = format!("{wanted}_{n}");
                n += 1;
            }
            info.name.clone_from(&name);
            let at = alias.as_ref().map_or(expr.at, |a| a.at);
            *alias = Some(Name { text: name.clone(), delimited: true, at });
            self.scope().results.push((name, expr.clone(), info.clone()));
            columns.push(info);
        }
        Ok(columns)
    }

    /// A table of this SELECT by the name before a dot.
    fn source(&mut self, qualifier: &[Name]) -> Result<Source, AdqlError> {
        let sources = self.scopes.last().map_or(&[][..], |s| &s.sources);
        find_source(sources, qualifier)?.cloned().ok_or_else(|| no_source(sources, qualifier))
    }
}

fn results_only(columns: &[ColumnInfo]) -> Scope {
    let results = columns.iter().map(|c| {
        let name = Name { text: c.name.clone(), delimited: true, at: At::default() };
        let meant = Some(Meant { table: None, column: c.name.clone(), outer: 0 });
        let kind = Kind::Column(ColumnRef { qualifier: Vec::new(), name, meant });
        (c.name.clone(), Expr { at: At::default(), kind, ty: c.ty }, c.clone())
    });
    Scope { results: results.collect(), ..Scope::default() }
}

fn start(body: &Body) -> At {
    match body {
        Body::Select(s) => s.at,
        Body::Query(q) => start(&q.body),
        Body::Set { left, .. } => start(left),
    }
}

/// Whether values of both types can stand in one column.
pub(crate) fn alike(a: Type, b: Type) -> bool {
    a == b
        || a == Type::Any
        || b == Type::Any
        || (a.is_number() && b.is_number())
        || (a.is_text() && b.is_text())
        || (a.is_geometry() && b.is_geometry())
}

pub(crate) fn find_source<'s>(
    sources: &'s [Source],
    qualifier: &[Name],
) -> Result<Option<&'s Source>, AdqlError> {
    let Some((table, schema)) = qualifier.split_last() else { return Ok(None) };
    let fits = |s: &&Source| {
        table.means(&s.label)
            && schema.last().is_none_or(|q| s.schema.iter().any(|n| q.means(&n.text)))
    };
    let exact: Vec<&Source> =
        sources.iter().filter(|s| s.label == table.text).filter(fits).collect();
    let found: Vec<&Source> =
        if exact.len() == 1 { exact } else { sources.iter().filter(fits).collect() };
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(AdqlError::Ambiguous {
            at: table.at,
            name: table.text.clone(),
            candidates: "two tables of this FROM; give each an alias".into(),
        }),
    }
}

pub(crate) fn no_source(sources: &[Source], qualifier: &[Name]) -> AdqlError {
    let name = qualifier.iter().map(|n| n.text.as_str()).collect::<Vec<_>>().join(".");
    let last = qualifier.last().map_or("", |n| n.text.as_str());
    AdqlError::Unknown {
        at: qualifier.first().map_or(At::default(), |n| n.at),
        what: "table in this FROM called",
        hint: did_you_mean(last, sources.iter().map(|s| s.label.as_str())),
        name,
    }
}
