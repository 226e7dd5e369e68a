//! A camera: recognise its files, translate their headers, give their geometry.

use crate::builtin::{BUILTIN, names};
use crate::describe::{Description, Parity, Test};
use crate::error::InstrumentError;
use crate::geometry;
use crate::spec::{From as Source, Number, Spec, cards_of};
use elqui_butler::{RawTranslator, TranslateError};
use elqui_image::{Detector, Header, VisitInfo};
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// MJD of 2000-01-01, from which visits without a number are counted in seconds.
const VISIT_EPOCH_MJD: f64 = 51_544.0;

/// The built-in cameras, read once, in the order in which they are tried.
static CAMERAS: LazyLock<Vec<(&str, Instrument)>> = LazyLock::new(|| {
    let read = |name: &str, text: &str| {
        Instrument::from_yaml(text, &format!("instruments/{name}.yaml")).ok()
    };
    BUILTIN.iter().filter_map(|&(name, text)| Some((name, read(name, text)?))).collect()
});

/// A camera as its description says; a clone shares it.
#[derive(Debug, Clone)]
pub struct Instrument {
    description: Arc<Description>,
}

/// Numbers of an already corrected image; NaN where unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CorrectedFacts {
    /// Electrons per adu.
    pub gain: f64,
    pub read_noise_e: f64,
    pub saturation_adu: f64,
    pub soft_bias_adu: f64,
}

impl Instrument {
    /// A built-in camera by name, or a description by path.
    pub fn load(name_or_path: &str) -> Result<Self, InstrumentError> {
        if let Some((_, camera)) = CAMERAS.iter().find(|(name, _)| *name == name_or_path) {
            return Ok(camera.clone());
        }
        let path = Path::new(name_or_path);
        let looks_like_path =
            path.extension().is_some_and(|e| e == "yaml" || e == "yml") || path.exists();
        if !looks_like_path {
            return Err(InstrumentError::Unknown {
                name: name_or_path.to_string(),
                known: names(),
            });
        }
        let text = std::fs::read_to_string(path)
            .map_err(|source| InstrumentError::Read { path: path.to_path_buf(), source })?;
        Self::from_yaml(&text, name_or_path)
    }

    /// From the text of a description; `file` is named in errors.
    pub fn from_yaml(text: &str, file: &str) -> Result<Self, InstrumentError> {
        Ok(Self { description: Arc::new(Description::parse(text, file)?) })
    }

