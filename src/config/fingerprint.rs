//! The fingerprint of a certificate.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How the text of a fingerprint begins.
const KIND: &str = "sha256:";

/// How many bytes it has.
const LENGTH: usize = 32;

/// The SHA-256 of a certificate, as `openssl x509 -fingerprint -sha256` computes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; LENGTH]);

/// Why a text is no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{problem}\nhint: write \"sha256:\" and the 64 hexadecimal digits that `openssl x509 -noout -fingerprint -sha256 -in FILE` prints, with or without colons"
)]
pub struct InvalidFingerprint {
    problem: String,
}

impl Fingerprint {
    /// The fingerprint of a certificate in its binary form (DER).
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    fn parse(text: &str) -> Result<Self, InvalidFingerprint> {
        let fail = |problem: String| Err(InvalidFingerprint { problem });
        let Some(digits) = text.strip_prefix(KIND) else {
            return fail(format!("the fingerprint does not begin with {KIND:?}"));
        };
        if let Some(bad) = digits.chars().find(|c| !c.is_ascii_hexdigit() && *c != ':') {
            return fail(format!("a fingerprint can't contain {bad:?}"));
        }
        let pairs: Vec<&str> = if digits.contains(':') {
            digits.split(':').collect()
        } else {
            let pair = |at: usize| &digits[at..(at + 2).min(digits.len())];
            (0..digits.len()).step_by(2).map(pair).collect()
        };
        if let Some(odd) = pairs.iter().find(|pair| pair.len() != 2) {
            return fail(format!(
                "{odd:?} in the fingerprint is not two hexadecimal digits"
            ));
        }
        let bytes: Vec<u8> = pairs
            .iter()
            .filter_map(|pair| u8::from_str_radix(pair, 16).ok())
            .collect();
        let length = bytes.len();
        match bytes.try_into() {
            Ok(bytes) => Ok(Self(bytes)),
            Err(_) => fail(format!(
                "the fingerprint has {length} bytes; a SHA-256 has {LENGTH}"
            )),
        }
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = InvalidFingerprint;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

/// With colons, so that it can be compared by eye with what `openssl` prints.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KIND)?;
        for (at, byte) in self.0.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl schemars::JsonSchema for Fingerprint {
    fn schema_name() -> Cow<'static, str> {
        "Fingerprint".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^sha256:[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of nothing.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn with_colons_and_without() {
        let plain: Fingerprint = format!("{KIND}{EMPTY}").parse().unwrap();
        assert_eq!(plain, Fingerprint::of(b""));
        let shown = plain.to_string();
        assert!(shown.starts_with("sha256:E3:B0:C4:"), "{shown}");
        assert_eq!(shown.parse::<Fingerprint>().unwrap(), plain);
        assert_eq!(shown.len(), KIND.len() + 3 * LENGTH - 1);
    }

    #[test]
    fn what_is_none() {
        for (text, problem) in [
            (EMPTY.to_owned(), "does not begin with"),
            (format!("sha1:{EMPTY}"), "does not begin with"),
            (format!("{KIND}{EMPTY}00"), "has 33 bytes"),
            (format!("{KIND}{}", &EMPTY[2..]), "has 31 bytes"),
            (format!("{KIND}{}", &EMPTY[1..]), "is not two"),
            (format!("{KIND}é{}", &EMPTY[1..]), "can't contain 'é'"),
            (format!("{KIND}:{EMPTY}"), "is not two"),
            (format!("{KIND}e:3b0{}", &EMPTY[4..]), "is not two"),
            (KIND.to_owned(), "has 0 bytes"),
        ] {
            let error = text.parse::<Fingerprint>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
