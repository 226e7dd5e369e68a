//! Why a light curve could not be had.

#[derive(Debug, thiserror::Error, PartialEq, Clone)]
pub enum AssociationError {
    #[error(
        "no object within {radius_arcsec} arcsec of RA {ra:.6} Dec {dec:.6} among {objects} objects"
    )]
    NoObject { ra: f64, dec: f64, radius_arcsec: f64, objects: usize },
    #[error("the objects were made of {expected} visits, not of the {got} given")]
    OtherVisits { expected: usize, got: usize },
}
