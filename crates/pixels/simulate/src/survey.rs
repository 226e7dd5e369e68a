//! A survey of one field: the plan of its visits, and its frames.

use crate::camera::{self, Camera, Place};
use crate::config::{BandConfig, SurveyConfig};
use crate::error::SimulateError;
use crate::frame::{FrameKind, SimFrame, first_visit, key};
use crate::header::{card, iso_date};
use crate::plan::{ARCSEC, VisitPlan, plan};
use crate::population::{self, Field, SkyObject, galaxy_in_pixels};
use crate::render::{self, Stamp};
use crate::rng::{Purpose, Stream};
use crate::sky_map::{tan_sip, wcs_jacobian_tangent};
use crate::truth::{self, FrameTruth};
use elqui_base::UnitVector;
use elqui_image::{Detector, Header, Image};
use elqui_schema::Table;
use elqui_wcs::Wcs;
use rayon::prelude::*;

/// A sky, a camera and a plan.
pub struct Survey {
    config: SurveyConfig,
    seed: u64,
    cameras: Vec<Camera>,
    places: Vec<Place>,
    objects: Vec<SkyObject>,
    visits: Vec<VisitPlan>,
}

impl Survey {
    pub fn new(
        config: SurveyConfig,
        detectors: Vec<Detector>,
        seed: u64,
    ) -> Result<Self, SimulateError> {
        config.check()?;
        let first = detectors.first().ok_or(SimulateError::Missing { what: "detectors" })?;
        let scale = first.pixel_scale_arcsec;
        detectors.iter().try_for_each(camera::check)?;
        let places = lay_out(&detectors, config.pointing.detector_gap_px);
        let half_diagonal = places[0].half_diagonal;
        let margin = config.pointing.dither_arcsec * std::f64::consts::SQRT_2 + 30.0;
        let field = Field {
            center: UnitVector::from_ra_dec_deg(config.pointing.ra_deg, config.pointing.dec_deg),
            radius_rad: (half_diagonal * scale + margin) * ARCSEC,
            bands: config.bands.len(),
            seed,
        };
        let smallest = detectors.iter().map(|d| d.height.min(d.width)).min().unwrap_or(0);
        let core_rad = 0.45 * smallest as f64 * scale * ARCSEC;
        let objects = population::survey(&config, &field, core_rad);
        let visits = (0..config.pointing.visits_per_band * config.bands.len())
            .map(|i| plan(&config, i, scale, &field, seed))
            .collect();
        let cameras = detectors
            .into_par_iter()
            .zip(places.par_iter())
            .map(|(d, place)| Camera::new(d, *place, &config.camera, seed))
            .collect();
        Ok(Self { config, seed, cameras, places, objects, visits })
    }

    pub fn config(&self) -> &SurveyConfig {
        &self.config
    }

    pub fn visits(&self) -> &[VisitPlan] {
        &self.visits
    }

    pub fn detector_count(&self) -> usize {
        self.cameras.len()
    }

    pub fn bias(&self, i: usize, det: usize) -> Result<SimFrame, SimulateError> {
        self.calibration(FrameKind::Bias, i, None, det)
    }

    pub fn dark(&self, i: usize, det: usize) -> Result<SimFrame, SimulateError> {
        self.calibration(FrameKind::Dark, i, None, det)
    }

    /// A flat of the band with this index.
    pub fn flat(&self, band: usize, i: usize, det: usize) -> Result<SimFrame, SimulateError> {
        self.calibration(FrameKind::Flat, i, Some(band), det)
    }

    /// The visit with this index (see [`Survey::visits`]) on one detector.
    pub fn science(&self, visit: usize, det: usize) -> Result<SimFrame, SimulateError> {
        let camera = self.camera(det)?;
        let plan = self.visit(visit)?;
        let band = &self.config.bands[plan.band];
        let wcs = self.true_wcs(visit, det)?;
        let scale = camera.detector.pixel_scale_arcsec;
        let (w, h) = (camera.detector.width, camera.detector.height);
        let place = self.places[det];
        let sky_e = 10f64.powf(0.4 * (band.zero_point_mag - band.sky_mag_arcsec2))
            * scale
            * scale
            * plan.exposure_s;
        let mut light = Image::filled(w, h, 0.0f32);
        light.data_mut().par_chunks_mut(w).enumerate().for_each(|(y, row)| {
            for (x, v) in row.iter_mut().enumerate() {
                let (u, t) = place.normalized(&camera.detector, x as f64, y as f64);
                *v = (sky_e * (1.0 + plan.gradient[0] * u + plan.gradient[1] * t)) as f32;
            }
        });
        let noise_e = (sky_e + camera.mean_read_noise_e().powi(2)).sqrt();
        let (stamps, rows) = self.objects_on(plan, band, camera, place, &wcs, noise_e);
        render::draw(&mut light, &stamps);
        multiply(&mut light, &camera.response);
        let amps = camera.expose(light, plan.exposure_s, key(FrameKind::Science, visit, det));
        Ok(SimFrame {
            kind: FrameKind::Science,
            visit: plan.visit,
            detector: det,
            detector_id: camera.detector.id,
            band: band.name.clone(),
            header: self.science_header(plan, band, camera, &wcs),
            amps,
            truth: truth::frame_table(&rows)?,
        })
    }

