//! The operators IN, GLOB and OVERLAPS.

use super::compile::{Compiler, balanced};
use super::names::{Kind, Named};
use crate::collections::glob;
use crate::error::Result;
use crate::schema::key;
use elqui_butler::expression::{Expr, Item, Node};
use elqui_sql::{Dialect, SqlValue};

impl Compiler<'_, '_> {
    pub(super) fn is_in(
        &mut self,
        at: usize,
        a: &Node,
        items: &[Item],
        not: bool,
    ) -> Result<String> {
        let (sql, kind) = self.value(a)?;
        let (mut ones, mut terms) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Range(from, to, step) => {
                    if kind != Kind::Int {
                        return self.wrong(
                            at,
                            format!("a range is of whole numbers; this is {}", kind.prose()),
                        );
                    }
                    let steps = if *step == 1 {
                        String::new()
                    } else {
                        format!(" AND ({sql} - ({from})) % {step} = 0")
                    };
                    terms.push(format!("({sql} >= {from} AND {sql} <= {to}{steps})"));
                }
                Item::One(node) => match (&node.expr, kind) {
                    (Expr::Text(text), Kind::Word) => {
                        ones.push(self.registry.word(text)?.unwrap_or(-1).to_string());
                    }
                    (Expr::Int(v), Kind::Int | Kind::Real) => ones.push(v.to_string()),
                    _ => {
                        let (one, other) = self.value(node)?;
                        if other != kind && !(kind == Kind::Real && other == Kind::Int) {
                            let why = format!("{} is sought among {}", kind.prose(), other.prose());
                            return self.wrong(node.at, why);
                        }
                        ones.push(one);
                    }
                },
            }
        }
        if !ones.is_empty() {
            terms.push(format!("{sql} IN ({})", ones.join(", ")));
        }
        let any = balanced(&terms, " OR ");
        Ok(if not { format!("NOT {any}") } else { any })
    }

    pub(super) fn glob(&mut self, at: usize, a: &Node, pattern: &str, not: bool) -> Result<String> {
        let (sql, kind) = self.value(a)?;
        let mut like = String::new();
        for c in pattern.chars() {
            match c {
                '*' => like.push('%'),
                '?' => like.push('_'),
                '%' | '_' | '\\' => like.extend(['\\', c]),
                c => like.push(c),
            }
        }
        if !matches!(kind, Kind::Text | Kind::Word) {
            return self.wrong(at, format!("GLOB is of texts; this is {}", kind.prose()));
        }
        // The engines' own patterns differ in case and in escapes, so the texts are chosen here.
        if kind == Kind::Word {
            let rows = self.registry.sql.rows("SELECT id, text FROM word", &[])?;
            let ids: Vec<String> = rows
                .iter()
                .filter(|r| glob(pattern, r[1].text()))
                .map(|r| r[0].int().to_string())
                .collect();
            let list = if ids.is_empty() { "-1".to_string() } else { ids.join(", ") };
            return Ok(format!("{sql} {}IN ({list})", if not { "NOT " } else { "" }));
        }
        let word = match self.registry.sql.dialect() {
            Dialect::Sqlite => {
                let escaped: String = pattern
                    .chars()
                    .map(|c| if c == '[' { "[[]".to_string() } else { c.to_string() })
                    .collect();
                self.params.push(SqlValue::Text(escaped));
                "GLOB CAST(? AS TEXT)"
            }
            Dialect::Postgres => {
                self.params.push(SqlValue::Text(like));
                "LIKE CAST(? AS TEXT)"
            }
        };
        Ok(format!("{sql} {}{word}", if not { "NOT " } else { "" }))
    }

    pub(super) fn overlaps(&mut self, at: usize, a: &Node, b: &Node) -> Result<String> {
        match (&a.expr, &b.expr) {
            (Expr::Name(name), Expr::Region(region)) | (Expr::Region(region), Expr::Name(name)) => {
                let first = name.split('.').next().unwrap_or_default();
                let element = self.registry.universe().element(first).cloned();
                let Some(element) = element
                    .filter(|e| e.spatial && (name == first || *name == format!("{first}.region")))
                else {
                    return self.wrong(a.at, format!("`{name}` has no region of the sky"));
                };
                let mut on = Vec::new();
                for d in &element.required {
                    let Some(column) = self.scope.dimension(d) else {
                        return self
                            .wrong(a.at, format!("`{d}` does not belong to what is asked for"));
                    };
                    on.push(format!("h.{} = {column}", key(d)));
                }
                let number = self.registry.hits(&element, region)?;
                let on = on.join(" AND ");
                Ok(format!(
                    "EXISTS (SELECT 1 FROM hit_{first} h WHERE h.query = {number} AND {on})"
                ))
            }
            _ => {
                let ((a0, a1), (b0, b1)) = (self.span(a)?, self.span(b)?);
                let _ = at;
                Ok(format!("({a0} < {b1} AND {b0} < {a1})"))
            }
        }
    }

    fn span(&mut self, node: &Node) -> Result<(String, String)> {
        match &node.expr {
            Expr::Timespan(a, b) => {
                let mut end = |n: &Node| {
                    let (sql, kind) = self.value(n)?;
                    match kind {
                        Kind::Time => Ok(sql),
                        Kind::Int | Kind::Real => self.as_time(n, sql),
                        _ => self.wrong(n.at, "a time is expected"),
                    }
                };
                Ok((end(a)?, end(b)?))
            }
            Expr::Name(name) => {
                let whole =
                    if name.contains('.') { name.clone() } else { format!("{name}.timespan") };
                match self.named(node.at, &whole)? {
                    Named::Span(a, b) => Ok((a, b)),
                    _ => self.wrong(node.at, format!("`{name}` is no timespan")),
                }
            }
            _ => self.wrong(
                node.at,
                "a timespan such as (T'...', T'...') or visit.timespan is expected",
            ),
        }
    }
}
