//! What a site asks of its jobs, as YAML. All of it may be left out.
//!
//! ```yaml
//! partition: day            # and account, qos: as the site calls them
//! account: survey
//! minutes: 120              # of one job
//! cpus: 4                   # threads of one job; so many quanta run at once in it
//! memory_extra_mib: 512     # besides the declared peaks of the quanta that run at once
//! data_ids: 20              # that one job takes through its steps
//! at_once: 100              # jobs of an array that may run at once; 0: the site's own limit
//! array_max: 1001           # MaxArraySize of the site
//! requeue: true             # when a machine goes down
//! lines: ["--constraint=haswell", "--reservation=survey"]      # more for #SBATCH
//! setup: ["module load gcc"]                                   # before the program
//! steps: { coadd: { data_ids: 1, cpus: 16, minutes: 600, memory_mib: 64000 } }
//! ```
//!
//! Of steps that run in one job the largest wish counts, and the fewest data ids.

use crate::cluster::Group;
use crate::error::PipelineError;
use crate::graph::QuantumGraph;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    pub partition: Option<String>,
    pub account: Option<String>,
    pub qos: Option<String>,
    /// Of a job.
    pub minutes: u32,
    pub cpus: u32,
    pub memory_extra_mib: u64,
    pub data_ids: usize,
    /// Jobs of an array that run at once at most; 0 for no limit.
    pub at_once: u32,
    /// `MaxArraySize` of the site.
    pub array_max: u32,
    pub requeue: bool,
    pub lines: Vec<String>,
    pub setup: Vec<String>,
    pub steps: BTreeMap<String, StepSite>,
}

/// What one step asks for besides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StepSite {
    pub minutes: Option<u32>,
    pub cpus: Option<u32>,
    /// Of all that runs at once in the job, instead of the declared peak for each processor.
    pub memory_mib: Option<u64>,
    pub data_ids: Option<usize>,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            partition: None,
            account: None,
            qos: None,
            minutes: 60,
            cpus: 1,
            memory_extra_mib: 512,
            data_ids: 20,
            at_once: 0,
            // Slurm's default, which counts from 0.
            array_max: 1001,
            requeue: true,
            lines: Vec::new(),
            setup: Vec::new(),
            steps: BTreeMap::new(),
        }
    }
}

/// What a job is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    pub cpus: u32,
    pub minutes: u32,
    /// What its quanta may take together.
    pub memory_bytes: u64,
    /// The whole job's.
    pub memory_mib: u64,
}

impl Site {
    pub fn load(path: &Path) -> Result<Self, PipelineError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| PipelineError::Read { path: name.clone(), source })?;
        Self::parse(&text, &name)
    }

    /// - `file`: what errors call it
    pub fn parse(text: &str, file: &str) -> Result<Self, PipelineError> {
        let bad = |line: usize, why: String| PipelineError::Yaml { file: file.into(), line, why };
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let site: Self = serde_yaml_ng::from_str(text)
            .map_err(|e| bad(e.location().map_or(1, |l| l.line()), e.to_string()))?;
        site.check().map_err(|why| bad(1, why))?;
        Ok(site)
    }

    fn check(&self) -> Result<(), String> {
        let mut counts = vec![
            ("minutes", u64::from(self.minutes)),
            ("cpus", u64::from(self.cpus)),
            ("data_ids", self.data_ids as u64),
            ("array_max", u64::from(self.array_max)),
        ];
        for step in self.steps.values() {
            counts.extend(step.minutes.map(|n| ("minutes", u64::from(n))));
            counts.extend(step.cpus.map(|n| ("cpus", u64::from(n))));
            counts.extend(step.memory_mib.map(|n| ("memory_mib", n)));
            counts.extend(step.data_ids.map(|n| ("data_ids", n as u64)));
        }
        match counts.into_iter().find(|(_, n)| *n == 0 || *n > 1 << 30) {
            Some((name, n)) => Err(format!("`{name}` is {n}: 1 to 2^30")),
            None if self.memory_extra_mib > 1 << 30 => {
                Err("`memory_extra_mib` is at most 2^30".into())
            }
            None => Ok(()),
        }
    }

    /// Steps that the graph has not would be forgotten in silence.
    pub(crate) fn check_steps(&self, graph: &QuantumGraph) -> Result<(), PipelineError> {
        let labels: Vec<&str> = graph.header.tasks.iter().map(|t| t.label.as_str()).collect();
        match self.steps.keys().find(|s| !labels.contains(&s.as_str())) {
            Some(lost) => Err(PipelineError::Cluster {
                why: format!(
                    "the site's options name the step `{lost}`; the graph has {}",
                    labels.join(", ")
                ),
            }),
            None => Ok(()),
        }
    }

    /// - `labels`: steps of one group
    pub(crate) fn data_ids(&self, labels: &[&str]) -> usize {
        let wishes = labels.iter().filter_map(|l| self.steps.get(*l)?.data_ids);
        wishes.min().unwrap_or(self.data_ids).max(1)
    }

    pub(crate) fn needs(&self, labels: &[&str], group: &Group) -> Needs {
        let steps: Vec<&StepSite> = labels.iter().filter_map(|l| self.steps.get(*l)).collect();
        let most = |wish: fn(&StepSite) -> Option<u32>, or: u32| {
            steps.iter().filter_map(|s| wish(s)).max().unwrap_or(or).max(1)
        };
        let cpus = most(|s| s.cpus, self.cpus);
        let peaks = group.peak_memory_bytes.max(1).saturating_mul(u64::from(cpus));
        let wish = steps.iter().filter_map(|s| s.memory_mib).max();
        // One quantum must fit in any case.
        let memory_bytes = wish.map_or(peaks, |mib| (mib << 20).max(group.peak_memory_bytes));
        Needs {
            cpus,
            minutes: most(|s| s.minutes, self.minutes),
            memory_bytes,
            memory_mib: memory_bytes.div_ceil(1 << 20) + self.memory_extra_mib,
        }
    }
}
