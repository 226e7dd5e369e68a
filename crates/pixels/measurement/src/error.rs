//! What stops a step of this room.

#[derive(Debug, thiserror::Error, PartialEq, Clone)]
pub enum MeasurementError {
    #[error("no star is usable for aperture corrections to `{flux}` ({given} were given)")]
    NoStars { flux: String, given: usize },
    #[error("the flux column `{column}` is unknown")]
    UnknownFlux { column: String },
}
