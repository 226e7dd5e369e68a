//! The input frames of a command: names, stems, instruments and their images.

use crate::error::CliError;
use elqui_codec::file_stem;
use elqui_fits::{Extension, FitsFile, split_extension};
use elqui_image::{Image, RawFrame};
use elqui_instrument::Instrument;
use elqui_isr::CorrectedInput;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

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
    let on = |e: &dyn std::fmt::Display| CliError::on(&spec.path, e);
    let file = FitsFile::open(&spec.path).map_err(|e| on(&e))?;
    let header = file.header(0).map_err(|e| on(&e))?;
    let recognised;
    let instrument = match named {
        Some(instrument) => instrument,
        None => {
            recognised = Instrument::recognise(header).map_err(|e| on(&e))?;
            &recognised
        }
    };
    if instrument.is_corrected() {
        let hdu = match &spec.extension {
            Some(e) => file.find(e),
            None => file.first_image(),
        }
        .map_err(|e| on(&e))?;
        let input = corrected(&file, hdu, instrument, options).map_err(|e| on(&e))?;
        return Ok(vec![DetectorInput {
            stem: spec.stem.clone(),
            opened: Opened::Corrected(Box::new(input)),
        }]);
    }
    let frames = raw_frames(&file, instrument, spec.extension.as_ref()).map_err(|e| on(&e))?;
    let several = frames.len() > 1;
    Ok(frames
        .into_iter()
        .map(|raw| DetectorInput {
            stem: if several { format!("{}.{}", spec.stem, raw.detector.name) } else { spec.stem.clone() },
            opened: Opened::Raw(Box::new(raw)),
        })
        .collect())
}
