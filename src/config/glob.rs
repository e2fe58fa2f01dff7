//! Patterns for names: `*`, `?` and `[abc]`.

/// Whether `name` fits `pattern`. `*` is any text, `?` any one character,
/// `[abc]`, `[a-c]` and `[!abc]` one of a set. The time is bounded by the
/// product of the lengths, whatever the pattern.
pub(super) fn fits(pattern: &[Piece], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(Piece::Any) => {
                retry = Some((p, n));
                p += 1;
            }
            Some(piece) if name.get(n).is_some_and(|c| piece.is(*c)) => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    p = star + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern
        .iter()
        .skip(p)
        .all(|piece| matches!(piece, Piece::Any))
}

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Any text.
    Any,
    /// Any one character.
    One,
    /// This character.
    Exactly(char),
    /// One of these ranges, or none of them.
    Set {
        ranges: Vec<(char, char)>,
        inside: bool,
    },
}

impl Piece {
    fn is(&self, c: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Exactly(only) => *only == c,
            Self::Set { ranges, inside } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) == *inside
            }
        }
    }
}

/// Takes a pattern apart; the error says what is wrong with it.
pub(super) fn pieces(pattern: &str) -> Result<Vec<Piece>, &'static str> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        pieces.push(match c {
            '*' => Piece::Any,
            '?' => Piece::One,
            '[' => {
                let (set, tail) = rest.split_once(']').ok_or("`[` lacks its `]`")?;
                rest = tail;
                let (set, inside) = match set.strip_prefix('!') {
                    Some(set) => (set, false),
                    None => (set, true),
                };
                let ranges = ranges(set)?;
                Piece::Set { ranges, inside }
            }
            ']' => return Err("`]` lacks its `[`"),
            c if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') => Piece::Exactly(c),
            _ => return Err("a name can't contain such a character"),
        });
    }
    Ok(pieces)
}

fn ranges(set: &str) -> Result<Vec<(char, char)>, &'static str> {
    let characters: Vec<char> = set.chars().collect();
    let mut ranges = Vec::new();
    let mut rest = characters.as_slice();
    while !rest.is_empty() {
        rest = match rest {
            [from, '-', to, tail @ ..] => {
                if from > to {
                    return Err("a range in `[]` runs backwards");
                }
                ranges.push((*from, *to));
                tail
            }
            [one, tail @ ..] => {
                ranges.push((*one, *one));
                tail
            }
            [] => rest,
        };
    }
    if ranges.is_empty() {
        return Err("`[]` is empty");
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "ucd1", true),
            ("ucd*", "ucd1", true),
            ("*1", "ucd11", true),
            ("u*d*1", "ucdd1x1", true),
            ("ucd?", "ucd", false),
            ("ucd?", "ucd1", true),
            ("ucd[12]", "ucd2", true),
            ("ucd[12]", "ucd3", false),
            ("ucd[1-3]", "ucd3", true),
            ("ucd[!1-3]", "ucd3", false),
            ("ucd[!1-3]", "ucd4", true),
            ("ucd[a-]", "ucd-", true),
            ("a", "ab", false),
        ] {
            assert_eq!(
                fits(&pieces(pattern).unwrap(), name),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern() {
        for pattern in ["[", "a[b", "]", "[]", "[!]", "[z-a]", "a b", "ü*"] {
            assert!(pieces(pattern).is_err(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_obvious_matcher(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
            fn obvious(pattern: &[u8], name: &[u8]) -> bool {
                match (pattern, name) {
                    ([], name) => name.is_empty(),
                    ([b'*', p @ ..], name) => obvious(p, name) || (!name.is_empty() && obvious(pattern, &name[1..])),
                    ([_, ..], []) => false,
                    ([p, ps @ ..], [n, ns @ ..]) => (*p == b'?' || p == n) && obvious(ps, ns),
                }
            }
            prop_assert_eq!(fits(&pieces(&pattern).unwrap(), &name), obvious(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
