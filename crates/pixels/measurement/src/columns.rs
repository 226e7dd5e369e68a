//! Rows on their way into the table's columns.

use crate::extra::Extra;
use crate::kron::Shape;
use crate::row::Row;
use elqui_image::MaskPlane;
use elqui_schema::SourceTable;

/// One column's values of consecutive rows of the table, from row `at` on.
pub fn fill<T>(column: &mut [T], at: usize, rows: &[&Row], value: impl Fn(&Row) -> T) {
    column[at..].iter_mut().zip(rows).for_each(|(to, row)| *to = value(row));
}

impl Row {
    /// Put rows into the table, from row `at` on.
    ///
    /// Column after column for some rows at a time: a row across the hundred columns would touch as many
    /// cache lines that share their place in the cache.
    pub fn write(rows: &[&Self], t: &mut SourceTable, at: usize) {
        macro_rules! columns {
            ($($column:ident: $value:expr;)*) => { $(fill(&mut t.$column, at, rows, $value);)* };
        }
        macro_rules! flags {
            ($($column:ident: $bits:ident $plane:ident;)*) => {
                $(fill(&mut t.$column, at, rows, |r| r.$bits & MaskPlane::$plane.bit() != 0);)*
            };
        }
        let moment = |get: fn(&Shape) -> f64, shape: Option<Shape>| shape.map(|s| get(&s) as f32);
        columns! {
            x: |r| r.x;
            y: |r| r.y;
            x_err: |r| r.x_err as f32;
            y_err: |r| r.y_err as f32;
            centroid_flag: |r| r.centroid_flag;
            psf_flux: |r| r.psf_flux[0];
            psf_flux_err: |r| r.psf_flux[1];
            psf_flux_flag: |r| r.psf_flag;
            spread_model: |r| r.spread[0] as f32;
            spread_model_err: |r| r.spread[1] as f32;
            ap03_flux: |r| r.apertures[0][0];
            ap03_flux_err: |r| r.apertures[0][1];
            ap06_flux: |r| r.apertures[1][0];
            ap06_flux_err: |r| r.apertures[1][1];
            ap09_flux: |r| r.apertures[2][0];
            ap09_flux_err: |r| r.apertures[2][1];
            ap12_flux: |r| r.apertures[3][0];
            ap12_flux_err: |r| r.apertures[3][1];
            ap17_flux: |r| r.apertures[4][0];
            ap17_flux_err: |r| r.apertures[4][1];
            ap_flux_flag: |r| r.aperture_flag;
            kron_flux: |r| r.kron[0];
            kron_flux_err: |r| r.kron[1];
            kron_rad: |r| r.kron_radius as f32;
            kron_flux_flag: |r| r.kron_flag;
            shape_flag: |r| r.shape.is_none();
            ixx: |r| moment(|s| s.ixx, r.shape).unwrap_or(f32::NAN);
            iyy: |r| moment(|s| s.iyy, r.shape).unwrap_or(f32::NAN);
            ixy: |r| moment(|s| s.ixy, r.shape).unwrap_or(f32::NAN);
            ixx_psf: |r| moment(|s| s.ixx, r.shape_psf).unwrap_or(f32::NAN);
            iyy_psf: |r| moment(|s| s.iyy, r.shape_psf).unwrap_or(f32::NAN);
            ixy_psf: |r| moment(|s| s.ixy, r.shape_psf).unwrap_or(f32::NAN);
            sky: |r| r.sky[0] as f32;
            sky_err: |r| r.sky[1] as f32;
            detect_snr: |r| r.snr;
            pixel_flags_edge: |r| r.at_border || r.bits & MaskPlane::Edge.bit() != 0;
            pixel_flags_offimage: |r| r.off_image;
        }
        flags! {
            pixel_flags_bad: bits Bad;
            pixel_flags_cr: bits Cr;
            pixel_flags_cr_center: bits_center Cr;
            pixel_flags_interpolated: bits Intrp;
            pixel_flags_interpolated_center: bits_center Intrp;
            pixel_flags_saturated: bits Sat;
            pixel_flags_saturated_center: bits_center Sat;
            pixel_flags_suspect: bits Suspect;
            pixel_flags_nodata: bits NoData;
            pixel_flags_streak: bits Streak;
            pixel_flags_streak_center: bits_center Streak;
        }
        Extra::write(rows, t, at);
    }
}
