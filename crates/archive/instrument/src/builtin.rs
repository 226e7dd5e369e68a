//! The descriptions that come with the program.

/// Name and text, in the order in which they are tried.
pub const BUILTIN: &[(&str, &str)] = &[
    ("simcam", include_str!("../../../../instruments/simcam.yaml")),
    ("sdss_fpc", include_str!("../../../../instruments/sdss_fpc.yaml")),
    ("microobservatory", include_str!("../../../../instruments/microobservatory.yaml")),
    ("isis", include_str!("../../../../instruments/isis.yaml")),
    ("alfosc", include_str!("../../../../instruments/alfosc.yaml")),
    ("lsstcam", include_str!("../../../../instruments/lsstcam.yaml")),
    ("generic", include_str!("../../../../instruments/generic.yaml")),
];

pub fn names() -> Vec<&'static str> {
    BUILTIN.iter().map(|(name, _)| *name).collect()
}
