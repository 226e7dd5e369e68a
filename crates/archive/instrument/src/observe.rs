//! What a raw file is in the butler's words: its data id, and the records that it needs.
//!
//! - exposure: every file's; visit, its definition and the region of the detector: of frames of the sky
//! - one exposure is one visit of the same number; other groupings are made later, by who knows them
//! - `day_obs`: the date twelve hours before the middle of the exposure, UTC, as Rubin counts it
//! - region: the corners by the header's WCS, else, of a camera with one detector, a circle about the
//!   nominal pointing that holds the detector however it is turned. Only such a camera's visit has
//!   a region of its own: from one of many detectors nothing is known of the others
//!
//! It lives here because it follows from the camera's description and the header alone. Who opens files
//! (`formats`) and who keeps records (`registry`) are not needed.

use crate::error::InstrumentError;
use crate::instrument::Instrument;
use elqui_base::{MjdTai, mjd_utc_to_tai};
use elqui_butler::{DataId, DimensionRecord, Timespan, civil_date};
use elqui_image::{Header, VisitInfo};
use elqui_sphere::SkyRegion;
use elqui_wcs::Wcs;

/// Exposures of no length (bias) have this one, seconds: a timespan is not empty.
const SHORTEST_S: f64 = 1e-3;

/// A raw file as the butler has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    pub info: VisitInfo,
    /// Instrument, exposure and detector.
    pub data_id: DataId,
    /// Of the dimensions that it names, and those that they refer to.
    pub records: Vec<DimensionRecord>,
}

impl Instrument {
    /// - `header`: of the image, with the primary's cards behind
    /// - `size`: of the image in pixels, where the header has no NAXIS1 and NAXIS2
    pub fn observe(
        &self,
        header: &Header,
        size: Option<(usize, usize)>,
    ) -> Result<Observation, InstrumentError> {
        let info = self.translate(header)?;
        self.observed(info, header, size)
    }

