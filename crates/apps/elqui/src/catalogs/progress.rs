//! Progress of an import: one bar a stage on a terminal, one line a stage elsewhere.

use crate::outputs::note;
use elqui_catalog::Stage;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

#[derive(Default)]
pub struct Stages(Mutex<State>);

#[derive(Default)]
struct State {
    stage: Option<&'static str>,
    bar: Option<ProgressBar>,
}

impl Stages {
    pub fn stage(&self, stage: Stage, done: u64, total: u64) {
        self.tell(stage.name(), done, total);
    }

    pub fn tell(&self, stage: &'static str, done: u64, total: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.stage != Some(stage) {
            if let Some(bar) = state.bar.take() {
                bar.finish();
            }
            state.stage = Some(stage);
            if std::io::stderr().is_terminal() {
                let template = "{prefix:<10} {bar:32.cyan/blue} {percent:>3}% {elapsed_precise}";
                let style = ProgressStyle::with_template(template)
                    .unwrap_or_else(|_| ProgressStyle::default_bar());
                let bar = ProgressBar::new(total).with_style(style);
                bar.set_prefix(stage);
                state.bar = Some(bar);
            } else {
                note(stage);
            }
        }
        if let Some(bar) = &state.bar {
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    pub fn finish(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = state.bar.take() {
            bar.finish();
        }
    }
}
