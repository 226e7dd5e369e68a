//! From text to a pipeline: parsing, imports, tasks by name, configurations.

use crate::error::PipelineError;
use crate::task::{CommandTask, Runnable, SlotInfo, TaskInfo, Tasks};
use crate::yaml::check::check;
use crate::yaml::locate::locate;
use crate::yaml::text::{PipelineText, StepText};
use crate::yaml::{ConfigChange, Limits, Pipeline, PipelineStep, Subset};
use elqui_butler::Universe;
use serde_yaml_ng::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Nobody writes longer ones by hand.
const TEXT_BYTES_MAX: usize = 1 << 20;
const IMPORTS_MAX: usize = 16;
/// Thirty days.
const TIMEOUT_S_MAX: f64 = 2_592_000.0;

impl Pipeline {
    /// Read a pipeline: one that comes with the program, by its name, or a file; imports of a file are
    /// beside it.
    pub fn load(path: &Path, tasks: &Tasks, universe: &Universe) -> Result<Self, PipelineError> {
        Self::load_with(path, tasks, universe, &[])
    }

    /// The same, with changes of configurations. One of a step that is not there is refused.
    pub fn load_with(
        path: &Path,
        tasks: &Tasks,
        universe: &Universe,
        changes: &[ConfigChange],
    ) -> Result<Self, PipelineError> {
        let all = Self::read(path, tasks, universe, changes)?;
        if let Some(lost) = changes.iter().find(|c| all.step(&c.label).is_none()) {
            let labels: Vec<&str> = all.steps.iter().map(|s| s.label.as_str()).collect();
            return Err(PipelineError::Change {
                text: lost.label.clone(),
                why: format!("`{}` has the steps {}", all.name, labels.join(", ")),
            });
        }
        Ok(all)
    }

    fn read(
        path: &Path,
        tasks: &Tasks,
        universe: &Universe,
        changes: &[ConfigChange],
    ) -> Result<Self, PipelineError> {
        let loader = Loader { tasks, changes, open: Vec::new() };
        if let Some((name, text)) = built_in(path, tasks) {
            return check(loader.pipeline(text, name, None)?, universe);
        }
        let text = read(path)?;
        check(loader.pipeline(&text, &path.display().to_string(), path.parent())?, universe)
    }

    /// Read a pipeline from text. `file` is what errors call it; it cannot import.
    pub fn parse(
        text: &str,
        file: &str,
        tasks: &Tasks,
        universe: &Universe,
    ) -> Result<Self, PipelineError> {
        let loader = Loader { tasks, changes: &[], open: Vec::new() };
        check(loader.pipeline(text, file, None)?, universe)
    }

    /// Only some steps: labels and names of subsets.
    pub fn only(&self, wanted: &[&str]) -> Result<Self, PipelineError> {
        let mut keep = BTreeSet::new();
        for name in wanted {
            if let Some(subset) = self.subsets.get(*name) {
                keep.extend(subset.steps.iter().map(String::as_str));
            } else if self.step(name).is_some() {
                keep.insert(*name);
            } else {
                let steps = self.steps.iter().map(|s| s.label.as_str());
                let known: Vec<&str> =
                    steps.chain(self.subsets.keys().map(String::as_str)).collect();
                return Err(PipelineError::Graph {
                    pipeline: self.name.clone(),
                    why: format!(
                        "it has no step or subset `{name}`; there are {}",
                        known.join(", ")
                    ),
                });
            }
        }
        let mut part = self.clone();
        part.steps.retain(|s| keep.contains(s.label.as_str()));
        Ok(part)
    }
}

/// A pipeline that comes with the program; a file of that very name wins.
fn built_in<'a>(path: &'a Path, tasks: &'a Tasks) -> Option<(&'a str, &'a str)> {
    let name = path.to_str().filter(|_| !path.is_file())?;
    tasks.pipeline(name).map(|text| (name, text))
}

fn read(path: &Path) -> Result<String, PipelineError> {
    let name = path.display().to_string();
    let bytes =
        std::fs::read(path).map_err(|source| PipelineError::Read { path: name.clone(), source })?;
    String::from_utf8(bytes).map_err(|e| {
        let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        yaml(&name, line, "the text is not UTF-8: save it as UTF-8")
    })
}

fn yaml(file: &str, line: usize, why: impl Into<String>) -> PipelineError {
    PipelineError::Yaml { file: file.to_string(), line, why: why.into() }
}

