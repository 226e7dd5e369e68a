//! A graph for people: as text, as Graphviz dot, as a page of HTML.

use crate::graph::{Node, QuantumGraph};
use std::fmt::Write;

/// A drawing with more boxes than this helps nobody.
const DOT_QUANTA_MAX: usize = 2000;
const HTML_ROWS_MAX: usize = 1000;

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

impl QuantumGraph {
    fn nodes(&self) -> impl Iterator<Item = Node> + '_ {
        (0..self.tasks.len())
            .flat_map(|task| (0..self.count(task) as u32).map(move |row| Node { task, row }))
    }

    /// A quantum's data id without what follows from it.
    pub(crate) fn short_id(&self, node: Node) -> String {
        let head = &self.header.tasks[node.task];
        self.data_id(node).only(&head.columns[..head.required]).to_string()
    }

    /// What it is about, and a line a step; with `quanta`, a line a quantum besides.
    pub fn to_text(&self, quanta: bool) -> String {
        let h = &self.header;
        let mut out =
            format!("pipeline {} into {} from {}\n", h.pipeline, h.run, h.inputs.join(", "));
        for condition in h.conditions.iter().filter(|c| !c.is_empty()) {
            let _ = writeln!(out, "where {condition}");
        }
        for (task, head) in h.tasks.iter().enumerate() {
            let names = |slots: &[crate::task::SlotInfo]| {
                slots.iter().map(|s| s.dataset_type.clone()).collect::<Vec<_>>().join(", ")
            };
            let _ = writeln!(
                out,
                "{:>9} {:<24} {} -> {}",
                self.count(task),
                head.label,
                names(&head.info.inputs),
                names(&head.info.outputs)
            );
        }
        let _ = writeln!(out, "{:>9} quanta", self.len());
        if quanta {
            for (number, node) in self.nodes().enumerate() {
                let label = &h.tasks[node.task].label;
                let (inputs, outputs) = self.datasets(node);
                let names = |all: &[elqui_butler::Dataset]| {
                    all.iter().map(|d| d.name.to_string()).collect::<Vec<_>>().join(" ")
                };
                let _ = writeln!(
                    out,
                    "{number} {label}{} {} -> {}",
                    self.data_id(node),
                    names(&inputs),
                    names(&outputs)
                );
            }
        }
        out
    }

    /// Steps and dataset types; with `quanta`, quanta and datasets, if they are few enough to see.
    pub fn to_dot(&self, quanta: bool) -> String {
        let mut out =
            "digraph quanta {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n".to_string();
        if quanta && self.len() <= DOT_QUANTA_MAX {
            for (number, node) in self.nodes().enumerate() {
                let text =
                    format!("{}\n{}", self.header.tasks[node.task].label, self.data_id(node));
                let _ = writeln!(out, "  q{number} [shape=box, label={}];", quoted(&text));
                let (inputs, outputs) = self.datasets(node);
                for d in inputs {
                    let _ = writeln!(out, "  {} -> q{number};", quoted(&d.name.to_string()));
                }
                for d in outputs {
                    let _ = writeln!(out, "  q{number} -> {};", quoted(&d.name.to_string()));
                }
            }
        } else {
            for (task, head) in self.header.tasks.iter().enumerate() {
                let text = format!("{}\n{} quanta", head.label, self.count(task));
                let _ = writeln!(out, "  t{task} [shape=box, label={}];", quoted(&text));
                for s in &head.info.inputs {
                    let _ = writeln!(out, "  {} -> t{task};", quoted(&s.dataset_type));
                }
                for s in &head.info.outputs {
                    let _ = writeln!(out, "  t{task} -> {};", quoted(&s.dataset_type));
                }
            }
        }
        out + "}\n"
    }

    /// One page without scripts and without anything from elsewhere.
    pub fn to_html(&self) -> String {
        let h = &self.header;
        let mut out = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>{STYLE}</head><body>\
             <h1>Pipeline {0}</h1><p>{1} quanta into the run <b>{2}</b> from {3}</p>",
            escape(&h.pipeline),
            self.len(),
            escape(&h.run),
            escape(&h.inputs.join(", "))
        );
        for condition in h.conditions.iter().filter(|c| !c.is_empty()) {
            let _ = write!(out, "<p>where <code>{}</code></p>", escape(condition));
        }
        out += &self.picture();
        out += "<table><tr><th>step</th><th>quanta</th><th>for each</th><th>reads</th><th>makes</th></tr>";
        for (task, head) in h.tasks.iter().enumerate() {
            let names = |slots: &[crate::task::SlotInfo]| {
                escape(&slots.iter().map(|s| s.dataset_type.clone()).collect::<Vec<_>>().join(", "))
            };
            let _ = write!(
                out,
                "<tr><td title=\"{}\">{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escape(&head.info.doc),
                escape(&head.label),
                self.count(task),
                escape(&head.columns[..head.required].join(", ")),
                names(&head.info.inputs),
                names(&head.info.outputs)
            );
        }
        out +=
            "</table><h2>Quanta</h2><table><tr><th>number</th><th>step</th><th>data id</th></tr>";
        for (number, node) in self.nodes().enumerate().take(HTML_ROWS_MAX) {
            let _ = write!(
                out,
                "<tr><td class=\"n\">{number}</td><td>{}</td><td>{}</td></tr>",
                escape(&h.tasks[node.task].label),
                escape(&self.short_id(node))
            );
        }
        out += "</table>";
        if self.len() > HTML_ROWS_MAX {
            let _ = write!(out, "<p>and {} more</p>", self.len() - HTML_ROWS_MAX);
        }
        out + "</body></html>\n"
    }
}

pub(crate) const STYLE: &str = "<style>body{font:15px sans-serif;margin:2em;max-width:75em}\
table{border-collapse:collapse}td,th{border-bottom:1px solid #ccc;padding:.2em .8em;text-align:left}\
.n{text-align:right;font-variant-numeric:tabular-nums}code{background:#f3f3f3}</style>";
