//! The input frames of a command: names, stems, and what is said of them in words.

use crate::error::CliError;
use elqui_codec::file_stem;
use elqui_fits::{Extension, FitsFile, split_extension};
use elqui_instrument::Instrument;
use elqui_production::{CorrectedOptions, OpenInput};
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
        // A file whose own name ends in brackets wins.
        let (file, extension) =
            if Path::new(text).exists() { (text, None) } else { split_extension(text) };
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

/// Options for images that are already corrected, where the header does not say.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CorrectedWords {
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

impl CorrectedWords {
    pub fn options(&self) -> CorrectedOptions {
        CorrectedOptions {
            gain: self.gain,
            read_noise: self.read_noise,
            saturation: self.saturation,
            ignore_checksums: self.ignore_checksums,
            mask: self.mask.clone(),
            weight: self.weight.clone(),
            variance: self.variance.clone(),
        }
    }
}

/// Open an input and look at its headers.
pub fn open(
    spec: &InputSpec,
    named: Option<&Instrument>,
    ignore_checksums: bool,
) -> Result<OpenInput, CliError> {
    let file = FitsFile::open(&spec.path).map_err(|e| CliError::on(&spec.path, e))?;
    OpenInput::new(file, &spec.stem, spec.extension.as_ref(), named, ignore_checksums)
        .map_err(|e| CliError::on(&spec.path, e))
}
