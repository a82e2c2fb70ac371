//! Certificates for a test, and a client that trusts exactly one of them.

use crate::{
    http::{self, Answer},
    wait::SOON,
};
use anyhow::{Context as _, Result};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
};

/// A self-signed certificate for `localhost` with its key.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate in PEM.
    pub certificate: String,
    /// The private key in PEM.
    pub key: String,
}

impl Issued {
    /// Valid from the beginning of the first year to the beginning of the second.
    ///
    /// # Errors
    /// When the key cannot be generated.
    pub fn between(first: i32, second: i32) -> Result<Self> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        params.not_before = date_time_ymd(first, 1, 1);
        params.not_after = date_time_ymd(second, 1, 1);
        let key = KeyPair::generate()?;
        Ok(Self { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
    }

    /// Valid at the current time.
    ///
    /// # Errors
    /// As [`Issued::between`].
    pub fn valid() -> Result<Self> {
        Self::between(2000, 2200)
    }

    /// Gets a page from a server and accepts this certificate only.
    ///
    /// # Errors
    /// When the server has another certificate, or as [`http::get`].
    pub fn get(&self, server: SocketAddr, path: &str) -> Result<Answer> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes())?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
        let stream = TcpStream::connect_timeout(&server, SOON).with_context(|| format!("connecting to {server}"))?;
        stream.set_read_timeout(Some(SOON))?;
        http::exchange(&mut StreamOwned::new(client, stream), path, "")
    }
}

/// Replaces a file atomically: writes another one and renames it.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(&new, path).with_context(|| format!("replacing {}", path.display()))
}
