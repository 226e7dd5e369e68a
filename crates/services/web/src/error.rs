//! A failure as an HTTP answer: `{"code": "...", "message": "one line"}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum WebError {
    #[error("{what} was not found")]
    NotFound { what: String },
    #[error("{reason}")]
    BadRequest { reason: String },
    #[error("{message}")]
    Query { code: String, message: String },
    #[error("{reason}")]
    Internal { reason: String },
}

impl WebError {
    /// A stable word for programs.
    pub fn code(&self) -> &str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::BadRequest { .. } => "bad_request",
            Self::Query { code, .. } => code,
            Self::Internal { .. } => "internal",
        }
    }

    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::BadRequest { .. } | Self::Query { .. } => StatusCode::BAD_REQUEST,
            Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let message = self.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let body = serde_json::json!({"code": self.code(), "message": message});
        (self.status(), Json(body)).into_response()
    }
}
