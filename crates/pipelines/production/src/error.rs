//! Why a frame could not be processed.

/// A step that could not go on. Poor quality is not an error: it is flags and warnings.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("instrument signature removal: {0}")]
    Isr(#[from] elqui_isr::IsrError),
    #[error("background: {0}")]
    Background(#[from] elqui_background::BackgroundError),
    #[error("detection: {0}")]
    Detection(#[from] elqui_detection::DetectionError),
    #[error("the image: {0}")]
    Image(#[from] elqui_image::ImageError),
    #[error("astrometry: {0}")]
    Astrometry(#[from] elqui_astrometry::AstrometryError),
    #[error("{0}")]
    Frame(String),
}

impl ProcessError {
    /// A stable word for scripts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Isr(_) => "isr",
            Self::Background(_) => "background",
            Self::Detection(_) => "detection",
            Self::Image(_) => "image",
            Self::Astrometry(_) => "astrometry",
            Self::Frame(_) => "frame",
        }
    }
}
