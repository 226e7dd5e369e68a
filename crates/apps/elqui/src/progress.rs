//! Progress: a bar on a terminal, a plain line a step elsewhere. Everything goes to stderr.

use crate::outputs::note;
use elqui_pipeline::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// Progress of one piece of long work.
pub struct Bar {
    title: String,
    bar: Option<ProgressBar>,
}

impl Bar {
    pub fn new(title: &str, total: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(
                "{prefix:<28} {bar:32.cyan/blue} {pos:>4}/{len:<4} {elapsed_precise} {msg}",
            )
            .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(total as u64).with_style(style);
            bar.set_prefix(title.to_string());
            bar
        });
        if bar.is_none() {
            note(&format!("{title}: {total} to do"));
        }
        Self { title: title.to_string(), bar }
    }

    /// One piece is done.
    pub fn tick(&self, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(message.to_string());
            bar.inc(1);
        } else {
            note(&format!("{}: {message}", self.title));
        }
    }

    /// Print a line without breaking the bar.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        }
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message("");
            bar.finish();
        }
    }
}

impl Progress for Bar {
    fn started(&self, _label: &str) {}

    fn finished(&self, label: &str, ok: bool) {
        self.tick(&format!("{label} {}", if ok { "done" } else { "failed" }));
    }
}
