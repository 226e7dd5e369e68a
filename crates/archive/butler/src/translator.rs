//! What the archive asks of a camera: the visit's facts from a raw file's header.

use elqui_image::{Header, VisitInfo};

/// Why a header could not be translated; the text names the card.
pub type TranslateError = Box<dyn std::error::Error + Send + Sync>;

/// Reads the facts of a visit from the cards of a raw file.
pub trait RawTranslator: Send + Sync {
    /// The camera's name.
    fn name(&self) -> &str;
    /// Whether this file is of this camera.
    fn recognises(&self, header: &Header) -> bool;
    fn visit_info(&self, header: &Header) -> Result<VisitInfo, TranslateError>;
}
