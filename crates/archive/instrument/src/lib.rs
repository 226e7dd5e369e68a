//! Cameras as data: instrument descriptions and header translation.
//!
//! A camera is a YAML file (`docs/instruments.md` shows how to write one); [`Instrument::load`] takes
//! a name or a path, [`Instrument::recognise`] chooses among the built-in ones by a file's header.

mod builtin;
mod describe;
mod error;
mod geometry;
mod instrument;
mod observe;
mod spec;
mod time;

pub use describe::Parity;
pub use error::InstrumentError;
pub use instrument::{CorrectedFacts, Instrument};
pub use observe::Observation;
