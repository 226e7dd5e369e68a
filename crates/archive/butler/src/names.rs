//! Names that are safe in paths, in SQL and in expressions.

use crate::error::ButlerError;

/// Longer names than this are refused; paths are made of several.
const NAME_LENGTH_MAX: usize = 128;

/// A letter, then letters, digits and `_`, all ASCII.
pub fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    text.len() <= NAME_LENGTH_MAX
        && chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A dataset type's name.
pub fn check_dataset_type_name(text: &str) -> Result<(), ButlerError> {
    if is_identifier(text) {
        return Ok(());
    }
    Err(ButlerError::BadDatasetTypeName { text: text.to_string() })
}

/// A collection's name: parts of letters, digits, `.`, `-`, `_`, `+` with `/` between them.
pub fn check_collection_name(text: &str) -> Result<(), ButlerError> {
    let good = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c))
    };
    if text.len() <= 2 * NAME_LENGTH_MAX && text.split('/').all(good) {
        return Ok(());
    }
    Err(ButlerError::BadCollectionName { text: text.to_string() })
}
