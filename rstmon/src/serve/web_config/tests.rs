//! What the file format accepts, and the messages about everything else.

use super::{
    check,
    load::{WebConfig, parse},
};
use std::{fs, path::Path};

const TEST_DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/serve/testdata");
const TLS: &str = "tls_server_config:\n  cert_file: test-only-a.crt\n  key_file: test-only-a.key\n";

fn parse_text(text: &str) -> Result<WebConfig, String> {
    parse(text.as_bytes(), Path::new(TEST_DATA)).map_err(|error| error.to_string())
}

/// `text` is refused with a message of one line that contains all `parts`.
#[track_caller]
fn assert_refused(text: &str, parts: &[&str]) {
    let error = parse_text(text).err().unwrap_or_else(|| panic!("accepted: {text}"));
    for part in parts {
        assert!(error.contains(part), "expected {part:?}, found {error:?}");
    }
    assert!(!error.contains('\n'), "more than one line: {error:?}");
}

#[test]
fn an_empty_file_changes_nothing() {
    for text in ["", "# only a comment\n", "{}", "tls_server_config:\nbasic_auth_users:\n", "tls_server_config: {}"] {
        let config = parse_text(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert!(config.tls.is_none() && config.users.is_empty() && config.rate.is_none(), "{text:?}");
    }
}

#[test]
fn accepts_every_key_that_it_supports() {
    let text = format!(
        "{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: test-only-b.crt\n  min_version: TLS12\n  \
         max_version: TLS13\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n  \
         prefer_server_cipher_suites: false\n  curve_preferences: [CurveP256, X25519]\n\
         http_server_config:\n  http2: true\n  headers:\n    Strict-Transport-Security: max-age=1\n    \
         Content-Security-Policy: ''\n    X-Frame-Options: ''\nbasic_auth_users:\n  alice: {}\n\
         rate_limit:\n  interval: 1s\n  burst: 20\n",
        bcrypt::hash("x", 4).expect("a hash")
    );
    let config = parse_text(&text).unwrap_or_else(|error| panic!("{error}"));
    let tls = config.tls.expect("TLS");
    assert!(!tls.ignore_client_order);
    assert_eq!(tls.crypto_provider().kx_groups.len(), 2);
    assert!(!config.users.is_empty());
    assert_eq!(config.headers.len(), 1, "a blank value sets no header");
    assert_eq!(config.rate.map(|rate| rate.burst), Some(20));
    assert_eq!(config.files.len(), 3, "all files are watched: {:?}", config.files);
}

#[test]
fn certificates_may_be_inline() {
    let indented = |name: &str| {
        let text = fs::read_to_string(Path::new(TEST_DATA).join(name)).expect("test data");
        format!("    {}\n", text.trim_end().replace('\n', "\n    "))
    };
    let inline = format!(
        "tls_server_config:\n  cert: |\n{}  key: |\n{}",
        indented("test-only-a.crt"),
        indented("test-only-a.key")
    );
    assert!(parse_text(&inline).unwrap_or_else(|error| panic!("{error}")).tls.is_some());
    assert_refused(&format!("{inline}  cert_file: x\n"), &["cert_file", "keep one"]);
}

#[test]
fn unknown_keys_and_wrong_types_name_their_line() {
    assert_refused("tls_server_confg: {}\n", &["tls_server_confg", "tls_server_config", "line 1"]);
    assert_refused("\ntls_server_config:\n  cert_fil: x\n", &["cert_fil", "cert_file", "line 3"]);
    assert_refused("tls_server_config:\n  cert_file: x\n  key_file: y\n\nusers: {}\n", &["users", "line 5"]);
    assert_refused("http_server_config:\n  http2: perhaps\n", &["http2", "boolean", "line 2"]);
    assert_refused("http_server_config:\n  header: {}\n", &["header", "line 2"]);
    assert_refused("basic_auth_users:\n  a: b\n  a: c\n", &["\"a\" comes twice"]);
    assert_refused("rate_limit:\n  interval: 1s\n  burst: many\n", &["burst", "line 3"]);
    assert_refused("a: [\n", &["line"]);
    assert_refused("- a\n", &["line 1"]);
}

#[test]
fn what_rustls_lacks_is_refused_by_name() {
    for (line, parts) in [
        ("client_auth_type: RequireAnyClientCert", ["client_auth_type", "RequireAndVerifyClientCert"]),
        ("client_auth_type: Sometimes", ["client_auth_type", "NoClientCert"]),
        ("client_allowed_sans: [a.example]", ["client_allowed_sans", "RequireAndVerifyClientCert"]),
        (
            "client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: test-only-b.crt\n  client_allowed_sans: [a]",
            ["client_allowed_sans", "RequireAndVerifyClientCert"],
        ),
        ("min_version: TLS10", ["min_version", "TLS12"]),
        ("max_version: TLS11", ["max_version", "TLS13"]),
        ("cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]", ["cipher_suites", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]),
        ("curve_preferences: [CurveP521]", ["curve_preferences", "CurveP384"]),
    ] {
        assert_refused(&format!("{TLS}  {line}\n"), &parts);
    }
    assert_refused(
        &format!("{TLS}  min_version: TLS13\n  max_version: TLS12\n"),
        &["min_version is above max_version"],
    );
    assert_refused(&format!("{TLS}  client_ca_file: test-only-a.crt\n"), &["client_auth_type"]);
    assert_refused(&format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n"), &["client_ca_file"]);
}

#[test]
fn certificate_problems_name_key_and_file() {
    assert_refused("tls_server_config: {key_file: test-only-a.key}", &["cert_file"]);
    assert_refused("tls_server_config: {cert_file: test-only-a.crt}", &["key_file"]);
    let pair =
        |certificate: &str, key: &str| format!("tls_server_config: {{cert_file: {certificate}, key_file: {key}}}");
    assert_refused(&pair("missing.crt", "test-only-a.key"), &["cert_file", "testdata/missing.crt"]);
    assert_refused(&pair("test-only-a.key", "test-only-a.key"), &["cert_file", "a certificate"]);
    assert_refused(&pair("test-only-a.crt", "test-only-a.crt"), &["key_file", "private key"]);
    assert_refused(&pair("test-only-a.crt", "test-only-b.key"), &["key_file"]);
    assert_refused(&pair("/dev/zero", "test-only-a.key"), &["cert_file", "/dev/zero"]);
}

#[test]
fn other_values_are_checked() {
    assert_refused("basic_auth_users: {alice: secret}", &["basic_auth_users.alice", "htpasswd"]);
    assert_refused("http_server_config: {headers: {Server: x}}", &["Server", "X-Frame-Options"]);
    assert_refused("http_server_config: {headers: {X-Frame-Options: allow}}", &["allow", "sameorigin"]);
    assert_refused("http_server_config: {headers: {X-XSS-Protection: \"a\\nb\"}}", &["X-XSS-Protection"]);
    assert_refused("rate_limit: {interval: soon, burst: 1}", &["rate_limit.interval", "soon"]);
    assert!(parse_text("rate_limit: {interval: 0, burst: 1}").is_ok_and(|config| config.rate.is_none()));
}

#[test]
fn check_names_the_file() {
    let error = check(Path::new("/nonexistent/web.yml")).expect_err("no such file").to_string();
    assert!(error.contains("/nonexistent/web.yml"), "found {error:?}");
}
