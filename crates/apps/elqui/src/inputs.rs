//! The input frames of a command: names, stems, instruments and their images.

use crate::error::CliError;
use elqui_codec::file_stem;
use elqui_fits::{Extension, FitsFile, split_extension};
use elqui_image::{Header, Image, Mask, MaskPlane, RawFrame, VisitInfo};
use elqui_instrument::Instrument;
use elqui_isr::CorrectedInput;
use std::collections::HashMap;
use std::path::PathBuf;

/// One input as the command line names it: `FILE` or `FILE[EXT]`.
#[derive(Debug, Clone)]
pub struct InputSpec {
    pub path: PathBuf,
    pub extension: Option<Extension>,
    pub stem: String,
}

impl InputSpec {
    pub fn parse(text: &str) -> Self {
        let (file, extension) = split_extension(text);
        let path = PathBuf::from(file);
        Self { stem: file_stem(&path), path, extension }
    }
}

/// Parse all inputs; two with one stem would overwrite each other and are refused.
pub fn parse_all(texts: &[String]) -> Result<Vec<InputSpec>, CliError> {
    let specs: Vec<InputSpec> = texts.iter().map(|t| InputSpec::parse(t)).collect();
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for (spec, text) in specs.iter().zip(texts) {
        if spec.stem.is_empty() {
            return Err(CliError::words(format!("`{text}` names no file")));
        }
        if let Some(first) = seen.insert(&spec.stem, text) {
            return Err(CliError::words(format!(
                "`{first}` and `{text}` would both write {}.*: give them to two calls with different --out",
                spec.stem
            )));
        }
    }
    Ok(specs)
}

/// Inputs opened and told apart: one entry a detector.
pub enum Opened {
    Raw(Box<RawFrame>),
    Corrected(Box<CorrectedInput>),
}

/// An opened detector and the stem that its outputs get.
pub struct DetectorInput {
    pub stem: String,
    pub opened: Opened,
}

/// Options for images that are already corrected, where the header does not say.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CorrectedOptions {
    /// Gain of an already corrected image, electrons per adu (default: the header's GAIN).
    #[arg(long, value_name = "E_PER_ADU")]
    pub gain: Option<f64>,
    /// Read noise, electrons (default: the header's RDNOISE).
    #[arg(long, value_name = "E")]
    pub read_noise: Option<f64>,
    /// Saturation level, adu (default: the header's SATURATE).
    #[arg(long, value_name = "ADU")]
    pub saturation: Option<f64>,
    /// Read the files although their checksums are wrong.
    #[arg(long)]
    pub ignore_checksums: bool,
    /// Mask image: any non-zero pixel is bad (or named planes, when it has MP_ cards).
    #[arg(long, value_name = "FILE[EXT]")]
    pub mask: Option<String>,
    /// Weight image: inverse variance, adu^-2.
    #[arg(long, value_name = "FILE[EXT]", conflicts_with = "variance")]
    pub weight: Option<String>,
    /// Variance image, adu^2.
    #[arg(long, value_name = "FILE[EXT]")]
    pub variance: Option<String>,
}

