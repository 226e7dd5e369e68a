//! Provenance as a tree of lines.

use elqui_butler::{Quantum, ns_to_iso_utc};
use elqui_pipeline::Origin;

pub fn lines(origin: &Origin) -> Vec<String> {
    let mut lines = Vec::new();
    add(origin, "", "", &mut lines);
    lines
}

fn add(origin: &Origin, first: &str, rest: &str, lines: &mut Vec<String>) {
    let what = match &origin.dataset {
        Some(dataset) => dataset.to_string(),
        None => format!("{} (not in this repository any more)", origin.id),
    };
    let above = if origin.shown_above { ", shown above" } else { "" };
    lines.push(format!("{first}{what}{above}"));
    if origin.shown_above {
        return;
    }
    if let Some(q) = &origin.quantum {
        lines.push(format!("{rest}  made by {}", quantum(q)));
    }
    for (k, input) in origin.inputs.iter().enumerate() {
        let last = k + 1 == origin.inputs.len();
        let (branch, under) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        add(input, &format!("{rest}  {branch}"), &format!("{rest}  {under}"), lines);
    }
}

/// One line of a quantum.
pub fn quantum(q: &Quantum) -> String {
    // Of a quantum in a process of many, nobody can say what it took.
    let memory = match q.peak_memory_bytes {
        None => "memory not measured".to_string(),
        Some(bytes) => format!("{} MiB at most", bytes >> 20),
    };
    format!(
        "{} {} with {} on {} at {}: {:.2} s ({:.2} s of CPU), {memory}",
        q.step,
        q.data_id,
        q.software,
        q.host,
        ns_to_iso_utc(q.started_ns),
        q.wall_s,
        q.cpu_s
    )
}
