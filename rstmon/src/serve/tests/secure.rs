//! TLS and basic authentication, over real handshakes.

use super::*;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use std::{fs, path::Path};
use tokio_rustls::{TlsConnector, client::TlsStream};

const CERTIFICATE_A: &str = include_str!("../testdata/test-only-a.crt");
const KEY_A: &str = include_str!("../testdata/test-only-a.key");
const CERTIFICATE_B: &str = include_str!("../testdata/test-only-b.crt");
const KEY_B: &str = include_str!("../testdata/test-only-b.key");

const TLS: &str = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n";
/// The user and password `alice:open sesame`.
const AUTHORIZATION: &str = "Authorization: Basic YWxpY2U6b3BlbiBzZXNhbWU=\r\n";

/// Writes the file under another name and renames it, as a careful administrator does.
fn replace(directory: &Path, name: &str, text: &str) {
    let new = directory.join(format!("{name}.new"));
    fs::write(&new, text).unwrap();
    fs::rename(new, directory.join(name)).unwrap();
}

fn users() -> String {
    format!("basic_auth_users: {{alice: {}}}\n", bcrypt::hash("open sesame", 4).unwrap())
}

async fn start_configured(web_config: &str) -> RunningServer {
    start_with(FakeSource::default(), |options, directory| {
        let directory = directory.path();
        replace(directory, "server.crt", CERTIFICATE_A);
        replace(directory, "server.key", KEY_A);
        replace(directory, "web.yml", web_config);
        options.web_config = Some(directory.join("web.yml"));
    })
    .await
}

fn trusting(certificate: &str) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
}

async fn handshake(server: &RunningServer, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, server.connect().await).await
}

async fn get_over_tls(server: &RunningServer, certificate: &str, header: &str) -> std::io::Result<String> {
    let stream = handshake(server, trusting(certificate).with_no_client_auth()).await?;
    Ok(exchange(stream, &request("GET", "/metrics", header)).await)
}

