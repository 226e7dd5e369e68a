//! How a graph is cut into jobs, and the texts that Slurm is given and gives.

mod common;

use common::*;
use elqui_pipeline::RunOptions;
use elqui_pipeline::cluster::{
    Cluster, Job, JobState, Needs, Plan, Recorded, Site, Slurm, merge, parse_ranges, ranges,
};
use elqui_pipeline::{Status, run_graph};
use std::path::Path;

const CHAIN: &str = "name: chain\nsteps:\n  a: {task: clean, outputs: {image: first}}\n  b: {task: clean, inputs: {raw: first}}\n  join: {task: sum}\n";

#[test]
fn chains_are_one_group_and_every_quantum_is_in_one_part() {
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 4, 3);
    let (p, g) = graph(&store, CHAIN, "");
    for size in [1, 5, 7, 12, 1000] {
        let plan = Plan::new(&g, &p, size).unwrap();
        let names: Vec<&str> = plan.groups.iter().map(|g| g.name.as_str()).collect();
        assert_eq!(names, ["a+b", "join"]);
        assert_eq!((plan.groups[0].after.len(), plan.groups[1].after.as_slice()), (0, &[0][..]));
        assert_eq!(plan.groups[0].parts.len(), 12_usize.div_ceil(size));
        assert_eq!(plan.groups[1].peak_memory_bytes, 20 << 20);
        let mut all: Vec<u32> = plan.groups.iter().flat_map(|g| g.parts.concat()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..g.len() as u32).collect::<Vec<_>>());
        for part in &plan.groups[0].parts {
            assert!(part.is_sorted() && part.len() <= 2 * size);
            let text = ranges(part);
            assert_eq!(&parse_ranges(&text, 100).unwrap(), part, "{text}");
        }
    }
    // Jobs in the plan's order do all of it.
    let plan = Plan::new(&g, &p, 5).unwrap();
    assert_eq!(plan.parts_text(0), "0-4,12-16\n5-9,17-21\n10-11,22-23\n");
    for (k, group) in plan.groups.iter().enumerate() {
        for line in plan.parts_text(k).lines() {
            let part = Some(parse_ranges(line, g.len() as u32).unwrap());
            let options = RunOptions { threads: 2, part, ..RunOptions::default() };
            let report = run_graph(&g, &p, &store, &options, &(), None).unwrap();
            assert!(report.is_complete(), "{}: {:?}", group.name, report.failures);
        }
    }
    let report = run_graph(&g, &p, &store, &RunOptions::default(), &(), None).unwrap();
    assert_eq!(report.count(Status::Existed), g.len());
    for bad in ["x", "3-1", "5,4", "100", "1-", "-1", "4294967296", "0-99999999"] {
        assert!(parse_ranges(bad, 100).unwrap_err().to_string().contains(bad), "{bad}");
    }
    assert!(parse_ranges("", 100).unwrap().is_empty());
}

fn job(parts: Option<usize>, words: &[&str]) -> Job {
    Job {
        name: "a+b-12ab-0".into(),
        parts,
        needs: Needs { cpus: 4, minutes: 90, memory_bytes: 1 << 30, memory_mib: 1536 },
        words: words.iter().map(|w| w.to_string()).collect(),
        log: "/data/runs/u1/logs/group-0".into(),
    }
}

