//! The web ground: errors, principals and the query engine trait.
//!
//! Services know who asks (`Principal`), answer failures as one line of JSON (`WebError`), and
//! reach the catalogues through `QueryEngine`, which the app wires to the sky database.

mod engine;
mod error;
mod principal;
mod server;
mod tables;

pub use engine::{Answer, BoxFuture, EngineFn, Limits, QueryEngine, QueryFailure, TableFacts};
pub use error::WebError;
pub use principal::Principal;
pub use server::{serve, with_fallbacks};
pub use tables::{column_type, columns_json, rows_json};
