//! Answers and headers that several routes share.

use axum::{
    body::Body,
    http::{
        HeaderValue, StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse, Response},
};

pub(crate) const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// A plain text answer; it ends with a line end for display in a terminal.
pub(crate) fn text(status: StatusCode, message: impl std::fmt::Display) -> Response {
    (status, [(CONTENT_TYPE, PLAIN)], format!("{message}\n")).into_response()
}

/// A body with its content type and status 200.
pub(crate) fn content(kind: HeaderValue, body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, kind)], body.into()).into_response()
}

/// Status 404 with a list of the paths that exist.
pub(crate) fn not_found<'a>(paths: impl IntoIterator<Item = &'a str>) -> Response {
    let list: Vec<_> = paths.into_iter().collect();
    text(StatusCode::NOT_FOUND, format_args!("not found; there is:\n{}", list.join("\n")))
}

/// Status 405: all routes are read only.
pub(crate) async fn read_only() -> Response {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// The headers of every answer: browsers must not guess the content type, caches must not keep a copy.
pub(crate) async fn common_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
