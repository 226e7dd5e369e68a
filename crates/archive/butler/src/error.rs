//! What can go wrong between a dataset's name and its bytes.

use elqui_codec::CodecError;

#[derive(Debug, thiserror::Error)]
pub enum ButlerError {
    #[error("`{dataset}` cannot be stored: its template `{template}` needs `{key}` in the data id")]
    TemplateKey { dataset: String, template: String, key: String },
    #[error(
        "`{text}` cannot be part of a dataset's name: use letters, digits, `.`, `-`, `_` and `+`"
    )]
    BadName { text: String },
    #[error(
        "`{text}` cannot name a dataset type: use a letter, then letters, digits and `_`, at most 128"
    )]
    BadDatasetTypeName { text: String },
    #[error(
        "`{text}` cannot name a collection: use letters, digits, `.`, `-`, `_`, `+`, with `/` between parts"
    )]
    BadCollectionName { text: String },
    #[error("`{text}` is not a dataset's id: it is a UUID of 32 hexadecimal digits")]
    BadDatasetId { text: String },
    #[error("the template `{template}` is not usable: {why}")]
    BadTemplate { template: String, why: &'static str },
    #[error("the dimensions are not usable: {why}")]
    BadUniverse { why: String },
    #[error("there is no dimension `{name}`; there are {known}")]
    UnknownDimension { name: String, known: String },
    #[error("`{what}` needs `{dimension}`, which the data id {data_id} lacks")]
    DataIdLacks { what: String, data_id: String, dimension: String },
    #[error("the timespan {timespan} is empty: its end must be after its beginning")]
    EmptyTimespan { timespan: String },
    #[error(transparent)]
    Expression(#[from] crate::expression::ExpressionError),
    #[error(transparent)]
    Store(#[from] crate::datastore::StoreError),
    #[error(transparent)]
    Codec(#[from] CodecError),
}
