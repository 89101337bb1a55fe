//! A page to try the model from a browser. Everything is in the one answer: it asks nobody else.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

/// The page, put together from its parts.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    include_str!("page.html")
        .replace("/* page.css */", include_str!("page.css"))
        .replace("/* markdown.js */", include_str!("markdown.js"))
        .replace("/* chat.js */", include_str!("chat.js"))
});

/// The page.
pub(crate) async fn page() -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                  base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(PAGE.as_str())).into_response()
}
