//! Questions to the registry: datasets, data ids and records that an expression selects.

mod compile;
mod data_ids;
mod healpix;
mod names;
mod operators;
mod overlap;
mod paging;
mod plan;
mod regions;
mod relate;
mod scope;

use crate::collections::CollectionRow;
use crate::datasets::id_of;
use crate::error::RegistryError;
use crate::error::Result;
use crate::records::{columns, keys_of};
use crate::registry::Registry;
use crate::schema::key;
use compile::Compiler;
use elqui_butler::expression::{Compare, Expr, Node, parse, parse_order};
use elqui_butler::{CollectionKind, DataId, Dataset, DatasetRef, DimensionRecord};
use elqui_sql::SqlValue;
pub(crate) use healpix::NUNIQ_MIN;
use healpix::listed;
use names::{bounded, named_dimensions, names};
pub use paging::{Cursor, Page};
use paging::{apart, question};
use plan::{OrderBy, Plan, base_of};
use scope::Scope;
use std::collections::BTreeSet;

/// An expression and an order, as SQL.
struct Compiled {
    condition: Option<String>,
    order: Vec<OrderBy>,
    params: Vec<SqlValue>,
    /// Whether each row has one value of each key of the order.
    single: bool,
    /// Dimensions that are one value throughout.
    pinned: BTreeSet<String>,
}

/// The keys that make an order total. What is one value throughout is left out: an index seeks by what follows.
fn total(
    pinned: &BTreeSet<String>,
    keys: &mut dyn Iterator<Item = (&String, String)>,
) -> Vec<OrderBy> {
    let all: Vec<(&String, String)> = keys.collect();
    let free = |(d, _): &&(&String, String)| !pinned.contains(*d);
    let some = all.iter().any(|k| free(&k));
    let kept = all.iter().filter(|k| !some || free(k));
    kept.map(|(_, column)| OrderBy::key(column.clone())).collect()
}

fn must_be_single(single: bool, select: &Select) -> Result<()> {
    if single {
        return Ok(());
    }
    let what = format!("a page in the order `{}`", select.order_by);
    let why =
        "one thing may have several of these values; order by what belongs to it alone".into();
    Err(RegistryError::Refused { what, why })
}

/// A number as SQL: all digits, so that it is the same number there.
fn quoted(value: f64) -> String {
    format!("{value:e}")
}