struct Loader<'a> {
    tasks: &'a Tasks,
    changes: &'a [ConfigChange],
    /// Files that are being read: an import of one of them is a cycle.
    open: Vec<PathBuf>,
}

impl Loader<'_> {
    fn pipeline(
        &self,
        text: &str,
        file: &str,
        folder: Option<&Path>,
    ) -> Result<Pipeline, PipelineError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(yaml(file, 1, "the text is longer than 1 MiB: split it by `imports`"));
        }
        let read: PipelineText = serde_yaml_ng::from_str(text).map_err(|e| {
            yaml(
                file,
                e.location().map_or(1, |l| l.line()),
                format!("{e}; see `elqui pipeline show`"),
            )
        })?;
        let mut all = Pipeline {
            name: read.name,
            description: read.description,
            steps: Vec::new(),
            subsets: BTreeMap::new(),
        };
        for import in &read.imports {
            let line = locate(text, &["imports"]);
            let part = self.import(&import.file, file, line, folder)?;
            for label in import.include.iter().chain(&import.exclude) {
                if part.step(label).is_none() {
                    let why =
                        format!("`{}` has no step `{label}` to include or exclude", import.file);
                    return Err(yaml(file, line, why));
                }
            }
            let wanted = |l: &String| {
                (import.include.is_empty() || import.include.contains(l))
                    && !import.exclude.contains(l)
            };
            for (name, subset) in part.subsets {
                if subset.steps.iter().all(&wanted) {
                    all.subsets.insert(name, subset);
                }
            }
            for step in part.steps.into_iter().filter(|s| wanted(&s.label)) {
                if all.step(&step.label).is_some() {
                    let why = format!("`{}` is imported twice: exclude one", step.label);
                    return Err(yaml(file, line, why));
                }
                all.steps.push(step);
            }
        }
        for (label, value) in read.steps {
            let Some(label) = label.as_str() else {
                return Err(yaml(file, locate(text, &["steps"]), "a step's label must be a text"));
            };
            let step = self.step(text, file, label, value)?;
            // A step of this file stands for one of the same label that was imported.
            all.steps.retain(|s| s.label != label);
            all.steps.push(step);
        }
        for (name, subset) in read.subsets {
            if let Some(lost) = subset.steps.iter().find(|s| all.step(s).is_none()) {
                let why = format!("the subset `{name}` has `{lost}`, which is no step here");
                return Err(yaml(file, locate(text, &["subsets", &name]), why));
            }
            let subset = Subset { description: subset.description, steps: subset.steps };
            all.subsets.insert(name, subset);
        }
        if all.steps.is_empty() {
            return Err(yaml(file, 1, "there are no steps: list them under `steps:`"));
        }
        Ok(all)
    }

    fn import(
        &self,
        name: &str,
        file: &str,
        line: usize,
        folder: Option<&Path>,
    ) -> Result<Pipeline, PipelineError> {
        if let Some(text) = self.tasks.pipeline(name) {
            let loader = Loader { open: self.open.clone(), ..*self };
            return loader.pipeline(text, name, None);
        }
        let Some(folder) = folder else {
            return Err(yaml(file, line, "this text is no file, so it cannot import"));
        };
        let path = folder.join(name);
        let whole = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        if self.open.contains(&whole) || self.open.len() >= IMPORTS_MAX {
            return Err(yaml(
                file,
                line,
                format!("`{name}` imports itself, through others or not"),
            ));
        }
        let text = read(&path).map_err(|e| yaml(file, line, format!("the import fails: {e}")))?;
        let mut open = self.open.clone();
        open.push(whole);
        let loader = Loader { open, ..*self };
        loader.pipeline(&text, &path.display().to_string(), path.parent())
    }

    fn step(
        &self,
        text: &str,
        file: &str,
        label: &str,
        value: Value,
    ) -> Result<PipelineStep, PipelineError> {
        let line = |path: &[&str]| {
            let full: Vec<&str> = ["steps", label].iter().chain(path).copied().collect();
            locate(text, &full)
        };
        let bad =
            |path: &[&str], why: String| yaml(file, line(path), format!("step `{label}`: {why}"));
        if elqui_butler::check_dataset_type_name(label).is_err() {
            return Err(bad(&[], "a label is a letter, then letters, digits and `_`".into()));
        }
        // An unknown key is named in the error's text; its line is looked up.
        let mut read: StepText = serde_yaml_ng::from_value(value).map_err(|e| {
            let text = e.to_string();
            let inner: &[&str] = &["command", quoted(&text)];
            let deep = line(inner) > line(&["command"]);
            bad(if deep { inner } else { &inner[1..] }, text.clone())
        })?;
        for change in self.changes.iter().filter(|c| c.label == label) {
            change.apply(&mut read.config);
        }
        let (mut info, runnable) = self.runnable(label, &read, &bad)?;
        rename(&mut info.inputs, &read.inputs).map_err(|why| bad(&["inputs"], why))?;
        rename(&mut info.outputs, &read.outputs).map_err(|why| bad(&["outputs"], why))?;
        let timeout = match read.timeout_s {
            Some(s) if !(s > 0.0 && s <= TIMEOUT_S_MAX) => {
                let why = format!("`timeout_s` is {s}: more than 0, at most {TIMEOUT_S_MAX}");
                return Err(bad(&["timeout_s"], why));
            }
            s => s.map(Duration::from_secs_f64),
        };
        if read.retries.is_some_and(|r| r > 100) {
            return Err(bad(&["retries"], "`retries` is at most 100".into()));
        }
        let mib = read.peak_memory_mib;
        if mib.is_some_and(|m| m == 0 || m > 1 << 30) {
            return Err(bad(&["peak_memory_mib"], "`peak_memory_mib` is 1 to 2^30".into()));
        }
        Ok(PipelineStep {
            label: label.to_string(),
            info,
            condition: read.condition.trim().to_string(),
            limits: Limits {
                timeout,
                retries: read.retries,
                isolated: read.isolated,
                peak_memory_bytes: mib.map(|m| m << 20),
            },
            runnable,
            file: file.to_string(),
            line: line(&[]),
        })
    }

    fn runnable(
        &self,
        label: &str,
        read: &StepText,
        bad: &dyn Fn(&[&str], String) -> PipelineError,
    ) -> Result<(TaskInfo, Arc<dyn Runnable>), PipelineError> {
        match (&read.task, &read.command) {
            (Some(task), None) => {
                let Some(info) = self.tasks.info(task) else {
                    let known: Vec<&str> = self.tasks.names().collect();
                    let why = format!("there is no task `{task}`; there are {}", known.join(", "));
                    return Err(bad(&["task"], why));
                };
                match self.tasks.configure(task, read.config.clone()) {
                    Some(Ok(runnable)) => Ok((info.clone(), runnable)),
                    Some(Err(e)) => Err(bad(
                        &["config", quoted(&e.0)],
                        format!("its config is refused: {}", e.0),
                    )),
                    None => Err(bad(&["task"], format!("there is no task `{task}`"))),
                }
            }
            (None, Some(spec)) => {
                spec.check().map_err(|why| bad(&["command"], why))?;
                let given =
                    if read.config.is_null() { String::new() } else { text_of(&read.config) };
                let whole = text_of(&BTreeMap::from([
                    ("command", serde_yaml_ng::to_value(spec).unwrap_or_default()),
                    ("config", read.config.clone()),
                ]));
                let task = CommandTask { spec: spec.clone(), given, config: whole };
                Ok((spec.info(label), Arc::new(task)))
            }
            _ => Err(bad(&[], "it needs `task: NAME` or `command: ...`, one of them".into())),
        }
    }
}

fn text_of(value: &impl serde::Serialize) -> String {
    serde_yaml_ng::to_string(value).unwrap_or_default()
}

/// The first word in backticks of an error's text.
fn quoted(text: &str) -> &str {
    text.split('`').nth(1).unwrap_or_default()
}

fn rename(slots: &mut [SlotInfo], names: &BTreeMap<String, String>) -> Result<(), String> {
    for (slot, to) in names {
        elqui_butler::check_dataset_type_name(to).map_err(|e| e.to_string())?;
        match slots.iter_mut().find(|s| &s.name == slot) {
            Some(found) => found.dataset_type.clone_from(to),
            None => {
                let known: Vec<&str> = slots.iter().map(|s| s.name.as_str()).collect();
                return Err(format!(
                    "the task has no slot `{slot}`; there are {}",
                    known.join(", ")
                ));
            }
        }
    }
    Ok(())
}
