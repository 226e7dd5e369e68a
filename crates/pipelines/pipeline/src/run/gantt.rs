//! A Gantt picture of a run as SVG: time to the right, a row a thread, a colour a step.

use crate::graph::escape;
use crate::run::RunReport;
use std::fmt::Write;

const WIDTH: f64 = 1000.0;
const ROW: f64 = 16.0;
/// Neighbours of one step that are closer than this are one bar.
const GAP: f64 = 0.5;

/// Bars of one thread and step: begin and end in pixels, how many quanta, whether one failed.
struct Bar {
    thread: usize,
    task: usize,
    x0: f64,
    x1: f64,
    quanta: usize,
    failed: bool,
}

pub(crate) fn colour(task: usize) -> String {
    // Golden angle: neighbours differ. Reds are left to failures.
    format!("hsl({:.0},60%,55%)", 30.0 + (180.0 + task as f64 * 137.508) % 300.0)
}

fn bars(report: &RunReport) -> Vec<Bar> {
    let scale = WIDTH / report.wall_s.max(1e-9);
    let mut done: Vec<Bar> = Vec::new();
    let mut open: Vec<Option<Bar>> = Vec::new();
    for q in &report.quanta {
        if open.len() <= q.thread {
            open.resize_with(q.thread + 1, || None);
        }
        let (x0, x1) = (q.start_s * scale, (q.start_s + q.wall_s) * scale);
        let failed = q.why.is_some();
        let slot = &mut open[q.thread];
        match slot {
            Some(bar) if bar.task == q.task && x0 - bar.x1 < GAP && bar.failed == failed => {
                bar.x1 = bar.x1.max(x1);
                bar.quanta += 1;
            }
            _ => {
                let next = Bar { thread: q.thread, task: q.task, x0, x1, quanta: 1, failed };
                done.extend(slot.replace(next));
            }
        }
    }
    done.extend(open.into_iter().flatten());
    // Bars narrower than a pixel and between others are not seen anyhow.
    const BARS_MAX: usize = 20_000;
    if done.len() > BARS_MAX {
        done.sort_by(|a, b| (b.x1 - b.x0).total_cmp(&(a.x1 - a.x0)));
        done.truncate(BARS_MAX);
    }
    done
}

pub(crate) fn svg(report: &RunReport) -> String {
    let threads = report.quanta.iter().map(|q| q.thread + 1).max().unwrap_or(1);
    let height = ROW * threads as f64 + 20.0;
    let mut out = format!(
        "<svg viewBox=\"-40 0 {:.0} {height:.0}\" width=\"100%\" role=\"img\" aria-label=\"what ran when\" font-size=\"9\">",
        WIDTH + 70.0
    );
    for thread in 0..threads {
        let y = ROW * thread as f64 + 11.0;
        let _ = write!(out, "<text x=\"-36\" y=\"{y:.0}\">{thread}</text>");
    }
    for bar in bars(report) {
        let label = escape(&report.steps[bar.task].label);
        let colour = if bar.failed { "#c00".to_string() } else { colour(bar.task) };
        let _ = write!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.0}\" width=\"{:.1}\" height=\"{:.0}\" fill=\"{colour}\"><title>{label}, {} quanta</title></rect>",
            bar.x0,
            ROW * bar.thread as f64 + 2.0,
            (bar.x1 - bar.x0).max(0.3),
            ROW - 4.0,
            bar.quanta
        );
    }
    for k in 0..=4 {
        let x = WIDTH * f64::from(k) / 4.0;
        let seconds = report.wall_s * f64::from(k) / 4.0;
        let y = height - 6.0;
        let _ = write!(
            out,
            "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"middle\">{seconds:.1} s</text>"
        );
    }
    out + "</svg>"
}
