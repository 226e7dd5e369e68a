//! Header cards as this crate sees them: a lookup to read from, and values to write.

/// Value of a card to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum CardValue {
    Str(String),
    Int(i64),
    Float(f64),
    Bool(bool),
}

/// Something that answers with a card's value by keyword.
pub trait CardLookup {
    fn number(&self, key: &str) -> Option<f64>;
    fn text(&self, key: &str) -> Option<String>;
}

/// What [`crate::Wcs::to_cards`] writes can be read again as it is.
impl CardLookup for Vec<(String, CardValue)> {
    fn number(&self, key: &str) -> Option<f64> {
        match &self.iter().find(|(k, _)| k == key)?.1 {
            CardValue::Float(v) => Some(*v),
            CardValue::Int(v) => Some(*v as f64),
            CardValue::Str(s) => s.trim().parse().ok(),
            CardValue::Bool(_) => None,
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        match &self.iter().find(|(k, _)| k == key)?.1 {
            CardValue::Str(s) => Some(s.trim().to_string()),
            CardValue::Int(v) => Some(v.to_string()),
            CardValue::Float(v) => Some(v.to_string()),
            CardValue::Bool(v) => Some(if *v { "T" } else { "F" }.to_string()),
        }
    }
}
