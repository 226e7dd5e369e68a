//! A reference catalogue: read once, asked for the stars about each frame.

use crate::error::ProcessError;
use crate::frame::Reference;
use crate::signature::Origin;
use elqui_astrometry::{BlindIndex, propagate};
use elqui_base::UnitVector;
use elqui_image::VisitInfo;
use elqui_matching::{ColumnMap, RefCatalog, RefStar};
use elqui_schema::Table;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A reference catalogue as read, before a frame's band and epoch are known.
pub struct ReferenceFile {
    name: String,
    table: Arc<Table>,
    columns: ColumnMap,
    /// The stars by band: frames of one band share them.
    bands: Mutex<BTreeMap<String, Arc<RefCatalog>>>,
    index: Option<Arc<BlindIndex>>,
}

/// A frame's stars are looked for so much farther out than its pointing, size and search say:
/// detectors lie beside their camera's boresight, and reference points outside of their images.
const MARGIN_DEG: f64 = 3.0;

/// The stars for one frame, at its epoch.
pub struct FrameStars {
    stars: Vec<RefStar>,
    photometric: bool,
    index: Option<Arc<BlindIndex>>,
}

impl FrameStars {
    pub fn view(&self) -> Reference<'_> {
        Reference {
            stars: &self.stars,
            photometric: self.photometric,
            index: self.index.as_deref(),
        }
    }
}

impl ReferenceFile {
    /// A table without positions is refused here, once, and not on every frame.
    ///
    /// - `name`: what errors call it
    pub fn new(name: &str, table: Arc<Table>, columns: ColumnMap) -> Result<Self, ProcessError> {
        RefCatalog::from_table_with(&table, "", &columns)
            .map_err(|e| ProcessError::file(name, e))?;
        let bands = Mutex::default();
        Ok(Self { name: name.to_string(), table, columns, bands, index: None })
    }

    /// The same with an index, in which frames without a pointing, or with a wrong one, are found.
    #[must_use]
    pub fn with_index(mut self, index: Arc<BlindIndex>) -> Self {
        self.index = Some(index);
        self
    }

    /// Every star of the catalogue, at the catalogue's epoch.
    pub fn all_stars(&self) -> Result<Vec<RefStar>, ProcessError> {
        Ok(self.band("")?.stars.clone())
    }

    fn band(&self, band: &str) -> Result<Arc<RefCatalog>, ProcessError> {
        let mut bands = self.bands.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = bands.get(band) {
            return Ok(known.clone());
        }
        let catalog = RefCatalog::from_table_with(&self.table, band, &self.columns)
            .map_err(|e| ProcessError::file(&self.name, e))?;
        let catalog = Arc::new(catalog);
        bands.insert(band.to_string(), catalog.clone());
        Ok(catalog)
    }

    /// Stars in the frame's band about the frame, moved to its epoch.
    pub fn stars(
        &self,
        info: &VisitInfo,
        origin: &Origin,
        search_deg: f64,
    ) -> Result<FrameStars, ProcessError> {
        let catalog = self.band(&info.band)?;
        let radius_deg = MARGIN_DEG + search_deg + origin.half_diagonal_deg;
        let mut stars = match self.index {
            // The pointing may be wrong: the frame is where the index finds it.
            Some(_) => catalog.stars.clone(),
            None => near(&catalog.stars, &origin.pointings, radius_deg),
        };
        let date = info.mid_mjd_tai;
        if date.0 > 0.0 {
            stars = propagate(&stars, date);
        }
        Ok(FrameStars { stars, photometric: catalog.photometric, index: self.index.clone() })
    }
}

/// Stars about any of the centres; all of them when that cannot be said or none is there.
fn near(stars: &[RefStar], centers: &[(f64, f64)], radius_deg: f64) -> Vec<RefStar> {
    let centers: Vec<UnitVector> =
        centers.iter().map(|&(ra, dec)| UnitVector::from_ra_dec_deg(ra, dec)).collect();
    if centers.is_empty() || !(radius_deg < 90.0) {
        return stars.to_vec();
    }
    let limit = radius_deg.to_radians().cos();
    let is_near = |s: &&RefStar| {
        let v = UnitVector::from_ra_dec_deg(s.ra, s.dec);
        centers.iter().any(|c| c.dot(v) >= limit)
    };
    let found: Vec<RefStar> = stars.iter().filter(is_near).copied().collect();
    if found.is_empty() { stars.to_vec() } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stars_about_the_frame_are_kept_where_it_is_known() {
        let at = |ra: f64, dec: f64| RefStar { ra, dec, ..RefStar::default() };
        let stars = [at(359.5, 0.0), at(1.0, 0.5), at(10.0, 0.0)];
        let count = |centers: &[(f64, f64)], radius| near(&stars, centers, radius).len();
        assert_eq!(count(&[(0.0, 0.0)], 2.0), 2);
        assert_eq!(count(&[(0.0, 0.0), (10.0, 0.0)], 2.0), 3);
        assert_eq!(count(&[], 2.0), 3);
        assert_eq!(count(&[(0.0, 0.0)], f64::NAN), 3);
        assert_eq!(count(&[(180.0, 0.0)], 2.0), 3, "none is near: all are asked");
    }
}
