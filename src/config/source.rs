//! The text of a cluster file as errors show it: positions, excerpts, and the
//! masking of lines that may hold a secret by mistake.

use std::ops::Range;

/// How many characters of a long line an excerpt shows.
const WIDTH: usize = 100;

/// How many characters before the error a long line's excerpt shows.
const BEFORE: usize = 40;

/// Stands for what must not be shown.
const MASK: &str = "****";

/// Words that make the value on the same line a likely secret.
const SECRET_WORDS: [&str; 7] = [
    "secret",
    "pass",
    "pwd",
    "token",
    "credential",
    "apikey",
    "api_key",
];

/// A text with its line starts.
#[derive(Debug)]
pub(super) struct Source<'t> {
    text: &'t str,
    starts: Vec<usize>,
    /// For each line, how much of it can be shown.
    guards: Vec<Guard>,
}

/// How careful one must be with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// Only its own words can make it a likely secret.
    Words,
    /// It stands in the table `secrets`.
    Secrets,
    /// It continues a text of several lines, which may be a key.
    Continued,
}

/// A line of the text, ready to be shown, with what to underline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    pub(super) text: String,
    pub(super) indent: usize,
    pub(super) carets: usize,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut starts = vec![0];
        starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        let mut inside = false;
        let mut open = None;
        let guards = text
            .split('\n')
            .map(|line| {
                let continued = open.is_some();
                open = still_open(line, open);
                if continued {
                    return Guard::Continued;
                }
                if let Some(table) = header(line) {
                    inside = table == "secrets" || table.starts_with("secrets.");
                }
                if inside { Guard::Secrets } else { Guard::Words }
            })
            .collect();
        Self {
            text,
            starts,
            guards,
        }
    }

    /// Line and column of a byte, both counted from one, columns in characters.
    pub(super) fn position(&self, byte: usize) -> (usize, usize) {
        let byte = self.boundary(byte);
        let line = self.starts.partition_point(|start| *start <= byte);
        let start = self
            .starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or_default();
        let before = self.text.get(start..byte).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    /// The line around the start of `span`, and which part of it is meant.
    pub(super) fn excerpt(&self, span: &Range<usize>) -> Excerpt {
        let (line, column) = self.position(span.start);
        let (text, masked_from) = self.shown(line);
        let length = self
            .text
            .get(self.boundary(span.start)..self.boundary(span.end))
            .map_or(0, |part| {
                part.lines().next().unwrap_or_default().chars().count()
            });
        let mut indent = (column - 1).min(masked_from);
        let total = text.chars().count();
        let carets = length.clamp(1, total.saturating_sub(indent).max(1));
        if total <= WIDTH {
            return Excerpt {
                text,
                indent,
                carets,
            };
        }
        let skip = indent.saturating_sub(BEFORE);
        let mut window: String = text.chars().skip(skip).take(WIDTH).collect();
        let shown = window.chars().count();
        indent -= skip;
        if skip > 0 {
            window.insert(0, '…');
            indent += 1;
        }
        if skip + shown < total {
            window.push('…');
        }
        let carets = carets.min((shown + 1).saturating_sub(indent).max(1));
        Excerpt {
            text: window,
            indent,
            carets,
        }
    }

    /// A line fit for a terminal: control characters are replaced, and the
    /// value is masked where it may be a secret. Also the column from which
    /// on it is masked.
    fn shown(&self, line: usize) -> (String, usize) {
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let rest = self.text.get(start..).unwrap_or_default();
        let raw = rest.split('\n').next().unwrap_or_default();
        let raw = raw.strip_suffix('\r').unwrap_or(raw);
        let printable = |text: &str| -> String {
            text.chars()
                .map(|c| match c {
                    '\t' => ' ',
                    c if c.is_control() => '\u{fffd}',
                    c => c,
                })
                .collect()
        };
        let folded = raw.to_ascii_lowercase();
        let guard = self.guards.get(line - 1).copied().unwrap_or(Guard::Words);
        let keep = match guard {
            Guard::Continued => 0,
            Guard::Secrets => harmless_prefix(raw, true),
            Guard::Words if SECRET_WORDS.iter().any(|word| folded.contains(word)) => {
                harmless_prefix(raw, false)
            }
            Guard::Words => return (printable(raw), usize::MAX),
        };
        let kept = printable(raw.get(..keep).unwrap_or_default());
        let from = kept.chars().count();
        if keep == raw.len() {
            return (kept, usize::MAX);
        }
        (kept + MASK, from)
    }

    fn boundary(&self, byte: usize) -> usize {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        byte
    }
}

/// The name of the table that a line opens, without quotes and blanks.
fn header(line: &str) -> Option<String> {
    let (name, _) = line.trim_start().strip_prefix('[')?.split_once(']')?;
    let name: String = name
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '[' | '"' | '\''))
        .collect();
    // A comma: the line continues a list.
    (!name.contains(',')).then_some(name)
}

