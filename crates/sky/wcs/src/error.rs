//! Why a world coordinate system could not be made.

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WcsError {
    #[error("the header has no `{key}`: it holds no usable world coordinates")]
    MissingKeyword { key: String },
    #[error("`{key}` = {value} is not usable: {why}")]
    BadValue { key: String, value: String, why: &'static str },
    #[error("projection of CTYPE `{ctype}` is not known (TAN SIN ZEA ARC STG CAR AIT MOL HPX TPV)")]
    UnknownProjection { ctype: String },
    #[error("CTYPE `{ctype1}` and `{ctype2}` are not a longitude and a latitude of one projection")]
    MismatchedAxes { ctype1: String, ctype2: String },
    #[error("the matrix from pixels to degrees is singular: {matrix:?}")]
    SingularMatrix { matrix: [[f64; 2]; 2] },
    #[error("celestial frame `{frame}` is not supported; convert the header to ICRS or FK5")]
    UnsupportedFrame { frame: String },
    #[error("no native pole fits CRVAL2 = {crval2} with LONPOLE = {lonpole}")]
    NoPole { crval2: f64, lonpole: f64 },
    #[error("distortion polynomial: {why}")]
    Polynomial { why: &'static str },
}
