//! One corrected image of a plain field, for tests of speed and of single steps.

use crate::effects::Effects;
use crate::error::SimulateError;
use crate::header::{card, iso_date};
use crate::population::{self, Field, GalaxyLaw, galaxy_in_pixels};
use crate::profile::Moffat;
use crate::render::{self, GalaxyShape, Stamp};
use crate::rng::{Purpose, Stream};
use crate::sky_map::{tan_sip, wcs_jacobian_tangent};
use crate::trouble::Trouble;
use crate::truth::{self, FrameTruth};
use elqui_base::{UnitVector, mjd_utc_to_tai};
use elqui_image::{Header, Image};
use elqui_schema::Table;
use elqui_wcs::Wcs;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A galaxy's Gaussians are drawn to a fiftieth of this part of the sky's noise.
const EDGE_NOISE: f64 = 0.02;

/// The description of a scene; every field has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scene {
    pub width: usize,
    pub height: usize,
    pub pixel_scale_arcsec: f64,
    pub ra_deg: f64,
    pub dec_deg: f64,
    pub rotation_deg: f64,
    pub band: String,
    pub mjd_utc: f64,
    pub exposure_s: f64,
    /// AB magnitude that gives 1 electron a second.
    pub zero_point_mag: f64,
    pub sky_mag_arcsec2: f64,
    pub read_noise_e: f64,
    /// Electrons per adu of the image that is written.
    pub gain: f64,
    /// Level at which a pixel is cut, adu.
    pub saturation_adu: f64,
    pub fwhm_arcsec: f64,
    /// Relative growth of the FWHM to the corner, and ellipticity there.
    pub fwhm_growth: f64,
    pub ellipticity: f64,
    pub distortion_px: f64,
    pub stars: usize,
    pub star_slope: f64,
    pub star_mag: [f64; 2],
    pub galaxies: usize,
    pub galaxy_slope: f64,
    pub galaxy_mag: [f64; 2],
    /// Sizes and axis ratios of the galaxies.
    pub galaxy_law: GalaxyLaw,
    pub reference_faint_mag: f64,
    /// Error of the header's RA and DEC.
    pub pointing_error_arcsec: f64,
    /// Errors of the instrument that are left in the image; all off by default.
    pub effects: Effects,
    /// What went wrong with the frame, when something did.
    pub trouble: Option<Trouble>,
    pub seed: u64,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            width: 4096,
            height: 4096,
            pixel_scale_arcsec: 0.2,
            ra_deg: 72.5,
            dec_deg: -30.2,
            rotation_deg: 1.0,
            band: "r".into(),
            mjd_utc: 61_366.1,
            exposure_s: 30.0,
            zero_point_mag: 28.36,
            sky_mag_arcsec2: 21.2,
            read_noise_e: 9.0,
            gain: 1.5,
            saturation_adu: 65_000.0,
            fwhm_arcsec: 0.8,
            fwhm_growth: 0.08,
            ellipticity: 0.03,
            distortion_px: 2.0,
            stars: 2000,
            star_slope: 0.2,
            star_mag: [13.0, 24.5],
            galaxies: 4000,
            galaxy_slope: 0.35,
            galaxy_mag: [17.5, 24.5],
            reference_faint_mag: 21.0,
            galaxy_law: GalaxyLaw::default(),
            pointing_error_arcsec: 20.0,
            effects: Effects::default(),
            trouble: None,
            seed: 1,
        }
    }
}

/// A scene drawn: the image (adu, sky included), its cards, and what is there.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneFrame {
    pub image: Image<f32>,
    /// Facts of the exposure with a rough position, and no world coordinates.
    pub header: Header,
    pub wcs: Wcs,
    pub truth: Table,
    pub reference: Table,
    pub sky_adu: f64,
    /// Everything that was drawn; the first rows are those of `truth`, then what lies just outside.
    pub sources: Vec<SceneSource>,
}

/// One source as it is drawn: a star, or a galaxy of this shape, before the PSF.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SceneSource {
    pub x: f64,
    pub y: f64,
    pub flux_e: f64,
    pub galaxy: Option<GalaxyShape>,
}

