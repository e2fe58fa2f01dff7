//! Text from plans and files, made safe to show.
//!
//! A plan may come from a file that somebody sent, and a preview may come from
//! a file on a node. What they say must neither drive a terminal nor look like
//! something else than it is: control characters, the characters that turn the
//! direction of writing, and those that can't be seen at all are written out
//! as escapes.

/// Whether the character shows as itself and does nothing else.
pub(crate) fn shows(c: char) -> bool {
    matches!(c, '\\' | '"' | '\'') || c.escape_debug().len() == 1
}

/// The text as one line.
pub(crate) fn line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if shows(c) {
            safe.push(c);
        } else {
            safe.extend(c.escape_debug());
        }
    }
    safe
}

/// The lines of a text, tabs as they are; a return before the end of a line shows.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = String> {
    text.split_inclusive('\n')
        .map(|one| one.strip_suffix('\n').unwrap_or(one))
        .map(|one| one.split('\t').map(line).collect::<Vec<_>>().join("\t"))
}

/// The text as one line of at most `most` characters; what is left out is shown as `…`.
pub(super) fn short(text: &str, most: usize) -> String {
    let safe = line(text);
    match safe.char_indices().nth(most) {
        None => safe,
        Some(_) => safe
            .chars()
            .take(most.saturating_sub(1))
            .chain(['…'])
            .collect(),
    }
}

/// `1 node`, `2 nodes`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{s}")
}

/// A number of bytes for people, in units of a thousand.
pub(crate) fn size(bytes: u64) -> String {
    let units = [
        (1_000_000_000_000, "TB"),
        (1_000_000_000, "GB"),
        (1_000_000, "MB"),
        (1_000, "kB"),
    ];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = bytes / (unit / 10);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} bytes"),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list<I>(items: I) -> String
where
    I: IntoIterator,
    I::Item: ToString,
{
    let mut items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match (items.pop(), items.is_empty()) {
        (None, _) => String::new(),
        (Some(only), true) => only,
        (Some(last), false) => format!("{} and {last}", items.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_drives_a_terminal_is_left() {
        assert_eq!(line("a\u{1b}[31mred\r\n"), r"a\u{1b}[31mred\r\n");
        assert_eq!(line("exe\u{202e}gpj.\u{200b}"), r"exe\u{202e}gpj.\u{200b}");
        assert_eq!(line("\u{9b}2J\u{7f}\0"), r"\u{9b}2J\u{7f}\0");
        assert_eq!(line(r#"C:\a "b" 'c' é ☃"#), r#"C:\a "b" 'c' é ☃"#);
    }

    #[test]
    fn lines_keep_their_tabs_and_show_other_returns() {
        let shown: Vec<_> = lines("\ta\u{2028}\n b\r\tc\r\n").collect();
        assert_eq!(shown, ["\ta\\u{2028}", " b\\r\tc\\r"]);
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(short("abcdef", 6), "abcdef");
        assert_eq!(short("abcdefg", 6), "abcde…");
        assert_eq!(short("abc", 0), "…");
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(list(["a"]), "a");
        assert_eq!(list(["a", "b", "c"]), "a, b and c");
        assert_eq!(list::<[&str; 0]>([]), "");
    }

    #[test]
    fn sizes_are_for_people() {
        let sizes = [0, 999, 1000, 1_234_567, 50_000_000_000].map(size);
        assert_eq!(
            sizes,
            ["0 bytes", "999 bytes", "1.0 kB", "1.2 MB", "50.0 GB"]
        );
    }
}
