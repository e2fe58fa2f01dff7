//! Unified diffs, read backwards.

/// The diff that leads back, if the text is a unified diff of one or more files.
///
/// Each hunk is read by the counts in its head, so that a line such as
/// `--- old` in a file is not taken for the head of a diff.
pub(super) fn reversed(diff: &str) -> Option<String> {
    let mut back = String::with_capacity(diff.len());
    let mut lines = diff.split_inclusive('\n').peekable();
    let mut hunks = 0;
    while let Some(line) = lines.next() {
        if let Some(old) = line.strip_prefix("--- ") {
            let new = lines.next()?.strip_prefix("+++ ")?;
            back.extend(["--- ", new, "+++ ", old]);
        } else if line.starts_with("@@ ") {
            let (head, old, new) = head(line)?;
            back.push_str(&head);
            hunk(&mut lines, (old, new), &mut back)?;
            hunks += 1;
        } else {
            return None;
        }
    }
    (hunks > 0).then_some(back)
}

/// The head of a hunk backwards, and how many old and new lines the hunk has.
fn head(line: &str) -> Option<(String, usize, usize)> {
    let (ranges, rest) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let count = |range: &str| match range.split_once(',') {
        Some((_, count)) => count.parse().ok(),
        None => Some(1),
    };
    Some((
        format!("@@ -{new} +{old} @@{rest}"),
        count(old)?,
        count(new)?,
    ))
}

/// The lines of a hunk backwards: what was added goes, then what went comes.
fn hunk<'a>(
    lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
    (mut old, mut new): (usize, usize),
    back: &mut String,
) -> Option<()> {
    let (mut gone, mut come) = (String::new(), String::new());
    let mut last = ' ';
    while old > 0 || new > 0 || lines.peek().is_some_and(|line| line.starts_with('\\')) {
        let line = lines.next()?;
        let kind = line.chars().next()?;
        let rest = &line[kind.len_utf8()..];
        match kind {
            '-' => {
                old = old.checked_sub(1)?;
                come.extend(["+", rest]);
            }
            '+' => {
                new = new.checked_sub(1)?;
                gone.extend(["-", rest]);
            }
            '\\' if last == '-' => come.push_str(line),
            '\\' if last == '+' => gone.push_str(line),
            ' ' | '\\' => {
                if kind == ' ' {
                    old = old.checked_sub(1)?;
                    new = new.checked_sub(1)?;
                }
                back.push_str(&std::mem::take(&mut gone));
                back.push_str(&std::mem::take(&mut come));
                back.push_str(line);
            }
            _ => return None,
        }
        last = kind;
    }
    back.push_str(&gone);
    back.push_str(&come);
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::reversed;

    #[test]
    fn a_diff_is_turned_round() {
        let diff = "--- a\n+++ b\n@@ -1,3 +1,4 @@ there\n x\n-y\n---- z\n+Y\n+++ Z\n+w\n";
        let back = "--- b\n+++ a\n@@ -1,4 +1,3 @@ there\n x\n-Y\n-++ Z\n-w\n+y\n+--- z\n";
        assert_eq!(reversed(diff).as_deref(), Some(back));
    }

    #[test]
    fn what_is_no_diff_has_no_way_back() {
        for text in [
            "",
            "service ucd: stop",
            "--- a\n+++ b\n",
            "@@ -1,2 +1 @@\n-x\n",
            "@@ -1 +1 @@\n*\n",
        ] {
            assert_eq!(reversed(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_diff_of_the_swapped_texts(old in "([ab-]{0,2}\n){0,9}[a]{0,1}", new in "([ab+]{0,2}\n){0,9}[b]{0,1}") {
            let diff = |old: &str, new: &str, names: (&str, &str)| {
                similar::TextDiff::from_lines(old, new)
                    .unified_diff()
                    .header(names.0, names.1)
                    .to_string()
            };
            let there = diff(&old, &new, ("a", "b"));
            if old != new {
                let back = reversed(&there).unwrap();
                prop_assert_eq!(back.lines().count(), there.lines().count());
                prop_assert_eq!(reversed(&back), Some(there));
            }
        }
    }
}
