//! Steps: what they read and write, their configuration, and the registry of tasks by name.

mod command;
mod context;
mod info;
mod io;
mod registry;
mod slots;

pub use command::CommandSpec;
pub use context::{Cancel, Context};
pub use info::{Number, Role, SlotInfo, TaskInfo};
pub use io::{Datasets, Finished, InputSlot, Io, Lazy, OutputSlot, Session, Written};
pub use registry::{ConfigError, Runnable, Step, Tasks};
pub use slots::{Each, Give, Inputs, Many, Maybe, One, Outputs, SlotDef, StorageClass, Take};

pub(crate) use command::CommandTask;
pub(crate) use io::Stored;
