//! The local executor: independent pieces of work over the threads of one machine.

use rayon::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Who is told how far the work is. Called from the worker threads.
pub trait Progress: Sync {
    fn started(&self, label: &str);
    fn finished(&self, label: &str, ok: bool);
}

impl Progress for () {
    fn started(&self, _label: &str) {}
    fn finished(&self, _label: &str, _ok: bool) {}
}

/// What became of one piece.
#[derive(Debug)]
pub enum Outcome<T, E> {
    Done(T),
    Failed(E),
    /// The piece panicked: a bug, but the others still ran.
    Panicked(String),
}

/// Run `work` on every item; results come back in the order of the items, whatever ran first. One
/// item's failure does not stop the others. `limit` bounds how many run at once (their memory).
pub fn run_all<I: Sync, T: Send, E: Send>(
    items: &[I],
    limit: usize,
    label: impl Fn(&I) -> String + Sync,
    progress: &dyn Progress,
    work: impl Fn(&I) -> Result<T, E> + Sync,
) -> Vec<Outcome<T, E>> {
    let one = |item: &I| {
        let name = label(item);
        progress.started(&name);
        let outcome = match catch_unwind(AssertUnwindSafe(|| work(item))) {
            Ok(Ok(value)) => Outcome::Done(value),
            Ok(Err(error)) => Outcome::Failed(error),
            Err(panic) => Outcome::Panicked(panic_text(panic.as_ref())),
        };
        progress.finished(&name, matches!(outcome, Outcome::Done(_)));
        outcome
    };
    let mut out = Vec::with_capacity(items.len());
    for chunk in items.chunks(limit.max(1)) {
        out.extend(chunk.par_iter().map(one).collect::<Vec<_>>());
    }
    out
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_string())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_does_not_stop_the_others() {
        let out = run_all(
            &[1, 2, 3, 4, 5],
            2,
            |i| i.to_string(),
            &(),
            |&i| match i {
                2 => Err("two"),
                4 => panic!("four"),
                _ => Ok(i * 10),
            },
        );
        assert!(matches!(out[0], Outcome::Done(10)));
        assert!(matches!(out[1], Outcome::Failed("two")));
        assert!(matches!(&out[3], Outcome::Panicked(text) if text == "four"));
        assert!(matches!(out[4], Outcome::Done(50)));
    }
}
