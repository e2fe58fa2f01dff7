//! Pieces of Markdown that what stands in them can't break.

use super::printable::{line, lines};

/// Prose: characters that Markdown would read are escaped.
pub(super) fn text(prose: &str) -> String {
    not_a_block(&inline(prose))
}

/// Prose in which what stands between backticks is code.
pub(super) fn sentence(prose: &str) -> String {
    let pieces: Vec<&str> = prose.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return text(prose);
    }
    let marked: String = pieces
        .iter()
        .enumerate()
        .map(|(at, piece)| match at % 2 {
            0 => inline(piece),
            _ => code(piece),
        })
        .collect();
    not_a_block(&marked)
}

fn inline(prose: &str) -> String {
    let safe = line(prose);
    let mut escaped = String::with_capacity(safe.len());
    let mut before = ' ';
    let mut rest = safe.chars().peekable();
    while let Some(c) = rest.next() {
        let after = rest.peek().copied().unwrap_or(' ');
        let read = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '~' => true,
            '_' => !(before.is_alphanumeric() && after.is_alphanumeric()),
            '&' => after.is_alphanumeric() || after == '#',
            _ => false,
        };
        if read {
            escaped.push('\\');
        }
        escaped.push(c);
        before = c;
    }
    escaped
}

/// The text, so that it begins neither a heading nor a list nor a line.
fn not_a_block(text: &str) -> String {
    let text = text.trim();
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    let marker = rest.strip_prefix(['.', ')']);
    if digits > 0 && marker.is_some_and(|after| after.is_empty() || after.starts_with(' ')) {
        return format!("{number}\\{rest}");
    }
    if text.starts_with(['#', '-', '+', '=']) {
        return format!("\\{text}");
    }
    text.to_owned()
}

/// A piece of code within prose.
pub(super) fn code(code: &str) -> String {
    let safe = line(code);
    let ticks = "`".repeat(longest_run(&safe) + 1);
    let pad = if safe.is_empty() || safe.starts_with(['`', ' ']) || safe.ends_with(['`', ' ']) {
        " "
    } else {
        ""
    };
    format!("{ticks}{pad}{safe}{pad}{ticks}")
}

/// A block of code. What does not show is written out, which shell commands must have seen to before.
pub(super) fn block(language: &str, body: &str) -> String {
    let body: Vec<_> = lines(body).collect();
    let body = body.join("\n");
    let fence = "`".repeat((longest_run(&body) + 1).max(3));
    format!("{fence}{language}\n{body}\n{fence}\n")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_stays_prose() {
        assert_eq!(
            text("a *b* [c](d) <e> `f`"),
            r"a \*b\* \[c\](d) \<e\> \`f\`"
        );
        assert_eq!(
            text("install_folder _x_ &amp; a & b"),
            r"install_folder \_x\_ \&amp; a & b"
        );
        assert_eq!(text("# a\n## b"), r"\# a\\n## b");
        assert_eq!(text("1. first"), r"1\. first");
        assert_eq!(text("10.0.0.1"), "10.0.0.1");
        assert_eq!(text("- [ ] done"), r"\- \[ \] done");
    }

    #[test]
    fn sentences_have_code_in_them() {
        assert_eq!(
            sentence("x is `a*b`, *not* `c`"),
            r"x is `a*b`, \*not\* `c`"
        );
        assert_eq!(sentence("one ` alone"), r"one \` alone");
    }

    #[test]
    fn code_and_blocks_survive_backticks() {
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(block("sh", "a\n```\nb"), "````sh\na\n```\nb\n````\n");
        assert_eq!(block("diff", "+\u{1b}x\r"), "```diff\n+\\u{1b}x\\r\n```\n");
    }
}
