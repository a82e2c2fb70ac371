//! Certificates and private keys in PEM, from a file or from the configuration itself.

use super::{
    error::WebConfigProblem,
    watched_file::{WatchedFile, read},
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject as _},
};
use std::path::Path;

/// PEM text and the configuration key that it came from.
pub(super) struct PemText {
    pub(super) key: &'static str,
    text: Vec<u8>,
}

impl PemText {
    /// Reads `file`, the value of `key`, or takes `inline`, the value of `inline_key`. `None` without either, an error
    /// with both. A relative file name is below `directory`; the file is added to `files`.
    pub(super) fn load(
        key: &'static str,
        file: Option<&str>,
        inline_key: &'static str,
        inline: Option<&str>,
        directory: &Path,
        files: &mut Vec<WatchedFile>,
    ) -> Result<Option<Self>, WebConfigProblem> {
        match (file, inline) {
            (Some(_), Some(_)) => Err(WebConfigProblem::Both { key, inline: inline_key }),
            (None, None) => Ok(None),
            (None, Some(text)) => Ok(Some(Self { key: inline_key, text: text.into() })),
            (Some(file), None) => {
                let path = directory.join(file);
                files.push(WatchedFile::new(&path));
                match read(&path) {
                    Ok(text) => Ok(Some(Self { key, text })),
                    Err(source) => Err(WebConfigProblem::ReadFile { key, path, source }),
                }
            }
        }
    }

    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, WebConfigProblem> {
        let failed = |source| WebConfigProblem::Pem { key: self.key, expected: "a certificate", source };
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.text).collect();
        match certificates {
            Ok(none) if none.is_empty() => Err(failed(pem::Error::NoItemsFound)),
            certificates => certificates.map_err(failed),
        }
    }

    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, WebConfigProblem> {
        let expected = "an unencrypted private key";
        PrivateKeyDer::from_pem_slice(&self.text).map_err(|source| WebConfigProblem::Pem {
            key: self.key,
            expected,
            source,
        })
    }
}
