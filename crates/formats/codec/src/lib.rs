//! The Formatter trait: a typed dataset to bytes and back, and atomic files.
