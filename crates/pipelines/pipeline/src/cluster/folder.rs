//! A submission's folder: what all of its jobs share, and what is known of them.
//!
//! | file | what | written |
//! |---|---|---|
//! | `graph.elqg`, `pipeline.yaml` | the graph, and the pipeline as one text | once |
//! | `submission.json` | [`Settings`] | once |
//! | `group-K.sh`, `group-K.parts` | the job, and a line of quanta's numbers a part | before its submission |
//! | `jobs.json` | [`Jobs`] | before and after each submission |
//! | `round-R` | a mark: jobs of earlier rounds must end | by a restart |
//! | `parts/K-P.N.json` | attempt N of a part: begin and end | by the job |
//! | `records/K-P.N.jsonl` | what it finished (SQLite only) | by the job |
//! | `logs/` | what jobs and steps say | by the jobs |
//! | `merged.json` | the last merge | by it |
//!
//! A folder outside of the repository is named by a file in the repository (`unmerged.rs`), for `gc`.
//!
//! Groups are counted on through restarts, so a number means one thing for ever.

use crate::cluster::text::pipeline_text;
use crate::cluster::unmerged::{POINTER, RUNS};
use crate::cluster::{Needs, Site};
use crate::error::PipelineError;
use crate::graph::QuantumGraph;
use crate::repository::RepositoryConfig;
use crate::task::Tasks;
use crate::yaml::Pipeline;
use elqui_butler::{IdSource, Universe};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

const VERSION: u32 = 1;
pub(super) const SETTINGS: &str = "submission.json";
const JOBS: &str = "jobs.json";

/// What never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub version: u32,
    /// In the names of all jobs: nobody else's.
    pub token: String,
    /// The repository's folder.
    pub repository: PathBuf,
    /// Whether jobs leave records that are merged, since the registry (SQLite) bears one machine only.
    pub records: bool,
    /// Words before `run-part FOLDER GROUP PART` and `merge FOLDER`; the first is an absolute path.
    pub program: Vec<String>,
    pub site: Site,
    /// Where the steps do not say.
    pub retries: u32,
    pub timeout_s: Option<f64>,
}

/// What was submitted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    pub groups: Vec<GroupJob>,
    /// The job that merges the records of each round, where there is one.
    pub merges: Vec<Option<Submit>>,
    /// Rounds that somebody cancelled.
    pub cancelled: Vec<usize>,
}

/// An array of jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupJob {
    /// Labels of the steps, joined by `+`.
    pub name: String,
    pub round: usize,
    pub parts: usize,
    pub quanta: usize,
    /// Numbers of groups.
    pub after: Vec<usize>,
    pub needs: Needs,
    pub submit: Submit,
}

/// A submission that was tried may have arrived, even if its answer did not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submit {
    pub job_name: String,
    pub tried: bool,
    pub id: Option<String>,
}

/// What a new submission is made of.
pub struct NewSubmission<'a> {
    pub graph: &'a QuantumGraph,
    pub pipeline: &'a Pipeline,
    pub tasks: &'a Tasks,
    pub universe: &'a Universe,
    /// The repository's folder; run and dataset types are registered ([`prepare`](crate::prepare)).
    pub repository: &'a Path,
    /// See [`Settings::program`].
    pub program: Vec<String>,
    pub site: Site,
    pub retries: u32,
    pub timeout_s: Option<f64>,
}

/// A folder with a submission.
#[derive(Debug, Clone)]
pub struct Submission {
    pub folder: PathBuf,
    pub settings: Settings,
}

pub(crate) fn wrong(why: String) -> PipelineError {
    PipelineError::Cluster { why }
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), PipelineError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| wrong(e.to_string()))?;
    bytes.push(b'\n');
    Ok(elqui_codec::atomic_write_bytes(path, &bytes)?)
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, PipelineError> {
    let name = path.display().to_string();
    let bytes =
        std::fs::read(path).map_err(|source| PipelineError::Read { path: name.clone(), source })?;
    serde_json::from_slice(&bytes).map_err(|e| {
        wrong(format!("`{name}` is damaged ({e}): submit the graph again into another folder"))
    })
}

/// Leave a word of a folder that is not one of the repository's, so that `gc` finds what is recorded there.
fn point_to(folder: &Path, settings: &Settings) -> Result<(), PipelineError> {
    let runs = settings.repository.join(RUNS);
    let full = |path: Option<&Path>| path.and_then(|p| p.canonicalize().ok());
    let above = full(folder.parent());
    if !settings.records || (above.is_some() && above == full(Some(&runs))) {
        return Ok(());
    }
    let Some(text) = folder.to_str().filter(|t| !t.contains('\n')) else {
        return Err(wrong(format!("`{}` is not Unicode in one line", folder.display())));
    };
    std::fs::create_dir_all(&runs).map_err(|e| elqui_codec::CodecError::write(&runs, e))?;
    let path = runs.join(format!("{}.{POINTER}", settings.token));
    Ok(elqui_codec::atomic_write_bytes(&path, format!("{text}\n").as_bytes())?)
}

