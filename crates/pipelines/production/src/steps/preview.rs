//! `preview`: a quick look at a calibrated image.

use crate::files::FramePreview;
use crate::steps::classes::{ExposureImage, FitsBytes, Picture, PreviewJson};
use elqui_pipeline::{Context, Maybe, One, Step, StepError, inputs, outputs};
use serde::{Deserialize, Serialize};

inputs! {
    pub struct PreviewInputs {
        image: One<ExposureImage> = "visit_image" [visit, detector],
    }
}
outputs! {
    pub struct PreviewOutputs {
        picture: One<Picture> = "preview" [visit, detector],
        /// Binned, with a WCS; absent where the image has none.
        sky: Maybe<FitsBytes> = "preview_image" [visit, detector],
        facts: One<PreviewJson> = "preview_facts" [visit, detector],
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PreviewConfig {}

/// A picture and a small FITS image.
pub struct Preview;

impl Step for Preview {
    const NAME: &'static str = "preview";
    const DOC: &'static str = "Makes a picture of an image, and a binned copy for sky viewers.";
    const DIMENSIONS: &'static [&'static str] = &["visit", "detector"];
    type Config = PreviewConfig;
    type Inputs = PreviewInputs;
    type Outputs = PreviewOutputs;

    fn new(_: PreviewConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn peak_memory_bytes(&self) -> u64 {
        400 << 20
    }

    fn run(&self, inputs: PreviewInputs, _: &Context) -> Result<PreviewOutputs, StepError> {
        let preview = FramePreview::of(&inputs.image.0);
        let sky = Maybe(preview.fits());
        Ok(PreviewOutputs { picture: One(preview.png), sky, facts: One(preview.facts) })
    }
}
