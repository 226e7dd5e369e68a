//! Catalogue views, the k-d tree and positional matching.
