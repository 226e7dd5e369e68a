//! Reading Felis YAML: references are followed, ids become names, names are checked.

use super::raw::{OneOrMany, RawColumn, RawConstraint, RawReference, RawSchema, RawTable};
use super::{ColumnDef, Constraint, IndexDef, Schema, TableDef};
use crate::table::SchemaError;
use serde_yaml_ng::Value;
use std::collections::{HashMap, HashSet};

/// Resources that name resources: so many steps.
const DEPTH_MAX: usize = 8;

/// Gives the text of another file (the `uri` of a resource), or why it cannot.
pub type ReadResource<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

fn definition(reason: String) -> SchemaError {
    SchemaError::Definition { reason }
}

impl Schema {
    /// Read Felis YAML that needs no other file; tables and columns must have names of their own.
    pub fn parse(yaml: &str) -> Result<Self, SchemaError> {
        Self::parse_with(yaml, &mut |uri| {
            Err(format!("it refers to `{uri}`; read it from its folder"))
        })
    }

    /// Read Felis YAML; `read` gives the other files that it refers to.
    pub fn parse_with(yaml: &str, read: ReadResource) -> Result<Self, SchemaError> {
        parse(yaml, read, 0)
    }
}

fn parse(yaml: &str, read: ReadResource, depth: usize) -> Result<Schema, SchemaError> {
    let raw: RawSchema = serde_yaml_ng::from_str(yaml).map_err(|e| definition(e.to_string()))?;
    if depth > DEPTH_MAX {
        return Err(definition(format!("`{}`: its resources go round in circles", raw.name)));
    }
    let mut resources = HashMap::new();
    for (name, resource) in &raw.resources {
        let name = name.as_str().unwrap_or_default().to_string();
        let uri = resource.get("uri").and_then(Value::as_str);
        let uri = uri.ok_or_else(|| definition(format!("resource `{name}` has no uri")))?;
        let text = read(uri).map_err(|e| definition(format!("resource `{name}`: {e}")))?;
        resources.insert(name, parse(&text, read, depth + 1)?);
    }
    let mut ids: HashMap<String, (String, String)> = HashMap::new();
    let mut tables = Vec::new();
    for table in &raw.tables {
        let columns = columns(table, &resources)?;
        for (column, raw) in
            columns.iter().zip(table.columns.iter().map(Some).chain(std::iter::repeat(None)))
        {
            let target = (table.name.clone(), column.name.clone());
            if let Some(id) = raw.and_then(|r| r.id.clone()) {
                ids.insert(id, target.clone());
            }
            ids.entry(format!("#{}.{}", table.name, column.name)).or_insert(target);
        }
        tables.push((table, columns));
    }
    let mut names = HashSet::new();
    let mut out = Vec::new();
    for (raw, columns) in tables {
        if !names.insert(raw.name.to_lowercase()) {
            return Err(definition(format!("two tables are named `{}`", raw.name)));
        }
        out.push(table(raw, columns, &ids)?);
    }
    let version = match &raw.version {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.get("current").and_then(Value::as_str).unwrap_or_default().to_string(),
        None => String::new(),
    };
    let description = raw.description.unwrap_or_default();
    Ok(Schema { name: raw.name, description, version, tables: out })
}

/// Own columns, then those of other files.
fn columns(
    table: &RawTable,
    resources: &HashMap<String, Schema>,
) -> Result<Vec<ColumnDef>, SchemaError> {
    let bad = |reason: String| definition(format!("table `{}`: {reason}", table.name));
    let mut out: Vec<ColumnDef> = table.columns.iter().map(column).collect();
    for (resource, tables) in &table.column_refs {
        let resource = resource.as_str().unwrap_or_default();
        let schema =
            resources.get(resource).ok_or_else(|| bad(format!("no resource `{resource}`")))?;
        let tables = tables.as_mapping().ok_or_else(|| bad("columnRefs names no table".into()))?;
        for (name, columns) in tables {
            let name = name.as_str().unwrap_or_default();
            let other = schema
                .table(name)
                .ok_or_else(|| bad(format!("resource `{resource}` has no table `{name}`")))?;
            let columns =
                columns.as_mapping().ok_or_else(|| bad("columnRefs names no column".into()))?;
            for (local, reference) in columns {
                let local = local.as_str().unwrap_or_default();
                let reference: RawReference = match reference {
                    Value::Null => RawReference::default(),
                    some => serde_yaml_ng::from_value(some.clone())
                        .map_err(|e| bad(format!("column `{local}`: {e}")))?,
                };
                let wanted = reference.ref_name.as_deref().unwrap_or(local);
                let found = other.column(wanted).ok_or_else(|| {
                    bad(format!("`{name}` of resource `{resource}` has no column `{wanted}`"))
                })?;
                let mut column = ColumnDef { name: local.into(), ..found.clone() };
                for (key, value) in reference.overrides.iter().flatten() {
                    let key = key.as_str().unwrap_or_default();
                    put(&mut column, key, value)
                        .map_err(|e| bad(format!("column `{local}`, {key}: {e}")))?;
                }
                out.push(column);
            }
        }
    }
    if out.is_empty() {
        return Err(bad("it has no column".into()));
    }
    Ok(out)
}

fn column(raw: &RawColumn) -> ColumnDef {
    let text = |t: &Option<String>| t.clone().unwrap_or_default().trim().to_string();
    let unit = raw.unit.as_ref().or(raw.tunit.as_ref()).cloned();
    ColumnDef {
        name: raw.name.clone(),
        datatype: raw.datatype,
        description: text(&raw.description),
        ucd: text(&raw.ucd),
        unit: text(&unit),
        nullable: raw.nullable.unwrap_or(true),
        length: raw.length,
        precision: raw.precision,
        arraysize: raw.arraysize.as_ref().and_then(|v| match v {
            Value::String(s) => Some(s.clone()),
            Value::Number(n) => Some(n.to_string()),
            _ => None,
        }),
        xtype: text(&raw.xtype),
        utype: text(&raw.utype),
        principal: raw.principal == Some(1),
        std: raw.std == Some(1),
        column_index: raw.column_index,
    }
}

