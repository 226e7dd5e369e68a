//! Steps, what they cost, and the local executor that runs independent pieces of work.

mod executor;
mod timing;

pub use executor::{Outcome, Progress, run_all};
pub use timing::{StepCost, Timing};