    pub fn builtin_names() -> Vec<&'static str> {
        names()
    }

    /// The built-in camera whose tests this header passes; `generic` is never recognised.
    pub fn recognise(header: &Header) -> Option<Self> {
        CAMERAS.iter().map(|(_, camera)| camera).find(|c| c.matches(header)).cloned()
    }

    /// As [`recognise`](Self::recognise), with `generic` for what no camera knows.
    pub fn recognise_or_generic(header: &Header) -> Result<Self, InstrumentError> {
        Self::recognise(header).map_or_else(|| Self::load("generic"), Ok)
    }

    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// One line that says what it is.
    pub fn description(&self) -> &str {
        &self.description.description
    }

    /// Whether the files hold already reduced images.
    pub fn is_corrected(&self) -> bool {
        self.description.corrected
    }

    /// HDU of a corrected camera's image, where it is not simply the first image.
    pub fn image_hdu(&self) -> Option<usize> {
        self.description.image_hdu
    }

    /// Whether this observatory's checksums are known not to be kept up to date.
    pub fn has_stale_checksums(&self) -> bool {
        self.description.stale_checksums
    }

    pub fn parity(&self) -> Parity {
        self.description.pixel_parity
    }

    /// Whether the header passes the description's tests.
    pub fn matches(&self, header: &Header) -> bool {
        let passes =
            |tests: &Vec<Test>| !tests.is_empty() && tests.iter().all(|t| passes(t, header));
        self.description.recognise.iter().any(passes)
    }

    /// Nominal pixel scale, arcsec; NaN when unknown.
    pub fn pixel_scale_arcsec(&self, header: &Header) -> f64 {
        self.description.pixel_scale_arcsec.as_ref().map_or(f64::NAN, |n| n.get(header))
    }

    /// The facts of the visit. What the header does not say is empty, zero or NaN; a card that
    /// cannot be read is an error that names it, unless the camera is lenient.
    pub fn translate(&self, header: &Header) -> Result<VisitInfo, InstrumentError> {
        let cards = &self.description.cards;
        let text =
            |spec: &Option<Spec>| spec.as_ref().and_then(|s| s.text(header)).unwrap_or_default();
        let exposure_s = self.number(&cards.exposure_s, header, "the exposure time in seconds")?;
        let time = match &cards.time {
            Some(spec) => spec.middle(header, exposure_s, self.name(), self.description.lenient)?,
            None => None,
        };
        let mid_mjd_tai = time.unwrap_or_default();
        let numbered = self.number(&cards.visit, header, "the visit's number")?;
        let from_time = cards.visit.as_ref().is_some_and(|s| s.from == Some(Source::Time));
        let visit = match time {
            Some(t) if from_time && numbered.is_nan() => {
                ((t.0 - VISIT_EPOCH_MJD) * 86_400.0).round()
            }
            _ => numbered,
        };
        let (detector, detector_name) = match self.detector_text(header) {
            Ok(Some(d)) => (d.id, d.name.clone()),
            Ok(None) => (0, String::new()),
            // A corrected camera need not list its detectors: the number alone does.
            Err(_) if self.description.detectors.is_empty() => {
                let id =
                    self.number(&self.description.detector, header, "the detector's number")?;
                (id as u32, if id.is_finite() { id.to_string() } else { String::new() })
            }
            Err(error) => return Err(error),
        };
        Ok(VisitInfo {
            instrument: self.name().to_string(),
            visit: if visit.is_finite() && visit > 0.0 { visit as u64 } else { 0 },
            detector,
            detector_name,
            band: text(&cards.band),
            physical_filter: text(&cards.physical_filter),
            observation_type: observation_type(&text(&cards.observation_type)),
            exposure_s,
            mid_mjd_tai,
            boresight_ra: self
                .number(&cards.boresight_ra, header, "a right ascension")?
                .rem_euclid(360.0),
            boresight_dec: self.number(&cards.boresight_dec, header, "a declination")?,
            pixel_scale_arcsec: self.pixel_scale_arcsec(header),
            airmass: self.number(&cards.airmass, header, "an airmass").unwrap_or(f64::NAN),
            object: text(&cards.object),
        })
    }

    /// Where the telescope pointed, ICRS degrees: one place for all detectors of an exposure. Of a camera with
    /// one detector it is the frame's own boresight; of others it is not known unless the description
    /// says.
    pub(crate) fn tracking(&self, header: &Header, info: &VisitInfo) -> Option<(f64, f64)> {
        let cards = &self.description.cards;
        let read = |spec| self.number(spec, header, "a pointing").ok().filter(|v| v.is_finite());
        match (&cards.tracking_ra, &cards.tracking_dec) {
            (None, None) if self.detector_count() == 1 => {
                let place = (info.boresight_ra, info.boresight_dec);
                (place.0.is_finite() && place.1.is_finite()).then_some(place)
            }
            (ra, dec) => read(ra).map(|ra| ra.rem_euclid(360.0)).zip(read(dec)),
        }
    }

    /// How many detectors the description lists; 0 when it lists none.
    pub fn detector_count(&self) -> usize {
        self.description.detectors.len()
    }

    /// Width and height of a detector that the description lists.
    pub(crate) fn detector_size(&self, id: u32) -> Option<(usize, usize)> {
        let found = self.description.detectors.iter().find(|d| d.id == id)?;
        found.width.zip(found.height)
    }

    /// Whether one HDU holds all of a detector, so that its axes and WCS are the detector's.
    pub(crate) fn in_one_hdu(&self, id: u32) -> bool {
        let Some(found) = self.description.detectors.iter().find(|d| d.id == id) else {
            return true;
        };
        found.amplifiers.windows(2).all(|pair| pair[0].hdu == pair[1].hdu)
    }

    /// The cards that number the exposure, for errors.
    pub(crate) fn visit_cards(&self) -> String {
        self.description.cards.visit.as_ref().map(cards_of).unwrap_or_default()
    }

    /// All detectors whose geometry needs no header.
    pub fn detectors(&self) -> Result<Vec<Detector>, InstrumentError> {
        let header = Header::default();
        self.description.detectors.iter().map(|d| self.geometry(d, &header, &|_| None)).collect()
    }

    /// The detector that this file holds, cards being looked up in `header` (of the image's HDU,
    /// with the primary's cards behind).
    pub fn detector_for(&self, header: &Header) -> Result<Detector, InstrumentError> {
        self.detector_with(header, &|_| None)
    }

    /// As [`detector_for`](Self::detector_for), with the header of each HDU for its amplifiers.
    pub fn detector_with<'a>(
        &self,
        primary: &Header,
        hdu: &'a dyn Fn(usize) -> Option<&'a Header>,
    ) -> Result<Detector, InstrumentError> {
        match self.detector_text(primary)? {
            Some(text) => self.geometry(text, primary, hdu),
            None => Err(self.no_detector("of this file")),
        }
    }

    /// All detectors that this file holds: the one that its cards name, or all of the camera.
    pub fn detectors_with<'a>(
        &self,
        primary: &Header,
        hdu: &'a dyn Fn(usize) -> Option<&'a Header>,
    ) -> Result<Vec<Detector>, InstrumentError> {
        if self.description.detector.is_some() {
            return Ok(vec![self.detector_with(primary, hdu)?]);
        }
        self.description.detectors.iter().map(|d| self.geometry(d, primary, hdu)).collect()
    }

    /// Gain, read noise, saturation and soft bias of an already corrected image.
    pub fn corrected_facts(&self, header: &Header) -> CorrectedFacts {
        let facts = &self.description.facts;
        let number = |spec: &Option<Spec>| {
            let found = spec.as_ref().and_then(|s| s.number(header).ok().flatten());
            found.unwrap_or(f64::NAN)
        };
        CorrectedFacts {
            gain: number(&facts.gain),
            read_noise_e: number(&facts.read_noise_e),
            saturation_adu: number(&facts.saturation_adu),
            soft_bias_adu: number(&facts.soft_bias_adu),
        }
    }

    fn geometry(
        &self,
        text: &crate::describe::DetectorText,
        primary: &Header,
        hdu: geometry::HduHeader<'_>,
    ) -> Result<Detector, InstrumentError> {
        let scale = match &self.description.pixel_scale_arcsec {
            Some(Number::Fixed(v)) => *v,
            _ => self.pixel_scale_arcsec(primary),
        };
        geometry::detector(self.name(), text, scale, primary, hdu)
    }

    /// The detector that the header names; `None` when the camera lists none.
    fn detector_text(
        &self,
        header: &Header,
    ) -> Result<Option<&crate::describe::DetectorText>, InstrumentError> {
        let all = &self.description.detectors;
        let Some(spec) = &self.description.detector else { return Ok(all.first()) };
        let Some(said) = spec.text(header) else {
            return Err(InstrumentError::MissingCard {
                instrument: self.name().to_string(),
                card: cards_of(spec),
                what: "the detector",
            });
        };
        let id = spec.number(header).ok().flatten();
        let named = all.iter().find(|d| d.name.eq_ignore_ascii_case(&said));
        let found = named.or_else(|| all.iter().find(|d| Some(f64::from(d.id)) == id));
        found.map(Some).ok_or_else(|| self.no_detector(&said))
    }

    fn no_detector(&self, detector: &str) -> InstrumentError {
        InstrumentError::NoDetector {
            instrument: self.name().to_string(),
            detector: detector.to_string(),
        }
    }

    /// NaN when absent.
    fn number(
        &self,
        spec: &Option<Spec>,
        header: &Header,
        what: &'static str,
    ) -> Result<f64, InstrumentError> {
        let Some(spec) = spec else { return Ok(f64::NAN) };
        match spec.number(header) {
            Ok(found) => Ok(found.unwrap_or(f64::NAN)),
            Err(_) if self.description.lenient => Ok(f64::NAN),
            Err(value) => Err(InstrumentError::BadCard {
                instrument: self.name().to_string(),
                card: cards_of(spec),
                value,
                what,
            }),
        }
    }
}

