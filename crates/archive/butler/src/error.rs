//! What can go wrong between a dataset's name and its bytes.

use elqui_codec::CodecError;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum ButlerError {
    #[error("there is no dataset `{dataset}` in `{}`", root.display())]
    Missing { dataset: String, root: PathBuf },
    #[error("`{dataset}` cannot be stored: its template `{template}` needs `{key}` in the data id")]
    TemplateKey { dataset: String, template: String, key: String },
    #[error(
        "`{text}` cannot be part of a dataset's name: use letters, digits, `.`, `-`, `_` and `+`"
    )]
    BadName { text: String },
    #[error("the template `{template}` is not usable: {why}")]
    BadTemplate { template: String, why: &'static str },
    #[error("`{a}` and `{b}` would be the same file `{}`", path.display())]
    Collision { a: String, b: String, path: PathBuf },
    #[error("`{}` is not a dataset's index: {why}", path.display())]
    BadIndex { path: PathBuf, why: String },
    #[error(transparent)]
    Codec(#[from] CodecError),
}
