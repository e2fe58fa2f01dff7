//! Secrets are taken out of what a person sees.

use super::Secret;

/// What stands in the place of a secret.
pub const MASK: &str = "****";

/// What of these secrets must not be seen: each as a whole and each of its lines, the longest first.
pub fn needles<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Vec<&'s str> {
    let mut needles: Vec<&str> = secrets
        .into_iter()
        .flat_map(|secret| std::iter::once(secret.expose()).chain(secret.expose().lines()))
        .filter(|needle| !needle.trim().is_empty())
        .collect();
    needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
    needles
}

/// The text with every secret replaced, whole or by the line.
pub fn mask<'s>(text: &str, secrets: impl IntoIterator<Item = &'s Secret>) -> String {
    needles(secrets)
        .into_iter()
        .fold(text.to_owned(), |text, needle| text.replace(needle, MASK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_and_by_the_line() {
        let secrets = ["key\nof two lines", "key", " "].map(|text| Secret::new(text.to_owned()));
        let masked = |text: &str| mask(text, &secrets);
        assert_eq!(masked("a key\nof two lines b"), "a **** b");
        assert_eq!(masked("of two lines, a key"), "****, a ****");
        assert_eq!(masked("a b"), "a b");
    }
}