#[tokio::test]
async fn tls_and_password_together() {
    let server = start_configured(&format!("{TLS}{}", users())).await;
    let answer = get_over_tls(&server, CERTIFICATE_A, AUTHORIZATION).await.unwrap();
    assert_status(&answer, 200);
    let answer = get_over_tls(&server, CERTIFICATE_A, "").await.unwrap();
    assert_status(&answer, 401);
    assert!(get_over_tls(&server, CERTIFICATE_B, "").await.is_err(), "another server's certificate");
    let answer = server.get("/metrics").await;
    assert!(!answer.contains("200 OK"), "plain HTTP on a TLS port got {answer:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut() {
    let server = start_with(FakeSource::default(), |options, directory| {
        replace(directory.path(), "server.crt", CERTIFICATE_A);
        replace(directory.path(), "server.key", KEY_A);
        replace(directory.path(), "web.yml", TLS);
        options.web_config = Some(directory.path().join("web.yml"));
        options.tcp_limits.handshake = Duration::from_millis(50);
    })
    .await;
    assert_eq!(exchange(server.connect().await, b"\x16\x03\x01").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_never_begin_do_not_keep_others_out() {
    let server = start_with(FakeSource::default(), |options, directory| {
        replace(directory.path(), "server.crt", CERTIFICATE_A);
        replace(directory.path(), "server.key", KEY_A);
        replace(directory.path(), "web.yml", TLS);
        options.web_config = Some(directory.path().join("web.yml"));
        options.tcp_limits.connections = 4;
        options.tcp_limits.evict_after = Some(Duration::from_millis(100));
        options.tcp_limits.handshake = Duration::from_hours(1);
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..12 {
        silent.push(server.connect().await);
    }
    let scrape = get_over_tls(&server, CERTIFICATE_A, "");
    assert_status(&timeout(PATIENCE, scrape).await.expect("a place").unwrap(), 200);
}

#[tokio::test]
async fn wrong_passwords_are_asked_for_again_on_every_path() {
    let server = start_configured(&users()).await;
    // alice:wrong, bob:open sesame
    for credentials in
        ["", "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n", "Authorization: Basic Ym9iOm9wZW4gc2VzYW1l\r\n"]
    {
        for path in ["/metrics", "/", "/-/healthy", "/nowhere"] {
            let answer = exchange(server.connect().await, &request("GET", path, credentials)).await;
            assert_status(&answer, 401);
            assert_contains(&answer, "\r\nwww-authenticate: Basic");
            assert_contains(&answer, "\r\nx-content-type-options: nosniff");
            assert!(!answer.contains("rstmon_build_info"), "found {answer:?}");
        }
    }
    let answer = exchange(server.connect().await, &request("GET", "/metrics", AUTHORIZATION)).await;
    assert_status(&answer, 200);
}

/// Clients that each send one wrong password after the other.
fn guess(address: SocketAddr, clients: usize) -> Vec<JoinHandle<()>> {
    let attack = move |client: usize| async move {
        for guess in 0.. {
            let Ok(stream) = TcpStream::connect(address).await else { return };
            let header = format!("Authorization: Basic {}\r\n", encoded(&format!("alice:{client}-{guess}")));
            exchange(stream, &request("GET", "/metrics", &header)).await;
        }
    };
    (0..clients).map(|client| tokio::spawn(attack(client))).collect()
}

fn encoded(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    text.as_bytes()
        .chunks(3)
        .flat_map(|chunk| {
            let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
            (0..4).map(
                move |at| {
                    if at <= chunk.len() { char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]) } else { '=' }
                },
            )
        })
        .collect()
}

async fn connect_from(source: [u8; 4], server: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    socket.connect(server).await.unwrap()
}

/// From the scraper's own address; and from another one, with more connections than there are slots.
#[tokio::test(flavor = "multi_thread")]
async fn guessing_passwords_keeps_no_scraper_waiting() {
    const COST: u32 = 9;
    const SLOTS: usize = 64;
    let hash = bcrypt::hash("open sesame", COST).unwrap();
    let started = std::time::Instant::now();
    assert!(bcrypt::verify("open sesame", &hash).unwrap());
    let check = started.elapsed();
    for (clients, source) in [(SLOTS / 2, [127, 0, 0, 1]), (2 * SLOTS, [127, 0, 0, 2])] {
        let server = start_with(FakeSource::default(), |options, directory| {
            let web = directory.path().join("web.yml");
            fs::write(&web, format!("basic_auth_users: {{alice: {hash}}}\n")).unwrap();
            options.web_config = Some(web);
            options.tcp_limits.connections = SLOTS;
            options.tcp_limits.evict_after = Some(4 * check);
        })
        .await;
        let attack = guess(server.address, clients);
        // The attack is under way once a guess was refused.
        assert_status(&exchange(server.connect().await, &request("GET", "/metrics", "")).await, 401);
        for scrape in ["the first", "a later"] {
            let started = std::time::Instant::now();
            let stream = connect_from(source, server.address).await;
            let answer = exchange(stream, &request("GET", "/metrics", AUTHORIZATION)).await;
            let took = started.elapsed();
            assert_status(&answer, 200);
            // In the order of arrival it would be as many checks as there are clients.
            assert!(took < 15 * check, "{scrape} scrape took {took:?}; a check takes {check:?}, {clients} clients");
        }
        attack.iter().for_each(JoinHandle::abort);
        server.stop().await;
    }
}

#[tokio::test]
async fn renewed_certificates_are_picked_up() {
    let server = start_configured(TLS).await;
    let directory = server.directory.path();
    assert_status(&get_over_tls(&server, CERTIFICATE_A, "").await.unwrap(), 200);
    // One file after the other: in between they do not match, and the old pair has to stay in use.
    replace(directory, "server.crt", CERTIFICATE_B);
    assert_status(&get_over_tls(&server, CERTIFICATE_A, "").await.unwrap(), 200);
    replace(directory, "server.key", KEY_B);
    assert_status(&get_over_tls(&server, CERTIFICATE_B, "").await.unwrap(), 200);
    assert!(get_over_tls(&server, CERTIFICATE_A, "").await.is_err(), "the old certificate is gone");
}

#[tokio::test]
async fn changed_users_are_picked_up_but_never_dropped_all() {
    let server = start_configured(&users()).await;
    let with_password = request("GET", "/metrics", AUTHORIZATION);
    let directory = server.directory.path();
    // A file in the middle of being written, a broken one, and one that would turn authentication off.
    for unusable in ["", "basic_auth_users: [", "http_server_config: {http2: false}"] {
        replace(directory, "web.yml", unusable);
        assert_status(&server.get("/metrics").await, 401);
        assert_status(&exchange(server.connect().await, &with_password).await, 200);
    }
    let changed = format!("basic_auth_users: {{alice: {}}}\n", bcrypt::hash("changed", 4).unwrap());
    replace(directory, "web.yml", &changed);
    assert_status(&exchange(server.connect().await, &with_password).await, 401);
}

#[tokio::test]
async fn files_may_come_after_the_configuration_that_names_them() {
    let server = start_configured(TLS).await;
    let directory = server.directory.path();
    replace(directory, "web.yml", "tls_server_config: {cert_file: later.crt, key_file: later.key}\n");
    assert_status(&get_over_tls(&server, CERTIFICATE_A, "").await.unwrap(), 200);
    replace(directory, "later.key", KEY_B);
    replace(directory, "later.crt", CERTIFICATE_B);
    assert_status(&get_over_tls(&server, CERTIFICATE_B, "").await.unwrap(), 200);
}

#[tokio::test]
async fn tls_is_not_turned_off_by_a_reload() {
    let server = start_configured(TLS).await;
    replace(server.directory.path(), "web.yml", "");
    assert_status(&get_over_tls(&server, CERTIFICATE_A, "").await.unwrap(), 200);
    let answer = server.get("/metrics").await;
    assert!(!answer.contains("200 OK"), "plain HTTP got {answer:?}");
}

#[tokio::test]
async fn client_certificates_are_verified() {
    let config = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  client_ca_file: server.crt\n  \
                  client_auth_type: RequireAndVerifyClientCert\n";
    let server = start_configured(config).await;
    let identity = |certificate: &str, key: &str| {
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        trusting(CERTIFICATE_A).with_client_auth_cert(vec![certificate], key).unwrap()
    };
    let stream = handshake(&server, identity(CERTIFICATE_A, KEY_A)).await.unwrap();
    assert_status(&exchange(stream, &request("GET", "/metrics", "")).await, 200);
    // With TLS 1.3 a client learns of the refusal only when it reads.
    for refused in [identity(CERTIFICATE_B, KEY_B), trusting(CERTIFICATE_A).with_no_client_auth()] {
        if let Ok(stream) = handshake(&server, refused).await {
            assert_eq!(exchange(stream, &request("GET", "/metrics", "")).await, "");
        }
    }
}

#[tokio::test]
async fn half_a_file_does_not_let_strangers_in() {
    let whole = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  client_ca_file: server.crt\n  \
                 client_auth_type: RequireAndVerifyClientCert\n";
    let server = start_configured(whole).await;
    for lax in [TLS.to_owned(), whole.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")] {
        replace(server.directory.path(), "web.yml", &lax);
        let answer = get_over_tls(&server, CERTIFICATE_A, "").await.unwrap_or_default();
        assert_eq!(answer, "", "without a certificate, after {lax}");
    }
}

#[tokio::test]
async fn configured_headers_and_rate_limit_apply() {
    let config = "http_server_config: {headers: {X-Frame-Options: deny}}\nrate_limit: {interval: 1h, burst: 2}\n";
    let server = start_configured(config).await;
    for status in [200, 200, 429] {
        let answer = server.get("/metrics").await;
        assert_status(&answer, status);
        assert_contains(&answer, "\r\nx-frame-options: deny\r\n");
    }
}

/// A certificate for localhost and `name`, signed by itself: certificate and key in PEM.
fn issue(name: &str, years: std::ops::Range<i32>) -> (String, String) {
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned(), name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_certificate_out_of_date_does_not_replace_one_that_is_not() {
    let server = start_configured(TLS).await;
    let directory = server.directory.path();
    for years in [2000..2001, 2190..2200] {
        let (certificate, key) = issue("a", years);
        replace(directory, "server.crt", &certificate);
        replace(directory, "server.key", &key);
        assert_status(&get_over_tls(&server, CERTIFICATE_A, "").await.unwrap(), 200);
    }
    let (certificate, key) = issue("a", 2000..2200);
    replace(directory, "server.crt", &certificate);
    replace(directory, "server.key", &key);
    assert_status(&get_over_tls(&server, &certificate, "").await.unwrap(), 200);
}

#[tokio::test]
async fn a_certificate_out_of_date_serves_where_there_is_none_better() {
    let (certificate, key) = issue("a", 2000..2001);
    let server = start_with(FakeSource::default(), |options, directory| {
        replace(directory.path(), "server.crt", &certificate);
        replace(directory.path(), "server.key", &key);
        replace(directory.path(), "web.yml", TLS);
        options.web_config = Some(directory.path().join("web.yml"));
    })
    .await;
    let error = get_over_tls(&server, &certificate, "").await.expect_err("expired").to_string();
    assert!(error.contains("expired"), "found {error:?}");
    // Other changes, the certificate being as it is, come into force.
    replace(server.directory.path(), "web.yml", &format!("{TLS}{}", users()));
    let _ = get_over_tls(&server, &certificate, "").await;
    let (renewed, key) = issue("a", 2000..2200);
    replace(server.directory.path(), "server.crt", &renewed);
    replace(server.directory.path(), "server.key", &key);
    assert_status(&get_over_tls(&server, &renewed, "").await.unwrap(), 401);
}

#[tokio::test]
async fn clients_may_be_restricted_by_name() {
    let config = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  client_ca_file: clients.crt\n  \
                  client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [prometheus.example]\n";
    let (known, known_key) = issue("prometheus.example", 2000..2200);
    let (stranger, stranger_key) = issue("stranger.example", 2000..2200);
    let server = start_with(FakeSource::default(), |options, directory| {
        let directory = directory.path();
        replace(directory, "server.crt", CERTIFICATE_A);
        replace(directory, "server.key", KEY_A);
        replace(directory, "clients.crt", &format!("{known}{stranger}"));
        replace(directory, "web.yml", config);
        options.web_config = Some(directory.join("web.yml"));
    })
    .await;
    let get = async |certificate: &str, key: &str| {
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = trusting(CERTIFICATE_A).with_client_auth_cert(vec![certificate], key).unwrap();
        match handshake(&server, config).await {
            Ok(stream) => exchange(stream, &request("GET", "/metrics", "")).await,
            Err(_) => String::new(),
        }
    };
    assert_status(&get(&known, &known_key).await, 200);
    assert_eq!(get(&stranger, &stranger_key).await, "", "the authority's signature alone is not enough");
}
