//! A step that is an external program, in any language.
//!
//! Inputs and outputs are files, named in the arguments: `{input.image}`, `{output.catalog}`,
//! `{config}` (the step's configuration as a YAML file), `{visit}` (a value of the data id). An
//! argument that is `{input.images}` alone becomes one argument a dataset. The program runs in a
//! scratch folder of its own, which is removed after it; what it prints is in the quantum's log.

use crate::error::StepError;
use crate::run::process::{Child, run_limited};
use crate::task::{Context, Io, Number, Role, Runnable, SlotInfo, TaskInfo};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;

/// `command:` of a pipeline's step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandSpec {
    /// Program and arguments.
    pub argv: Vec<String>,
    pub dimensions: Vec<String>,
    #[serde(default)]
    pub inputs: Vec<FileSlot>,
    pub outputs: Vec<FileSlot>,
    /// What one run takes at most.
    #[serde(default = "default_memory")]
    pub peak_memory_mib: u64,
}

/// One input or output of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSlot {
    pub name: String,
    #[serde(rename = "type")]
    pub dataset_type: String,
    pub dimensions: Vec<String>,
    pub storage_class: String,
    /// Of the file's name, such as `fits`; programs choose formats by it.
    #[serde(default)]
    pub extension: String,
    #[serde(default = "one")]
    pub number: Number,
    #[serde(default)]
    pub role: Role,
}

impl FileSlot {
    fn ending(&self) -> String {
        let bare = self.extension.trim_start_matches('.');
        if bare.is_empty() { String::new() } else { format!(".{bare}") }
    }
}

fn default_memory() -> u64 {
    512
}

fn one() -> Number {
    Number::One
}

impl CommandSpec {
    pub(crate) fn info(&self, label: &str) -> TaskInfo {
        let slot = |s: &FileSlot| SlotInfo {
            name: s.name.clone(),
            dataset_type: s.dataset_type.clone(),
            dimensions: s.dimensions.clone(),
            storage_class: s.storage_class.clone(),
            extension: s.ending(),
            number: s.number,
            role: s.role,
        };
        TaskInfo {
            name: format!("command {}", self.argv.first().map_or("", String::as_str)),
            doc: format!("the external program of step `{label}`"),
            dimensions: self.dimensions.clone(),
            inputs: self.inputs.iter().map(slot).collect(),
            outputs: self.outputs.iter().map(slot).collect(),
        }
    }

    /// Why the arguments cannot be right, whatever the data.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.argv.first().is_none_or(|p| p.trim().is_empty()) {
            return Err("`argv` is empty: name the program first".into());
        }
        for argument in &self.argv {
            for name in names(argument) {
                let known = name == "config"
                    || self.inputs.iter().any(|s| name == format!("input.{}", s.name))
                    || self.outputs.iter().any(|s| name == format!("output.{}", s.name))
                    || self.dimensions.iter().any(|d| d == name)
                    || name == "instrument";
                if !known {
                    return Err(format!(
                        "`{{{name}}}` in `argv` is neither input.NAME, output.NAME, config nor a dimension of the step"
                    ));
                }
                let many = self.inputs.iter().find(|s| name == format!("input.{}", s.name));
                if many.is_some_and(|s| s.number != Number::One)
                    && argument != &format!("{{{name}}}")
                {
                    return Err(format!(
                        "`{argument}`: `{{{name}}}` may be several files or none, so it must be an argument by itself"
                    ));
                }
            }
        }
        for slot in &self.outputs {
            if slot.number == Number::Many {
                return Err(format!("the output `{}` cannot be many", slot.name));
            }
            let wanted = format!("output.{}", slot.name);
            if !self.argv.iter().any(|a| names(a).any(|n| n == wanted)) {
                return Err(format!("`{{{wanted}}}` is not in `argv`: how should it be written?"));
            }
        }
        Ok(())
    }
}

/// Names in braces. What is no name is the program's own matter: `{print $1}` of awk.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let plain = |n: &&str| {
        !n.is_empty() && n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
    };
    let braced = text.split('{').skip(1).filter_map(|part| part.split_once('}'));
    braced.map(|(name, _)| name).filter(plain)
}

/// A configured command.
pub(crate) struct CommandTask {
    pub spec: CommandSpec,
    /// The step's own configuration, handed to the program as a file.
    pub given: String,
    /// Command and configuration: what the provenance keeps.
    pub config: String,
}

