//! What must hold for every file, with generated files as witnesses.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Encoding, JavaString, Properties, Which};

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
    prop_oneof![4 => nasty, 1 => vec(any::<u8>(), 0..64)]
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
}