/// Open one input: choose its instrument, translate its header and read its pixels.
pub fn open(
    spec: &InputSpec,
    named: Option<&Instrument>,
    options: &CorrectedOptions,
) -> Result<Vec<DetectorInput>, CliError> {
    let read = || -> Result<Vec<DetectorInput>, String> {
        let file = FitsFile::open(&spec.path).map_err(|e| e.to_string())?;
        let instrument = choose(&file, named)?;
        let file =
            file.ignore_checksums(options.ignore_checksums || instrument.has_stale_checksums());
        if instrument.is_corrected() {
            let input = corrected(&file, spec, &instrument, options)?;
            return Ok(vec![DetectorInput {
                stem: spec.stem.clone(),
                opened: Opened::Corrected(Box::new(input)),
            }]);
        }
        let frames = raw_frames(&file, spec, &instrument)?;
        let several = frames.len() > 1;
        let stem = |raw: &RawFrame| {
            if several { format!("{}.{}", spec.stem, raw.detector.name) } else { spec.stem.clone() }
        };
        Ok(frames
            .into_iter()
            .map(|raw| DetectorInput { stem: stem(&raw), opened: Opened::Raw(Box::new(raw)) })
            .collect())
    };
    read().map_err(|e| CliError::on(&spec.path, e))
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

/// The facts of a frame without reading its pixels.
pub fn visit_info(spec: &InputSpec, named: Option<&Instrument>) -> Result<VisitInfo, CliError> {
    let read = || -> Result<VisitInfo, String> {
        let file = FitsFile::open(&spec.path).map_err(|e| e.to_string())?;
        let instrument = choose(&file, named)?;
        let hdu = if instrument.is_corrected() { file.first_image().unwrap_or(0) } else { 0 };
        instrument.translate(&merged(&file, hdu)?).map_err(|e| e.to_string())
    };
    read().map_err(|e| CliError::on(&spec.path, e))
}

fn corrected(
    file: &FitsFile,
    spec: &InputSpec,
    instrument: &Instrument,
    options: &CorrectedOptions,
) -> Result<CorrectedInput, String> {
    let hdu = match (&spec.extension, instrument.image_hdu()) {
        (Some(e), _) => file.find(e),
        (None, Some(hdu)) => Ok(hdu),
        (None, None) => file.first_image(),
    }
    .map_err(|e| e.to_string())?;
    let header = merged(file, hdu)?;
    let mut info = instrument.translate(&header).map_err(|e| e.to_string())?;
    info.pixel_scale_arcsec = instrument.pixel_scale_arcsec(&header);
    let facts = instrument.corrected_facts(&header);
    Ok(CorrectedInput {
        image: file.read_image(hdu).map_err(|e| e.to_string())?,
        info,
        gain: options.gain.unwrap_or(facts.gain),
        read_noise_e: options.read_noise.unwrap_or(facts.read_noise_e),
        saturation_adu: options.saturation.unwrap_or(facts.saturation_adu),
        soft_bias_adu: facts.soft_bias_adu,
        mask: options.mask.as_deref().map(read_mask).transpose()?,
        weight: options.weight.as_deref().map(read_plane).transpose()?,
        variance: options.variance.as_deref().map(read_plane).transpose()?,
        header,
    })
}

/// An image that a user names: `FILE` or `FILE[EXT]`.
fn read_plane(text: &str) -> Result<Image<f32>, String> {
    let (file, hdu) = FitsFile::open_extension(text).map_err(|e| e.to_string())?;
    let hdu = match hdu {
        Some(hdu) => hdu,
        None => file.first_image().map_err(|e| e.to_string())?,
    };
    file.read_image(hdu).map_err(|e| e.to_string())
}

/// A mask: planes by their `MP_` cards where it has any, else every non-zero pixel is BAD.
fn read_mask(text: &str) -> Result<Mask, String> {
    let (file, hdu) = FitsFile::open_extension(text).map_err(|e| e.to_string())?;
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

/// Every detector that a raw file holds (or the one of the extension asked for).
fn raw_frames(
    file: &FitsFile,
    spec: &InputSpec,
    instrument: &Instrument,
) -> Result<Vec<RawFrame>, String> {
    let headers: Vec<Header> =
        (0..file.hdus().len()).map(|k| merged(file, k)).collect::<Result<_, _>>()?;
    let primary = &headers[0];
    let wanted = spec.extension.as_ref().map(|e| file.find(e)).transpose().map_err(|e| e.to_string())?;
    let detectors = instrument
        .detectors_with(primary, &|hdu| headers.get(hdu))
        .map_err(|e| e.to_string())?;
    let mut frames = Vec::new();
    for mut detector in detectors {
        if let Some(hdu) = wanted {
            detector.amplifiers.retain(|a| a.raw_hdu == hdu);
        }
        let mut hdus: Vec<usize> = detector.amplifiers.iter().map(|a| a.raw_hdu).collect();
        hdus.sort_unstable();
        hdus.dedup();
        let Some(&first) = hdus.first() else { continue };
        let images = hdus
            .iter()
            .map(|&k| file.read_image(k).map(|image| (k, image)).map_err(|e| e.to_string()))
            .collect::<Result<Vec<_>, _>>()?;
        let header = headers.get(first).unwrap_or(primary).clone();
        let mut info = instrument.translate(&header).map_err(|e| e.to_string())?;
        info.detector = detector.id;
        info.detector_name.clone_from(&detector.name);
        if !(info.pixel_scale_arcsec > 0.0) {
            info.pixel_scale_arcsec = instrument.pixel_scale_arcsec(&header);
        }
        frames.push(RawFrame { header, info, detector, images });
    }
    if frames.is_empty() {
        return Err(format!("holds no detector of the instrument `{}`", instrument.name()));
    }
    Ok(frames)
}
