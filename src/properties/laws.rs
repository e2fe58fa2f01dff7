//! What must hold for every file, with generated files as witnesses.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{ByteDiff, Encoding, Fate, JavaString, MeaningDiff, Properties, Which};

/// Pieces that mean something to the format, so that short files are nasty.
const PIECES: &[&[u8]] = &[
    b"\\",
    b"\\",
    b"\n",
    b"\n",
    b"\r",
    b"\r\n",
    b"\\\n",
    b"\\\r",
    b"\\\r\n",
    b" ",
    b"\t",
    b"\x0C",
    b"#",
    b"!",
    b"=",
    b"=",
    b":",
    b"a",
    b"a",
    b"b",
    b"u",
    b"\\u0041",
    b"\\ud83d",
    b"\\u00",
    b"\\:",
    b"\\=",
    b"\0",
    b"\xE4",
    b"\xC3\xA4",
    b"\xED\xA0\x80",
    b"\xEF\xBB\xBF",
    b"n",
    b"key",
    b"value",
];

fn file() -> impl Strategy<Value = Vec<u8>> {
    let nasty = vec(select(PIECES), 0..24).prop_map(|pieces| pieces.concat());
    let any_byte = any::<u8>().prop_map(|byte| if byte == b'Z' { b'z' } else { byte });
    prop_oneof![4 => nasty, 1 => vec(any_byte, 0..64)]
}

fn encoding() -> impl Strategy<Value = Encoding> {
    select(&[Encoding::Latin1, Encoding::Utf8][..])
}

fn text() -> impl Strategy<Value = JavaString> {
    let units = "\\ \t\n\r\x0C=:#!aubn\0~\x7F\u{E4}\u{2028}\u{D7FF}"
        .encode_utf16()
        .chain([0xD83D, 0xDE00])
        .collect::<Vec<_>>();
    vec(select(units), 0..6).prop_map(JavaString::from)
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        Just(Which::Only),
        Just(Which::First),
        Just(Which::Last),
        Just(Which::All),
        (1..6_usize).prop_map(Which::Line),
    ]
}

/// A key: one of the file, or any.
fn pick_key(file: &Properties, any_key: JavaString, choice: usize) -> JavaString {
    let keys = file.keys();
    if keys.is_empty() || choice.is_multiple_of(3) {
        any_key
    } else {
        keys[choice % keys.len()].clone()
    }
}

fn meaning(file: &Properties) -> Vec<(JavaString, JavaString)> {
    file.entries()
        .map(|entry| (entry.key, entry.value))
        .collect()
}

/// A secret as someone may have written it; nothing else has a Z in it.
fn raw_secret() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"Z",
        b"Z",
        b" ",
        b"=",
        b"#",
        b"\\:",
        b"\\\\",
        b"\\u005A",
        b"\\\n",
        b"\\\r\n  ",
        b"\\\n#",
    ];
    vec(select(pieces), 0..8).prop_map(|pieces| pieces.concat())
}

/// A file with a secret in the middle of it, as a definition or a comment.
fn around(before: &[u8], hash: &str, separator: &str, secret: &[u8], after: &[u8]) -> Vec<u8> {
    let key = format!("{hash}top.secret{separator}");
    [before, b"\n\n", key.as_bytes(), secret, b"\n", after].concat()
}

/// What a diff makes of the old file, when nothing in it is hidden.
fn patched(old: &Properties, diff: &ByteDiff) -> Vec<u8> {
    let mut rest = old.bytes();
    let mut line = 1;
    let mut patched = Vec::new();
    for hunk in diff.hunks() {
        while line < hunk.old_start {
            let (first, others) = split_line(rest);
            patched.extend_from_slice(first);
            rest = others;
            line += 1;
        }
        for diff_line in &hunk.lines {
            let mut bytes: Vec<u8> = diff_line
                .text
                .chars()
                .map(|c| u8::try_from(c).unwrap())
                .collect();
            bytes.extend(diff_line.line_end.map_or(&b""[..], |end| end.bytes()));
            if diff_line.fate != Fate::Added {
                let (first, others) = split_line(rest);
                assert_eq!(first, bytes);
                rest = others;
                line += 1;
            }
            if diff_line.fate != Fate::Removed {
                patched.extend(bytes);
            }
        }
    }
    patched.extend_from_slice(rest);
    patched
}

fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
        return (bytes, &[]);
    };
    let pair = bytes[end..].starts_with(b"\r\n");
    bytes.split_at(end + 1 + usize::from(pair))
}

