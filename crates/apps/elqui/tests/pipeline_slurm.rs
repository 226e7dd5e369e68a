//! `elqui pipeline run --engine slurm` on a real one-machine Slurm: submitted, watched, failed, restarted,
//! reported, with the bytes of a local run.

mod common;
#[path = "../../../pipelines/pipeline/tests/slurm_cluster/mod.rs"]
#[allow(dead_code)]
mod slurm_cluster;
mod survey;

use common::*;
use slurm_cluster::SlurmCluster;
use std::process::{Command, Output};
use survey::{INPUT, Survey};

const SITE: &str = "data_ids: 2\nminutes: 5\nmemory_extra_mib: 50\n";

/// Frames, and a step that fails as long as a file is missing.
const GATED: &str = "name: gated
imports: [{file: frames, exclude: [preview]}]
steps:
  isr: {task: isr, peak_memory_mib: 100}
  calibrate_image: {task: calibrate_image, peak_memory_mib: 100, isolated: true}
  gate:
    command:
      argv: [sh, -c, 'if test -e GATE; then wc -c < $1 > $2; else echo the gate is shut; exit 3; fi', gate, '{input.image}', '{output.size}']
      dimensions: [visit, detector]
      inputs: [{name: image, type: visit_image, dimensions: [visit, detector], storage_class: Exposure, extension: fits}]
      outputs: [{name: size, type: image_size, dimensions: [visit, detector], storage_class: Text, extension: txt}]
      peak_memory_mib: 50
";

fn said(run: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&run.stdout), stderr(run))
}

#[test]
fn a_pipeline_on_slurm_from_submission_to_report() {
    if std::env::var_os("ELQUI_TEST_FAST").is_some() {
        println!("skipped: ELQUI_TEST_FAST is set");
        return;
    }
    let survey = Survey::new(5, &[]);
    let mut cluster = SlurmCluster::start(2, 2);
    let gate = survey.path("gate");
    let yaml = GATED.replace("GATE", text(&gate));
    let pipeline = put(survey.dir.path(), "gated.yaml", yaml.as_bytes());
    let site = put(survey.dir.path(), "site.yaml", SITE.as_bytes());
    let root = survey.root();
    let elqui = |words: &[&str]| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_elqui"));
        command.args(["pipeline", "--repo", text(&root)]).args(words);
        command.envs(cluster.shell.environment.iter().map(|(k, v)| (k, v)));
        command.output().unwrap()
    };
    let base = ["run", text(&pipeline), "--input", INPUT, "--output", "u/c"];
    let run = elqui(&[&base[..], &["--engine", "slurm", "--site", text(&site)]].concat());
    assert!(run.status.success(), "{}", said(&run));
    assert!(said(&run).contains("15 quanta in"), "{}", said(&run));
    let closed = |_: &SlurmCluster| {
        let run = elqui(&["status", "u/c", "--json"]);
        let now: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap_or_default();
        now["open"] == serde_json::Value::Bool(false)
    };
    cluster.wait("the jobs end", 90, closed);
    let log = said(&elqui(&["status", "u/c"]));
    assert!(log.contains("the gate is shut") && log.contains("calibrate_image"), "{log}");
    // The cause is removed, and only what failed is done again.
    put(survey.dir.path(), "gate", b"");
    let run = elqui(&["restart", "u/c"]);
    assert!(run.status.success() && said(&run).contains("5 quanta in"), "{}", said(&run));
    cluster.wait("the second round ends", 90, closed);
    let run = elqui(&["report", "u/c"]);
    assert!(run.status.success(), "{}", said(&run));
    let page = std::fs::read_to_string(String::from_utf8_lossy(&run.stdout).trim()).unwrap();
    assert!(page.contains("15 of 15 quanta done") && page.contains("<svg"), "{page}");
    assert!(said(&elqui(&["restart", "u/c"])).contains("nothing is left"));
    let local = elqui(&["run", text(&pipeline), "--input", INPUT, "--run", "local"]);
    assert!(local.status.success(), "{}", said(&local));
    let types = ["visit_image", "source", "visit_image_summary", "image_size"];
    let files = survey.files("u/c", &types);
    assert_eq!(files.len(), 20);
    assert!(files == survey.files("local", &types), "the cluster made other bytes");
    survey.repo(&["verify"]);

    // Wrong words, and a batch system that is away.
    let log = said(&elqui(&["status", "u/never"]));
    assert!(log.contains("--engine slurm"), "{log}");
    let log = said(&elqui(&[&base[..], &["--site", text(&site)]].concat()));
    assert!(log.contains("--engine slurm"), "{log}");
    let bad = put(survey.dir.path(), "bad.yaml", b"partitionn: x\n");
    let words = ["run", "frames", "--input", INPUT, "--run", "u/bad", "--engine", "slurm"];
    let log = said(&elqui(&[&words[..], &["--site", text(&bad)]].concat()));
    assert!(log.contains("partitionn") && log.contains("bad.yaml"), "{log}");
    cluster.stop_controller();
    let mut command = Command::new(env!("CARGO_BIN_EXE_elqui"));
    command.args(["pipeline", "--repo", text(&root)]).args(words);
    command.envs(cluster.shell.environment.iter().map(|(k, v)| (k, v)));
    let run = command.output().unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", said(&run));
    assert!(said(&run).contains("controller does not answer"), "{}", said(&run));
}
