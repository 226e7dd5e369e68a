//! Row groups that the statistics of the file, or its bloom filters, show to hold nothing that is asked for.

use crate::storage::OpenFile;
use datafusion::arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use std::collections::HashSet;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub struct GroupPruner(Arc<PruningPredicate>);

impl GroupPruner {
    /// `None` where statistics cannot help.
    pub fn new(predicate: &Arc<dyn PhysicalExpr>, schema: &SchemaRef) -> Option<Self> {
        let made = PruningPredicateBuilder::new()
            .with_file_schema(schema.clone())
            .try_build(predicate.clone())
            .ok()?;
        (!made.always_true()).then(|| Self(Arc::new(made)))
    }

    /// Whether row group `group` can hold a row of the answer.
    pub fn keeps(&self, file: &OpenFile, group: usize) -> bool {
        // Statistics that cannot be read leave the rows to be read.
        let kept = self.0.prune(&GroupStatistics { file, group });
        kept.map_or(true, |k| k.first().copied().unwrap_or(true))
    }
}

struct GroupStatistics<'a> {
    file: &'a OpenFile,
    group: usize,
}

impl GroupStatistics<'_> {
    fn converter(&self, column: &Column) -> Option<StatisticsConverter<'_>> {
        let arrow = &self.file.arrow;
        StatisticsConverter::try_new(&column.name, arrow.schema(), arrow.parquet_schema()).ok()
    }

    fn group(
        &self,
    ) -> impl Iterator<Item = &datafusion::parquet::file::metadata::RowGroupMetaData> {
        std::iter::once(self.file.metadata().row_group(self.group))
    }
}

impl PruningStatistics for GroupStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.converter(column)?.row_group_mins(self.group()).ok()
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        let converter = self.converter(column)?;
        // NaN counts as larger than all numbers in SQL, and statistics leave it out.
        if converter.arrow_field().data_type().is_floating() {
            return None;
        }
        converter.row_group_maxes(self.group()).ok()
    }

    fn num_containers(&self) -> usize {
        1
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let counts = self.converter(column)?.row_group_null_counts(self.group()).ok()?;
        Some(Arc::new(counts))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let rows = self.file.metadata().row_group(self.group).num_rows();
        Some(Arc::new(UInt64Array::from(vec![u64::try_from(rows).unwrap_or(0)])))
    }

    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        let leaf = self.file.leaf(&column.name)?;
        self.file.metadata().row_group(self.group).column(leaf).bloom_filter_offset()?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(
            self.file.reader.clone(),
            self.file.arrow.clone(),
        );
        let filter = reader.get_row_group_column_bloom_filter(self.group, leaf).ok()??;
        let any = values.iter().any(|v| match v {
            ScalarValue::Int64(Some(v)) => filter.check(v),
            ScalarValue::Utf8(Some(v)) => filter.check(&v.as_str()),
            // Of other kinds the filter is not asked.
            _ => true,
        });
        // It knows what is not there; never what is there only.
        Some(BooleanArray::from(vec![if any { None } else { Some(false) }]))
    }
}