/// The definitions that an edit means, as places in the list of entries.
fn chosen(file: &Properties, key: &JavaString, which: Which) -> Vec<usize> {
    let entries: Vec<_> = file.entries().collect();
    let places: Vec<_> = (0..entries.len())
        .filter(|&i| entries[i].key == *key)
        .collect();
    match which {
        Which::Only | Which::All => places,
        Which::First => places.into_iter().take(1).collect(),
        Which::Last => places.into_iter().next_back().into_iter().collect(),
        Which::Line(number) => {
            let lines: Vec<_> = file
                .lines()
                .iter()
                .filter(|line| line.entry().is_some())
                .collect();
            places
                .into_iter()
                .filter(|&i| lines[i].numbers().contains(&number))
                .collect()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_byte_is_kept(bytes in file(), encoding in encoding()) {
        let parsed = Properties::parse_as(&bytes, encoding);
        prop_assert_eq!(parsed.bytes(), &bytes[..]);
        let mut at = 0;
        let mut number = 1;
        for line in parsed.lines() {
            prop_assert_eq!(line.span().start, at);
            prop_assert!(line.span().end > at);
            prop_assert_eq!(*line.numbers().start(), number);
            prop_assert!(line.numbers().end() >= &number);
            at = line.span().end;
            number = line.numbers().end() + 1;
        }
        prop_assert_eq!(at, bytes.len());
    }

    #[test]
    fn set_changes_what_it_says_and_nothing_else(
        bytes in file(), encoding in encoding(), which in which(),
        any_key in text(), value in text(), choice in any::<usize>(),
    ) {
        let old = Properties::parse_as(&bytes, encoding);
        let key = pick_key(&old, any_key, choice);
        let mut new = old.clone();
        let places = chosen(&old, &key, which);
        if let Ok(changed) = new.set(&key, &value, which) {
            let mut expected = meaning(&old);
            for &place in &places {
                expected[place].1 = value.clone();
            }
            if places.is_empty() {
                expected.push((key.clone(), value.clone()));
                prop_assert!(new.bytes().starts_with(&bytes));
            }
            prop_assert_eq!(meaning(&new), expected.clone());
            prop_assert_eq!(changed, expected != meaning(&old));
            prop_assert_eq!(changed, new.bytes() != &bytes[..]);
            prop_assert_eq!(&new, &Properties::parse_as(new.bytes(), encoding));
            // A value of several lines becomes one line: its other numbers are gone.
            if !matches!(which, Which::Line(_)) {
                let again = new.clone();
                prop_assert_eq!(new.set(&key, &value, which), Ok(false));
                prop_assert_eq!(new, again);
            }
        } else {
            let ambiguous = which == Which::Only && places.len() > 1;
            let elsewhere = matches!(which, Which::Line(_)) && places.is_empty();
            prop_assert!(!old.problems().is_empty() || ambiguous || elsewhere);
            prop_assert_eq!(new, old);
        }
    }

    #[test]
    fn unset_removes_what_it_says_and_nothing_else(
        bytes in file(), encoding in encoding(), which in which(),
        any_key in text(), choice in any::<usize>(),
    ) {
        let old = Properties::parse_as(&bytes, encoding);
        let key = pick_key(&old, any_key, choice);
        let mut new = old.clone();
        let places = chosen(&old, &key, which);
        if let Ok(changed) = new.unset(&key, which) {
            let mut expected = meaning(&old);
            for &place in places.iter().rev() {
                expected.remove(place);
            }
            prop_assert_eq!(meaning(&new), expected);
            prop_assert_eq!(changed, !places.is_empty());
        } else {
            prop_assert_eq!(new, old);
        }
    }

    #[test]
    fn a_diff_turns_the_old_file_into_the_new(old in file(), new in file()) {
        let (old, new) = (Properties::parse(&old), Properties::parse(&new));
        let diff = ByteDiff::between(&old, &new, |_| false);
        // A key that cannot be read is hidden in any case.
        if old.masked_bytes(|_| false) == old.bytes() && new.masked_bytes(|_| false) == new.bytes() {
            prop_assert_eq!(patched(&old, &diff), new.bytes());
        }
        prop_assert_eq!(diff.is_empty(), old.bytes() == new.bytes());
        for hunk in diff.hunks() {
            let count = |fate| hunk.lines.iter().filter(|line| line.fate != fate).count();
            prop_assert_eq!(count(Fate::Added), hunk.old_lines);
            prop_assert_eq!(count(Fate::Removed), hunk.new_lines);
        }
    }

    #[test]
    fn a_hidden_secret_shows_nowhere(
        before in file(), after in file(), one in raw_secret(), other in raw_secret(),
        hash in select(&["", "", "#", " #! "][..]), separator in select(&["=", " : ", "\t"][..]),
    ) {
        let old = Properties::parse(&around(&before, hash, separator, &one, &after));
        let new = Properties::parse(&around(&before, hash, separator, &other, &after));
        let secret = |key: &JavaString| *key == "top.secret";
        let diff = ByteDiff::between(&old, &new, secret);
        let shows = |diff: &ByteDiff| {
            diff.hunks().iter().flat_map(|hunk| &hunk.lines).any(|line| line.text.contains('Z'))
        };
        prop_assert!(!shows(&diff));
        prop_assert_eq!(diff.is_empty(), one == other);
        if hash.is_empty() {
            prop_assert_eq!(old.masked_bytes(secret), new.masked_bytes(secret));
        }
        let gone = ByteDiff::between(&old, &Properties::parse(b""), secret);
        prop_assert!(!shows(&gone));
    }

    #[test]
    fn setting_a_hidden_value_leaves_the_masked_bytes_alone(
        bytes in file(), encoding in encoding(), one in text(), other in text(), choice in any::<usize>(),
    ) {
        let mut old = Properties::parse_as(&bytes, encoding);
        let key = pick_key(&old, "a".into(), choice);
        if old.set(&key, &one, Which::All).is_ok() {
            let mut new = old.clone();
            new.set(&key, &other, Which::All).unwrap();
            let hidden = |candidate: &JavaString| *candidate == key;
            prop_assert_eq!(
                old.masked_bytes(hidden).escape_ascii().to_string(),
                new.masked_bytes(hidden).escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn a_meaning_diff_names_what_an_edit_changed(
        bytes in file(), any_key in text(), value in text(), choice in any::<usize>(),
    ) {
        let old = Properties::parse(&bytes);
        let key = pick_key(&old, any_key, choice);
        let mut new = old.clone();
        if new.set(&key, &value, Which::Last).is_ok() {
            let diff = MeaningDiff::between(&old, &new).unwrap();
            let [added, changed] = match old.get(&key) {
                None => [vec![key], vec![]],
                Some(before) if before == value => [vec![], vec![]],
                Some(_) => [vec![], vec![key]],
            };
            let bytes_differ = new.bytes() != &bytes[..];
            prop_assert_eq!(diff, MeaningDiff { added, removed: vec![], changed, bytes_differ });
        }
    }
}
