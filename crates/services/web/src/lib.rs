//! The web ground: errors, principals and the query engine trait.
