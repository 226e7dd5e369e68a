//! A round: what a graph still lacks, cut into groups that are ready to be submitted.

use crate::cluster::attempt::round_mark;
use crate::cluster::folder::{GroupJob, Jobs, Submission, Submit, wrong};
use crate::cluster::plan::labels;
use crate::cluster::{Cluster, Job, Needs, Plan};
use crate::error::PipelineError;
use crate::graph::QuantumGraph;
use crate::yaml::Pipeline;
use std::path::PathBuf;

/// A merge reads and writes no artifacts.
const MERGE_MIB: u64 = 2048;

impl Submission {
    /// - `done`: by number, quanta that need no job
    pub(crate) fn plan(
        &self,
        graph: &QuantumGraph,
        pipeline: &Pipeline,
        done: &[bool],
    ) -> Result<Plan, PipelineError> {
        let site = &self.settings.site;
        Plan::of(graph, pipeline, done, &mut |labels, all| {
            // As large as the site's arrays need it to be.
            site.data_ids(labels).max(all.div_ceil(site.array_max.max(1) as usize))
        })
    }

    /// Write the lists of a new round's groups, and the round to `jobs`. A round of nothing is none.
    pub(crate) fn add_round(
        &self,
        jobs: &mut Jobs,
        graph: &QuantumGraph,
        plan: &Plan,
    ) -> Result<usize, PipelineError> {
        let (round, first) = (jobs.merges.len(), jobs.groups.len());
        // Groups without quanta have no jobs; numbers of the others.
        let mut numbers: Vec<Option<usize>> = Vec::new();
        for (k, group) in plan.groups.iter().enumerate() {
            if group.parts.is_empty() {
                numbers.push(None);
                continue;
            }
            let number = jobs.groups.len();
            numbers.push(Some(number));
            let labels = labels(graph, &group.tasks);
            let path = self.folder.join(format!("group-{number}.parts"));
            elqui_codec::atomic_write_bytes(&path, plan.parts_text(k).as_bytes())?;
            jobs.groups.push(GroupJob {
                name: group.name.clone(),
                round,
                parts: group.parts.len(),
                quanta: group.parts.iter().map(Vec::len).sum(),
                after: group.after.iter().filter_map(|g| numbers[*g]).collect(),
                needs: self.settings.site.needs(&labels, group),
                submit: Submit {
                    job_name: self.job_name(&group.name, number),
                    ..Submit::default()
                },
            });
        }
        let added = jobs.groups.len() - first;
        if added > 0 || round == 0 {
            let merge = Submit { job_name: self.job_name("merge", round), ..Submit::default() };
            jobs.merges.push(self.settings.records.then_some(merge));
        }
        self.write_jobs(jobs)?;
        Ok(added)
    }

    /// Slurm shows some twenty letters of it: what it is first, then what makes it this one's.
    fn job_name(&self, of: &str, number: usize) -> String {
        let of: String = of.chars().take(40).collect();
        format!("{of}-{}-{number}", self.settings.token)
    }

    /// Write a group's script.
    pub(crate) fn group_script(
        &self,
        cluster: &dyn Cluster,
        group: &GroupJob,
        number: usize,
    ) -> Result<PathBuf, PipelineError> {
        let words = ["run-part".to_string(), self.word()?, number.to_string()];
        let job = Job {
            name: group.submit.job_name.clone(),
            parts: Some(group.parts),
            needs: group.needs,
            words: self.settings.program.iter().cloned().chain(words).collect(),
            log: self.folder.join("logs").join(format!("group-{number}")),
        };
        self.script(cluster, &job, &format!("group-{number}.sh"))
    }

    /// Write the script of a round's last job.
    pub(crate) fn merge_script(
        &self,
        cluster: &dyn Cluster,
        name: &str,
        round: usize,
    ) -> Result<PathBuf, PipelineError> {
        let minutes = self.settings.site.minutes;
        let words = ["merge".to_string(), self.word()?];
        let job = Job {
            name: name.to_string(),
            parts: None,
            needs: Needs {
                cpus: 1,
                minutes,
                memory_bytes: MERGE_MIB << 20,
                memory_mib: self.settings.site.memory_extra_mib.min(MERGE_MIB),
            },
            words: self.settings.program.iter().cloned().chain(words).collect(),
            log: self.folder.join("logs").join(format!("merge-{round}")),
        };
        self.script(cluster, &job, &format!("merge-{round}.sh"))
    }

    fn word(&self) -> Result<String, PipelineError> {
        let text = self.folder.to_str().map(String::from);
        text.ok_or_else(|| wrong(format!("`{}` is not Unicode", self.folder.display())))
    }

    fn script(
        &self,
        cluster: &dyn Cluster,
        job: &Job,
        name: &str,
    ) -> Result<PathBuf, PipelineError> {
        let path = self.folder.join(name);
        elqui_codec::atomic_write_bytes(&path, cluster.script(job)?.as_bytes())?;
        Ok(path)
    }

    /// From now on jobs of earlier rounds write nothing more.
    pub(crate) fn mark_round(&self, round: usize) -> Result<(), PipelineError> {
        Ok(elqui_codec::atomic_write_bytes(&round_mark(&self.folder, round), b"")?)
    }

    /// What was merged need not be read again.
    pub(crate) fn retire_records(&self, round: usize) -> Result<(), PipelineError> {
        let from = self.folder.join("records");
        let to = self.folder.join(format!("records-merged-{round}"));
        let fail = |source| PipelineError::Read { path: from.display().to_string(), source };
        std::fs::create_dir_all(&to).map_err(fail)?;
        for entry in std::fs::read_dir(&from).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            std::fs::rename(entry.path(), to.join(entry.file_name())).map_err(fail)?;
        }
        Ok(())
    }
}
