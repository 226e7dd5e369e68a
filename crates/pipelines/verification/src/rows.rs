//! A row of the table: a number, its bar, and whether it holds.

use crate::stats::Interval;
use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Yes,
    No,
    /// There is nothing to judge it by, or nothing was measured where nothing is asked.
    #[serde(rename = "-")]
    None,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// A short name for programs.
    pub key: String,
    pub quantity: String,
    /// NaN (null) when it could not be measured: then the bar is not met.
    pub value: f64,
    pub half_95: f64,
    pub measured: String,
    pub bar: String,
    pub ok: Verdict,
    /// The 95% interval of the value reaches over the bar: more seeds tell.
    pub unsure: bool,
}

fn shown(v: Interval, digits: usize) -> String {
    match (v.value.is_finite(), v.half_95.is_finite() && v.half_95 > 0.0) {
        (false, _) => "not measured".into(),
        (true, true) => format!("{:.digits$} ± {:.digits$}", v.value, v.half_95),
        (true, false) => format!("{:.digits$}", v.value),
    }
}

impl Row {
    fn new(key: &str, quantity: &str, v: Interval, digits: usize, bar: String) -> Self {
        Self {
            key: key.into(),
            quantity: quantity.into(),
            value: v.value,
            half_95: v.half_95,
            measured: shown(v, digits),
            bar,
            ok: Verdict::None,
            unsure: false,
        }
    }

    /// A number that is only told.
    pub fn told(key: &str, quantity: &str, v: Interval, digits: usize) -> Self {
        Self::new(key, quantity, v, digits, String::new())
    }

    /// The number itself has to lie in `low..=high`.
    pub fn within(
        key: &str,
        quantity: &str,
        v: Interval,
        digits: usize,
        [low, high]: [f64; 2],
        bar: &str,
    ) -> Self {
        let mut row = Self::new(key, quantity, v, digits, bar.into());
        let inside = |x: f64| (low..=high).contains(&x);
        row.ok = if inside(v.value) { Verdict::Yes } else { Verdict::No };
        let half = if v.half_95.is_finite() { v.half_95 } else { 0.0 };
        row.unsure = [low, high].iter().any(|edge| (v.value - edge).abs() < half);
        row
    }

    pub fn at_most(key: &str, quantity: &str, v: Interval, digits: usize, bar: f64) -> Self {
        let text = format!("<= {bar:.digits$}");
        Self::within(key, quantity, v, digits, [f64::NEG_INFINITY, bar], &text)
    }

    /// The whole 95% interval has to lie within +- `bar`.
    pub fn interval(key: &str, quantity: &str, v: Interval, digits: usize, bar: f64) -> Self {
        let mut row = Self::new(key, quantity, v, digits, format!("95% within ± {bar:.digits$}"));
        let holds = v.value.abs() + v.half_95 <= bar;
        row.ok = if holds { Verdict::Yes } else { Verdict::No };
        // Not shown to hold, but not shown to fail either.
        row.unsure = !holds && v.value.abs() - v.half_95 <= bar;
        row
    }

    /// Fail whatever the number says, for this reason.
    pub fn spoilt(mut self, reason: &str) -> Self {
        self.measured = format!("{} ({reason})", self.measured);
        self.ok = Verdict::No;
        self.unsure = false;
        self
    }

    /// More words behind the number.
    pub fn noted(mut self, words: &str) -> Self {
        self.measured = format!("{} ({words})", self.measured);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_that_was_not_measured() {
        let nan = Interval { value: f64::NAN, half_95: f64::NAN };
        assert_eq!(Row::at_most("a", "a", nan, 2, 1.0).ok, Verdict::No);
        assert_eq!(Row::interval("a", "a", nan, 2, 1.0).ok, Verdict::No);
        assert_eq!(Row::within("a", "a", nan, 2, [0.0, 1.0], "").ok, Verdict::No);
        assert_eq!(Row::told("a", "a", nan, 2).ok, Verdict::None);
    }

    #[test]
    fn intervals_decide() {
        let v = |value, half_95| Interval { value, half_95 };
        let row = Row::at_most("a", "a", v(0.9, 0.2), 2, 1.0);
        assert!(row.ok == Verdict::Yes && row.unsure);
        assert!(!Row::at_most("a", "a", v(0.9, 0.05), 2, 1.0).unsure);
        assert!(Row::within("a", "a", v(1.2, 0.5), 2, [0.9, 1.1], "").unsure);
        let row = Row::interval("a", "a", v(0.9, 0.2), 2, 1.0);
        assert!(row.ok == Verdict::No && row.unsure);
        let row = Row::interval("a", "a", v(-1.5, 0.2), 2, 1.0);
        assert!(row.ok == Verdict::No && !row.unsure);
    }
}
