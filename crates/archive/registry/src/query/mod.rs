//! Questions to the registry: datasets, data ids and records that an expression selects.

mod compile;
mod names;
mod operators;
mod overlap;
mod plan;
mod regions;
mod scope;

use crate::datasets::id_of;
use crate::error::RegistryError;
use crate::records::{columns, keys_of};
use crate::registry::Registry;
use crate::schema::key;
use crate::sql::{Result, SqlValue};
use compile::Compiler;
use elqui_butler::expression::{Expr, parse, parse_order};
use elqui_butler::{DataId, Dataset, DatasetRef, DimensionRecord};
use names::{bounded, named_dimensions, names};
use plan::{Plan, base_of, near};
use scope::Scope;
use std::collections::BTreeSet;

/// What is wanted of all that there is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Select {
    /// An expression; empty for everything.
    pub condition: String,
    /// `visit, -detector`; empty for the registry's own order.
    pub order_by: String,
    pub limit: Option<usize>,
    /// How many to pass over first: the page's number times its size.
    pub offset: usize,
}

impl Select {
    pub fn all() -> Self {
        Self::default()
    }

    pub fn condition(text: &str) -> Self {
        Self { condition: text.to_string(), ..Self::default() }
    }
}

/// Datasets of a type in collections.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetQuery {
    pub dataset_type: String,
    pub collections: Vec<String>,
    /// Of each data id only the dataset that a search in the collections' order meets first.
    pub find_first: bool,
    pub select: Select,
}

impl DatasetQuery {
    pub fn new(dataset_type: &str, collections: &[&str], condition: &str) -> Self {
        Self {
            dataset_type: dataset_type.to_string(),
            collections: collections.iter().map(|c| (*c).to_string()).collect(),
            find_first: true,
            select: Select::condition(condition),
        }
    }
}

