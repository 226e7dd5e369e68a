//! How far a run is: a bar with the time that is left on a terminal, plain lines elsewhere.

use crate::outputs::note;
use elqui_pipeline::{Status, Watch};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Between two plain lines.
const PAUSE: Duration = Duration::from_secs(5);

pub struct RunBar {
    bar: Option<ProgressBar>,
    all: AtomicUsize,
    ended: AtomicUsize,
    failed: AtomicUsize,
    said: Mutex<Instant>,
}

impl RunBar {
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(
                "{prefix:<10} {bar:32.cyan/blue} {pos:>5}/{len:<5} {elapsed_precise} left {eta:<5} {msg}",
            )
            .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(0).with_style(style);
            bar.set_prefix("running");
            bar
        });
        Self {
            bar,
            all: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            said: Mutex::new(Instant::now()),
        }
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message("");
            bar.finish();
        }
    }

    fn say(&self, label: &str) {
        let (ended, all) = (self.ended.load(Ordering::Relaxed), self.all.load(Ordering::Relaxed));
        let failed = self.failed.load(Ordering::Relaxed);
        let bad = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        match &self.bar {
            Some(bar) => {
                bar.set_position(ended as u64);
                bar.set_message(format!("{label}{bad}"));
            }
            None => {
                let Ok(mut said) = self.said.lock() else { return };
                if said.elapsed() >= PAUSE || ended == all {
                    *said = Instant::now();
                    note(&format!("running: {ended} of {all}{bad}"));
                }
            }
        }
    }
}

impl Watch for RunBar {
    fn begin(&self, quanta: usize, existed: usize) {
        self.all.store(quanta, Ordering::Relaxed);
        self.ended.store(existed, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_length(quanta as u64);
            bar.set_position(existed as u64);
            // What was there before says nothing of how long the rest takes.
            bar.reset_eta();
        } else {
            note(&format!("running: {quanta} quanta, {existed} are done already"));
        }
    }

    fn finished(&self, _number: u32, label: &str, status: Status) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        if status == Status::Failed {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        self.say(label);
    }
}
