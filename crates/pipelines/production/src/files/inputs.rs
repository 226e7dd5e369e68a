//! An input frame: its camera, its detectors, and their pixels when they are asked for.

use crate::error::ProcessError;
use crate::frame::FrameInput;
use crate::signature::Origin;
use elqui_astrometry::Parity;
use elqui_codec::safe_name;
use elqui_fits::{Extension, FitsFile};
use elqui_image::{Detector, Header, Image, Mask, MaskPlane, RawFrame, VisitInfo};
use elqui_instrument::Instrument;
use elqui_isr::{CalibSet, CorrectedInput};
use elqui_wcs::Wcs;

/// What is known of images that are already corrected, where the header does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CorrectedOptions {
    /// Electrons per adu.
    pub gain: Option<f64>,
    /// Electrons.
    pub read_noise: Option<f64>,
    /// adu.
    pub saturation: Option<f64>,
    pub ignore_checksums: bool,
    /// `FILE[EXT]`: any non-zero pixel is bad (or named planes, when it has MP_ cards).
    pub mask: Option<String>,
    /// `FILE[EXT]`: inverse variance, adu^-2.
    pub weight: Option<String>,
    /// `FILE[EXT]`: adu^2.
    pub variance: Option<String>,
}

/// One detector of an input, before its pixels are read.
pub struct DetectorInput {
    /// What the names of its outputs begin with.
    pub stem: String,
    pub info: VisitInfo,
    header: Header,
    what: What,
}

enum What {
    Raw { detector: Detector, hdus: Vec<usize> },
    Corrected { hdu: usize },
}

/// Pixels and all.
pub enum Opened {
    Raw(Box<RawFrame>),
    Corrected(Box<CorrectedInput>),
}

/// An input whose instrument is known and whose headers are translated.
pub struct OpenInput {
    file: FitsFile,
    instrument: Instrument,
    pub detectors: Vec<DetectorInput>,
}

impl OpenInput {
    /// - `stem`: what the names of the outputs begin with
    /// - `extension`: the image wanted, of several
    /// - `named`: the camera; otherwise the header tells
    pub fn new(
        file: FitsFile,
        stem: &str,
        extension: Option<&Extension>,
        named: Option<&Instrument>,
        ignore_checksums: bool,
    ) -> Result<Self, ProcessError> {
        let name = file.name().to_string();
        let open = || -> Result<Self, String> {
            let instrument = choose(&file, named)?;
            let file = file.ignore_checksums(ignore_checksums || instrument.has_stale_checksums());
            let detectors = if instrument.is_corrected() {
                vec![corrected(&file, stem, extension, &instrument)?]
            } else {
                raw_detectors(&file, stem, extension, &instrument)?
            };
            Ok(Self { file, instrument, detectors })
        };
        open().map_err(|why| ProcessError::file(&name, why))
    }

    /// What the astrometry may know of a detector before it sees a star.
    pub fn origin(&self, input: &DetectorInput) -> Origin {
        Origin {
            parity: match self.instrument.parity() {
                elqui_instrument::Parity::Normal => Some(Parity::Sky),
                elqui_instrument::Parity::Mirrored => Some(Parity::Mirrored),
                elqui_instrument::Parity::Unknown => None,
            },
            pointings: input.pointings(),
            half_diagonal_deg: input.half_diagonal_deg(),
        }
    }

    /// The detector's frame as the steps take it, with calibrations where it is raw.
    pub fn frame(
        &self,
        input: &DetectorInput,
        options: &CorrectedOptions,
        calib: impl FnOnce() -> Result<CalibSet, ProcessError>,
    ) -> Result<FrameInput, ProcessError> {
        Ok(match self.read(input, options)? {
            Opened::Corrected(image) => FrameInput::Corrected(image),
            Opened::Raw(raw) => FrameInput::Raw(raw, Box::new(calib()?)),
        })
    }