    /// The exact map of a visit's detector, which no header tells.
    pub fn true_wcs(&self, visit: usize, det: usize) -> Result<Wcs, SimulateError> {
        let (plan, camera, place) = (self.visit(visit)?, self.camera(det)?, self.places[det]);
        let detector = &camera.detector;
        let crpix0 = [
            (detector.width as f64 - 1.0) / 2.0 - place.center_x,
            (detector.height as f64 - 1.0) / 2.0,
        ];
        Ok(tan_sip(
            [plan.ra, plan.dec],
            crpix0,
            detector.pixel_scale_arcsec,
            plan.rotation_deg,
            self.config.pointing.distortion_px,
            place.half_diagonal,
        ))
    }

    /// Everything on the sky, at epoch J2016.0.
    pub fn truth_objects(&self) -> Result<Table, SimulateError> {
        truth::object_table(&self.objects, &self.band_names())
    }

    /// What a reference catalogue would hold.
    pub fn reference_catalog(&self) -> Result<Table, SimulateError> {
        let faint = self.config.sky.reference_faint_mag;
        truth::reference_table(&self.objects, &self.band_names(), faint, self.seed)
    }

    fn band_names(&self) -> Vec<&str> {
        self.config.bands.iter().map(|b| b.name.as_str()).collect()
    }

    fn camera(&self, det: usize) -> Result<&Camera, SimulateError> {
        let count = self.cameras.len();
        self.cameras.get(det).ok_or(SimulateError::OutOfRange {
            what: "detector",
            index: det,
            count,
        })
    }

    fn visit(&self, visit: usize) -> Result<&VisitPlan, SimulateError> {
        let count = self.visits.len();
        self.visits.get(visit).ok_or(SimulateError::OutOfRange {
            what: "visit",
            index: visit,
            count,
        })
    }

    fn objects_on(
        &self,
        plan: &VisitPlan,
        band: &BandConfig,
        camera: &Camera,
        place: Place,
        wcs: &Wcs,
        noise_e: f64,
    ) -> (Vec<Stamp>, Vec<FrameTruth>) {
        /// Objects this far outside may still shed light on the detector.
        const MARGIN_PX: f64 = 150.0;
        let detector = &camera.detector;
        let (w, h) = (detector.width as f64, detector.height as f64);
        let (mut stamps, mut rows) = (Vec::new(), Vec::new());
        for object in &self.objects {
            let (ra, dec) = object.position(plan.mid_mjd_tai);
            let Some((x, y)) = wcs.sky_to_pixel(ra, dec) else { continue };
            let outside = (-x).max(x - w).max(-y).max(y - h);
            let factor = object.variation.factor(plan.start_mjd_utc);
            if !(outside < MARGIN_PX) || factor < 1e-3 {
                continue;
            }
            let mag = object.mags[plan.band] - 2.5 * factor.log10();
            let exponent = 0.4 * (band.zero_point_mag - plan.extinction_mag - mag);
            let flux_e = 10f64.powf(exponent) * plan.exposure_s;
            let (u, v) = place.normalized(detector, x, y);
            let psf = plan.psf.at(u, v);
            stamps.push(match &object.galaxy {
                None => Stamp::star(x, y, flux_e, &psf, noise_e),
                Some(g) => {
                    let jacobian = wcs_jacobian_tangent(wcs, x, y);
                    let shape = galaxy_in_pixels(g, jacobian, detector.pixel_scale_arcsec);
                    Stamp::galaxy(x, y, flux_e, &shape, &psf, noise_e)
                }
            });
            if x >= -0.5 && y >= -0.5 && x < w - 0.5 && y < h - 0.5 {
                let peak = flux_e * psf.peak() + noise_e * noise_e;
                rows.push(FrameTruth {
                    id: object.id,
                    x,
                    y,
                    ra,
                    dec,
                    flux_e,
                    flux_adu: flux_e / camera.mean_gain(),
                    mag,
                    is_star: object.is_star(),
                    snr: flux_e / (flux_e + psf.noise_area() * noise_e * noise_e).sqrt(),
                    saturated: object.is_star() && peak > camera.saturation_e(x, y),
                    variable: object.variation != population::Variation::Constant,
                });
            }
        }
        (stamps, rows)
    }

