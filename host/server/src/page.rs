//! A page to try the model from a browser. Everything is in the one file: it asks nobody else.

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

/// The page.
pub(crate) async fn page() -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(include_str!("page.html"))).into_response()
}
