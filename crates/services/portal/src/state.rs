//! What the page is given.

use crate::images::ImageProvider;
use elqui_web::{Limits, QueryEngine};
use std::sync::Arc;

#[derive(Clone)]
pub struct PortalState {
    /// Shown on top of the page.
    pub title: String,
    pub engine: Arc<dyn QueryEngine>,
    pub images: Arc<dyn ImageProvider>,
    /// Of a query that a person types.
    pub limits: Limits,
}

impl PortalState {
    pub fn new(
        title: impl Into<String>,
        engine: Arc<dyn QueryEngine>,
        images: Arc<dyn ImageProvider>,
    ) -> Self {
        Self { title: title.into(), engine, images, limits: Limits::default() }
    }
}
