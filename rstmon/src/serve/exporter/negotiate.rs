//! Content negotiation: `Accept` and `Accept-Encoding` with their weights (RFC 9110, sections 12.4 and 12.5). Pure.
//!
//! An element that cannot be parsed is ignored, and no client gets status 406: one that accepts none of the formats
//! gets uncompressed text, as from Prometheus' own client libraries.

use crate::metrics::Format;
use axum::http::{
    HeaderMap, HeaderName,
    header::{ACCEPT, ACCEPT_ENCODING},
};
use mime::Mime;

/// A weight in thousandths.
type Weight = u16;
const MAX_WEIGHT: Weight = 1000;

/// How closely a media range describes a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    Anything,
    Type,
    Name,
    Version,
}

/// The format to answer in.
pub(crate) fn format(headers: &HeaderMap) -> Format {
    let ranges: Vec<_> = elements(headers, &ACCEPT).filter_map(media_range).collect();
    // The closest range counts; of two that are equally close, the heavier.
    let preference = |format| {
        let (closeness, weight) =
            ranges.iter().filter_map(|(range, weight)| Some((closeness(range, format)?, *weight))).max()?;
        // A named version makes the preference no stronger.
        (weight > 0).then_some((weight, closeness.min(Closeness::Name)))
    };
    let (text, open) = (preference(Format::Text), preference(Format::OpenMetrics));
    // A client that accepts anything (a browser, curl) gets the older format; one that names both with the same weight
    // knows the newer one and gets that.
    let undecided = open == text && open.is_some_and(|(_, closeness)| closeness == Closeness::Name);
    if open > text || undecided { Format::OpenMetrics } else { Format::Text }
}

/// Whether the answer is to be compressed with gzip.
pub(crate) fn gzip(headers: &HeaderMap) -> bool {
    let weight = |name: &str| {
        let codings = elements(headers, &ACCEPT_ENCODING).filter_map(coding);
        codings.filter(|(coding, _)| coding.eq_ignore_ascii_case(name)).map(|(_, weight)| weight).max()
    };
    let rest = weight("*");
    let gzip = weight("gzip").max(weight("x-gzip")).or(rest).unwrap_or(0);
    // Uncompressed is acceptable unless excluded, but gzip is preferred where the weights are equal.
    gzip > 0 && gzip >= weight("identity").unwrap_or(0)
}

fn closeness(range: &Mime, format: Format) -> Option<Closeness> {
    let (kind, name, version) = match format {
        Format::Text => ("text", "plain", "0.0.4"),
        Format::OpenMetrics => ("application", "openmetrics-text", "1.0.0"),
    };
    match (range.type_().as_str(), range.subtype().as_str()) {
        ("*", "*") => Some(Closeness::Anything),
        (found, "*") if found == kind => Some(Closeness::Type),
        // Other parameters (charset, escaping) can be ignored: all answers satisfy them.
        (found, subtype) if found == kind && subtype == name => match range.get_param("version") {
            None => Some(Closeness::Name),
            Some(wanted) if wanted == version => Some(Closeness::Version),
            Some(_) => None,
        },
        _ => None,
    }
}

fn media_range(element: &str) -> Option<(Mime, Weight)> {
    let range: Mime = element.parse().ok()?;
    let weight = range.get_param("q").map_or(Some(MAX_WEIGHT), |q| weight(q.as_str()))?;
    Some((range, weight))
}

fn coding(element: &str) -> Option<(&str, Weight)> {
    let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
    let weight = match parameters.trim() {
        "" => MAX_WEIGHT,
        parameter => {
            let (key, value) = parameter.split_once('=')?;
            if !key.trim().eq_ignore_ascii_case("q") {
                return None;
            }
            weight(value.trim())?
        }
    };
    Some((name.trim(), weight))
}

/// `0`, `1`, or either with up to three decimals, at most 1.
fn weight(text: &str) -> Option<Weight> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let valid = matches!(whole, "0" | "1") && decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: Weight = format!("{whole}{decimals:0<3}").parse().ok().filter(|_| valid)?;
    (thousandths <= MAX_WEIGHT).then_some(thousandths)
}

