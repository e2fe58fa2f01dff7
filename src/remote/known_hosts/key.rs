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

/// The smallest modulus of RSA and DSA that OpenSSH reads, in bytes, and the largest.
const MODULUS: std::ops::RangeInclusive<usize> = 128..=2048;

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

    /// A key as a list has it: its kind, and the whole in base64; nothing if OpenSSH would skip the line; that a point
    /// lies on its curve is not looked at.
    pub(super) fn from_words(kind: &str, encoded: &str) -> Option<Self> {
        let solid: String = encoded
            .split([' ', '\t', '\n', '\x0b', '\x0c', '\r'])
            .collect();
        let blob = STANDARD.decode(solid).ok()?;
        Self::from_blob(&blob).filter(|key| key.kind == kind && key.is_whole())
    }

    /// Whether the parts are there that its kind has.
    fn is_whole(&self) -> bool {
        let Some(parts) = parts(&self.blob) else {
            return false;
        };
        let point = |curve: &[u8], point: &[u8], length| {
            self.kind.as_bytes().ends_with(curve) && point.len() == length && point[0] == 4
        };
        match (self.kind.as_str(), &parts[1..]) {
            ("ssh-ed25519", [key]) | ("sk-ssh-ed25519@openssh.com", [key, _]) => key.len() == 32,
            ("ssh-rsa", [_, modulus]) | ("ssh-dss", [modulus, _, _, _]) => {
                parts[1..].iter().all(|part| is_natural(part)) && is_modulus(modulus)
            }
            ("ecdsa-sha2-nistp256", [curve, key]) => point(curve, key, 65),
            ("ecdsa-sha2-nistp384", [curve, key]) => point(curve, key, 97),
            ("ecdsa-sha2-nistp521", [curve, key]) => point(curve, key, 133),
            ("sk-ecdsa-sha2-nistp256@openssh.com", [b"nistp256", key, _]) => key.len() == 65,
            _ => false,
        }
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

/// Whether a number is not below zero.
fn is_natural(number: &[u8]) -> bool {
    number.first().is_none_or(|first| first & 0x80 == 0)
}

/// Whether a number is long enough, and not too long.
fn is_modulus(number: &[u8]) -> bool {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = &number[zeros..];
    let full = number.first().is_some_and(|first| first & 0x80 != 0);
    MODULUS.contains(&number.len()) && (number.len() > *MODULUS.start() || full)
}

/// The parts of a key, each of which has its length before it; nothing if they don't fill it.
fn parts(blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    let mut rest = blob;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (part, after) = after.split_at_checked(length)?;
        parts.push(part);
        rest = after;
    }
    (!parts.is_empty()).then_some(parts)
}
