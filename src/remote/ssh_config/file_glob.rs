//! The files that a pattern names, in the order of their names.

use std::fs;
use std::path::PathBuf;

/// How many folders are looked into for one pattern.
const MOST_FOLDERS: usize = 4096;

/// The files that fit, at most so many. A pattern without wildcards names what is there under that name.
pub(super) fn matches(pattern: &str, most: usize) -> Vec<PathBuf> {
    let mut found = vec![String::new()];
    let mut folders = 0;
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for folder in &found {
            if next.len() > most {
                break;
            }
            match has_wildcard(part) {
                false => next.push(format!("{folder}/{}", plain(part))),
                true if folders < MOST_FOLDERS => {
                    folders += 1;
                    let mut names = names(folder);
                    names.retain(|name| fits(name, part));
                    names.sort_unstable();
                    next.extend(names.iter().map(|name| format!("{folder}/{name}")));
                }
                true => {}
            }
        }
        next.truncate(most);
        found = next;
    }
    let paths = found.into_iter().map(PathBuf::from);
    paths
        .filter(|path| path.symlink_metadata().is_ok())
        .collect()
}

/// The text as a pattern that fits only itself.
pub(super) fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, letter| {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\') {
            escaped.push('\\');
        }
        escaped.push(letter);
        escaped
    })
}

fn names(folder: &str) -> Vec<String> {
    let folder = if folder.is_empty() { "/" } else { folder };
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

fn has_wildcard(part: &str) -> bool {
    let mut letters = part.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

/// What a part without wildcards stands for.
fn plain(part: &str) -> String {
    let mut text = String::new();
    let mut letters = part.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.push(letters.next().unwrap_or('\\')),
            other => text.push(other),
        }
    }
    text
}

/// A piece of a pattern.
enum Piece {
    Any,
    One,
    Letter(char),
    Set(Vec<(char, char)>, bool),
}

impl Piece {
    fn takes(&self, letter: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Letter(only) => *only == letter,
            Self::Set(ranges, inside) => {
                ranges
                    .iter()
                    .any(|(from, to)| (*from..=*to).contains(&letter))
                    == *inside
            }
        }
    }
}

/// Whether a file's name fits one part of a pattern. A dot at its beginning is only found by a dot.
fn fits(name: &str, part: &str) -> bool {
    let pieces = pieces(part);
    if name.starts_with('.') && !matches!(pieces.first(), Some(Piece::Letter('.'))) {
        return false;
    }
    let name: Vec<char> = name.chars().collect();
    let (mut n, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(letter) = name.get(n) {
        match pieces.get(p) {
            Some(Piece::Any) => {
                retry = Some((p + 1, n));
                p += 1;
            }
            Some(piece) if piece.takes(*letter) => {
                n += 1;
                p += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    retry = Some((after_star, from + 1));
                    n = from + 1;
                    p = after_star;
                }
                None => return false,
            },
        }
    }
    pieces
        .iter()
        .skip(p)
        .all(|piece| matches!(piece, Piece::Any))
}

fn pieces(part: &str) -> Vec<Piece> {
    let letters: Vec<char> = part.chars().collect();
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        at += 1;
        pieces.push(match letter {
            '*' => Piece::Any,
            '?' => Piece::One,
            '\\' => {
                at += 1;
                Piece::Letter(letters.get(at - 1).copied().unwrap_or('\\'))
            }
            '[' => match set(&letters[at..]) {
                Some((piece, length)) => {
                    at += length;
                    piece
                }
                None => Piece::Letter('['),
            },
            other => Piece::Letter(other),
        });
    }
    pieces
}

/// What stands between brackets, and how long it is with the closing one.
fn set(letters: &[char]) -> Option<(Piece, usize)> {
    let inside = !matches!(letters.first(), Some('!' | '^'));
    let begin = usize::from(!inside);
    let mut ranges = Vec::new();
    let mut at = begin;
    loop {
        let mut letter = *letters.get(at)?;
        if letter == ']' && at > begin {
            return Some((Piece::Set(ranges, inside), at + 1));
        }
        if letter == '\\' {
            at += 1;
            letter = *letters.get(at)?;
        }
        at += 1;
        let to = match (letters.get(at), letters.get(at + 1)) {
            (Some('-'), Some(to)) if *to != ']' => {
                at += 2;
                *to
            }
            _ => letter,
        };
        ranges.push((letter, to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_in_a_shell() {
        for (name, pattern, expected) in [
            ("a.conf", "*.conf", true),
            (".a.conf", "*.conf", false),
            (".a.conf", ".*", true),
            ("a1", "a[0-9]", true),
            ("ax", "a[!0-9]", true),
            ("a]", "a[]]", true),
            ("a*", r"a\*", true),
            ("ab", r"a\*", false),
            ("a[", "a[", true),
            ("ab", "**b", true),
        ] {
            assert_eq!(fits(name, pattern), expected, "{name} {pattern}");
        }
    }

    #[test]
    fn escaping_makes_a_pattern_that_fits_only_itself() {
        for name in ["a*", "[a]", r"a\b", "?"] {
            assert!(!has_wildcard(&escaped(name)), "{name}");
            assert_eq!(plain(&escaped(name)), name);
        }
    }
}
