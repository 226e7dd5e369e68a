//! Changes of steps' configurations from outside of the text: `LABEL:key.key=value`.

use crate::error::PipelineError;
use serde_yaml_ng::{Mapping, Value};

/// One value of one step's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigChange {
    pub label: String,
    keys: Vec<String>,
    value: Value,
}

impl ConfigChange {
    /// From `LABEL:key.key=value`; the value is YAML.
    pub fn parse(text: &str) -> Result<Self, PipelineError> {
        let wrong = |why: &str| PipelineError::Change { text: text.to_string(), why: why.into() };
        let (path, value) = text.split_once('=').ok_or_else(|| wrong("there is no `=`"))?;
        let (label, keys) = path.split_once(':').ok_or_else(|| wrong("there is no `:`"))?;
        let keys: Vec<String> = keys.split('.').map(|k| k.trim().to_string()).collect();
        if label.trim().is_empty() || keys.iter().any(String::is_empty) {
            return Err(wrong("a name is empty"));
        }
        let value = serde_yaml_ng::from_str(value).map_err(|e| wrong(&e.to_string()))?;
        Ok(Self { label: label.trim().to_string(), keys, value })
    }

    /// Set the value, making what lies around it.
    pub(super) fn apply(&self, config: &mut Value) {
        let mut at = config;
        for key in &self.keys {
            if !at.is_mapping() {
                *at = Value::Mapping(Mapping::new());
            }
            let Value::Mapping(map) = at else { return };
            at = map.entry(Value::String(key.clone())).or_insert(Value::Null);
        }
        *at = self.value.clone();
    }
}
