//! ADQL again: the normal form of a query, with every name in full.

use super::engine::{Engine, Sky};
use crate::types::Type;

#[derive(Debug, Clone, Copy, Default)]
pub struct Adql;

impl Engine for Adql {
    fn name(&self) -> &'static str {
        "ADQL"
    }

    fn folds(&self) -> bool {
        false
    }

    fn hex(&self, value: u64) -> String {
        format!("0x{value:x}")
    }

    fn flag(&self, value: &str) -> String {
        value.to_string()
    }

    fn top(&self, top: Option<u64>) -> String {
        top.map_or(String::new(), |n| format!("TOP {n} "))
    }

    fn limits(&self, _top: Option<u64>, offset: Option<u64>) -> String {
        offset.map_or(String::new(), |n| format!(" OFFSET {n}"))
    }

    fn cross_join(&self) -> &'static str {
        "JOIN"
    }

    fn timestamp(&self, value: &str) -> String {
        format!("TIMESTAMP {}", self.text(value))
    }

    fn cast(&self, value: &str, target: Type, length: Option<u64>) -> Option<String> {
        let length = length.map_or(String::new(), |n| format!("({n})"));
        Some(format!("CAST({value} AS {target}{length})"))
    }

    fn call(&self, name: &str, args: &[String]) -> Option<String> {
        // The third argument of IN_UNIT is the factor that was found.
        let args = if name == "in_unit" { &args[..args.len().min(2)] } else { args };
        let name = if name.contains('_') { name.to_string() } else { name.to_uppercase() };
        Some(format!("{name}({})", args.join(", ")))
    }

    fn sky(&self, _sky: &Sky<'_>) -> Option<String> {
        None
    }
}
