//! A parsed cluster file in which every key and value knows its place.
//!
//! Reading goes in three passes, so that one run finds as much as it can: the
//! parser finds what is no TOML; the shapes find unknown keys, missing keys
//! and values of the wrong type, and take those out; what remains is read into
//! the types, and each value that its type refuses is taken out in turn.

use std::collections::BTreeMap;
use std::mem;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, Deserializer};

use super::config_error::Findings;
use super::nearest::nearest;
use super::shape::{Key, Shape};
use super::source::Source;

/// The most values that their types may refuse before the reader gives up.
const MOST_REFUSALS: usize = 50;

/// How deep a value may nest where only its own type can judge it.
const DEEPEST: usize = 8;

/// The tables of a cluster file.
#[derive(Debug)]
pub(super) struct Document<'t> {
    root: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Parses a text. What is no TOML makes the rest unreliable, so there is a
    /// document only if all of it is.
    pub(super) fn parse(text: &'t str, source: &Source<'_>) -> Result<Self, Findings> {
        let (root, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self { root });
        }
        let mut findings = Findings::default();
        for error in errors {
            let span = error.span().unwrap_or(text.len()..text.len());
            findings.add(
                span.clone(),
                syntax(error.message(), text.get(span).unwrap_or_default()),
            );
        }
        Err(findings.first_of_each_line(source))
    }

    /// Reports unknown keys, missing keys and values of the wrong type, and
    /// takes them out.
    pub(super) fn check(&mut self, shape: &Shape, findings: &mut Findings) {
        let Shape::Keys(keys) = shape else { return };
        let mut check = Check {
            whole: shape,
            findings,
        };
        check.keys(keys, self.root.get_mut(), &(0..0), &[]);
    }

    /// Reads the document into a type, reporting each value that is refused.
    pub(super) fn read<T: DeserializeOwned>(&mut self, findings: &mut Findings) -> Option<T> {
        for _ in 0..MOST_REFUSALS {
            let error = match T::deserialize(Deserializer::from(self.root.clone())) {
                Ok(value) => return Some(value),
                Err(error) => error,
            };
            // Keys that lack were reported by their shape; here a key lacks
            // because its value was refused.
            if error.message().starts_with("missing field") && !findings.is_empty() {
                return None;
            }
            let span = error.span().unwrap_or(0..0);
            let place = place_of(self.root.get_ref(), &span).map(|path| path.join("."));
            findings.add(
                span.clone(),
                match place.filter(|path| !path.is_empty()) {
                    Some(path) => format!("`{path}`: {}", error.message()),
                    None => error.message().to_owned(),
                },
            );
            if !prune(self.root.get_mut(), &span) {
                return None;
            }
        }
        None
    }

    /// Where the value with this path stands, or the innermost table on the
    /// way to it.
    pub(super) fn span(&self, path: &[&str]) -> Range<usize> {
        let mut span = 0..0;
        let mut table = Some(self.root.get_ref());
        for part in path {
            let Some((key, value)) = table.and_then(|table| table.get_key_value(*part)) else {
                break;
            };
            table = value.get_ref().as_table();
            span = if table.is_some() {
                key.span()
            } else {
                value.span()
            };
        }
        span
    }

    /// The whole number at the top of the file with this key.
    pub(super) fn integer(&self, key: &str) -> Option<i64> {
        integer(self.root.get_ref().get(key)?.get_ref())
    }
}

/// A walk of the tables beside their shapes.
struct Check<'a> {
    whole: &'a Shape,
    findings: &'a mut Findings,
}

