//! From `tls_server_config` to a rustls configuration.

use super::{
    allowed_sans::AllowedSans, certificate::Validity, error::WebConfigProblem, file::TlsServerConfig,
    pem_text::PemText, watched_file::WatchedFile,
};
use rustls::{
    CipherSuite, NamedGroup, ProtocolVersion, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    version,
};
use std::{path::Path, sync::Arc};

const VERSIONS: [(&str, &SupportedProtocolVersion); 2] = [("TLS12", &version::TLS12), ("TLS13", &version::TLS13)];
const CURVES: [(&str, NamedGroup); 3] =
    [("X25519", NamedGroup::X25519), ("CurveP256", NamedGroup::secp256r1), ("CurveP384", NamedGroup::secp384r1)];

pub(super) struct Tls {
    pub(super) config: Arc<ServerConfig>,
    /// Of the server's own certificate.
    pub(super) validity: Option<Validity>,
    pub(super) client_policy: ClientPolicy,
}

/// What clients have to present, ordered from the least to the most strict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ClientPolicy {
    #[default]
    NoCertificate,
    /// None, or a certificate that the configured authorities have signed.
    VerifiedIfGiven,
    /// A certificate that the configured authorities have signed.
    Verified,
    /// Such a certificate with one of the allowed names.
    Named,
}

impl ClientPolicy {
    fn of(tls: &TlsServerConfig) -> Self {
        match (set(tls.client_auth_type.as_ref()), &tls.client_allowed_sans) {
            (Some("RequireAndVerifyClientCert"), Some(_)) => Self::Named,
            (Some("RequireAndVerifyClientCert"), None) => Self::Verified,
            (Some("VerifyClientCertIfGiven"), _) => Self::VerifiedIfGiven,
            _ => Self::NoCertificate,
        }
    }
}

/// `None` when none of the keys that turn TLS on is set. Adds the files that it reads to `files`.
pub(super) fn build(
    tls: &TlsServerConfig,
    directory: &Path,
    files: &mut Vec<WatchedFile>,
) -> Result<Option<Tls>, WebConfigProblem> {
    if !is_enabled(tls) {
        return Ok(None);
    }
    let mut load = |key, file: Option<&String>, inline_key, inline: Option<&String>| {
        PemText::load(key, set(file), inline_key, set(inline), directory, files)
    };
    let certificate = load("cert_file", tls.cert_file.as_ref(), "cert", tls.cert.as_ref())?;
    let key = load("key_file", tls.key_file.as_ref(), "key", tls.key.as_ref())?;
    let authorities = load("client_ca_file", tls.client_ca_file.as_ref(), "client_ca", tls.client_ca.as_ref())?;
    let certificate = certificate.ok_or(WebConfigProblem::Missing { key: "cert_file", inline: "cert" })?;
    let key = key.ok_or(WebConfigProblem::Missing { key: "key_file", inline: "key" })?;

    let provider = Arc::new(provider(tls)?);
    let verifier = client_verifier(tls, authorities.as_ref(), &provider)?;
    let rustls_error = |key| move |source| WebConfigProblem::Rustls { key, source };
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(tls)?)
        .map_err(rustls_error("cipher_suites"))?;
    let chain = certificate.certificates()?;
    let validity = chain.first().and_then(Validity::of);
    let mut config = builder
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key.private_key()?)
        .map_err(rustls_error(key.key))?;
    config.ignore_client_order = tls.prefer_server_cipher_suites.unwrap_or(true);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Tls { config: Arc::new(config), validity, client_policy: ClientPolicy::of(tls) }))
}

/// The same test as exporter-toolkit's.
fn is_enabled(tls: &TlsServerConfig) -> bool {
    let TlsServerConfig { cert, key, client_ca, cert_file, key_file, client_ca_file, client_auth_type, .. } = tls;
    [cert, key, client_ca, cert_file, key_file, client_ca_file, client_auth_type]
        .into_iter()
        .any(|value| set(value.as_ref()).is_some())
}

/// An empty string counts as an absent key, as in exporter-toolkit.
fn set(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|text| !text.is_empty())
}

fn unsupported(key: &'static str, value: &str, hint: impl Into<String>) -> WebConfigProblem {
    WebConfigProblem::Unsupported { key, value: value.to_owned(), hint: hint.into() }
}

