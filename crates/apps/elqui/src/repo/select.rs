//! Which datasets a verb means: ids, or types with collections and an expression.

use crate::error::{CliError, broken_expression};
use elqui_butler::{CollectionKind, DataId, Dataset, DatasetId};
use elqui_pipeline::Repository;
use elqui_registry::DatasetQuery;

#[derive(clap::Args)]
pub struct Selection {
    /// Dataset types, or ids of datasets.
    #[arg(value_name = "TYPE|ID")]
    pub what: Vec<String>,
    /// Collections to search, in order; of each data id the first dataset counts (default: all runs).
    #[arg(long, value_name = "COLL", value_delimiter = ',')]
    pub collections: Vec<String>,
    /// Such as "visit IN (1..200) AND band='r'".
    #[arg(long = "where", value_name = "EXPR", default_value = "")]
    pub condition: String,
    /// Such as "visit, -detector".
    #[arg(long, value_name = "KEYS", default_value = "")]
    pub order_by: String,
    /// At most so many of each type.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub offset: usize,
}

impl Selection {
    /// The datasets meant; naming nothing is an error of the words.
    pub fn datasets(&self, r: &mut Repository) -> Result<Vec<Dataset>, CliError> {
        if self.what.is_empty() {
            return Err(CliError::words("name dataset types, or ids of datasets"));
        }
        let mut found = Vec::new();
        for word in &self.what {
            match DatasetId::parse(word) {
                Ok(id) => found.push(by_id(r, id)?),
                Err(_) => found.extend(self.of_type(r, word)?),
            }
        }
        Ok(found)
    }

    pub fn ids(&self, r: &mut Repository) -> Result<Vec<DatasetId>, CliError> {
        Ok(self.datasets(r)?.into_iter().map(|d| d.id).collect())
    }

    /// Data ids of a type that the expression selects, in any run.
    pub fn data_ids_of(
        &self,
        r: &mut Repository,
        dataset_type: &str,
    ) -> Result<Vec<DataId>, CliError> {
        let found = self.of_type(r, dataset_type)?;
        Ok(found.into_iter().map(|d| d.name.data_id).collect())
    }

    fn of_type(&self, r: &mut Repository, dataset_type: &str) -> Result<Vec<Dataset>, CliError> {
        let mut query = DatasetQuery::new(dataset_type, &[], &self.condition);
        query.find_first = !self.collections.is_empty();
        query.collections = if query.find_first { self.collections.clone() } else { runs(r)? };
        query.select.order_by.clone_from(&self.order_by);
        query.select.limit = self.limit;
        query.select.offset = self.offset;
        r.registry().datasets(&query).map_err(broken_expression)
    }
}

pub fn by_id(r: &mut Repository, id: DatasetId) -> Result<Dataset, CliError> {
    let found = r.registry().dataset(id).map_err(CliError::work)?;
    found.ok_or_else(|| CliError::work(format!("there is no dataset {id} in this repository")))
}

pub fn runs(r: &mut Repository) -> Result<Vec<String>, CliError> {
    let all = r.registry().collections("*").map_err(CliError::work)?;
    let runs = all.into_iter().filter(|c| c.kind == CollectionKind::Run);
    Ok(runs.map(|c| c.name).collect())
}
