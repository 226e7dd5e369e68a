//! Why an image could not be placed on the sky.

#[derive(Debug, thiserror::Error, PartialEq, Clone)]
pub enum AstrometryError {
    #[error(
        "cannot place the image: neither a WCS nor a position (ra, dec) to start from; give one, or solve it blind with an index"
    )]
    NoPosition,
    #[error(
        "cannot place the image: its pixel scale (arcsec/pixel) is not known; give it, or solve it blind with an index"
    )]
    NoScale,
    #[error(
        "cannot place the image: {count} usable detections, at least {needed} are needed; lower the detection threshold"
    )]
    FewDetections { count: usize, needed: usize },
    #[error(
        "cannot place the image: {count} reference stars within {radius_deg:.3} deg of RA {ra:.4} Dec {dec:.4}, at least {needed} are needed; give a deeper catalogue or one that covers the field"
    )]
    FewReferences { count: usize, needed: usize, ra: f64, dec: f64, radius_deg: f64 },
    #[error(
        "cannot place the image: no pattern of its {detections} detections fits the {references} reference stars within {radius_deg:.3} deg of RA {ra:.4} Dec {dec:.4} better than chance (best: {matches} matches, ln odds {ln_odds:.1}); check the position, or solve it blind"
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
    #[error(
        "cannot place the image anywhere on the sky: {proposals} likenesses of its {detections} detections to the index (star figures of {shortest_arcsec:.0} to {longest_arcsec:.0} arcsec) were no better than chance; give a position, a reference catalogue that covers the field to its depth, or look at the detections"
    )]
    NoBlindMatch { detections: usize, proposals: usize, shortest_arcsec: f64, longest_arcsec: f64 },
    #[error("the index of the reference catalogue cannot be used: {reason}")]
    Index { reason: String },
    #[error("the fit of the image's place failed: {reason}")]
    Fit { reason: String },
}
