//! Answers that several routes give.

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

/// One answer as plain text, with a line end for people with curl.
pub(crate) fn text(status: StatusCode, message: impl std::fmt::Display) -> Response {
    (status, [(CONTENT_TYPE, PLAIN)], format!("{message}\n")).into_response()
}

/// A body with its content type.
pub(crate) fn content(kind: HeaderValue, body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, kind)], body.into()).into_response()
}

/// 404 with the paths there are.
pub(crate) fn not_found<'a>(paths: impl IntoIterator<Item = &'a str>) -> Response {
    let list: Vec<_> = paths.into_iter().collect();
    text(StatusCode::NOT_FOUND, format_args!("not found; there is:\n{}", list.join("\n")))
}

/// 405: everything here is read only.
pub(crate) async fn read_only() -> Response {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// What every answer carries: no guessing of content types, no copies that are out of date.
pub(crate) async fn common_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
