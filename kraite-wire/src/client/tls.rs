//! One TLS configuration for HTTP and streams: rustls with an explicit provider, never the process-wide one.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use super::config::ConfigError;

/// A configuration with the system's root certificates, as `SSL_CERT_FILE` and `SSL_CERT_DIR` may name them. `needed` is false where
/// nothing is encrypted, towards an emulator; then none may be there.
///
/// # Errors
///
/// [`ConfigError::NoRoots`], [`ConfigError::Tls`].
pub fn client_config(needed: Needed) -> Result<Arc<ClientConfig>, ConfigError> {
    let mut roots = RootCertStore::empty();
    if needed == Needed::Yes {
        let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(ConfigError::NoRoots);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(|_| ConfigError::Tls)?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// Whether anything will be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    /// Yes.
    Yes,
    /// Nothing is.
    No,
}
