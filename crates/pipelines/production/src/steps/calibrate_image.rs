//! `calibrate_image`: an image without its instrument's signature to a calibrated one and its sources.

use crate::config::ProcessConfig;
use crate::files::{ReferenceFile, source_table};
use crate::frame::calibrate_image;
use crate::steps::classes::{
    ExposureImage, ParquetTable, PostIsrImage, ReferenceIndex, ReferenceTable, SummaryJson,
};
use elqui_astrometry::BlindIndex;
use elqui_isr::IsrConfig;
use elqui_matching::ColumnMap;
use elqui_pipeline::{Context, One, Step, StepError, Timing, inputs, outputs};
use elqui_schema::Table;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

inputs! {
    pub struct CalibrateImageInputs {
        images: Many<PostIsrImage> = "post_isr_image" [exposure, detector],
        stars: Maybe<ReferenceTable> = "reference_catalog" [] Prerequisite,
        /// For frames whose pointing is not known or wrong.
        index: Maybe<ReferenceIndex> = "reference_index" [] Prerequisite,
    }
}
outputs! {
    pub struct CalibrateImageOutputs {
        image: One<ExposureImage> = "visit_image" [visit, detector],
        source: One<ParquetTable> = "source" [visit, detector],
        summary: One<SummaryJson> = "visit_image_summary" [visit, detector],
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CalibrateImageConfig {
    /// What `elqui process --config` takes, but for `isr`.
    pub frame: ProcessConfig,
    /// Columns of the reference catalogue that have other names than usual.
    pub reference: ColumnMap,
}

/// Background, PSF, detection, deblending, measurement, astrometry, zero point.
pub struct CalibrateImage {
    config: CalibrateImageConfig,
    /// The catalogue that the last frame had: mostly that of the next, with its stars by band.
    reference: Mutex<Option<Known>>,
}

struct Known {
    table: Arc<Table>,
    index: Option<Arc<BlindIndex>>,
    file: Arc<ReferenceFile>,
}

impl CalibrateImage {
    fn reference(
        &self,
        table: Arc<Table>,
        index: Option<Arc<BlindIndex>>,
    ) -> Result<Arc<ReferenceFile>, StepError> {
        let mut known = self.reference.lock().unwrap_or_else(PoisonError::into_inner);
        let same_index = |k: &Known| match (&k.index, &index) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        if let Some(k) = &*known
            && Arc::ptr_eq(&k.table, &table)
            && same_index(k)
        {
            return Ok(k.file.clone());
        }
        let name = "the reference catalogue";
        let mut file = ReferenceFile::new(name, table.clone(), self.config.reference.clone())
            .map_err(StepError::failed)?;
        if let Some(index) = &index {
            file = file.with_index(index.clone());
        }
        let file = Arc::new(file);
        *known = Some(Known { table, index, file: file.clone() });
        Ok(file)
    }
}

impl Step for CalibrateImage {
    const NAME: &'static str = "calibrate_image";
    const DOC: &'static str =
        "Finds and measures the sources of an image, and calibrates it by a reference catalogue.";
    const DIMENSIONS: &'static [&'static str] = &["visit", "detector"];
    type Config = CalibrateImageConfig;
    type Inputs = CalibrateImageInputs;
    type Outputs = CalibrateImageOutputs;

    fn new(config: CalibrateImageConfig) -> Result<Self, String> {
        if config.frame.isr != IsrConfig::default() {
            return Err(
                "`isr` has no effect here: it is the configuration of the step `isr`".into()
            );
        }
        Ok(Self { config, reference: Mutex::default() })
    }

    fn peak_memory_bytes(&self) -> u64 {
        1000 << 20
    }

    fn run(
        &self,
        inputs: CalibrateImageInputs,
        context: &Context,
    ) -> Result<CalibrateImageOutputs, StepError> {
        let CalibrateImageInputs { images, stars, index } = inputs;
        let mut images = images.0;
        if images.len() > 1 {
            let n = images.len();
            return Err(StepError::Failed(format!(
                "the visit has {n} exposures of the detector, but they cannot be added yet: define a visit for each"
            )));
        }
        let Some((_, image)) = images.pop() else {
            return Err(StepError::Failed("the visit has no image".into()));
        };
        let search_deg = self.config.frame.astrometry.search_radius_deg;
        let stars = match stars.0 {
            Some(table) => {
                let file = self.reference(table, index.0)?;
                let stars = file.stars(&image.exposure.info, &image.origin, search_deg);
                Some(stars.map_err(StepError::failed)?)
            }
            None => None,
        };
        let mut config = self.config.frame.clone();
        config.astrometry.fit.parity = config.astrometry.fit.parity.or(image.origin.parity);
        context.check()?;
        let mut timing = Timing::new(wall_s, || 0.0);
        let view = stars.as_ref().map(|s| s.view());
        let done = calibrate_image(image, view, &config, &mut timing);
        for cost in &timing.steps {
            context.log(format_args!("{:<20} {:8.3} s", cost.step, cost.wall_s));
        }
        let done = done.map_err(StepError::failed)?;
        for warning in &done.summary.warnings {
            context.log(format_args!("warning: {warning}"));
        }
        let source = Arc::new(source_table(&done.sources, &done.summary));
        Ok(CalibrateImageOutputs {
            image: One(done.exposure),
            source: One(source),
            summary: One(done.summary),
        })
    }
}

/// Wall seconds since the first call.
fn wall_s() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}