    /// Read the pixels of one detector.
    pub fn read(
        &self,
        input: &DetectorInput,
        options: &CorrectedOptions,
    ) -> Result<Opened, ProcessError> {
        let read = || -> Result<Opened, String> {
            Ok(match &input.what {
                What::Raw { detector, hdus } => {
                    let image = |&k: &usize| {
                        self.file.read_image(k).map(|i| (k, i)).map_err(|e| e.to_string())
                    };
                    Opened::Raw(Box::new(RawFrame {
                        header: input.header.clone(),
                        info: input.info.clone(),
                        detector: detector.clone(),
                        images: hdus.iter().map(image).collect::<Result<Vec<_>, _>>()?,
                    }))
                }
                What::Corrected { hdu } => {
                    Opened::Corrected(Box::new(self.read_corrected(input, *hdu, options)?))
                }
            })
        };
        read().map_err(|why| ProcessError::file(self.file.name(), why))
    }

    fn read_corrected(
        &self,
        input: &DetectorInput,
        hdu: usize,
        options: &CorrectedOptions,
    ) -> Result<CorrectedInput, String> {
        let facts = self.instrument.corrected_facts(&input.header);
        let plane = |text: &String| read_plane(text, options.ignore_checksums);
        Ok(CorrectedInput {
            image: self.file.read_image(hdu).map_err(|e| e.to_string())?,
            info: input.info.clone(),
            gain: options.gain.unwrap_or(facts.gain),
            read_noise_e: options.read_noise.unwrap_or(facts.read_noise_e),
            saturation_adu: options.saturation.unwrap_or(facts.saturation_adu),
            soft_bias_adu: facts.soft_bias_adu,
            mask: options
                .mask
                .as_ref()
                .map(|text| read_mask(text, options.ignore_checksums))
                .transpose()?,
            weight: options.weight.as_ref().map(plane).transpose()?,
            variance: options.variance.as_ref().map(plane).transpose()?,
            header: input.header.clone(),
        })
    }
}

impl DetectorInput {
    /// Where the frame may point: the middle of its header's WCS, and its boresight.
    fn pointings(&self) -> Vec<(f64, f64)> {
        let number = |name: &str| {
            let z = self.header.number(&format!("Z{name}"));
            z.or_else(|| self.header.number(name)).unwrap_or(0.0)
        };
        let wcs = self.header.get("CTYPE1").and_then(|_| Wcs::from_cards(&self.header).ok());
        let middle = wcs.map(|w| w.pixel_to_sky(0.5 * number("NAXIS1"), 0.5 * number("NAXIS2")));
        let boresight = (self.info.boresight_ra, self.info.boresight_dec);
        let known = |p: &(f64, f64)| p.0.is_finite() && p.1.is_finite();
        middle.into_iter().chain([boresight]).filter(known).collect()
    }

    /// Half of the frame's diagonal, degrees; NaN when its scale is not known.
    fn half_diagonal_deg(&self) -> f64 {
        let number = |name: &str| self.header.number(name).unwrap_or(0.0);
        let (width, height) = match &self.what {
            What::Raw { detector, .. } => (detector.width as f64, detector.height as f64),
            What::Corrected { .. } => {
                (number("NAXIS1").max(number("ZNAXIS1")), number("NAXIS2").max(number("ZNAXIS2")))
            }
        };
        0.5 * width.hypot(height) * self.info.pixel_scale_arcsec / 3600.0
    }
}

/// The camera's description: the one named, or the one that the header is recognised by.
fn choose(file: &FitsFile, named: Option<&Instrument>) -> Result<Instrument, String> {
    let header = file.header(0).map_err(|e| e.to_string())?;
    match named {
        Some(instrument) => Ok(instrument.clone()),
        None => Instrument::recognise_or_generic(header).map_err(|e| e.to_string()),
    }
}

/// A header in which an HDU's own cards come first and the primary's behind.
fn merged(file: &FitsFile, hdu: usize) -> Result<Header, String> {
    let mut header = file.header(hdu).map_err(|e| e.to_string())?.clone();
    if hdu != 0 {
        let primary = file.header(0).map_err(|e| e.to_string())?;
        header.cards.extend(primary.cards.iter().cloned());
    }
    Ok(header)
}

