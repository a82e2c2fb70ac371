//! What the file format accepts, and the messages about everything else.

use super::{
    check,
    load::{WebConfig, parse},
};
use rustix::time::{ClockId, clock_gettime};
use std::{fs, path::Path, time::Duration};

const TEST_DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/serve/testdata");
const TLS: &str = "tls_server_config:\n  cert_file: test-only-a.crt\n  key_file: test-only-a.key\n";

fn parse_text(text: &str) -> Result<WebConfig, String> {
    parse(text.as_bytes(), Path::new(TEST_DATA), &mut Vec::new()).map_err(|error| error.to_string())
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
    let mut files = Vec::new();
    let config = parse(text.as_bytes(), Path::new(TEST_DATA), &mut files).unwrap_or_else(|error| panic!("{error}"));
    let tls = config.tls.expect("TLS");
    assert!(!tls.ignore_client_order);
    assert_eq!(tls.crypto_provider().kx_groups.len(), 2);
    assert!(!config.users.is_empty());
    assert_eq!(config.headers.len(), 1, "a blank value sets no header");
    assert_eq!(config.rate.map(|rate| rate.burst), Some(20));
    assert_eq!(files.len(), 3, "all files are watched: {files:?}");
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
    assert_refused("tls_server_config: {}\n---\n{}\n", &["more than one document", "line 2"]);
    assert!(
        parse(b"# \n\xff", Path::new(""), &mut Vec::new()).is_err_and(|error| error.to_string().contains("line 2"))
    );
}

/// The thread's CPU time that `code` takes: other processes of a loaded machine do not count.
fn cpu_time(code: impl FnOnce()) -> Duration {
    let now = || clock_gettime(ClockId::ThreadCPUTime);
    let begin = now();
    code();
    Duration::try_from(now() - begin).expect("not negative")
}

#[test]
fn nesting_is_bounded_and_costs_no_time() {
    let levels = 100_000;
    let indented = (0..1000).map(|level| " ".repeat(level) + "a:\n").collect();
    for text in ["[".repeat(levels), "{".repeat(levels), "? ".repeat(levels), "- ".repeat(levels), indented] {
        let took = cpu_time(|| {
            assert_refused(&format!("tls_server_config: {{cert_file: {text}"), &["line 1"]);
            assert_refused(&text, &["line "]);
        });
        assert!(took < Duration::from_secs(1), "{took:?} for {:?}...", &text[..20]);
    }
    assert_refused(&"[".repeat(levels), &["nested deeper than 16", "line 1"]);
}

#[test]
fn aliases_are_bounded() {
    // Each level stands for six of the level below: 6^30 in all.
    let levels =
        (1..30).map(|level| format!("x{level}: &x{level} [{}]\n", vec![format!("*x{}", level - 1); 6].join(", ")));
    let bomb: Vec<String> = ["x0: &x0 [a]\n".to_owned()].into_iter().chain(levels).collect();
    let bomb = format!("{}rate_limit: {{burst: 1, interval: *x29}}\n", bomb.concat());
    let users: Vec<String> = (0..2000).map(|user| format!("  u{user}: *a\n")).collect();
    let users = format!("basic_auth_users:\n  a: &a {}\n{}", "x".repeat(1000), users.concat());
    let took = cpu_time(|| {
        assert!(parse_text(&bomb).is_err());
        assert_refused(&users, &["too many aliases"]);
    });
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn messages_show_no_secret() {
    let hash = "$2b$10$abcdefghijklmnopqrstuv";
    for text in [
        format!("basic_auth_users:\n  alice: {hash}\n  alice: {hash}\n"),
        format!("basic_auth_users:\n  alice: [{hash}]\n"),
        format!("basic_auth_users: {hash}\n"),
        format!("basic_auth_users:\n{hash}\n"),
        format!("basic_auth_users: {{alice: '{hash}\n"),
        format!("basic_auth_users:\n  alice: {hash}\n \u{1}: {hash}\n"),
    ] {
        let error = parse_text(&text).err().unwrap_or_else(|| panic!("accepted: {text}"));
        assert!(!error.contains("abcdefgh"), "{error}");
    }
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