impl Registry {
    /// Datasets that an expression selects.
    pub fn datasets(&mut self, query: &DatasetQuery) -> Result<Vec<Dataset>> {
        let of = self.type_row(&query.dataset_type)?;
        let names: Vec<&str> = query.collections.iter().map(String::as_str).collect();
        let path = self.search_path(&names, false)?;
        let Some((base, mut terms, repeats)) =
            base_of(&path, of.group, of.id, &of.of.dimensions, query.find_first)
        else {
            return Ok(Vec::new());
        };
        let universe = self.universe.clone();
        let dimensions = &of.of.dimensions;
        let mut scope = Scope::new(&universe, "m", dimensions);
        let (condition, mut order, params) =
            self.compile(&mut scope, &query.select, &[], dimensions, Some("d.ingest_ns"))?;
        terms.extend(condition);
        order.extend(dimensions.iter().map(|d| format!("m.{}", key(d))));
        if path.len() > 1 {
            order.push("d.id".to_string());
        }
        let mut columns = keys_of("m", dimensions);
        if !dimensions.is_empty() {
            columns += ", ";
        }
        let plan = Plan {
            columns: columns + "d.uuid, c.name",
            from: format!(
                "{base} JOIN dataset d ON d.id = m.dataset JOIN collection c ON c.id = d.run{}",
                scope.joins
            ),
            terms,
            order,
            params,
            regions: scope.regions.clone(),
            repeats: scope.repeats || repeats,
            width: dimensions.len() + 2,
        };
        let rows = self.run(plan, &query.select)?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let mut data_id = DataId::new();
            for (dimension, value) in dimensions.iter().zip(&row) {
                data_id.insert(dimension, self.value_of(dimension, value.int())?);
            }
            let n = dimensions.len();
            found.push(Dataset {
                id: id_of(&row[n]),
                run: row[n + 1].text().to_string(),
                name: DatasetRef { dataset_type: of.of.name.clone(), data_id },
            });
        }
        Ok(found)
    }

    /// Data ids of these dimensions that an expression selects, with what they imply.
    /// - `existing`: dataset types of which one must be there, with the collections to look in
    pub fn data_ids(
        &mut self,
        dimensions: &[&str],
        existing: &[(&str, &[&str])],
        select: &Select,
    ) -> Result<Vec<DataId>> {
        let universe = self.universe.clone();
        let group = universe.group(dimensions)?;
        let required = &group.required;
        let (mut scope, mut from) = Scope::of_records(&universe, &near(&universe, required));
        let (condition, mut order, params) =
            self.compile(&mut scope, select, required, &[], None)?;
        let mut terms: Vec<String> = condition.into_iter().collect();
        let mut wanted: Vec<(String, String)> = Vec::new();
        for dimension in required.iter().chain(&group.implied) {
            match scope.dimension(dimension) {
                Some(column) => wanted.push((dimension.clone(), column)),
                None => {
                    let what = format!("data ids of {}", dimensions.join(", "));
                    let why = format!("`{dimension}` has no records to choose from");
                    return Err(RegistryError::Refused { what, why });
                }
            }
        }
        for (name, collections) in existing {
            terms.push(self.exists(&mut scope, name, collections)?);
        }
        order.extend(wanted.iter().take(required.len()).map(|(_, c)| c.clone()));
        if from.is_empty() {
            from = "(SELECT 1 AS one) e".to_string();
        }
        let columns: Vec<&str> = wanted.iter().map(|(_, c)| c.as_str()).collect();
        let plan = Plan {
            columns: if columns.is_empty() { "1".to_string() } else { columns.join(", ") },
            from: from + &scope.joins,
            terms,
            order,
            params,
            regions: scope.regions.clone(),
            repeats: scope.repeats,
            width: columns.len().max(1),
        };
        let mut found = Vec::new();
        for row in self.run(plan, select)? {
            let mut data_id = DataId::new();
            for ((dimension, _), value) in wanted.iter().zip(&row) {
                if let SqlValue::Int(v) = value {
                    data_id.insert(dimension, self.value_of(dimension, *v)?);
                }
            }
            found.push(data_id);
        }
        Ok(found)
    }

    /// Records of an element that an expression selects.
    pub fn records(&mut self, element: &str, select: &Select) -> Result<Vec<DimensionRecord>> {
        let found = self.universe.element(element).filter(|e| e.stored).cloned();
        let element = found.ok_or_else(|| RegistryError::unknown("dimension", element))?;
        let universe = self.universe.clone();
        let mut scope = Scope::of_element(&universe, &element);
        let alias = format!("e_{}", element.name);
        let (condition, mut order, params) = self.compile(&mut scope, select, &[], &[], None)?;
        order.extend(element.required.iter().map(|d| format!("{alias}.{}", key(d))));
        let columns: Vec<String> =
            columns(&element).iter().map(|c| format!("{alias}.{c}")).collect();
        let plan = Plan {
            columns: columns.join(", "),
            from: format!("dim_{} {alias}{}", element.name, scope.joins),
            terms: condition.into_iter().collect(),
            order,
            params,
            regions: scope.regions.clone(),
            repeats: scope.repeats,
            width: columns.len(),
        };
        let rows = self.run(plan, select)?;
        rows.iter().map(|row| self.record_from(&element, row)).collect()
    }

    /// Condition, order and parameters; what they name is joined to the scope.
    fn compile(
        &mut self,
        scope: &mut Scope<'_>,
        select: &Select,
        also: &[String],
        base: &[String],
        ingest: Option<&'static str>,
    ) -> Result<(Option<String>, Vec<String>, Vec<SqlValue>)> {
        self.hits_first = self.hits_last + 1;
        let tree = parse(&select.condition)?;
        let keys = parse_order(&select.order_by)?;
        let mut named: BTreeSet<String> = also.iter().cloned().collect();
        if let Some(tree) = &tree {
            names(&self.universe, tree, &mut named);
        }
        for order in &keys {
            named_dimensions(&self.universe, &order.name, &mut named);
        }
        scope.relate(&named).map_err(|why| {
            let what = match select.condition.as_str() {
                "" => "the question".to_string(),
                text => format!("the expression `{text}`"),
            };
            RegistryError::Refused { what, why }
        })?;
        let mut compiler = Compiler {
            registry: self,
            scope,
            text: &select.condition,
            params: Vec::new(),
            ingest,
            instead: None,
        };
        let condition = tree.as_ref().map(|t| compiler.condition(t)).transpose()?;
        compiler.text = &select.order_by;
        let mut order = Vec::new();
        for k in &keys {
            let sql = compiler.order_key(k.at, &k.name)?;
            order.push(format!("{sql}{}", if k.descending { " DESC" } else { "" }));
        }
        // Bounds on the base's keys are said of the records beside it too: then whichever table the
        // database begins with, it begins with few rows.
        compiler.text = &select.condition;
        let mut all: Vec<String> = condition.into_iter().collect();
        let terms = match tree.as_ref().map(|t| &t.expr) {
            Some(Expr::And(terms)) => terms.as_slice(),
            _ => tree.as_slice(),
        };
        for term in terms {
            let Some(dimension) = bounded(term) else { continue };
            for column in compiler.scope.twins(dimension, base) {
                compiler.instead = Some((dimension.to_string(), column));
                all.push(compiler.condition(term)?);
            }
        }
        let condition = (!all.is_empty()).then(|| all.join(" AND "));
        Ok((condition, order, compiler.params))
    }

    /// A condition that a dataset of a type is there.
    fn exists(
        &mut self,
        scope: &mut Scope<'_>,
        name: &str,
        collections: &[&str],
    ) -> Result<String> {
        let of = self.type_row(name)?;
        let path = self.search_path(collections, false)?;
        let Some((base, mut terms, _)) = base_of(&path, of.group, of.id, &of.of.dimensions, false)
        else {
            return Ok("1 = 0".to_string());
        };
        for dimension in &of.of.dimensions {
            let Some(column) = scope.dimension(dimension) else {
                let what = format!("data ids for which `{name}` exists");
                let why = format!("its dimension `{dimension}` is not among theirs");
                return Err(RegistryError::Refused { what, why });
            };
            terms.push(format!("m.{} = {column}", key(dimension)));
        }
        Ok(format!("EXISTS (SELECT 1 FROM {base} WHERE {})", terms.join(" AND ")))
    }
}
