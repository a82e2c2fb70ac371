//! The page at `/`: name, version and links. Self-contained, so that it works on a host without internet.

use super::{
    super::http::respond::content,
    telemetry_path::{HEALTHY_PATH, READY_PATH},
};
use axum::{
    http::{HeaderValue, header::CONTENT_SECURITY_POLICY},
    response::Response,
};
use std::fmt::Write as _;

pub(crate) fn page(metrics_path: &str) -> Response {
    let mut response = content(HeaderValue::from_static("text/html; charset=utf-8"), html(metrics_path));
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    response
}

fn html(metrics_path: &str) -> String {
    let links = [(metrics_path, "Metrics"), (HEALTHY_PATH, "Healthy"), (READY_PATH, "Ready")];
    let items = links.map(|(path, name)| format!("<li><a href=\"{}\">{name}</a></li>\n", escape(path))).concat();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>rstmon</title>\n\
         <style>body {{ font-family: sans-serif; margin: 3rem; }}</style>\n</head>\n<body>\n\
         <h1>rstmon</h1>\n<p>{description}. Version {version}.</p>\n<ul>\n{items}</ul>\n</body>\n</html>\n",
        description = escape(env!("CARGO_PKG_DESCRIPTION")),
        version = escape(env!("CARGO_PKG_VERSION")),
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' | '<' | '>' | '"' | '\'' => drop(write!(escaped, "&#{};", u32::from(character))),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_every_character_with_a_meaning_in_html() {
        assert_eq!(escape("<a href=\"x\">&'"), "&#60;a href=&#34;x&#34;&#62;&#38;&#39;");
    }

    #[test]
    fn names_itself_and_links_the_metrics_without_outside_resources() {
        let html = html("/custom");
        for part in [env!("CARGO_PKG_VERSION"), "href=\"/custom\"", "href=\"/-/ready\""] {
            assert!(html.contains(part), "no {part:?} in {html}");
        }
        assert!(!html.contains("//"), "an address outside in {html}");
    }
}
