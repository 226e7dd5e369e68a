//! Steps as Rust types, and tasks by name: how a pipeline's text reaches compiled code.

use crate::error::StepError;
use crate::task::{Context, Inputs, Io, Outputs, TaskInfo};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_yaml_ng::Value;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

/// A step: typed inputs to typed outputs, without knowing where they are kept.
pub trait Step: Send + Sync + Sized + 'static {
    /// The name by which a pipeline asks for it.
    const NAME: &'static str;
    const DOC: &'static str;
    /// Of its quanta.
    const DIMENSIONS: &'static [&'static str];
    /// Small, with `deny_unknown_fields`.
    type Config: Serialize + DeserializeOwned + Default;
    type Inputs: Inputs;
    type Outputs: Outputs;

    /// The remedy is part of the error's text.
    fn new(config: Self::Config) -> Result<Self, String>;

    /// The most that one quantum takes: the executor never starts more than fit.
    fn peak_memory_bytes(&self) -> u64;

    /// Calls `context.check()` where it can stop.
    fn run(&self, inputs: Self::Inputs, context: &Context) -> Result<Self::Outputs, StepError>;
}

/// A configured step, its types forgotten.
pub trait Runnable: Send + Sync {
    /// The whole configuration with its defaults, as text for the provenance.
    fn config(&self) -> &str;
    fn peak_memory_bytes(&self) -> u64;
    fn run(&self, io: &mut Io<'_>, context: &Context) -> Result<(), StepError>;
}

/// A configuration that is refused: why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub String);

type Configure = fn(Value) -> Result<Arc<dyn Runnable>, ConfigError>;

/// The tasks that a program has, by name.
#[derive(Clone, Default)]
pub struct Tasks {
    all: BTreeMap<String, (TaskInfo, Configure)>,
    /// Pipelines that come with the program, by name.
    pipelines: BTreeMap<String, String>,
}

impl Tasks {
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more task; one of the same name is replaced.
    #[must_use]
    pub fn with<S: Step>(mut self) -> Self {
        let info = TaskInfo {
            name: S::NAME.to_string(),
            doc: S::DOC.to_string(),
            dimensions: S::DIMENSIONS.iter().map(|d| (*d).to_string()).collect(),
            inputs: S::Inputs::SLOTS.iter().map(|s| s.info()).collect(),
            outputs: S::Outputs::SLOTS.iter().map(|s| s.info()).collect(),
        };
        self.all.insert(S::NAME.to_string(), (info, configure::<S>));
        self
    }

    /// With a pipeline that others can import, and that can be run, by its name.
    #[must_use]
    pub fn with_pipeline(mut self, name: &str, text: &str) -> Self {
        self.pipelines.insert(name.to_string(), text.to_string());
        self
    }

    /// The text of a pipeline that comes with the program.
    pub fn pipeline(&self, name: &str) -> Option<&str> {
        self.pipelines.get(name).map(String::as_str)
    }

    pub fn pipeline_names(&self) -> impl Iterator<Item = &str> {
        self.pipelines.keys().map(String::as_str)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.keys().map(String::as_str)
    }

    pub fn info(&self, name: &str) -> Option<&TaskInfo> {
        self.all.get(name).map(|(info, _)| info)
    }

    /// A task with its configuration; `Value::Null` for the defaults.
    pub fn configure(
        &self,
        name: &str,
        config: Value,
    ) -> Option<Result<Arc<dyn Runnable>, ConfigError>> {
        self.all.get(name).map(|(_, configure)| configure(config))
    }
}

struct Configured<S: Step> {
    step: S,
    config: String,
    of: PhantomData<fn() -> S>,
}

fn configure<S: Step>(value: Value) -> Result<Arc<dyn Runnable>, ConfigError> {
    let config: S::Config = match value {
        Value::Null => S::Config::default(),
        value => serde_yaml_ng::from_value(value).map_err(|e| ConfigError(e.to_string()))?,
    };
    let text = serde_yaml_ng::to_string(&config).map_err(|e| ConfigError(e.to_string()))?;
    let step = S::new(config).map_err(ConfigError)?;
    Ok(Arc::new(Configured { step, config: text, of: PhantomData }))
}

impl<S: Step> Runnable for Configured<S> {
    fn config(&self) -> &str {
        &self.config
    }

    fn peak_memory_bytes(&self) -> u64 {
        self.step.peak_memory_bytes()
    }

    fn run(&self, io: &mut Io<'_>, context: &Context) -> Result<(), StepError> {
        let inputs = S::Inputs::read(io)?;
        context.check()?;
        self.step.run(inputs, context)?.write(io)
    }
}