    fn calibration(
        &self,
        kind: FrameKind,
        i: usize,
        band: Option<usize>,
        det: usize,
    ) -> Result<SimFrame, SimulateError> {
        let camera = self.camera(det)?;
        let count = self.config.bands.len();
        let band = match band {
            None => None,
            Some(index) => Some((
                index,
                self.config.bands.get(index).ok_or(SimulateError::OutOfRange {
                    what: "band",
                    index,
                    count,
                })?,
            )),
        };
        let p = &self.config.pointing;
        let exposure_s = match kind {
            FrameKind::Bias => 0.0,
            FrameKind::Dark => p.dark_exposure_s,
            _ => p.flat_exposure_s,
        };
        // Flats of a band keep to a block of a hundred numbers.
        let number = i + band.map_or(0, |(index, _)| 100 * index);
        let mut light = Image::filled(camera.detector.width, camera.detector.height, 0.0f32);
        if let Some((_, band)) = band {
            let mut s = Stream::new(self.seed, Purpose::Visit, key(kind, number, 0), 1);
            let level = band.flat_level_e * s.range(0.9, 1.1);
            light.data_mut().fill(level as f32);
            multiply(&mut light, &camera.response);
        }
        let amps = camera.expose(light, exposure_s, key(kind, number, det));
        let visit = first_visit(kind) + number as u64;
        let start = p.first_mjd_utc - 0.3 + 0.002 * (visit % 100) as f64;
        let band_name = band.map_or("", |(_, b)| b.name.as_str());
        Ok(SimFrame {
            kind,
            visit,
            detector: det,
            detector_id: camera.detector.id,
            band: band_name.to_string(),
            header: self.basic_header(kind, visit, start, exposure_s, band_name, camera),
            amps,
            truth: truth::frame_table(&[])?,
        })
    }

    fn basic_header(
        &self,
        kind: FrameKind,
        visit: u64,
        start_mjd_utc: f64,
        exposure_s: f64,
        band: &str,
        camera: &Camera,
    ) -> Header {
        let mut h = Header::default();
        card(&mut h, "INSTRUME", self.config.instrument.as_str(), "Simulated camera");
        card(&mut h, "TELESCOP", "SIMULATED", "");
        card(&mut h, "VISIT", visit as i64, "Visit number");
        card(&mut h, "DETECTOR", i64::from(camera.detector.id), "Detector number");
        card(&mut h, "DETNAME", camera.detector.name.as_str(), "Detector name");
        card(&mut h, "IMGTYPE", kind.name(), "Type of frame");
        card(&mut h, "EXPTIME", exposure_s, "[s] Exposure time");
        card(&mut h, "DATE-OBS", iso_date(start_mjd_utc).as_str(), "Start of exposure, UTC");
        card(&mut h, "MJD-OBS", start_mjd_utc, "[d] Start of exposure, UTC");
        card(&mut h, "TIMESYS", "UTC", "");
        if !band.is_empty() {
            card(&mut h, "FILTER", band, "Filter");
            card(&mut h, "BAND", band, "Band");
        }
        h
    }

    fn science_header(
        &self,
        plan: &VisitPlan,
        band: &BandConfig,
        camera: &Camera,
        wcs: &Wcs,
    ) -> Header {
        let mut h = self.basic_header(
            FrameKind::Science,
            plan.visit,
            plan.start_mjd_utc,
            plan.exposure_s,
            &band.name,
            camera,
        );
        let rough = |ra: f64, dec: f64| {
            let (xi, eta) = plan.pointing_error;
            UnitVector::from_tangent(UnitVector::from_ra_dec_deg(ra, dec), xi, eta).to_ra_dec_deg()
        };
        let d = &camera.detector;
        let (ra, dec) =
            wcs.pixel_to_sky((d.width as f64 - 1.0) / 2.0, (d.height as f64 - 1.0) / 2.0);
        let (ra, dec) = rough(ra, dec);
        let (tel_ra, tel_dec) = rough(plan.ra, plan.dec);
        card(&mut h, "OBJECT", "SIMFIELD", "");
        card(&mut h, "RA", ra, "[deg] Rough centre of the detector, ICRS");
        card(&mut h, "DEC", dec, "[deg] Rough centre of the detector, ICRS");
        card(&mut h, "TELRA", tel_ra, "[deg] Rough pointing of the axis, ICRS");
        card(&mut h, "TELDEC", tel_dec, "[deg] Rough pointing of the axis, ICRS");
        card(&mut h, "ROTANG", plan.rotation_deg + plan.rotation_error_deg, "[deg] Rough rotation");
        card(&mut h, "AIRMASS", plan.airmass, "");
        h
    }
}

fn multiply(image: &mut Image<f32>, by: &Image<f32>) {
    image.data_mut().par_iter_mut().zip(by.data()).for_each(|(v, b)| *v *= b);
}

/// Detectors side by side along x, centred on the axis.
fn lay_out(detectors: &[Detector], gap_px: f64) -> Vec<Place> {
    let total: f64 = detectors.iter().map(|d| d.width as f64).sum::<f64>()
        + gap_px * (detectors.len() - 1) as f64;
    let tallest = detectors.iter().map(|d| d.height).max().unwrap_or(0) as f64;
    let half_diagonal = 0.5 * total.hypot(tallest);
    let mut left = -0.5 * total;
    detectors
        .iter()
        .map(|d| {
            let center_x = left + 0.5 * d.width as f64;
            left += d.width as f64 + gap_px;
            Place { center_x, half_diagonal }
        })
        .collect()
}
