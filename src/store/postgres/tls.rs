//! Encrypted connections: whether they are asked for, whom they trust, and what this side shows. The modes mean what they
//! mean to the server's own programs.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Whether a connection is encrypted, and how much of the server is checked. Without meaning for sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// Never.
    Disable,
    /// If the server wants it.
    Allow,
    /// If the server can.
    Prefer,
    /// Always. The server is checked only where it is known whom to trust.
    Require,
    /// Always, with a server that somebody trusted vouches for.
    VerifyCa,
    /// Always, with the server of this name.
    VerifyFull,
}

impl Mode {
    /// The mode that a word stands for.
    pub(super) fn of(word: &str) -> Result<Mode, String> {
        Ok(match word {
            "disable" => Mode::Disable,
            "allow" => Mode::Allow,
            "prefer" => Mode::Prefer,
            "require" => Mode::Require,
            "verify-ca" => Mode::VerifyCa,
            "verify-full" => Mode::VerifyFull,
            _ => return Err("disable, allow, prefer, require, verify-ca or verify-full".to_owned()),
        })
    }
}

/// Who vouches for servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// Whoever answers.
    Anybody,
    /// Those in a file of certificates.
    File(PathBuf),
    /// Those whom the system trusts.
    System,
}

/// What an address says about encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) mode: Mode,
    pub(super) trust: Trust,
    /// Files of a certificate of this side and of its key.
    pub(super) own: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// What encrypts connections as asked for.
    ///
    /// # Errors
    /// A file cannot be read or does not hold what it should.
    pub(super) fn connector(&self) -> Result<MakeRustlsConnect, String> {
        let provider = Arc::new(ring::default_provider());
        let (roots, pinned) = self.trusted()?;
        let names = self.mode == Mode::VerifyFull;
        let checker = Checker { roots, pinned, names, provider: provider.clone() };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(checker));
        let config = match &self.own {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => config
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(|error| format!("{} and {} do not fit: {error}", certificate.display(), key.display()))?,
        };
        Ok(MakeRustlsConnect::new(config))
    }

    /// Whom to trust, and certificates that are trusted themselves; nobody in particular without roots.
    fn trusted(&self) -> Result<(Option<RootCertStore>, Vec<CertificateDer<'static>>), String> {
        let (found, what) = match &self.trust {
            Trust::Anybody => return Ok((None, Vec::new())),
            Trust::File(path) => (certificates(path)?, path.display().to_string()),
            Trust::System => (rustls_native_certs::load_native_certs().certs, "the system's list".to_owned()),
        };
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(found.iter().cloned());
        if usable == 0 {
            return Err(format!("{what} holds no certificate that can be used"));
        }
        let pinned = if self.trust == Trust::System { Vec::new() } else { found };
        Ok((Some(roots), pinned))
    }
}

/// The certificates in a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |why: String| format!("the certificates in {} cannot be read: {why}", path.display());
    let read = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    let read: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))?;
    if read.is_empty() { Err(wrong("there are none".to_owned())) } else { Ok(read) }
}

/// The key in a file, which nobody else may read. One of root's may be read by a group.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let wrong = |why: String| format!("the key in {} cannot be used: {why}", path.display());
    let facts = fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    let others = if facts.uid() == 0 { 0o037 } else { 0o077 };
    if facts.mode() & others != 0 {
        return Err(wrong("others than its owner may read it: chmod 600".to_owned()));
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| wrong(error.to_string()))
}

/// Checks the server's certificate as far as the mode asks for it.
#[derive(Debug)]
struct Checker {
    /// Without them everybody is trusted, and nothing is looked at.
    roots: Option<RootCertStore>,
    /// Certificates that are trusted as they are: a server may show the very one that was given as the root.
    pinned: Vec<CertificateDer<'static>>,
    names: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Checker {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(shown)?;
            if !self.pinned.contains(shown) {
                let known = self.provider.signature_verification_algorithms.all;
                verify_server_cert_signed_by_trust_anchor(&certificate, roots, between, now, known)?;
            }
            if self.names {
                verify_server_name(&certificate, name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.roots.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.roots.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
