//! Mutated properties files against the laws of the tree, many times over.
//!
//! `CLUSTERCTL_FUZZ_EXECUTIONS` says how many; the seed is always the same, so
//! that the number printed with a failure finds it again.

use std::env;
use std::time::Instant;

use clusterctl::properties::{ByteDiff, Encoding, Fate, JavaString, Line, MeaningDiff, Properties};

use crate::nasty::{Random, chosen, definitions};

const SEED: u64 = 0x5EED_F022_0000_0001;
const DEFAULT_EXECUTIONS: usize = 20_000;

/// How many mutated files live on to be mutated again.
const CORPUS: usize = 256;

#[test]
fn no_input_breaks_the_laws() {
    let executions = match env::var("CLUSTERCTL_FUZZ_EXECUTIONS") {
        Ok(count) => count
            .parse()
            .expect("CLUSTERCTL_FUZZ_EXECUTIONS is a number"),
        Err(_) => DEFAULT_EXECUTIONS,
    };
    println!("seed {SEED:#x}, {executions} executions");
    let start = Instant::now();
    let mut random = Random::new(SEED);
    let mut corpus: Vec<_> = (0..CORPUS).map(|_| random.file()).collect();
    let mut edits = 0;
    for number in 0..executions {
        let place = random.below(CORPUS);
        let mut bytes = corpus[place].clone();
        random.mutate(&mut bytes);
        let encoding = *random.pick(&[Encoding::Latin1, Encoding::Utf8]);
        let what = format!("execution {number}, {encoding:?}");
        let edited = check(&bytes, encoding, &mut random, &what);
        edits += usize::from(edited.is_some());
        corpus[place] = match random.below(8) {
            0 => random.file(),
            1 => edited.filter(|edited| edited.len() < 512).unwrap_or(bytes),
            _ => bytes,
        };
    }
    println!("{edits} of them edits, in {:.1?}", start.elapsed());
}

/// Parses, edits, masks and compares; the edited bytes if the edit was possible.
fn check(bytes: &[u8], encoding: Encoding, random: &mut Random, what: &str) -> Option<Vec<u8>> {
    let shown = || format!("{what}: {}", bytes.escape_ascii());
    let old = Properties::parse_as(bytes, encoding);
    assert_eq!(old.bytes(), bytes, "{}", shown());
    let covered: usize = old.lines().iter().map(|line| line.span().len()).sum();
    assert_eq!(covered, bytes.len(), "{}", shown());

    let (key, value, which) = (random.key(&old), random.text(), random.which());
    let unset = random.below(4) == 0;
    let edit = || format!("{key:?} to {value:?} ({which:?}, {unset}) in {}", shown());
    let places = chosen(&old, &key, which);
    let before = definitions(&old);
    let mut after = before.clone();
    let mut new = old.clone();
    let result = if unset {
        for &place in places.iter().rev() {
            after.remove(place);
        }
        new.unset(&key, which)
    } else {
        for &place in &places {
            after[place].1 = value.clone();
        }
        if places.is_empty() {
            after.push((key.clone(), value.clone()));
        }
        new.set(&key, &value, which)
    };
    let Ok(changed) = result else {
        assert_eq!(new, old, "{}", edit());
        return None;
    };
    assert_eq!(definitions(&new), after, "{}", edit());
    assert_eq!(changed, new.bytes() != bytes, "{}", edit());
    assert_eq!(changed, after != before, "{}", edit());

    let meaning = MeaningDiff::between(&old, &new).unwrap();
    let named = [meaning.added, meaning.removed, meaning.changed].concat();
    assert!(named.iter().all(|other| *other == key), "{}", edit());

    let hidden = |candidate: &JavaString| *candidate == key;
    let diff = ByteDiff::between(&old, &new, hidden);
    assert_eq!(diff.is_empty(), !changed, "{}", edit());
    // A carriage return and a line feed that an `unset` brings together become
    // one line end: two lines more.
    let joined = if unset && bytes.contains(&b'\r') {
        2 * places.len()
    } else {
        0
    };
    let touched = touched_lines(&old, &places) + joined;
    let diff = ByteDiff::between(&old, &new, |_| false);
    assert!(removed_lines(&diff) <= touched, "{}", edit());
    if !unset && !places.is_empty() {
        let [masked, masked_too] = [old.masked_bytes(hidden), new.masked_bytes(hidden)];
        assert_eq!(masked, masked_too, "{}", edit());
    }
    Some(new.bytes().to_vec())
}

fn removed_lines(diff: &ByteDiff) -> usize {
    let lines = diff.hunks().iter().flat_map(|hunk| &hunk.lines);
    lines.filter(|line| line.fate == Fate::Removed).count()
}

/// How many physical lines an edit may change: those of the definitions that it
/// means, or, when it appends, those of the last line if that was open.
fn touched_lines(file: &Properties, places: &[usize]) -> usize {
    let entries = file.lines().iter().filter(|line| line.entry().is_some());
    let count = |line: &Line| line.numbers().count();
    if places.is_empty() {
        return file.lines().last().map_or(0, count);
    }
    let entries: Vec<_> = entries.collect();
    places.iter().map(|&place| count(entries[place])).sum()
}
