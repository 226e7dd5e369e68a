//! What can be wrong with a camera's description, or with a header in its light.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum InstrumentError {
    #[error(
        "there is no instrument `{name}`: give the path of a YAML file or one of {}", known.join(", ")
    )]
    Unknown { name: String, known: Vec<&'static str> },
    #[error("cannot read the instrument description `{}`: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("instrument description `{file}`: {reason}")]
    Description { file: String, reason: String },
    #[error("{instrument}: the header has no `{card}`, which gives {what}")]
    MissingCard { instrument: String, card: String, what: &'static str },
    #[error("{instrument}: `{card}` = `{value}` is not {what}")]
    BadCard { instrument: String, card: String, value: String, what: &'static str },
    #[error("{instrument}: the camera has no detector `{detector}`")]
    NoDetector { instrument: String, detector: String },
    #[error("{instrument}: {section} of amplifier `{amplifier}` is not usable: {why}")]
    Section { instrument: String, amplifier: String, section: &'static str, why: String },
}
