//! Steps that do nothing, on data that is nothing.

use elqui_butler::Universe;
use elqui_codec::CodecError;
use elqui_pipeline::{
    Context, One, Pipeline, PipelineError, Step, StepError, StorageClass, Tasks, inputs, outputs,
};
use serde::{Deserialize, Serialize};

pub struct Nothing;
impl StorageClass for Nothing {
    const NAME: &'static str = "Nothing";
    const EXTENSION: &'static str = "";
    type Value = ();
    fn encode((): &()) -> Result<Vec<u8>, CodecError> {
        Ok(Vec::new())
    }
    fn decode(_: &[u8]) -> Result<(), CodecError> {
        Ok(())
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

macro_rules! step {
    ($step:ident, $name:literal, $read:ident $in:literal, $make:ident $out:literal) => {
        inputs! { pub struct $read { input: One<Nothing> = $in [exposure, detector] } }
        outputs! { pub struct $make { output: One<Nothing> = $out [exposure, detector] } }
        pub struct $step;
        impl Step for $step {
            const NAME: &'static str = $name;
            const DOC: &'static str = "Nothing.";
            const DIMENSIONS: &'static [&'static str] = &["exposure", "detector"];
            type Config = Config;
            type Inputs = $read;
            type Outputs = $make;
            fn new(_: Config) -> Result<Self, String> {
                Ok(Self)
            }
            fn peak_memory_bytes(&self) -> u64 {
                1 << 20
            }
            fn run(&self, _: $read, _: &Context) -> Result<$make, StepError> {
                Ok($make { output: One(()) })
            }
        }
    };
}
step!(Isr, "isr", IsrIn "raw", IsrOut "image");
step!(Find, "find", FindIn "image", FindOut "catalogue");

inputs! { pub struct CalibrateIn { images: Many<Nothing> = "image" [exposure, detector] } }
outputs! { pub struct CalibrateOut { output: One<Nothing> = "visit_image" [visit, detector] } }
pub struct Calibrate;
impl Step for Calibrate {
    const NAME: &'static str = "calibrate";
    const DOC: &'static str = "Nothing, for visits.";
    const DIMENSIONS: &'static [&'static str] = &["visit", "detector"];
    type Config = Config;
    type Inputs = CalibrateIn;
    type Outputs = CalibrateOut;
    fn new(_: Config) -> Result<Self, String> {
        Ok(Self)
    }
    fn peak_memory_bytes(&self) -> u64 {
        1 << 20
    }
    fn run(&self, _: CalibrateIn, _: &Context) -> Result<CalibrateOut, StepError> {
        Ok(CalibrateOut { output: One(()) })
    }
}

/// A step of exposures, and one of visits behind it.
pub fn of_visits() -> Result<Pipeline, PipelineError> {
    let tasks = Tasks::new().with::<Isr>().with::<Calibrate>();
    let text = "name: speed\nsteps:\n  isr: {task: isr}\n  calibrate: {task: calibrate}\n";
    Pipeline::parse(text, "speed.yaml", &tasks, Universe::standard())
}

pub fn pipeline(isolated: bool) -> Result<Pipeline, PipelineError> {
    let tasks = Tasks::new().with::<Isr>().with::<Find>();
    let text = format!(
        "name: speed\nsteps:\n  isr: {{task: isr, isolated: {isolated}}}\n  find: {{task: find, isolated: {isolated}}}\n"
    );
    Pipeline::parse(&text, "speed.yaml", &tasks, Universe::standard())
}
