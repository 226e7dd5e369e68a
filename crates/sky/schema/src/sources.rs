//! The source table of one detector, as a struct of arrays.
//!
//! Column names are Rubin's `Source` names. Fluxes are in adu until a photometric calibration
//! turns them into nJy (`flux_unit` says which). Positions are 0-based pixels; (0, 0) is the centre
//! of the first pixel. A failed measurement is NaN with its flag set.

use crate::column::{Column, ColumnData};
use crate::table::{SchemaError, Table};

/// How a Rust type becomes a column.
trait Cell: Clone + Default {
    fn column(values: &[Self]) -> ColumnData;
    fn values(data: &ColumnData) -> Vec<Self>;
    const MISSING: Self;
}
impl Cell for f64 {
    fn column(values: &[Self]) -> ColumnData {
        ColumnData::F64(values.to_vec())
    }
    fn values(data: &ColumnData) -> Vec<Self> {
        match data {
            ColumnData::F64(v) => v.clone(),
            other => (0..other.len()).map(|r| other.number(r).unwrap_or(f64::NAN)).collect(),
        }
    }
    const MISSING: Self = f64::NAN;
}
impl Cell for f32 {
    fn column(values: &[Self]) -> ColumnData {
        ColumnData::F32(values.to_vec())
    }
    fn values(data: &ColumnData) -> Vec<Self> {
        match data {
            ColumnData::F32(v) => v.clone(),
            other => (0..other.len()).map(|r| other.number(r).unwrap_or(f64::NAN) as f32).collect(),
        }
    }
    const MISSING: Self = f32::NAN;
}
impl Cell for i64 {
    fn column(values: &[Self]) -> ColumnData {
        ColumnData::I64(values.to_vec())
    }
    fn values(data: &ColumnData) -> Vec<Self> {
        match data {
            ColumnData::I64(v) => v.clone(),
            other => (0..other.len()).map(|r| other.number(r).unwrap_or(0.0) as i64).collect(),
        }
    }
    const MISSING: Self = 0;
}
impl Cell for i32 {
    fn column(values: &[Self]) -> ColumnData {
        ColumnData::I32(values.to_vec())
    }
    fn values(data: &ColumnData) -> Vec<Self> {
        match data {
            ColumnData::I32(v) => v.clone(),
            other => (0..other.len()).map(|r| other.number(r).unwrap_or(0.0) as i32).collect(),
        }
    }
    const MISSING: Self = 0;
}
impl Cell for bool {
    fn column(values: &[Self]) -> ColumnData {
        ColumnData::Bool(values.to_vec())
    }
    fn values(data: &ColumnData) -> Vec<Self> {
        match data {
            ColumnData::Bool(v) => v.clone(),
            other => (0..other.len()).map(|r| other.number(r).unwrap_or(0.0) != 0.0).collect(),
        }
    }
    const MISSING: Self = false;
}