fn versions(tls: &TlsServerConfig) -> Result<Vec<&'static SupportedProtocolVersion>, WebConfigProblem> {
    let find = |key, value: Option<&String>, default: ProtocolVersion| match set(value) {
        None => Ok(default),
        Some(name) => match VERSIONS.iter().find(|(known, _)| *known == name) {
            Some((_, version)) => Ok(version.version),
            None => Err(unsupported(key, name, "write TLS12 or TLS13")),
        },
    };
    let lowest = u16::from(find("min_version", tls.min_version.as_ref(), ProtocolVersion::TLSv1_2)?);
    let highest = u16::from(find("max_version", tls.max_version.as_ref(), ProtocolVersion::TLSv1_3)?);
    if lowest > highest {
        return Err(WebConfigProblem::Conflict { conflict: "min_version is above max_version" });
    }
    let in_range = |version: &&SupportedProtocolVersion| (lowest..=highest).contains(&u16::from(version.version));
    Ok(VERSIONS.iter().map(|(_, version)| *version).filter(in_range).collect())
}

/// ring's algorithms, restricted and ordered as configured. As in Go, `cipher_suites` only concerns TLS 1.2.
fn provider(tls: &TlsServerConfig) -> Result<CryptoProvider, WebConfigProblem> {
    let mut provider = ring::default_provider();
    if let Some(wanted) = tls.cipher_suites.as_deref().filter(|names| !names.is_empty()) {
        let (mut suites, offered): (Vec<_>, Vec<_>) =
            provider.cipher_suites.into_iter().partition(|suite| suite.version().version == ProtocolVersion::TLSv1_3);
        for name in wanted {
            let suite = offered.iter().find(|suite| suite_name(suite.suite()) == *name);
            suites.push(*suite.ok_or_else(|| {
                let names: Vec<_> = offered.iter().map(|suite| suite_name(suite.suite())).collect();
                unsupported("cipher_suites", name, format!("choose from {}", names.join(", ")))
            })?);
        }
        provider.cipher_suites = suites;
    }
    if let Some(wanted) = tls.curve_preferences.as_deref().filter(|names| !names.is_empty()) {
        let mut groups = Vec::new();
        for name in wanted {
            let group = CURVES.iter().find(|(known, _)| known == name).map(|(_, group)| *group);
            let group = group.and_then(|group| provider.kx_groups.iter().find(|offered| offered.name() == group));
            groups.push(*group.ok_or_else(|| {
                let names = CURVES.map(|(known, _)| known).join(", ");
                unsupported("curve_preferences", name, format!("choose from {names}"))
            })?);
        }
        provider.kx_groups = groups;
    }
    Ok(provider)
}

/// rustls names its suites as IANA does, and so does Go.
fn suite_name(suite: CipherSuite) -> String {
    format!("{suite:?}")
}

fn client_verifier(
    tls: &TlsServerConfig,
    authorities: Option<&PemText>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, WebConfigProblem> {
    let policy = set(tls.client_auth_type.as_ref()).unwrap_or("NoClientCert");
    if tls.client_allowed_sans.is_some() && policy != "RequireAndVerifyClientCert" {
        let conflict = "client_allowed_sans needs client_auth_type: RequireAndVerifyClientCert";
        return Err(WebConfigProblem::Conflict { conflict });
    }
    let required = match policy {
        "NoClientCert" if authorities.is_some() => {
            let conflict = "client_ca_file has no effect without client_auth_type: RequireAndVerifyClientCert";
            return Err(WebConfigProblem::Conflict { conflict });
        }
        "NoClientCert" => return Ok(WebPkiClientVerifier::no_client_auth()),
        "RequireAndVerifyClientCert" => true,
        "VerifyClientCertIfGiven" => false,
        insecure @ ("RequestClientCert" | "RequireClientCert" | "RequireAnyClientCert") => {
            let hint = "it accepts certificates unverified; write RequireAndVerifyClientCert";
            return Err(unsupported("client_auth_type", insecure, hint));
        }
        unknown => {
            let hint = "write NoClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert";
            return Err(unsupported("client_auth_type", unknown, hint));
        }
    };
    let mut roots = RootCertStore::empty();
    if let Some(authorities) = authorities {
        for certificate in authorities.certificates()? {
            roots.add(certificate).map_err(|source| WebConfigProblem::Rustls { key: authorities.key, source })?;
        }
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    let chain = builder.build().map_err(|source| WebConfigProblem::ClientAuthorities { source })?;
    Ok(match tls.client_allowed_sans.clone() {
        None => chain,
        Some(allowed) => Arc::new(AllowedSans { chain, allowed }),
    })
}
