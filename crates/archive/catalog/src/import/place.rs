//! Where a row stands on the sky: the cell of order 29 of its own position, or of its parent's.

use super::parent::ParentIndex;
use crate::config::ImportConfig;
use crate::error::{CatalogError, one_line};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Schema};
use elqui_sphere::{HEALPIX29_BAD, healpix29};

pub(crate) enum Placer {
    Position {
        ra: usize,
        dec: usize,
    },
    Parent {
        column: usize,
        index: ParentIndex,
    },
    /// The cells are in the input already (rows of this catalogue).
    Known {
        column: usize,
    },
}

impl Placer {
    pub fn new(config: &ImportConfig, schema: &Schema) -> Result<Self, CatalogError> {
        let find = |name: &str, what: &str| column(schema, &config.name, name, what);
        if let Some(parent) = &config.parent {
            let column = find(&parent.column, "the parent's id")?;
            return Ok(Self::Parent { column, index: ParentIndex::open(config, parent)? });
        }
        let (Some(ra), Some(dec)) = (&config.ra, &config.dec) else {
            return Err(CatalogError::refused(format!(
                "`{}` has no columns for the position: give `--ra` and `--dec`, or `--parent`",
                config.name
            )));
        };
        let (ra, dec) = (find(ra, "the right ascension")?, find(dec, "the declination")?);
        for k in [ra, dec] {
            let field = schema.field(k);
            if !field.data_type().is_numeric() {
                return Err(CatalogError::Column {
                    table: config.name.clone(),
                    column: field.name().clone(),
                    reason: format!("positions are numbers in deg, not {}", field.data_type()),
                });
            }
        }
        Ok(Self::Position { ra, dec })
    }

    /// Columns that [`Self::cells`] needs, in its order.
    pub fn columns(&self) -> Vec<usize> {
        match self {
            Self::Position { ra, dec } => vec![*ra, *dec],
            Self::Parent { column, .. } | Self::Known { column } => vec![*column],
        }
    }

    /// Cells of a batch's rows; [`HEALPIX29_BAD`] for a row that stands nowhere.
    pub fn cells(&self, columns: &[&ArrayRef]) -> Result<Vec<u64>, CatalogError> {
        match (self, columns) {
            (Self::Position { .. }, [ra, dec]) => {
                let (ra, dec) = (degrees(ra)?, degrees(dec)?);
                Ok(ra.iter().zip(&dec).map(|(&ra, &dec)| healpix29(ra, dec)).collect())
            }
            (Self::Parent { index, .. }, [ids]) => index.cells(ids),
            (Self::Known { .. }, [cells]) => {
                let cells = cells.as_primitive::<arrow::datatypes::Int64Type>();
                Ok(cells.values().iter().map(|&c| c.cast_unsigned()).collect())
            }
            _ => Ok(vec![HEALPIX29_BAD; columns.first().map_or(0, |c| c.len())]),
        }
    }
}

/// Numbers as f64, NaN where there is none.
pub(crate) fn degrees(array: &ArrayRef) -> Result<Vec<f64>, CatalogError> {
    let cast = cast(array, &DataType::Float64).map_err(|e| CatalogError::refused(one_line(e)))?;
    let numbers = cast.as_primitive::<Float64Type>();
    if numbers.null_count() == 0 {
        return Ok(numbers.values().to_vec());
    }
    Ok(numbers.iter().map(|v| v.unwrap_or(f64::NAN)).collect())
}

/// The number of a column, by its exact name or, where only one fits, whatever its case.
pub(crate) fn column(
    schema: &Schema,
    table: &str,
    name: &str,
    what: &str,
) -> Result<usize, CatalogError> {
    let fields = schema.fields();
    if let Some(k) = fields.iter().position(|f| f.name() == name) {
        return Ok(k);
    }
    let alike = |f: &str| f.to_lowercase() == name.to_lowercase();
    let mut near = fields.iter().enumerate().filter(|(_, f)| alike(f.name()));
    if let (Some((k, _)), None) = (near.next(), near.next()) {
        return Ok(k);
    }
    let names: Vec<&str> = fields.iter().take(12).map(|f| f.name().as_str()).collect();
    let more = if fields.len() > 12 { ", ..." } else { "" };
    Err(CatalogError::Column {
        table: table.into(),
        column: name.into(),
        reason: format!("no such column for {what}; there are {}{more}", names.join(", ")),
    })
}
