//! Where the rows of a parent table stand, by their id.
//!
//! - read whole from the parent's id index: 16 bytes for each parent

use crate::config::{ImportConfig, Parent};
use crate::error::{CatalogError, one_line};
use crate::keys::keys;
use crate::source::{ParquetSource, RowSource};
use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use elqui_hats::{HatsCatalog, Pixel};
use elqui_sphere::HEALPIX29_BAD;

pub(crate) struct ParentIndex {
    /// Id (as a sortable number) and cell of order 29, by id.
    entries: Vec<(u64, u64)>,
    pub partitions: Vec<Pixel>,
}

impl ParentIndex {
    pub fn open(config: &ImportConfig, parent: &Parent) -> Result<Self, CatalogError> {
        let catalog = HatsCatalog::open(&parent.dir)?;
        let dir = parent.dir.display();
        let index = catalog.indexes().iter().find(|i| i.is_default);
        let Some(index) = index.or_else(|| catalog.indexes().first()) else {
            return Err(CatalogError::refused(format!(
                "the parent `{dir}` has no id index; import it again with `--id COLUMN`"
            )));
        };
        let rows = usize::try_from(catalog.rows()?.unwrap_or(0)).unwrap_or(usize::MAX);
        if rows.saturating_mul(16) > config.memory_bytes {
            let need = rows.saturating_mul(16) >> 20;
            return Err(CatalogError::refused(format!(
                "the ids of the parent `{dir}` need {need} MiB; allow that with `--memory`"
            )));
        }
        let source = ParquetSource::open(&index.files)?;
        let schema = source.schema();
        let find = |name: &str| super::place::column(&schema, &index.column, name, "the index");
        let wanted = [find(&index.column)?, find("_healpix_29")?];
        let mut entries: Vec<(u64, u64)> = Vec::with_capacity(rows);
        for part in 0..source.parts() {
            for batch in source.part(part, Some(&wanted))? {
                let batch = batch?;
                let cells = cast(batch.column(1), &DataType::Int64)
                    .map_err(|e| CatalogError::refused(one_line(e)))?;
                let cells = cells.as_primitive::<Int64Type>().values();
                let ids = keys(batch.column(0))?;
                let known = ids.into_iter().zip(cells);
                entries.extend(known.filter_map(|(k, c)| Some((k?, c.cast_unsigned()))));
            }
        }
        if !entries.is_sorted() {
            entries.sort_unstable();
        }
        let partitions = catalog.partitions().iter().map(|p| p.pixel).collect();
        Ok(Self { entries, partitions })
    }

    /// The parents' cells; [`HEALPIX29_BAD`] for a row without parent.
    pub fn cells(&self, ids: &ArrayRef) -> Result<Vec<u64>, CatalogError> {
        let cell = |key: Option<u64>| -> Option<u64> {
            let key = key?;
            let k = self.entries.partition_point(|e| e.0 < key);
            self.entries.get(k).filter(|e| e.0 == key).map(|e| e.1)
        };
        Ok(keys(ids)?.into_iter().map(|k| cell(k).unwrap_or(HEALPIX29_BAD)).collect())
    }
}