fn corrected(
    file: &FitsFile,
    stem: &str,
    extension: Option<&Extension>,
    instrument: &Instrument,
) -> Result<DetectorInput, String> {
    let hdu = match (extension, instrument.image_hdu()) {
        (Some(e), _) => file.find(e),
        (None, Some(hdu)) => Ok(hdu),
        (None, None) => file.first_image(),
    }
    .map_err(|e| e.to_string())?;
    let header = merged(file, hdu)?;
    let mut info = instrument.translate(&header).map_err(|e| e.to_string())?;
    info.pixel_scale_arcsec = instrument.pixel_scale_arcsec(&header);
    Ok(DetectorInput { stem: stem.to_string(), info, header, what: What::Corrected { hdu } })
}

/// Every detector that a raw file holds (or the one of the extension asked for).
fn raw_detectors(
    file: &FitsFile,
    stem: &str,
    extension: Option<&Extension>,
    instrument: &Instrument,
) -> Result<Vec<DetectorInput>, String> {
    let headers: Vec<Header> =
        (0..file.hdus().len()).map(|k| merged(file, k)).collect::<Result<_, _>>()?;
    let primary = &headers[0];
    let wanted = extension.map(|e| file.find(e)).transpose().map_err(|e| e.to_string())?;
    let detectors =
        instrument.detectors_with(primary, &|hdu| headers.get(hdu)).map_err(|e| e.to_string())?;
    let mut found = Vec::new();
    for mut detector in detectors {
        if let Some(hdu) = wanted {
            detector.amplifiers.retain(|a| a.raw_hdu == hdu);
        }
        let mut hdus: Vec<usize> = detector.amplifiers.iter().map(|a| a.raw_hdu).collect();
        hdus.sort_unstable();
        hdus.dedup();
        let Some(&first) = hdus.first() else { continue };
        let header = headers.get(first).unwrap_or(primary).clone();
        let mut info = instrument.translate(&header).map_err(|e| e.to_string())?;
        info.detector = detector.id;
        info.detector_name.clone_from(&detector.name);
        if !(info.pixel_scale_arcsec > 0.0) {
            info.pixel_scale_arcsec = instrument.pixel_scale_arcsec(&header);
        }
        let what = What::Raw { detector, hdus };
        found.push(DetectorInput { stem: stem.to_string(), info, header, what });
    }
    if found.is_empty() {
        return Err(format!("holds no detector of the instrument `{}`", instrument.name()));
    }
    if found.len() > 1 {
        for input in &mut found {
            input.stem = format!("{stem}.{}", safe_name(&input.info.detector_name));
        }
    }
    Ok(found)
}

/// An image that a user names: `FILE` or `FILE[EXT]`.
fn read_plane(text: &str, ignore_checksums: bool) -> Result<Image<f32>, String> {
    let (file, hdu) = FitsFile::open_extension(text).map_err(|e| e.to_string())?;
    let file = file.ignore_checksums(ignore_checksums);
    let hdu = match hdu {
        Some(hdu) => hdu,
        None => file.first_image().map_err(|e| e.to_string())?,
    };
    file.read_image(hdu).map_err(|e| e.to_string())
}

/// A mask: planes by their `MP_` cards where it has any, else every non-zero pixel is BAD.
fn read_mask(text: &str, ignore_checksums: bool) -> Result<Mask, String> {
    let (file, hdu) = FitsFile::open_extension(text).map_err(|e| e.to_string())?;
    let file = file.ignore_checksums(ignore_checksums);
    let hdu = match hdu {
        Some(hdu) => hdu,
        None => file.first_image().map_err(|e| e.to_string())?,
    };
    let raw = file.read_image_u32(hdu).map_err(|e| e.to_string())?;
    let header = file.header(hdu).map_err(|e| e.to_string())?;
    let planes: Vec<(u32, u32)> = MaskPlane::ALL
        .iter()
        .filter_map(|p| {
            let bit = header.number(&format!("MP_{}", p.name()))?;
            (0.0..32.0).contains(&bit).then(|| (1u32 << bit as u32, p.bit()))
        })
        .collect();
    if planes.is_empty() {
        return Ok(raw.map(|v| if v == 0 { 0 } else { MaskPlane::Bad.bit() }));
    }
    Ok(raw.map(|v| planes.iter().filter(|(from, _)| v & from != 0).map(|(_, to)| to).sum()))
}