#[test]
fn slurm_scripts() {
    let site = Site { partition: Some("day".into()), at_once: 2, ..Site::default() };
    let slurm = Slurm { site: site.clone() };
    let words = ["/opt/it's/elqui", "run-part", "/data/runs/u1", "0"];
    let text = slurm.script(&job(Some(3), &words)).unwrap();
    assert_eq!(
        text,
        "#!/bin/sh\n#SBATCH --job-name=a+b-12ab-0\n#SBATCH --array=0-2%2\n#SBATCH --ntasks=1\n\
         #SBATCH --cpus-per-task=4\n#SBATCH --mem=1536M\n#SBATCH --time=90\n\
         #SBATCH --output=/data/runs/u1/logs/group-0-%a.log\n#SBATCH --open-mode=append\n#SBATCH --requeue\n\
         #SBATCH --partition=day\n\
         exec '/opt/it'\\''s/elqui' 'run-part' '/data/runs/u1' '0' \"$SLURM_ARRAY_TASK_ID\"\n"
    );
    let more = Site {
        lines: vec!["--constraint=haswell".into(), "--exclusive".into()],
        setup: vec!["module load gcc".into()],
        requeue: false,
        ..site.clone()
    };
    let text = Slurm { site: more }.script(&job(None, &["/opt/elqui", "merge"])).unwrap();
    assert!(
        text.ends_with(
            "logs/group-0.log\n#SBATCH --open-mode=append\n#SBATCH --no-requeue\n#SBATCH --partition=day\n\
             #SBATCH --constraint=haswell\n#SBATCH --exclusive\nmodule load gcc\nexec '/opt/elqui' 'merge'\n"
        ),
        "{text}"
    );
    // The shell reads it as it is meant.
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("group-0.sh");
    let text =
        slurm.script(&job(Some(3), &["printf", "%s|", "it's", "/data/runs/u1", "0"])).unwrap();
    elqui_codec::atomic_write_bytes(&script, text.as_bytes()).unwrap();
    let mut sh = std::process::Command::new("sh");
    let out = sh.arg(&script).env("SLURM_ARRAY_TASK_ID", "7").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout), "it's|/data/runs/u1|0|7|");

    let refused = |site: Site, log: &str, part: &str| {
        let job = Job { log: log.into(), ..job(Some(3), &words) };
        let e = Slurm { site }.script(&job).unwrap_err().to_string();
        assert!(e.contains(part) && !e.contains('\n'), "{e}");
    };
    refused(site.clone(), "/data/a b", "`/data/a b`");
    refused(site.clone(), "/data/$(rm)", "cannot be Slurm's option output");
    let bad = |change: fn(&mut Site)| {
        let mut site = Site::default();
        change(&mut site);
        site
    };
    refused(bad(|s| s.account = Some("a b".into())), "/d", "option account");
    refused(bad(|s| s.lines = vec!["haswell".into()]), "/d", "no option of sbatch");
    refused(bad(|s| s.lines = vec!["--wrap=rm -r".into()]), "/d", "in `lines`");
    refused(bad(|s| s.array_max = 2), "/d", "3 parts");
    let lines = Slurm { site: bad(|s| s.partition = Some("a\n#SBATCH --uid=0".into())) };
    assert!(lines.script(&job(None, &words)).unwrap_err().to_string().contains("option partition"));
    assert!(slurm.script(&job(Some(0), &words)).is_err());
}

