//! CSV: one header line, quotes as RFC 4180 where they are needed.

use super::cells::Cells;
use super::{Out, RowSink};
use crate::error::one_line;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

pub(super) struct CsvSink(csv::Writer<Out>);

impl CsvSink {
    pub(super) fn new(out: Out, schema: &SchemaRef) -> Result<Self, String> {
        let mut writer = csv::WriterBuilder::new().comment(Some(b'#')).from_writer(out);
        writer.write_record(schema.fields().iter().map(|f| f.name())).map_err(one_line)?;
        Ok(Self(writer))
    }
}

impl RowSink for CsvSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let columns = batch.columns().iter().map(Cells::new).collect::<Result<Vec<_>, _>>()?;
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            for column in &columns {
                text.clear();
                column.put(row, &mut text)?;
                self.0.write_field(&text).map_err(one_line)?;
            }
            self.0.write_record(None::<&[u8]>).map_err(one_line)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), String> {
        self.0.flush().map_err(one_line)
    }
}
