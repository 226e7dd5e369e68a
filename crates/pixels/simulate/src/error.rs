//! What can be wrong with the description of a survey or a scene.

#[derive(Debug, thiserror::Error, PartialEq, Clone)]
pub enum SimulateError {
    #[error("`{field}` of the simulation is {value}: {why}")]
    BadValue { field: &'static str, value: String, why: &'static str },
    #[error("the simulation has no {what}")]
    Missing { what: &'static str },
    #[error("detector {detector} cannot be simulated: {why}")]
    Detector { detector: u32, why: &'static str },
    #[error("there is no {what} number {index}; there are {count}")]
    OutOfRange { what: &'static str, index: usize, count: usize },
    #[error("the simulated position cannot be mapped")]
    Wcs(#[from] elqui_wcs::WcsError),
    #[error("a truth table cannot be made")]
    Table(#[from] elqui_schema::SchemaError),
}
