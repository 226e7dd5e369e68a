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
    /// Names the file and what is wrong with it.
    #[error("{0}")]
    File(String),
}

impl ProcessError {
    /// What is wrong with a file, which is named unless the reason does so already.
    pub fn file(name: &str, why: impl std::fmt::Display) -> Self {
        let why = why.to_string();
        Self::File(if why.contains(name) { why } else { format!("{name}: {why}") })
    }

    /// A stable word for scripts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Isr(_) => "isr",
            Self::Background(_) => "background",
            Self::Detection(_) => "detection",
            Self::Image(_) => "image",
            Self::Astrometry(_) => "astrometry",
            Self::Frame(_) => "frame",
            Self::File(_) => "file",
        }
    }
}
