//! `ivo_histogram(value, lower, upper, bins)`: counts below, in each bin, and above (IVOA catalogue of UDFs).

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use elqui_adql::udf::Histogram;
use std::sync::Arc;

#[derive(Debug, PartialEq, Eq, Hash)]
struct HistogramFunction {
    signature: Signature,
}

pub fn function() -> AggregateUDF {
    use DataType::{Float64, Int64};
    let signature = Signature::exact(vec![Float64, Float64, Float64, Int64], Volatility::Immutable);
    AggregateUDF::from(HistogramFunction { signature })
}

fn counts_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)))
}

impl AggregateUDFImpl for HistogramFunction {
    fn name(&self) -> &str {
        "ivo_histogram"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(counts_type())
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Counts(None)))
    }

    fn state_fields(&self, _: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new("counts", counts_type(), true))])
    }
}

#[derive(Debug)]
struct Counts(Option<Histogram>);

impl Counts {
    fn merge(&mut self, other: Histogram) -> Result<()> {
        let Some(own) = &mut self.0 else {
            self.0 = Some(other);
            return Ok(());
        };
        if own.merge(&other) {
            return Ok(());
        }
        exec_err!("ivo_histogram: the number of bins is to be a constant")
    }
}

impl Accumulator for Counts {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [value, lower, upper, bins] = values else {
            return exec_err!("ivo_histogram takes value, lower, upper, bins");
        };
        let value = value.as_primitive::<Float64Type>();
        let (lower, upper) =
            (lower.as_primitive::<Float64Type>(), upper.as_primitive::<Float64Type>());
        let bins = bins.as_primitive::<Int64Type>();
        for r in 0..value.len() {
            if self.0.is_none() {
                let Some(new) = Histogram::new(bins.value(r)) else {
                    return exec_err!("ivo_histogram: {} is no number of bins", bins.value(r));
                };
                self.0 = Some(new);
            }
            if let Some(h) = &mut self.0 {
                h.add(value.is_valid(r).then(|| value.value(r)), lower.value(r), upper.value(r));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let Some(h) = &self.0 else { return ScalarValue::try_from(&counts_type()) };
        let counts: Vec<ScalarValue> =
            h.counts.iter().map(|c| ScalarValue::Int64(Some(*c))).collect();
        Ok(ScalarValue::List(ScalarValue::new_list(&counts, &DataType::Int64, true)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.as_ref().map_or(0, |h| h.counts.len() * 8)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(lists) = states.first().and_then(|s| s.as_list_opt::<i32>()) else {
            return exec_err!("ivo_histogram: its parts are lists");
        };
        for list in lists.iter().flatten() {
            let list = cast(&list, &DataType::Int64)?;
            let counts = list.as_primitive::<Int64Type>().values().to_vec();
            self.merge(Histogram { counts })?;
        }
        Ok(())
    }
}
