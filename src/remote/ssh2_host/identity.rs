//! A file with a private key.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const MAGIC: &[u8] = b"openssh-key-v1\0";

/// A file with a private key, as far as it can be seen without opening it.
pub(super) struct Identity {
    /// The private half; nothing if only the public one is here, as for a key that the agent has.
    pub(super) text: Option<Zeroizing<String>>,
    pub(super) encrypted: bool,
    /// The public half, where it can be seen.
    pub(super) public: Option<Vec<u8>>,
}

impl Identity {
    fn only_public(public: Vec<u8>) -> Self {
        Self {
            text: None,
            encrypted: false,
            public: Some(public),
        }
    }
}

/// Reads it; nothing if it is not there. An error says what is wrong with it.
pub(super) fn read(path: &Path) -> Result<Option<Identity>, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(beside(path).map(Identity::only_public));
        }
        Err(error) => return Err(format!("can't be read: {error}")),
    };
    if text.starts_with("PuTTY-User-Key-File") {
        return Err("is a key of PuTTY's, which `puttygen -O private-openssh` converts".to_owned());
    }
    if text.starts_with("ssh-") || text.starts_with("ecdsa-") {
        return Ok(public(&text).map(Identity::only_public));
    }
    let opened = openssh(&text);
    let encrypted = match &opened {
        Some((cipher, _)) => cipher != b"none",
        None => {
            text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
        }
    };
    Ok(Some(Identity {
        text: Some(text),
        encrypted,
        public: opened.map(|(_, public)| public).or_else(|| beside(path)),
    }))
}

/// The public half from the file beside it.
fn beside(path: &Path) -> Option<Vec<u8>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    public(&fs::read_to_string(name).ok()?)
}

fn public(line: &str) -> Option<Vec<u8>> {
    STANDARD.decode(line.split_whitespace().nth(1)?).ok()
}

/// The cipher and the public half of a key in OpenSSH's own format.
fn openssh(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let inner = text.split("-----BEGIN OPENSSH PRIVATE KEY-----").nth(1)?;
    let inner = inner.split("-----END").next()?;
    let inner: Zeroizing<String> = Zeroizing::new(inner.split_whitespace().collect());
    let bytes = Zeroizing::new(STANDARD.decode(inner.as_bytes()).ok()?);
    let rest = bytes.strip_prefix(MAGIC)?;
    let (cipher, rest) = string(rest)?;
    let (_, rest) = string(rest)?;
    let (_, rest) = string(rest)?;
    let (public, _) = string(rest.get(4..)?)?;
    Some((cipher.to_vec(), public.to_vec()))
}

fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}
