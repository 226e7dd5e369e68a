//! A header: cards in order, found by keyword.

use elqui_wcs::CardLookup;
use serde::{Deserialize, Serialize};

/// Value of a card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    Str(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// A keyword without a value, or one that could not be read.
    Undefined,
}

/// Keyword, value, comment. COMMENT and HISTORY keep their text in `comment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    pub key: String,
    pub value: Value,
    pub comment: String,
}

/// Cards in the order of the file. The first of several equal keywords counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Header {
    pub cards: Vec<Card>,
}

impl Header {
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.cards.iter().find(|c| c.key.eq_ignore_ascii_case(key)).map(|c| &c.value)
    }

    /// A number; text that holds one counts too (many observatories quote their numbers).
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Value::Int(v) => Some(*v as f64),
            Value::Float(v) => Some(*v),
            Value::Str(s) => s.trim().parse().ok(),
            Value::Bool(_) | Value::Undefined => None,
        }
    }

    /// The value as text, trimmed.
    pub fn text(&self, key: &str) -> Option<String> {
        match self.get(key)? {
            Value::Str(s) => Some(s.trim().to_string()),
            Value::Int(v) => Some(v.to_string()),
            Value::Float(v) => Some(v.to_string()),
            Value::Bool(v) => Some(if *v { "T" } else { "F" }.to_string()),
            Value::Undefined => None,
        }
    }

    /// Replace the first card of this keyword, or append one.
    pub fn set(&mut self, key: &str, value: Value, comment: &str) {
        let card = Card { key: key.to_ascii_uppercase(), value, comment: comment.to_string() };
        match self.cards.iter_mut().find(|c| c.key.eq_ignore_ascii_case(key)) {
            Some(found) => *found = card,
            None => self.cards.push(card),
        }
    }

    pub fn remove(&mut self, key: &str) {
        self.cards.retain(|c| !c.key.eq_ignore_ascii_case(key));
    }
}

impl CardLookup for Header {
    fn number(&self, key: &str) -> Option<f64> {
        Header::number(self, key)
    }
    fn text(&self, key: &str) -> Option<String> {
        Header::text(self, key)
    }
}
