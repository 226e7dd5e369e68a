//! Pairs of rows that are near each other: one side in an index, the other asked row by row.

use super::near::{Near, Phys, Place};
use crate::functions::bounding_circles;
use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, SchemaRef};
use datafusion::common::{JoinSide, Result};
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use elqui_matching::SkyIndex;

/// Centres and radii of one side, deg.
pub struct Circles {
    ra: Vec<f64>,
    dec: Vec<f64>,
    radius: Option<Vec<f64>>,
}

/// Evaluates expressions of the filter's columns on rows of one side.
struct Rows {
    batch: RecordBatch,
}

impl Rows {
    /// The filter's columns of `side` from its rows; the other side's stay empty and are not asked.
    fn new(rows: &RecordBatch, side: JoinSide, filter: &JoinFilter) -> Result<Self> {
        let schema: SchemaRef = filter.schema().clone();
        let nullable: Vec<_> =
            schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        let columns: Vec<ArrayRef> = filter
            .column_indices()
            .iter()
            .zip(schema.fields())
            .map(|(c, f): (&ColumnIndex, _)| {
                if c.side == side {
                    rows.column(c.index).clone()
                } else {
                    datafusion::arrow::array::new_null_array(f.data_type(), rows.num_rows())
                }
            })
            .collect();
        let schema = std::sync::Arc::new(datafusion::arrow::datatypes::Schema::new(nullable));
        Ok(Self { batch: RecordBatch::try_new(schema, columns)? })
    }

    fn numbers(&self, e: &Phys) -> Result<Vec<f64>> {
        let array = e.evaluate(&self.batch)?.into_array(self.batch.num_rows())?;
        let array = cast(&array, &DataType::Float64)?;
        Ok(array.as_primitive::<Float64Type>().iter().map(|v| v.unwrap_or(f64::NAN)).collect())
    }

    fn circles(&self, place: &Place) -> Result<Circles> {
        Ok(match place {
            Place::Position(ra, dec) => {
                Circles { ra: self.numbers(ra)?, dec: self.numbers(dec)?, radius: None }
            }
            Place::Shape(e) => {
                let array = e.evaluate(&self.batch)?.into_array(self.batch.num_rows())?;
                let (ra, dec, radius) = bounding_circles(&array)?;
                Circles { ra, dec, radius: Some(radius) }
            }
        })
    }
}

/// One sense of nearness with one side's rows in an index.
pub struct Sense {
    near: Near,
    index: SkyIndex,
    /// Largest radius that the indexed rows bring, deg.
    reach: f64,
}

/// Rows that ask: where, and how far.
pub struct Asking {
    circles: Circles,
    radius: Vec<f64>,
}

impl Sense {
    /// Put the rows of `side` into an index.
    pub fn new(
        near: &Near,
        rows: &RecordBatch,
        side: JoinSide,
        filter: &JoinFilter,
    ) -> Result<Self> {
        let own = Rows::new(rows, side, filter)?;
        let circles = own.circles(near.place(side))?;
        let largest = |v: &[f64]| v.iter().copied().filter(|r| *r >= 0.0).fold(0.0, f64::max);
        let mut reach = circles.radius.as_deref().map_or(0.0, largest);
        if near.radius_side == side {
            reach += largest(&own.numbers(&near.radius)?);
        }
        let hint = (reach + near.constant_radius().unwrap_or(0.0)).clamp(0.0, 180.0);
        let index = SkyIndex::new(&circles.ra, &circles.dec, hint);
        Ok(Self { near: near.clone(), index, reach })
    }

    /// Make the rows of the other `side` ready to ask.
    pub fn asking(
        &self,
        rows: &RecordBatch,
        side: JoinSide,
        filter: &JoinFilter,
    ) -> Result<Asking> {
        let own = Rows::new(rows, side, filter)?;
        let circles = own.circles(self.near.place(side))?;
        let constant = self.near.constant_radius().unwrap_or(0.0);
        let mut radius = match &circles.radius {
            Some(r) => r.iter().map(|r| r + self.reach + constant).collect(),
            None => vec![self.reach + constant; rows.num_rows()],
        };
        if self.near.radius_side == side {
            let own = own.numbers(&self.near.radius)?;
            radius.iter_mut().zip(own).for_each(|(r, more)| *r += more);
        }
        Ok(Asking { circles, radius })
    }

    /// Rows of the index that may be partners of row `row`.
    pub fn partners(&self, asking: &Asking, row: usize, exact: bool, mut found: impl FnMut(u32)) {
        let (ra, dec) = (asking.circles.ra[row], asking.circles.dec[row]);
        let mut radius = asking.radius[row];
        let mut inclusive = true;
        if exact {
            inclusive = self.near.inclusive.unwrap_or(true);
        } else {
            // The exact condition comes after: a hair more loses nothing.
            radius = (radius * (1.0 + 1e-9) + 1e-11).min(180.0);
        }
        if radius >= 0.0 {
            self.index.within(ra, dec, radius, inclusive, &mut |k, _| found(k));
        }
    }
}
