//! `build_bias`, `build_dark`, `build_flat`: master calibrations from raw frames.

use crate::steps::classes::{CameraYaml, MasterImage, RawFrameFile};
use crate::steps::isr::open;
use elqui_butler::DataId;
use elqui_calibration::{CalibrationConfig, build_bias_with, build_dark_with, build_flat_with};
use elqui_fits::FitsFile;
use elqui_image::Image;
use elqui_instrument::Instrument;
use elqui_isr::{CalibSet, IsrConfig, correct};
use elqui_pipeline::{Context, One, Step, StepError, inputs, outputs};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MasterConfig {
    /// Of the frames, before they are combined.
    pub isr: IsrConfig,
    pub combine: CalibrationConfig,
}

/// The frames corrected with what is there so far, each with its exposure time, seconds.
fn corrected(
    raws: Vec<(DataId, FitsFile)>,
    camera: Option<&Instrument>,
    calib: &CalibSet,
    config: &IsrConfig,
    context: &Context,
) -> Result<Vec<(Image<f32>, f64)>, StepError> {
    let mut images = Vec::with_capacity(raws.len());
    for (id, file) in raws {
        context.check()?;
        let wrong = |why: &dyn std::fmt::Display| StepError::Failed(format!("{id}: {why}"));
        let raw = open(file, camera, &id).and_then(|d| d.raw()).map_err(|e| wrong(&e))?;
        let exposure = correct(&raw, calib, config).map_err(|e| wrong(&e))?;
        images.push((exposure.image, raw.info.exposure_s));
    }
    context.log(format_args!("{} frames", images.len()));
    Ok(images)
}

fn only_images(all: Vec<(Image<f32>, f64)>) -> Vec<Image<f32>> {
    all.into_iter().map(|(image, _)| image).collect()
}

inputs! {
    pub struct BuildBiasInputs {
        raws: Many<RawFrameFile> = "raw" [exposure, detector],
        camera: Maybe<CameraYaml> = "camera" [instrument] Prerequisite,
    }
}
outputs! {
    pub struct BuildBiasOutputs {
        bias: One<MasterImage> = "bias" [detector] Calibration,
    }
}

/// Master bias, adu.
pub struct BuildBias(MasterConfig);

impl Step for BuildBias {
    const NAME: &'static str = "build_bias";
    const DOC: &'static str = "Combines frames without light or time to a master bias.";
    const DIMENSIONS: &'static [&'static str] = &["detector"];
    type Config = MasterConfig;
    type Inputs = BuildBiasInputs;
    type Outputs = BuildBiasOutputs;

    fn new(config: MasterConfig) -> Result<Self, String> {
        Ok(Self(config))
    }

    fn peak_memory_bytes(&self) -> u64 {
        2000 << 20
    }

    fn run(&self, i: BuildBiasInputs, context: &Context) -> Result<BuildBiasOutputs, StepError> {
        let none = CalibSet::default();
        let all = corrected(i.raws.0, i.camera.0.as_ref(), &none, &self.0.isr, context)?;
        let master = build_bias_with(&only_images(all), &self.0.combine);
        Ok(BuildBiasOutputs { bias: One(master.map_err(StepError::failed)?.image) })
    }
}

inputs! {
    pub struct BuildDarkInputs {
        raws: Many<RawFrameFile> = "raw" [exposure, detector],
        camera: Maybe<CameraYaml> = "camera" [instrument] Prerequisite,
        bias: Maybe<MasterImage> = "bias" [detector],
    }
}
outputs! {
    pub struct BuildDarkOutputs {
        dark: One<MasterImage> = "dark" [detector] Calibration,
    }
}

/// Master dark, adu a second.
pub struct BuildDark(MasterConfig);

impl Step for BuildDark {
    const NAME: &'static str = "build_dark";
    const DOC: &'static str = "Combines frames without light to a master dark, per second.";
    const DIMENSIONS: &'static [&'static str] = &["detector"];
    type Config = MasterConfig;
    type Inputs = BuildDarkInputs;
    type Outputs = BuildDarkOutputs;

    fn new(config: MasterConfig) -> Result<Self, String> {
        Ok(Self(config))
    }

    fn peak_memory_bytes(&self) -> u64 {
        2000 << 20
    }

    fn run(&self, i: BuildDarkInputs, context: &Context) -> Result<BuildDarkOutputs, StepError> {
        let calib = CalibSet { bias: i.bias.0, ..CalibSet::default() };
        let all = corrected(i.raws.0, i.camera.0.as_ref(), &calib, &self.0.isr, context)?;
        let master = build_dark_with(&all, &self.0.combine);
        Ok(BuildDarkOutputs { dark: One(master.map_err(StepError::failed)?.image) })
    }
}

inputs! {
    pub struct BuildFlatInputs {
        raws: Many<RawFrameFile> = "raw" [exposure, detector],
        camera: Maybe<CameraYaml> = "camera" [instrument] Prerequisite,
        bias: Maybe<MasterImage> = "bias" [detector],
        dark: Maybe<MasterImage> = "dark" [detector],
    }
}
outputs! {
    pub struct BuildFlatOutputs {
        flat: One<MasterImage> = "flat" [detector, physical_filter] Calibration,
    }
}

/// Master flat of median 1.
pub struct BuildFlat(MasterConfig);

impl Step for BuildFlat {
    const NAME: &'static str = "build_flat";
    const DOC: &'static str = "Combines frames of even light to a master flat of each filter.";
    const DIMENSIONS: &'static [&'static str] = &["detector", "physical_filter"];
    type Config = MasterConfig;
    type Inputs = BuildFlatInputs;
    type Outputs = BuildFlatOutputs;

    fn new(config: MasterConfig) -> Result<Self, String> {
        Ok(Self(config))
    }

    fn peak_memory_bytes(&self) -> u64 {
        2000 << 20
    }

    fn run(&self, i: BuildFlatInputs, context: &Context) -> Result<BuildFlatOutputs, StepError> {
        let calib = CalibSet { bias: i.bias.0, dark: i.dark.0, ..CalibSet::default() };
        let all = corrected(i.raws.0, i.camera.0.as_ref(), &calib, &self.0.isr, context)?;
        let master = build_flat_with(&only_images(all), &self.0.combine);
        Ok(BuildFlatOutputs { flat: One(master.map_err(StepError::failed)?.image) })
    }
}
