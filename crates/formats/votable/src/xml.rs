//! Attributes of an XML element.

use quick_xml::escape::unescape;
use quick_xml::events::BytesStart;

/// The value of an attribute, without its prefix's name space.
pub(crate) fn attribute(e: &BytesStart, key: &str) -> Option<String> {
    let found = e.attributes().flatten().find(|a| a.key.local_name().as_ref() == key)?;
    let raw = found.value.to_string();
    Some(unescape(&raw).map(|t| t.into_owned()).unwrap_or(raw))
}
