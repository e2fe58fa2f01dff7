//! The first part of an answer, for people.

use super::credentials::disguises;
use crate::config::{Secret, mask};

/// How many characters are shown.
const SHOWN: usize = 300;

/// The first part of a text in one line, without these secrets and without orders to a terminal.
///
/// Credentials are masked in every form in which a server may repeat them: whole, the password alone, and encoded.
pub fn excerpt(text: &str, secrets: &[&Secret]) -> String {
    let forms: Vec<Secret> = secrets
        .iter()
        .flat_map(|secret| disguises(secret))
        .collect();
    let masked = mask(text, &forms);
    let mut line = String::new();
    for word in masked.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            match c {
                '"' | '\'' | '\\' => line.push(c),
                c => line.extend(c.escape_debug()),
            }
        }
        if line.chars().nth(SHOWN).is_some() {
            line = line.chars().take(SHOWN - 1).collect();
            line.push('…');
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, secret: &str) -> String {
        excerpt(text, &[&Secret::new(secret.to_owned())])
    }

    #[test]
    fn one_line_without_orders() {
        let text = "<html>\r\n\t<p title=\"a\">\u{1b}[31m\u{202e}é\\\u{7}\n";
        assert_eq!(
            of(text, "x:y"),
            "<html> <p title=\"a\">\\u{1b}[31m\\u{202e}é\\\\u{7}"
        );
        assert_eq!(of("", "x:y"), "");
    }

    #[test]
    fn long_texts_are_cut() {
        let text = "é".repeat(5_000);
        let line = of(&text, "x:y");
        assert_eq!(line.chars().count(), SHOWN);
        assert!(line.ends_with('…'));
        assert_eq!(of(&"a".repeat(SHOWN), "x:y"), "a".repeat(SHOWN));
    }

    #[test]
    fn secrets_are_masked_before_the_text_is_cut() {
        let secret = "admin:can\"ary é";
        let encoded = "YWRtaW46Y2FuImFyeSDDqQ==";
        for repeated in [secret, "can\"ary é", "can\\\"ary é", encoded] {
            for at in [0, SHOWN - 8, SHOWN - 2, SHOWN] {
                let line = of(&format!("{}{repeated}", ".".repeat(at)), secret);
                assert!(!line.contains("can"), "{line}");
                assert!(!line.contains("YWR"), "{line}");
            }
        }
        assert_eq!(of("token abc!", "abc"), "token ****!");
    }
}
