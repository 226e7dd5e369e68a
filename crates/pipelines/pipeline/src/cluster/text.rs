//! A checked pipeline as one text that imports nothing: what the jobs of a submission read.
//!
//! What is written is read back and compared, since jobs that read something else would fail one by one.

use crate::error::PipelineError;
use crate::task::Tasks;
use crate::yaml::Pipeline;
use elqui_butler::Universe;

/// - `tasks`: the text is read back with them, and must come to the same
pub(crate) fn pipeline_text(
    pipeline: &Pipeline,
    tasks: &Tasks,
    universe: &Universe,
) -> Result<String, PipelineError> {
    let text = pipeline.to_yaml();
    let again = Pipeline::parse(&text, "pipeline.yaml", tasks, universe)?;
    for one in &pipeline.steps {
        let same = again.step(&one.label).is_some_and(|s| {
            s.info == one.info
                && s.config() == one.config()
                && s.limits == one.limits
                && s.condition == one.condition
        });
        if !same {
            let (name, label) = (&pipeline.name, &one.label);
            return Err(PipelineError::Cluster {
                why: format!(
                    "the step `{label}` of `{name}` does not come back from its text as it is"
                ),
            });
        }
    }
    Ok(text)
}
