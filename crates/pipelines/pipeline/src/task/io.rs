//! Between a quantum and the repository: reading its inputs, keeping its outputs.
//!
//! [`Datasets`] opens a [`Session`] for each thread. A session writes bytes without making them
//! visible; `commit` makes whole quanta visible, with their outputs, in one transaction.

use crate::error::StepError;
use crate::task::{SlotInfo, TaskInfo};
use elqui_butler::{Artifact, DataId, Dataset, DatasetType, Quantum};
use elqui_registry::NewDataset;
use std::path::PathBuf;
use std::sync::Arc;

/// Reads one dataset's bytes when it is called.
pub type Lazy = Arc<dyn Fn() -> Result<Vec<u8>, StepError> + Send + Sync>;

/// A repository, as executors see it.
pub trait Datasets: Sync {
    /// One for each thread; what it opens is its own.
    fn session(&self) -> Result<Box<dyn Session>, StepError>;
}

/// One thread's access to the repository.
pub trait Session {
    /// The bytes of a dataset. `artifact` is given for one that this run made: it may not be
    /// registered yet, but its bytes are whole.
    fn read(
        &mut self,
        dataset: &Dataset,
        artifact: Option<&Artifact>,
    ) -> Result<Vec<u8>, StepError>;

    /// As `read`, later and by any thread. A session that cannot do that reads now.
    fn lazy(&mut self, dataset: &Dataset, artifact: Option<&Artifact>) -> Result<Lazy, StepError> {
        let bytes = self.read(dataset, artifact)?;
        Ok(Arc::new(move || Ok(bytes.clone())))
    }

    /// Keep bytes, whole or not at all, where nobody sees them before the commit. A file that is
    /// there already was left by a killed attempt and is replaced. A store of nothing gives no artifact.
    /// - `ending`: of the file's name
    fn write(
        &mut self,
        dataset: &Dataset,
        of: &DatasetType,
        ending: &str,
        bytes: &[u8],
    ) -> Result<Option<Artifact>, StepError>;

    /// A local file with the dataset's bytes, where there is one: commands then need no copy.
    fn local_path(&mut self, _dataset: &Dataset, _made: Option<&Artifact>) -> Option<PathBuf> {
        None
    }

    /// Register quanta and what they made, all in one transaction. One that is known by its id is
    /// passed over.
    fn commit(&mut self, quanta: &[Finished]) -> Result<(), StepError>;

    /// After a commit that was refused: whether somebody else has registered the same outputs with
    /// the same content, so that nothing is lost.
    fn made_elsewhere(&mut self, _quantum: &Finished) -> Result<bool, StepError> {
        Ok(false)
    }

    /// Which of a type's data ids the run holds already, asked once a type when a run is resumed.
    fn existing(&mut self, of: &DatasetType, run: &str) -> Result<Vec<DataId>, StepError>;
}

/// A quantum that is done, with what it made by dataset type.
pub type Finished = (Quantum, Vec<(String, Vec<NewDataset>)>);

/// A dataset as a graph knows it, and its bytes' place if this run made it.
#[derive(Debug, Clone)]
pub struct Stored {
    pub dataset: Dataset,
    pub artifact: Option<Artifact>,
}

/// An input slot with the datasets that the graph found for it.
pub struct InputSlot {
    pub info: SlotInfo,
    pub(crate) datasets: Vec<Stored>,
}

/// An output slot with the dataset that is to be made.
pub struct OutputSlot {
    pub info: SlotInfo,
    pub(crate) dataset: Dataset,
    pub(crate) of: DatasetType,
}

/// What was written.
#[derive(Debug, Clone)]
pub struct Written {
    pub slot: usize,
    pub artifact: Option<Artifact>,
}

/// One quantum's door to its datasets.
pub struct Io<'a> {
    pub(crate) session: &'a mut dyn Session,
    pub(crate) inputs: &'a [InputSlot],
    pub(crate) outputs: &'a [OutputSlot],
    pub(crate) written: Vec<Written>,
}

impl<'a> Io<'a> {
    pub fn new(
        session: &'a mut dyn Session,
        inputs: &'a [InputSlot],
        outputs: &'a [OutputSlot],
    ) -> Self {
        Self { session, inputs, outputs, written: Vec::new() }
    }

    pub fn inputs(&self) -> &'a [InputSlot] {
        self.inputs
    }

    pub fn outputs(&self) -> &'a [OutputSlot] {
        self.outputs
    }

    /// The datasets of a slot: data ids and bytes.
    pub fn read(&mut self, slot: &str) -> Result<Vec<(DataId, Vec<u8>)>, StepError> {
        let Some(found) = self.inputs.iter().find(|s| s.info.name == slot) else {
            return Err(StepError::Failed(format!("the step has no input `{slot}`")));
        };
        let mut all = Vec::with_capacity(found.datasets.len());
        for stored in &found.datasets {
            let bytes = self.session.read(&stored.dataset, stored.artifact.as_ref())?;
            all.push((stored.dataset.name.data_id.clone(), bytes));
        }
        Ok(all)
    }

    /// The datasets of a slot: data ids, and how to read each.
    pub fn lazy(&mut self, slot: &str) -> Result<Vec<(DataId, Lazy)>, StepError> {
        let Some(found) = self.inputs.iter().find(|s| s.info.name == slot) else {
            return Err(StepError::Failed(format!("the step has no input `{slot}`")));
        };
        let mut all = Vec::with_capacity(found.datasets.len());
        for stored in &found.datasets {
            let lazy = self.session.lazy(&stored.dataset, stored.artifact.as_ref())?;
            all.push((stored.dataset.name.data_id.clone(), lazy));
        }
        Ok(all)
    }

    /// Keep the output of a slot.
    pub fn write(&mut self, slot: &str, bytes: &[u8]) -> Result<(), StepError> {
        let Some(index) = self.outputs.iter().position(|s| s.info.name == slot) else {
            return Err(StepError::Failed(format!("the step has no output `{slot}`")));
        };
        if self.written.iter().any(|w| w.slot == index) {
            return Err(StepError::Failed(format!("the output `{slot}` was written twice")));
        }
        let to = &self.outputs[index];
        let artifact = self.session.write(&to.dataset, &to.of, &to.info.extension, bytes)?;
        self.written.push(Written { slot: index, artifact });
        Ok(())
    }

    /// Everything that was promised is there.
    pub(crate) fn finish(self, info: &TaskInfo) -> Result<Vec<Written>, StepError> {
        for (k, slot) in info.outputs.iter().enumerate() {
            let must = slot.number != crate::task::Number::Maybe;
            if must && !self.written.iter().any(|w| w.slot == k) {
                let name = &slot.name;
                return Err(StepError::Failed(format!("the output `{name}` was not written")));
            }
        }
        Ok(self.written)
    }
}
