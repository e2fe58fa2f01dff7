//! Lines for a POSIX shell that a person may read, copy and paste.
//!
//! What stands in them is exact: a word that holds characters which don't show
//! is written with `printf` and octal numbers, never as the bare characters.
//! Secrets never stand in them: they are read into a variable without echo,
//! and leave it through `printf`, which is part of the shell and thus appears in no
//! list of processes.

use std::fmt::Write as _;

use super::{Argv, Value, printable};

/// One word, quoted.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c == '\n' || printable::shows(c);
    if text.chars().all(plain) {
        return Argv::new([text]).posix();
    }
    let mut quoted = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let shows = plain(first);
        let end = rest.find(|c| plain(c) != shows).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if shows {
            quoted.push_str(&Argv::new([run]).posix());
        } else {
            let _ = write!(quoted, "\"$(printf '{}')\"", octal(run));
        }
        rest = after;
    }
    quoted
}

/// A whole command.
pub(super) fn command(argv: &Argv) -> String {
    argv.words()
        .iter()
        .map(|one| word(one))
        .collect::<Vec<_>>()
        .join(" ")
}

fn octal(text: &str) -> String {
    text.bytes().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "\\{byte:03o}");
        digits
    })
}

/// A command that prints exactly this text, whatever is in it.
pub(super) fn print(text: &str) -> String {
    let mut format = String::new();
    for (at, c) in text.char_indices() {
        match c {
            '%' => format.push_str("%%"),
            '\\' => format.push_str("\\\\"),
            '\t' => format.push_str("\\t"),
            '-' if at == 0 => format.push_str("\\055"),
            '\n' => format.push('\n'),
            c if printable::shows(c) => format.push(c),
            c => format.push_str(&octal(c.encode_utf8(&mut [0; 4]))),
        }
    }
    format!("printf '{}'", format.replace('\'', r"'\''"))
}

/// Values that must be at hand before a command is typed, each in a variable.
#[derive(Debug, Default)]
pub(super) struct Slots(Vec<Value>);

impl Slots {
    /// The variable that holds the value.
    fn variable(&mut self, value: &Value) -> String {
        let at = self
            .0
            .iter()
            .position(|known| known == value)
            .unwrap_or_else(|| {
                self.0.push(value.clone());
                self.0.len() - 1
            });
        format!("value_{}", at + 1)
    }

    /// The values, each with its variable.
    pub(super) fn each(&self) -> impl Iterator<Item = (String, &Value)> {
        self.0
            .iter()
            .enumerate()
            .map(|(at, value)| (format!("value_{}", at + 1), value))
    }

    /// A list of commands that prints the parts, one after the other.
    pub(super) fn print(&mut self, parts: &[Value]) -> String {
        let mut commands = Vec::new();
        let mut text = String::new();
        for part in parts {
            if let Value::Text(more) = part {
                text.push_str(more);
                continue;
            }
            if !text.is_empty() {
                commands.push(print(&std::mem::take(&mut text)));
            }
            commands.push(format!("printf '%s' \"${}\"", self.variable(part)));
        }
        if !text.is_empty() || commands.is_empty() {
            commands.push(print(&text));
        }
        match commands.as_slice() {
            [only] => only.clone(),
            several => format!("{{ {}; }}", several.join("; ")),
        }
    }
}

/// A here-document of this text, where it can be one: whole lines that all show.
pub(super) fn here(text: &str) -> Option<String> {
    let plain = |c: char| c == '\n' || printable::shows(c);
    if !text.ends_with('\n') || !text.chars().all(plain) {
        return None;
    }
    let mut end = "END_OF_FILE".to_owned();
    while text.lines().any(|line| line == end) {
        end.push('_');
    }
    Some(format!("<<'{end}'\n{text}{end}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sh(script: &str) -> Vec<u8> {
        let out = std::process::Command::new("/bin/sh")
            .args(["-c", script])
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        assert!(out.stderr.is_empty(), "{script}: {out:?}");
        out.stdout
    }

    fn shows(script: &str) -> bool {
        script.chars().all(|c| c == '\n' || printable::shows(c))
    }

    #[test]
    fn words_that_do_not_show_are_written_in_octal() {
        assert_eq!(word("a b"), "'a b'");
        assert_eq!(word("a\u{1b}[m"), r#"a"$(printf '\033')"'[m'"#);
        assert_eq!(command(&Argv::new(["x", "\t"])), r#"x "$(printf '\011')""#);
    }

    #[test]
    fn printing_is_exact() {
        assert_eq!(print("-n 5%\t\\'\n"), "printf '\\055n 5%%\\t\\\\'\\''\n'");
        let text: String = (0..=127_u8)
            .map(char::from)
            .chain("é\u{202e}1".chars())
            .collect();
        assert_eq!(sh(&print(&text)), text.as_bytes());
    }

    #[test]
    fn here_documents_end_where_they_should() {
        let text = "a $b `c`\nEND_OF_FILE\n\\\n";
        let script = format!("cat {}\n", here(text).unwrap());
        assert_eq!(sh(&script), text.as_bytes());
        assert_eq!(here("no end"), None);
        assert_eq!(here("tab\t\n"), None);
    }

    #[test]
    fn values_leave_their_variables_unchanged() {
        let secret = Value::FromStep {
            step: "a/b/c".parse().unwrap(),
            output: "x".to_owned(),
        };
        let mut slots = Slots::default();
        let print = slots.print(&["a=".into(), secret.clone(), "\n".into(), secret]);
        assert_eq!(slots.each().count(), 1);
        assert_eq!(
            sh(&format!("value_1='%s -n \\'; {print}")),
            b"a=%s -n \\\n%s -n \\"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_back_what_was_meant(text in any::<String>().prop_map(|t| t.replace('\0', ""))) {
            let script = format!("printf '%s' {}", word(&text));
            prop_assert!(shows(&script));
            prop_assert_eq!(sh(&script), text.as_bytes());
            prop_assert_eq!(sh(&print(&text)), text.as_bytes());
        }
    }
}
