//! Dataset types: registered, looked up.

use crate::error::RegistryError;
use crate::error::Result;
use crate::registry::{Registry, TypeRow};
use crate::schema;
use elqui_butler::DatasetType;
use elqui_sql::{Fails as _, Fault};

impl Registry {
    /// Make a dataset type known. One of this name that is there already must be the same.
    pub fn register_dataset_type(&mut self, of: &DatasetType) -> Result<bool> {
        let group = self.universe.group(&of.dimensions)?.required;
        if group != of.dimensions {
            let why = format!("its dimensions must be {}", group.join(", "));
            return Err(RegistryError::Refused {
                what: format!("dataset type `{}`", of.name),
                why,
            });
        }
        self.write(|r| {
            if let Ok(found) = r.type_row(&of.name) {
                if (&found.of.dimensions, &found.of.storage_class, found.of.is_calibration)
                    != (&of.dimensions, &of.storage_class, of.is_calibration)
                {
                    let why = format!(
                        "it has the dimensions {} and the storage class {}",
                        found.of.dimensions.join(", "),
                        found.of.storage_class
                    );
                    let name = of.name.clone();
                    return Err(RegistryError::Differs { what: "the dataset type", name, why });
                }
                return Ok(false);
            }
            let names = of.dimensions.join(",");
            let find = "SELECT id FROM dimension_group WHERE dimensions = ?";
            let group = match r.sql.row(find, &[(&names).into()])? {
                Some(row) => row[0].int(),
                None => {
                    let sql = "INSERT INTO dimension_group (dimensions) VALUES (?) RETURNING id";
                    let id = r.sql.row(sql, &[(&names).into()])?.map_or(0, |row| row[0].int());
                    schema::create_group(r.sql.as_mut(), &r.universe, id, &of.dimensions)?;
                    id
                }
            };
            let sql = "INSERT INTO dataset_type \
                       (name, dimension_group, storage_class, is_calibration, doc) VALUES (?, ?, ?, ?, ?)";
            let values = [
                (&of.name).into(),
                group.into(),
                (&of.storage_class).into(),
                i64::from(of.is_calibration).into(),
                (&of.doc).into(),
            ];
            r.sql.execute(sql, &values)?;
            Ok(true)
        })
        .or_else(|e| match e.fault() {
            // Another process registered it at the same moment: look again.
            Some(Fault::Unique) => self.register_dataset_type(of),
            _ => Err(e),
        })
    }

    pub(crate) fn type_row(&mut self, name: &str) -> Result<TypeRow> {
        if let Some(row) = self.types.get(name) {
            return Ok(row.clone());
        }
        let sql = "SELECT t.id, g.id, g.dimensions, t.storage_class, t.is_calibration, t.doc \
                   FROM dataset_type t JOIN dimension_group g ON g.id = t.dimension_group WHERE t.name = ?";
        let Some(row) = self.sql.row(sql, &[name.into()])? else {
            let known =
                self.sql.rows("SELECT name FROM dataset_type ORDER BY name LIMIT 20", &[])?;
            let known: Vec<&str> = known.iter().map(|r| r[0].text()).collect();
            let hint = match known.as_slice() {
                [] => "; none is registered yet".to_string(),
                known => format!("; there are {}", known.join(", ")),
            };
            return Err(RegistryError::Unknown { what: "dataset type", name: name.into(), hint });
        };
        let dimensions = row[2].text().split(',').filter(|d| !d.is_empty()).map(str::to_string);
        let of = DatasetType {
            name: name.to_string(),
            dimensions: dimensions.collect(),
            storage_class: row[3].text().to_string(),
            is_calibration: row[4].int() != 0,
            doc: row[5].text().to_string(),
        };
        let found = TypeRow { id: row[0].int(), group: row[1].int(), of };
        self.types.insert(name.to_string(), found.clone());
        Ok(found)
    }

    pub fn dataset_type(&mut self, name: &str) -> Result<DatasetType> {
        Ok(self.type_row(name)?.of)
    }

    /// All dataset types, by name.
    pub fn dataset_types(&mut self) -> Result<Vec<DatasetType>> {
        let rows = self.sql.rows("SELECT name FROM dataset_type ORDER BY name", &[])?;
        rows.iter().map(|r| self.dataset_type(r[0].text())).collect()
    }
}
