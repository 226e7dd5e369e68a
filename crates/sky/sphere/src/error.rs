//! Why a region or a coverage could not be made.

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SphereError {
    #[error("position ({ra}, {dec}) deg is not on the sky: finite, and Dec within +-90")]
    Position { ra: f64, dec: f64 },
    #[error("{what} of a region is {value} deg: it must be from 0 to {max}")]
    Size { what: &'static str, value: f64, max: f64 },
    #[error("polygon with {vertices} vertices: {why}")]
    Polygon { vertices: usize, why: &'static str },
    #[error("HEALPix order {order} is above 29")]
    Order { order: u8 },
    #[error("MOC text is not readable: {why}")]
    MocText { why: String },
}