impl Scene {
    pub fn check(&self) -> Result<(), SimulateError> {
        if self.width == 0 || self.height == 0 {
            return Err(SimulateError::Missing { what: "pixels" });
        }
        for (field, value) in [
            ("pixel_scale_arcsec", self.pixel_scale_arcsec),
            ("exposure_s", self.exposure_s),
            ("gain", self.gain),
            ("fwhm_arcsec", self.fwhm_arcsec),
            ("star_slope", self.star_slope),
            ("galaxy_slope", self.galaxy_slope),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                let why = "it must be above zero";
                return Err(SimulateError::BadValue { field, value: value.to_string(), why });
            }
        }
        Ok(())
    }

    fn half_diagonal(&self) -> f64 {
        0.5 * (self.width as f64).hypot(self.height as f64)
    }

    fn wcs(&self) -> Wcs {
        tan_sip(
            [self.ra_deg, self.dec_deg],
            [(self.width as f64 - 1.0) / 2.0, (self.height as f64 - 1.0) / 2.0],
            self.pixel_scale_arcsec,
            self.rotation_deg,
            self.distortion_px,
            self.half_diagonal(),
        )
    }

    /// The noiseless PSF of a source at (x, y): a stamp of side `2 half + 1` about the nearest pixel; its
    /// sum over all space is 1 (so a little less over the stamp).
    pub fn psf_stamp(&self, x: f64, y: f64, half: usize) -> Image<f32> {
        self.psf_stamp_about([x.round() as i32, y.round() as i32], x, y, half)
    }

    /// As [`psf_stamp`](Self::psf_stamp) about a pixel of choice.
    pub fn psf_stamp_about(&self, middle: [i32; 2], x: f64, y: f64, half: usize) -> Image<f32> {
        let psf = self.psf(x, y);
        let inverse = psf.alpha2.inverse();
        let peak = psf.peak();
        Image::from_fn(2 * half + 1, 2 * half + 1, |i, j| {
            let dx = i as f64 - half as f64 + f64::from(middle[0]) - x;
            let dy = j as f64 - half as f64 + f64::from(middle[1]) - y;
            let u = inverse.xx * dx * dx + 2.0 * inverse.xy * dx * dy + inverse.yy * dy * dy;
            (peak / (1.0 + u).powi(3)) as f32
        })
    }

    /// The mean image of one source in electrons, without sky, about a pixel of choice.
    pub fn source_stamp_about(&self, middle: [i32; 2], s: &SceneSource, half: usize) -> Image<f32> {
        let mut stamp = Image::filled(2 * half + 1, 2 * half + 1, 0.0f32);
        let at = |v: f64, m: i32| v - f64::from(m) + half as f64;
        let moved = SceneSource { x: at(s.x, middle[0]), y: at(s.y, middle[1]), ..*s };
        render::draw(&mut stamp, &[self.stamp(&moved, &self.psf(s.x, s.y))]);
        stamp
    }

    /// The mean image of these sources and the sky, electrons, without the instrument's effects.
    pub fn expectation(&self, sources: &[SceneSource]) -> Image<f32> {
        let stamps: Vec<Stamp> =
            sources.iter().map(|s| self.stamp(s, &self.psf(s.x, s.y))).collect();
        let mut image = Image::filled(self.width, self.height, self.sky_e() as f32);
        render::draw(&mut image, &stamps);
        image
    }

    /// An image (adu) of these sources on this sky, with the instrument's effects, what went wrong,
    /// and noise.
    pub fn render_sources(&self, sources: &[SceneSource]) -> Image<f32> {
        let mut image = if self.effects == Effects::default() {
            self.expectation(sources)
        } else {
            let moved: Vec<SceneSource> =
                sources.iter().map(|s| self.effects.displaced(s, self.half_diagonal())).collect();
            let mut image = self.expectation(&moved);
            self.effects.apply(&mut image, self.seed, self.half_diagonal());
            image
        };
        if let Some(trouble) = self.trouble {
            trouble.light(&mut image, self.sky_e(), self.saturation_adu * self.gain, self.seed);
        }
        self.add_noise(&mut image);
        if let Some(trouble) = self.trouble {
            trouble.read_out(&mut image, self.read_noise_e / self.gain, self.seed);
        }
        image
    }

    fn stamp(&self, s: &SceneSource, psf: &Moffat) -> Stamp {
        let edge_noise_e = EDGE_NOISE * (self.sky_e() + self.read_noise_e.powi(2)).sqrt();
        match &s.galaxy {
            None => Stamp::star(s.x, s.y, s.flux_e, psf, edge_noise_e),
            Some(shape) => Stamp::galaxy(s.x, s.y, s.flux_e, shape, psf, edge_noise_e),
        }
    }

    fn psf(&self, x: f64, y: f64) -> Moffat {
        let r = self.half_diagonal();
        let u = (x - (self.width as f64 - 1.0) / 2.0) / r;
        let v = (y - (self.height as f64 - 1.0) / 2.0) / r;
        let rr = u * u + v * v;
        let fwhm_px = self.fwhm_arcsec / self.pixel_scale_arcsec;
        Moffat::new(fwhm_px * (1.0 + self.fwhm_growth * rr), self.ellipticity * rr, v.atan2(u))
    }

    /// Electrons of sky in a pixel.
    pub fn sky_e(&self) -> f64 {
        10f64.powf(0.4 * (self.zero_point_mag - self.sky_mag_arcsec2))
            * self.pixel_scale_arcsec.powi(2)
            * self.exposure_s
    }

    pub fn render(&self) -> Result<SceneFrame, SimulateError> {
        self.check()?;
        let wcs = self.wcs();
        let arcsec = std::f64::consts::PI / 648_000.0;
        let field = Field {
            center: UnitVector::from_ra_dec_deg(self.ra_deg, self.dec_deg),
            radius_rad: self.half_diagonal() * self.pixel_scale_arcsec * arcsec,
            bands: 1,
            seed: self.seed,
        };
        // The numbers are those on the image; the field is the circle about it.
        let filling = std::f64::consts::PI * self.half_diagonal().powi(2)
            / (self.width as f64 * self.height as f64);
        let count = |n: usize| (n as f64 * filling).round() as usize;
        let objects = population::counted(
            &field,
            (count(self.stars), self.star_slope, self.star_mag[0], self.star_mag[1]),
            (count(self.galaxies), self.galaxy_slope, self.galaxy_mag[0], self.galaxy_mag[1]),
            &self.galaxy_law,
            3.0,
        );
        let time = mjd_utc_to_tai(self.mjd_utc).plus_seconds(0.5 * self.exposure_s);
        let sky_e = self.sky_e();
        let noise_e = (sky_e + self.read_noise_e.powi(2)).sqrt();
        let (w, h) = (self.width as f64, self.height as f64);
        let (mut sources, mut outside, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for object in &objects {
            let (ra, dec) = object.position(time);
            let Some((x, y)) = wcs.sky_to_pixel(ra, dec) else { continue };
            if !((-x).max(x - w).max(-y).max(y - h) < 150.0) {
                continue;
            }
            let mag = object.mags[0];
            let flux_e = 10f64.powf(0.4 * (self.zero_point_mag - mag)) * self.exposure_s;
            let psf = self.psf(x, y);
            let galaxy = object.galaxy.as_ref().map(|g| {
                let jacobian = wcs_jacobian_tangent(&wcs, x, y);
                galaxy_in_pixels(g, jacobian, self.pixel_scale_arcsec)
            });
            let source = SceneSource { x, y, flux_e, galaxy };
            if x >= -0.5 && y >= -0.5 && x < w - 0.5 && y < h - 0.5 {
                rows.push(FrameTruth {
                    id: object.id,
                    x,
                    y,
                    ra,
                    dec,
                    flux_e,
                    flux_adu: flux_e / self.gain,
                    mag,
                    is_star: object.is_star(),
                    snr: flux_e / (flux_e + psf.noise_area() * noise_e * noise_e).sqrt(),
                    saturated: object.is_star()
                        && flux_e * psf.peak() + sky_e > self.saturation_adu * self.gain,
                    variable: false,
                });
                sources.push(source);
            } else {
                outside.push(source);
            }
        }
        let shapes: Vec<Option<GalaxyShape>> = sources.iter().map(|s| s.galaxy).collect();
        let mut truth = truth::frame_table(&rows)?;
        truth::add_shapes(&mut truth, &shapes)?;
        sources.append(&mut outside);
        let image = self.render_sources(&sources);
        let mut header = self.header();
        if let Some(trouble) = self.trouble {
            trouble.header(&mut header);
        }
        let bands = [self.band.as_str()];
        Ok(SceneFrame {
            image,
            header,
            wcs: wcs.with_size(w, h),
            truth,
            sources,
            reference: truth::reference_table(
                &objects,
                &bands,
                self.reference_faint_mag,
                self.seed,
            )?,
            sky_adu: sky_e / self.gain,
        })
    }

    fn add_noise(&self, image: &mut Image<f32>) {
        let width = self.width;
        image.data_mut().par_chunks_mut(width).enumerate().for_each(|(y, row)| {
            let mut s = Stream::new(self.seed, Purpose::Photons, 0, y as u64);
            for v in row {
                let e = s.poisson(f64::from(*v)) + self.read_noise_e * s.normal();
                *v = (e / self.gain).min(self.saturation_adu) as f32;
            }
        });
    }

    fn header(&self) -> Header {
        let mut h = Header::default();
        let mut s = Stream::new(self.seed, Purpose::Visit, 0, 0);
        let arcsec = std::f64::consts::PI / 648_000.0;
        let (xi, eta) = s.in_circle(self.pointing_error_arcsec * arcsec);
        let center = UnitVector::from_ra_dec_deg(self.ra_deg, self.dec_deg);
        let (ra, dec) = UnitVector::from_tangent(center, xi, eta).to_ra_dec_deg();
        card(&mut h, "OBJECT", "SCENE", "Simulated");
        card(&mut h, "FILTER", self.band.as_str(), "Filter");
        card(&mut h, "EXPTIME", self.exposure_s, "[s] Exposure time");
        card(&mut h, "DATE-OBS", iso_date(self.mjd_utc).as_str(), "Start of exposure, UTC");
        card(&mut h, "MJD-OBS", self.mjd_utc, "[d] Start of exposure, UTC");
        card(&mut h, "GAIN", self.gain, "[electron/adu]");
        card(&mut h, "RDNOISE", self.read_noise_e, "[electron]");
        card(&mut h, "SATURATE", self.saturation_adu, "[adu]");
        card(&mut h, "RA", ra, "[deg] Rough position of the centre, ICRS");
        card(&mut h, "DEC", dec, "[deg] Rough position of the centre, ICRS");
        card(&mut h, "PIXSCALE", self.pixel_scale_arcsec, "[arcsec] Rough scale");
        h
    }
}