/// One list of columns makes the struct, its growth and its table, so that they cannot disagree.
macro_rules! source_table {
    ($($(#[$doc:meta])* $field:ident: $ty:ty => $name:literal;)*) => {
        /// Sources of one detector. Every vector has `len()` entries.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct SourceTable {
            /// Unit of the fluxes: `adu` or `nJy`.
            pub flux_unit: String,
            $($(#[$doc])* pub $field: Vec<$ty>,)*
        }

        impl SourceTable {
            /// Names of the columns, in their order.
            pub const COLUMNS: &'static [&'static str] = &[$($name),*];

            /// A table of `n` rows: NaN, 0 and false.
            pub fn with_rows(n: usize) -> Self {
                Self {
                    flux_unit: "adu".into(),
                    $($field: vec![<$ty as Cell>::MISSING; n],)*
                }
            }

            /// Keep the rows listed, in that order.
            pub fn take(&self, rows: &[usize]) -> Self {
                Self {
                    flux_unit: self.flux_unit.clone(),
                    $($field: rows.iter().map(|&r| self.$field[r]).collect(),)*
                }
            }

            /// From a table that has these columns (any that are missing stay NaN, 0 or false); `x`,
            /// `y`, `ra` and `dec` must be there.
            pub fn from_table(table: &Table) -> Result<Self, SchemaError> {
                for name in ["x", "y", "ra", "dec"] {
                    table.numbers(name)?;
                }
                let mut out = Self::with_rows(table.rows());
                $(if let Some(column) = table.column($name) {
                    out.$field = <$ty as Cell>::values(&column.data);
                })*
                if let Some(column) = table.column("psfFlux") {
                    out.flux_unit.clone_from(&column.unit);
                }
                Ok(out)
            }

            /// As a table of named columns, described by the schema; fluxes carry `flux_unit`.
            pub fn to_table(&self) -> Table {
                let mut table = Table::new("Source");
                $(table.columns.push(Column::new($name, <$ty as Cell>::column(&self.$field)));)*
                for column in &mut table.columns {
                    crate::felis::describe("Source", column);
                    if column.unit == "nJy" {
                        column.unit.clone_from(&self.flux_unit);
                    }
                }
                table.metadata.push(("flux_unit".into(), self.flux_unit.clone()));
                table
            }
        }
    };
}

source_table! {
    /// Unique id of the source.
    source_id: i64 => "sourceId";
    /// Id of the parent it was split from; 0 for none.
    parent_source_id: i64 => "parentSourceId";
    visit: i64 => "visit";
    detector: i32 => "detector";
    /// Mid-point of the exposure, TAI, days.
    mid_mjd_tai: f64 => "midpointMjdTai";
    /// Centroid, pixels.
    x: f64 => "x";
    y: f64 => "y";
    x_err: f32 => "xErr";
    y_err: f32 => "yErr";
    /// ICRS, degrees; errors are on the sky (ra_err times cos dec is included).
    ra: f64 => "ra";
    dec: f64 => "dec";
    ra_err: f32 => "raErr";
    dec_err: f32 => "decErr";
    psf_flux: f64 => "psfFlux";
    psf_flux_err: f64 => "psfFluxErr";
    ap03_flux: f64 => "ap03Flux";
    ap03_flux_err: f64 => "ap03FluxErr";
    ap06_flux: f64 => "ap06Flux";
    ap06_flux_err: f64 => "ap06FluxErr";
    ap09_flux: f64 => "ap09Flux";
    ap09_flux_err: f64 => "ap09FluxErr";
    ap12_flux: f64 => "ap12Flux";
    ap12_flux_err: f64 => "ap12FluxErr";
    ap17_flux: f64 => "ap17Flux";
    ap17_flux_err: f64 => "ap17FluxErr";
    kron_flux: f64 => "kronFlux";
    kron_flux_err: f64 => "kronFluxErr";
    /// Kron radius, pixels.
    kron_rad: f32 => "kronRad";
    /// Adaptive second moments, pixel^2.
    ixx: f32 => "ixx";
    iyy: f32 => "iyy";
    ixy: f32 => "ixy";
    /// The PSF model's own at this place.
    ixx_psf: f32 => "ixxPSF";
    iyy_psf: f32 => "iyyPSF";
    ixy_psf: f32 => "ixyPSF";
    /// 0 for a point source, 1 for an extended one.
    extendedness: f32 => "extendedness";
    /// Local background per pixel that was still there, and its error.
    sky: f32 => "sky";
    sky_err: f32 => "skyErr";
    /// Signal-to-noise ratio of the detection (matched filter).
    detect_snr: f32 => "detect_snr";
    detect_is_primary: bool => "detect_isPrimary";
    deblend_n_child: i32 => "deblend_nChild";
    deblend_flag: bool => "deblend_flag";
    centroid_flag: bool => "centroid_flag";
    shape_flag: bool => "shape_flag";
    psf_flux_flag: bool => "psfFlux_flag";
    ap_flux_flag: bool => "apFlux_flag";
    kron_flux_flag: bool => "kronFlux_flag";
    extendedness_flag: bool => "extendedness_flag";
    /// Used to build the PSF, kept from it, or used for the calibrations.
    calib_psf_used: bool => "calib_psf_used";
    calib_psf_reserved: bool => "calib_psf_reserved";
    calib_astrometry_used: bool => "calib_astrometry_used";
    calib_photometry_used: bool => "calib_photometry_used";
    pixel_flags_bad: bool => "pixelFlags_bad";
    pixel_flags_cr: bool => "pixelFlags_cr";
    pixel_flags_cr_center: bool => "pixelFlags_crCenter";
    pixel_flags_edge: bool => "pixelFlags_edge";
    pixel_flags_interpolated: bool => "pixelFlags_interpolated";
    pixel_flags_interpolated_center: bool => "pixelFlags_interpolatedCenter";
    pixel_flags_saturated: bool => "pixelFlags_saturated";
    pixel_flags_saturated_center: bool => "pixelFlags_saturatedCenter";
    pixel_flags_suspect: bool => "pixelFlags_suspect";
    pixel_flags_nodata: bool => "pixelFlags_nodata";
    pixel_flags_offimage: bool => "pixelFlags_offimage";
}

impl SourceTable {
    pub fn len(&self) -> usize {
        self.source_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.source_id.is_empty()
    }

    /// Multiply every flux and its error, and name the new unit.
    pub fn scale_fluxes(&mut self, factor: f64, unit: &str) {
        for column in [
            &mut self.psf_flux,
            &mut self.psf_flux_err,
            &mut self.ap03_flux,
            &mut self.ap03_flux_err,
            &mut self.ap06_flux,
            &mut self.ap06_flux_err,
            &mut self.ap09_flux,
            &mut self.ap09_flux_err,
            &mut self.ap12_flux,
            &mut self.ap12_flux_err,
            &mut self.ap17_flux,
            &mut self.ap17_flux_err,
            &mut self.kron_flux,
            &mut self.kron_flux_err,
        ] {
            column.iter_mut().for_each(|v| *v *= factor);
        }
        for column in [&mut self.sky, &mut self.sky_err] {
            column.iter_mut().for_each(|v| *v = (f64::from(*v) * factor) as f32);
        }
        self.flux_unit = unit.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_column_once_and_described() {
        let table = SourceTable::with_rows(3).to_table();
        assert_eq!(table.columns.len(), SourceTable::COLUMNS.len());
        assert_eq!(table.rows(), 3);
        let bare: Vec<_> =
            table.columns.iter().filter(|c| c.description.is_empty()).map(|c| &c.name).collect();
        assert!(bare.is_empty(), "columns that the schema does not describe: {bare:?}");
    }

    #[test]
    fn a_table_reads_back() {
        let mut t = SourceTable::with_rows(2);
        t.x = vec![1.0, 2.0];
        t.psf_flux = vec![5.0, 6.0];
        t.detect_is_primary = vec![true, false];
        let back = SourceTable::from_table(&t.to_table()).unwrap();
        assert_eq!((&back.x, &back.psf_flux), (&t.x, &t.psf_flux));
        assert_eq!(back.detect_is_primary, t.detect_is_primary);
        assert_eq!(back.flux_unit, "adu");
        assert!(SourceTable::from_table(&Table::new("none")).is_err());
    }

    #[test]
    fn scaling_reaches_fluxes_only() {
        let mut t = SourceTable::with_rows(1);
        t.psf_flux[0] = 2.0;
        t.x[0] = 2.0;
        t.scale_fluxes(3.0, "nJy");
        assert_eq!((t.psf_flux[0], t.x[0], t.flux_unit.as_str()), (6.0, 2.0, "nJy"));
    }
}