#[test]
fn slurm_answers() {
    let slurm = Slurm::default();
    let jobs = ["12".to_string(), "13".to_string()];
    let words = slurm.submit(Path::new("g.sh"), &jobs);
    assert_eq!(words, ["sbatch", "--parsable", "--dependency=afterany:12:13", "g.sh"]);
    assert_eq!(slurm.submit(Path::new("g.sh"), &[]).len(), 3);
    assert_eq!(slurm.cancel(&jobs), ["scancel", "12", "13"]);
    assert!(slurm.queue(&jobs).contains(&"--jobs=12,13".to_string()));
    assert!(slurm.history(&jobs).contains(&"--jobs=12,13".to_string()));
    assert!(slurm.find("a-1").contains(&"--name=a-1".to_string()));
    assert_eq!(slurm.found("12\n 9\n12\nnonsense\n\n"), ["9", "12"]);
    assert_eq!(slurm.job_id("77\n").unwrap(), "77");
    assert_eq!(slurm.job_id("sbatch: a warning\n78;big\n").unwrap(), "78");
    for bad in ["", "error: no partition", "12x"] {
        assert!(slurm.job_id(bad).unwrap_err().to_string().contains("no job id"));
    }
    let said = "12_0|COMPLETED\n12_1|CANCELLED by 1000\n12_2|OUT_OF_MEMORY\n12_[3-4,6%2]|PENDING|Resources\n13_0|NODE_FAIL\n13|RUNNING|None\nnonsense\n12_x|FAILED\n14_1|FAILED\n";
    let states = slurm.states(said);
    let told = |job: &str, part| states.parts.get(&(job.to_string(), part));
    let state = |job: &str, part| told(job, part).map(|t| t.state);
    assert_eq!((states.parts.len(), states.single.len()), (8, 1));
    assert_eq!(state("12", 0), Some(JobState::Ended));
    assert_eq!(state("12", 1), Some(JobState::Cancelled));
    assert_eq!(state("12", 2), Some(JobState::OutOfMemory));
    assert_eq!(state("12", 6), Some(JobState::Waiting));
    assert_eq!(told("12", 6).unwrap().reason, "Resources");
    assert_eq!(state("13", 0), Some(JobState::Lost));
    assert_eq!(state("14", 1), Some(JobState::Failed));
    assert_eq!(states.single["13"].state, JobState::Running);
    assert_eq!(states.open(), 4);
    assert!(slurm.states(&"1_[0-99999999]|PENDING\n|\n_|_\n1_|X\n".repeat(3)).parts.is_empty());
}

#[test]
fn jobs_leave_records_that_are_merged_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 4, 3);
    let (p, g) = graph(&store, CHAIN, "");
    let plan = Plan::new(&g, &p, 5).unwrap();
    let folder = dir.path().join("records");
    let job = |group: usize, part: usize| {
        let recorded = Recorded::open(&store, &folder, group, part).unwrap();
        let part = Some(plan.groups[group].parts[part].clone());
        let options = RunOptions { threads: 2, part, ..RunOptions::default() };
        run_graph(&g, &p, &recorded, &options, &(), None).unwrap()
    };
    for part in 0..3 {
        assert!(job(0, part).is_complete());
    }
    // A job that was killed in the middle of a line, and is queued again.
    let file = folder.join("0-1.jsonl");
    let text = std::fs::read(&file).unwrap();
    elqui_codec::atomic_write_bytes(&file, &text[..text.len() / 2]).unwrap();
    let again = job(0, 1);
    assert!(again.is_complete() && again.count(Status::Done) > 0);
    assert!(again.count(Status::Existed) > 0, "whole lines are kept");
    // The registry knows nothing yet; the next group finds what was made.
    let count = |of: &str| {
        let query = elqui_registry::DatasetQuery::new(of, &[RUN], "");
        store.registry().datasets(&query).unwrap().len()
    };
    assert_eq!(count("image"), 0);
    for part in 0..plan.groups[1].parts.len() {
        assert!(job(1, part).is_complete());
    }
    // One part was run on two machines.
    let twice = std::fs::read(folder.join("0-0.jsonl")).unwrap();
    elqui_codec::atomic_write_bytes(&folder.join("0-9.jsonl"), &twice).unwrap();
    let merged = merge(&store, &folder).unwrap();
    assert_eq!((merged.quanta, merged.repeated, merged.refused.len()), (28, 10, 0), "{merged:?}");
    assert_eq!((count("first"), count("image"), count("visit_sum")), (12, 12, 4));
    assert_eq!(merge(&store, &folder).unwrap().quanta, 28, "known ones are passed over");
    assert_eq!((count("first"), count("image"), count("visit_sum")), (12, 12, 4));
    assert!(store.registry().check().unwrap().is_empty());
    let report = run_graph(&g, &p, &store, &RunOptions::default(), &(), None).unwrap();
    assert_eq!(report.count(Status::Existed), 28);
}