/// One thing that a reference makes other; `null` unsets it.
fn put(column: &mut ColumnDef, key: &str, value: &Value) -> Result<(), String> {
    let number = || match value {
        Value::Null => Ok(None),
        other => other.as_i64().map(Some).ok_or_else(|| "no whole number".to_string()),
    };
    match key {
        "datatype" => {
            column.datatype =
                serde_yaml_ng::from_value(value.clone()).map_err(|e| e.to_string())?;
        }
        "length" => {
            let length = number()?.map(u32::try_from).transpose();
            column.length = length.map_err(|_| "no length".to_string())?;
        }
        "description" => column.description = value.as_str().unwrap_or_default().trim().into(),
        "nullable" => column.nullable = value.as_bool().ok_or("neither true nor false")?,
        "tap:principal" => column.principal = number()? == Some(1),
        "tap:column_index" => column.column_index = number()?,
        _ => return Err("is not one of the things that may differ".into()),
    }
    Ok(())
}

type Ids = HashMap<String, (String, String)>;

fn table(raw: &RawTable, columns: Vec<ColumnDef>, ids: &Ids) -> Result<TableDef, SchemaError> {
    let mut seen = HashSet::new();
    for column in &columns {
        // SQL's names ignore case.
        if !seen.insert(column.name.to_lowercase()) {
            let (table, column) = (raw.name.clone(), column.name.clone());
            return Err(SchemaError::Duplicate { table, column });
        }
    }
    let key = match &raw.primary_key {
        None => &[],
        Some(OneOrMany::One(id)) => std::slice::from_ref(id),
        Some(OneOrMany::Many(ids)) => ids.as_slice(),
    };
    let own = |refs: &[String], what: &str| -> Result<Vec<String>, SchemaError> {
        refs.iter()
            .map(|id| match resolve(id, ids) {
                (Some(table), name) if table == raw.name && seen.contains(&name.to_lowercase()) => {
                    Ok(name)
                }
                (None, name) if seen.contains(&name.to_lowercase()) => Ok(name),
                (_, name) => {
                    Err(definition(format!("{what} `{name}` is no column of `{}`", raw.name)))
                }
            })
            .collect()
    };
    let constraint = |c: &RawConstraint| -> Result<Constraint, SchemaError> {
        let name = c.name.clone().unwrap_or_default();
        match c.kind.as_str() {
            "ForeignKey" => {
                let targets: Vec<_> = c.referenced.iter().map(|id| resolve(id, ids)).collect();
                let table = targets.first().and_then(|t| t.0.clone()).unwrap_or_default();
                if targets.len() != c.columns.len() || targets.is_empty() {
                    let text = "names no column, or not as many as it refers to";
                    return Err(definition(format!(
                        "foreign key `{name}` of `{}` {text}",
                        raw.name
                    )));
                }
                Ok(Constraint::ForeignKey {
                    columns: own(&c.columns, "foreign key")?,
                    table,
                    referenced: targets.into_iter().map(|t| t.1).collect(),
                    name,
                })
            }
            "Unique" => Ok(Constraint::Unique { columns: own(&c.columns, "unique")?, name }),
            "Check" => {
                Ok(Constraint::Check { name, expression: c.expression.clone().unwrap_or_default() })
            }
            other => Err(definition(format!(
                "constraint `{name}` of `{}` has the unknown type `{other}`",
                raw.name
            ))),
        }
    };
    Ok(TableDef {
        name: raw.name.clone(),
        description: raw.description.clone().unwrap_or_default().trim().to_string(),
        constraints: raw.constraints.iter().map(constraint).collect::<Result<_, _>>()?,
        indexes: raw
            .indexes
            .iter()
            .map(|i| {
                Ok(IndexDef {
                    name: i.name.clone(),
                    columns: own(&i.columns, "index")?,
                    expressions: i.expressions.clone(),
                })
            })
            .collect::<Result<_, SchemaError>>()?,
        table_index: raw.table_index,
        utype: raw.utype.clone().unwrap_or_default(),
        key: own(key, "key")?,
        columns,
    })
}

/// Table and column of an id: as the ids say, or `#Table.column` by its words.
fn resolve(id: &str, ids: &Ids) -> (Option<String>, String) {
    if let Some((table, column)) = ids.get(id) {
        return (Some(table.clone()), column.clone());
    }
    let bare = id.trim_start_matches('#');
    match bare.rsplit_once('.') {
        Some((table, column)) => (Some(table.to_string()), column.to_string()),
        None => (None, bare.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_definition_is_said() {
        let twice = "name: s\ntables:\n- name: T\n  columns:\n  - {name: a, datatype: int}\n  - {name: A, datatype: int}\n";
        assert_eq!(
            Schema::parse(twice).unwrap_err().to_string(),
            "table `T` has two columns named `A`"
        );
        assert!(Schema::parse("name: [").is_err());
        assert!(
            Schema::parse(
                "name: s\ntables:\n- name: T\n  columns:\n  - {name: a, datatype: blob}\n"
            )
            .is_err()
        );
        let key = "name: s\ntables:\n- name: T\n  primaryKey: '#T.b'\n  columns:\n  - {name: a, datatype: int}\n";
        assert!(Schema::parse(key).unwrap_err().to_string().contains("`b`"));
    }
}
