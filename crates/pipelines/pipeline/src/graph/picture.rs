//! The steps of a graph and what flows between them, as one SVG: datasets from outside at the left, each
//! step right of all that it reads.

use crate::graph::QuantumGraph;
use crate::graph::show::escape;
use crate::task::Role;
use std::fmt::Write;

const HEIGHT: f64 = 40.0;
const GAP: f64 = 14.0;
/// Between columns, for the lines.
const ALLEY: f64 = 46.0;
/// Of a letter, about.
const LETTER: f64 = 7.2;

struct Boxed {
    name: String,
    /// Quanta of a step; of a type, how it is looked for.
    below: String,
    step: bool,
    /// Read whatever is asked for: drawn dashed.
    aside: bool,
    column: usize,
}

impl QuantumGraph {
    /// See the module.
    pub(super) fn picture(&self) -> String {
        let h = &self.header;
        let mut boxes: Vec<Boxed> = Vec::new();
        let mut lines: Vec<(usize, usize)> = Vec::new();
        // Types come first, by their numbers; steps behind them.
        for (kind, head) in h.types.iter().enumerate() {
            let mut slots = h.tasks.iter().flat_map(|t| &t.info.inputs);
            let aside = slots.any(|s| s.dataset_type == head.of.name && s.role != Role::Regular);
            let n = self.rows(kind);
            let below = if n == 0 { "none".to_string() } else { n.to_string() };
            let name = head.of.name.clone();
            boxes.push(Boxed { name, below, step: false, aside, column: 0 });
        }
        for (task, head) in h.tasks.iter().enumerate() {
            let me = boxes.len();
            let place = |name: &str| h.types.iter().position(|t| t.of.name == name);
            let inputs: Vec<usize> =
                head.info.inputs.iter().filter_map(|s| place(&s.dataset_type)).collect();
            // Steps are in an order in which they can run: what this one reads has its column.
            let column = 1 + inputs.iter().map(|k| boxes[*k].column).max().unwrap_or(0);
            let below = format!("{} quanta", self.count(task));
            let name = head.label.clone();
            boxes.push(Boxed { name, below, step: true, aside: false, column });
            lines.extend(inputs.into_iter().map(|k| (k, me)));
            for out in head.info.outputs.iter().filter_map(|s| place(&s.dataset_type)) {
                boxes[out].column = column + 1;
                lines.push((me, out));
            }
        }
        drawn(&boxes, &lines)
    }
}

fn drawn(boxes: &[Boxed], lines: &[(usize, usize)]) -> String {
    let columns = boxes.iter().map(|b| b.column + 1).max().unwrap_or(0);
    let letters = |b: &Boxed| b.name.chars().count().max(b.below.chars().count());
    let width_of = |c: usize| {
        let longest = boxes.iter().filter(|b| b.column == c).map(letters).max().unwrap_or(0);
        longest as f64 * LETTER + 24.0
    };
    let widths: Vec<f64> = (0..columns).map(width_of).collect();
    let left = |c: usize| widths[..c].iter().sum::<f64>() + c as f64 * ALLEY + 1.0;
    let counts: Vec<usize> =
        (0..columns).map(|c| boxes.iter().filter(|b| b.column == c).count()).collect();
    let tallest = counts.iter().copied().max().unwrap_or(0) as f64 * (HEIGHT + GAP);
    let mut next: Vec<f64> =
        counts.iter().map(|n| 1.0 + 0.5 * (tallest - *n as f64 * (HEIGHT + GAP))).collect();
    let mut tops = Vec::with_capacity(boxes.len());
    for b in boxes {
        tops.push(next[b.column]);
        next[b.column] += HEIGHT + GAP;
    }
    let width = left(columns) - if columns > 0 { ALLEY } else { 0.0 } + 1.0;
    let mut out = format!(
        "<svg viewBox=\"0 0 {width:.0} {tallest:.0}\" width=\"{width:.0}\" style=\"max-width:100%\" font-family=\"sans-serif\" font-size=\"12\">"
    );
    for (from, to) in lines {
        let (a, b) = (&boxes[*from], &boxes[*to]);
        let (x0, y0) = (left(a.column) + widths[a.column], tops[*from] + 0.5 * HEIGHT);
        let (x1, y1) = (left(b.column), tops[*to] + 0.5 * HEIGHT);
        let bend = 0.5 * ALLEY;
        let _ = write!(
            out,
            "<path d=\"M{x0:.1} {y0:.1}C{:.1} {y0:.1} {:.1} {y1:.1} {x1:.1} {y1:.1}\" fill=\"none\" stroke=\"#9ab\"/>",
            x0 + bend,
            x1 - bend
        );
    }
    for (b, top) in boxes.iter().zip(&tops) {
        let (x, w) = (left(b.column), widths[b.column]);
        let (fill, stroke, round) =
            if b.step { ("#e8f0ff", "#36c", 4) } else { ("#fff", "#789", 18) };
        let dash = if b.aside { " stroke-dasharray=\"4 3\"" } else { "" };
        let middle = x + 0.5 * w;
        let _ = write!(
            out,
            "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{w:.1}\" height=\"{HEIGHT}\" rx=\"{round}\" fill=\"{fill}\" stroke=\"{stroke}\"{dash}/>\
             <text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#678\" font-size=\"10\">{}</text>",
            top + 17.0,
            escape(&b.name),
            top + 31.0,
            escape(&b.below)
        );
    }
    out + "</svg>"
}
