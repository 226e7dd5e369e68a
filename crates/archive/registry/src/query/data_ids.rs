//! Data ids: which there could be, and for which datasets exist.

use super::healpix::bounds;
use super::paging::{Page, question};
use super::plan::{Plan, base_of, near};
use super::scope::Scope;
use super::{Select, must_be_single, total};
use crate::error::{RegistryError, Result};
use crate::registry::Registry;
use crate::schema::key;
use elqui_butler::DataId;
use elqui_sql::SqlValue;

impl Registry {
    /// Data ids of these dimensions that an expression selects, with what they imply.
    /// - `existing`: dataset types of which one must be there, with the collections to look in
    pub fn data_ids(
        &mut self,
        dimensions: &[&str],
        existing: &[(&str, &[&str])],
        select: &Select,
    ) -> Result<Vec<DataId>> {
        Ok(self.data_ids_found(dimensions, existing, select, false)?.items)
    }

    /// The same as pages of [`Select::limit`], each beginning after the one before.
    pub fn data_ids_page(
        &mut self,
        dimensions: &[&str],
        existing: &[(&str, &[&str])],
        select: &Select,
    ) -> Result<Page<DataId>> {
        self.data_ids_found(dimensions, existing, select, true)
    }

    fn data_ids_found(
        &mut self,
        dimensions: &[&str],
        existing: &[(&str, &[&str])],
        select: &Select,
        paged: bool,
    ) -> Result<Page<DataId>> {
        let universe = self.universe.clone();
        let group = universe.group(dimensions)?;
        let required = &group.required;
        let (mut scope, mut from) = Scope::of_records(&universe, &near(&universe, required));
        scope.cells = self.cells_of_datasets(required, existing)?;
        let compiled = self.compile(&mut scope, select, required, &[], None)?;
        let mut terms: Vec<String> = compiled.condition.into_iter().collect();
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
        let mut order = compiled.order;
        let pinned = compiled.pinned;
        order.extend(total(
            &pinned,
            &mut wanted.iter().take(required.len()).map(|(d, c)| (d, c.clone())),
        ));
        if from.is_empty() {
            from = "(SELECT 1 AS one) e".to_string();
        }
        let columns: Vec<&str> = wanted.iter().map(|(_, c)| c.as_str()).collect();
        let plan = Plan {
            columns: if columns.is_empty() { "1".to_string() } else { columns.join(", ") },
            from: from + &scope.joins,
            terms,
            order,
            params: compiled.params,
            regions: scope.regions.clone(),
            repeats: scope.repeats,
            width: columns.len().max(1),
        };
        let (rows, next) = if paged && !columns.is_empty() {
            must_be_single(compiled.single, select)?;
            let mut parts = vec!["data ids"];
            parts.extend(dimensions);
            existing.iter().for_each(|(name, all)| {
                parts.push(name);
                parts.extend(*all);
            });
            parts.extend([select.condition.as_str(), &select.order_by]);
            self.page(&[plan], select, question(&parts))?
        } else {
            (self.run(&plan, select)?, None)
        };
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            let mut data_id = DataId::new();
            for ((dimension, _), value) in wanted.iter().zip(&row) {
                if let SqlValue::Int(v) = value {
                    data_id.insert(dimension, self.value_of(dimension, *v)?);
                }
            }
            items.push(data_id);
        }
        Ok(Page { items, next })
    }

    /// The HEALPix cells for which datasets exist, where cells are asked for.
    fn cells_of_datasets(
        &mut self,
        required: &[String],
        existing: &[(&str, &[&str])],
    ) -> Result<Option<String>> {
        let is = |d: &&String| self.universe.element(d).is_some_and(|e| e.is_healpix());
        let Some(dimension) = required.iter().find(is) else { return Ok(None) };
        for (name, collections) in existing {
            let of = self.type_row(name)?;
            if !of.of.dimensions.contains(dimension) {
                continue;
            }
            let path = self.search_path(collections, false)?;
            let base = base_of(&path, of.group, of.id, &of.of.dimensions, false);
            let Some((base, terms, _)) = base else { continue };
            let number = format!("m.{}", key(dimension));
            let (low, high) = bounds(&number);
            return Ok(Some(format!(
                "(SELECT DISTINCT {number} AS number, {low} AS low, {high} AS high FROM {base} WHERE {})",
                terms.join(" AND ")
            )));
        }
        Ok(None)
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
