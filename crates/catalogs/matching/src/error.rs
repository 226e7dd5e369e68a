//! Why a catalogue could not be used.

use elqui_schema::SchemaError;

#[derive(Debug, thiserror::Error, PartialEq, Clone)]
pub enum MatchError {
    #[error(
        "reference catalogue `{table}` has no {what} column (looked for {tried}); it has: {known}"
    )]
    NoColumn { table: String, what: String, tried: String, known: String },
    #[error("reference catalogue cannot be read")]
    Table(#[from] SchemaError),
    #[error("reference catalogue `{table}` has no row with a finite position")]
    Empty { table: String },
}
