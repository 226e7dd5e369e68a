//! What the registry refuses: one quantum fails, with what was made of it, and nothing else.

mod common;

use common::*;
use elqui_butler::{Artifact, DataId, Dataset, DatasetType};
use elqui_pipeline::{Datasets, Finished, RunOptions, Session, Status, StepError, run_graph};
use elqui_registry::DatasetQuery;

fn options(threads: usize) -> RunOptions {
    RunOptions { threads, ..RunOptions::default() }
}

/// A store whose registry refuses one visit's images.
struct Refusing(Store);
struct RefusingSession(Box<dyn Session>);

impl Datasets for Refusing {
    fn session(&self) -> Result<Box<dyn Session>, StepError> {
        Ok(Box::new(RefusingSession(self.0.session()?)))
    }
}

impl Session for RefusingSession {
    fn read(&mut self, d: &Dataset, made: Option<&Artifact>) -> Result<Vec<u8>, StepError> {
        self.0.read(d, made)
    }
    fn write(
        &mut self,
        d: &Dataset,
        of: &DatasetType,
        ending: &str,
        bytes: &[u8],
    ) -> Result<Option<Artifact>, StepError> {
        self.0.write(d, of, ending, bytes)
    }
    fn commit(&mut self, quanta: &[Finished]) -> Result<(), StepError> {
        let bad = id(2, 1);
        let refused = |(q, _): &Finished| {
            q.step == "clean" && q.data_id.only(&["instrument", "visit", "detector"]) == bad
        };
        match quanta.iter().any(refused) {
            true => Err(StepError::Failed("the disk is full".into())),
            false => self.0.commit(quanta),
        }
    }
    fn existing(&mut self, of: &DatasetType, run: &str) -> Result<Vec<DataId>, StepError> {
        self.0.existing(of, run)
    }
}

#[test]
fn what_cannot_be_registered_takes_only_what_was_made_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 6, 3);
    let (p, g) = graph(&store, TWO_STEPS, "");
    let refusing = Refusing(store);
    let report = run_graph(&g, &p, &refusing, &options(3), &(), None).unwrap();
    let count = |s| report.count(s);
    assert_eq!(count(Status::Done), 22);
    assert_eq!(count(Status::Failed) + count(Status::Blocked), 2);
    assert!(report.failures.iter().any(|(_, why)| why.contains("the disk is full")));
    let mut r = refusing.0.registry();
    let sums = r.datasets(&DatasetQuery::new("visit_sum", &[RUN], "")).unwrap();
    assert_eq!(sums.len(), 5, "what was made of it is not there");
    // The cause is gone: the rest is done.
    let report = run_graph(&g, &p, &refusing.0, &options(3), &(), None).unwrap();
    assert_eq!((report.count(Status::Existed), report.count(Status::Done)), (22, 2));
    // A repository that cannot be opened ends the run.
    let gone = Store { dir: dir.path().join("gone") };
    let e = run_graph(&g, &p, &gone, &options(3), &(), None).unwrap_err().to_string();
    assert!(e.contains("gone"), "{e}");
}
