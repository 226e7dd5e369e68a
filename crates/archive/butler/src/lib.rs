//! The butler: dataset types, data ids, and a folder store.
