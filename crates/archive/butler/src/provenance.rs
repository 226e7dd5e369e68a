//! Where a dataset comes from: the quantum that made it.

use crate::data_id::DataId;
use crate::dataset_id::DatasetId;
use serde::{Deserialize, Deserializer, Serialize};

/// One execution of a step on one data id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantum {
    pub id: DatasetId,
    /// The run that its outputs are in.
    pub run: String,
    /// The step's label in the pipeline.
    pub step: String,
    pub data_id: DataId,
    /// The configuration, as text; the same text is kept once.
    pub config: String,
    /// Program and version.
    pub software: String,
    pub host: String,
    /// Nanoseconds of TAI since 1970.
    pub started_ns: i64,
    pub wall_s: f64,
    pub cpu_s: f64,
    /// Of the process that it had for itself; `None` where it shared one, whose memory says nothing of it.
    #[serde(default, deserialize_with = "measured")]
    pub peak_memory_bytes: Option<i64>,
    pub inputs: Vec<DatasetId>,
    pub outputs: Vec<DatasetId>,
}

/// What was not measured was written as 0 once.
fn measured<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Ok(Option::<i64>::deserialize(from)?.filter(|bytes| *bytes > 0))
}

#[cfg(test)]
mod tests {
    use super::Quantum;

    #[test]
    fn memory_that_was_not_measured() {
        let text = |memory: &str| {
            format!(
                r#"{{"id":"01a20a3f-cf38-741e-a736-fc2f944e9e2d","run":"u/run","step":"isr","data_id":{{}},"config":"",
                "software":"elqui","host":"here","started_ns":1,"wall_s":1.5,"cpu_s":1.0,{memory}"inputs":[],"outputs":[]}}"#
            )
        };
        for (memory, wanted) in [
            ("", None),
            (r#""peak_memory_bytes":null,"#, None),
            (r#""peak_memory_bytes":0,"#, None),
            (r#""peak_memory_bytes":-1,"#, None),
            (r#""peak_memory_bytes":7,"#, Some(7)),
        ] {
            let read: Quantum = serde_json::from_str(&text(memory)).unwrap();
            assert_eq!(read.peak_memory_bytes, wanted, "{memory}");
            let again = serde_json::to_string(&read).unwrap();
            assert_eq!(serde_json::from_str::<Quantum>(&again).unwrap(), read);
        }
        assert!(serde_json::from_str::<Quantum>(&text(r#""peak_memory_bytes":"7","#)).is_err());
    }
}
