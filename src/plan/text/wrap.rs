//! Breaking a paragraph into lines.

/// The lines of one paragraph; a word that is longer than a line stays whole.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let (mut row, mut length) = (String::new(), 0);
    for word in text.split(' ') {
        let more = word.chars().count();
        if length > 0 && length + 1 + more > width && !row.trim().is_empty() {
            rows.push(std::mem::take(&mut row));
            length = 0;
        } else if length > 0 {
            row.push(' ');
            length += 1;
        }
        row.push_str(word);
        length += more;
    }
    rows.push(row);
    rows
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn breaks_between_words_only() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("unbreakable a", 4), ["unbreakable", "a"]);
        assert_eq!(wrap("a  b", 80), ["a  b"]);
        assert_eq!(wrap("", 0), [""]);
    }
}
