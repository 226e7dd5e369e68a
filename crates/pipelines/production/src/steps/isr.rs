//! `isr`: a raw frame to an image without its instrument's signature.

use crate::files::{CorrectedOptions, DetectorInput, OpenInput, missing_masters};
use crate::frame::FrameInput;
use crate::signature::{PostIsr, remove_signature};
use crate::steps::classes::{CameraYaml, MasterImage, PostIsrImage, RawFrameFile};
use elqui_butler::{DataId, Value};
use elqui_fits::FitsFile;
use elqui_image::RawFrame;
use elqui_instrument::Instrument;
use elqui_isr::{CalibSet, IsrConfig};
use elqui_pipeline::{Context, One, Step, StepError, inputs, outputs};

inputs! {
    pub struct IsrInputs {
        raw: One<RawFrameFile> = "raw" [exposure, detector],
        /// Where the camera is not one that the program knows.
        camera: Maybe<CameraYaml> = "camera" [instrument] Prerequisite,
        bias: Maybe<MasterImage> = "bias" [detector] Calibration,
        dark: Maybe<MasterImage> = "dark" [detector] Calibration,
        flat: Maybe<MasterImage> = "flat" [detector, physical_filter] Calibration,
    }
}
outputs! {
    pub struct IsrOutputs {
        image: One<PostIsrImage> = "post_isr_image" [exposure, detector],
    }
}

/// Overscan, bias, dark, flat, assembly of the amplifiers, saturation, failed amplifiers.
pub struct Isr(IsrConfig);

impl Step for Isr {
    const NAME: &'static str = "isr";
    const DOC: &'static str = "Removes the instrument's signature from a raw frame.";
    const DIMENSIONS: &'static [&'static str] = &["exposure", "detector"];
    type Config = IsrConfig;
    type Inputs = IsrInputs;
    type Outputs = IsrOutputs;

    fn new(config: IsrConfig) -> Result<Self, String> {
        Ok(Self(config))
    }

    fn peak_memory_bytes(&self) -> u64 {
        600 << 20
    }

    fn run(&self, inputs: IsrInputs, context: &Context) -> Result<IsrOutputs, StepError> {
        let IsrInputs { raw, camera, bias, dark, flat } = inputs;
        let opened = open(raw.0, camera.0.as_ref(), &context.data_id)?;
        let calib = CalibSet { bias: bias.0, dark: dark.0, flat: flat.0, ..CalibSet::default() };
        let missing = missing_masters(&calib);
        let frame = opened.frame(Some(calib))?;
        let is_raw = matches!(frame, FrameInput::Raw(..));
        context.check()?;
        let mut image: PostIsr = remove_signature(frame, &self.0).map_err(StepError::failed)?;
        if is_raw {
            image.warnings.extend(missing);
        }
        image.origin = opened.input.origin(opened.detector());
        Ok(IsrOutputs { image: One(image) })
    }
}

/// The detector of a quantum in its file.
pub(super) struct OpenDetector {
    pub input: OpenInput,
    at: usize,
}

/// Understand a raw file. Of several detectors the data id tells which is meant.
pub(super) fn open(
    file: FitsFile,
    camera: Option<&Instrument>,
    id: &DataId,
) -> Result<OpenDetector, StepError> {
    let input = OpenInput::new(file, "", None, camera, false).map_err(StepError::failed)?;
    let wanted = match id.get("detector") {
        Some(Value::Int(n)) => u32::try_from(*n).ok(),
        _ => None,
    };
    let found = input.detectors.iter().position(|d| Some(d.info.detector) == wanted);
    match found.or((input.detectors.len() == 1).then_some(0)) {
        Some(at) => Ok(OpenDetector { input, at }),
        None => Err(StepError::Failed(format!("the raw file holds no detector of {id}"))),
    }
}

impl OpenDetector {
    pub fn detector(&self) -> &DetectorInput {
        &self.input.detectors[self.at]
    }

    /// With calibrations, where it is raw.
    fn frame(&self, calib: Option<CalibSet>) -> Result<FrameInput, StepError> {
        let options = CorrectedOptions::default();
        let calib = || Ok(calib.unwrap_or_default());
        self.input.frame(self.detector(), &options, calib).map_err(StepError::failed)
    }

    /// The frame as it was read out; an error where it is already corrected.
    pub fn raw(&self) -> Result<RawFrame, StepError> {
        match self.frame(None)? {
            FrameInput::Raw(raw, _) => Ok(*raw),
            FrameInput::Corrected(_) => Err(StepError::Failed(
                "the camera writes corrected frames: there is nothing to calibrate".into(),
            )),
        }
    }
}