impl Check<'_> {
    fn keys(
        &mut self,
        keys: &BTreeMap<String, Key>,
        table: &mut DeTable<'_>,
        header: &Range<usize>,
        path: &[&str],
    ) {
        for (name, _) in keys.iter().filter(|(_, key)| key.required) {
            let misspelt = |key: &str| !keys.contains_key(key) && like(key, keys) == Some(name);
            if !table.contains_key(name.as_str())
                && !table.keys().any(|key| misspelt(key.get_ref()))
            {
                let message = format!("the key `{name}` is missing{}", within(path));
                self.findings.add(header.clone(), message);
            }
        }
        keep(table, |name, value| {
            let Some(key) = keys.get(name.get_ref().as_ref()) else {
                self.unknown(keys, name, path);
                return false;
            };
            let path: Vec<_> = path
                .iter()
                .copied()
                .chain([name.get_ref().as_ref()])
                .collect();
            self.value(&key.shape, value, &name.span(), &path)
        });
    }

    fn unknown(
        &mut self,
        keys: &BTreeMap<String, Key>,
        name: &Spanned<DeString<'_>>,
        path: &[&str],
    ) {
        let text = name.get_ref().as_ref();
        let advice = if let Some(near) = like(text, keys) {
            format!("; did you mean `{near}`?")
        } else {
            let elsewhere = self.whole.places_of(text);
            if elsewhere.is_empty() {
                let known: Vec<_> = keys.keys().map(|key| format!("`{key}`")).collect();
                format!("\nhint: known here: {}", known.join(", "))
            } else {
                let named = |table: &String| match table.as_str() {
                    "" => "the top of the file".to_owned(),
                    table => format!("[{table}]"),
                };
                let tables: Vec<_> = elsewhere.iter().map(named).collect();
                format!("\nhint: `{text}` is a key of {}", tables.join(", "))
            }
        };
        let message = format!("unknown key `{text}`{}{advice}", within(path));
        self.findings.add(name.span(), message);
    }

    /// Whether the value may stay.
    fn value(
        &mut self,
        shape: &Shape,
        value: &mut Spanned<DeValue<'_>>,
        key: &Range<usize>,
        path: &[&str],
    ) -> bool {
        let span = value.span();
        let complaint = match (shape, value.get_mut()) {
            (Shape::Keys(keys), DeValue::Table(table)) => {
                self.keys(keys, table, key, path);
                return true;
            }
            (Shape::Names(inner), DeValue::Table(table)) => {
                keep(table, |name, value| {
                    let path: Vec<_> = path
                        .iter()
                        .copied()
                        .chain([name.get_ref().as_ref()])
                        .collect();
                    self.value(inner, value, &name.span(), &path)
                });
                return true;
            }
            (Shape::List(inner, _), DeValue::Array(items)) => {
                let mut good = true;
                for item in items.iter_mut() {
                    let span = item.span();
                    good &= self.value(inner, item, &span, path);
                }
                return good;
            }
            (Shape::Choice(words), DeValue::String(text)) => {
                if words.iter().any(|word| word == text) {
                    return true;
                }
                let near = nearest(text, words.iter().map(String::as_str));
                let near =
                    near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                format!(
                    "`{}` can't be {text:?}{near}\nhint: one of {}",
                    path.join("."),
                    quoted(words)
                )
            }
            (Shape::Integer(least, most), value @ DeValue::Integer(_)) => match integer(value) {
                Some(number) if (*least..=*most).contains(&number) => return true,
                _ => format!("`{}` must be between {least} and {most}", path.join(".")),
            },
            (Shape::Special, value) if depth(value) > DEEPEST => {
                format!("`{}` nests too deep", path.join("."))
            }
            (Shape::Text(_), DeValue::String(_))
            | (Shape::Boolean, DeValue::Boolean(_))
            | (Shape::Special, _) => {
                return true;
            }
            (shape, value) => wrong_type(shape, value, path),
        };
        self.findings.add(span, complaint);
        false
    }
}

/// The known key that an unknown one resembles.
fn like<'k>(key: &str, keys: &'k BTreeMap<String, Key>) -> Option<&'k str> {
    nearest(key, keys.keys().map(String::as_str))
}

fn within(path: &[&str]) -> String {
    if path.is_empty() {
        return String::new();
    }
    format!(" in `{}`", path.join("."))
}

