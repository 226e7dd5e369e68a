//! Collections: made, chained, listed, removed; and the order in which a search visits them.

use crate::error::RegistryError;
use crate::error::Result;
use crate::registry::{Registry, ints};
use elqui_butler::{Collection, CollectionKind, check_collection_name};
use elqui_sql::SqlValue;

/// Chains inside chains; deeper ones are a mistake.
const CHAIN_DEPTH_MAX: usize = 32;

/// A collection as the tables know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CollectionRow {
    pub id: i64,
    pub name: String,
    pub kind: CollectionKind,
}

impl CollectionRow {
    pub fn must_be(&self, kind: CollectionKind, why: &str) -> Result<()> {
        if self.kind == kind {
            return Ok(());
        }
        Err(RegistryError::WrongKind {
            collection: self.name.clone(),
            kind: self.kind.to_string(),
            why: why.to_string(),
        })
    }
}

impl Registry {
    /// Make a collection. One of this name and kind that is there already is left as it is;
    /// `true` when it is new.
    pub fn register_collection(
        &mut self,
        name: &str,
        kind: CollectionKind,
        doc: &str,
    ) -> Result<bool> {
        check_collection_name(name)?;
        self.write(|r| {
            let values = [name.into(), kind.code().into(), doc.into()];
            let sql = "INSERT INTO collection (name, kind, doc) VALUES (?, ?, ?) \
                       ON CONFLICT (name) DO NOTHING";
            if r.sql.execute(sql, &values)? == 1 {
                return Ok(true);
            }
            let found = r.collection_row(name)?.kind;
            if found != kind {
                let why = format!("it is a {found} collection, not a {kind} one");
                return Err(RegistryError::Differs {
                    what: "the collection",
                    name: name.into(),
                    why,
                });
            }
            Ok(false)
        })
    }

    pub(crate) fn collection_row(&mut self, name: &str) -> Result<CollectionRow> {
        let row = self.sql.row("SELECT id, kind FROM collection WHERE name = ?", &[name.into()])?;
        let row = row.and_then(|r| Some((r[0].int(), CollectionKind::from_code(r[1].int())?)));
        let Some((id, kind)) = row else {
            let hint = self.near_collections(name)?;
            return Err(RegistryError::Unknown { what: "collection", name: name.into(), hint });
        };
        Ok(CollectionRow { id, name: name.to_string(), kind })
    }

    /// A collection that nobody else changes until the transaction's end.
    pub(crate) fn collection_locked(&mut self, name: &str) -> Result<CollectionRow> {
        let found = self.collection_row(name)?;
        let sql =
            format!("SELECT id FROM collection WHERE id = ?{}", self.sql.dialect().for_update());
        self.sql.row(&sql, &[found.id.into()])?;
        Ok(found)
    }

