//! One line of a file, cut into its keyword and its words exactly as OpenSSH cuts it.

/// What separates words, and what `=` and quotes may stand between.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// A line that says something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The keyword as it was written.
    pub keyword: String,
    /// What stands after it, without what separates the two.
    pub rest: String,
}

impl Line {
    /// Nothing for an empty line, a comment, and what OpenSSH takes for one.
    pub(super) fn split(text: &str) -> Option<Self> {
        // A line ends at a zero byte.
        let text = text.split('\0').next().unwrap_or_default();
        let first = text.chars().next()?.len_utf8();
        let (head, tail) = text.split_at(first);
        let tail = tail.trim_end_matches([' ', '\t', '\r', '\n', '\x0c']);
        let text = format!("{head}{tail}");
        let mut cutter = Cutter::new(&text);
        let mut keyword = cutter.next()?;
        if keyword.is_empty() {
            keyword = cutter.next()?;
        }
        if keyword.is_empty() || keyword.starts_with('#') {
            return None;
        }
        let rest = cutter.rest.unwrap_or_default();
        Some(Self {
            keyword,
            rest: rest.trim_start_matches(SPACE).to_owned(),
        })
    }
}

/// Cuts off one word after the other; `=` separates as a space does, once.
pub(super) struct Cutter<'a> {
    rest: Option<&'a str>,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: Some(text) }
    }

    /// Whether everything was cut off.
    pub(super) fn is_done(&self) -> bool {
        self.rest.is_none_or(str::is_empty)
    }

    /// Forgets what is left.
    pub(super) fn skip_the_rest(&mut self) {
        self.rest = None;
    }
}

impl Iterator for Cutter<'_> {
    type Item = String;

    /// The next word, which is empty at the end of the text, once; nothing after it, and after a quote without its end.
    fn next(&mut self) -> Option<String> {
        let text = self.rest?;
        let Some(at) = text.find([' ', '\t', '\r', '\n', '"', '=']) else {
            self.rest = None;
            return Some(text.to_owned());
        };
        let (word, end) = text.split_at(at);
        let mut after = &end[1..];
        if end.starts_with('"') {
            let Some(close) = after.find('"') else {
                self.rest = None;
                return None;
            };
            let word = format!("{word}{}", &after[..close]);
            self.rest = Some(after[close + 1..].trim_start_matches(SPACE));
            return Some(word);
        }
        after = after.trim_start_matches(SPACE);
        if !end.starts_with('=')
            && let Some(past) = after.strip_prefix('=')
        {
            after = past.trim_start_matches(SPACE);
        }
        self.rest = Some(after);
        Some(word.to_owned())
    }
}

/// The words of what stands after a keyword, up to a comment; nothing if a quote has no end.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut letters = text.chars().peekable();
    loop {
        while letters.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        match letters.peek() {
            None | Some('#') => return Some(words),
            Some(_) => words.push(word(&mut letters)?),
        }
    }
}

fn word(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut word = String::new();
    let mut quote = None;
    while let Some(&letter) = letters.peek() {
        if quote.is_none() && matches!(letter, ' ' | '\t') {
            break;
        }
        letters.next();
        match letter {
            '\\' => {
                let escaped = letters.next_if(|next| {
                    matches!(next, '\'' | '"' | '\\') || quote.is_none() && *next == ' '
                });
                word.push(escaped.unwrap_or('\\'));
            }
            '"' | '\'' if quote.is_none() => quote = Some(letter),
            _ if quote == Some(letter) => quote = None,
            _ => word.push(letter),
        }
    }
    quote.is_none().then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Option<(String, String)> {
        Line::split(text).map(|line| (line.keyword, line.rest))
    }

    #[test]
    fn keywords_end_at_a_space_an_equals_sign_or_a_quote() {
        for (text, keyword, rest) in [
            ("Port 22\n", "Port", "22"),
            (" \tPort\t=\t22 \r\n", "Port", "22"),
            ("Port=22", "Port", "22"),
            ("Port==22", "Port", "=22"),
            ("\"Port\" 22", "Port", "22"),
            ("Po\"rt\"22", "Port", "22"),
            ("Port", "Port", ""),
            ("Port 22\0 23", "Port", "22"),
        ] {
            let expected = Some((keyword.to_owned(), rest.to_owned()));
            assert_eq!(line(text), expected, "{text:?}");
        }
        for text in ["", "\n", "# Port 22", "  #", "\"Port 22", "\0Port 22"] {
            assert_eq!(line(text), None, "{text:?}");
        }
    }

    #[test]
    fn words_with_quotes_and_backslashes() {
        for (text, expected) in [
            ("a b\tc", Some(vec!["a", "b", "c"])),
            ("'a b'\"c d\" # e", Some(vec!["a bc d"])),
            (r"a\ b \x \\ \'", Some(vec!["a b", r"\x", r"\", "'"])),
            (r#""a\ b""#, Some(vec![r"a\ b"])),
            ("a#b #c", Some(vec!["a#b"])),
            ("''", Some(vec![""])),
            ("#", Some(vec![])),
            ("'a", None),
        ] {
            let expected = expected.map(|words| words.into_iter().map(str::to_owned).collect());
            assert_eq!(words(text), expected, "{text:?}");
        }
    }
}
