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
    /// Windowed centroid (Gaussian window), x; 0-based pixels.
    x_win: f64 => "xWin";
    /// Windowed centroid (Gaussian window), y; 0-based pixels.
    y_win: f64 => "yWin";
    /// Error of xWin.
    x_win_err: f32 => "xWinErr";
    /// Error of yWin.
    y_win_err: f32 => "yWinErr";
    /// Error of ixx.
    ixx_err: f32 => "ixxErr";
    /// Error of iyy.
    iyy_err: f32 => "iyyErr";
    /// Error of ixy.
    ixy_err: f32 => "ixyErr";
    /// Spread beyond the PSF by a linear fit: 0 for a point source, relative excess of area of a small galaxy.
    spread_model: f32 => "spreadModel";
    /// Error of spreadModel.
    spread_model_err: f32 => "spreadModelErr";
    /// Probability that the source is extended, from its size and fluxes: 0 point, 1 extended.
    size_extendedness: f32 => "sizeExtendedness";
    /// Aperture correction that psfFlux was multiplied by.
    psf_flux_ap_corr: f32 => "psfFlux_apCorr";
    /// Error of the aperture correction at this place, common to neighbours; psfFluxErr holds it.
    psf_flux_ap_corr_err: f32 => "psfFlux_apCorrErr";
    /// PSF-matched Gaussian-aperture flux, aperture sigma 1.0 PSF sigma, scaled to be total for a point source.
    gaap1p0_flux: f64 => "gaap1p0Flux";
    /// Error of gaap1p0Flux, with the covariance that the matching makes.
    gaap1p0_flux_err: f64 => "gaap1p0FluxErr";
    /// PSF-matched Gaussian-aperture flux, aperture sigma 1.5 PSF sigma, scaled to be total for a point source.
    gaap1p5_flux: f64 => "gaap1p5Flux";
    /// Error of gaap1p5Flux, with the covariance that the matching makes.
    gaap1p5_flux_err: f64 => "gaap1p5FluxErr";
    /// PSF-matched Gaussian-aperture flux, aperture sigma 2.5 PSF sigma, scaled to be total for a point source.
    gaap2p5_flux: f64 => "gaap2p5Flux";
    /// Error of gaap2p5Flux, with the covariance that the matching makes.
    gaap2p5_flux_err: f64 => "gaap2p5FluxErr";
    /// Total flux of the composite galaxy model (exponential and de Vaucouleurs, convolved with the PSF).
    cmodel_flux: f64 => "cModelFlux";
    /// Error of cModelFlux, with the shape's uncertainty.
    cmodel_flux_err: f64 => "cModelFluxErr";
    /// Part of cModelFlux in the de Vaucouleurs component.
    cmodel_frac_dev: f32 => "cModel_fracDev";
    /// Effective (half-light) radius along the major axis, before the PSF.
    cmodel_radius: f32 => "cModel_radius";
    /// Minor to major axis, before the PSF.
    cmodel_axis_ratio: f32 => "cModel_axisRatio";
    /// Angle of the major axis from +x towards +y.
    cmodel_angle: f32 => "cModel_angle";
    /// Chi squared a degree of freedom.
    cmodel_chi2: f32 => "cModel_chi2";
    /// Middle of the trail, x; 0-based pixels.
    trail_x: f64 => "trailX";
    /// Middle of the trail, y; 0-based pixels.
    trail_y: f64 => "trailY";
    /// Flux of the trailed point-source model.
    trail_flux: f64 => "trailFlux";
    /// Error of trailFlux.
    trail_flux_err: f64 => "trailFluxErr";
    /// Length of the trail.
    trail_length: f32 => "trailLength";
    /// Error of trailLength.
    trail_length_err: f32 => "trailLengthErr";
    /// Angle of the trail from +x towards +y, -90 to 90.
    trail_angle: f32 => "trailAngle";
    /// Chi squared a degree of freedom.
    trail_chi2: f32 => "trailChi2";
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
    /// Peaks of the footprint it came from.
    deblend_n_peaks: i32 => "deblend_nPeaks";
    /// Part of the light at its place that is its neighbours': 0 isolated, 1 drowned.
    deblend_blendedness: f32 => "deblend_blendedness";
    /// The windowed centroid failed.
    x_win_flag: bool => "xWin_flag";
    /// The Gaussian-aperture fluxes failed.
    gaap_flux_flag: bool => "gaapFlux_flag";
    /// The galaxy model failed or was not asked for.
    cmodel_flux_flag: bool => "cModelFlux_flag";
    /// The trailed model failed or was not asked for.
    trail_flag: bool => "trail_flag";
    /// A satellite trail crosses its footprint.
    pixel_flags_streak: bool => "pixelFlags_streak";
    /// A satellite trail crosses its centre.
    pixel_flags_streak_center: bool => "pixelFlags_streakCenter";
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
        self.scale_fluxes_by(|_| factor, unit);
    }

    /// As [`scale_fluxes`](Self::scale_fluxes) with a factor for each row.
    pub fn scale_fluxes_by(&mut self, factor: impl Fn(usize) -> f64, unit: &str) {
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
            &mut self.gaap1p0_flux,
            &mut self.gaap1p0_flux_err,
            &mut self.gaap1p5_flux,
            &mut self.gaap1p5_flux_err,
            &mut self.gaap2p5_flux,
            &mut self.gaap2p5_flux_err,
            &mut self.cmodel_flux,
            &mut self.cmodel_flux_err,
            &mut self.trail_flux,
            &mut self.trail_flux_err,
        ] {
            column.iter_mut().enumerate().for_each(|(row, v)| *v *= factor(row));
        }
        for column in [&mut self.sky, &mut self.sky_err] {
            for (row, v) in column.iter_mut().enumerate() {
                *v = (f64::from(*v) * factor(row)) as f32;
            }
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
        let mut t = SourceTable::with_rows(2);
        (t.psf_flux, t.sky) = (vec![1.0, 1.0], vec![2.0, 2.0]);
        t.scale_fluxes_by(|row| row as f64 + 1.0, "nJy");
        assert_eq!((t.psf_flux, t.sky), (vec![1.0, 2.0], vec![2.0, 4.0]));
    }
}