    fn near_collections(&mut self, name: &str) -> Result<String> {
        let rows = self.sql.rows("SELECT name FROM collection ORDER BY name LIMIT 1000", &[])?;
        let first = name.split('/').next().unwrap_or_default();
        let near = rows.iter().map(|r| r[0].text()).filter(|n| n.starts_with(first)).take(4);
        let near: Vec<&str> = near.collect();
        Ok(if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) })
    }

    /// Replace what a chain searches. Cycles are refused.
    pub fn set_chain(&mut self, chain: &str, children: &[&str]) -> Result<()> {
        self.write(|r| {
            let parent = r.chain_locked(chain)?;
            r.fill_chain(&parent, children)
        })
    }

    /// Make a run (or another collection) what a chain searches first; the chain is made when it is missing.
    /// What it searched keeps its order behind that, and what of `rest` is not in it comes last.
    /// - `rest`: may name the chain itself, which is passed over
    pub fn prepend_to_chain(&mut self, chain: &str, run: &str, rest: &[&str]) -> Result<()> {
        check_collection_name(chain)?;
        self.write(|r| {
            let sql = "INSERT INTO collection (name, kind, doc) VALUES (?, ?, '') \
                       ON CONFLICT (name) DO NOTHING";
            r.sql.execute(sql, &[chain.into(), CollectionKind::Chained.code().into()])?;
            let parent = r.chain_locked(chain)?;
            // Asked once it is locked: another writer may have been first.
            let present = r.children(parent.id)?;
            let mut children = vec![run];
            let others = rest.iter().copied().filter(|name| *name != chain);
            for name in present.iter().map(|c| c.name.as_str()).chain(others) {
                if !children.contains(&name) {
                    children.push(name);
                }
            }
            r.fill_chain(&parent, &children)
        })
    }

    /// A chain, with all chains locked until the transaction's end: two changes at a time could close a cycle
    /// between them.
    fn chain_locked(&mut self, chain: &str) -> Result<CollectionRow> {
        let lock = self.sql.dialect().for_update();
        let sql = format!("SELECT id FROM collection WHERE kind = ? ORDER BY id{lock}");
        self.sql.rows(&sql, &[CollectionKind::Chained.code().into()])?;
        let parent = self.collection_row(chain)?;
        parent.must_be(CollectionKind::Chained, "only chained ones have children")?;
        Ok(parent)
    }

    fn fill_chain(&mut self, parent: &CollectionRow, children: &[&str]) -> Result<()> {
        let what = || format!("the chain `{}`", parent.name);
        let mut seen = Vec::new();
        for child in children {
            let row = self.collection_row(child)?;
            if seen.contains(&row.id) {
                let why = format!("`{child}` is in it twice");
                return Err(RegistryError::Refused { what: what(), why });
            }
            let below = self.search_path(&[child], true)?;
            if row.id == parent.id || below.iter().any(|c| c.id == parent.id) {
                let why = format!("`{child}` leads back to it: a chain must not hold itself");
                return Err(RegistryError::Refused { what: what(), why });
            }
            seen.push(row.id);
        }
        self.sql.execute("DELETE FROM chain WHERE parent = ?", &[parent.id.into()])?;
        for (position, child) in seen.iter().enumerate() {
            let values = ints(&[parent.id, position as i64, *child]);
            let sql = "INSERT INTO chain (parent, position, child) VALUES (?, ?, ?)";
            self.sql.execute(sql, &values)?;
        }
        Ok(())
    }

    fn children(&mut self, parent: i64) -> Result<Vec<CollectionRow>> {
        let sql = "SELECT c.id, c.name, c.kind FROM chain h JOIN collection c ON c.id = h.child \
                   WHERE h.parent = ? ORDER BY h.position";
        let rows = self.sql.rows(sql, &[parent.into()])?;
        let row = |r: &Vec<SqlValue>| {
            let kind = CollectionKind::from_code(r[2].int())?;
            Some(CollectionRow { id: r[0].int(), name: r[1].text().to_string(), kind })
        };
        Ok(rows.iter().filter_map(row).collect())
    }

    /// The collections that hold datasets, in the order in which a search visits them; each once,
    /// where it comes first. `chains`: with the chains themselves.
    pub(crate) fn search_path(
        &mut self,
        names: &[&str],
        chains: bool,
    ) -> Result<Vec<CollectionRow>> {
        let mut path: Vec<CollectionRow> = Vec::new();
        let mut open: Vec<(CollectionRow, usize)> = Vec::new();
        for name in names.iter().rev() {
            open.push((self.collection_row(name)?, 0));
        }
        while let Some((next, depth)) = open.pop() {
            if depth > CHAIN_DEPTH_MAX {
                let what = format!("the chain `{}`", next.name);
                let why = format!("it is more than {CHAIN_DEPTH_MAX} chains deep");
                return Err(RegistryError::Refused { what, why });
            }
            let chain = next.kind == CollectionKind::Chained;
            if chain {
                for child in self.children(next.id)?.into_iter().rev() {
                    open.push((child, depth + 1));
                }
            }
            if (!chain || chains) && !path.contains(&next) {
                path.push(next);
            }
        }
        Ok(path)
    }

    /// Collections whose names match a pattern with `*` and `?`, by name.
    pub fn collections(&mut self, pattern: &str) -> Result<Vec<Collection>> {
        let rows =
            self.sql.rows("SELECT id, name, kind, doc FROM collection ORDER BY name", &[])?;
        let mut found = Vec::new();
        for row in rows.iter().filter(|r| glob(pattern, r[1].text())) {
            let Some(kind) = CollectionKind::from_code(row[2].int()) else { continue };
            let children = match kind {
                CollectionKind::Chained => self.children(row[0].int())?,
                _ => Vec::new(),
            };
            found.push(Collection {
                name: row[1].text().to_string(),
                kind,
                children: children.into_iter().map(|c| c.name).collect(),
                doc: row[3].text().to_string(),
            });
        }
        Ok(found)
    }

    /// Remove a collection that no chain holds. A run must be empty: removing datasets is a
    /// decision of its own.
    pub fn remove_collection(&mut self, name: &str) -> Result<()> {
        self.write(|r| {
            let row = r.collection_locked(name)?;
            let sql = "SELECT c.name FROM chain h JOIN collection c ON c.id = h.parent \
                       WHERE h.child = ? ORDER BY c.name";
            if let Some(parent) = r.sql.row(sql, &[row.id.into()])? {
                let why =
                    format!("the chain `{}` holds it; take it out there first", parent[0].text());
                return Err(RegistryError::Refused { what: format!("removal of `{name}`"), why });
            }
            let sql = "SELECT count(*) FROM dataset WHERE run = ?";
            let held = match row.kind {
                CollectionKind::Run => r.sql.row(sql, &[row.id.into()])?.map_or(0, |n| n[0].int()),
                _ => 0,
            };
            if held > 0 {
                let why = format!("it holds {held} datasets; remove them first");
                return Err(RegistryError::Refused {
                    what: format!("removal of run `{name}`"),
                    why,
                });
            }
            for group in r.sql.rows("SELECT id FROM dimension_group", &[])? {
                for table in ["member", "calib"] {
                    let sql =
                        format!("DELETE FROM {table}_{} WHERE collection = ?", group[0].int());
                    r.sql.execute(&sql, &[row.id.into()])?;
                }
            }
            r.sql.execute("DELETE FROM collection WHERE id = ?", &[row.id.into()])?;
            Ok(())
        })
    }
}

/// Whether a text matches a pattern of `*` (any run of characters) and `?` (one).
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut i, mut k, mut star) = (0, 0, None);
    while k < t.len() {
        if i < p.len() && p[i] == '*' {
            star = Some((i, k));
            i += 1;
        } else if i < p.len() && (p[i] == '?' || p[i] == t[k]) {
            (i, k) = (i + 1, k + 1);
        } else if let Some((at, from)) = star {
            (i, k) = (at + 1, from + 1);
            star = Some((at, from + 1));
        } else {
            return false;
        }
    }
    p[i..].iter().all(|c| *c == '*')
}
