//! The one writer to the registry: quanta in the order in which they ended, many a transaction.

use crate::graph::Node;
use crate::run::scheduler::Scheduler;
use crate::run::work::Work;
use crate::run::{Status, Watch};
use crate::task::{Datasets, Finished, Session};
use std::collections::HashSet;
use std::sync::mpsc::Receiver;

/// Quanta a transaction at most: with more of them nothing gets faster, and a kill repeats them all.
const BATCH_MAX: usize = 250;

/// A quantum whose outputs are written.
pub(crate) struct Record {
    pub node: Node,
    pub number: u32,
    pub finished: Finished,
}

pub(crate) fn run(
    records: Receiver<Record>,
    datasets: &dyn Datasets,
    scheduler: &Scheduler,
    work: &Work<'_>,
    watch: &dyn Watch,
) {
    let mut session = match datasets.session() {
        Ok(session) => session,
        Err(e) => {
            scheduler.break_off(format!("the repository cannot be opened: {e}"));
            return;
        }
    };
    // Quanta that could not be registered; nothing that read their outputs may be.
    let mut lost: HashSet<u32> = HashSet::new();
    while let Ok(first) = records.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX {
            let Ok(next) = records.try_recv() else { break };
            batch.push(next);
        }
        let (nodes, finished): (Vec<(Node, u32)>, Vec<Finished>) =
            batch.into_iter().map(|r| ((r.node, r.number), r.finished)).unzip();
        let upstream_lost = |node: Node, lost: &HashSet<u32>| {
            !lost.is_empty() && work.makers(node).iter().any(|m| lost.contains(m))
        };
        let whole = lost.is_empty() && session.commit(&finished).is_ok();
        for (k, (node, number)) in nodes.into_iter().enumerate() {
            let result = if whole {
                Ok(())
            } else if upstream_lost(node, &lost) {
                Err("what it read could not be registered".to_string())
            } else {
                one(session.as_mut(), &finished[k..=k])
            };
            let status = if result.is_ok() { Status::Done } else { Status::Failed };
            if let Err(why) = result {
                lost.insert(number);
                work.refused(number, why);
            } else {
                work.forget(node);
            }
            scheduler.committed(number, status == Status::Done);
            watch.finished(number, &work.steps[node.task].label, status);
        }
    }
}

/// Alone, so that one refused quantum does not take others with it. One that another process was quicker with is
/// done all the same.
fn one(session: &mut dyn Session, finished: &[Finished]) -> Result<(), String> {
    let Err(why) = session.commit(finished) else { return Ok(()) };
    let elsewhere = finished.iter().all(|q| session.made_elsewhere(q).unwrap_or(false));
    if elsewhere { Ok(()) } else { Err(format!("its outputs could not be registered: {why}")) }
}
