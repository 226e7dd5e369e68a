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

/// Whether a header's keyword belongs to the celestial coordinates that [`crate::Wcs::to_cards`]
/// writes anew, in any of the ways to write them. Whoever puts a new map into an old header
/// takes these out first, or leftovers would distort it.
pub fn is_wcs_keyword(key: &str) -> bool {
    let digits = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    let pair = |rest: &str| rest.split_once('_').is_some_and(|(i, j)| digits(i) && digits(j));
    let axis = |name: &str| key.strip_prefix(name).is_some_and(|i| i == "1" || i == "2");
    let sip = |name: &str| {
        key.strip_prefix(name).is_some_and(|rest| pair(rest) || rest == "ORDER" || rest == "DMAX")
    };
    matches!(key, "WCSAXES" | "LONPOLE" | "LATPOLE" | "RADESYS" | "RADECSYS" | "EQUINOX" | "EPOCH")
        || ["CTYPE", "CUNIT", "CRVAL", "CRPIX", "CDELT", "CROTA"].into_iter().any(axis)
        || ["CD", "PC", "PV"].into_iter().any(|name| key.strip_prefix(name).is_some_and(pair))
        || ["A_", "B_", "AP_", "BP_"].into_iter().any(sip)
}
