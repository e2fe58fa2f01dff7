//! Files made to be slow: the time must grow with the size, not faster.
//!
//! What counts is the work of this thread's processor, so that a busy machine
//! changes nothing. The limit is far above what any of these takes and far below
//! what a quadratic algorithm would.

use std::fmt::Write;
use std::time::Duration;

use clusterctl::properties::{ByteDiff, MeaningDiff, Properties, Which};

/// More when the code is optimised.
const SIZE: usize = if cfg!(debug_assertions) {
    200_000
} else {
    10_000_000
};
const LIMIT: Duration = Duration::from_secs(30);

/// How long a processor has worked for this thread.
fn worked() -> Duration {
    let worked = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(worked).unwrap()
}

/// Does with a file all that can be done with one.
fn exercise(what: &str, bytes: &[u8]) {
    let start = worked();
    let file = Properties::parse(bytes);
    let parsed = worked().saturating_sub(start);
    assert_eq!(file.bytes(), bytes);
    let _ = (file.keys(), file.duplicates(), file.get("a"), file.check());
    let masked = file.masked_bytes(|_| true);
    let mut edited = file.clone();
    let set = edited.set("a", "new", Which::All).is_ok();
    let mut shorter = file.clone();
    let unset = shorter.unset("a", Which::All).is_ok();
    for other in [&edited, &shorter, &Properties::parse(&masked)] {
        let _ = ByteDiff::between(&file, other, |_| true).unified("old", "new");
        let _ = MeaningDiff::between(&file, other);
    }
    let total = worked().saturating_sub(start);
    println!("{what}: parsed in {parsed:.1?}, all in {total:.1?} (set {set}, unset {unset})");
    assert!(total < LIMIT, "{what} took {total:?}");
}

fn repeat(piece: &[u8]) -> Vec<u8> {
    piece.repeat(SIZE / piece.len())
}

#[test]
fn one_piece_over_and_over() {
    for piece in [
        &b"\\"[..],
        b"\\\n",
        b"\\\r\n ",
        b"\n",
        b" \\\n\n",
        b"\\\n#\n",
        b"#\\\n",
        b"\\u",
        b"\\u004",
        b"a",
        b" ",
        b"=",
        b"a=\\\n",
    ] {
        exercise(&piece.escape_ascii().to_string(), &repeat(piece));
    }
}

#[test]
fn one_key_over_and_over() {
    exercise("duplicates", &b"a=1\n".repeat(SIZE / 10));
    exercise(
        "escaped duplicates",
        &b"\\u0061 : \\u0062\r".repeat(SIZE / 20),
    );
}

/// Lines `key0=0` and so on, each number made by the permutation.
fn numbered(count: usize, permutation: impl Fn(usize) -> usize) -> Vec<u8> {
    let mut text = String::new();
    for number in (0..count).map(permutation) {
        writeln!(text, "key{number}={number}").unwrap();
    }
    text.into_bytes()
}

#[test]
fn many_lines_in_another_order() {
    for count in [5_000, 9_999, SIZE / 50] {
        let old = Properties::parse(&numbered(count, |number| number));
        // 7919 is a prime that does not divide any of the counts.
        let new = Properties::parse(&numbered(count, |number| number * 7919 % count));
        let start = worked();
        assert!(!ByteDiff::between(&old, &new, |_| false).is_empty());
        assert!(MeaningDiff::between(&old, &new).unwrap().is_layout_only());
        let total = worked().saturating_sub(start);
        println!("{count} lines in another order: compared in {total:.1?}");
        assert!(total < LIMIT, "{count} lines took {total:?}");
    }
    exercise("many keys", &numbered(SIZE / 20, |number| number));
}

#[test]
fn a_secret_of_very_many_lines() {
    let file = [b"a=\\\n".as_slice(), &b"x\\\n".repeat(SIZE / 10)].concat();
    exercise("continuations", &file);
}
