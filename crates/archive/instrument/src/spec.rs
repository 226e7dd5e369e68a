//! How one fact is found in a header.

use elqui_image::{Header, Value};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A number as it is, or the name of the card that holds it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "a number or the name of a card")]
pub enum Number {
    Fixed(f64),
    Card(String),
}

impl Number {
    /// NaN when the card is not there.
    pub fn get(&self, header: &Header) -> f64 {
        match self {
            Self::Fixed(v) => *v,
            Self::Card(card) => header.number(card).unwrap_or(f64::NAN),
        }
    }
}

/// One name or several.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "the name of a card or a list of names")]
pub enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

/// A plain value.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "a number or a text")]
pub enum Scalar {
    Number(f64),
    Text(String),
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Self::Number(v) => v.to_string(),
            Self::Text(t) => t.clone(),
        }
    }
    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(v) => Some(*v),
            Self::Text(t) => t.trim().parse().ok(),
        }
    }
}

/// How a card's text is read as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    #[default]
    Number,
    Degrees,
    /// Hours, decimal or sexagesimal; gives degrees.
    Hours,
    /// Sexagesimal hours when the text has colons or blanks inside, degrees otherwise.
    HoursOrDegrees,
    /// Sexagesimal degrees when the text has colons or blanks inside, degrees otherwise.
    SexagesimalDegrees,
}

/// A term of a sum.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    pub card: String,
    #[serde(default = "one")]
    pub times: f64,
    #[serde(default)]
    pub map: BTreeMap<String, f64>,
}

fn one() -> f64 {
    1.0
}

/// One fact: `card` (the first of several that is there), or the `join` of several with blanks
/// between, looked up in `map` when there is one; or a `sum` of numbers; or a fixed `value`.
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    pub card: Option<OneOrMany>,
    pub join: Option<Vec<String>>,
    pub sum: Option<Vec<Term>>,
    pub value: Option<Scalar>,
    /// Text of the cards -> what it means. A text without an entry is taken as it is.
    pub map: BTreeMap<String, Scalar>,
    /// When nothing is found.
    pub default: Option<Scalar>,
    pub form: Form,
    /// Numbers are multiplied by this.
    pub times: Option<f64>,
    /// `time`: whole seconds of the exposure's middle since 2000-01-01 (for visits without a number).
    pub from: Option<From>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    Time,
}

/// Card names of a spec, for error texts.
pub fn cards_of(spec: &Spec) -> String {
    let mut names: Vec<&str> = Vec::new();
    names.extend(spec.card.iter().flat_map(|c| c.names()).map(String::as_str));
    names.extend(spec.join.iter().flatten().map(String::as_str));
    names.extend(spec.sum.iter().flatten().map(|t| t.card.as_str()));
    names.join("`, `")
}

impl Spec {
    /// The fact as text; `None` when no card has it.
    pub fn text(&self, header: &Header) -> Option<String> {
        let found = self.raw(header);
        let mapped = found.as_ref().and_then(|t| self.mapped(t)).map(Scalar::text);
        mapped.or(found).or_else(|| self.default.as_ref().map(Scalar::text))
    }

    /// The fact as a number; `None` when no card has it, `Err(text)` when it is no number.
    pub fn number(&self, header: &Header) -> Result<Option<f64>, String> {
        let times = self.times.unwrap_or(1.0);
        if let Some(terms) = &self.sum {
            let mut sum = 0.0;
            for term in terms {
                let Some(text) = header.text(&term.card) else {
                    return Ok(self.default.as_ref().and_then(Scalar::number));
                };
                let value = term.map.get(&text).copied().or_else(|| text.parse().ok());
                sum += term.times * value.ok_or(text)?;
            }
            return Ok(Some(times * sum));
        }
        let default = self.default.as_ref().and_then(Scalar::number);
        let Some(text) = self.raw(header) else { return Ok(default) };
        if let Some(mapped) = self.mapped(&text) {
            return mapped.number().map(|v| Some(times * v)).ok_or(text);
        }
        if !self.map.is_empty() && default.is_some() {
            return Ok(default);
        }
        match read_number(&text, self.form) {
            Some(v) => Ok(Some(times * v)),
            None => Err(text),
        }
    }