impl Submission {
    /// Make the folder. Nothing is submitted yet; a folder that was left half made is made again.
    pub fn create(folder: &Path, new: &NewSubmission<'_>) -> Result<Self, PipelineError> {
        let fail = |path: &Path| {
            let path = path.to_path_buf();
            move |source| PipelineError::Codec(elqui_codec::CodecError::write(&path, source))
        };
        std::fs::create_dir_all(folder).map_err(fail(folder))?;
        let full = |path: &Path| std::path::absolute(path).map_err(fail(path));
        let (folder, repository) = (full(folder)?, full(new.repository)?);
        if folder.join(JOBS).exists() {
            let folder = folder.display();
            return Err(wrong(format!(
                "`{folder}` has a submission already: go on with it, or name another folder"
            )));
        }
        let absolute = new.program.first().is_some_and(|p| Path::new(p).is_absolute());
        if !absolute {
            return Err(wrong("the program that jobs call must be an absolute path".into()));
        }
        new.site.check_steps(new.graph)?;
        let config = RepositoryConfig::read(&repository).map_err(|e| wrong(e.to_string()))?;
        let id = IdSource::default().next_id().to_string();
        let settings = Settings {
            version: VERSION,
            // The end of a UUID is random, its begin a time.
            token: id.chars().filter(char::is_ascii_hexdigit).skip(20).collect(),
            repository,
            records: config.registry.sqlite.is_some(),
            program: new.program.clone(),
            site: new.site.clone(),
            retries: new.retries,
            timeout_s: new.timeout_s,
        };
        for name in ["parts", "records", "logs"] {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).map_err(fail(&path))?;
        }
        let text = pipeline_text(new.pipeline, new.tasks, new.universe)?;
        elqui_codec::atomic_write_bytes(&folder.join("pipeline.yaml"), text.as_bytes())?;
        new.graph.save(&folder.join("graph.elqg"))?;
        write_json(&folder.join(SETTINGS), &settings)?;
        point_to(&folder, &settings)?;
        let made = Self { folder, settings };
        let plan = made.plan(new.graph, new.pipeline, &[])?;
        // Last: a folder with this file is a whole submission.
        made.add_round(&mut Jobs::default(), new.graph, &plan)?;
        Ok(made)
    }

    pub fn open(folder: &Path) -> Result<Self, PipelineError> {
        let name = folder.display();
        if !folder.join(JOBS).is_file() {
            return Err(wrong(format!(
                "`{name}` is no submission's folder: `elqui pipeline run --engine slurm` makes one"
            )));
        }
        let settings: Settings = read_json(&folder.join(SETTINGS))?;
        if settings.version != VERSION {
            let version = settings.version;
            return Err(wrong(format!(
                "`{name}` is of version {version}, this program knows {VERSION}: use the one that submitted it"
            )));
        }
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
        Ok(Self { folder, settings })
    }

    pub fn exists(folder: &Path) -> bool {
        folder.join(JOBS).is_file()
    }

    pub fn graph(&self) -> Result<QuantumGraph, PipelineError> {
        QuantumGraph::load(&self.folder.join("graph.elqg"))
    }

    pub fn pipeline(&self, tasks: &Tasks, universe: &Universe) -> Result<Pipeline, PipelineError> {
        Pipeline::load(&self.folder.join("pipeline.yaml"), tasks, universe)
    }

    pub fn jobs(&self) -> Result<Jobs, PipelineError> {
        read_json(&self.folder.join(JOBS))
    }

    pub(crate) fn write_jobs(&self, jobs: &Jobs) -> Result<(), PipelineError> {
        write_json(&self.folder.join(JOBS), jobs)
    }

    /// The quanta of a group, a list a part.
    pub(crate) fn parts(
        &self,
        group: usize,
        quanta: usize,
    ) -> Result<Vec<Vec<u32>>, PipelineError> {
        let path = self.folder.join(format!("group-{group}.parts"));
        let text = std::fs::read_to_string(&path)
            .map_err(|source| PipelineError::Read { path: path.display().to_string(), source })?;
        text.lines().map(|l| crate::cluster::parse_ranges(l, quanta as u32)).collect()
    }

    /// Only one process at a time may change what is submitted.
    pub(crate) fn lock(&self) -> Result<File, PipelineError> {
        let path = self.folder.join("lock");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(|e| elqui_codec::CodecError::write(&path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => Err(wrong(format!(
                "`{}` is being changed by another process: wait until it ends",
                self.folder.display()
            ))),
            // A file system without locks: people are careful.
            Err(std::fs::TryLockError::Error(_)) => Ok(file),
        }
    }
}
