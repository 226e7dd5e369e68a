//! The page: sky, sources, light curves and queries.
//!
//! `router` serves the page (built from `portal/` and embedded) and the JSON that it reads. It
//! knows the catalogues as a `QueryEngine` and the images as an `ImageProvider`.

mod api;
mod assets;
mod catalog;
mod images;
mod state;

pub use api::router;
pub use images::{FolderImages, ImageError, ImageFacts, ImageProvider, NoImages};
pub use state::PortalState;
