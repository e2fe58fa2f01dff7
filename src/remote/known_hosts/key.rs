//! A host's public key as the protocol and the lists of known hosts write it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

/// A host's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    kind: String,
    blob: Vec<u8>,
}

/// The kinds of keys that OpenSSH reads; with `-cert-v01@openssh.com` at their ends they are certificates.
const KINDS: [&str; 8] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ssh-dss",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

impl HostKey {
    /// A key as the server sends it; nothing if it does not begin with its kind.
    pub fn from_blob(blob: &[u8]) -> Option<Self> {
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let kind = std::str::from_utf8(rest.get(..length)?).ok()?;
        if kind.is_empty() || kind.contains(|c: char| !c.is_ascii_graphic()) || rest.len() == length
        {
            return None;
        }
        Some(Self {
            kind: kind.to_owned(),
            blob: blob.to_owned(),
        })
    }

    /// A key as a list has it: its kind, and the whole in base64; nothing if they don't belong together.
    pub(super) fn from_words(kind: &str, encoded: &str) -> Option<Self> {
        let plain = kind.replace("-cert-v01@openssh.com", "");
        let known = KINDS.iter().any(|known| {
            known.trim_end_matches("@openssh.com") == plain.trim_end_matches("@openssh.com")
        });
        let solid: String = encoded.split_ascii_whitespace().collect();
        let blob = STANDARD.decode(solid).ok()?;
        Self::from_blob(&blob).filter(|key| known && key.kind == kind)
    }

    /// Its kind, such as `ssh-ed25519`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The key as the server sends it.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// Its fingerprint as OpenSSH shows it.
    pub fn fingerprint(&self) -> String {
        let digest = STANDARD_NO_PAD.encode(Sha256::digest(&self.blob));
        format!("SHA256:{digest}")
    }

    /// The key as a list has it.
    pub(super) fn to_words(&self) -> String {
        format!("{} {}", self.kind, STANDARD.encode(&self.blob))
    }
}
