//! Which quantum is next: dependencies, memory, failures.
//!
//! One queue under one lock instead of a deque a thread: what may start depends on the memory of all
//! that runs, which is known in one place only. Every idle thread takes from what any thread made
//! ready, so nobody starves beside a full deque. A lock is held for less than a microsecond a
//! quantum. Later steps go first: they free what earlier ones made, and results come early.

use crate::graph::{Edges, Node, QuantumGraph};
use crate::run::{OnFailure, RunOptions, Status};
use crate::task::Cancel;
use crate::yaml::PipelineStep;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often smaller quanta may pass a larger one that waits for memory.
const PASSED_MAX: u32 = 64;
/// How long a waiting thread sleeps before it looks whether it was cancelled.
const LOOK: Duration = Duration::from_millis(50);

/// How a worker left a quantum.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// Its outputs are written, and the committer has its record.
    Written,
    Failed(Status),
}

struct State {
    /// By task, rows that may start.
    ready: Vec<BinaryHeap<Reverse<u32>>>,
    passed: Vec<u32>,
    /// By number, quanta before it that are not written.
    waiting: Vec<u32>,
    statuses: Vec<Status>,
    memory: u64,
    running: usize,
    /// Nothing new is started.
    stop: bool,
    /// Why the run cannot go on.
    broken: Option<String>,
}

pub(crate) struct Scheduler {
    state: Mutex<State>,
    changed: Condvar,
    successors: Edges,
    /// By task: first number, peak memory.
    firsts: Vec<u32>,
    peaks: Vec<u64>,
    budget: u64,
    on_failure: OnFailure,
    cancel: Cancel,
}

impl Scheduler {
    pub fn new(
        graph: &QuantumGraph,
        steps: &[&PipelineStep],
        options: &RunOptions,
        done: &[bool],
        successors: &Edges,
    ) -> Result<Self, String> {
        let count = graph.len();
        let mut statuses: Vec<Status> =
            done.iter().map(|d| if *d { Status::Existed } else { Status::NotRun }).collect();
        let mut mine = vec![options.part.is_none(); count];
        for number in options.part.iter().flatten() {
            match mine.get_mut(*number as usize) {
                Some(mine) => *mine = true,
                None => return Err(format!("the graph has no quantum {number}")),
            }
        }
        let mut waiting = vec![0; count];
        for number in 0..count {
            // What another job makes is there when this one starts, or reading it fails.
            if !done[number] && mine[number] {
                successors.of(number).iter().for_each(|s| waiting[*s as usize] += 1);
            } else if !mine[number] && !done[number] {
                statuses[number] = Status::Elsewhere;
            }
        }
        let mut ready = vec![BinaryHeap::new(); steps.len()];
        for number in (0..count).filter(|n| statuses[*n] == Status::NotRun && waiting[*n] == 0) {
            if let Some(node) = graph.node(number as u32) {
                ready[node.task].push(Reverse(node.row));
            }
        }
        let firsts = (0..steps.len()).map(|task| graph.number(Node { task, row: 0 })).collect();
        let state = State {
            ready,
            passed: vec![0; steps.len()],
            waiting,
            statuses,
            memory: 0,
            running: 0,
            stop: false,
            broken: None,
        };
        Ok(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            successors: successors.clone(),
            firsts,
            peaks: steps.iter().map(|s| s.peak_memory_bytes()).collect(),
            budget: options.memory_bytes,
            on_failure: options.on_failure,
            cancel: options.cancel.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node(&self, number: u32) -> Node {
        let task = self.firsts.partition_point(|f| *f <= number) - 1;
        Node { task, row: number - self.firsts[task] }
    }

    /// The next quantum, when there is one that fits; `None` when nothing is left to start.
    pub fn take(&self) -> Option<Node> {
        let mut state = self.lock();
        loop {
            if state.stop || self.cancel.is_cancelled() {
                self.changed.notify_all();
                return None;
            }
            if let Some(node) = self.pick(&mut state) {
                state.running += 1;
                state.memory += self.peaks[node.task];
                return Some(node);
            }
            if state.running == 0 {
                self.changed.notify_all();
                return None;
            }
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn pick(&self, state: &mut State) -> Option<Node> {
        let mut passed = Vec::new();
        for task in (0..state.ready.len()).rev() {
            if state.ready[task].is_empty() {
                continue;
            }
            if state.memory.saturating_add(self.peaks[task]) <= self.budget {
                state.passed[task] = 0;
                passed.into_iter().for_each(|t: usize| state.passed[t] += 1);
                return state.ready[task].pop().map(|Reverse(row)| Node { task, row });
            }
            if state.passed[task] >= PASSED_MAX {
                return None;
            }
            passed.push(task);
        }
        None
    }

    /// A quantum that was taken is over.
    pub fn finish(&self, node: Node, number: u32, end: End) {
        let mut state = self.lock();
        state.running -= 1;
        state.memory -= self.peaks[node.task];
        match end {
            End::Written => {
                if state.statuses[number as usize] == Status::NotRun {
                    state.statuses[number as usize] = Status::Written;
                }
                for next in self.successors.of(number as usize) {
                    state.waiting[*next as usize] -= 1;
                    let free = state.waiting[*next as usize] == 0;
                    if free && state.statuses[*next as usize] == Status::NotRun {
                        let node = self.node(*next);
                        state.ready[node.task].push(Reverse(node.row));
                    }
                }
            }
            End::Failed(status) => self.fail(&mut state, number, status),
        }
        drop(state);
        self.changed.notify_all();
    }

    fn fail(&self, state: &mut State, number: u32, status: Status) {
        state.statuses[number as usize] = status;
        let mut open = vec![number];
        while let Some(number) = open.pop() {
            for next in self.successors.of(number as usize) {
                let known = &mut state.statuses[*next as usize];
                if *known == Status::NotRun {
                    *known = Status::Blocked;
                    open.push(*next);
                }
            }
        }
        state.stop |= self.on_failure == OnFailure::Stop && status == Status::Failed;
    }

    /// The committer registered a quantum, or could not.
    pub fn committed(&self, number: u32, good: bool) {
        let mut state = self.lock();
        if good {
            state.statuses[number as usize] = Status::Done;
        } else {
            self.fail(&mut state, number, Status::Failed);
            self.forget_blocked(&mut state);
        }
    }

    /// What waited in a queue and is blocked since must not start.
    fn forget_blocked(&self, state: &mut State) {
        let State { ready, statuses, .. } = state;
        for (task, rows) in ready.iter_mut().enumerate() {
            let first = self.firsts[task];
            rows.retain(|Reverse(row)| statuses[(first + row) as usize] == Status::NotRun);
        }
    }

    /// End the run: something is wrong beyond single quanta.
    pub fn break_off(&self, why: String) {
        let mut state = self.lock();
        state.stop = true;
        state.broken.get_or_insert(why);
        drop(state);
        self.changed.notify_all();
    }

    /// Statuses by number, and why the run broke off.
    pub fn end(self) -> (Vec<Status>, Option<String>) {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        (state.statuses, state.broken)
    }
}