impl RawTranslator for Instrument {
    fn name(&self) -> &str {
        self.name()
    }
    fn recognises(&self, header: &Header) -> bool {
        self.matches(header)
    }
    fn visit_info(&self, header: &Header) -> Result<VisitInfo, TranslateError> {
        Ok(self.translate(header)?)
    }
}

fn passes(test: &Test, header: &Header) -> bool {
    if let Some(present) = test.present {
        return header.get(&test.card).is_some() == present;
    }
    let Some(text) = header.text(&test.card) else { return false };
    let same = |a: &String| a.eq_ignore_ascii_case(&text);
    let lower = text.to_ascii_lowercase();
    test.equals.as_ref().is_some_and(same)
        || test.one_of.as_ref().is_some_and(|all| all.iter().any(same))
        || test.starts_with.as_ref().is_some_and(|s| lower.starts_with(&s.to_ascii_lowercase()))
        || test.contains.as_ref().is_some_and(|s| lower.contains(&s.to_ascii_lowercase()))
}

/// The house's words for what observatories call the kinds of frames.
fn observation_type(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    let known = if lower.is_empty() {
        ""
    } else if has(&["bias", "zero"]) {
        "bias"
    } else if has(&["flat"]) {
        "flat"
    } else if has(&["dark"]) {
        "dark"
    } else if has(&["arc", "lamp", "comp"]) {
        "arc"
    } else if has(&["object", "science", "target", "light", "sky", "acq"]) {
        "science"
    } else {
        return lower;
    };
    known.to_string()
}