impl Runnable for CommandTask {
    fn config(&self) -> &str {
        &self.config
    }

    fn peak_memory_bytes(&self) -> u64 {
        self.spec.peak_memory_mib << 20
    }

    fn run(&self, io: &mut Io<'_>, context: &Context) -> Result<(), StepError> {
        let folder = tempfile::Builder::new().prefix("elqui-step-").tempdir();
        let folder = folder.map_err(|e| StepError::Failed(format!("no scratch folder: {e}")))?;
        let arguments = self.arguments(io, context, folder.path())?;
        let (program, rest) = arguments.split_first().unwrap_or((&self.spec.argv[0], &[]));
        context.log(format_args!("{}", arguments.join(" ")));
        let mut command = Command::new(program);
        command.args(rest).current_dir(folder.path());
        let child = Child { command, log: context.log_path().cloned() };
        run_limited(child, program, context)?;
        for slot in &self.spec.outputs {
            let path = file(folder.path(), "output", slot, 0);
            match std::fs::read(&path) {
                Ok(bytes) => io.write(&slot.name, &bytes)?,
                Err(_) if slot.number == Number::Maybe => {}
                Err(e) => {
                    let name = &slot.name;
                    return Err(StepError::Failed(format!(
                        "`{program}` ended well but did not write the output `{name}`: {e}"
                    )));
                }
            }
        }
        Ok(())
    }
}

impl CommandTask {
    fn arguments(
        &self,
        io: &mut Io<'_>,
        context: &Context,
        folder: &Path,
    ) -> Result<Vec<String>, StepError> {
        let mut files: Vec<(String, Vec<String>)> = Vec::new();
        for slot in &self.spec.inputs {
            files.push((format!("input.{}", slot.name), self.input_files(io, slot, folder)?));
        }
        for slot in &self.spec.outputs {
            let path = file(folder, "output", slot, 0).display().to_string();
            files.push((format!("output.{}", slot.name), vec![path]));
        }
        let config = folder.join("config.yaml");
        elqui_codec::atomic_write_bytes(&config, self.given.as_bytes())?;
        files.push(("config".into(), vec![config.display().to_string()]));
        let ids = context.data_id.iter().map(|(d, v)| (d.clone(), vec![v.to_string()]));
        files.extend(ids);
        let mut all = Vec::new();
        for argument in &self.spec.argv {
            let whole = argument.strip_prefix('{').and_then(|a| a.strip_suffix('}'));
            if let Some((_, values)) = files.iter().find(|(n, _)| Some(n.as_str()) == whole) {
                all.extend(values.iter().cloned());
                continue;
            }
            all.push(filled(argument, &files));
        }
        Ok(all)
    }

    fn input_files(
        &self,
        io: &mut Io<'_>,
        slot: &FileSlot,
        folder: &Path,
    ) -> Result<Vec<String>, StepError> {
        let Some(found) = io.inputs.iter().find(|s| s.info.name == slot.name) else {
            return Ok(Vec::new());
        };
        let mut paths = Vec::new();
        for (k, stored) in found.datasets.iter().enumerate() {
            if let Some(path) = io.session.local_path(&stored.dataset, stored.artifact.as_ref()) {
                paths.push(path.display().to_string());
                continue;
            }
            let bytes = io.session.read(&stored.dataset, stored.artifact.as_ref())?;
            let path = file(folder, "input", slot, k);
            elqui_codec::atomic_write_bytes(&path, &bytes)?;
            paths.push(path.display().to_string());
        }
        Ok(paths)
    }
}

/// In one pass, so that a value with braces is not filled in again.
fn filled(argument: &str, files: &[(String, Vec<String>)]) -> String {
    let mut out = String::new();
    let mut rest = argument;
    while let Some((before, after)) = rest.split_once('{') {
        out += before;
        let name = after.split_once('}');
        let value = name.and_then(|(n, _)| files.iter().find(|(known, _)| known == n));
        match (name, value.and_then(|(_, v)| v.first())) {
            (Some((_, tail)), Some(value)) => {
                out += value;
                rest = tail;
            }
            _ => {
                out.push('{');
                rest = after;
            }
        }
    }
    out + rest
}

fn file(folder: &Path, way: &str, slot: &FileSlot, number: usize) -> PathBuf {
    folder.join(format!("{way}_{}_{number}{}", slot.name, slot.ending()))
}