/// The quotes of a text of several lines that is open after this line.
fn still_open(line: &str, mut open: Option<&'static str>) -> Option<&'static str> {
    let mut rest = line;
    loop {
        let next = match open {
            Some(quotes) => rest.split_once(quotes).map(|(_, tail)| (None, tail)),
            None => ["\"\"\"", "'''"]
                .into_iter()
                .filter_map(|quotes| {
                    rest.split_once(quotes)
                        .map(|(before, tail)| (before.len(), quotes, tail))
                })
                .min_by_key(|(at, ..)| *at)
                .map(|(_, quotes, tail)| (Some(quotes), tail)),
        };
        let Some((state, tail)) = next else {
            return open;
        };
        (open, rest) = (state, tail);
    }
}

/// How much of a line can be shown although its value may be a secret: the
/// key, the equals sign, and the kind of reference inside braces.
fn harmless_prefix(line: &str, guarded: bool) -> usize {
    let trimmed = line.trim_start();
    if trimmed.starts_with('#') {
        return line.len() - trimmed.len() + 1;
    }
    if trimmed.starts_with('[') && !line.contains('=') {
        return match line.find(']') {
            Some(end) => end + 1,
            None => line.len() - trimmed.len() + 1,
        };
    }
    let Some(equals) = line.find('=') else {
        // Nothing says that this is a key: it may continue a text of several lines.
        return if guarded {
            line.len() - trimmed.len()
        } else {
            line.len()
        };
    };
    let key = line.get(..equals).unwrap_or_default();
    if guarded
        && !key
            .chars()
            .all(|c| c.is_alphanumeric() || " \t_-.\"'".contains(c))
    {
        return line.len() - trimmed.len();
    }
    let value = line.get(equals + 1..).unwrap_or_default();
    let brace = value.trim_start();
    let lead = value.len() - brace.len();
    let Some(inside) = brace.strip_prefix('{') else {
        return equals + 1 + lead;
    };
    match inside.find('=') {
        Some(at)
            if inside.get(..at).is_some_and(|kind| {
                kind.trim().len() <= 8 && kind.trim().chars().all(|c| c.is_ascii_lowercase())
            }) =>
        {
            equals + 1 + lead + 1 + at + 1
        }
        _ => equals + 1 + lead + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, byte: usize) -> Excerpt {
        Source::new(text).excerpt(&(byte..byte + 1))
    }

    #[test]
    fn positions_count_characters() {
        let source = Source::new("a\nüb\n");
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(1), (1, 2));
        assert_eq!(source.position(2), (2, 1));
        assert_eq!(source.position(3), (2, 1));
        assert_eq!(source.position(4), (2, 2));
        assert_eq!(source.position(6), (3, 1));
        assert_eq!(source.position(99), (3, 1));
    }

    #[test]
    fn likely_secrets_are_masked() {
        for (text, shown) in [
            ("[secrets]\ndb = \"hunter2\"", "db = ****"),
            (
                "[secrets]\ndb = { file = \"hunter2\" }",
                "db = { file =****",
            ),
            ("[secrets]\n\"hunter2\"", "****"),
            ("[nodes.a]\nx = \"\"\"\naHVudGVyMg==", "****"),
            ("[nodes.a]\nx = 1\nhunter 2 = 3", "hunter 2 = 3"),
            ("[ 'secrets' ] # x\ndb = hunter2", "db = ****"),
            ("[secrets.db]\nvalue = \"hunter2\"", "value = ****"),
            ("x = 1\ndb_password = 'hunter2'", "db_password = ****"),
            ("x = 1\ntags = [\"a\"] # password: hunter2", "tags = ****"),
            ("[secrets]\nx = \"\"\"\nhunter2", "****"),
            ("x = 1\n# password hunter2", "#****"),
        ] {
            let byte = text.rfind('\n').unwrap() + 1;
            assert_eq!(excerpt(text, byte).text, shown, "{text}");
        }
        let text = "[secrets]\na = 1\n[nodes.a]\nuser = 5";
        assert_eq!(excerpt(text, text.len() - 1).text, "user = 5");
    }

    #[test]
    fn the_caret_stays_within_what_is_shown() {
        let text = "[secrets]\ndb = \"hunter2\"";
        assert_eq!(
            Source::new(text).excerpt(&(15..24)),
            Excerpt {
                text: "db = ****".into(),
                indent: 5,
                carets: 4
            }
        );
        assert_eq!(
            Source::new(text).excerpt(&(20..24)),
            Excerpt {
                text: "db = ****".into(),
                indent: 5,
                carets: 4
            }
        );
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("{}X{}", "a".repeat(200), "b".repeat(200));
        let excerpt = excerpt(&text, 200);
        assert_eq!(excerpt.text.chars().nth(excerpt.indent), Some('X'));
        assert!(excerpt.text.starts_with('…') && excerpt.text.ends_with('…'));
    }

    #[test]
    fn a_terminal_is_not_given_orders() {
        assert_eq!(excerpt("a\u{1b}[31m\tb", 0).text, "a\u{fffd}[31m b");
    }
}
