//! A run's report as one page of HTML, without scripts and without anything from elsewhere.

use crate::graph::{STYLE, escape};
use crate::run::gantt::{colour, svg};
use crate::run::report::StepReport;
use crate::run::{RunReport, Status};
use std::fmt::Write;

impl RunReport {
    pub fn to_html(&self) -> String {
        let mut out = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>{STYLE}</head><body>\
             <h1>Run {0}</h1><p>Pipeline {1}: {2} of {3} quanta done in {4:.1} s on {5} threads, {6} existed, {7} failed, \
             {8} blocked, {9} not run.</p>",
            escape(&self.run),
            escape(&self.pipeline),
            self.count(Status::Done),
            self.statuses.len(),
            self.wall_s,
            self.threads,
            self.count(Status::Existed),
            self.count(Status::Failed),
            self.count(Status::Blocked),
            self.count(Status::NotRun) + self.count(Status::Written),
        );
        if !self.failures.is_empty() {
            out += "<h2>What failed</h2><table><tr><th>quantum</th><th>why</th></tr>";
            for (name, why) in &self.failures {
                let _ = write!(out, "<tr><td>{}</td><td>{}</td></tr>", escape(name), escape(why));
            }
            out += "</table>";
        }
        out += "<h2>When</h2>";
        out += &svg(self);
        out += "<h2>Steps, slowest first</h2><table><tr><th>step</th><th>done</th><th>failed</th><th>total s</th>\
                <th>mean s</th><th>longest s</th></tr>";
        let mut steps: Vec<(usize, &StepReport)> = self.steps.iter().enumerate().collect();
        steps.sort_by(|a, b| b.1.wall_s.total_cmp(&a.1.wall_s));
        for (task, step) in steps {
            let count = |s: Status| step.counts.get(&s).copied().unwrap_or(0);
            let _ = write!(
                out,
                "<tr><td><span style=\"background:{}\">&emsp;</span> {}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{:.3}</td><td class=\"n\">{:.4}</td><td class=\"n\">{:.3}</td></tr>",
                colour(task),
                escape(&step.label),
                count(Status::Done),
                count(Status::Failed),
                step.wall_s,
                step.mean_s,
                step.max_s
            );
        }
        out += "</table><h2>Slowest quanta</h2><table><tr><th>number</th><th>quantum</th><th>attempts</th><th>s</th></tr>";
        for (k, name) in &self.slowest {
            let q = &self.quanta[*k];
            let _ = write!(
                out,
                "<tr><td class=\"n\">{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{:.3}</td></tr>",
                q.number,
                escape(name),
                q.attempts,
                q.wall_s
            );
        }
        out + "</table></body></html>\n"
    }
}