/// What is wanted of all that there is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Select {
    /// An expression; empty for everything.
    pub condition: String,
    /// `visit, -detector`; empty for the registry's own order.
    pub order_by: String,
    pub limit: Option<usize>,
    /// How many to pass over first; it costs what it passes over. For page after page, `after` is better.
    pub offset: usize,
    /// Where the page before ended, for [`Registry::datasets_page`] and [`Registry::data_ids_page`].
    pub after: Option<Cursor>,
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
    /// Datasets that an expression selects, by the stated order and the data id.
    pub fn datasets(&mut self, query: &DatasetQuery) -> Result<Vec<Dataset>> {
        Ok(self.datasets_found(query, false)?.items)
    }

    /// The same as pages of [`Select::limit`], each beginning after the one before.
    pub fn datasets_page(&mut self, query: &DatasetQuery) -> Result<Page<Dataset>> {
        self.datasets_found(query, true)
    }

    fn datasets_found(&mut self, query: &DatasetQuery, paged: bool) -> Result<Page<Dataset>> {
        let of = self.type_row(&query.dataset_type)?;
        let names: Vec<&str> = query.collections.iter().map(String::as_str).collect();
        let path = self.search_path(&names, false)?;
        let mut bases = vec![base_of(&path, of.group, of.id, &of.of.dimensions, query.find_first)];
        if paged && query.find_first && apart(&path, &query.select) {
            let members = path.iter().filter(|c| c.kind != CollectionKind::Calibration);
            let members: Vec<CollectionRow> = members.cloned().collect();
            let one = |c: &CollectionRow| {
                base_of(std::slice::from_ref(c), of.group, of.id, &of.of.dimensions, true)
            };
            bases = if members.is_empty() { bases } else { members.iter().map(one).collect() };
        }
        let bases: Vec<_> = bases.into_iter().flatten().collect();
        if bases.is_empty() {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let universe = self.universe.clone();
        let dimensions = &of.of.dimensions;
        let mut scope = Scope::new(&universe, "m", dimensions);
        let compiled =
            self.compile(&mut scope, &query.select, &[], dimensions, Some("d.ingest_ns"))?;
        let mut order = compiled.order;
        let mut keys = dimensions.iter().map(|d| (d, format!("m.{}", key(d))));
        order.extend(total(&compiled.pinned, &mut keys));
        // Several of one data id: of several collections, or for several times.
        let calibrations = bases.iter().any(|(_, _, repeats)| *repeats);
        if bases.len() == 1 && (path.len() > 1 || calibrations) {
            order.push(OrderBy::key("d.id".to_string()));
        }
        let mut columns = keys_of("m", dimensions);
        if !dimensions.is_empty() {
            columns += ", ";
        }
        let plan = |(base, mut terms, repeats): (String, Vec<String>, bool)| {
            terms.extend(compiled.condition.clone());
            Plan {
                columns: format!("{columns}d.uuid, c.name"),
                from: format!(
                    "{base} JOIN dataset d ON d.id = m.dataset JOIN collection c ON c.id = d.run{}",
                    scope.joins
                ),
                terms,
                order: order.clone(),
                params: compiled.params.clone(),
                regions: scope.regions.clone(),
                repeats: scope.repeats || repeats,
                width: dimensions.len() + 2,
            }
        };
        let plans: Vec<Plan> = bases.into_iter().map(plan).collect();
        let (rows, next) = if paged {
            must_be_single(compiled.single, &query.select)?;
            let mut parts =
                vec!["datasets", &query.dataset_type, if query.find_first { "1" } else { "*" }];
            parts.extend(names);
            parts.extend([query.select.condition.as_str(), &query.select.order_by]);
            self.page(&plans, &query.select, question(&parts))?
        } else {
            (self.run(&plans[0], &query.select)?, None)
        };
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            let mut data_id = DataId::new();
            for (dimension, value) in dimensions.iter().zip(&row) {
                data_id.insert(dimension, self.value_of(dimension, value.int())?);
            }
            let n = dimensions.len();
            items.push(Dataset {
                id: id_of(&row[n]),
                run: row[n + 1].text().to_string(),
                name: DatasetRef { dataset_type: of.of.name.clone(), data_id },
            });
        }
        Ok(Page { items, next })
    }

    /// Records of an element that an expression selects.
    pub fn records(&mut self, element: &str, select: &Select) -> Result<Vec<DimensionRecord>> {
        let found = self.universe.element(element).filter(|e| e.stored).cloned();
        let element = found.ok_or_else(|| RegistryError::unknown("dimension", element))?;
        let universe = self.universe.clone();
        let mut scope = Scope::of_element(&universe, &element);
        let alias = format!("e_{}", element.name);
        let compiled = self.compile(&mut scope, select, &[], &[], None)?;
        let mut order = compiled.order;
        let keys = element.required.iter().map(|d| OrderBy::key(format!("{alias}.{}", key(d))));
        order.extend(keys);
        let columns: Vec<String> =
            columns(&element).iter().map(|c| format!("{alias}.{c}")).collect();
        let plan = Plan {
            columns: columns.join(", "),
            from: format!("dim_{} {alias}{}", element.name, scope.joins),
            terms: compiled.condition.into_iter().collect(),
            order,
            params: compiled.params,
            regions: scope.regions.clone(),
            repeats: scope.repeats,
            width: columns.len(),
        };
        let rows = self.run(&plan, select)?;
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
    ) -> Result<Compiled> {
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
        // What rows are ordered by must be one thing a row, or pages would not fit together.
        let mut ordered = BTreeSet::new();
        keys.iter().for_each(|k| named_dimensions(&self.universe, &k.name, &mut ordered));
        let single = ordered.iter().all(|d| also.contains(d) || scope.dimension(d).is_some());
        let cells = self.universe.elements().iter().find(|e| e.is_healpix());
        let cells = cells.map(|e| e.name.clone()).filter(|d| named.contains(d));
        if let (Some(dimension), Some(tree)) = (&cells, &tree)
            && let Some(numbers) = listed(tree, dimension)?
        {
            scope.cells = Some(self.ask_cells(&numbers)?);
        }
        scope.relate(&named, &mut |e| self.covered(e)).map_err(|why| {
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
            order.push(OrderBy { sql, descending: k.descending, nullable: true });
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
            compiler.check_cells(term)?;
            let Some(dimension) = bounded(term) else { continue };
            for column in compiler.scope.twins(dimension, base) {
                compiler.instead = Some((dimension.to_string(), column));
                all.push(compiler.condition(term)?);
            }
        }
        let condition = (!all.is_empty()).then(|| all.join(" AND "));
        let one = |term: &Node| match (&term.expr, bounded(term)) {
            (Expr::Compare(Compare::Eq, ..), Some(dimension)) => Some(dimension.to_string()),
            _ => None,
        };
        let pinned = terms.iter().filter_map(one).collect();
        Ok(Compiled { condition, order, params: compiler.params, single, pinned })
    }
}