/// The elements of a list header, which may be spread over several header lines.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        let values = lines.iter().map(|line| HeaderValue::from_str(line).expect("a header"));
        values.map(|value| (name.clone(), value)).collect()
    }

    #[track_caller]
    fn assert_format(expected: Format, lines: &[&str]) {
        assert_eq!(format(&headers(&ACCEPT, lines)), expected, "{lines:?}");
    }

    #[test]
    fn real_scrapers_get_what_they_prefer() {
        // Prometheus 2.42.
        assert_format(
            Format::OpenMetrics,
            &["application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
               text/plain;version=0.0.4;q=0.5,*/*;q=0.1"],
        );
        // Prometheus 3, protobuf first.
        assert_format(
            Format::OpenMetrics,
            &["application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
               application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
               application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
               text/plain;version=0.0.4;q=0.2,*/*;q=0.1"],
        );
        // Prometheus 3 with `scrape_protocols: [PrometheusText0.0.4]`.
        assert_format(Format::Text, &["text/plain;version=0.0.4;q=0.2,*/*;q=0.1"]);
        // Prometheus 2.5 to 2.25: a draft of OpenMetrics.
        assert_format(
            Format::Text,
            &["application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"],
        );
        // curl, Firefox, a client without the header.
        assert_format(Format::Text, &["*/*"]);
        assert_format(Format::Text, &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"]);
        assert_format(Format::Text, &[]);
    }

    #[test]
    fn weights_and_closeness_decide() {
        assert_format(Format::Text, &["application/openmetrics-text;q=0.4, text/plain;q=0.5"]);
        assert_format(Format::OpenMetrics, &["application/openmetrics-text;q=0.5, text/plain;q=0.499"]);
        assert_format(Format::OpenMetrics, &["text/plain;version=0.0.4, application/openmetrics-text"]);
        assert_format(Format::OpenMetrics, &["application/openmetrics-text, */*"]);
        assert_format(Format::Text, &["application/openmetrics-text;q=0.1, */*"]);
        assert_format(Format::OpenMetrics, &["application/*"]);
        assert_format(Format::OpenMetrics, &["text/plain;q=0, */*"]);
        assert_format(Format::Text, &["application/openmetrics-text;q=0, */*;q=0.1"]);
        // The closer range counts, not the heavier one.
        assert_format(Format::Text, &["application/*;q=1, application/openmetrics-text;q=0.1, text/*;q=0.2"]);
    }

    #[test]
    fn spelling_is_free_where_the_rfc_says_so() {
        assert_format(Format::OpenMetrics, &["Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=0.9, text/*; q=0.8"]);
        assert_format(Format::OpenMetrics, &["text/plain;q=0.5", "application/openmetrics-text"]);
        assert_format(Format::OpenMetrics, &[", ,application/openmetrics-text,,"]);
    }

    #[test]
    fn malformed_and_unknown_elements_are_ignored() {
        for line in [
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=2",
            "application/openmetrics-text;q=-1",
            "application/openmetrics-text;q=0.1234",
            "application/openmetrics-text;q=NaN",
            "application/openmetrics-text;q=",
            "application/openmetrics-text;version",
            "application",
            "application/json",
            ";;;q=1,///",
        ] {
            assert_format(Format::Text, &[line]);
        }
    }

    #[track_caller]
    fn assert_gzip(expected: bool, lines: &[&str]) {
        assert_eq!(gzip(&headers(&ACCEPT_ENCODING, lines)), expected, "{lines:?}");
    }

    #[test]
    fn gzip_where_it_is_accepted_and_not_less_than_plain() {
        for lines in [
            &["gzip"][..],
            &["GZip;q=0.001"],
            &["x-gzip"],
            &["deflate, gzip ; q=1.0, br"],
            &["br", "gzip"],
            &["*"],
            &["*;q=0, gzip"],
            &["identity;q=0.5, *;q=0.5"],
            &["identity;q=0, *;q=0.1"],
        ] {
            assert_gzip(true, lines);
        }
        for lines in [
            &[][..],
            &[""],
            &["identity"],
            &["deflate, br"],
            &["gzip;q=0"],
            &["gzip;q=0, *"],
            &["*;q=0"],
            &["gzip;q=0.5, identity"],
            &["gzip;q=1.001"],
            &["gzip;level=9"],
            &["gzipped"],
        ] {
            assert_gzip(false, lines);
        }
    }
}
