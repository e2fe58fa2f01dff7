//! What stands after a keyword, checked as OpenSSH checks it.

use super::jump::Jump;
use super::keyword::Shape;
use super::surroundings::Surroundings;
use super::{expand, line};

/// The most files that one line may name.
const MOST_FILES: usize = 32;

/// The value of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// One of a few words.
    Choice(&'static str),
    /// A word, or everything to the end of the line.
    Text(String),
    /// A number.
    Number(u32),
    /// Some words.
    Words(Vec<String>),
    /// Hosts to pass through.
    Jump(Jump),
    /// What is written as if nothing were.
    Unset,
}

/// The value that stands there, or what is wrong with it.
pub(super) fn read(shape: Shape, rest: &str, here: &Surroundings) -> Result<Value, String> {
    let words = line::words(rest).ok_or("a quote has no end")?;
    match shape {
        Shape::Command => return Ok(Value::Text(whole(rest).to_owned())),
        Shape::Jump => return Jump::read(whole(rest)).map(Value::Jump),
        Shape::Anything => return Ok(Value::Unset),
        Shape::Files => return files(words),
        Shape::Words => return Ok(Value::Words(words)),
        Shape::Names => {
            return match words
                .iter()
                .find(|name| name.is_empty() || name.contains('='))
            {
                Some(name) => Err(format!("`{name}` is no name of a variable")),
                None => Ok(Value::Words(words)),
            };
        }
        Shape::Variables => {
            return match words.iter().find(|variable| !variable.contains('=')) {
                Some(word) => Err(format!("`{word}` is not of the form NAME=VALUE")),
                None => Ok(Value::Words(words)),
            };
        }
        _ => {}
    }
    let mut words = words.into_iter();
    let word = words.next().unwrap_or_default();
    if word.is_empty() {
        return Err("the value is missing".to_owned());
    }
    if let Some(extra) = words.next() {
        return Err(format!(
            "there is more than one value: `{extra}` is too much"
        ));
    }
    one(shape, word, here)
}

fn one(shape: Shape, word: String, here: &Surroundings) -> Result<Value, String> {
    match shape {
        Shape::Choice(choices) => {
            let mut known = choices.iter();
            let found = known.find(|(name, _)| name.eq_ignore_ascii_case(&word));
            let Some((_, meaning)) = found else {
                let mut names: Vec<_> = choices.iter().map(|(_, meaning)| *meaning).collect();
                names.dedup();
                let names = names.join("`, `");
                return Err(format!("`{word}` is not one of `{names}`"));
            };
            Ok(Value::Choice(meaning))
        }
        Shape::Number => match whole_number(&word) {
            Some(number) if number <= i64::from(i32::MAX) => to_number(number),
            _ => Err(format!("`{word}` is no number from 0 to {}", i32::MAX)),
        },
        Shape::Port => match whole_number(&word) {
            Some(port @ 1..=65535) => to_number(port),
            _ => Err(format!("`{word}` is no port from 1 to 65535")),
        },
        Shape::Time if word == "none" => Ok(Value::Unset),
        Shape::Time => match seconds(&word) {
            Some(seconds) => Ok(Value::Number(seconds)),
            None => Err(format!(
                "`{word}` is no span of time such as 30, 90s or 1h30m"
            )),
        },
        Shape::Agent => {
            expand::variables(&word, here)?;
            let name = word.strip_prefix('$').filter(|name| !name.starts_with('{'));
            match name {
                Some(name) if !is_variable(name) => {
                    Err(format!("`{name}` is no name of a variable"))
                }
                _ => Ok(Value::Text(word)),
            }
        }
        _ => Ok(Value::Text(word)),
    }
}

fn to_number(number: i64) -> Result<Value, String> {
    u32::try_from(number)
        .map(Value::Number)
        .map_err(|error| error.to_string())
}

/// Everything to the end of the line, as a command is given to a shell.
fn whole(rest: &str) -> &str {
    rest.trim_start_matches([' ', '\t', '\r', '\n', '='])
}

fn files(words: Vec<String>) -> Result<Value, String> {
    if words.iter().any(String::is_empty) {
        return Err("a file's name is empty".to_owned());
    }
    let none = words.iter().any(|word| word.eq_ignore_ascii_case("none"));
    if none && words.len() > 1 {
        return Err("`none` stands alone".to_owned());
    }
    Ok(match words.len() {
        0 => Value::Unset,
        1..=MOST_FILES => Value::Words(words),
        _ => return Err(format!("there are more than {MOST_FILES} files")),
    })
}

fn is_variable(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(fine)
}

/// A number as C reads one: with spaces and a sign before it, and nothing after it.
pub(super) fn whole_number(word: &str) -> Option<i64> {
    let (number, rest) = leading_number(word)?;
    (rest.is_empty() && number >= 0).then_some(number)
}

fn leading_number(text: &str) -> Option<(i64, &str)> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (minus, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit());
    let (digits, rest) = digits.split_at(end.unwrap_or(digits.len()));
    if digits.is_empty() {
        return None;
    }
    let number: i64 = digits.parse().unwrap_or(i64::MAX);
    Some((if minus { -number } else { number }, rest))
}

/// Seconds from numbers with units, such as `1h30m`.
fn seconds(word: &str) -> Option<u32> {
    let mut total: i64 = 0;
    let mut text = word;
    while !text.is_empty() {
        let (number, rest) = leading_number(text)?;
        if number < 0 {
            return None;
        }
        let unit = rest.chars().next();
        let factor = match unit {
            None | Some('s' | 'S') => 1,
            Some('m' | 'M') => 60,
            Some('h' | 'H') => 3600,
            Some('d' | 'D') => 86_400,
            Some('w' | 'W') => 604_800,
            Some(_) => return None,
        };
        total = total.checked_add(number.checked_mul(factor)?)?;
        if total > i64::from(i32::MAX) {
            return None;
        }
        text = &rest[unit.map_or(0, char::len_utf8)..];
    }
    u32::try_from(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time() {
        for (word, expected) in [
            ("30", Some(30)),
            ("1h30m", Some(5400)),
            ("2D3", Some(172_803)),
            ("1w", Some(604_800)),
            ("-1", None),
            ("1x", None),
            ("5 6", None),
            ("99999999999", None),
            ("9999999w", None),
        ] {
            assert_eq!(seconds(word), expected, "{word}");
        }
    }

    #[test]
    fn numbers_as_c_reads_them() {
        assert_eq!(whole_number(" +7"), Some(7));
        assert_eq!(whole_number("-0"), Some(0));
        for word in ["", "0x10", "7 ", "seven", "-1"] {
            assert_eq!(whole_number(word), None, "{word}");
        }
    }
}
