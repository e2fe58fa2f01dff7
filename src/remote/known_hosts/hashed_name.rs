//! Names of hosts that nobody can read: `|1|salt|hash`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// What such a name begins with.
const BEGINNING: &str = "|1|";

/// How long salt and hash are.
const LENGTH: usize = 20;

/// The longest salt that OpenSSH looks at, as it is written.
const LONGEST: usize = 1024;

/// A name that can be compared, and not read.
#[derive(Debug, Clone)]
pub(super) struct HashedName {
    /// The hash of nothing with the salt.
    keyed: Hmac<Sha1>,
    hash: [u8; LENGTH],
}

impl HashedName {
    /// `Err` for what OpenSSH takes for a broken line; `Ok(None)` for a name that fits no host.
    pub(super) fn read(text: &str) -> Result<Option<Self>, ()> {
        let (salt, hash) = text
            .strip_prefix(BEGINNING)
            .and_then(|rest| rest.split_once('|'))
            .ok_or(())?;
        if salt.is_empty() || salt.len() > LONGEST {
            return Err(());
        }
        let solid: String = salt
            .split([' ', '\t', '\n', '\x0b', '\x0c', '\r'])
            .collect();
        let bytes: [u8; LENGTH] = exactly(&solid).ok_or(())?;
        let keyed = Hmac::new_from_slice(&bytes).map_err(|_| ())?;
        // OpenSSH compares what is written, so it must be written in the usual way.
        let hash = exactly(hash).filter(|hash| STANDARD.encode(hash) == text[text.len() - 28..]);
        let usual = STANDARD.encode(bytes) == salt;
        Ok(hash.filter(|_| usual).map(|hash| Self { keyed, hash }))
    }

    /// Whether it is this name.
    pub(super) fn is(&self, name: &str) -> bool {
        let mut hash = self.keyed.clone();
        hash.update(name.as_bytes());
        hash.finalize().into_bytes()[..] == self.hash
    }

    /// A name made unreadable with this salt.
    pub(super) fn write(name: &str, salt: &[u8; LENGTH]) -> Option<String> {
        let mut hash = Hmac::<Sha1>::new_from_slice(salt).ok()?;
        hash.update(name.as_bytes());
        let hash = hash.finalize().into_bytes();
        Some(format!(
            "{BEGINNING}{}|{}",
            STANDARD.encode(salt),
            STANDARD.encode(hash)
        ))
    }
}

fn exactly(text: &str) -> Option<[u8; LENGTH]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_again() {
        let written = HashedName::write("web1", &[7; LENGTH]).unwrap();
        let name = HashedName::read(&written).unwrap().unwrap();
        assert!(name.is("web1"));
        assert!(!name.is("web2"));
    }

    #[test]
    fn broken_names() {
        let salt = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        for text in ["|", "|1|", "|1||x", "|2|x|y", "|1|AAAA|AAAA", "|1|?|x"] {
            assert!(HashedName::read(text).is_err(), "{text}");
        }
        for hash in ["", "x", "AAAA", &format!("{salt} ")] {
            let read = HashedName::read(&format!("|1|{salt}|{hash}"));
            assert!(matches!(read, Ok(None)), "{hash}");
        }
    }
}
