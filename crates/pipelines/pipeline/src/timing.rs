//! What each step cost: wall and CPU seconds.
//!
//! The clock itself is handed in by the caller (`fn() -> f64`), so that the steps stay pure and a
//! test can hold time still.

use serde::{Deserialize, Serialize};

/// Cost of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepCost {
    pub step: String,
    pub wall_s: f64,
    pub cpu_s: f64,
}

/// Costs of the steps in their order, and a clock to take them with.
#[derive(Debug, Clone)]
pub struct Timing {
    pub steps: Vec<StepCost>,
    wall: fn() -> f64,
    cpu: fn() -> f64,
}

impl Timing {
    /// - `wall`, `cpu`: seconds since any fixed moment
    pub fn new(wall: fn() -> f64, cpu: fn() -> f64) -> Self {
        Self { steps: Vec::new(), wall, cpu }
    }

    /// A timing that measures nothing.
    pub fn none() -> Self {
        Self::new(|| 0.0, || 0.0)
    }

    /// Run `work` and keep its cost under `step`; repeated names add up.
    pub fn step<T>(&mut self, step: &str, work: impl FnOnce() -> T) -> T {
        let (wall, cpu) = ((self.wall)(), (self.cpu)());
        let out = work();
        let (wall_s, cpu_s) = ((self.wall)() - wall, (self.cpu)() - cpu);
        match self.steps.iter_mut().find(|s| s.step == step) {
            Some(known) => {
                known.wall_s += wall_s;
                known.cpu_s += cpu_s;
            }
            None => self.steps.push(StepCost { step: step.into(), wall_s, cpu_s }),
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_keep_their_order_and_add_up() {
        let mut timing = Timing::none();
        assert_eq!(timing.step("a", || 7), 7);
        timing.step("b", || ());
        timing.step("a", || ());
        let names: Vec<_> = timing.steps.iter().map(|s| s.step.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
