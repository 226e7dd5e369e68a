//! Why an image could not be placed on the sky.

#[derive(Debug, thiserror::Error, PartialEq, Clone)]
pub enum AstrometryError {
    #[error("cannot place the image: neither a WCS nor a position (ra, dec) to start from")]
    NoPosition,
    #[error("cannot place the image: its pixel scale is not known (arcsec/pixel)")]
    NoScale,
    #[error("cannot place the image: {count} usable detections, at least {needed} are needed")]
    FewDetections { count: usize, needed: usize },
    #[error(
        "cannot place the image: {count} reference stars within {radius_deg:.3} deg of RA {ra:.4} Dec {dec:.4}, at least {needed} are needed"
    )]
    FewReferences { count: usize, needed: usize, ra: f64, dec: f64, radius_deg: f64 },
    #[error(
        "cannot place the image: no pattern of its {detections} detections fits the {references} reference stars within {radius_deg:.3} deg of RA {ra:.4} Dec {dec:.4} better than chance (best: {matches} matches, ln odds {ln_odds:.1})"
    )]
    NoMatch {
        detections: usize,
        references: usize,
        ra: f64,
        dec: f64,
        radius_deg: f64,
        matches: usize,
        ln_odds: f64,
    },
    #[error("the fit of the image's place failed: {reason}")]
    Fit { reason: String },
}
