//! A secret's value: held in memory, shown nowhere.

use std::fmt;
use std::hint::black_box;

use zeroize::Zeroizing;

/// The value of a secret. It is wiped from memory when dropped, has no
/// `Display` and no `Serialize`, and its `Debug` shows asterisks only.
/// [`expose`](Secret::expose) is the one way to read it, which makes every
/// reader easy to find.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the value into custody.
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(****)")
    }
}

/// Compares every byte whatever differs first; only the lengths can be told
/// from the time it takes.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let (left, right) = (self.0.as_bytes(), other.0.as_bytes());
        let difference = left
            .iter()
            .zip(right)
            .fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
        left.len() == right.len() && black_box(difference) == 0
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new("canary".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(****)");
        assert_eq!(format!("{:#?}", Some(&secret)).find("canary"), None);
        assert_eq!(secret.expose(), "canary");
    }

    #[test]
    fn equality() {
        let secret = |text: &str| Secret::new(text.to_owned());
        assert_eq!(secret("a"), secret("a"));
        assert_eq!(secret(""), secret(""));
        assert_ne!(secret("a"), secret("b"));
        assert_ne!(secret("a"), secret("ab"));
        assert_ne!(secret(""), secret("b"));
    }
}