    /// Every detector that a raw file holds: the one that its cards name, or each of a multi-extension file.
    /// - `primary`: the first header
    /// - `hdu`: the header of each HDU, with the primary's cards behind
    pub fn observe_all<'a>(
        &self,
        primary: &Header,
        hdu: &'a dyn Fn(usize) -> Option<&'a Header>,
    ) -> Result<Vec<Observation>, InstrumentError> {
        let mut all = Vec::new();
        for detector in self.detectors_with(primary, hdu)? {
            let first = detector.amplifiers.iter().map(|a| a.raw_hdu).min();
            let header = first.and_then(hdu).unwrap_or(primary);
            let mut info = self.translate(header)?;
            info.detector = detector.id;
            info.detector_name = detector.name;
            all.push(self.observed(info, header, None)?);
        }
        Ok(all)
    }

    fn observed(
        &self,
        info: VisitInfo,
        header: &Header,
        size: Option<(usize, usize)>,
    ) -> Result<Observation, InstrumentError> {
        let number = i64::try_from(info.visit).unwrap_or_default();
        if number <= 0 {
            return Err(InstrumentError::MissingCard {
                instrument: self.name().to_string(),
                card: self.visit_cards(),
                what: "the exposure's number",
            });
        }
        let name = self.name();
        let rec = |element: &str| DimensionRecord::new(element).with("instrument", name);
        let mut instrument = rec("instrument").field("description", self.description());
        if self.detector_count() > 0 {
            instrument = instrument.field("detector_count", self.detector_count() as i64);
        }
        let mut records = vec![instrument];
        let filter =
            if info.physical_filter.is_empty() { &info.band } else { &info.physical_filter };
        if !filter.is_empty() {
            let mut one = rec("physical_filter").with("physical_filter", filter.as_str());
            if !info.band.is_empty() {
                one = one.with("band", info.band.as_str());
            }
            records.push(one);
        }
        let mut detector = rec("detector").with("detector", info.detector);
        if !info.detector_name.is_empty() {
            detector = detector.field("full_name", info.detector_name.as_str());
        }
        records.push(detector);

        let when = timespan(&info);
        let common = |element: &str| {
            let mut one = rec(element).with(element, number);
            if !filter.is_empty() {
                one = one.with("physical_filter", filter.as_str());
            }
            if let Some(when) = when {
                one = one.with("day_obs", day_obs(info.mid_mjd_tai)).timespan(when);
            }
            one = one.field("exposure_time_s", info.exposure_s).field("airmass", info.airmass);
            if info.object.is_empty() {
                one
            } else {
                one.field("target_name", info.object.as_str())
            }
        };
        let tracking = self.tracking(header, &info);
        let mut exposure = common("exposure");
        if let Some((ra, dec)) = tracking {
            exposure = exposure.field("tracking_ra_deg", ra).field("tracking_dec_deg", dec);
        }
        if !info.observation_type.is_empty() {
            exposure = exposure.field("observation_type", info.observation_type.as_str());
        }
        records.push(exposure);
        if ["science", ""].contains(&info.observation_type.as_str()) {
            let region = self.region(header, size, &info);
            let mut visit = common("visit");
            if let Some((ra, dec)) = tracking {
                visit = visit.field("boresight_ra_deg", ra).field("boresight_dec_deg", dec);
            }
            if let (1, Some(region)) = (self.detector_count(), &region) {
                visit = visit.region(region.clone());
            }
            records.push(visit);
            records.push(rec("visit_definition").with("exposure", number).with("visit", number));
            if let Some(region) = region {
                let one = rec("visit_detector_region").with("visit", number);
                records.push(one.with("detector", info.detector).region(region));
            }
        }
        let data_id = DataId::new().with("instrument", name).with("exposure", number);
        Ok(Observation { data_id: data_id.with("detector", info.detector), info, records })
    }

    /// Where the detector looked; `None` when the header does not say.
    fn region(
        &self,
        header: &Header,
        size: Option<(usize, usize)>,
        info: &VisitInfo,
    ) -> Option<SkyRegion> {
        let axis = |key: &str| header.number(key).filter(|n| (1.0..1e6).contains(n));
        let detector = self.detector_size(info.detector).map(|(w, h)| (w as f64, h as f64));
        let image = size.map(|(w, h)| (w as f64, h as f64));
        let image = axis("NAXIS1").zip(axis("NAXIS2")).or(image).filter(|_| {
            // Else it is of an amplifier.
            self.in_one_hdu(info.detector)
        });
        let (width, height) = image.or(detector)?;
        let wcs = image.and_then(|_| Wcs::from_cards(header).ok());
        let by_wcs = wcs.map(|wcs| {
            let (x, y) = (width - 0.5, height - 0.5);
            let corners = [(-0.5, -0.5), (x, -0.5), (x, y), (-0.5, y)];
            SkyRegion::Polygon { vertices: corners.map(|(x, y)| wcs.pixel_to_sky(x, y)).to_vec() }
        });
        let nominal = || {
            let radius = 0.5 * width.hypot(height) * info.pixel_scale_arcsec / 3600.0;
            let circle =
                SkyRegion::Circle { ra: info.boresight_ra, dec: info.boresight_dec, radius };
            (self.detector_count() == 1).then_some(circle)
        };
        by_wcs.filter(usable).or_else(nominal).filter(usable)
    }
}

/// A region of the sky, and not what a header with zeros for a WCS gives.
fn usable(region: &SkyRegion) -> bool {
    region.check().is_ok()
}

fn timespan(info: &VisitInfo) -> Option<Timespan> {
    let half = 0.5 * if info.exposure_s > SHORTEST_S { info.exposure_s } else { SHORTEST_S };
    let middle = Some(info.mid_mjd_tai).filter(|t| t.0 > 0.0)?;
    Timespan::new(middle.plus_seconds(-half), middle.plus_seconds(half)).ok()
}

/// `YYYYMMDD`.
fn day_obs(middle: MjdTai) -> i64 {
    let leap_days = mjd_utc_to_tai(middle.0).0 - middle.0;
    let (y, m, d) = civil_date((middle.0 - leap_days - 0.5).floor() as i64);
    10_000 * y + 100 * m + d
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nights_end_at_noon() {
        for (time, day) in [
            ("2026-01-01T00:00:00", 20_251_231),
            ("2026-01-01T11:59:59", 20_251_231),
            ("2026-01-01T12:00:01", 20_260_101),
            ("2024-03-01T03:00:00", 20_240_229),
        ] {
            assert_eq!(day_obs(elqui_base::parse_iso_utc(time).unwrap()), day, "{time}");
        }
    }
}