    fn raw(&self, header: &Header) -> Option<String> {
        if let Some(value) = &self.value {
            return Some(value.text());
        }
        let said = |card: &str| match header.get(card) {
            None | Some(Value::Undefined) => None,
            Some(Value::Float(v)) => Some(format!("{v:?}")).filter(|_| v.is_finite()),
            _ => header.text(card).filter(|t| !t.is_empty()),
        };
        if let Some(cards) = &self.join {
            let parts: Option<Vec<String>> = cards.iter().map(|c| said(c)).collect();
            return parts.map(|p| p.join(" "));
        }
        self.card.as_ref()?.names().iter().find_map(|c| said(c))
    }

    fn mapped(&self, text: &str) -> Option<&Scalar> {
        self.map
            .get(text)
            .or_else(|| self.map.iter().find(|(k, _)| k.eq_ignore_ascii_case(text)).map(|(_, v)| v))
    }
}

/// A number as [`Form`] says; colons and blanks separate sexagesimal parts.
pub fn read_number(text: &str, form: Form) -> Option<f64> {
    let text = text.trim();
    let parts: Vec<&str> =
        text.split([':', ' ', 'h', 'd', 'm', 's']).filter(|p| !p.is_empty()).collect();
    let sexagesimal = parts.len() > 1;
    let value = if sexagesimal {
        if form == Form::Number || parts.len() > 3 {
            return None;
        }
        let numbers: Option<Vec<f64>> = parts.iter().map(|p| p.parse().ok()).collect();
        let numbers = numbers?;
        let minor: f64 = numbers[1..].iter().zip([60.0, 3600.0]).map(|(v, d)| v / d).sum();
        if numbers[1..].iter().any(|v| !(0.0..=60.0).contains(v)) {
            return None;
        }
        if text.starts_with('-') { numbers[0] - minor } else { numbers[0] + minor }
    } else {
        text.parse().ok()?
    };
    let hours = form == Form::Hours || (form == Form::HoursOrDegrees && sexagesimal);
    Some(if hours { 15.0 * value } else { value }).filter(|v| v.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sexagesimal_numbers() {
        let near = |text: &str, form, truth: f64| {
            let got = read_number(text, form).unwrap();
            assert!((got - truth).abs() < 1e-9, "{text}: {got}");
        };
        near("22:58:00.030", Form::HoursOrDegrees, 344.500_125);
        near("-00:06:33.19", Form::SexagesimalDegrees, -0.109_219_444_444);
        near("+00 05 00", Form::SexagesimalDegrees, 1.0 / 12.0);
        near("13.35", Form::Hours, 200.25);
        near("200.25", Form::HoursOrDegrees, 200.25);
        for (bad, form) in [("", Form::Number), ("1:2", Form::Number), ("a:b", Form::Hours)] {
            assert_eq!(read_number(bad, form), None);
        }
        assert_eq!(read_number("12:61:00", Form::Hours), None);
    }

    #[test]
    fn maps_joins_and_sums() {
        let mut header = Header::default();
        header.set("RUN", Value::Int(4192), "");
        header.set("FILTER", Value::Str("g".into()), "");
        let sum: Spec =
            serde_yaml_ng::from_str("sum: [{card: RUN, times: 10}, {card: FILTER, map: {g: 1}}]")
                .unwrap();
        assert_eq!(sum.number(&header), Ok(Some(41_921.0)));
        let join: Spec =
            serde_yaml_ng::from_str("{join: [RUN, FILTER], map: {4192 g: 3.9}, default: 1}")
                .unwrap();
        assert_eq!(join.number(&header), Ok(Some(3.9)));
        header.set("RUN", Value::Int(1), "");
        assert_eq!(join.number(&header), Ok(Some(1.0)));
        let many: Spec = serde_yaml_ng::from_str("card: [NOPE, FILTER]").unwrap();
        assert_eq!(many.text(&header).as_deref(), Some("g"));
    }
}