fn wrong_type(shape: &Shape, value: &DeValue<'_>, path: &[&str]) -> String {
    let (wanted, example) = match shape {
        Shape::Keys(_) | Shape::Names(_) => ("a table", Some(format!("[{}]", path.join(".")))),
        Shape::List(inner, example) => {
            let example = example.as_deref().or(match inner.as_ref() {
                Shape::Text(example) => example.as_deref(),
                _ => None,
            });
            let list = example.map(|example| {
                if example.starts_with('[') {
                    example.to_owned()
                } else {
                    format!("[{example}]")
                }
            });
            ("a list", list.map(|list| assignment(path, &list)))
        }
        Shape::Text(example) => (
            "a text in quotes",
            example.as_ref().map(|example| assignment(path, example)),
        ),
        Shape::Choice(words) => (
            "a text in quotes",
            Some(format!("one of {}", quoted(words))),
        ),
        Shape::Integer(..) => ("a whole number without quotes", None),
        Shape::Boolean => ("`true` or `false`", None),
        Shape::Special => ("something else", None),
    };
    let found = match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    let hint = example.map_or_else(String::new, |example| format!("\nhint: {example}"));
    format!("`{}` must be {wanted}, not {found}{hint}", path.join("."))
}

fn assignment(path: &[&str], value: &str) -> String {
    format!("{} = {value}", path.last().unwrap_or(&""))
}

fn quoted(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    words.join(", ")
}

/// A parser's complaint as a sentence for a person. `text` is what it stumbled
/// over; only a key that stands twice is repeated.
fn syntax(complaint: &str, text: &str) -> String {
    match complaint {
        "duplicate key" => format!(
            "`{}` stands twice\nhint: keep one of them; a table can be opened only once",
            text.trim_matches(['[', ']', ' '])
        ),
        complaint if complaint.contains("recurs") => "this nests too deep".to_owned(),
        complaint => format!("this is no TOML: {complaint}"),
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// How deep a value nests, counted no further than it matters.
fn depth(value: &DeValue<'_>) -> usize {
    fn below(value: &DeValue<'_>, allowance: usize) -> usize {
        if allowance == 0 {
            return 1;
        }
        let deepest = match value {
            DeValue::Array(items) => items
                .iter()
                .map(|item| below(item.get_ref(), allowance - 1))
                .max(),
            DeValue::Table(table) => table
                .values()
                .map(|item| below(item.get_ref(), allowance - 1))
                .max(),
            _ => None,
        };
        1 + deepest.unwrap_or(0)
    }
    below(value, DEEPEST)
}

/// Keeps the entries of a table that `stays` wants.
fn keep<'t>(
    table: &mut DeTable<'t>,
    mut stays: impl FnMut(&Spanned<DeString<'t>>, &mut Spanned<DeValue<'t>>) -> bool,
) {
    for (key, mut value) in mem::take(table) {
        if stays(&key, &mut value) {
            table.insert(key, value);
        }
    }
}

/// The path of the value, or the table of the key, that stands at `span`.
fn place_of<'d>(table: &'d DeTable<'_>, span: &Range<usize>) -> Option<Vec<&'d str>> {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        if value.span() == *span || (list_holds(value.get_ref(), span)) {
            return Some(vec![name]);
        }
        if key.span() == *span {
            return Some(vec![]);
        }
        let inner = value
            .get_ref()
            .as_table()
            .and_then(|table| place_of(table, span));
        if let Some(mut path) = inner {
            path.insert(0, name);
            return Some(path);
        }
    }
    None
}

/// Takes out the value, or the key with its value, that stands at `span`.
fn prune(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let before = table.len();
    keep(table, |key, value| {
        key.span() != *span && value.span() != *span && !list_holds(value.get_ref(), span)
    });
    table.len() < before
        || table.iter_mut().any(|(_, value)| match value.get_mut() {
            DeValue::Table(table) => prune(table, span),
            _ => false,
        })
}

fn list_holds(value: &DeValue<'_>, span: &Range<usize>) -> bool {
    value
        .as_array()
        .is_some_and(|items| items.iter().any(|item| item.span() == *span))
}
